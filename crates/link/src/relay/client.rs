//! One connection to a relay, kept for as long as it is wanted: the login where this machine is at home, or the
//! nameless one on which it asks for others.

use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::OptionFuture;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use proto::{
    id::MachineId,
    identity::Identity,
    limits,
    relay::{FromRelay, Login, RelayAddress, Request, Ticket, ToRelay, Token, TokenEntry},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use tokio_util::sync::CancellationToken;

use super::{
    Ask, RelayError, RelayPlan, RelayState, RelayStatus,
    connect::{Connected, Connector},
};
use crate::{
    listener::Reception,
    reconnect::{Backoff, STOOD},
    registry::Input,
    socket::{Incoming, Socket, SocketError, Stream},
};

/// Longest pause that a relay may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Frames a second from a relay, and how many at once: its presence comes in large frames, its guests one by one.
const FRAMES_PER_SECOND: u32 = 100;
const FRAMES_BURST: u32 = 1_000;

/// One of the two connections to a relay.
pub(super) struct Client {
    pub(super) address: RelayAddress,
    pub(super) identity: Arc<Identity>,
    pub(super) connector: Arc<Connector>,
    pub(super) reception: Reception,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) plan: watch::Receiver<RelayPlan>,
    pub(super) stirs: watch::Receiver<u64>,
    /// Who wants tunnels; only on the connection without a login.
    pub(super) asked: Option<mpsc::Receiver<Ask>>,
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
            if self.plan.wait_for(|plan| is_wanted(self.asked.is_some(), plan)).await.is_err() {
                return;
            }
            self.tell(RelayState::Reaching).await;
            let begun = Instant::now();
            let Err(error) = self.session().await else {
                // Nothing is wanted of this relay any more.
                backoff.reset();
                continue;
            };
            tracing::debug!(relay = %self.address.origin(), login = self.asked.is_none(), "no relay: {error}");
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
        if self.asked.is_none() {
            let membership = self.plan.borrow().home.as_ref().and_then(|home| home.membership.clone());
            let login = Login::sign(&self.identity, &nonce, &self.address, key, membership);
            wire.say(&ToRelay::Login(login)).await?;
            match timeout(answer, wire.hear()).await {
                Ok(Ok(FromRelay::Welcome { .. })) => {}
                Ok(Ok(other)) => return Err(unexpected(&other)),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(RelayError::Silent),
            }
        }
        let mut session = Session {
            client: self,
            wire,
            requests: 0,
            pending: HashMap::new(),
            told: BTreeSet::new(),
            connected: false,
            online: BTreeSet::new(),
        };
        let outcome = session.serve().await;
        let online = std::mem::take(&mut session.online);
        let wire = session.wire;
        self.gone(online).await;
        if outcome.is_ok() {
            timeout(self.connector.timings.closing, wire.socket.close(CloseCode::Normal, "done")).await.ok();
        }
        outcome
    }

    /// Says that these are not known to be there any more.
    async fn gone(&self, machines: BTreeSet<MachineId>) {
        if self.asked.is_some() && !machines.is_empty() {
            let machines = machines.into_iter().map(|machine| (machine, false)).collect();
            self.inputs.send(Input::Present { relay: self.address.clone(), machines }).await.ok();
        }
    }

    /// Says how it stands with the relay, if this is the connection that counts.
    async fn tell(&self, state: RelayState) {
        let at_home = self.plan.borrow().home.is_some();
        if at_home == self.asked.is_none() {
            let status = RelayStatus { address: self.address.clone(), state };
            self.inputs.send(Input::Relay(status)).await.ok();
        }
    }
}

/// Whether a connection has a purpose.
fn is_wanted(nameless: bool, plan: &RelayPlan) -> bool {
    if nameless { !plan.contacts.is_empty() } else { plan.home.is_some() }
}

/// A connection that the relay has let in.
struct Session<'a> {
    client: &'a mut Client,
    wire: Wire,
    requests: Request,
    pending: HashMap<Request, oneshot::Sender<Result<Ticket, String>>>,
    /// What the relay was told and has not confirmed.
    told: BTreeSet<Request>,
    /// It has confirmed all once.
    connected: bool,
    /// Contacts that the relay says are there.
    online: BTreeSet<MachineId>,
}

enum Event {
    Heard(Result<FromRelay, RelayError>),
    Asked(Option<Ask>),
    Planned(bool),
    Stirred,
    Time,
}

