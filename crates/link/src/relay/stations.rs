//! The relays in use, and what is asked of them without saying who asks: tunnels, prekeys, and to keep an envelope.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use proto::{
    id::MachineId,
    limits,
    prekey::SignedPrekey,
    relay::{RefusalCode, Refused, RelayAddress, Ticket},
};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::DropGuard;

use super::{LONGEST_PAUSE, RelayPlan, circuit::Circuit, connect::Connector};
use crate::{error::DialError, timing::Timings};

/// What is asked of one relay and not answered yet, at most; as much again may wait to be asked. Each may hold an
/// envelope, so that this bounds memory too: to 13 MB for a relay that takes much and answers nothing.
pub(super) const ASKS: usize = 64;

/// By what right an envelope is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutAs {
    /// By the token that the plan names for the machine: into its mailbox.
    Contact,
    /// By none: into its request slot, which is small.
    Stranger,
}

/// Why a relay did not do what it was asked for on the connection without a login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// No plan names this relay.
    #[error("it is not in use")]
    NotInUse,
    /// There is no connection now. Try again when there is one.
    #[error("it is not connected")]
    NotConnected,
    /// The plan has no token for this machine there.
    #[error("this machine has no token for the other one there")]
    NoToken,
    /// It says no.
    #[error("it refuses ({code:?}): {detail}")]
    Refused {
        /// Why.
        code: RefusalCode,
        /// The same in its own words, for a log.
        detail: String,
        /// The limit that was met, in its own unit.
        limit: Option<u64>,
        /// After which time it may be tried again, when time helps; at most ten minutes, whatever the relay says.
        retry_after: Option<Duration>,
    },
    /// The connection ended before the answer, or there was none in the time that a relay may be silent. Whether it was
    /// done is not known; to put the same envelope again does no harm.
    #[error("the connection broke off before its answer")]
    BrokeOff,
    /// What it answers cannot be true.
    #[error("it lies: {0}")]
    Lied(String),
}

impl From<Refused> for PutError {
    fn from(refused: Refused) -> Self {
        let Refused { request: _, code, detail, limit, retry_after_s } = refused;
        let wait = |seconds: u32| Duration::from_secs(seconds.into()).min(LONGEST_PAUSE);
        Self::Refused { code, detail, limit, retry_after: retry_after_s.map(wait) }
    }
}

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, PutError>>;

/// What is asked for.
#[derive(Debug)]
pub(super) enum Ask {
    /// A tunnel to a contact.
    Tunnel(MachineId, Reply<Ticket>),
    /// To keep an envelope for a machine.
    Put(MachineId, PutAs, Bytes, Reply<()>),
    /// The prekey of a machine.
    Prekey(MachineId, Reply<Option<SignedPrekey>>),
}

/// The connection's end of what is asked.
#[derive(Debug)]
pub(super) struct Asks {
    pub(super) queue: mpsc::Receiver<Ask>,
    /// Whether there is a connection. Each change ends the patience of those who have asked.
    pub(super) open: watch::Sender<bool>,
}

/// One relay in use.
#[derive(Debug)]
pub(super) struct Station {
    pub(super) plan: watch::Sender<RelayPlan>,
    asks: mpsc::Sender<Ask>,
    open: watch::Receiver<bool>,
    /// Wakes the connection with a login: the whole mailbox is to be looked at once more.
    pub(super) again: Arc<Notify>,
    _stop: DropGuard,
}

impl Station {
    /// A relay with this plan, and what its connections need. It is given up when the station is dropped.
    pub(super) fn new(plan: RelayPlan, stop: DropGuard) -> (Self, watch::Receiver<RelayPlan>, Asks) {
        let (asks, queue) = mpsc::channel(ASKS);
        let (open_in, open) = watch::channel(false);
        let (plan, planned) = watch::channel(plan);
        (Self { plan, asks, open, again: Arc::default(), _stop: stop }, planned, Asks { queue, open: open_in })
    }
}

/// All relays in use.
#[derive(Debug, Clone)]
pub(crate) struct Stations {
    stations: Arc<Mutex<BTreeMap<RelayAddress, Station>>>,
    pub(super) connector: Arc<Connector>,
}

impl Stations {
    pub(crate) fn new(timings: &Timings) -> Self {
        Self { stations: Arc::default(), connector: Arc::new(Connector::new(timings.clone())) }
    }

    /// A tunnel to a machine. What is at its other end has still to prove that it is this machine.
    pub(crate) async fn open(&self, relay: &RelayAddress, to: Option<MachineId>) -> Result<Circuit, DialError> {
        let failed = |detail: String| DialError::NoTunnel { relay: Box::new(relay.clone()), detail };
        let machine = to.ok_or_else(|| failed("nobody is asked for".into()))?;
        let asking = self.ask(relay, |reply| Ask::Tunnel(machine, reply));
        let ticket = match timeout(self.connector.timings.relay_answer, asking).await {
            Ok(answer) => answer.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed("it does not answer".into())),
        };
        self.connector.circuit(relay, &ticket).await.map_err(|error| failed(error.to_string()))
    }

    /// Leaves an envelope for a machine. It lies on the relay's disk when this returns.
    pub(crate) async fn put(
        &self,
        relay: &RelayAddress,
        machine: MachineId,
        by: PutAs,
        envelope: Bytes,
    ) -> Result<(), PutError> {
        if envelope.len() > limits::ENVELOPE_BYTES {
            // Any relay would say so, and end the connection.
            return Err(PutError::Refused {
                code: RefusalCode::TooLarge,
                detail: "no envelope is so long".into(),
                limit: Some(limits::ENVELOPE_BYTES as u64),
                retry_after: None,
            });
        }
        self.ask(relay, |reply| Ask::Put(machine, by, envelope, reply)).await
    }

    /// The prekey that a relay holds of a machine, signed by it.
    pub(crate) async fn prekey(
        &self,
        relay: &RelayAddress,
        machine: MachineId,
    ) -> Result<Option<SignedPrekey>, PutError> {
        self.ask(relay, |reply| Ask::Prekey(machine, reply)).await
    }

    /// Looks once more at all that lies in this machine's mailbox.
    pub(crate) fn fetch_again(&self, relay: &RelayAddress) {
        if let Some(station) = self.lock().get(relay) {
            station.again.notify_one();
        }
    }

    /// Asks, waiting for room if need be. How long an answer may take is the connection's affair: it ends when the relay
    /// does not answer, which a deadline here could not tell from a slow line.
    async fn ask<T>(&self, relay: &RelayAddress, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, PutError> {
        let (asks, mut open) = {
            let stations = self.lock();
            let station = stations.get(relay).ok_or(PutError::NotInUse)?;
            (station.asks.clone(), station.open.clone())
        };
        if !*open.borrow_and_update() {
            return Err(PutError::NotConnected);
        }
        let asking = async {
            let (reply, answer) = oneshot::channel();
            asks.send(ask(reply)).await.ok()?;
            answer.await.ok()
        };
        tokio::select! {
            biased;
            answer = asking => answer.unwrap_or(Err(PutError::BrokeOff)),
            _ = open.changed() => Err(PutError::BrokeOff),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<RelayAddress, Station>> {
        self.stations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
