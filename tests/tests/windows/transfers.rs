//! A large file on its way, as the windows of both sides tell it.

use std::fs;

use landline_tests::{Lab, SOON, until};

use crate::section;
use crate::someone::{Someone, two};

/// More than is accepted by itself; some ten seconds on this network.
const SIZE: usize = 60_000_000;
const MEGABITS: u32 = 50;

/// Waits until the window shows the file in this state.
fn shows(who: &Someone, state: &str) {
    who.window().see(&format!("[data-testid=message] [data-testid=file][data-state={state}]"));
}

/// What the window says of the file.
fn line(of: &Someone) -> String {
    of.window().texts("[data-testid=message] [data-testid=file] .line").concat()
}

fn bytes_done(of: &Someone) -> u64 {
    of.attachment("Anna", "disk.img").and_then(|it| it["bytesDone"].as_u64()).unwrap_or_default()
}

#[test]
fn a_large_file_is_accepted_paused_and_survives_a_kill() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, mut ben) = two(&mut lab);
    anna.host.narrow(MEGABITS);
    let path = anna.home("disk.img");
    let bytes: Vec<u8> = (0..SIZE / 4).flat_map(|n| (n as u32).wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    fs::write(&path, &bytes).unwrap();

    section("An offer");
    anna.host.cli(&["send", "Ben", "The disk", "--file", path.to_str().unwrap()]).unwrap();
    for who in [&anna, &ben] {
        shows(who, "offered");
    }
    ben.picture("30-offer");

    section("Accepted, under way, with its speed");
    ben.window().click("[data-testid=file-accept]");
    for who in [&ben, &anna] {
        shows(who, "transferring");
        until("speed and time left are shown", SOON, || line(who).contains("/s").then_some(()));
    }
    ben.picture("31-under-way");

    section("Paused: both sides say so");
    ben.window().click("[data-testid=file-pause]");
    for who in [&ben, &anna] {
        shows(who, "paused");
    }
    let held = bytes_done(&ben);
    assert!(held > 0, "because what came stays");
    anna.picture("32-paused");
    ben.window().click("[data-testid=file-resume]");
    shows(&ben, "transferring");
    until("it goes on", SOON, || (bytes_done(&ben) > held + 5_000_000).then_some(()));

    section("Killed under way: it goes on by itself");
    ben.is_killed();
    shows(&anna, "queued");
    anna.picture("33-other-gone");
    ben.returns();
    assert!(bytes_done(&ben) >= held, "because what was on the disk is not fetched again");
    ben.window().click("[data-testid=transfers-open]");
    ben.window().see("[data-testid=transfer][data-state=transferring]");
    ben.picture("34-going-on");
    ben.window().click("[data-testid=transfer] .name");
    for who in [&ben, &anna] {
        shows(who, "complete");
    }
    let there = ben.has_file("Anna", "disk.img");
    assert!(fs::read(&there).unwrap() == bytes, "because it is the same file");

    ben.picture("35-complete");

    section("Shown in its folder");
    let folders = ben.has(&[]);
    ben.window().click("[data-testid=file-show]");
    folders.shows(&there);
}
