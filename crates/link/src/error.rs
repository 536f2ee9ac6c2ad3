//! What can go wrong, in words for a person.

use std::{io, net::SocketAddr, time::Duration};

use proto::{id::MachineId, relay::RelayAddress};

use crate::path::Path;

/// Why the link could not start.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// None of the ports could be listened on.
    #[error("cannot listen on {address} or any of the {tried} ports from there: {source}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// How many ports were tried.
        tried: u16,
        /// The last error.
        source: io::Error,
    },
    /// The key pair was not accepted by the TLS library.
    #[error("the key of this machine cannot be used for TLS: {0}")]
    Tls(String),
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system: {0}")]
    Random(String),
}

/// Why a machine could not be reached at an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The text is no address.
    #[error("\"{0}\" is neither a host name nor an address")]
    Syntax(String),
    /// The name could not be resolved.
    #[error("the name \"{name}\" does not resolve: {detail}")]
    Resolve {
        /// The name.
        name: String,
        /// What the resolver said.
        detail: String,
    },
    /// Nothing listens there.
    #[error("{0} refused the connection: nothing listens on that port")]
    Refused(SocketAddr),
    /// No answer.
    #[error("{address} did not answer within {} s", after.as_secs_f32())]
    TimedOut {
        /// The address.
        address: SocketAddr,
        /// How long was waited.
        after: Duration,
    },
    /// The system could not send there.
    #[error("{address} cannot be reached: {detail}")]
    Unreachable {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// Something answers, but it is no Landline, or one that speaks another version.
    #[error("what answers at {address} is not Landline: {detail}")]
    NotLandline {
        /// Where.
        address: Path,
        /// How it showed.
        detail: String,
    },
    /// Another machine answers there.
    #[error("another machine answers at {address}: {}", found.short())]
    OtherKey {
        /// Where.
        address: Path,
        /// The machine that was found there.
        found: Box<MachineId>,
    },
    /// The address leads back to this machine.
    #[error("{0} is this machine")]
    Myself(Path),
    /// The machine there is blocked.
    #[error("the machine at {0} is blocked")]
    Blocked(Path),
    /// The other machine hung up: it may have blocked this one.
    #[error("the machine at {address} hung up: {detail}")]
    HungUp {
        /// Where.
        address: Path,
        /// What it said, if anything.
        detail: String,
    },
    /// The relay made no tunnel.
    #[error("no tunnel through {}: {detail}", relay.origin())]
    NoTunnel {
        /// Which relay.
        relay: Box<RelayAddress>,
        /// Why.
        detail: String,
    },
    /// The link is shutting down.
    #[error("the program is shutting down")]
    ShuttingDown,
}

/// Why a frame was not taken for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The link has ended.
    #[error("the link has ended")]
    Closed,
    /// The queue is full: the peer reads more slowly than this machine writes. Only from `try_send`.
    #[error("the queue of the link is full")]
    Full,
    /// The encoded frame is larger than [`proto::limits::FRAME_BYTES`].
    #[error("the frame is too large")]
    TooLarge,
}
