//! What is said of messages, and of sessions, by the command line; and what becomes of what was deleted.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{Node, waits_until};

/// Two nodes that accept each other, and a first message from the first to the second.
fn pair(text: &str) -> (Node, Node, String) {
    let (anna, bert) = (Node::new("Anna"), Node::new("Bert"));
    anna.run(&["add", &bert.listen()]).ok();
    let sent = anna.run(&["send", "Bert", text, "--json"]).json();
    bert.waits_for(&["sessions"], "Anna");
    bert.run(&["accept", "Anna"]).ok();
    bert.waits_for(&["history", "Anna"], text);
    let id = sent["id"].as_str().unwrap().to_owned();
    (anna, bert, id)
}

#[test]
fn a_message_is_changed_answered_and_reacted_to() {
    let (anna, bert, id) = pair("Coffe?");
    assert_eq!(anna.run(&["edit", &id, "Coffee?"]).ok(), "Changed.\n");
    bert.waits_for(&["history", "Anna"], "Anna: Coffee?  (edited)");
    let versions = bert.run(&["versions", &id]).ok();
    assert!(versions.starts_with("[first] Coffe?\n[") && versions.ends_with("] Coffee?\n"), "{versions}");
    assert_eq!(bert.run(&["versions", &id, "--json"]).json()["items"][1]["message"], "Coffee?");
    assert!(bert.run(&["edit", &id, "Tea?"]).failed().contains("only who wrote"), "because it is another's");

    assert_eq!(bert.run(&["react", &id, "👍"]).ok(), "Reacted.\n");
    bert.run(&["react", &id, "🎉", "--json"]).json();
    anna.waits_for(&["show", &id], "    👍 Bert, 🎉 Bert\n");
    assert_eq!(bert.run(&["react", &id, "🎉", "--off"]).ok(), "Taken back.\n");
    anna.waits_for(&["show", &id], "    👍 Bert\n");
    assert!(bert.run(&["react", &id, "yes"]).failed().contains("emoji"));

    let answer = bert.run(&["send", "Anna", "Yes!", "--reply-to", &id, "--mention", "Anna", "--json"]).json();
    assert_eq!((&answer["replyTo"], &answer["mentions"][0]), (&Value::from(id.as_str()), &Value::from(anna.id())));
    anna.waits_for(&["history", "Bert"], "    > You: Coffee?\n");
    assert!(anna.run(&["send", "Bert", "x", "--reply-to", "nonsense"]).failed().contains("replyTo"));

    assert_eq!(anna.run(&["pin", &id]).ok(), "Pinned.\n");
    bert.waits_for(&["history", "Anna", "--ids"], &format!("(pinned)\n    👍 You\n    {id}\n"));
    assert_eq!(bert.run(&["pin", &id, "--off"]).ok(), "No longer pinned.\n");
    bert.run(&["read", "Anna", "--to", &id]).ok();
    anna.waits_for(&["receipts", &id, "--json"], "\"readAt\":\"");
    let receipts = anna.run(&["receipts", &id]).ok();
    assert!(receipts.starts_with("DELIVERED") && receipts.contains(&bert.id()), "{receipts}");
    assert!(anna.run(&["retry", &id]).failed().contains("failed"));
}

#[test]
fn messages_are_forwarded_with_their_files() {
    let (anna, bert, id) = pair("A list for you.");
    let carl = Node::new("Carl");
    bert.run(&["add", &carl.listen()]).ok();
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list.txt");
    fs::write(&list, "Milk, bread.").unwrap();
    let sent = anna.run(&["send", "Bert", "--file", list.to_str().unwrap(), "--json"]).json();
    let file = sent["id"].as_str().unwrap();
    bert.waits_for(&["history", "Anna"], "[list.txt, 12 B, complete");
    assert_eq!(bert.run(&["forward", &id, file, "--to", "Carl", "Anna"]).ok(), "Sent: 4.\n");
    carl.waits_for(&["history", "Bert"], "[list.txt, 12 B, offered");
    let history = carl.run(&["history", "Bert"]).ok();
    assert!(history.contains("Bert: A list for you.  (forwarded)"), "{history}");
    carl.run(&["accept", "Bert"]).ok();
    let offered = carl.run(&["transfers", "--json"]).json()["items"][0]["transferId"].as_str().unwrap().to_owned();
    carl.run(&["transfers", "accept", &offered]).ok();
    carl.waits_for(&["transfers"], "complete");
    assert_eq!(carl.run(&["get", &offered, "-"]).ok(), "Milk, bread.");
    assert!(bert.run(&["forward", "nonsense", "--to", "Carl"]).failed().contains("messageId"));
}

