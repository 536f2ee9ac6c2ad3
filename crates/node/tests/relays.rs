//! Through relays: tunnels, mailboxes and invitations of machines that cannot reach each other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

#[path = "relays/lying.rs"]
mod lying;

use std::sync::Arc;
use std::time::Duration;

use landline_node as node;
use node::view::{
    Change, Message, MessageState, Path, Presence, RelayFileLimits, RelayLimits, RelayState, Session, Trust,
};
use testkit::{Net, Person, Relay, Setup, ShiftedClock, elsewhere, is_connected, meet};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

fn at(relay: &str) -> Setup {
    Setup { relays: vec![relay.to_owned()], ..Setup::default() }
}

/// Alice and Bob, at home at one relay and with no other way to each other; Bob was invited.
async fn apart(net: &Net) -> (Relay, Person, Person, Session) {
    let relay = net.relay().await;
    let (alice, bob) = (net.person("Alice", at(&relay.address())).await, net.person("Bob", at(&relay.address())).await);
    let session = meet(&alice, &bob).await;
    (relay, alice, bob, session)
}

async fn is_held(person: &Person, message: &Message) -> Message {
    let id = message.id.clone();
    person
        .until(&format!("{:?} to be held by a relay", message.message), async |node| {
            node.message(&id).await.ok().filter(|message| message.held_by.is_some())
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_leads_through_a_relay_and_the_lan_wins() {
    let net = Net::new();
    let (relay, alice, bob, session) = apart(&net).await;
    assert_eq!(alice.node().user(&bob.id()).unwrap().trust, Trust::Verified);
    let shown = alice.node().user(&bob.id()).unwrap();
    assert_eq!(shown.relays, [relay.address()], "because the profile names it");

    net.section("everything goes through the tunnel");
    let message = alice.say(&session, "Through the tunnel").await;
    bob.hears("Through the tunnel").await;
    alice.sees_state(&message, MessageState::Delivered).await;
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    alice.sees_state(&message, MessageState::Read).await;

    net.section("a cable is laid");
    net.connect(&alice, &bob).await;
    alice.sees_user(&bob, "linked directly", |user| user.path == Path::Direct).await;
    bob.sees_user(&alice, "linked directly", |user| user.path == Path::Direct).await;
    alice.say(&session, "Through the cable").await;
    bob.hears("Through the cable").await;

    net.section("and cut");
    net.sever(&alice, &bob);
    alice.sees_user(&bob, "linked through the relay", |user| user.path == Path::Relay).await;
    alice.say(&session, "Through the tunnel again").await;
    bob.hears("Through the tunnel again").await;
    let texts = |reads: Vec<(String, String)>| reads.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    assert_eq!(texts(alice.reads(&session.session_id).await), texts(bob.reads(&session.session_id).await));
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_to_who_is_away_waits_at_the_relay() {
    let net = Net::new();
    let (relay, alice, bob, session) = apart(&net).await;
    bob.stop().await;
    let mut written = Vec::new();
    for text in ["One", "Two", "Three"] {
        written.push(alice.say(&session, text).await);
    }
    for message in &written {
        let held = is_held(&alice, message).await;
        assert_eq!(held.state, MessageState::Queued, "because it is not on Bob's disk");
        assert_eq!(held.held_by.unwrap(), relay.address());
    }
    assert!(relay.items().await > 0);

    net.section("Bob comes while Alice is away");
    alice.stop().await;
    bob.start_again().await;
    bob.has_messages(&session.session_id, 5).await;
    let reads = bob.reads(&session.session_id).await;
    let texts: Vec<&str> = reads.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["Hello", "Hello yourself", "One", "Two", "Three"]);
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    bob.say(&session, "Got all three").await;
    bob.until("Bob's answer to lie at the relay", async |node| {
        let page = node.messages(&session.session_id, node::PageRequest::default()).await.ok()?;
        page.items.last().filter(|last| last.held_by.is_some()).map(drop)
    })
    .await;

    net.section("Alice comes while Bob is away");
    bob.stop().await;
    alice.start_again().await;
    alice.has_messages(&session.session_id, 6).await;
    for message in &written {
        alice.sees_state(message, MessageState::Read).await;
    }
    relay.until_items("the mailboxes to be empty", |items| items == 0).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_loses_its_disk_loses_nothing_of_theirs() {
    let net = Net::new();
    let (relay, alice, bob, session) = apart(&net).await;
    bob.stop().await;
    let lost = alice.say(&session, "Lost at the relay").await;
    is_held(&alice, &lost).await;
    relay.stop().await;
    relay.forget_all();
    relay.clock().set_ahead(-400 * DAY_MS);
    relay.start_again().await;
    bob.start_again().await;
    bob.hears("Lost at the relay").await;
    alice.sees_state(&lost, MessageState::Delivered).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_relay_drops_in_silence_is_put_again() {
    let net = Net::new();
    let relay = net.relay().await;
    let clock = Arc::new(ShiftedClock::default());
    let alice = net.person("Alice", Setup { clock: Some(clock.clone()), ..at(&relay.address()) }).await;
    let bob = net.person("Bob", at(&relay.address())).await;
    let session = meet(&alice, &bob).await;
    bob.stop().await;
    let dropped = alice.say(&session, "Dropped").await;
    is_held(&alice, &dropped).await;
    relay.stop().await;
    relay.forget_all();
    relay.start_again().await;

    net.section("Bob shows up once, so that he has a mailbox, and hears nothing of it");
    alice.stop().await;
    bob.start_again().await;
    is_connected(&bob).await;
    bob.stop().await;

    net.section("days later Alice puts it again");
    clock.set_ahead(4 * DAY_MS);
    alice.start_again().await;
    relay.until_items("something to lie there", |items| items > 0).await;
    alice.stop().await;
    bob.start_again().await;
    bob.has_messages(&session.session_id, 3).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_away_for_longer_than_a_prekey_lives_gets_all_when_both_are_there() {
    let net = Net::new();
    let relay = net.relay().await;
    let clock = Arc::new(ShiftedClock::default());
    let alice = net.person("Alice", Setup { clock: Some(clock.clone()), ..at(&relay.address()) }).await;
    let bob = net.person("Bob", at(&relay.address())).await;
    let session = meet(&alice, &bob).await;
    // Before he goes: what he was still to be told is not sealed to a prekey that is good.
    clock.set_ahead(40 * DAY_MS);
    bob.stop().await;
    let late = alice.say(&session, "After forty days").await;
    let early = alice.say(&session, "And one more").await;
    for _ in 0..2 {
        // Nothing tells that nothing is put; a login is a round trip behind it.
        alice.node().add_relay(&relay.address(), None).await.unwrap();
    }
    assert_eq!(relay.items().await, 0, "because nothing is sealed to a prekey that is over");
    assert_eq!(alice.node().message(&late.id).await.unwrap().held_by, None);
    bob.start_again().await;
    bob.hears("After forty days").await;
    bob.hears("And one more").await;
    alice.sees_state(&early, MessageState::Delivered).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_gets_no_further_than_the_request_slot() {
    let net = Net::new();
    let relay = net.relay().await;
    let clock = Arc::new(ShiftedClock::default());
    let alice = net.person("Alice", Setup { clock: Some(clock.clone()), ..at(&relay.address()) }).await;
    let eve = net.person("Eve", at(&relay.address())).await;
    is_connected(&alice).await;
    is_connected(&eve).await;
    let invitation = alice.node().invite().await.unwrap();
    let link = elsewhere(&invitation.link);
    let (link, _) = link.split_once("&token=").unwrap();
    let refused = eve.node().follow_invitation(link).await.unwrap_err();
    assert_eq!(refused.code(), "no_address", "{refused}");
    let (session, _) = eve.node().create_session(&alice.id()).await.unwrap();
    eve.say(&session, "May I?").await;
    let request = alice.sees_session(&session.session_id, "as a request", |session| session.request).await;
    let user = request.peer.unwrap();
    assert_eq!((user.trust, user.status, user.path), (Trust::Requested, Presence::Offline, Path::None));
    assert_eq!(user.name, "Eve", "because the profile came along");

    net.section("accepted, they are linked through the relay");
    alice.node().accept(&eve.id()).await.unwrap();
    alice.sees_user(&eve, "linked through the relay", |user| user.path == Path::Relay).await;
    alice.say(&session, "You may").await;
    eve.hears("You may").await;

    net.section("blocked, nothing of hers comes any more");
    alice.node().block(&eve.id()).await.unwrap();
    eve.sees_offline(&alice).await;
    eve.say(&session, "Still there?").await;
    eve.node().wake();
    let page = alice.node().messages(&session.session_id, node::PageRequest::default()).await.unwrap();
    assert!(page.items.iter().all(|message| message.message != "Still there?"));
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_relay_allows_is_shown_and_stays_while_it_is_away() {
    let net = Net::new();
    let relay = net
        .relay_called("relay", |limits| {
            (limits.items, limits.bytes, limits.ttl) = (7, 1 << 20, Duration::from_secs(3_600));
            (limits.files, limits.files_bytes, limits.file_bytes) = (3, 5 << 20, 2 << 20);
            limits.file_ttl = Duration::from_secs(7_200);
        })
        .await;
    let other = net.relay_called("other", |limits| limits.file_bytes = 0).await;
    let alice = net.alice().await;
    let added = alice.node().add_relay(&relay.address(), None).await.unwrap();
    let files = RelayFileLimits { file_bytes: 2 << 20, count: 3, bytes: 5 << 20, kept_seconds: 7_200 };
    let allowed = RelayLimits { items: 7, bytes: 1 << 20, kept_seconds: 3_600, files: Some(files) };
    assert_eq!(added.limits.as_ref(), Some(&allowed));
    let without_files = alice.node().add_relay(&other.address(), None).await.unwrap();
    assert_eq!(without_files.limits.unwrap().files, None, "because it takes none");

    relay.stop().await;
    let fails = async |node: node::Node| {
        let relays = node.relays().items;
        relays.into_iter().find(|shown| shown.address == relay.address() && shown.state == RelayState::Failed)
    };
    let away = alice.until("the relay to fail", fails).await;
    assert_eq!(away.limits, Some(allowed), "because that is what was last known");
    alice.stop().await;
    alice.start_again().await;
    let away = alice.until("the relay to fail", fails).await;
    assert_eq!(away.limits, None, "because it may be another one by now");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_are_added_and_removed_while_it_runs() {
    let net = Net::new();
    let relay = net.relay().await;
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.befriend(&alice, &bob).await;
    assert!(alice.node().relays().items.is_empty(), "because none is there unless somebody adds one");
    let added = alice.node().add_relay(&format!(" {} ", relay.address()), None).await.unwrap();
    assert_eq!((added.state, added.address.as_str()), (RelayState::Connected, relay.address().as_str()));
    bob.sees_user(&alice, "at the relay", |user| user.relays == [relay.address()]).await;

    net.section("Bob has no relay, and reaches Alice at hers");
    net.sever(&alice, &bob);
    bob.sees_user(&alice, "through the relay", |user| user.path == Path::Relay).await;

    net.section("a relay that is not there says why it is not");
    let nobody = alice.node().add_relay("ws://127.0.0.1:1", None).await.unwrap();
    assert_eq!((nobody.state, nobody.error.unwrap().code.as_str()), (RelayState::Failed, "unreachable"));
    let malformed = alice.node().add_relay("https://relay.example.org", None).await.unwrap_err();
    assert_eq!((malformed.code(), malformed.field()), ("invalid_address", Some("address")));

    net.section("taken away, it is not used any more, not after a restart either");
    alice.node().remove_relay("ws://127.0.0.1:1").await.unwrap();
    alice.node().remove_relay(&relay.address()).await.unwrap();
    bob.sees_offline(&alice).await;
    assert_eq!(alice.node().remove_relay(&relay.address()).await.unwrap_err().code(), "relay_not_found");
    alice.stop().await;
    alice.start_again().await;
    assert!(alice.node().relays().items.is_empty());
    let shown = alice.seen().await;
    assert!(!shown.iter().any(|change| matches!(change, Change::RelaysChanged { .. })));
    net.end().await;
}
