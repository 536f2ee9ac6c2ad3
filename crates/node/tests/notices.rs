//! What is unread, and what is notified.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use landline_node as node;
use node::view::{Change, MessageState, Notify, Session};
use node::{FocusState, SendRequest, SessionPatch};
use serde_json::json;
use testkit::{Person, friends};

/// Alice says something, and Bob has it. What Bob sees meanwhile, notices above all, is kept for later waits.
async fn say_and_settle(alice: &Person, bob: &Person, session: &Session, text: &str) {
    let said = alice.say(session, text).await;
    bob.until("the message", async |node| node.message(&said.id).await.ok()).await;
    alice.sees_state(&said, MessageState::Delivered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_is_counted_and_the_first_is_known() {
    let (net, alice, bob, session) = friends().await;
    for text in ["one", "two", "three"] {
        say_and_settle(&alice, &bob, &session, text).await;
    }
    let row = bob.sees_session(&session.session_id, "unread", |session| session.unread_count == 3).await;
    let page = bob.node().messages(&session.session_id, node::PageRequest::default()).await.unwrap();
    assert_eq!(row.first_unread.as_deref(), Some(page.items[0].id.as_str()));
    assert_eq!(bob.node().unread_count().await.unwrap(), 3);
    bob.wait_for("the total", |change| matches!(change, Change::UnreadChanged { total: 3 }).then_some(())).await;

    let row = bob.node().mark_message_read(&page.items[1].id).await.unwrap();
    assert_eq!((row.unread_count, row.first_unread.as_deref()), (1, Some(page.items[2].id.as_str())));
    let own = bob.say(&session, "own messages are not unread").await;
    bob.sees_state(&own, MessageState::Delivered).await;
    let row = bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    assert_eq!((row.unread_count, row.first_unread), (0, None));
    bob.wait_for("the total", |change| matches!(change, Change::UnreadChanged { total: 0 }).then_some(())).await;
    assert_eq!(alice.node().session(&session.session_id).await.unwrap().last_message.unwrap().message.len(), 27);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_tells_of_what_is_new_and_goes_when_it_is_read() {
    let (net, alice, bob, session) = friends().await;
    say_and_settle(&alice, &bob, &session, "Hello").await;
    let notice = bob.is_notified().await;
    assert_eq!(
        (notice.title.as_str(), notice.body.as_str(), notice.count, notice.request),
        ("Alice", "Hello", 1, false)
    );
    say_and_settle(&alice, &bob, &session, "Again").await;
    let notice = bob.is_notified().await;
    assert_eq!((notice.body.as_str(), notice.count), ("Again", 2), "because it is replaced, not stacked");
    assert_eq!(bob.node().notices(), [notice]);
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    bob.wait_for("the withdrawal", |change| match change {
        Change::NoticeWithdrawn { session_id } => (*session_id == session.session_id).then_some(()),
        _ => None,
    })
    .await;
    assert!(bob.node().notices().is_empty());
    bob.say(&session, "own words notify nobody here").await;
    alice.is_notified().await;
    assert!(bob.node().notices().is_empty());
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_makes_few_notices() {
    let (net, alice, bob, session) = friends().await;
    for number in 0..100 {
        alice.say(&session, &format!("{number}")).await;
    }
    bob.sees_session(&session.session_id, "with all of them", |session| session.unread_count == 100).await;
    bob.until("the last notice", async |node| (node.notices().first()?.count == 100).then_some(())).await;
    let seen = bob.seen().await;
    let raised = seen.iter().filter(|change| matches!(change, Change::NoticeRaised { .. })).count();
    assert!((1..=10).contains(&raised), "because a session's notice is replaced once a second at most: {raised}");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_notified_that_is_on_screen_muted_or_switched_off() {
    let (net, alice, bob, session) = friends().await;
    let focus = |shown: bool, focused: bool| FocusState {
        viewer: "window".to_owned(),
        session: shown.then(|| session.session_id.clone()),
        focused,
    };
    net.section("the session is on screen");
    bob.node().focus(focus(true, true));
    say_and_settle(&alice, &bob, &session, "seen").await;
    net.section("the window is in the background");
    bob.node().focus(focus(true, false));
    say_and_settle(&alice, &bob, &session, "not seen").await;
    assert_eq!(bob.is_notified().await.body, "not seen", "because the one before was on screen");
    net.section("it comes to the front");
    bob.node().focus(focus(true, true));
    assert!(bob.node().notices().is_empty());
    bob.node().focus(focus(false, true));

    net.section("muted");
    let until = |until: &str| SessionPatch { muted_until: Some(Some(until.to_owned())), ..SessionPatch::default() };
    bob.node().update_session(&session.session_id, until("2999-01-01T00:00:00Z")).await.unwrap();
    say_and_settle(&alice, &bob, &session, "muted").await;
    bob.node().update_session(&session.session_id, until("2001-01-01T00:00:00Z")).await.unwrap();
    say_and_settle(&alice, &bob, &session, "heard").await;
    assert_eq!(bob.is_notified().await.body, "heard", "because the mute is over");
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();

    net.section("less is told");
    bob.node().update_settings(json!({"preview": "name"})).await.unwrap();
    say_and_settle(&alice, &bob, &session, "secret").await;
    let notice = bob.is_notified().await;
    assert_eq!((notice.title.as_str(), notice.body.as_str()), ("Alice", ""));
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    bob.node().update_settings(json!({"preview": "hidden"})).await.unwrap();
    say_and_settle(&alice, &bob, &session, "most secret").await;
    let notice = bob.is_notified().await;
    assert_eq!((notice.title.as_str(), notice.body.as_str(), notice.count), ("", "", 1));
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();

    net.section("switched off");
    bob.node().update_settings(json!({"notifications": false, "preview": "full"})).await.unwrap();
    say_and_settle(&alice, &bob, &session, "off").await;
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    bob.node().update_settings(json!({"notifications": true})).await.unwrap();
    say_and_settle(&alice, &bob, &session, "on").await;
    assert_eq!(bob.is_notified().await.body, "on");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_hours_show_nothing_and_lose_nothing() {
    let (net, alice, bob, session) = friends().await;
    let all_day = json!({ "quietEnabled": true, "quietFrom": "08:00", "quietTo": "08:00", "sound": "none" });
    bob.node().update_settings(all_day).await.unwrap();
    say_and_settle(&alice, &bob, &session, "Hush").await;
    bob.until("the record", async |node| {
        let kept = node.notifications(node::NotificationsRequest::default()).await.unwrap();
        kept.items.first().filter(|row| row.body == "Hush" && !row.read).map(drop)
    })
    .await;
    // A round trip later it has been decided about.
    say_and_settle(&bob, &alice, &session, "I sleep").await;
    bob.node().update_settings(json!({ "quietEnabled": false })).await.unwrap();
    say_and_settle(&alice, &bob, &session, "Now").await;
    let notice = bob.is_notified().await;
    assert_eq!((notice.body.as_str(), notice.count, notice.sound), ("Now", 2, false), "because the first made none");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_notifies_of_all_of_mentions_or_of_nothing() {
    let (net, alice, bob, session) = friends().await;
    let level = async |notify: Notify| {
        let patch = SessionPatch { notify: Some(notify), ..SessionPatch::default() };
        bob.node().update_session(&session.session_id, patch).await.unwrap();
    };
    net.section("nothing");
    level(Notify::None).await;
    say_and_settle(&alice, &bob, &session, "for nobody").await;
    net.section("mentions");
    level(Notify::Mentions).await;
    say_and_settle(&alice, &bob, &session, "for anybody").await;
    let request = SendRequest {
        session: session.session_id.clone(),
        message: "for @Bob".to_owned(),
        attachments: Vec::new(),
        temp_id: None,
        caller: "test".to_owned(),
        reply_to: None,
        mentions: vec![bob.id()],
    };
    alice.node().send_message(request).await.unwrap();
    let notice = bob.is_notified().await;
    assert_eq!(notice.body, "for @Bob", "because the others did not mention Bob");
    net.section("what stands goes on standing");
    say_and_settle(&alice, &bob, &session, "by the way").await;
    assert_eq!(bob.node().notices(), [notice]);
    net.section("all");
    level(Notify::All).await;
    say_and_settle(&alice, &bob, &session, "for everybody").await;
    assert_eq!(bob.is_notified().await.body, "for everybody");
    net.end().await;
}
