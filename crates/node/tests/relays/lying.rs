//! A relay that lies loses nothing, changes nothing, and is noticed.

use std::sync::{Arc, mpsc};

use landline_node as node;
use node::view::{Change, Message, MessageState, NotificationKind, Path, Presence, RelayState, Session};
use proto::id::MachineId;
use proto::identity::{Identity, Signature};
use proto::prekey::{PUBLIC_BYTES, Prekey, SUITE, SignedPrekey};
use proto::{KeyId, sealed};
use testkit::{Liar, Net, Person, Setup, ShiftedClock};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{DAY_MS, MINUTE_MS, at, is_connected, is_held, meet};

/// Someone at home at the relay, with a clock that can be set.
async fn person(net: &Net, name: &str, relay: &Liar) -> (Person, Arc<ShiftedClock>) {
    let clock = Arc::new(ShiftedClock::default());
    let setup = Setup { clock: Some(clock.clone()), ..at(&relay.address()) };
    (net.person(name, setup).await, clock)
}

/// The states in which a message was shown, of what was seen.
fn states_of(seen: &[Change], text: &str) -> Vec<MessageState> {
    let shown = |change: &Change| match change {
        Change::MessageChanged { message, .. } if message.message == text => Some(message.state),
        _ => None,
    };
    seen.iter().filter_map(shown).collect()
}

async fn texts(person: &Person, session: &str) -> Vec<String> {
    person.reads(session).await.into_iter().map(|(_, text)| text).collect()
}

/// What came, as it came.
fn incoming(seen: &[Change]) -> Vec<&str> {
    seen.iter()
        .filter_map(|change| match change {
            Change::MessageChanged { message, incoming: true } => Some(message.message.as_str()),
            _ => None,
        })
        .collect()
}

/// Waits until the link to a machine has ended.
async fn is_gone(person: &Person, machine: &MachineId) {
    let id = machine.to_string();
    let gone = async |node: node::Node| (node.user(&id).ok()?.status == Presence::Offline).then_some(());
    person.until("the other to be gone", gone).await;
}

/// Says of machines that they are not there.
fn hides(relay: &Liar, machines: [MachineId; 2]) {
    machines.into_iter().for_each(|machine| relay.says_present(machine, false));
}