impl Session<'_> {
    async fn serve(&mut self) -> Result<(), RelayError> {
        self.client.plan.mark_unchanged();
        self.client.stirs.mark_unchanged();
        self.register().await?;
        loop {
            let client = &mut *self.client;
            let deadline = self.wire.deadline();
            let asked = OptionFuture::from(client.asked.as_mut().map(mpsc::Receiver::recv));
            let event = tokio::select! {
                frame = self.wire.hear() => Event::Heard(frame),
                Some(ask) = asked => Event::Asked(ask),
                changed = client.plan.changed() => Event::Planned(changed.is_ok()),
                Ok(()) = client.stirs.changed() => Event::Stirred,
                () = sleep_until(deadline) => Event::Time,
            };
            match event {
                Event::Heard(frame) => self.hear(frame?).await?,
                Event::Asked(Some(ask)) => self.ask(ask).await?,
                Event::Asked(None) | Event::Planned(false) => return Ok(()),
                Event::Planned(true) => {
                    if !is_wanted(self.client.asked.is_some(), &self.client.plan.borrow()) {
                        return Ok(());
                    }
                    self.register().await?;
                }
                Event::Stirred => self.wire.probe().await?,
                Event::Time => self.wire.on_time().await?,
            }
        }
    }

    /// Tells the relay the whole plan. What it knew before is replaced.
    async fn register(&mut self) -> Result<(), RelayError> {
        let plan = self.client.plan.borrow_and_update().clone();
        if self.client.asked.is_none() {
            let entry = |hash: &_| TokenEntry { hash: *hash, lifetime_s: None };
            let tokens = plan.home.iter().flat_map(|home| &home.tokens);
            let add = tokens.take(limits::RELAY_TOKENS).map(entry).collect();
            let request = self.request();
            self.told.insert(request);
            return self.wire.say(&ToRelay::Tokens { request, add, remove: Vec::new(), replace: true }).await;
        }
        let forgotten: BTreeSet<_> =
            self.online.iter().filter(|machine| !plan.contacts.contains_key(machine)).copied().collect();
        self.online.retain(|machine| !forgotten.contains(machine));
        self.client.gone(forgotten).await;
        let contacts: Vec<(MachineId, Token)> = plan.contacts.into_iter().collect();
        for (number, items) in contacts.chunks(limits::RELAY_WATCHES_PER_FRAME).enumerate() {
            let request = self.request();
            self.told.insert(request);
            self.wire.say(&ToRelay::Watch { request, items: items.to_vec(), replace: number == 0 }).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, frame: FromRelay) -> Result<(), RelayError> {
        match frame {
            FromRelay::Incoming { ticket } if self.client.asked.is_none() => self.receive(ticket),
            FromRelay::Presence { items } if self.client.asked.is_some() => self.present(items).await,
            FromRelay::Opened { request, ticket } => self.answer(request, Ok(ticket)),
            FromRelay::Refused(refused) => match refused.request {
                Some(request) if !self.told.contains(&request) => {
                    self.answer(request, Err(format!("{:?}", refused.code)));
                }
                // The connection is of no use when the relay does not take what it is for.
                _ => {
                    return Err(RelayError::Refused {
                        code: refused.code,
                        detail: refused.detail,
                        retry_after_s: refused.retry_after_s,
                    });
                }
            },
            FromRelay::Bye { code, after_s } => return Err(RelayError::Bye { code, after_s }),
            FromRelay::Done { request } => {
                self.told.remove(&request);
                if self.told.is_empty() && !std::mem::replace(&mut self.connected, true) {
                    self.client.tell(RelayState::Connected).await;
                }
            }
            FromRelay::Arrived | FromRelay::Ignored(_) => {}
            other => return Err(unexpected(&other)),
        }
        Ok(())
    }

    /// Somebody wants to come: opens this end of the tunnel, and receives whoever is in it like one at the door.
    fn receive(&self, ticket: Ticket) {
        let client = &*self.client;
        let Some(admitted) = client.reception.admit_tunnel(&client.address) else { return };
        let (connector, relay) = (client.connector.clone(), client.address.clone());
        client.reception.receive(admitted, async move {
            let circuit = connector.circuit(&relay, &ticket).await.map_err(std::io::Error::other)?;
            Ok(Box::new(circuit) as Box<dyn Stream>)
        });
    }

    async fn present(&mut self, items: Vec<(MachineId, bool)>) {
        let machines: Vec<_> = {
            let plan = self.client.plan.borrow();
            // A relay may speak only of those it was asked about.
            items.into_iter().filter(|(machine, _)| plan.contacts.contains_key(machine)).collect()
        };
        for (machine, online) in &machines {
            if *online {
                self.online.insert(*machine);
            } else {
                self.online.remove(machine);
            }
        }
        self.client.inputs.send(Input::Present { relay: self.client.address.clone(), machines }).await.ok();
    }

    async fn ask(&mut self, ask: Ask) -> Result<(), RelayError> {
        // Whoever asked while there was no connection may have given up.
        if ask.ticket.is_closed() {
            return Ok(());
        }
        let token = self.client.plan.borrow().contacts.get(&ask.machine).cloned();
        let Some(token) = token else {
            ask.ticket.send(Err("this machine has no token for it there".into())).ok();
            return Ok(());
        };
        // Those who ask give up by themselves.
        self.pending.retain(|_, reply| !reply.is_closed());
        let request = self.request();
        self.pending.insert(request, ask.ticket);
        self.wire.say(&ToRelay::Open { request, machine: ask.machine, token }).await
    }

    fn answer(&mut self, request: Request, answer: Result<Ticket, String>) {
        if let Some(reply) = self.pending.remove(&request) {
            reply.send(answer).ok();
        }
    }

    fn request(&mut self) -> Request {
        self.requests = self.requests.wrapping_add(1);
        self.requests
    }
}

