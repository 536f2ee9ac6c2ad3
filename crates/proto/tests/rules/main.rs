//! The rules of the protocol, held against the crate from outside. One program, so that it links once.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test may panic"
)]
#![allow(unreachable_pub, missing_docs, missing_debug_implementations, reason = "nothing leaves a test program")]

mod admission;
mod convergence;
mod document;
mod files;
mod hostile;
mod invitations;
mod names;
mod people;
mod relay;
mod round_trip;
mod sealing;
mod vectors;
