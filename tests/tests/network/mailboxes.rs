//! What waits at a relay for machines that are off.

use landline_tests::{Lab, Person, Relay, SOON, assert_same_history, until};
use serde_json::Value;

use crate::relays::apart;
use crate::restarts::{MANY, assert_in_order, place};

/// Waits until a message of one's own is in this state.
fn is(of: &Person, to: &Person, text: &str, state: &str) {
    until(&format!("{text:?} is {state}"), SOON, || {
        of.history(to).iter().any(|it| it["message"] == text && it["state"] == state).then_some(())
    });
}

#[test]
fn people_who_are_never_there_together_write_to_each_other() {
    let Some(mut lab) = Lab::new() else { return };
    let relay = Relay::start_plain(lab.relay_host("relay"));
    let (mut anna, mut ben) = apart(&mut lab, &relay, &[]);
    ben.leaves();
    anna.misses(&ben, SOON);
    for number in 0..5 {
        assert_eq!(anna.says(&ben, &format!("for later {number}"))["state"], "queued", "because Ben is away");
    }
    anna.has_left_all(&ben, SOON);
    anna.leaves();

    ben.returns();
    ben.hears(&anna, "for later 4");
    ben.cli(&["read", anna.id()]);
    ben.says(&anna, "I was away");
    ben.has_left_all(&anna, SOON);
    ben.leaves();
    let puts = relay.figure("puts_total");

    anna.returns();
    anna.hears(&ben, "I was away");
    for number in 0..5 {
        is(&anna, &ben, &format!("for later {number}"), "read");
    }
    let texts = anna.texts(&ben);
    assert_eq!(texts[2..], ["for later 0", "for later 1", "for later 2", "for later 3", "for later 4", "I was away"]);
    assert_eq!(anna.cli(&["status"])["waiting"], 0, "because the receipts came by the mailbox, too");
    until("her own receipt lies in Ben's mailbox", SOON, || (relay.figure("puts_total") > puts).then_some(()));
    anna.leaves();

    ben.returns();
    is(&ben, &anna, "I was away", "delivered");
    anna.returns();
    assert_same_history(&anna, &ben);
}

#[test]
fn who_is_killed_while_taking_a_full_mailbox_has_all_once_and_in_order() {
    const WRITERS: usize = 3;
    const EACH: usize = 100;
    let Some(mut lab) = Lab::new() else { return };
    let relay = Relay::start_plain(lab.relay_host("relay"));
    let (mut anna, mut ben) = apart(&mut lab, &relay, &[]);
    ben.leaves();
    anna.misses(&ben, SOON);
    // Several to an envelope, and two envelopes to a page that the relay hands over.
    let text = "much ".repeat(800);
    anna.starts_sending(&ben, text.trim_end(), WRITERS, EACH).ends(MANY);
    anna.has_left_all(&ben, MANY);
    anna.leaves();

    // Some seconds, so that there is a middle.
    relay.host.narrow(2);
    let count = |ben: &Person| ben.history(&anna).iter().filter_map(place).count();
    let mut had = 0;
    // Both as soon as something was handed over, and as soon as the relay was told that it may forget something.
    for moment in ["fetched_total", "acknowledged_total", "fetched_total", "acknowledged_total"] {
        let before = relay.figure(moment);
        ben.returns();
        until(moment, MANY, || (relay.figure(moment) > before).then_some(()));
        ben.is_killed();
        assert!(relay.figure("items") > 0, "because it was to be killed in the middle");
        ben.returns();
        let has = count(&ben);
        assert!(has >= had, "because what was there stays: {has} of {had}");
        ben.is_killed();
        had = has;
    }
    ben.returns();
    until("all have come", MANY, || (count(&ben) == WRITERS * EACH).then_some(()));
    anna.returns();
    anna.has_delivered_all(MANY);
    let history: Vec<Value> = assert_same_history(&anna, &ben);
    assert_eq!(history.len(), 2 + WRITERS * EACH, "because every message is there once");
    assert_in_order(&history, &anna, WRITERS, EACH);
}
