//! Hostile bytes for every decoder of the protocol.
//!
//! [`TARGETS`] has one function a decoder. Each takes any bytes and panics when the decoder breaks a promise: that it
//! never panics itself, that what it read encodes to the same again, that a signed or hashed thing has one encoding.
//!
//! Two programs call them, both on the stable tool chain:
//! - `cargo run -p landline-fuzz -- --seconds 5` mutates the kept corpus by a fixed seed, as continuous integration
//!   does. No special build.
//! - `cargo run -p landline-fuzz -- --guided --seconds 60` builds `fuzz/guided` with coverage counters and lets
//!   libFuzzer find new inputs, which then join the corpus.

pub mod corpus;
pub mod mutate;
pub mod seeds;
mod targets;

pub use targets::{TARGETS, Target};