/// Frames over a socket, and whether the other side still lives.
struct Wire {
    socket: Socket,
    connector: Arc<Connector>,
    limit: DefaultDirectRateLimiter,
    last_heard: Instant,
    next_ping: Instant,
    /// When a ping that was sent out of turn must have been answered.
    probed: Option<Instant>,
}

impl Wire {
    fn new(socket: Socket, connector: &Arc<Connector>) -> Self {
        let rate = NonZeroU32::new(FRAMES_PER_SECOND).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(FRAMES_BURST).unwrap_or(NonZeroU32::MIN);
        let now = Instant::now();
        Self {
            socket,
            limit: RateLimiter::direct(Quota::per_second(rate).allow_burst(burst)),
            last_heard: now,
            next_ping: now + connector.timings.relay_ping,
            probed: None,
            connector: connector.clone(),
        }
    }

    /// The next frame. May be dropped at any time and called again.
    async fn hear(&mut self) -> Result<FromRelay, RelayError> {
        loop {
            let incoming = self.socket.next().await.map_err(broken)?;
            self.last_heard = Instant::now();
            self.probed = None;
            if self.limit.check().is_err() {
                return Err(RelayError::Protocol("it sends too much".into()));
            }
            if let Incoming::Frame(bytes) = incoming {
                return FromRelay::decode(&bytes).map_err(|error| RelayError::Protocol(error.to_string()));
            }
        }
    }

    async fn say(&mut self, frame: &ToRelay) -> Result<(), RelayError> {
        self.send(Message::Binary(frame.encode().into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), RelayError> {
        match timeout(self.connector.timings.write_stall, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(broken),
            Err(_) => Err(RelayError::Silent),
        }
    }

    /// When [`Wire::on_time`] is to be called.
    fn deadline(&self) -> Instant {
        let silence = self.last_heard + self.connector.timings.relay_silence;
        self.next_ping.min(silence).min(self.probed.unwrap_or(silence))
    }

    async fn on_time(&mut self) -> Result<(), RelayError> {
        let now = Instant::now();
        let silent = now >= self.last_heard + self.connector.timings.relay_silence;
        if silent || self.probed.is_some_and(|until| now >= until) {
            return Err(RelayError::Silent);
        }
        if now >= self.next_ping { self.ping().await } else { Ok(()) }
    }

    /// Asks at once whether the relay is still there.
    async fn probe(&mut self) -> Result<(), RelayError> {
        self.probed = Some(Instant::now() + self.connector.timings.probe);
        self.ping().await
    }

    async fn ping(&mut self) -> Result<(), RelayError> {
        self.next_ping = Instant::now() + self.connector.timings.relay_ping;
        self.send(Message::Ping(Bytes::new())).await
    }
}

fn broken(error: SocketError) -> RelayError {
    match error {
        SocketError::Closed(words) | SocketError::Broken(words) => RelayError::Broken(words),
        SocketError::Protocol { reason, .. } => RelayError::Protocol(reason),
    }
}

fn unexpected(frame: &FromRelay) -> RelayError {
    match frame {
        FromRelay::Refused(refused) => RelayError::Refused {
            code: refused.code,
            detail: refused.detail.clone(),
            retry_after_s: refused.retry_after_s,
        },
        FromRelay::Bye { code, after_s } => RelayError::Bye { code: *code, after_s: *after_s },
        other => RelayError::Protocol(format!("a frame of type {} out of turn", other.number())),
    }
}

/// A number between 0 and 1, to spread machines that lost the same relay.
fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}