/// Says all of it, each in an envelope of its own.
async fn says(person: &Person, session: &Session, written: &[&str]) -> Vec<Message> {
    let mut messages = Vec::new();
    for text in written {
        let message = person.say(session, text).await;
        is_held(person, &message).await;
        messages.push(message);
    }
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_relay_acknowledges_and_drops_is_put_again_as_soon_as_that_shows() {
    let net = Net::new();
    let relay = net.liar().await;
    let ((alice, clock), (bob, _)) = (person(&net, "Alice", &relay).await, person(&net, "Bob", &relay).await);
    let session = meet(&alice, &bob).await;
    let (to_alice, to_bob) = (alice.node().machine_id(), bob.node().machine_id());
    bob.stop().await;
    relay.drops(true);
    let mut written = says(&alice, &session, &["Dropped", "Dropped, too"]).await;
    relay.drops(false);
    written.extend(says(&alice, &session, &["Kept"]).await);
    alice.seen().await;
    alice.stop().await;

    net.section("Bob gets what comes after a gap, shows none of it, and says what he has");
    let before = relay.heard().put_for(to_alice).len();
    bob.start_again().await;
    relay.until("Bob to say what he has", |heard| heard.put_for(to_alice).len() > before).await;
    assert_eq!(texts(&bob, &session.session_id).await, ["Hello", "Hello yourself"], "because something is missing");
    bob.stop().await;

    net.section("two hours later Alice hears that, and puts all of it again");
    clock.set_ahead(120 * MINUTE_MS);
    let before = relay.heard().put_for(to_bob).len();
    alice.start_again().await;
    for message in &written {
        let is_this = |change: &Change| match change {
            Change::MessageChanged { message: shown, .. } if shown.id == message.id => Some(shown.clone()),
            _ => None,
        };
        let shown = alice.wait_for("the message to be shown as put nowhere", is_this).await;
        assert_eq!((shown.state, shown.held_by), (MessageState::Queued, None), "because Bob does not have it");
    }
    relay.until("Alice to put it again", |heard| heard.put_for(to_bob).len() > before).await;
    for message in &written {
        let shown = is_held(&alice, message).await;
        assert_eq!(shown.state, MessageState::Queued, "because it is not on Bob's disk");
    }
    alice.stop().await;

    net.section("Bob has it then, and Alice hears that from him alone");
    bob.start_again().await;
    bob.hears("Kept").await;
    let all = ["Hello", "Hello yourself", "Dropped", "Dropped, too", "Kept"];
    assert_eq!(texts(&bob, &session.session_id).await, all);
    let before = relay.heard().put_for(to_alice).len();
    relay.until("Bob to say that he has it", |heard| heard.put_for(to_alice).len() > before).await;
    bob.stop().await;
    alice.start_again().await;
    for message in &written {
        alice.sees_state(message, MessageState::Delivered).await;
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_relay_drops_comes_through_another() {
    let net = Net::new();
    let (relay, other) = (net.liar().await, net.relay().await);
    let (alice, clock) = person(&net, "Alice", &relay).await;
    let relays = vec![relay.address(), other.address()];
    let bob = net.person("Bob", Setup { relays, ..Setup::default() }).await;
    let session = meet(&alice, &bob).await;
    bob.stop().await;
    relay.drops(true);
    says(&alice, &session, &["Is anybody there?"]).await;
    assert_eq!(other.items().await, 0, "because one that takes it is enough");
    alice.stop().await;

    net.section("days later it is put again, at all of them");
    clock.set_ahead(4 * DAY_MS);
    alice.start_again().await;
    other.until_items("something to lie at the other one", |items| items > 0).await;
    alice.stop().await;
    bob.start_again().await;
    bob.hears("Is anybody there?").await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_relay_hands_over_again_and_again_in_another_order_stands_once_and_in_order() {
    let net = Net::new();
    let relay = net.liar().await;
    let ((alice, _), (bob, _)) = (person(&net, "Alice", &relay).await, person(&net, "Bob", &relay).await);
    let session = meet(&alice, &bob).await;
    let (at_alice, at_bob) = (alice.node().machine_id(), bob.node().machine_id());
    bob.stop().await;
    let written = ["One", "Two", "Three", "Four"];
    let messages = says(&alice, &session, &written).await;
    alice.stop().await;
    relay.repeats();

    net.section("the newest come first, then all, and each twice");
    bob.start_again().await;
    relay.until("all to be handed over", |heard| heard.emptied.contains_key(&at_bob)).await;
    bob.has_messages(&session.session_id, 6).await;
    let all = ["Hello", "Hello yourself", "One", "Two", "Three", "Four"];
    assert_eq!(texts(&bob, &session.session_id).await, all);
    assert_eq!(bob.node().session(&session.session_id).await.unwrap().unread_count, 5);
    let seen = bob.seen().await;
    assert_eq!(incoming(&seen), written, "because what comes again is no news");
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    says(&bob, &session, &["Five"]).await;
    bob.stop().await;

    net.section("so with what Bob says of it, of which the newest counts");
    alice.start_again().await;
    alice.hears("Five").await;
    for message in &messages {
        alice.sees_state(message, MessageState::Read).await;
    }
    relay.until("all to be handed over", |heard| heard.emptied.contains_key(&at_alice)).await;
    let seen = alice.seen().await;
    for message in &messages {
        let state = alice.node().message(&message.id).await.unwrap().state;
        assert_eq!(state, MessageState::Read, "because what was read stays so");
        let states = states_of(&seen, &message.message);
        assert!(states.is_sorted_by_key(|state| *state as u8), "because no older word takes it back: {states:?}");
    }
    assert_eq!(texts(&alice, &session.session_id).await, [all.as_slice(), &["Five"]].concat());
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sealed_to_a_prekey_that_a_relay_has_swapped() {
    let net = Net::new();
    let relay = net.liar().await;
    let ((alice, hers), (bob, his)) = (person(&net, "Alice", &relay).await, person(&net, "Bob", &relay).await);
    let session = meet(&alice, &bob).await;
    let to_bob = bob.node().machine_id();
    bob.stop().await;
    alice.stop().await;
    let of_bob = |prekey: &&SignedPrekey| prekey.prekey().machine == to_bob;
    let over = relay.heard().published.iter().rfind(of_bob).cloned().unwrap();

    net.section("Bob comes once after thirty days, and Alice ten days later");
    his.set_ahead(30 * DAY_MS);
    bob.start_again().await;
    is_connected(&bob).await;
    bob.stop().await;
    let fresh = relay.heard().published.iter().rfind(of_bob).cloned().unwrap();
    assert_ne!(fresh, over, "because a prekey lives for a week");
    hers.set_ahead(40 * DAY_MS);
    alice.start_again().await;
    is_connected(&alice).await;

    net.section("the relay has swapped it");
    net.expect_log("it lies");
    let before = relay.heard().put_for(to_bob).len();
    let forged = SignedPrekey::decode(fresh.bytes().clone(), Signature::from_bytes([7; 64])).unwrap();
    let mut written = Vec::new();
    for (text, lie) in [
        ("Sealed to Mallory", prekey_of_mallory(fresh.prekey())),
        ("Sealed to a key that is over", over),
        ("Sealed to what nobody signed", forged),
    ] {
        relay.gives(to_bob, lie);
        let asked = relay.heard().asked;
        written.push(alice.say(&session, text).await);
        relay.until("Alice to ask for a prekey", |heard| heard.asked > asked).await;
    }
    relay.tells_the_truth();
    written.push(alice.say(&session, "Sealed to Bob").await);
    for message in &written {
        is_held(&alice, message).await;
    }
    assert!(net.was_logged("another machine's prekey") && net.was_logged("signature of the prekey"));
    let told = alice
        .until("Alice to be told of it", async |node| {
            let page = node.notifications(node::NotificationsRequest::default()).await.ok()?;
            page.items.into_iter().find(|record| record.kind == NotificationKind::Security)
        })
        .await;
    assert_eq!(told.title, "A relay gave a false key for Bob");
    assert!(told.body.contains(&relay.address()), "{}", told.body);
    for envelope in &relay.heard().put_for(to_bob)[before..] {
        assert_eq!(sealed::key_id(envelope), Ok(fresh.prekey().key_id()), "because only Bob has what opens that");
    }
    alice.stop().await;
    his.set_ahead(40 * DAY_MS);
    bob.start_again().await;
    bob.hears("Sealed to Bob").await;
    let all: Vec<&str> = written.iter().map(|message| message.message.as_str()).collect();
    assert_eq!(texts(&bob, &session.session_id).await, [&["Hello", "Hello yourself"], &all[..]].concat());
    net.end().await;
}

/// A prekey as Bob's, but Mallory's.
fn prekey_of_mallory(like: &Prekey) -> SignedPrekey {
    let public = vec![9; PUBLIC_BYTES].into();
    SignedPrekey::sign(&Identity::from_seed([9; 32]), Prekey { public, suite: SUITE, ..like.clone() }).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_cannot_lead_back_to_an_older_prekey() {
    let net = Net::new();
    let relay = net.liar().await;
    let ((alice, _), (bob, his)) = (person(&net, "Alice", &relay).await, person(&net, "Bob", &relay).await);
    let session = meet(&alice, &bob).await;
    let to_bob = bob.node().machine_id();
    let old = relay.heard().published.iter().rfind(|prekey| prekey.prekey().machine == to_bob).cloned().unwrap();
    bob.stop().await;

    net.section("Bob has made another, by a clock that is wrong; Alice knows it");
    his.set_ahead(60 * DAY_MS);
    bob.start_again().await;
    alice.sees_online(&bob).await;
    bob.say(&session, "What day is it?").await;
    alice.hears("What day is it?").await;
    bob.stop().await;
    is_gone(&alice, &to_bob).await;

    net.section("it cannot be sealed to yet, and the relay gives the one before");
    relay.gives(to_bob, old.clone());
    let mut written = Vec::new();
    for text in ["The thirtieth", "Of November"] {
        let asked = relay.heard().asked;
        written.push(alice.say(&session, text).await);
        relay.until("Alice to ask for a prekey", |heard| heard.asked > asked).await;
    }
    // Asked once more, Alice had done with the answer before.
    let old_key: KeyId = old.prekey().key_id();
    let sealed_to = |envelope: &bytes::Bytes| sealed::key_id(envelope).unwrap();
    assert!(
        !relay.heard().put_for(to_bob).iter().map(sealed_to).any(|key| key == old_key),
        "because its secret may be known by now"
    );
    assert_eq!(alice.node().message(&written[0].id).await.unwrap().held_by, None);
    his.set_ahead(0);
    bob.start_again().await;
    bob.hears("Of November").await;
    for message in &written {
        alice.sees_state(message, MessageState::Delivered).await;
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_said_to_be_there_and_is_not_is_shown_as_away_and_has_it_in_the_mailbox() {
    let net = Net::new();
    let relay = net.liar().await;
    let ((alice, _), (bob, _)) = (person(&net, "Alice", &relay).await, person(&net, "Bob", &relay).await);
    let session = meet(&alice, &bob).await;
    let to_bob = bob.node().machine_id();
    relay.says_present(to_bob, true);
    bob.stop().await;
    is_gone(&alice, &to_bob).await;
    let message = alice.say(&session, "Are you there?").await;
    let held = is_held(&alice, &message).await;
    assert_eq!(held.state, MessageState::Queued);
    let user = alice.node().user(&to_bob.to_string()).unwrap();
    assert_eq!(
        (user.status, user.path, user.relayed),
        (Presence::Offline, Path::None, true),
        "because a relay says so"
    );

    net.section("Bob comes, whatever the relay says");
    relay.says_present(to_bob, false);
    bob.start_again().await;
    bob.hears("Are you there?").await;
    alice.sees_state(&message, MessageState::Delivered).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_whom_a_relay_hides_from_each_other_talk_through_their_mailboxes() {
    let net = Net::new();
    let relay = net.liar().await;
    let ((alice, _), (bob, _)) = (person(&net, "Alice", &relay).await, person(&net, "Bob", &relay).await);
    let session = meet(&alice, &bob).await;
    let machines = [alice.node().machine_id(), bob.node().machine_id()];
    bob.stop().await;
    hides(&relay, machines);
    bob.start_again().await;
    is_connected(&bob).await;
    let mut all = vec!["Hello", "Hello yourself"];
    for (from, to, text) in [(&alice, &bob, "One"), (&bob, &alice, "Two"), (&alice, &bob, "Three")] {
        let message = from.say(&session, text).await;
        to.hears(text).await;
        from.sees_state(&message, MessageState::Delivered).await;
        all.push(text);
    }
    let user = alice.node().user(&bob.id()).unwrap();
    assert_eq!(
        (user.status, user.path, user.relayed),
        (Presence::Offline, Path::None, false),
        "because nothing else is known"
    );

    net.section("the relay says that they are there");
    relay.tells_the_truth();
    net.linked(&alice, &bob).await;
    let message = alice.say(&session, "Four").await;
    bob.hears("Four").await;
    alice.sees_state(&message, MessageState::Delivered).await;
    all.push("Four");
    assert_eq!(texts(&bob, &session.session_id).await, all);
    assert_eq!(texts(&alice, &session.session_id).await, all);
    assert_eq!(alice.node().relays().items[0].state, RelayState::Connected);
    net.end().await;
}

/// A disk that takes nothing until it is let go.
struct BusyDisk {
    end: mpsc::Sender<()>,
    held: JoinSet<()>,
}

impl BusyDisk {
    async fn of(person: &Person) -> Self {
        let store = store::Store::open(&person.config().data_dir.join(store::FILE_NAME)).unwrap();
        let ((begun, begins), (end, ended)) = (oneshot::channel(), mpsc::channel());
        let mut held = JoinSet::new();
        held.spawn(async move {
            let waits = move |_: &store::Tx<'_>| {
                begun.send(()).unwrap();
                ended.recv().unwrap();
                Ok(())
            };
            store.write(waits).await.unwrap();
            store.close().await.unwrap();
        });
        begins.await.unwrap();
        Self { end, held }
    }

    async fn release(self) {
        self.end.send(()).unwrap();
        self.held.join_all().await;
    }
}

/// A link comes up while what came by mailbox is being stored: what the link begins with does not know of it yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_while_a_link_comes_up_is_acknowledged_by_it_or_after_it() {
    let net = Net::new();
    let relay = net.liar().await;
    let ((alice, _), (bob, _)) = (person(&net, "Alice", &relay).await, person(&net, "Bob", &relay).await);
    let session = meet(&alice, &bob).await;
    let machines = [alice.node().machine_id(), bob.node().machine_id()];
    for (text, stays) in [("The link stays", true), ("The link goes", false)] {
        net.section(text);
        bob.stop().await;
        hides(&relay, machines);
        bob.start_again().await;
        is_connected(&bob).await;
        let disk = BusyDisk::of(&bob).await;
        let message = alice.say(&session, text).await;
        is_held(&alice, &message).await;
        relay.tells_the_truth();
        bob.sees_online(&alice).await;
        if !stays {
            alice.stop().await;
            hides(&relay, machines);
        }
        disk.release().await;
        bob.hears(text).await;
        if !stays {
            alice.start_again().await;
        }
        alice.sees_state(&message, MessageState::Delivered).await;
    }
    net.end().await;
}
