//! What the link is started with.

use std::{fmt, net::SocketAddr, sync::Arc};

use proto::{clock::Clock, frame::Hello, id::MachineId, identity::Identity};

use crate::{blob::BlobDesk, timing::Timings};

/// The port on which peers are listened for unless another is configured.
pub const DEFAULT_PORT: u16 = 4281;

/// The UDP port of the broadcast beacon.
pub const BEACON_PORT: u16 = 4282;

/// Gives the `Hello` for a new link. Called for each link and each announcement, so that a changed profile is sent.
/// Must return quickly: it is called on the runtime's threads.
///
/// The link itself fills in `version`, `listen_port` and `instance`.
pub type HelloSource = Arc<dyn Fn() -> Hello + Send + Sync>;

/// Says how a machine is to be treated. Asked often and on the runtime's threads, so it must answer from memory.
pub type GateCheck = Arc<dyn Fn(&MachineId) -> Gate + Send + Sync>;

/// Everything the link needs to know at its start.
#[derive(Clone)]
pub struct LinkConfig {
    /// The key pair of this machine.
    pub identity: Arc<Identity>,
    /// Where peers are listened for. When the port is taken, the next free one of the following hundred is used;
    /// port 0 lets the system choose. `[::]` listens on IPv4 too, and falls back to IPv4 where IPv6 is missing.
    pub listen: SocketAddr,
    /// How other machines are looked for.
    pub discovery: DiscoveryConfig,
    /// Addresses typed by a person: `host`, `host:port`, `[IPv6%scope]:port`. Tried again and again with back-off.
    pub typed: Vec<String>,
    /// The `Hello` of this machine.
    pub hello: HelloSource,
    /// Who may link.
    pub gate: GateCheck,
    /// Asked for blobs.
    pub blobs: BlobDesk,
    /// Wall and monotonic clock, compared to notice that the system slept.
    pub clock: Arc<dyn Clock>,
    /// Intervals and deadlines.
    pub timings: Timings,
}

impl fmt::Debug for LinkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkConfig")
            .field("listen", &self.listen)
            .field("discovery", &self.discovery)
            .field("typed", &self.typed)
            .field("timings", &self.timings)
            .finish_non_exhaustive()
    }
}

/// How other machines are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// Announce and browse by mDNS.
    pub mdns: bool,
    /// Send and hear the broadcast beacon.
    pub beacon: bool,
    /// UDP port of the beacon: [`BEACON_PORT`], except in tests.
    pub beacon_port: u16,
    /// What is announced.
    pub visibility: Visibility,
    /// Which network interfaces are used for discovery.
    pub interfaces: InterfaceScope,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self {
            mdns: true,
            beacon: true,
            beacon_port: BEACON_PORT,
            visibility: Visibility::Everyone,
            interfaces: InterfaceScope::All,
        }
    }
}

/// What is announced on the network. Listening and browsing go on in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// Machine ID, port and name.
    #[default]
    Everyone,
    /// Machine ID and port, no name: contacts know it, others see an unnamed machine.
    Contacts,
    /// Nothing.
    Hidden,
}

/// Network interfaces that discovery uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InterfaceScope {
    /// All that are up, the loopback included, so that nodes on one computer see each other.
    #[default]
    All,
    /// The loopback only: for tests and for `demo`.
    Loopback,
}

/// How a machine is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It may link.
    Allow {
        /// Contacts are exempt from the limits for strangers: frame rate and number of links.
        contact: bool,
    },
    /// It is blocked: neither dialled nor let in, and it is not told why.
    Refuse,
}
