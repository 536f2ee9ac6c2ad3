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
/// The client of the relay's own tests, for files.
#[path = "../../../relay/tests/server/http.rs"]
#[allow(dead_code, reason = "these tests need less of it")]
mod http;
mod messages;
#[cfg(target_os = "linux")]
#[path = "../../../relay/tests/support/nats.rs"]
#[allow(dead_code, reason = "these tests need less of it")]
mod nats_server;
mod node;
mod notifications;
mod program;
mod relay;
#[cfg(target_os = "linux")]
mod relay_nodes;
mod tokens;
mod usage;
/// The client of the relay's own tests.
#[path = "../../../relay/tests/server/wire.rs"]
#[allow(dead_code, reason = "these tests need less of it")]
mod wire;
