//! The notification centre by the command line, for what happens between two machines.

use std::fs;

use crate::program::Node;

#[test]
fn mentions_and_transfers_are_listed_by_their_kind() {
    let (anna, bert) = (Node::new("Anna"), Node::new("Bert"));
    anna.run(&["add", &bert.listen()]).ok();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lost.txt");
    fs::write(&file, "Not for long.").unwrap();
    let sent = anna.run(&["send", "Bert", "--file", file.to_str().unwrap(), "--json"]).json();
    let id = sent["attachments"][0]["attachmentId"].as_str().unwrap();
    bert.waits_for(&["transfers"], "offered");
    let asked = bert.run(&["notifications", "--kind", "request"]).ok();
    assert!(asked.contains("Anna: lost.txt"), "because the message has no words: {asked}");

    fs::remove_file(&file).unwrap();
    bert.run(&["accept", "Anna"]).ok();
    bert.run(&["transfers", "accept", id]).ok();
    let transfers = ["notifications", "--kind", "transfer"];
    bert.waits_for(&transfers, "Anna: lost.txt could not be received: the file is no longer on the other machine.");
    anna.waits_for(&transfers, "Bert: lost.txt could not be sent: the file is no longer where it was.");

    let mentions = ["notifications", "--kind", "mention", "--unread"];
    assert_eq!(bert.run(&mentions).ok(), "No notifications.\n", "because a request is told once");
    anna.run(&["send", "Bert", "Bert, look", "--mention", "Bert"]).ok();
    bert.waits_for(&mentions, "Anna: Bert, look");
    let stats = bert.run(&["notifications", "stats", "--json"]).json();
    assert_eq!((&stats["byKind"]["mention"], &stats["byKind"]["transfer"]), (&1.into(), &1.into()), "{stats}");
    assert!(bert.run(&["notifications", "read"]).ok().starts_with("Read: "));
    assert_eq!(bert.run(&["notifications", "--unread"]).ok(), "No notifications.\n");
}
