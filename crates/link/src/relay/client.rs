//! One connection to a relay, kept for as long as it is wanted: the login where this machine is at home, or the
//! nameless one on which it asks for others.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use proto::{
    id::MachineId,
    identity::Identity,
    relay::{FromRelay, Limits, Login, RelayAddress, ToRelay},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

use super::{
    LONGEST_PAUSE, RelayError, RelayPlan, RelayState, RelayStatus,
    connect::{Connected, Connector},
    session::Session,
    stations::Asks,
    wire::{Wire, unexpected},
};
use crate::{
    listener::Reception,
    reconnect::{Backoff, STOOD},
    registry::Input,
};

/// One of the two connections to a relay.
pub(super) struct Client {
    pub(super) address: RelayAddress,
    pub(super) identity: Arc<Identity>,
    pub(super) connector: Arc<Connector>,
    pub(super) reception: Reception,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) plan: watch::Receiver<RelayPlan>,
    pub(super) stirs: watch::Receiver<u64>,
    /// The whole mailbox is to be looked at once more; only heard with a login.
    pub(super) again: Arc<Notify>,
    /// What the relay said that it allows; only with a login.
    pub(super) limits: Option<Limits>,
    /// Who wants something of the relay; only on the connection without a login.
    pub(super) asks: Option<Asks>,
}

impl Client {
    /// Connects again and again until it is stopped.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.keep() => {}
            () = stop.cancelled() => {}
        }
        // Whoever hears no more of a machine takes it for gone.
        let contacts = self.plan.borrow().contacts.keys().copied().collect();
        self.gone(contacts).await;
    }

    async fn keep(&mut self) {
        let mut backoff = Backoff::default();
        loop {
            if self.plan.wait_for(|plan| is_wanted(self.asks.is_some(), plan)).await.is_err() {
                return;
            }
            self.tell(RelayState::Reaching).await;
            let begun = Instant::now();
            let Err(error) = self.session().await else {
                // Nothing is wanted of this relay any more.
                backoff.reset();
                continue;
            };
            tracing::debug!(relay = %self.address.origin(), login = self.asks.is_none(), "no relay: {error}");
            if Instant::now() >= begun + STOOD {
                backoff.reset();
            }
            let pause = self.pause(&error, &mut backoff);
            self.tell(RelayState::Failed(error)).await;
            self.stirs.mark_unchanged();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // An error means that the program ends.
                _ = self.stirs.changed() => backoff.reset(),
            }
        }
    }

    fn pause(&self, error: &RelayError, backoff: &mut Backoff) -> Duration {
        let asked_for = match error {
            RelayError::Bye { after_s, .. } => Some(*after_s),
            RelayError::Refused { retry_after_s, .. } => *retry_after_s,
            _ => None,
        };
        let own = backoff.next(chance(), &self.connector.timings);
        let asked_for = Duration::from_secs(asked_for.unwrap_or(0).into()).min(LONGEST_PAUSE);
        asked_for + own
    }

    /// One connection, from dialling to its end. Ends well when nothing is wanted of it any more.
    async fn session(&mut self) -> Result<(), RelayError> {
        let Connected { socket, key } = self.connector.frames(&self.address).await?;
        let mut wire = Wire::new(socket, &self.connector);
        let answer = self.connector.timings.relay_answer;
        let nonce = match timeout(answer, wire.hear()).await {
            Ok(Ok(FromRelay::Challenge { nonce, .. })) => nonce,
            Ok(Ok(other)) => return Err(unexpected(&other)),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(RelayError::Silent),
        };
        if self.asks.is_none() {
            let membership = self.plan.borrow().home.as_ref().and_then(|home| home.membership.clone());
            let login = Login::sign(&self.identity, &nonce, &self.address, key, membership);
            wire.say(&ToRelay::Login(login)).await?;
            match timeout(answer, wire.hear()).await {
                Ok(Ok(FromRelay::Welcome { limits, .. })) => self.limits = Some(limits),
                Ok(Ok(other)) => return Err(unexpected(&other)),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(RelayError::Silent),
            }
        }
        let mut session = Session::new(self, wire);
        let outcome = session.serve().await;
        let (online, wire) = session.end();
        if let Some(asks) = &self.asks {
            asks.open.send_replace(false);
        }
        self.gone(online).await;
        if outcome.is_ok() {
            timeout(self.connector.timings.closing, wire.socket.close(CloseCode::Normal, "done")).await.ok();
        }
        outcome
    }

    /// Says that these are not known to be there any more.
    pub(super) async fn gone(&self, machines: BTreeSet<MachineId>) {
        if self.asks.is_some() && !machines.is_empty() {
            let machines = machines.into_iter().map(|machine| (machine, false)).collect();
            self.inputs.send(Input::Present { relay: self.address.clone(), machines }).await.ok();
        }
    }

    /// Says how it stands with the relay, if this is the connection that counts.
    pub(super) async fn tell(&self, state: RelayState) {
        let at_home = self.plan.borrow().home.is_some();
        if at_home == self.asks.is_none() {
            let status = RelayStatus { address: self.address.clone(), state, limits: self.limits };
            self.inputs.send(Input::Relay(status)).await.ok();
        }
    }
}

/// Whether a connection has a purpose.
pub(super) fn is_wanted(nameless: bool, plan: &RelayPlan) -> bool {
    if nameless { !plan.contacts.is_empty() } else { plan.home.is_some() }
}

/// A number between 0 and 1, to spread machines that lost the same relay.
pub(super) fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}
