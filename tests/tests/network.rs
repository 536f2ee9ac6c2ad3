//! Whole programs in networks of their own: real multicast, real sockets, real kills.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "network/cables.rs"]
mod cables;
#[path = "network/deposits.rs"]
mod deposits;
#[path = "network/disks.rs"]
mod disks;
#[path = "network/files.rs"]
mod files;
#[path = "network/lab.rs"]
mod lab;
#[path = "network/mailboxes.rs"]
mod mailboxes;
#[path = "network/meeting.rs"]
mod meeting;
#[path = "network/relays.rs"]
mod relays;
#[path = "network/restarts.rs"]
mod restarts;
#[path = "network/wiretap.rs"]
mod wiretap;
