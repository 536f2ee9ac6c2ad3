//! Disks that run full.

use std::time::Duration;

use landline_tests::{Lab, Person, SOON, assert_same_history, get_acquainted, until};

/// A sender that was told of a full disk tries again after a minute.
const TRIED_AGAIN: Duration = Duration::from_secs(150);

#[test]
fn a_full_disk_is_said_on_both_sides_and_loses_nothing() {
    let Some(mut lab) = Lab::new() else { return };
    let anna = Person::start(lab.host("anna"), &[]);
    let small = lab.host("ben");
    small.use_small_disk(8);
    let mut ben = Person::start(small, &[]);
    get_acquainted(&anna, &ben);

    ben.host.fill_disk();
    let large = "x".repeat(60_000);
    let refused = until("Ben's own disk takes no more", SOON, || ben.host.cli(&["send", anna.id(), &large]).err());
    assert!(refused.contains("disk is full"), "the person is told why: {refused}");

    for number in 0..20 {
        anna.says(&ben, &format!("for the full disk {number} {large}"));
    }
    let failed = until("Anna is told why Ben did not get it", SOON, || {
        let message = anna.session(&ben)["lastMessage"].clone();
        (message["state"] == "failed").then_some(message)
    });
    assert!(failed["failure"].as_str().unwrap().contains("disk is full"), "{failed}");

    ben.host.free_disk();
    until("everything arrives by itself", TRIED_AGAIN, || {
        let message = anna.session(&ben)["lastMessage"].clone();
        (message["state"] == "delivered").then_some(())
    });
    assert_same_history(&anna, &ben);
    ben.is_killed();
    ben.returns();
    let history = assert_same_history(&anna, &ben);
    let arrived = history.iter().filter(|row| row["message"].as_str().unwrap().starts_with("for the full disk"));
    assert_eq!(arrived.count(), 20, "because nothing that was acknowledged or queued is lost");
}
