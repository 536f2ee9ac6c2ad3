//! What a node keeps on its disk: the only SQL of Landline.
//!
//! [`Store`] is a cheap handle. Writes go as jobs to one writer thread, which commits what is queued as one durable
//! transaction ([`Store::write`]); reads run on a few query-only connections ([`Store::read`]). What may be asked and
//! changed stands in one module a table, as functions on [`Reader`] and [`Tx`]:
//! `store::machines::get(reader, &id)`, `store::messages::insert(tx, …)`.
//!
//! Invariants: nothing is reported as written before its commit; a file that is not ours, newer than this program
//! or damaged is left as it is ([`OpenError`]).

mod columns;
mod connection;
mod error;
mod extras;
mod inspect;
mod known;
mod migrations;
mod open;
#[cfg(test)]
mod plans;
mod readers;
mod store;
mod tx;
mod writer;

pub mod addresses;
pub mod attachments;
pub mod deposits;
pub mod drafts;
pub mod events;
pub mod invitations;
pub mod logs;
pub mod machines;
pub mod messages;
pub mod meta;
pub mod notifications;
pub mod operations;
pub mod outbox;
pub mod prekeys;
pub mod reach;
pub mod reading;
pub mod registers;
pub mod relays;
pub mod removal;
pub mod runs;
pub mod search;
pub mod sessions;
pub mod settings;
pub mod sources;
pub mod tokens;
pub mod uploads;

pub use columns::{EventKey, SessionKey};
pub use error::StoreError;
pub use open::OpenError;
pub use store::Store;
pub use tx::{Reader, Tx};

/// Name of the database file inside a data directory.
pub const FILE_NAME: &str = "landline.db";

/// The commented schema, as it stands after the last migration. A test compares it with the real one.
pub const SCHEMA: &str = include_str!("schema.sql");
