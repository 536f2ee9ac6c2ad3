//! The local API over real HTTP and Socket.IO, in front of real nodes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on ends with a panic that says why"
)]

mod desk;
mod events;
mod files;
mod lifetime;
mod limits;
mod page;
mod paths;
mod refusals;
mod socketio;
mod tokens;
mod types;
