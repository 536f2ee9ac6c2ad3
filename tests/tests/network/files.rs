//! Files over networks that are cut, that lose, that let only one side dial, and between nodes that are killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landline_tests::{Lab, Person, SOON, get_acquainted, until};

use crate::cables::GIVEN_UP;

/// For some hundred megabits over a network that carries that much in a second.
pub(crate) const LARGE: Duration = Duration::from_secs(120);

/// Bytes of the large file: four seconds at 200 Mbit/s.
const SIZE: usize = 100_000_000;

/// A file that does not compress and does not repeat.
pub(crate) fn file(of: &Person, name: &str, size: usize) -> PathBuf {
    let mut state = 99_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_be_bytes());
    }
    bytes.truncate(size);
    let path = of.host.disk().join("home").join(name);
    fs::write(&path, bytes).unwrap();
    path
}

pub(crate) fn assert_same(one: &Path, other: &Path) {
    assert!(fs::read(one).unwrap() == fs::read(other).unwrap(), "{} is {}", one.display(), other.display());
}

/// Two people on a network of 200 Mbit/s; the second one takes everything that comes.
fn two(lab: &mut Lab) -> (Person, Person) {
    let anna = Person::start(lab.host("anna"), &[]);
    let ben = Person::start(lab.host("ben"), &[]);
    get_acquainted(&anna, &ben);
    for person in [&anna, &ben] {
        person.host.narrow(200);
    }
    (anna, ben)
}

/// Sends the large file, and has it accepted.
fn offer(anna: &Person, ben: &Person) -> (PathBuf, String) {
    let path = file(anna, "large.bin", SIZE);
    let id = anna.sends_file(ben, &path);
    until("the offer has come", SOON, || ben.transfer(&id));
    ben.cli(&["transfers", "accept", &id]);
    (path, id)
}

#[test]
fn a_cut_cable_costs_nothing_that_was_there_and_chat_stays_quick() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = two(&mut lab);
    let before = anna.host.sent_bytes();
    let (path, id) = offer(&anna, &ben);
    ben.has_bytes(&id, 20_000_000, LARGE);

    anna.says(&ben, "Is it there yet?");
    ben.hears(&anna, "Is it there yet?");
    let meanwhile = ben.transfer(&id).unwrap();
    assert_eq!(meanwhile["state"], "transferring", "because chat does not wait behind a file");

    anna.host.cut();
    anna.misses(&ben, GIVEN_UP);
    ben.misses(&anna, GIVEN_UP);
    let kept = until("it waits for the link", SOON, || ben.transfer(&id).filter(|kept| kept["state"] == "queued"));
    assert!(kept["bytesDone"].as_u64().unwrap() >= 20_000_000);
    anna.host.heal();
    let there = ben.has_file(&anna, &id, LARGE);
    assert_same(&path, &there);
    let sent = anna.host.sent_bytes() - before;
    assert!(sent < SIZE as u64 * 115 / 100, "because only what was missing is sent again: {sent} bytes for {SIZE}");
    until("the sender knows", SOON, || anna.transfer(&id).filter(|transfer| transfer["state"] == "complete"));
}

#[test]
fn a_kill_of_either_side_costs_nothing_that_was_there() {
    let Some(mut lab) = Lab::new() else { return };
    let (mut anna, mut ben) = two(&mut lab);
    let before = anna.host.sent_bytes();
    let (path, id) = offer(&anna, &ben);
    ben.has_bytes(&id, 25_000_000, LARGE);
    ben.is_killed();
    ben.returns();
    let kept = ben.transfer(&id).unwrap()["bytesDone"].as_u64().unwrap();
    assert!(kept >= 5_000_000, "because what is on the disk counts: {kept}");
    ben.has_bytes(&id, kept + 20_000_000, LARGE);
    anna.is_killed();
    anna.returns();
    let there = ben.has_file(&anna, &id, LARGE);
    assert_same(&path, &there);
    let sent = anna.host.sent_bytes() - before;
    assert!(sent < SIZE as u64 * 140 / 100, "because at most a second is sent again each time: {sent} for {SIZE}");
    let left: Vec<_> = fs::read_dir(there.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "because nothing unfinished is left: {left:?}");
}

#[test]
fn a_network_that_loses_a_twentieth_carries_files() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = two(&mut lab);
    anna.host.lose(5);
    let path = file(&anna, "photo.raw", 3_000_000);
    let id = anna.sends_file(&ben, &path);
    assert_same(&path, &ben.has_file(&anna, &id, LARGE));
}

#[test]
fn files_go_both_ways_when_only_one_side_can_dial() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = (lab.host("anna"), lab.host("ben"));
    anna.refuse_dialling();
    let (anna, ben) = (Person::start(anna, &[]), Person::start(ben, &[]));
    get_acquainted(&anna, &ben);
    for (from, to) in [(&anna, &ben), (&ben, &anna)] {
        let path = file(from, "notes.bin", 5_000_000);
        let id = from.sends_file(to, &path);
        assert_same(&path, &to.has_file(from, &id, LARGE));
    }
}

#[test]
fn a_file_that_vanished_on_its_way_is_said_on_both_sides() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = two(&mut lab);
    let (path, id) = offer(&anna, &ben);
    ben.has_bytes(&id, 5_000_000, LARGE);
    ben.cli(&["transfers", "pause", &id]);
    until("the sender knows", SOON, || anna.transfer(&id).filter(|transfer| transfer["state"] == "paused"));
    fs::remove_file(&path).unwrap();
    ben.cli(&["transfers", "resume", &id]);
    for person in [&anna, &ben] {
        let gone = until("it is gone", SOON, || person.transfer(&id).filter(|transfer| transfer["state"] == "gone"));
        assert!(gone["failure"].as_str().unwrap().contains("no longer"), "{gone}");
    }
}

#[test]
fn a_disk_too_small_is_said_on_both_sides_and_chat_goes_on() {
    let Some(mut lab) = Lab::new() else { return };
    let anna = Person::start(lab.host("anna"), &[]);
    let small = lab.host("ben");
    small.use_small_disk(8);
    let ben = Person::start(small, &[]);
    get_acquainted(&anna, &ben);
    let path = file(&anna, "too-large.bin", 9_000_000);
    let id = anna.sends_file(&ben, &path);
    for person in [&ben, &anna] {
        let failed = until("it failed", SOON, || person.transfer(&id).filter(|transfer| transfer["state"] == "failed"));
        assert!(failed["failure"].as_str().unwrap().contains("disk is full"), "{failed}");
    }
    anna.says(&ben, "Then not.");
    ben.hears(&anna, "Then not.");
    let small = file(&anna, "small.bin", 200_000);
    let id = anna.sends_file(&ben, &small);
    // It lies on a disk that only Ben's machine sees.
    ben.has_file(&anna, &id, LARGE);
}
