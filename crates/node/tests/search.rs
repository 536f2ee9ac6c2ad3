//! Search and jumping to a time, as a person has them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use landline_node as node;
use node::view::{Message, MessageType, SearchPage};
use node::{NodeError, PageRequest, SearchRequest, SendRequest};
use testkit::friends;

fn words(text: &str) -> SearchRequest {
    SearchRequest { text: text.to_owned(), ..SearchRequest::default() }
}

fn texts(page: &SearchPage) -> Vec<&str> {
    page.items.iter().map(|hit| hit.message.message.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_is_found_on_both_sides_and_after_a_restart() {
    let (net, alice, bob, session) = friends().await;
    alice.say(&session, "Shall we meet at the Café?").await;
    bob.hears("Shall we meet at the Café?").await;
    bob.say(&session, "The cafe is closed").await;
    alice.hears("The cafe is closed").await;
    for person in [&alice, &bob] {
        let found = person.node().search(words("cafe")).await.unwrap();
        assert_eq!(texts(&found), ["The cafe is closed", "Shall we meet at the Café?"]);
        assert_eq!(found.items[1].ranges, [[21, 25]]);
    }
    let from_bob = SearchRequest { from: Some(bob.id()), ..words("cafe") };
    let found = alice.node().search(from_bob).await.unwrap();
    assert_eq!((texts(&found), found.items[0].session.title.as_str()), (vec!["The cafe is closed"], "Bob"));
    alice.stop().await;
    std::fs::remove_file(alice.config().data_dir.join("search.db")).unwrap();
    alice.start_again().await;
    assert_eq!(alice.node().search(words("cafe")).await.unwrap().total, 2, "because the index can be made anew");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_found_by_their_names() {
    let (net, alice, bob, session) = friends().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Überblick Strand.txt");
    std::fs::write(&path, "sand").unwrap();
    let upload = alice.node().add_file(path.to_str().unwrap()).await.unwrap();
    let request = SendRequest {
        session: session.session_id.clone(),
        message: "Have a look".to_owned(),
        attachments: vec![upload.upload_id],
        ..SendRequest::default()
    };
    alice.node().send_message(request).await.unwrap();
    bob.hears("Have a look").await;
    alice.say(&session, "uberblick in words").await;
    bob.hears("uberblick in words").await;
    let of = |kind| SearchRequest { kind: Some(kind), ..words("uberblick") };
    let files = bob.node().search(of(MessageType::File)).await.unwrap();
    assert_eq!((texts(&files), files.items[0].ranges.len()), (vec!["Have a look"], 0));
    let plain = bob.node().search(of(MessageType::Text)).await.unwrap();
    assert_eq!(texts(&plain), ["uberblick in words"]);
    assert_eq!(bob.node().search(of(MessageType::Image)).await.unwrap().total, 0);
    assert_eq!(bob.node().search(of(MessageType::System)).await.unwrap_err().field(), Some("type"));
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_by_its_field() {
    let (net, alice, _bob, session) = friends().await;
    let node = alice.node();
    let field = |result: Result<SearchPage, NodeError>| result.unwrap_err().field();
    assert_eq!(field(node.search(words(" \u{301}")).await), Some("q"));
    assert_eq!(field(node.search(words(&"x".repeat(513))).await), Some("q"));
    assert_eq!(field(node.search(SearchRequest { limit: Some(0), ..words("x") }).await), Some("limit"));
    assert_eq!(field(node.search(SearchRequest { from: Some("x".into()), ..words("x") }).await), Some("from"));
    assert_eq!(field(node.search(SearchRequest { session: Some("x".into()), ..words("x") }).await), Some("in"));
    assert_eq!(field(node.search(SearchRequest { since: Some("x".into()), ..words("x") }).await), Some("since"));
    assert_eq!(field(node.search(SearchRequest { until: Some("x".into()), ..words("x") }).await), Some("until"));
    assert_eq!(field(node.search(SearchRequest { before: Some("x".into()), ..words("x") }).await), Some("before"));
    let bad = PageRequest { date: Some("yesterday".into()), ..PageRequest::default() };
    assert_eq!(node.messages(&session.session_id, bad).await.unwrap_err().field(), Some("date"));
    let hostile = ["\"", "\"\"\"", "* OR NEAR(", "a AND NOT b", "col:x", "-x", "^x", "\u{e000}\u{f0001}1", "('"];
    for text in hostile {
        let found = node.search(words(text)).await;
        assert!(found.is_ok() || found.unwrap_err().field() == Some("q"), "{text} is only text");
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_begins_where_a_day_does() {
    let (net, alice, _bob, session) = friends().await;
    let mut said: Vec<Message> = Vec::new();
    for number in 0..40 {
        said.push(alice.say(&session, &format!("number {number}")).await);
    }
    let at = |time: &str| PageRequest { date: Some(time.to_owned()), limit: Some(10), ..PageRequest::default() };
    for message in &said {
        let first = said.iter().find(|other| other.timestamp >= message.timestamp).unwrap();
        let page = alice.node().messages(&session.session_id, at(&message.timestamp)).await.unwrap();
        assert!(page.items.iter().any(|row| row.id == first.id), "the page holds the first of that time");
    }
    let page = alice.node().messages(&session.session_id, at("1970-01-01T00:00:00Z")).await.unwrap();
    assert_eq!((page.items[0].id.as_str(), page.next_before), (said[0].id.as_str(), None));
    let page = alice.node().messages(&session.session_id, at("2999-01-01T00:00:00Z")).await.unwrap();
    assert_eq!((page.items[9].id.as_str(), page.next_after), (said[39].id.as_str(), None));
    net.end().await;
}
