//! A relay in this process, and machines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use landline_relay::{Config, Relay, Transport};
use proto::Identity;
use proto::clock::ManualClock;
use proto::id::MachineId;
use proto::relay::{FromRelay, RelayAddress, Token};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wire::{PATIENCE, Wire};

/// A relay with a folder and a clock of its own.
pub(crate) struct Scene {
    pub(crate) relay: Relay,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
}

/// When it begins, in seconds since 1970.
pub(crate) const NOW_S: u64 = 1_800_000_000;

impl Scene {
    /// A plain relay for everybody.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A relay that is told more.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(NOW_S * 1_000));
        let relay = start(&folder, &clock, change).await;
        Self { relay, clock, folder }
    }

    /// A node of a relay, whose nodes share a NATS.
    #[cfg(target_os = "linux")]
    pub(crate) async fn node(nats: &crate::nats_server::NatsServer) -> Self {
        Self::node_at(&nats.url()).await
    }

    /// The same, where there are several servers.
    #[cfg(target_os = "linux")]
    pub(crate) async fn node_at(servers: &str) -> Self {
        Self::node_with(servers, Duration::from_secs(2)).await
    }

    /// The same, that takes another node for gone after so long a silence. It works when this returns, however long NATS takes to begin.
    #[cfg(target_os = "linux")]
    pub(crate) async fn node_with(servers: &str, lease: Duration) -> Self {
        let scene = Self::with(|config| {
            config.store = landline_relay::Store::Nats(landline_relay::NatsConfig::new(servers).unwrap());
            config.limits.lease = lease;
        })
        .await;
        let works = async {
            while !scene.get("/health").await.starts_with("HTTP/1.1 200") {
                tokio::task::yield_now().await;
            }
        };
        timeout(2 * PATIENCE, works).await.expect("NATS can be used");
        scene
    }

    /// Ends the relay and starts it again over what it kept.
    pub(crate) async fn restart(self) -> Self {
        let Self { relay, clock, folder } = self;
        relay.shutdown().await.unwrap();
        let relay = start(&folder, &clock, |_| {}).await;
        Self { relay, clock, folder }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.relay.addr()
    }

    pub(crate) fn address(&self) -> RelayAddress {
        self.relay.addresses()[0].clone()
    }

    /// A connection that does not say whose it is.
    pub(crate) async fn nobody(&self) -> Wire {
        Wire::connect(self.addr()).await
    }

    /// A machine that is logged in.
    pub(crate) async fn machine(&self, identity: &Identity) -> Wire {
        let mut wire = Wire::connect(self.addr()).await;
        let answer = wire.log_in(identity, &self.address()).await;
        assert!(matches!(answer, FromRelay::Welcome { .. }), "{answer:?}");
        wire
    }

    /// What a path says.
    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.addr()).await.unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer comes").unwrap();
        answer
    }

    /// A figure of the metrics.
    pub(crate) async fn figure(&self, name: &str) -> u64 {
        let text = self.get("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("landline_relay_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }
}

async fn start(folder: &TempDir, clock: &Arc<ManualClock>, change: impl FnOnce(&mut Config)) -> Relay {
    let mut config = Config::new(folder.path());
    config.listen = ([127, 0, 0, 1], 0).into();
    config.transport = Transport::Plain;
    config.limits.sweep = Duration::from_millis(50);
    // Tests look at the figures again and again.
    config.limits.connections_per_minute = 1_000_000;
    config.limits.uploads_per_minute = 1_000_000;
    change(&mut config);
    Relay::start(config, clock.clone()).await.unwrap()
}

pub(crate) fn anna() -> Identity {
    Identity::from_seed([1; 32])
}

pub(crate) fn bob() -> Identity {
    Identity::from_seed([2; 32])
}

/// A token that Anna gives out.
pub(crate) fn key() -> Token {
    Token::from_bytes([7; 32])
}

pub(crate) fn id(identity: &Identity) -> MachineId {
    identity.machine_id()
}
