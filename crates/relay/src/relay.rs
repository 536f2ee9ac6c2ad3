//! A running relay.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::clock::Clock;
use proto::id::MachineId;
use proto::relay::{Expected, RelayAddress, Ticket};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::circuits::{Bounds, Circuits, NoCircuit};
use crate::config::{Config, Limits, Store, Transport};
use crate::descriptors;
use crate::fabric::{Fabric, NodeId, Outbox};
use crate::files::{FileCounts, FileError, FileQuotas, Files};
use crate::hub::Hub;
use crate::listener::{self, Door};
use crate::mailboxes::{Counts, MailboxError, Mailboxes, Quotas, TokenHash};
use crate::members::{Members, MembersError};
use crate::metrics::{Figures, count};
use crate::nats::{NatsError, NatsFiles, NatsMailboxes, Renewals};
use crate::rates::Rates;
use crate::sqlite::{OpenError, SqliteFiles, SqliteMailboxes};
use crate::tasks::Tasks;
use crate::tls::{Tls, TlsError};

/// The file in the data folder whose lock says that a relay runs.
const LOCK: &str = "relay.lock";

/// How long clients get to take their farewell.
const GRACE: Duration = Duration::from_secs(3);

/// Why a relay did not start.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The data folder could not be made or locked.
    #[error("the data folder {} can't be used: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another relay uses the data folder.
    #[error("the data folder {} is used by another relay", .0.display())]
    InUse(PathBuf),
    /// The database.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// NATS.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The members.
    #[error(transparent)]
    Members(#[from] MembersError),
    /// The address can't be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// A relay that does not encrypt, at an address that others reach, and no word on how they reach it.
    #[error("a plain relay on {0} needs --origin: the address at which clients reach the proxy in front of it")]
    NoOrigin(SocketAddr),
    /// An origin is no relay's address.
    #[error("the origin {origin:?} {problem}")]
    Origin {
        /// What was given.
        origin: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What all parts of a relay share.
pub(crate) struct Inner {
    pub(crate) mailboxes: Arc<dyn Mailboxes>,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) hub: Hub,
    pub(crate) circuits: Arc<Circuits>,
    /// The other nodes of this relay, where it may have some.
    pub(crate) fabric: Option<Arc<Fabric>>,
    outbox: Arc<Outbox>,
    pub(crate) members: Members,
    pub(crate) rates: Rates,
    pub(crate) limits: Limits,
    pub(crate) figures: Arc<Figures>,
    pub(crate) door: Arc<Door>,
    /// Files that are put and fetched.
    pub(crate) transfers: Arc<Door>,
    pub(crate) tls: Option<Tls>,
    pub(crate) source_header: Option<String>,
    pub(crate) tasks: Tasks,
    pub(crate) started: Instant,
    origins: Vec<String>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("mailboxes", &self.mailboxes).finish_non_exhaustive()
    }
}

impl Inner {
    /// Milliseconds since 1970 by this computer.
    pub(crate) fn wall_ms(&self) -> u64 {
        self.clock.wall_ms()
    }

    /// Seconds since 1970 by this computer.
    pub(crate) fn now_s(&self) -> u64 {
        self.wall_ms() / 1_000
    }

    /// A tunnel to a machine that is at this node: the ticket for who asks.
    pub(crate) fn open(&self, machine: &MachineId, token: &TokenHash) -> Result<Ticket, NoCircuit> {
        let line = self.hub.reach(machine, token, self.now_s()).ok_or(NoCircuit::Unreachable)?;
        let opens = &self.rates.opens;
        opens.take(&(*machine, *token)).map_err(|wait| NoCircuit::TooOften(opens.per_minute, wait))?;
        let (near, far) = self.circuits.open(*machine)?;
        if !line.offer(far) {
            return Err(NoCircuit::Unreachable);
        }
        count(&self.figures.circuits);
        Ok(near)
    }

    /// Something new lies in a machine's mailbox: it is told, wherever it is.
    pub(crate) fn arrived(&self, machine: &MachineId) {
        self.hub.arrived(machine);
        if self.fabric.is_some() {
            self.outbox.arrived(*machine);
        }
    }

    /// Holds a login against what this relay is.
    pub(crate) fn verify(&self, login: &proto::relay::Login, nonce: &[u8; 32]) -> Result<(), proto::relay::LoginError> {
        match &self.tls {
            Some(tls) => login.verify(nonce, Expected::Keys(&tls.keys())),
            None => login.verify(nonce, Expected::Origins(&self.origins)),
        }
    }
}

/// A relay that runs until it is shut down or dropped.
#[derive(Debug)]
pub struct Relay {
    inner: Arc<Inner>,
    addr: SocketAddr,
    host: Option<String>,
    /// Held for its lock.
    _lock: std::fs::File,
}

