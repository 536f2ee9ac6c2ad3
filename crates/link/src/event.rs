//! What the link tells the node.

use std::{fmt, net::SocketAddr, sync::Arc};

use proto::{
    frame::{ByeReason, Frame, Hello},
    id::MachineId,
    relay::RelayAddress,
};
use tokio::sync::mpsc;

use crate::{
    connection::Conn,
    interfaces::Interface,
    path::Path,
    relay::{Mail, RelayStatus},
};

/// Number of a link, unique within one run of the program. A larger number is a newer link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Something happened.
///
/// `Up` and `Down` alternate for each machine and are never lost. All else is dropped when the receiver has left more than
/// a thousand events waiting: a hint comes again when its machine is seen again, mail after a pause; the state of the
/// network can be asked for; of a relay and of who is present there the next change tells.
#[derive(Debug)]
pub enum LinkEvent {
    /// A link to a machine stands: its key is proven, `Hello` was exchanged.
    Up {
        /// The machine, as proven by the handshake.
        peer: MachineId,
        /// What it said about itself. The profile is its own: the signature has been checked.
        hello: Box<Hello>,
        /// For sending.
        conn: Conn,
        /// What the machine sends. Not receiving holds the machine back (TCP back-pressure). Ends with the link; when
        /// another link takes its place, what was on its way still comes for a moment after `Down`.
        frames: mpsc::Receiver<Frame>,
        /// How it is reached. A direct path is an address where the machine can probably be dialled again: the one that
        /// was dialled, or its source address with the port that it says it listens on.
        path: Path,
        /// Whether the other machine dialled.
        inbound: bool,
    },
    /// The link that was reported with this `conn_id` has ended.
    Down {
        /// The machine.
        peer: MachineId,
        /// Which link.
        conn_id: ConnId,
        /// Why.
        reason: DownReason,
    },
    /// A machine seems to be there. Not proven: that takes a link.
    Hint(Hint),
    /// A machine said goodbye or its announcement ran out. Says nothing about a link that stands.
    HintGone {
        /// The machine.
        machine: MachineId,
    },
    /// A relay was reached, refused this machine, or was lost.
    Relay(RelayStatus),
    /// At which relays a contact can be reached has changed. The relays' word, which only a link proves.
    Present {
        /// The contact.
        machine: MachineId,
        /// Where; none when it is nowhere.
        relays: Vec<RelayAddress>,
    },
    /// Something lay in this machine's mailbox at a relay. At most one for each relay at a time.
    Mail(Mail),
    /// The state of the network or of discovery has changed.
    Network(Arc<NetworkState>),
}

/// A machine that seems to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The machine it claims to be.
    pub machine: MachineId,
    /// The name it announces, already cleaned; `None` when it announces none.
    pub name: Option<String>,
    /// Where it may be reached.
    pub addrs: Vec<SocketAddr>,
    /// How it was noticed.
    pub source: HintSource,
}

/// How a machine was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HintSource {
    /// By mDNS.
    Mdns,
    /// By its broadcast beacon.
    Beacon,
    /// A person typed its address.
    Typed,
    /// It was linked before.
    Remembered,
}

impl HintSource {
    /// Whether the end of a hint from this source ends one from `other` too. An mDNS goodbye says that a machine
    /// leaves; a beacon only falls silent, minutes later. If the machine is still there, its next beacon says so.
    pub(crate) fn covers(self, other: Self) -> bool {
        self == other || (self, other) == (Self::Mdns, Self::Beacon)
    }
}

/// Why a link ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The peer said goodbye.
    #[error("the other machine closed the link ({0:?})")]
    PeerClosed(ByeReason),
    /// The peer's side of the connection went away without a goodbye.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Nothing was heard for the time that a link may be silent, or a probe was not answered.
    #[error("the other machine fell silent")]
    Silent,
    /// The peer stopped reading.
    #[error("the other machine stopped reading")]
    Stalled,
    /// The peer broke the protocol.
    #[error("the other machine broke the protocol: {0}")]
    Protocol(String),
    /// The peer sent more than a stranger may.
    #[error("the other machine sent too much")]
    Flood,
    /// A newer or preferred link to the same machine took its place.
    #[error("another link to the same machine took its place")]
    Replaced,
    /// Closed by this side: blocked, shutting down, or on the node's request.
    #[error("closed by this machine ({0:?})")]
    Closed(ByeReason),
}

/// Network and discovery as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkState {
    /// Where peers are listened for; the port is the real one.
    pub listen: SocketAddr,
    /// Interfaces that are up, with their addresses.
    pub interfaces: Vec<Interface>,
    /// State of mDNS.
    pub mdns: DiscoveryState,
    /// State of the broadcast beacon.
    pub beacon: DiscoveryState,
    /// How many machines are hinted at right now.
    pub hints: usize,
    /// Another program on the network uses the identity of this machine: where it was heard last.
    pub same_identity_at: Option<SocketAddr>,
}

impl NetworkState {
    /// All addresses of this machine.
    pub fn addresses(&self) -> impl Iterator<Item = std::net::IpAddr> + '_ {
        self.interfaces.iter().flat_map(|interface| interface.addresses.iter().copied())
    }
}

/// State of one way of discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscoveryState {
    /// It works.
    Running,
    /// Switched off in the configuration.
    Off,
    /// It can't work at the moment; it starts by itself when it can.
    Failed(String),
}
