//! Two LANs with a relay between, and no other way.

use std::time::{Duration, Instant};

use landline_tests::{Lab, Person, Relay, SOON, assert_same_history, meet_by_relay, until};

use crate::cables::GIVEN_UP;
use crate::files::{LARGE, assert_same, file};
use crate::restarts::{MANY, assert_in_order, place};

/// Machines that fell out of each other's sight look for each other at least this often.
const FOUND_AGAIN: Duration = Duration::from_secs(90);

/// After so long without a word a link is dead.
const SILENCE: Duration = Duration::from_secs(45);

/// Anna on the one LAN and Ben on the other, who met by an invitation.
pub(crate) fn apart(lab: &mut Lab, relay: &Relay, others: &[&str]) -> (Person, Person) {
    let args = [&["--relay", relay.address()], others].concat();
    let anna = Person::start(lab.online_host("anna"), &args);
    let ben = Person::start(lab.far_host("ben"), &args);
    meet_by_relay(&anna, &ben);
    (anna, ben)
}

#[test]
fn people_on_two_lans_meet_by_invitation_talk_and_send_files_both_ways() {
    let Some(mut lab) = Lab::new() else { return };
    let relay = Relay::start(lab.relay_host("relay"));
    let (anna, ben) = apart(&mut lab, &relay, &[]);
    for (from, to) in [(&anna, &ben), (&ben, &anna)] {
        assert!(from.host.told(&["peers"]).contains("online, by relay"), "because people see which way it goes");
        let text = format!("from {} through the relay", from.host.name());
        let id = from.says(to, &text)["id"].clone();
        to.hears(from, &text);
        let is = |state: &str| {
            until(&format!("{text:?} is {state}"), SOON, || {
                from.history(to).iter().any(|it| it["id"] == id && it["state"] == state).then_some(())
            });
        };
        is("delivered");
        to.cli(&["read", from.id()]);
        is("read");
        from.cli(&["typing", to.id()]);
        until("typing is seen", SOON, || {
            to.session(from)["typing"].as_array()?.iter().any(|it| it == from.id()).then_some(())
        });
        let path = file(from, "notes.bin", 4_000_000);
        let id = from.sends_file(to, &path);
        assert_same(&path, &to.has_file(from, &id, LARGE));
    }
    anna.is_linked(&ben, "relay", SOON);
    assert_eq!(assert_same_history(&anna, &ben).len(), 6);
}

#[test]
fn lans_that_become_one_and_part_again_in_the_middle_of_a_file_and_a_conversation_cost_nothing() {
    const SIZE: usize = 100_000_000;
    let Some(mut lab) = Lab::new() else { return };
    let relay = Relay::start(lab.relay_host("relay"));
    let (anna, ben) = apart(&mut lab, &relay, &[]);
    let talk = |when: &str| {
        for (from, to) in [(&anna, &ben), (&ben, &anna)] {
            from.starts_sending(to, when, 2, 20).ends(SOON);
        }
    };
    // A hundred seconds, which is longer than the two need to find each other.
    anna.host.narrow(8);
    let before = anna.host.sent_bytes();
    let path = file(&anna, "large.bin", SIZE);
    let id = anna.sends_file(&ben, &path);
    until("the offer has come", SOON, || ben.transfer(&id));
    ben.cli(&["transfers", "accept", &id]);
    ben.has_bytes(&id, 4_000_000, LARGE);

    lab.merge();
    talk("merging");
    anna.is_linked(&ben, "direct", FOUND_AGAIN);
    ben.is_linked(&anna, "direct", SOON);
    talk("merged");
    let done = ben.transfer(&id).unwrap()["bytesDone"].as_u64().unwrap();
    ben.has_bytes(&id, done + 2_000_000, LARGE);

    lab.part();
    let parted = Instant::now();
    talk("parting");
    anna.is_linked(&ben, "relay", GIVEN_UP);
    ben.is_linked(&anna, "relay", GIVEN_UP);
    assert!(parted.elapsed() < SILENCE, "because what nobody confirms tells sooner than silence");
    talk("parted");
    let kept = ben.transfer(&id).unwrap()["bytesDone"].as_u64().unwrap();
    assert!(kept >= done + 2_000_000, "because what was there stays: {kept}");
    ben.has_bytes(&id, kept + 1, LARGE);
    anna.host.narrow(200);
    assert_same(&path, &ben.has_file(&anna, &id, LARGE));
    let sent = anna.host.sent_bytes() - before;
    assert!(sent < SIZE as u64 * 125 / 100, "because only what was missing is sent again: {sent} bytes for {SIZE}");

    anna.has_delivered_all(SOON);
    ben.has_delivered_all(SOON);
    let history = assert_same_history(&anna, &ben);
    assert_eq!(history.len(), 3 + 4 * 2 * 2 * 20, "because each message is there once");
    for when in ["merging", "merged", "parting", "parted"] {
        let then: Vec<_> =
            history.iter().filter(|it| it["message"].as_str().unwrap().starts_with(when)).cloned().collect();
        for person in [&anna, &ben] {
            assert_in_order(&then, person, 2, 20);
        }
    }
}