impl Relay {
    /// Starts a relay. It is ready when this returns.
    ///
    /// # Errors
    /// [`RelayError`] says what is in the way.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Self, RelayError> {
        let folder = |error| RelayError::Folder { path: config.data_dir.clone(), error };
        std::fs::create_dir_all(&config.data_dir).map_err(folder)?;
        let lock = std::fs::File::create(config.data_dir.join(LOCK)).map_err(folder)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(RelayError::InUse(config.data_dir)),
            Err(std::fs::TryLockError::Error(source)) => return Err(folder(source)),
        }
        let tls = match &config.transport {
            Transport::OwnCertificate => Some(Tls::own(&config.data_dir)?),
            Transport::Files { cert, key } => Some(Tls::files(cert.clone(), key.clone())?),
            Transport::Plain => None,
        };
        let members = Members::new(&config)?;
        let listen = |error| RelayError::Listen { address: config.listen, error };
        let listener = listener::bind(config.listen).map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let origins = origins(&config, addr, tls.is_none())?;

        let tasks = Tasks::default();
        let node = NodeId::random().map_err(|error| folder(io::Error::other(error.to_string())))?;
        let outbox = Arc::<Outbox>::default();
        let kept = open(&config, node, &outbox, &tasks, &clock).await?;
        let descriptors = descriptors::raise();
        if let Some(descriptors) = descriptors
            && descriptors < u64::from(config.limits.connections)
        {
            tracing::warn!(
                descriptors,
                connections = config.limits.connections,
                "the system allows fewer open files than connections may come"
            );
        }
        let limits = config.limits;
        let figures = Arc::new(Figures::default());
        let bounds = Bounds {
            per_machine: limits.circuits_per_machine,
            total: limits.circuits,
            ticket: limits.ticket,
            dead: limits.dead,
            bytes_per_second: limits.circuit_bytes_per_second,
        };
        let inner = Arc::new(Inner {
            mailboxes: kept.mailboxes,
            files: kept.files,
            hub: if kept.fabric.is_some() { Hub::with_others(outbox.clone()) } else { Hub::default() },
            circuits: Circuits::new(node, bounds, figures.clone()),
            fabric: kept.fabric,
            outbox,
            members,
            rates: Rates::new(&limits),
            limits,
            figures,
            door: Arc::default(),
            transfers: Arc::default(),
            tls,
            source_header: config.source_header,
            tasks,
            started: Instant::now(),
            origins,
            clock,
        });
        inner.tasks.spawn("listener", listener::accept(inner.clone(), listener));
        inner.tasks.spawn("sweeper", sweep(inner.clone()));
        if let Some(fabric) = &inner.fabric {
            fabric.run(&inner);
        }
        if let Some(renewals) = kept.renewals {
            inner.tasks.spawn("renewals", renew(inner.clone(), renewals));
        }
        Ok(Self { inner, addr, host: config.host, _lock: lock })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The addresses that clients take, best first: with the key when it is the relay's own certificate or a file's.
    #[must_use]
    pub fn addresses(&self) -> Vec<RelayAddress> {
        if let [_, ..] = self.inner.origins.as_slice() {
            return self.inner.origins.iter().filter_map(|origin| origin.parse().ok()).collect();
        }
        let key = self.inner.tls.as_ref().and_then(|tls| tls.keys().first().copied());
        let scheme = if key.is_some() { "wss" } else { "ws" };
        let hosts = match &self.host {
            Some(host) => vec![host.clone()],
            None => hosts(self.addr.ip()),
        };
        let addresses = hosts.iter().filter_map(|host| format!("{scheme}://{host}:{}", self.addr.port()).parse().ok());
        addresses.map(|address: RelayAddress| key.map_or(address.clone(), |key| address.with_key(key))).collect()
    }

    /// How much lies here.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn counts(&self) -> Result<Counts, MailboxError> {
        self.inner.mailboxes.count().await
    }

    /// How many files lie here, and the room that they take.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn file_counts(&self) -> Result<FileCounts, FileError> {
        self.inner.files.count().await
    }

    /// Says goodbye to all clients and ends, after what was begun is on the disk.
    ///
    /// # Errors
    /// What the store says when it was not closed cleanly.
    pub async fn shutdown(self) -> Result<(), MailboxError> {
        self.inner.tasks.shutdown(GRACE).await;
        self.inner.mailboxes.close().await
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.inner.tasks.cut();
    }
}

/// What a relay stands on.
struct Kept {
    mailboxes: Arc<dyn Mailboxes>,
    files: Arc<dyn Files>,
    fabric: Option<Arc<Fabric>>,
    renewals: Option<Renewals>,
}

