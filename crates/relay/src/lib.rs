//! The relay.
//!
//! It passes on what machines that cannot reach each other say, and keeps what waits for one that is away. All of it
//! is sealed by its senders: the relay sees sizes, times and addresses, and no sender's name on what is put.

pub mod config;
pub mod mailboxes;
mod sqlite;

pub use config::{Access, Config, Limits, Transport};
pub use sqlite::{OpenError, SqliteMailboxes};