#[test]
fn a_relay_that_is_killed_under_load_and_loses_its_disk_loses_nothing_of_theirs() {
    const WRITERS: usize = 10;
    const EACH: usize = 500;
    let Some(mut lab) = Lab::new() else { return };
    let mut relay = Relay::start(lab.relay_host("relay"));
    let (anna, ben) = apart(&mut lab, &relay, &[]);
    let sending = [anna.starts_sending(&ben, "many", WRITERS, EACH), ben.starts_sending(&anna, "many", WRITERS, EACH)];
    for (part, loses_its_disk) in [(EACH / 10, false), (EACH / 4, true)] {
        for (from, to) in [(&anna, &ben), (&ben, &anna)] {
            until("part of them has arrived", MANY, || {
                let (_, number) = place(&to.session(from)["lastMessage"])?;
                (number >= part).then_some(())
            });
        }
        relay.is_killed();
        for (from, to) in [(&anna, &ben), (&ben, &anna)] {
            let history = to.history(from);
            let arrived = history.iter().filter(|message| message["senderUserId"] == from.id());
            assert!(arrived.count() < WRITERS * EACH, "because it was to be killed under load");
        }
        if loses_its_disk {
            relay.loses_its_disk();
        }
        relay.returns();
    }
    for sending in sending {
        sending.ends(MANY);
    }
    anna.has_delivered_all(MANY);
    ben.has_delivered_all(MANY);
    let history = assert_same_history(&anna, &ben);
    assert_eq!(history.len(), 2 + 2 * WRITERS * EACH, "because every message is there once");
    for person in [&anna, &ben] {
        assert_in_order(&history, person, WRITERS, EACH);
    }
}

#[test]
fn uplinks_that_lose_a_twentieth_still_carry() {
    let Some(mut lab) = Lab::new() else { return };
    let relay = Relay::start(lab.relay_host("relay"));
    let args = ["--relay", relay.address()];
    let (anna, ben) = (lab.online_host("anna"), lab.far_host("ben"));
    for host in [&anna, &ben] {
        host.lose(5);
    }
    let (anna, ben) = (Person::start(anna, &args), Person::start(ben, &args));
    meet_by_relay(&anna, &ben);
    let sending = [anna.starts_sending(&ben, "many", 2, 50), ben.starts_sending(&anna, "many", 2, 50)];
    for sending in sending {
        sending.ends(MANY);
    }
    anna.has_delivered_all(MANY);
    ben.has_delivered_all(MANY);
    let history = assert_same_history(&anna, &ben);
    assert_eq!(history.len(), 2 + 200);
    for person in [&anna, &ben] {
        assert_in_order(&history, person, 2, 50);
    }
}

#[test]
fn who_is_blocked_opens_no_tunnel_and_leaves_nothing() {
    let Some(mut lab) = Lab::new() else { return };
    let relay = Relay::start_plain(lab.relay_host("relay"));
    let (mut anna, ben) = apart(&mut lab, &relay, &[]);
    ben.cli(&["block", anna.id()]);
    anna.misses(&ben, SOON);
    let counts = || ["circuits_total", "puts_total", "items"].map(|name| relay.figure(name));
    let before = counts();
    let mut refused = relay.figure("refused_total");
    let message = anna.says(&ben, "Are you there?");
    for _ in 0..2 {
        until("the relay refuses", SOON, || (relay.figure("refused_total") > refused).then_some(()));
        refused = relay.figure("refused_total");
        let shown = anna.history(&ben).into_iter().find(|it| it["id"] == message["id"]).unwrap();
        assert_eq!((&shown["state"], shown["heldBy"].is_null()), (&"queued".into(), true), "because nobody takes it");
        // What it remembers of refusals must not be what holds it back.
        anna.leaves();
        anna.returns();
    }
    assert_eq!(counts(), before, "because the relay lets nothing of hers through");
    assert!(!ben.texts(&anna).contains(&"Are you there?".to_owned()), "because a blocked machine is not heard");

    ben.cli(&["unblock", anna.id()]);
    ben.hears(&anna, "Are you there?");
}
