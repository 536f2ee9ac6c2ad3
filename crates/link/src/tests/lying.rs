//! Relays that lie about mailboxes and prekeys, or say nothing.

use std::time::Duration;

use proto::{
    identity::Signature,
    prekey::SignedPrekey,
    relay::{FromRelay, Item, ToRelay},
};
use tokio::sync::mpsc;

use super::{
    machine::{Machine, Setup, expect, identity},
    mailboxes::{envelope, prekey_of, put, take, visitor},
    relays::{Fake, hurried, machine, plan},
};
use crate::{PutError, RelayError, RelayPlan, RelayState, Timings};

/// An item of a relay that makes up its cursors.
fn item(cursor: u64) -> Item {
    Item { cursor, put_s: 0, envelope: envelope(cursor) }
}

/// Waits until a relay is given up, and says why.
async fn given_up(machine: &mut Machine) -> RelayError {
    loop {
        if let RelayState::Failed(error) = machine.relay().await {
            return error;
        }
    }
}

#[tokio::test]
async fn a_relay_that_mixes_up_a_mailbox_is_found_out() {
    type Answer = Box<dyn Fn(u32) -> Vec<FromRelay> + Send + Sync>;
    let page = |request, cursors: &[u64], more| {
        let items = cursors.iter().map(|cursor| item(*cursor)).collect();
        vec![FromRelay::Items { request, items, more }]
    };
    let cases: [(&str, Answer); 6] = [
        ("unordered", Box::new(move |request| page(request, &[2, 1], false))),
        ("twice", Box::new(move |request| page(request, &[1, 1], false))),
        ("one from before", Box::new(move |request| page(request, &[7, 8], true))),
        ("more behind nothing", Box::new(move |request| page(request, &[], true))),
        ("another answer", Box::new(|request| vec![FromRelay::Done { request }])),
        ("an answer to nothing", Box::new(|request| vec![FromRelay::Done { request: request + 77 }])),
    ];
    for (what, answer) in cases {
        let relay = Fake::answers(move |asked| match asked {
            ToRelay::Fetch { request, .. } => answer(request),
            ToRelay::Tokens { request, .. } | ToRelay::Ack { request, .. } => vec![FromRelay::Done { request }],
            _ => Vec::new(),
        })
        .await;
        let mut anna = machine(identity()).await;
        anna.link.set_relays(vec![plan(&anna.id, &relay.address, &[])]);
        if what == "one from before" {
            assert_eq!(take(&mut anna).await, [7, 8]);
        }
        let error = given_up(&mut anna).await;
        assert!(matches!(error, RelayError::Protocol(_)), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_relay_that_lies_to_visitors_is_noticed() {
    let (bob, other) = (identity(), identity());
    let genuine = prekey_of(&bob, 1);
    let forged = SignedPrekey::decode(genuine.bytes().clone(), Signature::from_bytes([7; 64])).unwrap();
    let foreign = prekey_of(&other, 1);
    for (prekey, lies) in [(Some(forged), true), (Some(foreign), true), (Some(genuine), false), (None, false)] {
        let given = prekey.clone();
        let relay = Fake::answers(move |asked| match asked {
            ToRelay::GetPrekey { request, .. } => vec![FromRelay::Prekey { request, prekey: given.clone() }],
            ToRelay::Watch { request, .. } => vec![FromRelay::Done { request }],
            ToRelay::Put { request, .. } => vec![FromRelay::Prekey { request, prekey: None }],
            _ => Vec::new(),
        })
        .await;
        let mut anna = visitor(&relay.address, &[bob.machine_id()]).await;
        let found = anna.link.prekey(&relay.address, bob.machine_id()).await;
        if lies {
            assert!(matches!(found, Err(PutError::Lied(_))), "{found:?}");
        } else {
            assert_eq!(found, Ok(prekey));
        }
        assert_eq!(put(&anna, &relay.address, bob.machine_id(), 1).await, Err(PutError::BrokeOff));
        assert!(matches!(given_up(&mut anna).await, RelayError::Protocol(_)), "because it answered another question");
    }
}

/// A visitor with short times, and a relay that says nothing to a put. What it is asked comes out.
async fn silent() -> (Machine, Fake, mpsc::UnboundedReceiver<ToRelay>) {
    let (heard_in, heard) = mpsc::unbounded_channel();
    let relay = Fake::answers(move |asked| {
        heard_in.send(asked.clone()).ok();
        match asked {
            ToRelay::Watch { request, .. } => vec![FromRelay::Done { request }],
            _ => Vec::new(),
        }
    })
    .await;
    let mut setup = Setup::new(identity());
    let (relay_ping, relay_silence) = (Duration::from_millis(50), Duration::from_secs(1));
    setup.timings = Timings { relay_ping, relay_silence, ..hurried() };
    (setup.start().await, relay, heard)
}

#[tokio::test]
async fn a_relay_that_does_not_answer_is_given_up_though_it_lives() {
    let (mut anna, relay, _heard) = silent().await;
    let bob = identity().machine_id();
    anna.link.set_relays(vec![RelayPlan { home: None, ..plan(&anna.id, &relay.address, &[bob]) }]);
    anna.connected(&relay.address).await;
    assert_eq!(put(&anna, &relay.address, bob, 1).await, Err(PutError::BrokeOff));
    assert_eq!(given_up(&mut anna).await, RelayError::Silent);
}

#[tokio::test]
async fn who_watches_nobody_shows_a_relay_that_it_is_there() {
    let (anna, relay, mut heard) = silent().await;
    let contacts = [(identity().machine_id(), None)].into();
    anna.link.set_relays(vec![RelayPlan { address: relay.address.clone(), home: None, contacts }]);
    for _ in 0..3 {
        let watch = expect("a frame", heard.recv()).await;
        assert!(matches!(&watch, Some(ToRelay::Watch { items, replace: true, .. }) if items.is_empty()), "{watch:?}");
    }
}
