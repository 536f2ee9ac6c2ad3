//! What people do to messages at the same time, out of reach of each other, and one against the other.
//!
//! Each scene ends with what both see, compared with a file that is read by people too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use std::fmt::Write as _;

use landline_node as node;
use node::view::{Change, Message, MessageState, MessageType, Presence, Session, SystemLine};
use node::{DeleteFor, NodeError, PageRequest, SendRequest, SessionPatch};
use serde_json::json;
use testkit::{Person, assert_golden, friends};

async fn rows(person: &Person, session: &Session) -> Vec<Message> {
    let page = PageRequest { limit: Some(200), ..PageRequest::default() };
    person.node().messages(&session.session_id, page).await.unwrap().items
}

/// What a person sees of a session, a line a message, without IDs and times.
async fn sees(person: &Person, session: &Session, names: &[(String, &str)]) -> String {
    let name = |id: &str| names.iter().find(|(known, _)| known == id).map_or("?", |(_, name)| *name);
    let mut text = String::new();
    for message in rows(person, session).await {
        let mut line = format!("{}: ", name(&message.sender_user_id));
        match &message.system {
            Some(SystemLine::Timer { seconds }) => write!(line, "(timer {seconds})").unwrap(),
            None if message.deleted_at.is_some() => line.push_str("(deleted)"),
            None => write!(line, "{:?}", message.message).unwrap(),
        }
        if let Some(quote) = &message.quote {
            let what = if quote.deleted { "(deleted)".to_owned() } else { format!("{:?}", quote.message) };
            write!(line, ", answers {} {what}", name(&quote.sender_user_id)).unwrap();
        } else if message.reply_to.is_some() {
            line.push_str(", answers something unknown");
        }
        for (flag, word) in [
            (message.edited_at.is_some(), ", edited"),
            (message.pinned, ", pinned"),
            (message.forwarded, ", forwarded"),
        ] {
            line.push_str(if flag { word } else { "" });
        }
        for reaction in &message.reactions {
            write!(line, ", {} by {}", reaction.emoji, name(&reaction.user_id)).unwrap();
        }
        writeln!(text, "{line}").unwrap();
    }
    text
}

/// Both see the same, and that it is what the file says.
async fn both_see(file: &str, alice: &Person, bob: &Person, session: &Session) {
    let names = [(alice.id(), "Alice"), (bob.id(), "Bob")];
    let seen = alice
        .until("both to see the same", async |_| {
            let (hers, his) = (sees(alice, session, &names).await, sees(bob, session, &names).await);
            (hers == his && alice.node().status().await.ok()?.waiting == 0).then_some(hers)
        })
        .await;
    assert_golden(format!("{}/tests/golden/{file}.txt", env!("CARGO_MANIFEST_DIR")), &seen);
}

/// Waits until a person sees a message so.
async fn sees_message(person: &Person, id: &str, how: &str, fits: impl Fn(&Message) -> bool) -> Message {
    person.until(how, async |node| node.message(id).await.ok().filter(|message| fits(message))).await
}

fn code<T: std::fmt::Debug>(result: Result<T, NodeError>) -> &'static str {
    result.unwrap_err().code()
}

