//! Two machines talk by the command line.

use serde_json::Value;

use crate::program::{Follower, Node};

#[test]
fn from_adding_to_blocking() {
    let (anna, bert) = (Node::new("Anna"), Node::new("Bert"));
    let heard = Follower::start(bert.command_for(&["follow", "--json"]));
    bert.heard_by(1);
    assert_eq!(anna.run(&["peers"]).ok(), "No one here yet. Others need Landline open on the same network.\n");
    let found = anna.run(&["add", &bert.listen()]).ok();
    assert!(found.starts_with("Found Bert (landline1"), "{found}");

    let sent = anna.run(&["send", "Bert", "Hello, Bert", "--json"]).json();
    assert_eq!(sent["message"], "Hello, Bert");
    let came = heard.json();
    assert_eq!((&came["id"], &came["message"]), (&sent["id"], &sent["message"]));
    let sessions = bert.run(&["sessions"]).ok();
    assert!(sessions.contains("Anna (asks for contact)"), "{sessions}");
    assert!(bert.run(&["accept", "anna"]).ok().starts_with("Accepted: Anna"));
    let reply = bert.run_with("Grüß dich,\nAnna \u{1b}[2J\n".as_bytes(), &["send", &anna.id(), "-"]).ok();
    assert!(reply.contains("Anna"), "{reply}");

    anna.waits_for(&["history", "Bert"], "Grüß dich");
    let mine = Follower::start(anna.command_for(&["follow", "Bert", "--own"]));
    anna.heard_by(1);
    anna.run(&["send", "Bert", "One more"]).ok();
    assert!(mine.line().contains("You: One more"), "because --own shows these, too");
    assert_eq!(heard.json()["message"], "One more");

    let peers = anna.run(&["peers"]).ok();
    assert!(peers.starts_with("NAME  STATUS  TRUST") && peers.contains("\nBert  online  accepted"), "{peers}");
    assert_eq!(anna.run(&["peers", "--online", "--json"]).json()["items"][0]["name"], "Bert");
    let session = sent["sessionId"].as_str().unwrap();
    for word in ["Bert", "bert", session, &session[..8], &bert.id(), &bert.id()[..14]] {
        let history = anna.run(&["history", word, "--json"]).json();
        let texts: Vec<&Value> = history["items"].as_array().unwrap().iter().map(|row| &row["message"]).collect();
        assert_eq!(texts, ["Hello, Bert", "Grüß dich,\nAnna \u{1b}[2J", "One more"], "{word}");
    }
    let history = anna.run(&["history", "Bert"]).ok();
    assert!(
        history.contains("Bert: Grüß dich,\n    Anna {U+001B}[2J"),
        "because a text must not clear the screen: {history:?}"
    );
    assert!(anna.run(&["history", "Bert", "--limit", "1"]).ok().starts_with("Older messages: --before "));

    let found = anna.run(&["search", "DICH grus"]).ok();
    assert!(found.contains("Bert: Grüß dich,") && found.ends_with("1 of 1.\n"), "{found}");
    let found = anna.run(&["search", "e", "--from", "me", "--in", "Bert", "--limit", "1"]).ok();
    assert!(found.contains("You to Bert: One more\n1 of 2; older ones: --before "), "{found}");
    assert_eq!(anna.run(&["search", "--from", "Bert", "--json"]).json()["total"], 1);
    assert_eq!(anna.run(&["search", "more", "--until", "2020-01-01"]).ok(), "Nothing found.\n");
    assert!(anna.run(&["search", "more", "--since", "2020-01-01T"]).failed().contains("since"));
    assert!(anna.run(&["search", ""]).failed().contains("filter"));
    assert!(anna.run(&["history", "Bert", "--date", "2020-01-01"]).ok().contains("Hello, Bert"));

    let listed = bert.run(&["notifications", "--unread"]).ok();
    assert!(listed.contains("message") && listed.contains("Anna: One more"), "{listed}");
    let id = bert.run(&["notifications", "add", "Backup done", "all of it", "--kind", "network"]).ok();
    let shown = bert.run(&["notifications", "--kind", "network", "--json"]).json();
    assert_eq!((&shown["items"][0]["id"], shown["items"].as_array().unwrap().len()), (&Value::from(id.trim()), 1));
    assert_eq!(bert.run(&["notifications", "read", id.trim()]).ok(), "Read.\n");
    assert!(bert.run(&["notifications", "stats"]).ok().contains("\nnetwork "));
    assert_eq!(bert.run(&["notifications", "delete", id.trim()]).ok(), "Deleted.\n");
    assert!(bert.run(&["notifications", "delete", id.trim()]).failed().contains("no notification"));
    assert_eq!(bert.run(&["notifications", "cleanup", "--days", "1"]).ok(), "Deleted: 0.\n");

    assert_eq!(bert.run(&["status", "--json"]).json()["unread"], 2);
    assert_eq!(bert.run(&["read", "Anna"]).ok(), "Read: Anna.\n");
    assert_eq!(bert.run(&["status", "--json"]).json()["unread"], 0);
    assert_eq!(bert.run(&["notifications", "--unread"]).ok(), "No notifications.\n", "because they were read");
    assert!(bert.run(&["block", "Anna"]).ok().starts_with("Blocked: Anna"));
    let line = bert.run(&["send", &anna.id(), "x"]).failed();
    assert!(line.contains("block"), "{line}");
    assert!(bert.run(&["unblock", &anna.id()]).ok().starts_with("Unblocked: Anna"));
}

