//! What machines leave for each other at a relay, the real one in this process.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use futures_util::future::join_all;
use proto::{
    id::MachineId,
    identity::Identity,
    limits,
    prekey::{self, Prekey, SignedPrekey},
    relay::{Item, RefusalCode, RelayAddress},
};
use relay::Transport;

use super::{
    machine::{Machine, converse, expect, identity},
    relays::{Place, machine, plan, token_of},
};
use crate::{Home, Mail, PutAs, PutError, RelayPlan, RelayState};

/// An envelope that can be told from others. To a relay one is as good as another.
pub(super) fn envelope(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

fn numbers(mail: &Mail) -> Vec<u64> {
    let number = |item: &Item| u64::from_be_bytes(item.envelope[..].try_into().unwrap());
    mail.items.iter().map(number).collect()
}

/// Takes a page, and says that all of it is done. Gives the numbers.
pub(super) async fn take(machine: &mut Machine) -> Vec<u64> {
    let mail = machine.mail().await;
    let (numbers, cursors) = (numbers(&mail), mail.items.iter().map(|item| item.cursor).collect());
    mail.done(cursors);
    numbers
}

/// A machine that is at home at the relay.
async fn at_home(identity: Arc<Identity>, relay: &RelayAddress) -> Machine {
    let mut machine = machine(identity).await;
    machine.link.set_relays(vec![plan(&machine.id, relay, &[])]);
    machine.connected(relay).await;
    machine
}

/// A machine that only visits, with a token of each of these.
pub(super) async fn visitor(relay: &RelayAddress, contacts: &[MachineId]) -> Machine {
    let mut machine = machine(identity()).await;
    machine.link.set_relays(vec![RelayPlan { home: None, ..plan(&machine.id, relay, contacts) }]);
    machine.connected(relay).await;
    machine
}

pub(super) async fn put(from: &Machine, relay: &RelayAddress, to: MachineId, number: u64) -> Result<(), PutError> {
    expect("an answer to a put", from.link.put(relay, to, PutAs::Contact, envelope(number))).await
}

pub(super) fn prekey_of(identity: &Identity, version: u64) -> SignedPrekey {
    let prekey = Prekey {
        machine: identity.machine_id(),
        version,
        suite: prekey::SUITE,
        public: vec![u8::try_from(version).unwrap(); prekey::PUBLIC_BYTES].into(),
        not_before_s: 1_800_000_000,
        not_after_s: 1_800_600_000,
    };
    SignedPrekey::sign(identity, prekey).unwrap()
}

/// The code of a refusal, its limit, and whether waiting helps.
fn refusal(outcome: Result<(), PutError>) -> (RefusalCode, Option<u64>, bool) {
    match outcome {
        Err(PutError::Refused { code, limit, retry_after, .. }) => (code, limit, retry_after.is_some()),
        other => panic!("no refusal: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_put_comes_once_and_what_is_done_is_gone() {
    for place in [Place::plain().await, Place::encrypted().await] {
        let bob_identity = identity();
        let mut bob = at_home(bob_identity.clone(), &place.address).await;
        let anna = visitor(&place.address, &[bob.id]).await;
        put(&anna, &place.address, bob.id, 1).await.unwrap();
        put(&anna, &place.address, bob.id, 1).await.unwrap();
        let mail = bob.mail().await;
        assert_eq!(mail.relay, place.address);
        assert_eq!((numbers(&mail), mail.more), (vec![1], false));
        let cursor = mail_cursor(&mail);
        mail.done(vec![cursor]);
        put(&anna, &place.address, bob.id, 2).await.unwrap();
        assert_eq!(take(&mut bob).await, [2], "because the same again counts once");
        put(&anna, &place.address, bob.id, 3).await.unwrap();
        assert_eq!(numbers(&bob.mail().await), [3]);
        bob.link.shutdown().await;
        let mut bob = at_home(bob_identity, &place.address).await;
        assert_eq!(numbers(&bob.mail().await), [3], "because the others were deleted");
    }
}

fn mail_cursor(mail: &Mail) -> u64 {
    mail.items[0].cursor
}

#[tokio::test]
async fn what_waits_comes_in_its_order_page_by_page() {
    const COUNT: u64 = 150;
    let place = Place::limited(|limits| limits.puts_burst = 1_000).await;
    let identity = identity();
    let bob = at_home(identity.clone(), &place.address).await;
    bob.link.shutdown().await;
    let anna = visitor(&place.address, &[bob.id]).await;
    for number in 0..COUNT {
        put(&anna, &place.address, bob.id, number).await.unwrap();
    }
    let mut bob = at_home(identity, &place.address).await;
    let (mut taken, mut pages) = (Vec::new(), Vec::new());
    while taken.len() < usize::try_from(COUNT).unwrap() {
        let page = take(&mut bob).await;
        pages.push(page.len());
        taken.extend(page);
    }
    assert_eq!(pages, [64, 64, 22]);
    assert_eq!(taken, (0..COUNT).collect::<Vec<_>>());
}

#[tokio::test]
async fn many_put_at_once_wait_for_their_turn_and_all_arrive() {
    let place = Place::limited(|limits| {
        limits.puts_burst = 1_000;
        limits.frames_per_second = 10_000;
    })
    .await;
    let mut bob = at_home(identity(), &place.address).await;
    let anna = visitor(&place.address, &[bob.id]).await;
    let putting = join_all((0..300).map(|number| put(&anna, &place.address, bob.id, number)));
    let taking = async {
        let mut taken = Vec::new();
        while taken.len() < 300 {
            taken.extend(take(&mut bob).await);
        }
        taken
    };
    let (put, taken) = tokio::join!(putting, taking);
    assert!(put.iter().all(Result::is_ok), "{put:?}");
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), (0..300).collect());
}

#[tokio::test]
async fn what_is_not_done_comes_again_at_the_next_connection() {
    let place = Place::plain().await;
    let identity = identity();
    let bob = at_home(identity.clone(), &place.address).await;
    bob.link.shutdown().await;
    let anna = visitor(&place.address, &[bob.id]).await;
    for number in 1..=3 {
        put(&anna, &place.address, bob.id, number).await.unwrap();
    }
    let mut bob = at_home(identity.clone(), &place.address).await;
    let mail = bob.mail().await;
    assert_eq!(numbers(&mail), [1, 2, 3]);
    let cursors = [&mail.items[0], &mail.items[2]].map(|item| item.cursor).to_vec();
    mail.done(cursors);
    put(&anna, &place.address, bob.id, 4).await.unwrap();
    assert_eq!(numbers(&bob.mail().await), [4], "because this connection has left the second out");
    bob.link.shutdown().await;
    let mut bob = at_home(identity, &place.address).await;
    assert_eq!(numbers(&bob.mail().await), [2, 4]);
}

#[tokio::test]
async fn what_the_node_drops_comes_again_and_meanwhile_nothing_else_waits() {
    let place = Place::plain().await;
    let mut bob = at_home(identity(), &place.address).await;
    let mut anna = visitor(&place.address, &[bob.id]).await;
    put(&anna, &place.address, bob.id, 1).await.unwrap();
    for _ in 0..3 {
        assert_eq!(numbers(&bob.mail().await), [1]);
    }
    let held = bob.mail().await;
    put(&anna, &place.address, bob.id, 2).await.unwrap();
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    converse(&mut to_bob, &mut to_anna, 1).await;
    let cursor = mail_cursor(&held);
    held.done(vec![cursor]);
    assert_eq!(take(&mut bob).await, [2]);
}

#[tokio::test]
async fn a_relay_that_is_started_anew_has_lost_nothing() {
    let place = Place::plain().await;
    let mut bob = at_home(identity(), &place.address).await;
    let mut anna = visitor(&place.address, &[bob.id]).await;
    for number in 1..=3 {
        put(&anna, &place.address, bob.id, number).await.unwrap();
    }
    let mut seen = take(&mut bob).await;
    while seen.len() < 3 {
        seen.extend(take(&mut bob).await);
    }
    put(&anna, &place.address, bob.id, 4).await.unwrap();
    let held = bob.mail().await;
    assert_eq!(numbers(&held), [4]);
    let (folder, port) = place.stop().await;
    let cursor = mail_cursor(&held);
    held.done(vec![cursor]);
    let error = loop {
        match put(&anna, &format!("ws://127.0.0.1:{port}").parse().unwrap(), bob.id, 5).await {
            Err(PutError::BrokeOff) => {}
            other => break other,
        }
    };
    assert_eq!(error, Err(PutError::NotConnected));

    let place = Place::start(folder, Transport::Plain, port).await;
    bob.connected(&place.address).await;
    anna.connected(&place.address).await;
    assert_eq!(take(&mut bob).await, [4], "because nothing is deleted before the relay has heard that it may be");
    put(&anna, &place.address, bob.id, 5).await.unwrap();
    assert_eq!(take(&mut bob).await, [5]);
}

#[tokio::test]
async fn a_prekey_is_laid_down_found_and_replaced_by_a_newer_one() {
    let place = Place::limited(|limits| limits.prekeys_per_minute = 100_000).await;
    let bob_identity = identity();
    let (old, new) = (prekey_of(&bob_identity, 1), prekey_of(&bob_identity, 2));
    let with = |prekey: &SignedPrekey| {
        let plan = plan(&bob_identity.machine_id(), &place.address, &[]);
        let home = plan.home.map(|home| Home { prekey: Some(prekey.clone()), ..home });
        vec![RelayPlan { home, ..plan }]
    };
    let bob = at_home(bob_identity.clone(), &place.address).await;
    let anna = visitor(&place.address, &[bob.id]).await;
    let ask = || expect("a prekey", anna.link.prekey(&place.address, bob_identity.machine_id()));
    assert_eq!(ask().await, Ok(None));
    for prekey in [&old, &new] {
        bob.link.set_relays(with(prekey));
        while ask().await.unwrap().as_ref() != Some(prekey) {}
    }
    bob.link.shutdown().await;

    // An older one is refused, which does no harm.
    let mut bob = machine(bob_identity.clone()).await;
    bob.link.set_relays(with(&old));
    assert_eq!(bob.relay().await, RelayState::Reaching);
    assert_eq!(bob.relay().await, RelayState::Connected);
    assert_eq!(ask().await, Ok(Some(new)));
    put(&anna, &place.address, bob.id, 1).await.unwrap();
    assert_eq!(take(&mut bob).await, [1]);
    bob.no_relay_was_lost();
}

#[tokio::test]
async fn a_relay_says_why_it_does_not_keep_something() {
    let place = Place::limited(|limits| {
        limits.items = 2;
        limits.puts_burst = 3;
        limits.request_bytes = 100;
    })
    .await;
    let relay = &place.address;
    let bob = at_home(identity(), relay).await;
    let (carol, dora) = (identity().machine_id(), identity().machine_id());
    let mut anna = visitor(relay, &[bob.id, carol]).await;
    assert_eq!(refusal(put(&anna, relay, carol, 1).await).0, RefusalCode::Unreachable, "because she has no mailbox");
    assert_eq!(put(&anna, relay, dora, 1).await, Err(PutError::NoToken));
    let stranger = |to, bytes: Vec<u8>| anna.link.put(relay, to, PutAs::Stranger, bytes.into());
    assert_eq!(refusal(stranger(dora, vec![1]).await).0, RefusalCode::Unreachable);
    assert_eq!(refusal(stranger(bob.id, vec![1; 101]).await), (RefusalCode::TooLarge, Some(100), false));
    let longest = limits::ENVELOPE_BYTES;
    let too_long = stranger(bob.id, vec![1; longest + 1]).await;
    assert_eq!(refusal(too_long), (RefusalCode::TooLarge, Some(longest as u64), false));
    for number in 1..=2 {
        put(&anna, relay, bob.id, number).await.unwrap();
    }
    assert_eq!(refusal(put(&anna, relay, bob.id, 3).await), (RefusalCode::MailboxFull, Some(2), false));
    assert_eq!(refusal(put(&anna, relay, bob.id, 4).await), (RefusalCode::RateLimited, Some(60), true));

    let wrong = token_of(&carol, relay);
    let contacts = [(bob.id, Some(wrong))].into();
    anna.link.set_relays(vec![RelayPlan { address: relay.clone(), home: None, contacts }]);
    // The plan is followed at once, but not before this is asked.
    let code = loop {
        match refusal(put(&anna, relay, bob.id, 5).await).0 {
            RefusalCode::RateLimited => {}
            other => break other,
        }
    };
    assert_eq!(code, RefusalCode::BadToken);
    // No refusal ends the connection.
    anna.no_relay_was_lost();
}

#[tokio::test]
async fn a_token_that_has_ended_opens_nothing() {
    let place = Place::plain().await;
    let mut bob = machine(identity()).await;
    let mut at_home = plan(&bob.id, &place.address, &[]);
    for token in at_home.home.iter_mut().flat_map(|home| &mut home.tokens) {
        token.until = Some(tokio::time::Instant::now());
    }
    bob.link.set_relays(vec![at_home]);
    bob.connected(&place.address).await;
    let anna = visitor(&place.address, &[bob.id]).await;
    assert_eq!(refusal(put(&anna, &place.address, bob.id, 1).await).0, RefusalCode::BadToken);
}

#[tokio::test]
async fn a_stranger_reaches_the_request_slot_without_a_token() {
    let place = Place::plain().await;
    let mut bob = machine(identity()).await;
    let home = Some(Home::default());
    bob.link.set_relays(vec![RelayPlan { home, ..plan(&bob.id, &place.address, &[]) }]);
    bob.connected(&place.address).await;
    let mut anna = machine(identity()).await;
    let contacts = [(bob.id, None)].into();
    anna.link.set_relays(vec![RelayPlan { address: place.address.clone(), home: None, contacts }]);
    anna.connected(&place.address).await;
    assert_eq!(put(&anna, &place.address, bob.id, 1).await, Err(PutError::NoToken));
    anna.link.put(&place.address, bob.id, PutAs::Stranger, envelope(2)).await.unwrap();
    assert_eq!(take(&mut bob).await, [2]);
    anna.nobody_was_present();
}

#[tokio::test]
async fn without_a_connection_a_put_says_so_at_once() {
    let anna = machine(identity()).await;
    let (bob, nobody) = (identity().machine_id(), "ws://127.0.0.1:9".parse().unwrap());
    assert_eq!(put(&anna, &nobody, bob, 1).await, Err(PutError::NotInUse));
    assert_eq!(anna.link.prekey(&nobody, bob).await, Err(PutError::NotInUse));
    anna.link.set_relays(vec![plan(&anna.id, &nobody, &[bob])]);
    assert_eq!(put(&anna, &nobody, bob, 1).await, Err(PutError::NotConnected));
    assert_eq!(anna.link.prekey(&nobody, bob).await, Err(PutError::NotConnected));
}
