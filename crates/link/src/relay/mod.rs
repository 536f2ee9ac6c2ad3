//! Relays, seen from a machine: where it can be reached, whom it finds there, and the tunnels to them.
//!
//! At a relay of its own a machine logs in, says by which tokens it may be found, and is told when somebody comes. At a
//! contact's relay it shows the contact's token, and not who it is: on a second connection, without a login, so that
//! the relay does not learn who knows whom. A tunnel is a stream like a TCP connection; the same handshake, the same
//! link and the same blobs go through it.

mod circuit;
mod client;
mod connect;
mod detours;
mod files;
mod trust;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use proto::{
    id::MachineId,
    identity::Identity,
    relay::{RefusalCode, RelayAddress, RelayBye, Ticket, Token, TokenHash},
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use self::detours::Detours;
pub use self::files::Deposited;
use self::{circuit::Circuit, client::Client, connect::Connector};
use crate::{error::DialError, listener::Reception, registry::Input, tasks::Spawner, timing::Timings};

/// Relays that are used at once, own ones and contacts'.
const RELAYS: usize = 64;

/// Tunnels that wait to be asked for at one relay.
const ASKS: usize = 64;

/// What this machine does at one relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayPlan {
    /// Which relay.
    pub address: RelayAddress,
    /// Present where this machine is to be reached.
    pub home: Option<Home>,
    /// Contacts that are reached there, each with its token for this relay.
    pub contacts: BTreeMap<MachineId, Token>,
}

/// How this machine is reached at a relay of its own.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Home {
    /// Shows a relay for members that this machine is one.
    pub membership: Option<Vec<u8>>,
    /// Those who know one of these may ask for it.
    pub tokens: Vec<TokenHash>,
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

/// How it stands with a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayStatus {
    /// Which relay.
    pub address: RelayAddress,
    /// The state.
    pub state: RelayState,
}

/// State of a relay. Where this machine is at home that is the login's, elsewhere that of the other connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayState {
    /// It is being dialled.
    Reaching,
    /// It took what it was told.
    Connected,
    /// Not now; it is tried again.
    Failed(RelayError),
}

/// Why a relay is not connected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// No connection.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// Its certificate has another key than the address names.
    #[error("it shows another key than its address names")]
    OtherKey,
    /// Its certificate is not trusted.
    #[error("its certificate is not trusted: {0}")]
    Untrusted(String),
    /// What answers is no relay, or one of another version.
    #[error("what answers is no relay: {0}")]
    NotRelay(String),
    /// It does not let this machine in.
    #[error("it refuses this machine ({code:?}): {detail}")]
    Refused {
        /// Why.
        code: RefusalCode,
        /// The same in its own words.
        detail: String,
        /// When it wants to be asked again.
        retry_after_s: Option<u32>,
    },
    /// It said goodbye.
    #[error("it said goodbye ({code:?})")]
    Bye {
        /// Why.
        code: RelayBye,
        /// When it wants to be asked again.
        after_s: u32,
    },
    /// It answers no more.
    #[error("it fell silent")]
    Silent,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It broke the protocol.
    #[error("it broke the protocol: {0}")]
    Protocol(String),
}

/// Opens tunnels at the relays that are in use.
#[derive(Debug, Clone)]
pub(crate) struct Tunnels {
    stations: Arc<Mutex<BTreeMap<RelayAddress, Station>>>,
    connector: Arc<Connector>,
}

#[derive(Debug)]
struct Station {
    plan: watch::Sender<RelayPlan>,
    asks: mpsc::Sender<Ask>,
    _stop: DropGuard,
}

/// Somebody wants a tunnel.
#[derive(Debug)]
struct Ask {
    machine: MachineId,
    ticket: oneshot::Sender<Result<Ticket, String>>,
}

impl Tunnels {
    pub(crate) fn new(timings: &Timings) -> Self {
        Self { stations: Arc::default(), connector: Arc::new(Connector::new(timings.clone())) }
    }

    /// A tunnel to a machine. What is at its other end has still to prove that it is this machine.
    pub(crate) async fn open(&self, relay: &RelayAddress, to: Option<MachineId>) -> Result<Circuit, DialError> {
        let failed = |detail: String| DialError::NoTunnel { relay: Box::new(relay.clone()), detail };
        let machine = to.ok_or_else(|| failed("nobody is asked for".into()))?;
        let asks = self.lock().get(relay).map(|station| station.asks.clone());
        let asks = asks.ok_or_else(|| failed("it is not in use".into()))?;
        let (ticket, answer) = oneshot::channel();
        asks.try_send(Ask { machine, ticket }).map_err(|_| failed("it is not connected".into()))?;
        let answer = tokio::time::timeout(self.connector.timings.relay_answer, answer).await;
        let ticket = match answer {
            Ok(Ok(Ok(ticket))) => ticket,
            Ok(Ok(Err(refused))) => return Err(failed(refused)),
            Ok(Err(_)) => return Err(failed("it is not connected".into())),
            Err(_) => return Err(failed("it does not answer".into())),
        };
        self.connector.circuit(relay, &ticket).await.map_err(|error| failed(error.to_string()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RelayAddress, Station>> {
        self.stations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the relays that are to be used, and no others.
pub(crate) struct Relays {
    pub(crate) identity: Arc<Identity>,
    pub(crate) tunnels: Tunnels,
    pub(crate) reception: Reception,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) spawner: Spawner,
    /// Says that the network changed.
    pub(crate) stirs: watch::Receiver<u64>,
}

impl Relays {
    /// Uses these relays from now on, at most [`RELAYS`]. One that is in use already stays connected.
    pub(crate) fn set(&self, plans: Vec<RelayPlan>) {
        let plans: BTreeMap<_, _> = plans.into_iter().take(RELAYS).map(|plan| (plan.address.clone(), plan)).collect();
        let mut stations = self.tunnels.lock();
        stations.retain(|address, _| plans.contains_key(address));
        for (address, plan) in plans {
            match stations.get(&address) {
                Some(station) => {
                    station.plan.send_if_modified(|before| {
                        let changed = *before != plan;
                        *before = plan;
                        changed
                    });
                }
                None => {
                    stations.insert(address, self.begin(plan));
                }
            }
        }
    }

    fn begin(&self, plan: RelayPlan) -> Station {
        let stop = CancellationToken::new();
        let (asks, asked) = mpsc::channel(ASKS);
        let address = plan.address.clone();
        let (plan, planned) = watch::channel(plan);
        let client = |asked: Option<mpsc::Receiver<Ask>>| Client {
            address: address.clone(),
            identity: self.identity.clone(),
            connector: self.tunnels.connector.clone(),
            reception: self.reception.clone(),
            inputs: self.inputs.clone(),
            plan: planned.clone(),
            stirs: self.stirs.clone(),
            asked,
        };
        for (name, client) in [("home at", client(None)), ("visitor at", client(Some(asked)))] {
            let (ended, stopping) = (stop.clone(), self.spawner.stop_token());
            self.spawner.spawn(format!("{name} {}", address.origin()), async move {
                tokio::select! {
                    () = client.run(ended.clone()) => {}
                    () = stopping.cancelled() => {}
                }
            });
        }
        Station { plan, asks, _stop: stop.drop_guard() }
    }
}