#[test]
fn sessions_are_marked_and_timed() {
    let (anna, bert, _) = pair("Hello.");
    assert_eq!(bert.run(&["typing", "Anna"]).ok(), "Told.\n");
    anna.waits_for(&["sessions", "--json"], &format!("\"typing\":[\"{}\"]", bert.id()));
    bert.run(&["typing", "Anna", "--stop"]).ok();
    anna.waits_for(&["sessions", "--json"], "\"typing\":[]");
    assert_eq!(bert.run(&["away"]).ok(), "Away.\n");
    anna.waits_for(&["peers"], "away");
    assert_eq!(bert.run(&["away", "--back"]).ok(), "Back.\n");

    assert_eq!(anna.run(&["timer", "Bert", "2h"]).ok(), "New messages with Bert disappear after 7200 s.\n");
    bert.waits_for(&["history", "Anna"], "Anna: (new messages disappear after 7200 s)");
    assert_eq!(bert.run(&["timer", "Anna", "off"]).ok(), "New messages with Anna stay.\n");
    assert!(anna.run(&["timer", "Bert", "2s"]).failed().contains("seconds"));

    let marks = ["set", "Bert", "--pin", "on", "--archive", "off", "--unread", "on", "--mute", "2100-01-01"];
    let marked =
        anna.run(&[&marks[..], &["--notify", "none", "--keep", "7", "--draft", "-half", "--json"]].concat()).json();
    assert_eq!(
        (&marked["pinned"], &marked["archived"], &marked["markedUnread"]),
        (&true.into(), &false.into(), &true.into())
    );
    assert_eq!(
        (&marked["notify"], &marked["retentionDays"], &marked["draft"]),
        (&"none".into(), &7.into(), &"-half".into())
    );
    assert_eq!(marked["mutedUntil"], "2100-01-01T00:00:00.000Z");
    let marked = anna.run(&["set", "Bert", "--mute", "off", "--keep", "off", "--draft", "", "--json"]).json();
    assert_eq!(
        (&marked["mutedUntil"], &marked["retentionDays"], &marked["draft"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(marked["pinned"], true, "because what is not named stays");
    assert_eq!(anna.run(&["set", "Bert"]).code, Some(2), "because nothing is to be changed");
}

/// Whether a word stands in any file of a profile.
fn stands_in(dir: &Path, word: &str) -> bool {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return stands_in(&path, word);
        }
        // A file may have gone since it was listed.
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(word.len()).any(|part| part == word.as_bytes())
    })
}

#[test]
fn what_was_deleted_leaves_the_disk() {
    let word = "xylophone-and-marimba";
    let (anna, bert, id) = pair(word);
    anna.waits_for(&["search", "xylophone"], "1 of 1.");
    bert.waits_for(&["search", "xylophone"], "1 of 1.");
    assert!(stands_in(anna.dir(), word) && stands_in(bert.dir(), word), "because it was not deleted yet");
    let (other, second) =
        ("glockenspiel-at-night", anna.run(&["send", "Bert", "glockenspiel-at-night", "--json"]).json());
    let second = second["id"].as_str().unwrap();
    bert.waits_for(&["history", "Anna"], other);
    assert_eq!(anna.run(&["delete", &id, "--for", "all"]).ok(), "Deleted for everyone.\n");
    bert.waits_for(&["history", "Anna"], "Anna: (deleted)");
    assert_eq!(bert.run(&["delete", second]).ok(), "Deleted on this machine.\n");
    assert!(bert.run(&["delete", second]).failed().contains("no message"));
    // The programs run on, so their write-ahead logs are not emptied by their end. Nothing tells of it but the disk.
    let gone = || !stands_in(anna.dir(), word) && !stands_in(bert.dir(), word) && !stands_in(bert.dir(), other);
    waits_until("no deleted text is on either disk", gone);
    assert!(stands_in(anna.dir(), other), "because it was deleted on the other machine only");
}