async fn open(
    config: &Config,
    node: NodeId,
    outbox: &Arc<Outbox>,
    tasks: &Tasks,
    clock: &Arc<dyn Clock>,
) -> Result<Kept, RelayError> {
    let (quotas, file_quotas) = (Quotas::from(&config.limits), FileQuotas::from(&config.limits));
    match &config.store {
        Store::Sqlite => {
            let (data_dir, start_anew, wall_ms) = (config.data_dir.clone(), config.start_anew, clock.wall_ms());
            let opening =
                tokio::task::spawn_blocking(move || open_sqlite(&data_dir, (quotas, file_quotas), start_anew, wall_ms));
            let path = config.data_dir.clone();
            let (mailboxes, files) =
                opening.await.map_err(|error| RelayError::Folder { path, error: io::Error::other(error) })??;
            Ok(Kept { mailboxes: Arc::new(mailboxes), files: Arc::new(files), fabric: None, renewals: None })
        }
        Store::Nats(nats) => {
            let mailboxes = Arc::new(NatsMailboxes::open(nats, quotas, clock.clone()).await?);
            let files = NatsFiles::open(nats, mailboxes.clone(), file_quotas, clock.clone()).await?;
            let fabric = Fabric::start(nats, node, outbox.clone(), config.limits.lease, tasks).await?;
            let renewals = Some(mailboxes.renewals());
            Ok(Kept { mailboxes, files: Arc::new(files), fabric: Some(Arc::new(fabric)), renewals })
        }
    }
}

fn open_sqlite(
    data_dir: &Path,
    (quotas, file_quotas): (Quotas, FileQuotas),
    start_anew: bool,
    wall_ms: u64,
) -> Result<(SqliteMailboxes, SqliteFiles), OpenError> {
    if start_anew && let Some(aside) = SqliteMailboxes::move_aside(data_dir, wall_ms / 1_000)? {
        tracing::warn!(to = %aside.display(), "the database was moved aside");
    }
    let mailboxes = SqliteMailboxes::open(data_dir, quotas, wall_ms)?;
    let files = SqliteFiles::open(&mailboxes, data_dir, file_quotas)?;
    Ok((mailboxes, files))
}

/// Sends all away when the mailboxes were lost and begun anew: they come back, and say again who may put.
async fn renew(relay: Arc<Inner>, mut renewals: Renewals) {
    let stop = relay.tasks.stopping().clone();
    loop {
        tokio::select! {
            () = renewals.next() => {}
            () = stop.cancelled() => return,
        }
        tracing::warn!("the mailboxes in NATS were lost and are begun anew; machines log in again");
        relay.hub.send_away();
    }
}

/// Removes what has expired, and looks after files that may change.
async fn sweep(relay: Arc<Inner>) {
    let stop = relay.tasks.stopping().clone();
    let mut ticks = interval(relay.limits.sweep);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        relay.rates.forget();
        relay.circuits.sweep();
        if let Some(tls) = &relay.tls {
            tls.refresh();
        }
        relay.members.refresh();
        relay.hub.refresh(relay.now_s(), |machine, membership| relay.members.admits(machine, membership));
        // In pieces, with room for puts between them.
        loop {
            match relay.mailboxes.sweep(relay.now_s()).await {
                Ok(true) if !stop.is_cancelled() => {}
                Ok(_) | Err(MailboxError::Away(_)) => break,
                Err(error) => {
                    tracing::error!(%error, "what has expired could not be removed");
                    break;
                }
            }
        }
        // After the mailboxes: the files of one that was forgotten go with it.
        loop {
            match relay.files.sweep(relay.now_s()).await {
                Ok(true) if !stop.is_cancelled() => {}
                Ok(_) | Err(FileError::Away(_)) => break,
                Err(error) => {
                    tracing::error!(%error, "files that have expired could not be removed");
                    break;
                }
            }
        }
    }
}

/// The origins at which clients dial a relay that does not encrypt.
fn origins(config: &Config, addr: SocketAddr, is_plain: bool) -> Result<Vec<String>, RelayError> {
    let parsed = config.origins.iter().map(|origin| {
        let address: Result<RelayAddress, _> = origin.parse();
        address
            .map(|address| address.origin())
            .map_err(|problem| RelayError::Origin { origin: origin.clone(), problem: problem.to_string() })
    });
    let mut origins: Vec<String> = parsed.collect::<Result<_, _>>()?;
    if !is_plain {
        return Ok(Vec::new());
    }
    if origins.is_empty() {
        if !addr.ip().to_canonical().is_loopback() {
            return Err(RelayError::NoOrigin(addr));
        }
        origins.extend([format!("ws://{addr}"), format!("ws://localhost:{}", addr.port())]);
    }
    Ok(origins)
}

/// What can stand for this machine in an address.
fn hosts(listen: IpAddr) -> Vec<String> {
    let text = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    if !listen.is_unspecified() {
        return vec![text(listen.to_canonical())];
    }
    let mut found: Vec<IpAddr> =
        if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip).collect();
    found.retain(|ip| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => listen.is_ipv6() && !ip.is_loopback() && !ip.is_unicast_link_local(),
    });
    found.sort_unstable();
    found.dedup();
    if found.is_empty() { vec!["localhost".to_owned()] } else { found.into_iter().map(text).collect() }
}
