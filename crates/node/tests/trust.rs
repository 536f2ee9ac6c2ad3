//! Requests, budgets, blocks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use landline_node as node;
use node::view::{MessageState, Presence, Trust};
use testkit::Net;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_small_until_it_is_accepted() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    assert_eq!(alice.node().user(&bob.id()).unwrap().trust, Trust::Unknown);

    net.section("Alice writes more than a request may hold");
    let session = alice.open(&bob).await;
    let first = alice.say(&session, "May I?").await;
    alice.sees_state(&first, MessageState::Delivered).await;
    let long = "x".repeat(1_000);
    let mut last = first;
    for _ in 0..8 {
        last = alice.say(&session, &long).await;
    }
    let held = alice.sees_session(&session.session_id, "held", |session| session.held).await;
    assert!(held.waiting_count >= 4, "because only 4 KiB of a request are kept: {}", held.waiting_count);
    assert_eq!(
        alice.node().message(&last.id).await.unwrap().state,
        MessageState::Queued,
        "because waiting is no failure"
    );
    let request = bob.sees_session(&session.session_id, "as a request", |session| session.request).await;
    assert_eq!(request.peer.unwrap().trust, Trust::Requested);
    let before = bob.reads(&session.session_id).await.len();
    assert!((1..=4).contains(&before), "because the budget is 4 KiB: {before}");

    net.section("a new link changes nothing");
    net.cut(&alice, &bob).await;
    net.heal(&alice, &bob).await;
    alice.say(&session, "Please").await;
    alice.sees_session(&session.session_id, "held again", |session| session.held && session.waiting_count >= 5).await;
    assert_eq!(bob.reads(&session.session_id).await.len(), before);

    net.section("Bob accepts");
    let user = bob.node().accept(&alice.id()).await.unwrap();
    assert_eq!(user.trust, Trust::Accepted);
    bob.has_messages(&session.session_id, 10).await;
    alice.sees_state(&last, MessageState::Delivered).await;
    alice.sees_session(&session.session_id, "free", |session| !session.held && session.waiting_count == 0).await;
    let accepted = bob.sees_session(&session.session_id, "accepted", |session| !session.request).await;
    assert_eq!(accepted.unread_count, 10);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_accepts() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let session = alice.open(&bob).await;
    alice.say(&session, "Hello").await;
    bob.hears("Hello").await;
    bob.say(&session, "Hi").await;
    alice.hears("Hi").await;
    assert_eq!(bob.node().user(&alice.id()).unwrap().trust, Trust::Accepted);
    for _ in 0..8 {
        alice.say(&session, &"x".repeat(1_000)).await;
    }
    bob.has_messages(&session.session_id, 10).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blocked_are_refused_in_silence() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let carol = net.person("Carol", testkit::Setup::default()).await;
    net.connect(&alice, &bob).await;
    net.connect(&carol, &bob).await;
    let session = alice.open(&bob).await;
    let first = alice.say(&session, "Hello").await;
    alice.sees_state(&first, MessageState::Delivered).await;
    bob.is_notified().await;

    net.section("Bob blocks Alice");
    let user = bob.node().block(&alice.id()).await.unwrap();
    assert_eq!((user.trust, user.nearby), (Trust::Blocked, false));
    alice.sees_offline(&bob).await;
    let blocked = alice.say(&session, "Are you there?").await;
    net.section("Carol is served all the while");
    let carols = carol.open(&bob).await;
    let told = carol.say(&carols, "Alice asks for you").await;
    carol.sees_state(&told, MessageState::Delivered).await;
    assert_eq!(
        alice.node().message(&blocked.id).await.unwrap().state,
        MessageState::Queued,
        "because the blocked are told nothing"
    );
    assert_eq!(bob.reads(&session.session_id).await.len(), 1);
    assert_eq!(bob.node().user(&alice.id()).unwrap().status, Presence::Offline);
    assert!(bob.node().notices().iter().all(|notice| notice.session_id != session.session_id), "because it is settled");
    let error = bob.try_say(&session.session_id, "no").await.unwrap_err();
    assert_eq!(error.code(), "user_blocked");
    assert!(!bob.node().create_session(&alice.id()).await.unwrap().1, "because the session is there");
    let error = bob.node().accept(&alice.id()).await.unwrap_err();
    assert_eq!(error.code(), "user_blocked");

    net.section("a restart keeps the block");
    bob.stop().await;
    bob.start_again().await;
    carol.sees_online(&bob).await;
    assert_eq!(bob.node().user(&alice.id()).unwrap().trust, Trust::Blocked);
    assert_eq!(alice.node().user(&bob.id()).unwrap().status, Presence::Offline);

    net.section("Bob ends the block");
    let user = bob.node().unblock(&alice.id()).await.unwrap();
    assert_eq!(user.trust, Trust::Requested, "because she had asked and he had not answered");
    net.linked(&alice, &bob).await;
    alice.sees_state(&blocked, MessageState::Delivered).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_travel_and_namesakes_are_told_apart() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let other = net.person("Carol", testkit::Setup::default()).await;
    net.connect(&alice, &bob).await;
    net.connect(&other, &bob).await;
    other.node().update_me(node::MePatch { name: Some("alice".into()), ..node::MePatch::default() }).await.unwrap();
    bob.sees_user(&other, "under her new name", |user| user.name == "alice" && user.name_clash).await;
    bob.sees_user(&alice, "as ambiguous", |user| user.name_clash).await;
    for (bad, code) in [
        (String::new(), "text_empty"),
        ("x".repeat(65), "text_too_long"),
        ("a\u{0}b".to_owned(), "text_not_allowed"),
        ("a\u{202e}b".to_owned(), "text_not_allowed"),
    ] {
        let patch = node::MePatch { name: Some(bad), ..node::MePatch::default() };
        let error = other.node().update_me(patch).await.unwrap_err();
        assert_eq!((error.code(), error.field()), (code, Some("name")));
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_of_a_request_is_told_when_it_is_accepted() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let session = alice.open(&bob).await;
    let message = alice.say(&session, "May I?").await;
    bob.hears("May I?").await;
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    alice.sees_state(&message, MessageState::Delivered).await;
    bob.node().accept(&alice.id()).await.unwrap();
    alice.sees_state(&message, MessageState::Read).await;
    net.end().await;
}
