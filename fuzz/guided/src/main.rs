//! The door for libFuzzer. Which target runs, the environment says: one program for all links once.

#![no_main]

use std::sync::LazyLock;

use landline_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("LANDLINE_FUZZ_TARGET").expect("LANDLINE_FUZZ_TARGET names a target");
    *TARGETS.iter().find(|target| target.name == name).expect("the target exists")
});

fuzz_target!(|bytes: &[u8]| (CHOSEN.run)(bytes));
