//! Whole-system tests: real programs, real sockets, real multicast, each machine in a network namespace of its own.
//!
//! [`Lab`] is a network with a switch, [`Host`] a machine on it, [`Node`] the program `landline node` running there,
//! [`Relay`] the program `landline relay`, [`Follow`] a node's stream of changes as `landline follow` prints it. Nothing
//! outside the lab is touched, names are private to it, and it is gone with the test, even when the test is killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "only tests use this, and tests fail by panicking and print what they see"
)]

mod capture;
mod files;
mod follow;
mod host;
mod lab;
mod node;
mod person;
mod program;
mod relay;
mod screen;
mod until;
mod window;

pub use crate::capture::{Capture, Packets};
pub use crate::files::Files;
pub use crate::follow::Follow;
pub use crate::host::Host;
pub use crate::lab::Lab;
pub use crate::node::{Node, Ready};
pub use crate::person::{Person, Sending, assert_same_history, get_acquainted, meet_by_relay};
pub use crate::relay::Relay;
pub use crate::screen::Screen;
pub use crate::until::{SOON, until};
pub use crate::window::Window;
