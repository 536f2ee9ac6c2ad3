//! What a node is started with.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::clock::Clock;

use crate::clock::SystemClock;

/// Port on which peers are awaited when nothing else is said; the next free one is taken when it is in use.
pub const DEFAULT_PEER_PORT: u16 = 4281;

/// Where a new private key may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStore {
    /// In the system's key ring; in a file where there is none.
    KeyRing,
    /// In a file of mode 0600.
    File,
}

/// What a node is started with.
#[derive(Clone)]
pub struct Config {
    /// Directory of this profile: database, key, lock. Made when absent. One program at a time.
    pub data_dir: PathBuf,
    /// Name for the profile when it is new; an existing one keeps its own. Absent: the computer's user name.
    pub name: Option<String>,
    /// Where peers reach this node. The next free port is taken when this one is in use; port 0 takes any.
    pub listen: SocketAddr,
    /// Addresses (`host:port`) to dial in addition to those that are discovered or remembered.
    pub typed_peers: Vec<String>,
    /// Addresses of relays where this machine is to be reached, beside those that were added: `wss://HOST[:PORT][/#KEY]`.
    pub relays: Vec<String>,
    /// Whether to announce and find machines by multicast DNS.
    pub mdns: bool,
    /// Whether to send and hear the broadcast beacon.
    pub beacon: bool,
    /// Where a new private key may be kept.
    pub key_store: KeyStore,
    /// Where received files go as long as the person has not said otherwise. Absent: a folder in the profile.
    pub downloads: Option<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Intervals and deadlines; the defaults are right outside of tests.
    pub timings: Timings,
}

/// Intervals and deadlines of a node.
#[derive(Debug, Clone)]
pub struct Timings {
    /// How often linked machines compare digests although nothing told them to, in case something was missed. A digest
    /// costs one short frame.
    pub redigest: Duration,
    /// How long an own relay has to refuse this machine, or be no relay or another one, before the notification centre says
    /// so. Longer than a proxy answers for a relay that is being started.
    pub relay_fault: Duration,
    /// How long an own relay has to be out of reach for that. Longer than it takes to update and start a machine.
    pub relay_away: Duration,
    /// Those of the link.
    pub link: link::Timings,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            redigest: Duration::from_secs(60),
            relay_fault: Duration::from_secs(60),
            relay_away: Duration::from_secs(10 * 60),
            link: link::Timings::default(),
        }
    }
}

impl Config {
    /// The defaults for a profile directory: all interfaces, the usual port, every kind of discovery, the system's key
    /// ring and clock.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            name: None,
            listen: SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, DEFAULT_PEER_PORT)),
            typed_peers: Vec::new(),
            relays: Vec::new(),
            mdns: true,
            beacon: true,
            key_store: KeyStore::KeyRing,
            downloads: None,
            clock: Arc::new(SystemClock::new()),
            timings: Timings::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("data_dir", &self.data_dir)
            .field("name", &self.name)
            .field("listen", &self.listen)
            .field("typed_peers", &self.typed_peers)
            .field("mdns", &self.mdns)
            .field("beacon", &self.beacon)
            .field("key_store", &self.key_store)
            .finish_non_exhaustive()
    }
}
