//! The desktop's parts against a real session bus of each test's own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod bus;
mod idle;
mod instance;
mod notifications;
mod program;
mod tray;
