//! Nodes that are killed and come back.

use std::collections::HashMap;
use std::time::Duration;

use landline_tests::{Lab, Person, SOON, assert_same_history, get_acquainted, until};
use serde_json::Value;

/// For ten thousand messages, written and carried by programs that were not optimized.
pub(crate) const MANY: Duration = Duration::from_secs(180);

/// Writer and number of a message made by [`Person::starts_sending`].
pub(crate) fn place(message: &Value) -> Option<(usize, usize)> {
    let (writer, number) = message["message"].as_str()?.rsplit_once(' ')?.1.split_once('.')?;
    Some((writer.parse().ok()?, number.parse().ok()?))
}

/// What each of somebody's writers wrote is there, in its order.
pub(crate) fn assert_in_order(history: &[Value], from: &Person, writers: usize, each: usize) {
    let mut next: HashMap<usize, usize> = HashMap::new();
    for (writer, number) in history.iter().filter(|message| message["senderUserId"] == from.id()).filter_map(place) {
        let expected = next.entry(writer).or_default();
        assert_eq!(number, *expected, "because what writer {writer} wrote comes in its order");
        *expected += 1;
    }
    let all: HashMap<_, _> = (0..writers).map(|writer| (writer, each)).collect();
    assert_eq!(next, all, "because nobody's messages are missing");
}

#[test]
fn ten_thousand_arrive_once_and_in_order_though_the_receiver_is_killed_twice() {
    const WRITERS: usize = 20;
    const EACH: usize = 500;
    let Some(mut lab) = Lab::new() else { return };
    let anna = Person::start(lab.host("anna"), &[]);
    let mut ben = Person::start(lab.host("ben"), &[]);
    get_acquainted(&anna, &ben);

    let sending = anna.starts_sending(&ben, "many", WRITERS, EACH);
    for part in [EACH / 4, EACH / 2] {
        until("part of them has arrived", MANY, || {
            let (_, number) = place(&ben.session(&anna)["lastMessage"])?;
            (number >= part).then_some(())
        });
        ben.is_killed();
        ben.returns();
    }
    sending.ends(MANY);
    anna.has_delivered_all(MANY);

    let history = assert_same_history(&anna, &ben);
    assert_eq!(history.len(), 2 + WRITERS * EACH, "because every message is there");
    assert_in_order(&history, &anna, WRITERS, EACH);
}

#[test]
fn what_waits_survives_the_senders_restart() {
    let Some(mut lab) = Lab::new() else { return };
    let mut anna = Person::start(lab.host("anna"), &[]);
    let mut ben = Person::start(lab.host("ben"), &[]);
    get_acquainted(&anna, &ben);

    ben.leaves();
    anna.misses(&ben, SOON);
    for number in 0..3 {
        let message = anna.says(&ben, &format!("for later {number}"));
        assert_eq!(message["state"], "queued", "because Ben is away");
    }
    anna.is_killed();
    anna.returns();
    assert_eq!(anna.cli(&["status"])["waiting"], 3, "because what was queued is on the disk");
    ben.returns();
    ben.hears(&anna, "for later 2");
    anna.has_delivered_all(SOON);
    assert_eq!(assert_same_history(&anna, &ben).len(), 5);
}

#[test]
fn who_sends_and_leaves_is_heard_when_both_are_back() {
    let Some(mut lab) = Lab::new() else { return };
    let mut anna = Person::start(lab.host("anna"), &[]);
    let mut ben = Person::start(lab.host("ben"), &[]);
    get_acquainted(&anna, &ben);

    ben.leaves();
    anna.says(&ben, "see you");
    anna.leaves();
    ben.returns();
    ben.says(&anna, "I was away");
    anna.returns();
    ben.hears(&anna, "see you");
    anna.hears(&ben, "I was away");
    anna.has_delivered_all(SOON);
    ben.has_delivered_all(SOON);
    assert_eq!(assert_same_history(&anna, &ben).len(), 4);
}
