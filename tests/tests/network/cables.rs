//! Cables that are cut, addresses that change.

use std::time::Duration;

use landline_tests::{Lab, Person, SOON, assert_same_history, get_acquainted};

/// A silent link is given up after 45 s without a sign of life.
pub(crate) const GIVEN_UP: Duration = Duration::from_secs(75);

#[test]
fn both_write_while_the_cable_is_cut() {
    let Some(mut lab) = Lab::new() else { return };
    let anna = Person::start(lab.host("anna"), &[]);
    let ben = Person::start(lab.host("ben"), &[]);
    get_acquainted(&anna, &ben);

    anna.host.cut();
    for number in 0..5 {
        anna.says(&ben, &format!("anna {number}"));
        ben.says(&anna, &format!("ben {number}"));
    }
    // Only now has each noticed, and what was written stays queued.
    anna.misses(&ben, GIVEN_UP);
    ben.misses(&anna, GIVEN_UP);
    let late = anna.says(&ben, "into the dark");
    assert_eq!(late["state"], "queued", "because it is on this disk only");
    assert_eq!(anna.cli(&["status"])["waiting"], 6, "because none has reached the other disk");

    anna.host.heal();
    anna.meets_within(&ben, GIVEN_UP);
    ben.hears(&anna, "into the dark");
    anna.hears(&ben, "ben 4");
    anna.has_delivered_all(SOON);
    ben.has_delivered_all(SOON);
    assert_eq!(assert_same_history(&anna, &ben).len(), 13);
}

#[test]
fn a_network_that_falls_silent_for_a_moment_loses_nothing() {
    let Some(mut lab) = Lab::new() else { return };
    let anna = Person::start(lab.host("anna"), &[]);
    let ben = Person::start(lab.host("ben"), &[]);
    get_acquainted(&anna, &ben);
    anna.host.silence();
    anna.says(&ben, "Can you hear me?");
    ben.says(&anna, "Hello?");
    anna.host.speak();
    ben.hears(&anna, "Can you hear me?");
    anna.hears(&ben, "Hello?");
    anna.has_delivered_all(SOON);
    ben.has_delivered_all(SOON);
    assert_eq!(assert_same_history(&anna, &ben).len(), 4);
}

#[test]
fn a_new_address_is_found_by_itself() {
    let Some(mut lab) = Lab::new() else { return };
    let mut anna = Person::start(lab.host("anna"), &[]);
    let ben = Person::start(lab.host("ben"), &[]);
    get_acquainted(&anna, &ben);
    anna.host.change_address();
    anna.says(&ben, "from elsewhere");
    ben.hears(&anna, "from elsewhere");
    ben.says(&anna, "to elsewhere");
    anna.hears(&ben, "to elsewhere");
    anna.has_delivered_all(SOON);
    ben.has_delivered_all(SOON);
    assert_same_history(&anna, &ben);
}