#[test]
fn a_bad_message_is_refused() {
    let (anna, bert) = (Node::new("Anna"), Node::new("Bert"));
    anna.run(&["add", &bert.listen()]).ok();
    for (input, words) in [(&b""[..], "empty"), (b" \n", "empty"), (b"a\0b", "NUL"), (b"\xff\xfe", "UTF-8")] {
        let line = anna.run_with(input, &["send", "Bert", "-"]).failed();
        assert!(!line.is_empty(), "{words}: {line}");
    }
    let line = anna.run_with(&[b'x'; 70_000], &["send", "Bert", "-"]).failed();
    assert!(line.contains("65536"), "because it names the limit: {line}");
    let line = anna.run(&["send", "Nobody", "x"]).failed();
    assert!(line.contains("Nobody"), "{line}");
    let line = anna.run(&["history", "Bert"]).failed();
    assert!(line.contains("no session"), "{line}");
    let line = anna.run(&["add", "127.0.0.1:1"]).failed();
    assert!(line.contains("127.0.0.1:1"), "because it names what was tried: {line}");
    assert_eq!(anna.run(&["name", "Anna L."]).ok(), "Anna L.\n");
    anna.run(&["name", ""]).failed();
    assert_eq!(anna.run(&["name"]).ok(), "Anna L.\n");
}

#[test]
fn who_is_meant_must_be_clear() {
    let (anna, one, two) = (Node::new("Anna"), Node::new("Sam"), Node::new("Sam"));
    anna.run(&["add", &one.listen()]).ok();
    anna.run(&["add", &two.listen()]).ok();
    let line = anna.run(&["send", "Sam", "x"]).failed();
    assert!(line.contains(&one.id()) && line.contains(&two.id()), "because it lists both: {line}");
    assert!(anna.run(&["send", &one.id(), "x"]).code == Some(0));
}

#[test]
fn an_invitation_is_made_and_followed() {
    let (anna, bert) = (Node::new("Anna"), Node::new("Bert"));
    let link = anna.run(&["invite"]).ok();
    assert!(link.starts_with("landline://add/landline1") && link.lines().count() == 1, "{link}");
    let found = bert.run(&["add", link.trim()]).ok();
    assert!(found.starts_with("Found Anna (landline1") && found.contains("The invitation counted"), "{found}");
    assert!(anna.run(&["peers"]).ok().contains("verified"), "because both were proved to each other");

    let bare = bert.run(&["invite", "--json"]).json();
    let (address, _) = bare["link"].as_str().unwrap().split_once("&token=").unwrap();
    let carl = Node::new("Carl");
    let found = carl.run(&["add", address]).ok();
    assert!(found.contains("reaches them as a request"), "because the link shows no token: {found}");
}
