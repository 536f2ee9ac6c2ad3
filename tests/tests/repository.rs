//! The rules of the repository: who may depend on whom, how large a file may be, what no file may contain.
//! `ARCHITECTURE.md` gives the reasons.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![allow(clippy::print_stdout, reason = "a test says what it found")]

#[path = "repository/dependencies.rs"]
mod dependencies;
#[path = "repository/interface.rs"]
mod interface;
#[path = "repository/licences.rs"]
mod licences;
#[path = "repository/sources.rs"]
mod sources;
#[path = "repository/tracked.rs"]
mod tracked;
