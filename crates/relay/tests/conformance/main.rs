//! What every store of mailboxes must do. The rules are generic; each store gets a module that makes one for them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on ends with a panic that says why"
)]

#[cfg(target_os = "linux")]
mod credentials;
mod files;
#[cfg(target_os = "linux")]
mod nats;
#[cfg(target_os = "linux")]
mod nats_files;
#[cfg(target_os = "linux")]
#[path = "../support/nats.rs"]
mod nats_server;
mod rules;
mod scene;
mod sqlite;
