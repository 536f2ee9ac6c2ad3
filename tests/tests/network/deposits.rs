//! Files that wait at a relay for machines that are off.

use std::fs;

use landline_tests::{Lab, Person, Relay, SOON, until};
use serde_json::Value;

use crate::files::{LARGE, assert_same, file};
use crate::relays::apart;

/// Ten seconds at 40 Mbit/s, and more than is fetched without asking.
const SIZE: usize = 50_000_000;

/// A file with its padding, and with what a network and a break in the middle add.
const AT_MOST: u64 = SIZE as u64 * 130 / 100;

/// Waits until the copy at the relay stands so.
pub(crate) fn copy_is(of: &Person, id: &str, state: &str) -> Value {
    until(&format!("the copy is {state}"), LARGE, || {
        of.transfer(id).filter(|transfer| transfer["relayCopy"]["state"] == state)
    })
}

fn takes(ben: &Person, id: &str) {
    until("the offer has come", SOON, || ben.transfer(id));
    ben.cli(&["transfers", "accept", id]);
}

#[test]
fn a_file_goes_to_a_relay_and_from_it_through_every_kill() {
    let Some(mut lab) = Lab::new() else { return };
    let mut relay = Relay::start_plain(lab.relay_host("relay"));
    let (mut anna, mut ben) = apart(&mut lab, &relay, &[]);
    ben.leaves();
    anna.misses(&ben, SOON);
    for host in [&anna.host, &relay.host] {
        host.narrow(40);
    }
    let path = file(&anna, "large.bin", SIZE);
    let before = anna.host.sent_bytes();
    let id = anna.sends_file(&ben, &path);
    anna.has_bytes(&id, 10_000_000, LARGE);
    relay.is_killed();
    relay.returns();
    anna.has_bytes(&id, 20_000_000, LARGE);
    copy_is(&anna, &id, "sending");
    anna.is_killed();
    anna.returns();
    let held = copy_is(&anna, &id, "held");
    assert!(held["relayCopy"]["until"].is_string() && held["state"] == "offered", "{held}");
    let sent = anna.host.sent_bytes() - before;
    assert!(sent < AT_MOST, "because it goes on where it was: {sent} bytes for {SIZE}");
    // The message, and where its file lies.
    until("Ben's mailbox says where it lies", SOON, || (relay.figure("items") >= 2).then_some(()));
    anna.leaves();

    let before = relay.host.sent_bytes();
    ben.returns();
    takes(&ben, &id);
    // Behind the first of the places from which a program goes on that was killed; each is 16 MiB behind the one before.
    ben.has_bytes(&id, 18_000_000, LARGE);
    ben.is_killed();
    ben.returns();
    ben.has_bytes(&id, 28_000_000, LARGE);
    relay.is_killed();
    relay.returns();
    assert_same(&path, &ben.has_file(&anna, &id, LARGE));
    let sent = relay.host.sent_bytes() - before;
    assert!(sent < AT_MOST, "because it goes on where it was: {sent} bytes for {SIZE}");

    anna.returns();
    until("Anna knows", SOON, || anna.transfer(&id).filter(|transfer| transfer["state"] == "complete"));
    until("the relay keeps it no longer", SOON, || (relay.figure("files") == 0).then_some(()));
}

#[test]
fn a_file_changes_its_way_in_the_middle_and_nothing_comes_twice() {
    let Some(mut lab) = Lab::new() else { return };
    let relay = Relay::start_plain(lab.relay_host("relay"));
    let (mut anna, mut ben) = apart(&mut lab, &relay, &[]);
    relay.host.narrow(40);
    let path = file(&anna, "large.bin", SIZE);
    let id = anna.sends_file(&ben, &path);
    takes(&ben, &id);
    let had = ben.has_bytes(&id, 10_000_000, LARGE);
    ben.leaves();
    copy_is(&anna, &id, "held");
    until("Ben's mailbox says where it lies", SOON, || (relay.figure("items") >= 1).then_some(()));
    anna.leaves();

    // What began through the tunnel goes on from the relay.
    let before = relay.host.sent_bytes();
    ben.returns();
    let had = ben.has_bytes(&id, had + 10_000_000, LARGE);
    assert!(relay.figure("file_bytes_out_total") > 0, "because there is no other way");

    // And through the tunnel again, as soon as there is one.
    anna.returns();
    assert_same(&path, &ben.has_file(&anna, &id, LARGE));
    let (sent, given) = (relay.host.sent_bytes() - before, relay.figure("file_bytes_out_total"));
    // What was under way when the way changed is lost: some megabytes in the buffers of both ends.
    assert!(sent < AT_MOST - 5_000_000, "because what was there is not sent again: {sent} bytes for {SIZE}");
    assert!(
        given < SIZE as u64 - 10_000_000,
        "because the link wins: {given} of {SIZE} bytes came as a file after {had}"
    );
    until("the relay keeps it no longer", SOON, || (relay.figure("files") == 0).then_some(()));
}

#[test]
fn a_relay_that_loses_its_disk_is_given_the_file_again() {
    let Some(mut lab) = Lab::new() else { return };
    let mut relay = Relay::start_plain(lab.relay_host("relay"));
    let (anna, mut ben) = apart(&mut lab, &relay, &[]);
    ben.leaves();
    anna.misses(&ben, SOON);
    anna.host.narrow(40);
    let path = file(&anna, "notes.bin", SIZE);
    let id = anna.sends_file(&ben, &path);
    anna.has_bytes(&id, 10_000_000, LARGE);
    relay.is_killed();
    relay.loses_its_disk();
    relay.returns();
    copy_is(&anna, &id, "held");
    ben.returns();
    takes(&ben, &id);
    let there = ben.has_file(&anna, &id, LARGE);
    assert!(fs::read(there).unwrap() == fs::read(&path).unwrap());
}
