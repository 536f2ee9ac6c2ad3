//! The real program, as a person or a script runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test that cannot go on ends with a panic that says why"
)]

mod conversation;
mod files;
mod follow;
mod gate;
mod messages;
mod node;
mod notifications;
mod program;
mod tokens;
mod usage;