async fn reply(person: &Person, session: &Session, text: &str, to: &str) -> Message {
    let request = SendRequest {
        session: session.session_id.clone(),
        message: text.to_owned(),
        reply_to: Some(to.to_owned()),
        ..SendRequest::default()
    };
    person.node().send_message(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_while_the_other_is_away_comes_with_its_history() {
    let (net, alice, bob, session) = friends().await;
    let first = alice.say(&session, "Metting at nine").await;
    bob.hears("Metting at nine").await;
    net.cut(&alice, &bob).await;
    let edited = alice.node().edit_message(&first.id, "Meeting at nine", None).await.unwrap();
    assert_eq!((edited.message.as_str(), edited.edited_at.is_some()), ("Meeting at nine", true));
    alice.node().edit_message(&first.id, "Meeting at ten", None).await.unwrap();
    bob.stop().await;
    bob.start_again().await;
    net.heal(&alice, &bob).await;
    sees_message(&bob, &first.id, "the edit", |message| message.message == "Meeting at ten").await;
    for person in [&alice, &bob] {
        let history = person.node().message_history(&first.id).await.unwrap();
        let texts: Vec<_> = history.iter().map(|version| version.message.as_str()).collect();
        assert_eq!(texts, ["Metting at nine", "Meeting at nine", "Meeting at ten"]);
        assert!(history[0].edited_at.is_none() && history[2].edited_at.is_some());
    }
    assert_eq!(code(bob.node().edit_message(&first.id, "never", None).await), "not_your_message");
    both_see("edit-while-away", &alice, &bob, &session).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_beats_edits_reactions_and_pins_of_the_same_time() {
    let (net, alice, bob, session) = friends().await;
    let secret = alice.say(&session, "The password is xylophone").await;
    bob.hears("The password is xylophone").await;
    let answer = reply(&bob, &session, "Not here!", &secret.id).await;
    alice.hears("Not here!").await;
    net.cut(&alice, &bob).await;
    // She edits, then thinks better of it; he does not know and reacts.
    alice.node().edit_message(&secret.id, "The password is marimba", None).await.unwrap();
    let gone = alice.node().delete_message(&secret.id, DeleteFor::All).await.unwrap();
    assert_eq!((gone.message.as_str(), gone.deleted_at.is_some()), ("", true));
    bob.node().react(&secret.id, "😱", true).await.unwrap();
    bob.node().pin_message(&secret.id, true).await.unwrap();
    let pinned = bob.node().session(&session.session_id).await.unwrap().pinned_messages;
    assert_eq!(pinned, std::slice::from_ref(&secret.id));
    net.heal(&alice, &bob).await;
    sees_message(&bob, &secret.id, "the deletion", |message| message.deleted_at.is_some()).await;
    sees_message(&bob, &answer.id, "the quote", |message| message.quote.as_ref().is_some_and(|q| q.deleted)).await;
    assert!(bob.node().session(&session.session_id).await.unwrap().pinned_messages.is_empty());
    assert!(bob.node().message_history(&secret.id).await.unwrap().is_empty());
    for person in [&alice, &bob] {
        assert_eq!(code(person.node().react(&secret.id, "👍", true).await), "message_deleted");
    }
    both_see("delete-against-edit-and-reaction", &alice, &bob, &session).await;
    for person in [&alice, &bob] {
        let data_dir = person.config().data_dir;
        let left = || {
            let files = ["landline.db", "landline.db-wal", "search.db", "search.db-wal"];
            let bytes = files.map(|file| std::fs::read(data_dir.join(file)).unwrap_or_default()).concat();
            let holds = |word: &&str| bytes.windows(word.len()).any(|part| part == word.as_bytes());
            ["xylophone", "marimba"].into_iter().filter(holds).count()
        };
        // The index follows in its own time.
        person.until_disk("the deleted words to leave the disk", || left() == 0).await;
        person.stop().await;
        assert_eq!(left(), 0, "because nothing writes them at the end");
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_deleted_before_it_was_sent_arrives_as_deleted() {
    let (net, alice, bob, session) = friends().await;
    net.cut(&alice, &bob).await;
    let hasty = alice.say(&session, "I quit").await;
    assert_eq!(code(alice.node().delete_message(&hasty.id, DeleteFor::Me).await), "message_queued");
    alice.node().delete_message(&hasty.id, DeleteFor::All).await.unwrap();
    alice.say(&session, "Good morning").await;
    net.heal(&alice, &bob).await;
    bob.hears("Good morning").await;
    both_see("deleted-before-sent", &alice, &bob, &session).await;
    assert_eq!(bob.node().session(&session.session_id).await.unwrap().unread_count, 1);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_from_both_sides_is_there_once() {
    let (net, alice, bob, session) = friends().await;
    let plan = alice.say(&session, "Lunch?").await;
    bob.hears("Lunch?").await;
    alice.sees_state(&plan, MessageState::Delivered).await;
    net.cut(&alice, &bob).await;
    for person in [&alice, &bob] {
        person.node().pin_message(&plan.id, true).await.unwrap();
        person.node().react(&plan.id, "🍕", true).await.unwrap();
        person.node().react(&plan.id, "🍕", true).await.unwrap();
    }
    // One more event, so that her line comes after his.
    alice.node().react(&plan.id, "🍕", false).await.unwrap();
    for person in [&alice, &bob] {
        person.node().set_timer(&session.session_id, 3_600).await.unwrap();
    }
    net.heal(&alice, &bob).await;
    for person in [&alice, &bob] {
        person.has_messages(&session.session_id, 3).await;
    }
    both_see("same-from-both", &alice, &bob, &session).await;
    for person in [&alice, &bob] {
        let row = person.node().session(&session.session_id).await.unwrap();
        assert_eq!((row.timer_seconds, row.pinned_messages), (3_600, vec![plan.id.clone()]));
    }
    bob.node().pin_message(&plan.id, false).await.unwrap();
    sees_message(&alice, &plan.id, "it unpinned", |message| !message.pinned).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_reach_back_and_forwarding_goes_on() {
    let (net, alice, bob, session) = friends().await;
    let carol = net.person("Carol", testkit::Setup::default()).await;
    net.connect(&bob, &carol).await;
    let other = bob.open(&carol).await;
    let first = alice.say(&session, "Where is the key?").await;
    for number in 0..60 {
        alice.say(&session, &format!("filler {number}")).await;
    }
    bob.hears("filler 59").await;
    let answer = reply(&bob, &session, "Under the mat", &first.id).await;
    assert_eq!(answer.quote.as_ref().map(|quote| quote.message.as_str()), Some("Where is the key?"));
    let heard = alice.hears("Under the mat").await;
    assert_eq!((heard.reply_to, heard.quote), (Some(first.id.clone()), answer.quote.clone()));
    let elsewhere = SendRequest {
        session: other.session_id.clone(),
        message: "x".to_owned(),
        reply_to: Some(first.id.clone()),
        ..SendRequest::default()
    };
    assert_eq!(code(bob.node().send_message(elsewhere).await), "message_not_found");

    let ids = [first.id.clone(), answer.id.clone()];
    let sent = bob.node().forward_messages(&ids, std::slice::from_ref(&other.session_id)).await.unwrap();
    assert!(sent.iter().all(|message| message.forwarded && message.reply_to.is_none()));
    carol.hears("Under the mat").await;
    both_see_forwarded(&carol, &other).await;
    let none = bob.node().forward_messages(&[], &[]).await;
    assert_eq!(none.unwrap_err().field(), Some("messageIds"));
    net.end().await;
}

async fn both_see_forwarded(carol: &Person, session: &Session) {
    let texts: Vec<_> = rows(carol, session).await.iter().map(|m| (m.message.clone(), m.forwarded)).collect();
    assert_eq!(texts, [("Where is the key?".to_owned(), true), ("Under the mat".to_owned(), true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_is_told_once_the_other_is_back_and_only_when_wanted() {
    let (net, alice, bob, session) = friends().await;
    let one = alice.say(&session, "one").await;
    let two = alice.say(&session, "two").await;
    bob.hears("two").await;
    alice.sees_state(&two, MessageState::Delivered).await;
    net.cut(&alice, &bob).await;
    bob.node().mark_message_read(&one.id).await.unwrap();
    bob.stop().await;
    bob.start_again().await;
    net.heal(&alice, &bob).await;
    let read = alice.sees_state(&one, MessageState::Read).await;
    assert!(read.read_at.unwrap() >= read.timestamp);
    assert_eq!(alice.node().message(&two.id).await.unwrap().state, MessageState::Delivered);
    let receipts = alice.node().message_receipts(&one.id).await.unwrap();
    assert_eq!((receipts.len(), &receipts[0].user_id, receipts[0].read_at.is_some()), (1, &bob.id(), true));
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    alice.sees_state(&two, MessageState::Read).await;

    // Switched off here: nothing is told, and nothing shown.
    bob.node().update_settings(json!({ "readReceipts": false })).await.unwrap();
    let three = alice.say(&session, "three").await;
    bob.hears("three").await;
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    let back = bob.say(&session, "seen?").await;
    alice.hears("seen?").await;
    assert_eq!(alice.node().message(&three.id).await.unwrap().state, MessageState::Delivered);
    alice.node().mark_session_read(&session.session_id, None).await.unwrap();
    alice.say(&session, "yes").await;
    bob.hears("yes").await;
    assert_eq!(bob.node().message(&back.id).await.unwrap().state, MessageState::Delivered);
    alice.node().update_settings(json!({ "readReceipts": false })).await.unwrap();
    let hidden = alice.node().message(&one.id).await.unwrap();
    assert_eq!((hidden.state, hidden.read_at), (MessageState::Delivered, None));
    net.end().await;
}

async fn sees_typing(person: &Person, expected: bool) {
    person
        .wait_for(&format!("typing {expected}"), |change| match change {
            Change::Typing { typing, .. } if *typing == expected => Some(()),
            _ => None,
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_ends_by_itself_by_a_message_and_with_the_link() {
    let (net, alice, bob, session) = friends().await;
    let id = &session.session_id;
    alice.node().set_typing(id, true).await.unwrap();
    sees_typing(&bob, true).await;
    assert_eq!(bob.node().session(id).await.unwrap().typing, [alice.id()]);
    alice.say(&session, "done").await;
    sees_typing(&bob, false).await;
    alice.node().set_typing(id, true).await.unwrap();
    sees_typing(&bob, true).await;
    alice.node().set_typing(id, false).await.unwrap();
    sees_typing(&bob, false).await;
    alice.node().set_typing(id, true).await.unwrap();
    sees_typing(&bob, true).await;
    sees_typing(&bob, false).await;
    alice.node().set_typing(id, true).await.unwrap();
    sees_typing(&bob, true).await;
    net.cut(&alice, &bob).await;
    sees_typing(&bob, false).await;
    assert!(bob.node().session(id).await.unwrap().typing.is_empty());
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn away_is_told_to_contacts_until_it_is_not_to_be() {
    let (net, alice, bob, _) = friends().await;
    let away = |user: &node::view::User| user.status == Presence::Away;
    let here = |user: &node::view::User| user.status == Presence::Online;
    alice.node().set_away(true);
    bob.sees_user(&alice, "away", away).await;
    net.cut(&alice, &bob).await;
    net.heal(&alice, &bob).await;
    bob.sees_user(&alice, "away after the link came back", away).await;
    alice.node().update_settings(json!({ "sharePresence": false })).await.unwrap();
    bob.sees_user(&alice, "here, as nothing is told", here).await;
    alice.node().update_settings(json!({ "sharePresence": true })).await.unwrap();
    bob.sees_user(&alice, "away again", away).await;
    alice.node().set_away(false);
    bob.sees_user(&alice, "here", here).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_under_a_timer_disappear_on_both_sides() {
    let (net, alice, bob, session) = friends().await;
    let id = &session.session_id;
    let kept = alice.say(&session, "before the timer").await;
    alice.node().set_timer(id, 5).await.unwrap();
    bob.sees_session(id, "under a timer", |session| session.timer_seconds == 5).await;
    let line = rows(&bob, &session).await.pop().unwrap();
    assert_eq!((line.message_type, line.system), (MessageType::System, Some(SystemLine::Timer { seconds: 5 })));
    let brief = alice.say(&session, "this will be gone").await;
    let heard = bob.hears("this will be gone").await;
    assert_eq!(heard.expires_at, None, "because nobody has read it");
    assert_eq!(bob.node().session(id).await.unwrap().unread_count, 2, "the line itself is no news");
    bob.node().mark_session_read(id, None).await.unwrap();
    assert!(bob.node().message(&brief.id).await.unwrap().expires_at.is_some());
    for person in [&alice, &bob] {
        person
            .wait_for("the message to disappear", |change| match change {
                Change::MessageRemoved { message_id, .. } if *message_id == brief.id => Some(()),
                _ => None,
            })
            .await;
        assert_eq!(code(person.node().message(&brief.id).await), "message_not_found");
        assert!(person.node().message(&kept.id).await.is_ok());
    }
    assert_eq!(code(alice.node().set_timer(id, 3).await), "invalid_timer");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_for_me_and_kept_for_some_days_are_this_side_only() {
    let (net, alice, bob, session) = friends().await;
    let id = &session.session_id;
    let one = alice.say(&session, "one").await;
    let two = alice.say(&session, "two").await;
    bob.hears("two").await;
    alice.sees_state(&two, MessageState::Delivered).await;
    let last = bob.node().delete_message(&two.id, DeleteFor::Me).await.unwrap();
    assert_eq!(last.message, "two");
    let row = bob.node().session(id).await.unwrap();
    assert_eq!((row.last_message.unwrap().id, row.unread_count), (one.id.clone(), 1));
    // An edit of what is gone here changes nothing here.
    alice.node().edit_message(&two.id, "two, again", None).await.unwrap();
    alice.say(&session, "three").await;
    bob.hears("three").await;
    assert_eq!(code(bob.node().message(&two.id).await), "message_not_found");
    assert_eq!(alice.node().message(&two.id).await.unwrap().message, "two, again");

    let patch = SessionPatch { retention_days: Some(Some(30)), marked_unread: Some(true), ..SessionPatch::default() };
    let row = bob.node().update_session(id, patch).await.unwrap();
    assert_eq!((row.retention_days, row.marked_unread), (Some(30), true));
    let row = bob.node().mark_session_read(id, None).await.unwrap();
    assert!(!row.marked_unread, "because it was read");
    let draft = SessionPatch {
        draft: Some(Some("Well".to_owned())),
        draft_reply_to: Some(Some(one.id.clone())),
        ..SessionPatch::default()
    };
    bob.node().update_session(id, draft).await.unwrap();
    bob.stop().await;
    bob.start_again().await;
    let row = bob.node().session(id).await.unwrap();
    assert_eq!((row.draft.as_deref(), row.draft_reply_to), (Some("Well"), Some(one.id)));
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_said_of_a_message_is_refused() {
    let (net, alice, bob, session) = friends().await;
    let said = alice.say(&session, "hello").await;
    let heard = bob.hears("hello").await;
    let node = bob.node();
    assert_eq!(code(node.react(&heard.id, "ok", true).await), "invalid_emoji");
    assert_eq!(code(node.delete_message(&heard.id, DeleteFor::All).await), "not_your_message");
    assert_eq!(code(node.react("019aa000-0000-7000-8000-000000000000", "👍", true).await), "message_not_found");
    assert_eq!(code(node.react("nonsense", "👍", true).await), "invalid_id");
    assert_eq!(code(alice.node().edit_message(&said.id, " ", None).await), "text_empty");
    alice.node().set_timer(&session.session_id, 60).await.unwrap();
    let line = rows(&alice, &session).await.pop().unwrap();
    assert_eq!(code(alice.node().react(&line.id, "👍", true).await), "system_message");
    let quiet = alice.node().edit_message(&said.id, "hello", None).await.unwrap();
    assert_eq!(quiet.edited_at, None, "because nothing changed");
    net.end().await;
}
