//! Files by the command line.

use std::fs;

use crate::program::Node;

#[test]
fn sent_listed_and_fetched() {
    let (anna, bert) = (Node::new("Anna"), Node::new("Bert"));
    anna.run(&["add", &bert.listen()]).ok();
    assert_eq!(anna.run(&["transfers"]).ok(), "No files yet. `landline send TO --file FILE` sends one.\n");
    let dir = tempfile::tempdir().unwrap();
    let (file, folder) = (dir.path().join("notes.txt"), dir.path().join("papers"));
    fs::write(&file, "Some notes.").unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a.txt"), "A paper.").unwrap();
    let (file, folder) = (file.to_str().unwrap(), folder.to_str().unwrap());

    // From a stranger nothing comes by itself.
    let sent = anna.run(&["send", "Bert", "Look:", "--file", file, "--file", folder, "--json"]).json();
    assert_eq!((&sent["message"], sent["attachments"].as_array().unwrap().len()), (&"Look:".into(), 2));
    let id = sent["attachments"][0]["attachmentId"].as_str().unwrap();
    bert.waits_for(&["transfers"], "offered");
    assert!(bert.run(&["transfers", "accept", id]).failed().contains("accept the machine"));
    assert!(anna.run(&["transfers", "accept", id]).failed().contains("receives"));
    bert.run(&["accept", "Anna"]).ok();
    let to = dir.path().join("to");
    fs::create_dir(&to).unwrap();
    bert.run(&["transfers", "accept", id, "--to", to.to_str().unwrap()]).ok();
    bert.waits_for(&["transfers"], "notes.txt  from  11 B  100 %  complete");
    assert_eq!(fs::read(to.join("notes.txt")).unwrap(), b"Some notes.");
    assert_eq!(bert.run(&["get", id, "-"]).ok(), "Some notes.");
    let copy = dir.path().join("copy.txt");
    bert.run(&["get", id, copy.to_str().unwrap()]).ok();
    assert_eq!(fs::read(&copy).unwrap(), b"Some notes.");
    assert!(bert.run(&["get", id, copy.to_str().unwrap()]).failed().contains("is there already"));
    let history = bert.run(&["history", "Anna"]).ok();
    assert!(history.contains(&format!("    [notes.txt, 11 B, complete, {id}]")), "{history}");

    // A copy need not stay; from an accepted machine it comes by itself.
    let sent = anna.run(&["send", "Bert", "--file", file, "--copy", "--json"]).json();
    assert_eq!(sent["message"], "");
    let second = sent["attachments"][0]["attachmentId"].as_str().unwrap();
    bert.waits_for(&["history", "Anna"], &format!("complete, {second}"));
    let folder_id = bert.run(&["transfers", "--json"]).json()["items"]
        .as_array()
        .and_then(|items| items.iter().find(|item| item["name"] == "papers")?["transferId"].as_str().map(str::to_owned))
        .unwrap();
    assert_eq!(bert.run(&["transfers", "cancel", &folder_id]).ok(), "papers: cancelled.\n");
    bert.run(&["transfers", "resume", &folder_id]).ok();
    bert.waits_for(&["history", "Anna"], "[papers, ");
    assert!(anna.run(&["send", "Bert", "--file", "/nonexistent"]).failed().contains("/nonexistent"));
}
