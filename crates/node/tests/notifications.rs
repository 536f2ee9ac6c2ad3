//! The notification centre, as a person has it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use std::time::Duration;

use landline_node as node;
use node::view::{Change, MessageState, Notification, NotificationKind, RelayState, Session};
use node::{DeleteFor, FocusState, MePatch, NewNotification, NotificationsRequest, SendRequest};
use testkit::{Net, Person, Setup, friends, is_connected};

async fn say_and_settle(alice: &Person, session: &Session, text: &str) {
    let said = alice.say(session, text).await;
    alice.sees_state(&said, MessageState::Delivered).await;
}

async fn all(person: &Person) -> Vec<Notification> {
    person.node().notifications(NotificationsRequest::default()).await.unwrap().items
}

async fn unread(person: &Person, total: u32) {
    let fits = |change: &Change| matches!(change, Change::NotificationsUnread { total: told } if *told == total);
    person.wait_for("the unread notifications", |change| fits(change).then_some(())).await;
}

async fn told(person: &Person, fits: impl Fn(&Notification) -> bool) -> Notification {
    person
        .wait_for("a notification", |change| match change {
            Change::NotificationChanged { notification } if fits(notification) => Some(notification.clone()),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_a_session_are_one_record_until_they_are_read() {
    let (net, alice, bob, session) = friends().await;
    say_and_settle(&alice, &session, "Hello").await;
    let first = told(&bob, |row| !row.read).await;
    assert_eq!(
        (first.kind, first.title.as_str(), first.body.as_str(), first.count),
        (NotificationKind::Message, "Alice", "Hello", 1)
    );
    assert_eq!(first.session_id.as_deref(), Some(session.session_id.as_str()));
    assert_eq!(first.from_user_id, Some(alice.id()));
    unread(&bob, 1).await;
    say_and_settle(&alice, &session, "Again").await;
    let counted = told(&bob, |row| row.count == 2).await;
    assert_eq!((counted.id.as_str(), counted.body.as_str()), (first.id.as_str(), "Again"));

    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    assert!(told(&bob, |row| row.read).await.id == first.id);
    unread(&bob, 0).await;

    bob.stop().await;
    alice.say(&session, "While you were away").await;
    bob.start_again().await;
    bob.hears("While you were away").await;
    let rows = all(&bob).await;
    assert_eq!(rows.iter().map(|row| row.read).collect::<Vec<_>>(), [false, true], "a new record after the old one");
    assert!(all(&alice).await.is_empty(), "because nobody wrote to her");
    net.end().await;
}

/// Alice mentions Bob, by his ID.
async fn mention(alice: &Person, bob: &str, session: &Session, text: &str) -> String {
    let request = SendRequest {
        session: session.session_id.clone(),
        message: text.to_owned(),
        mentions: vec![bob.to_owned()],
        ..SendRequest::default()
    };
    alice.node().send_message(request).await.unwrap().id
}

async fn mentions(person: &Person) -> Vec<Notification> {
    all(person).await.into_iter().filter(|row| row.kind == NotificationKind::Mention).collect()
}

async fn gone(person: &Person, id: &str) {
    person
        .wait_for("that it is gone", |change| match change {
            Change::NotificationRemoved { ids } => ids.iter().any(|gone| gone == id).then_some(()),
            _ => None,
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mention_is_a_record_of_its_own_that_goes_with_its_message() {
    let (net, alice, bob, session) = friends().await;
    let told_of = async |message: &str| {
        told(&bob, |row| row.kind == NotificationKind::Mention && row.message_id.as_deref() == Some(message)).await
    };
    let first = mention(&alice, &bob.id(), &session, "Bob, look").await;
    let row = told_of(&first).await;
    assert_eq!((row.title.as_str(), row.body.as_str(), row.count, row.read), ("Alice", "Bob, look", 1, false));
    assert_eq!((&row.session_id, &row.from_user_id), (&Some(session.session_id.clone()), &Some(alice.id())));
    let second = mention(&alice, &bob.id(), &session, "And here").await;
    let second_row = told_of(&second).await;
    assert_ne!(second_row.id, row.id, "because each opens its own message");

    net.section("it is read with its session");
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    assert!(told_of(&first).await.read);

    net.section("what is said of it makes no other");
    alice.node().react(&first, "👍", true).await.unwrap();
    alice.node().edit_message(&first, "Bob, look here", Some(&[bob.id()])).await.unwrap();
    alice.node().delete_message(&second, DeleteFor::All).await.unwrap();
    gone(&bob, &second_row.id).await;
    let rows = mentions(&bob).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].body.as_str(), rows[0].read), ("Bob, look here", true), "because an edit is not a mention");

    net.section("this machine lets the message go");
    bob.node().delete_message(&first, DeleteFor::Me).await.unwrap();
    gone(&bob, &row.id).await;
    assert!(mentions(&bob).await.is_empty());
    assert!(mentions(&alice).await.is_empty(), "because nobody mentioned her");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_mentions_makes_a_record_and_one_that_no_longer_does_takes_it_away() {
    let (net, alice, bob, session) = friends().await;
    let focus =
        |focused| FocusState { viewer: "window".to_owned(), session: Some(session.session_id.clone()), focused };
    let said = alice.say(&session, "Someone, look").await;
    alice.sees_state(&said, MessageState::Delivered).await;
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    alice.node().react(&said.id, "👍", true).await.unwrap();
    alice.node().edit_message(&said.id, "Bob, look", Some(&[bob.id()])).await.unwrap();
    let row = told(&bob, |row| row.kind == NotificationKind::Mention && !row.read).await;
    assert_eq!((row.body.as_str(), row.message_id.as_ref()), ("Bob, look", Some(&said.id)));
    alice.node().edit_message(&said.id, "Nobody, look", Some(&[])).await.unwrap();
    gone(&bob, &row.id).await;

    net.section("what was mentioned on screen stays without a record, whatever is said of it later");
    bob.node().focus(focus(true));
    let seen = mention(&alice, &bob.id(), &session, "Bob, seen").await;
    bob.until("the message", async |node| node.message(&seen).await.ok()).await;
    bob.node().focus(focus(false));
    alice.node().edit_message(&seen, "Bob, seen again", Some(&[bob.id()])).await.unwrap();
    say_and_settle(&alice, &session, "And then").await;
    assert_eq!(mentions(&bob).await, []);

    net.section("many at once");
    let id = bob.id();
    bob.stop().await;
    for number in 0..40 {
        mention(&alice, &id, &session, &format!("{number}")).await;
    }
    bob.start_again().await;
    bob.hears("39").await;
    let rows = mentions(&bob).await;
    assert!((1..40).contains(&rows.len()), "because a batch makes at most 16: {}", rows.len());
    assert_eq!(rows[0].body, "39", "because the newest are kept");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_screen_needs_no_record_and_what_is_muted_keeps_one() {
    let (net, alice, bob, session) = friends().await;
    let focus =
        |focused| FocusState { viewer: "window".to_owned(), session: Some(session.session_id.clone()), focused };
    bob.node().focus(focus(true));
    say_and_settle(&alice, &session, "Seen").await;
    assert!(all(&bob).await.is_empty());
    bob.node().focus(focus(false));
    let patch = node::SessionPatch { muted_until: Some(Some("2999-01-01T00:00:00Z".to_owned())), ..Default::default() };
    bob.node().update_session(&session.session_id, patch).await.unwrap();
    say_and_settle(&alice, &session, "Muted").await;
    assert_eq!(told(&bob, |row| !row.read).await.body, "Muted");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_a_record_until_it_is_answered() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let session = alice.open(&bob).await;
    say_and_settle(&alice, &session, "May I?").await;
    let asked = told(&bob, |row| row.kind == NotificationKind::Request).await;
    assert_eq!((asked.body.as_str(), asked.read), ("May I?", false));
    bob.node().accept(&alice.id()).await.unwrap();
    assert_eq!(told(&bob, |row| row.read).await.id, asked.id);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namesake_is_told() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let session = alice.open(&bob).await;
    say_and_settle(&alice, &session, "Hello").await;
    bob.node().accept(&alice.id()).await.unwrap();
    let other = net.person("Carol", Setup::default()).await;
    other.node().update_me(MePatch { name: Some("Alice".to_owned()), ..MePatch::default() }).await.unwrap();
    net.connect(&other, &bob).await;
    let session = other.open(&bob).await;
    say_and_settle(&other, &session, "It is me").await;
    let warned = told(&bob, |row| row.kind == NotificationKind::Security).await;
    assert_eq!(warned.from_user_id, Some(other.id()));
    assert!(warned.title.contains("Alice"), "{}", warned.title);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_makes_reads_and_deletes_records() {
    let (net, alice, _bob, session) = friends().await;
    let node = alice.node();
    let new = |title: &str, session: Option<&str>| NewNotification {
        kind: NotificationKind::Network,
        title: title.to_owned(),
        body: String::new(),
        session: session.map(str::to_owned),
    };
    let made = node.create_notification(new("Backup done", Some(&session.session_id))).await.unwrap();
    node.create_notification(new("Backup failed", None)).await.unwrap();
    let stats = node.notification_stats().await.unwrap();
    assert_eq!((stats.total, stats.unread, stats.by_kind[&NotificationKind::Network]), (2, 2, 2));
    assert_eq!(stats.by_day.len(), 1);
    assert!(node.mark_notification_read(&made.id).await.unwrap().read);
    assert_eq!(node.mark_all_notifications_read().await.unwrap(), 1);
    unread(&alice, 0).await;
    node.delete_notification(&made.id).await.unwrap();
    alice
        .wait_for("that it is gone", |change| match change {
            Change::NotificationRemoved { ids } => (*ids == [made.id.clone()]).then_some(()),
            _ => None,
        })
        .await;
    assert_eq!(node.delete_notification(&made.id).await.unwrap_err().code(), "notification_not_found");
    assert_eq!(node.cleanup_notifications(1).await.unwrap(), 0, "because none is a day old");

    let field = |result: Result<Notification, node::NodeError>| result.unwrap_err().field();
    assert_eq!(field(node.create_notification(new(" ", None)).await), Some("title"));
    assert_eq!(field(node.create_notification(new(&"x".repeat(257), None)).await), Some("title"));
    assert_eq!(field(node.create_notification(new("x", Some("y"))).await), Some("sessionId"));
    let unknown = "6f2c1a84-0b1d-8f3e-9a77-0123456789ab";
    assert_eq!(node.create_notification(new("x", Some(unknown))).await.unwrap_err().code(), "session_not_found");
    assert_eq!(field(node.mark_notification_read("x").await), Some("notificationId"));
    let limit = NotificationsRequest { limit: Some(0), ..Default::default() };
    assert_eq!(node.notifications(limit).await.unwrap_err().field(), Some("limit"));
    net.end().await;
}

async fn unsettled(person: &Person) -> Vec<Notification> {
    all(person).await.into_iter().filter(|row| !row.read).collect()
}

/// Waits until a relay has been dialled in vain so many times.
async fn fails(person: &Person, times: u32) {
    let mut failed = 0;
    let fits = |change: &Change| match change {
        Change::RelaysChanged { relays } => relays.iter().any(|relay| relay.state == RelayState::Failed),
        _ => false,
    };
    let counted = |change: &Change| {
        failed += u32::from(fits(change));
        (failed >= times).then_some(())
    };
    person.wait_for("a relay to fail", counted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_fails_is_one_record_until_it_works_again() {
    let net = Net::new();
    let relay = net.relay().await;
    let impatient =
        || Setup { relay_patience: Some(Duration::ZERO), relays: vec![relay.address()], ..Setup::default() };
    let alice = net.person("Alice", impatient()).await;
    is_connected(&alice).await;
    assert!(all(&alice).await.is_empty());

    net.section("the relay is away");
    relay.stop().await;
    let away = told(&alice, |row| !row.read).await;
    assert_eq!((away.kind, away.count), (NotificationKind::Network, 1));
    assert_eq!(away.title, format!("The relay {} can't be reached", relay.address()));
    unread(&alice, 1).await;
    fails(&alice, 5).await;
    let rows = all(&alice).await;
    assert_eq!((rows.len(), &rows[0]), (1, &away), "because it is not told at each attempt");

    net.section("a restart makes no second one, though it was read");
    alice.node().mark_notification_read(&away.id).await.unwrap();
    alice.stop().await;
    alice.start_again().await;
    fails(&alice, 5).await;
    assert_eq!(all(&alice).await.len(), 1);

    net.section("back, it is for members");
    relay.set_members_only();
    relay.start_again().await;
    let refused = told(&alice, |row| !row.read).await;
    assert_eq!(refused.title, format!("The relay {} can't be used", relay.address()));
    assert!(refused.body.contains("membership token"), "{refused:?}");
    fails(&alice, 5).await;
    let rows = unsettled(&alice).await;
    assert_eq!((rows.len(), &rows[0]), (1, &refused), "because each fault is told once");

    net.section("as a member she is let in");
    alice.node().add_relay(&relay.address(), Some(&relay.invite("Alice"))).await.unwrap();
    told(&alice, |row| row.read && row.id == refused.id).await;
    assert!(unsettled(&alice).await.is_empty());

    net.section("what happens again is told again, and ends with the relay");
    relay.stop().await;
    let again = told(&alice, |row| !row.read).await;
    assert_ne!(again.id, away.id);
    alice.node().remove_relay(&relay.address()).await.unwrap();
    told(&alice, |row| row.read && row.id == again.id).await;
    assert!(unsettled(&alice).await.is_empty());
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_away_for_a_moment_makes_no_record() {
    let net = Net::new();
    let relay = net.relay().await;
    let alice = net.person("Alice", Setup { relays: vec![relay.address()], ..Setup::default() }).await;
    is_connected(&alice).await;
    relay.stop().await;
    fails(&alice, 5).await;
    relay.start_again().await;
    is_connected(&alice).await;
    assert!(all(&alice).await.is_empty());
    net.end().await;
}
