//! Mailboxes and files in NATS JetStream, which many relay nodes share.
//!
//! Needs nothing of NATS that version 2.9 does not have.

mod config;
pub(crate) mod connection;
mod fetching;
mod file_log;
mod file_work;
mod files;
mod known;
mod mailboxes;
mod record;
mod room;
mod shelf;
pub(crate) mod stream;

pub use config::{NatsConfig, NatsError, NatsLogin};
pub use files::NatsFiles;
pub use mailboxes::NatsMailboxes;
pub(crate) use mailboxes::Renewals;
