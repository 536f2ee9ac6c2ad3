//! `landline follow` through a restart of the node.

use crate::gate::Gate;
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

#[test]
fn what_is_written_while_it_begins_is_printed() {
    let (anna, bert) = (Node::new("Anna"), Node::new("Bert"));
    anna.run(&["add", &bert.listen()]).ok();
    anna.run(&["send", "Bert", "before"]).ok();
    let token = anna.run(&["token", "create", "--name", "follower", "--scope", "read"]).ok();
    let gate = Gate::before(&anna.api());
    let args = ["follow", "--own", "--json", "--api", &gate.address, "--token", token.trim()];
    let mine = Follower::start(anna.command_for(&args));
    // It listens, and has not yet been told where the sessions stand.
    gate.holds();
    anna.run(&["send", "Bert", "meanwhile"]).ok();
    gate.open();
    assert_eq!(mine.json()["message"], "meanwhile", "because it was written after the program began to listen");
    anna.run(&["send", "Bert", "after"]).ok();
    assert_eq!(mine.json()["message"], "after");
    anna.waits_for(&["status"], "Waiting      0");
    assert_eq!(mine.rest(), Vec::<String>::new(), "because that they were delivered is no new message");
}
