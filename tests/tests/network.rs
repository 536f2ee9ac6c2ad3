//! Whole programs in networks of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "network/lab.rs"]
mod lab;
