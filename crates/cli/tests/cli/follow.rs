//! `landline follow` through a restart of the node.

use crate::program::{Follower, Node};

#[test]
fn what_comes_during_a_restart_is_printed_once() {
    let (anna, bert) = (Node::new("Anna"), Node::new("Bert"));
    anna.run(&["add", &bert.listen()]).ok();
    anna.run(&["send", "Bert", "before"]).ok();
    let heard = Follower::start(bert.command_for(&["follow", "--json"]));
    bert.heard_by(1);
    anna.run(&["send", "Bert", "one"]).ok();
    // "before" may have been on its way when `follow` began.
    let mut first = heard.json();
    if first["message"] == "before" {
        first = heard.json();
    }
    assert_eq!(first["message"], "one");
    bert.run(&["accept", "Anna"]).ok();

    let listen = bert.listen();
    let dir = bert.end("KILL");
    anna.run(&["send", "Bert", "two"]).ok();
    let bert = Node::start(dir, &["--listen", &listen]);
    assert_eq!(heard.json()["message"], "two", "because it came after the restart, with another port and token");
    anna.run(&["send", "Bert", "three"]).ok();
    assert_eq!(heard.json()["message"], "three");
    assert_eq!(heard.rest(), Vec::<String>::new());
    assert_eq!(bert.run(&["history", "Anna", "--json"]).json()["items"].as_array().unwrap().len(), 4);
}
