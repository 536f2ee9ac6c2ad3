//! The only sockets to other machines: finds them, links with them, keeps the links alive.
//!
//! A *link* is one WebSocket over TLS 1.3 with raw public keys, direct between two machines or through a relay's tunnel. [`Link::start`] listens,
//! announces this machine, looks for others and dials them; what happens comes out as [`LinkEvent`]s. Between two
//! machines there is at most one link at a time, and both keep the same one.
//!
//! What is not here: what the frames mean, who is a contact, what is stored. The caller answers such questions through
//! the closures of [`LinkConfig`].

mod announce;
mod beacon;
pub mod blob;
mod config;
mod connection;
mod dial;
mod duplicates;
mod error;
mod event;
mod greet;
mod interfaces;
mod link;
mod listener;
mod mdns;
mod path;
mod reconnect;
mod registry;
mod relay;
mod server;
mod socket;
pub mod tasks;
mod tcp;
mod timing;
mod tls;

#[cfg(test)]
mod tests;

pub use config::{
    BEACON_PORT, DEFAULT_PORT, DiscoveryConfig, Gate, GateCheck, HelloSource, InterfaceScope, LinkConfig, Visibility,
};
pub use connection::Conn;
pub use error::{DialError, LinkError, SendError};
pub use event::{ConnId, DiscoveryState, DownReason, Hint, HintSource, LinkEvent, NetworkState};
pub use interfaces::Interface;
pub use link::Link;
pub use path::Path;
pub use proto::relay::Item as MailItem;
pub use relay::{Deposited, Home, HomeToken, Mail, PutAs, PutError, RelayError, RelayPlan, RelayState, RelayStatus};
pub use timing::Timings;
