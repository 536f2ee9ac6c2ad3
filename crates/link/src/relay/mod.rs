//! Relays, seen from a machine: where it can be reached, whom it finds there, and the tunnels to them.
//!
//! At a relay of its own a machine logs in, says by which tokens it may be found, is told when somebody comes, and
//! fetches what was left for it. At a contact's relay it shows the contact's token, and not who it is: on a second
//! connection, without a login, so that the relay does not learn who knows whom. A tunnel is a stream like a TCP
//! connection; the same handshake, the same link and the same blobs go through it.

mod circuit;
mod client;
mod connect;
mod detours;
mod files;
mod home;
mod mail;
mod requests;
mod session;
mod stations;
mod trust;
mod visitor;
mod wire;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use proto::{
    id::MachineId,
    identity::Identity,
    prekey::SignedPrekey,
    relay::{Limits, RefusalCode, RelayAddress, RelayBye, Token, TokenHash},
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::{
    client::Client,
    stations::{Asks, Station},
};
pub(crate) use self::{detours::Detours, stations::Stations};
pub use self::{
    files::Deposited,
    mail::Mail,
    stations::{PutAs, PutError},
};
use crate::{listener::Reception, registry::Input, tasks::Spawner};

/// Relays that are used at once, own ones and contacts'.
const RELAYS: usize = 64;

/// Longest pause that a relay may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What this machine does at one relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayPlan {
    /// Which relay.
    pub address: RelayAddress,
    /// Present where this machine is to be reached.
    pub home: Option<Home>,
    /// Machines that are reached there, each with its token for this relay. One without a token is not watched and not
    /// dialled; it counts as a reason to be connected, for its prekey and its request slot need none.
    pub contacts: BTreeMap<MachineId, Option<Token>>,
}

/// How this machine is reached at a relay of its own.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Home {
    /// Shows a relay for members that this machine is one.
    pub membership: Option<Vec<u8>>,
    /// Those who know one of these may ask for it and leave envelopes; at most [`proto::limits::RELAY_TOKENS`] count.
    pub tokens: Vec<HomeToken>,
    /// What others may seal to; laid down there unless this connection has done so.
    pub prekey: Option<SignedPrekey>,
}

/// A token that opens this machine's mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeToken {
    /// What the relay keeps of it.
    pub hash: TokenHash,
    /// Until when it counts; none: for as long as the plan names it. The relay is told how long that is from when it is
    /// told, at least a second.
    pub until: Option<Instant>,
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
    /// What it allows, as it said at the last login; none before the first, and where this machine is not at home.
    pub limits: Option<Limits>,
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

/// Keeps the relays that are to be used, and no others.
pub(crate) struct Relays {
    pub(crate) identity: Arc<Identity>,
    pub(crate) stations: Stations,
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
        let mut stations = self.stations.lock();
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
        let address = plan.address.clone();
        let (station, planned, asks) = Station::new(plan, stop.clone().drop_guard());
        let client = |asks: Option<Asks>| Client {
            address: address.clone(),
            identity: self.identity.clone(),
            connector: self.stations.connector.clone(),
            reception: self.reception.clone(),
            inputs: self.inputs.clone(),
            plan: planned.clone(),
            stirs: self.stirs.clone(),
            again: station.again.clone(),
            limits: None,
            asks,
        };
        for (name, client) in [("home at", client(None)), ("visitor at", client(Some(asks)))] {
            let (ended, stopping) = (stop.clone(), self.spawner.stop_token());
            self.spawner.spawn(format!("{name} {}", address.origin()), async move {
                tokio::select! {
                    () = client.run(ended.clone()) => {}
                    () = stopping.cancelled() => {}
                }
            });
        }
        station
    }
}
