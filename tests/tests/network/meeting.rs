//! Machines that find each other, with nothing configured.

use landline_tests::{Lab, Person, SOON, assert_same_history, get_acquainted};

#[test]
fn two_find_each_other_and_talk_both_ways() {
    let Some(mut lab) = Lab::new() else { return };
    let anna = Person::start(lab.host("anna"), &[]);
    let ben = Person::start(lab.host("ben"), &[]);
    get_acquainted(&anna, &ben);

    let words = "Grüße, 你好, 👋🏽 and a \"quote\" \\ with <b>marks</b> & more";
    anna.says(&ben, words);
    ben.hears(&anna, words);
    ben.says(&anna, "understood");
    anna.hears(&ben, "understood");
    anna.has_delivered_all(SOON);

    let history = assert_same_history(&anna, &ben);
    let texts: Vec<_> = history.iter().map(|message| message["message"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Hello, it's me", "Hello to you", words, "understood"]);
    let states: Vec<_> = history.iter().map(|message| message["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["delivered"; 4], "because each is on the other side's disk");
}

#[test]
fn a_request_is_answered_before_anything_else_passes() {
    let Some(mut lab) = Lab::new() else { return };
    let anna = Person::start(lab.host("anna"), &[]);
    let ben = Person::start(lab.host("ben"), &[]);
    anna.meets(&ben);
    let long = "x".repeat(60_000);
    anna.says(&ben, "May I?");
    anna.says(&ben, &long);
    ben.hears(&anna, "May I?");
    assert_eq!(ben.texts(&anna), ["May I?"], "because a stranger's request is all that a stranger may leave");
    ben.accepts(&anna);
    ben.hears(&anna, &long);
    anna.has_delivered_all(SOON);
    assert_same_history(&anna, &ben);
}

#[test]
fn who_is_blocked_is_not_heard() {
    let Some(mut lab) = Lab::new() else { return };
    let anna = Person::start(lab.host("anna"), &[]);
    let ben = Person::start(lab.host("ben"), &[]);
    get_acquainted(&anna, &ben);
    ben.cli(&["block", anna.id()]);
    anna.misses(&ben, SOON);
    let refused = anna.says(&ben, "Are you there?");
    assert_eq!(refused["state"], "queued", "because nothing tells a blocked machine that it is blocked");
    assert!(!ben.texts(&anna).contains(&"Are you there?".to_owned()), "because a blocked machine is not heard");
}

#[test]
fn three_talk_in_pairs() {
    let Some(mut lab) = Lab::new() else { return };
    let people = ["anna", "ben", "carla"].map(|name| Person::start(lab.host(name), &[]));
    let pairs = [(0, 1), (1, 2), (0, 2)].map(|(one, other)| (&people[one], &people[other]));
    for (one, other) in pairs {
        get_acquainted(one, other);
    }
    for (one, other) in pairs {
        let between = format!("between {} and {} only", one.host.name(), other.host.name());
        one.says(other, &between);
        other.hears(one, &between);
        let texts = other.texts(one);
        assert_eq!(
            texts,
            ["Hello, it's me", "Hello to you", &between],
            "because a session holds its own messages only"
        );
        assert_same_history(one, other);
    }
}

#[test]
fn who_can_only_dial_out_is_found_and_talked_with() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = (lab.host("anna"), lab.host("ben"));
    anna.refuse_dialling();
    let (anna, ben) = (Person::start(anna, &[]), Person::start(ben, &[]));
    get_acquainted(&anna, &ben);
    assert_same_history(&anna, &ben);
}

#[test]
fn a_typed_address_is_enough_where_nothing_unasked_comes_in() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = (lab.host("anna"), lab.host("ben"));
    anna.refuse_everything_unasked();
    let ben = Person::start(ben, &["--no-mdns"]);
    let address = format!("{}:4281", ben.host.address());
    let anna = Person::start(anna, &["--no-mdns", "--peer", &address]);
    get_acquainted(&anna, &ben);
    assert_same_history(&anna, &ben);
}

#[test]
fn a_network_that_loses_a_tenth_still_carries() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = (lab.host("anna"), lab.host("ben"));
    anna.lose(10);
    let (anna, ben) = (Person::start(anna, &[]), Person::start(ben, &[]));
    get_acquainted(&anna, &ben);
    for number in 0..20 {
        anna.says(&ben, &format!("number {number}"));
    }
    ben.hears(&anna, "number 19");
    anna.has_delivered_all(SOON);
    assert_eq!(assert_same_history(&anna, &ben).len(), 22);
}
