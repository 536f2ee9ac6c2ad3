//! What every store of mailboxes must do. The rules are generic; each store gets a module that makes one for them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on ends with a panic that says why"
)]

mod files;
mod rules;
mod scene;
mod sqlite;
