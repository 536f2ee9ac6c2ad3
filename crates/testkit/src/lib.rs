//! People, machines and networks for tests: real nodes with real databases and sockets, on the loopback only.
//!
//! ```no_run
//! # use landline_testkit as testkit;
//! # async fn example() {
//! let net = testkit::Net::new();
//! let (alice, bob) = (net.alice().await, net.bob().await);
//! net.connect(&alice, &bob).await;
//! net.section("Alice writes");
//! let session = alice.open(&bob).await;
//! alice.say(&session, "Hello").await;
//! bob.hears("Hello").await;
//! net.end().await;
//! # }
//! ```
//!
//! Nothing here waits for a time: everything waits for what it is about, and fails with a transcript after
//! [`PATIENCE`]. A warning or an error in the log that the test did not announce fails it at [`Net::end`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on ends with a panic that says why"
)]

mod clocks;
pub mod files;
mod golden;
mod liar;
mod logs;
mod net;
mod person;
mod proxy;
mod relay;
mod stranger;
mod transcript;

pub use clocks::ShiftedClock;
pub use golden::assert_golden;
pub use liar::{Heard, Liar};
pub use net::{Net, Setup, friends};
pub use person::{PATIENCE, Person};
pub use proxy::Proxy;
pub use relay::{Relay, elsewhere, is_connected, meet};
pub use stranger::{History, Stranger};
