//! A whole relay over real sockets, with a client that speaks `proto::relay`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on ends with a panic that says why"
)]

mod circuits;
mod files;
mod hostile;
mod hostile_files;
mod http;
mod lifetime;
mod login;
mod mailbox;
#[cfg(target_os = "linux")]
#[path = "../support/nats.rs"]
mod nats_server;
#[cfg(target_os = "linux")]
mod node_files;
#[cfg(target_os = "linux")]
mod nodes;
mod presence;
mod scene;
mod wire;
