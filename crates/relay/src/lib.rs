//! The relay: passes on what machines that cannot reach each other say, and keeps what waits for one that is away. All
//! of it is sealed by its senders: the relay sees sizes, times and addresses, and no sender's name on what is put.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use landline_relay::{Config, Relay, Transport};
//! use proto::clock::ManualClock;
//!
//! let mut config = Config::new("/tmp/relay");
//! config.listen = ([127, 0, 0, 1], 0).into();
//! config.transport = Transport::Plain;
//! let relay = Relay::start(config, Arc::new(ManualClock::new(0))).await?;
//! println!("{}", relay.addresses()[0]);
//! relay.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod circuits;
mod client;
pub mod config;
mod descriptors;
mod fabric;
pub mod files;
mod http;
mod http_files;
mod hub;
mod listener;
pub mod mailboxes;
mod members;
mod metrics;
mod nats;
mod pace;
mod rates;
mod relay;
mod requests;
mod sqlite;
mod tasks;
mod tls;

pub use config::{Access, Config, Limits, Store, Transport};
pub use members::{MembersError, invite};
pub use nats::{NatsConfig, NatsError, NatsFiles, NatsLogin, NatsMailboxes};
pub use relay::{Relay, RelayError};
pub use sqlite::{OpenError, SqliteFiles, SqliteMailboxes};
pub use tls::TlsError;
