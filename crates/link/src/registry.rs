//! Who is linked. One task owns all links' fates: it accepts and refuses them, reports them to the node, and plans whom
//! to dial next.
//!
//! It never waits for a link or for the node: links are told through unbounded channels of their own, and events wait
//! in a queue until the node takes them. So links may wait for it.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use proto::{
    frame::{ByeReason, Hello},
    id::MachineId,
    relay::RelayAddress,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Gate, GateCheck},
    connection::{Control, ControlSender, Farewell, Wiring, wire},
    dial::{self, Typed},
    duplicates::{Brief, Decision, Incumbent, decide},
    error::DialError,
    event::{ConnId, DiscoveryState, DownReason, Hint, HintSource, LinkEvent, NetworkState},
    greet::Greeter,
    interfaces::{self, Interface, Stir},
    path::Path,
    reconnect::{AttemptId, Job, Key, Place, STOOD, Targets},
    relay::{Detours, Mail, RelayStatus},
    tasks::Spawner,
    timing::Timings,
};

/// Links to machines that are no contacts, at most.
const STRANGERS: usize = 256;

/// Attempts under way at a time, each with up to [`dial::CANDIDATES`] sockets.
const ATTEMPTS: usize = 64;

/// Events that may wait for the node before hints are dropped.
const EVENTS_WAITING: usize = 1024;

/// What the other parts tell the registry.
#[derive(Debug)]
pub(crate) enum Input {
    /// A link has exchanged (inbound: received) `Hello` and asks to stand.
    Offer(Offer),
    /// A link has ended.
    Ended { peer: MachineId, id: ConnId, reason: DownReason },
    /// An attempt has proven a key and asks to go on: one at a time for each machine.
    Claim { peer: MachineId, attempt: AttemptId, direct: bool, reply: oneshot::Sender<Claim> },
    /// An attempt is over.
    Dialled { key: Key, attempt: AttemptId, outcome: Result<MachineId, DialError> },
    /// Discovery saw a machine.
    Sighted(Hint),
    /// Discovery lost a machine.
    Gone { machine: MachineId, source: HintSource },
    /// A way of discovery has begun, failed or stopped.
    Discovery { source: HintSource, state: DiscoveryState },
    /// How it stands with a relay.
    Relay(RelayStatus),
    /// Which contacts a relay says are there, or no longer.
    Present { relay: RelayAddress, machines: Vec<(MachineId, bool)> },
    /// What lay in this machine's mailbox at a relay.
    Mail(Mail),
    /// Another program with this machine's identity was heard.
    SameIdentity(SocketAddr),
}

/// A link that could stand.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) id: ConnId,
    pub(crate) peer: MachineId,
    pub(crate) hello: Box<Hello>,
    pub(crate) inbound: bool,
    /// Where the peer can be dialled.
    pub(crate) path: Path,
    /// This machine's address on this link; none in a tunnel.
    pub(crate) local: Option<IpAddr>,
    pub(crate) reply: oneshot::Sender<Verdict>,
}

/// What becomes of an [`Offer`].
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It stands and has been reported.
    Accept(Wiring),
    /// It is to be closed with these words.
    Refuse(Farewell),
}

/// Whether an attempt may go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Yes.
    Go,
    /// There is a link, or another attempt is further.
    Busy,
    /// The machine is blocked.
    Blocked,
}

/// What the node orders.
#[derive(Debug)]
pub(crate) enum Command {
    Remember {
        machine: MachineId,
        addresses: Vec<SocketAddr>,
    },
    Forget(MachineId),
    AddTyped {
        text: String,
        typed: Typed,
        reply: Option<oneshot::Sender<Result<MachineId, DialError>>>,
    },
    RemoveTyped(String),
    Reach {
        machine: MachineId,
        addresses: Vec<SocketAddr>,
        reply: oneshot::Sender<Result<MachineId, DialError>>,
    },
    DropPeer(MachineId),
    Stir,
    /// Close everything and accept nothing more.
    Stop(oneshot::Sender<()>),
}

/// One machine that is linked or about to be.
#[derive(Debug, Default)]
struct Peer {
    up: Option<Up>,
    /// The attempt that may go on.
    claim: Option<Claimed>,
    /// A link that waits for a decision, and until when.
    waiting: Option<(Offer, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Claimed {
    attempt: AttemptId,
    direct: bool,
    until: Instant,
}

#[derive(Debug)]
struct Up {
    brief: Brief,
    since: Instant,
    /// This machine's address on this link; none in a tunnel.
    local: Option<IpAddr>,
    control: ControlSender,
}

/// The registry's parts that others hold the other ends of.
pub(crate) struct Ends {
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    pub(crate) events: mpsc::Sender<LinkEvent>,
    pub(crate) interfaces: watch::Receiver<Arc<Vec<Interface>>>,
    pub(crate) stirred: mpsc::Receiver<Stir>,
    pub(crate) network: watch::Sender<Arc<NetworkState>>,
    /// Counts changes of the network, for the relays.
    pub(crate) stirs: watch::Sender<u64>,
    /// Ends the registry.
    pub(crate) stop: CancellationToken,
}

pub(crate) struct Registry {
    greeter: Arc<Greeter>,
    gate: GateCheck,
    timings: Timings,
    peers: HashMap<MachineId, Peer>,
    targets: Targets,
    detours: Detours,
    /// Machines that misbehaved, and until when they are refused.
    penalties: HashMap<MachineId, Instant>,
    hints: HashMap<(MachineId, HintSource), Hint>,
    attempts: usize,
    asked: HashMap<Key, Vec<oneshot::Sender<Result<MachineId, DialError>>>>,
    probes: FuturesUnordered<BoxFuture<'static, (MachineId, ConnId, bool)>>,
    waiting_events: VecDeque<LinkEvent>,
    stopped: bool,
    links: Spawner,
    ends: Ends,
}

enum Event {
    Input(Input),
    Command(Command),
    Stir(Stir),
    Probed(MachineId, ConnId, bool),
    Time,
    Taken,
}

impl Registry {
    pub(crate) fn new(greeter: Arc<Greeter>, targets: Targets, links: Spawner, ends: Ends) -> Self {
        Self {
            gate: greeter.gate.clone(),
            timings: greeter.ways.timings.clone(),
            detours: Detours::new(greeter.me, greeter.ways.timings.clone()),
            greeter,
            peers: HashMap::new(),
            targets,
            penalties: HashMap::new(),
            hints: HashMap::new(),
            attempts: 0,
            asked: HashMap::new(),
            probes: FuturesUnordered::new(),
            waiting_events: VecDeque::new(),
            stopped: false,
            links,
            ends,
        }
    }

    /// Runs until it is stopped. What the node has not taken by then is handed over as far as there is room.
    pub(crate) async fn run(mut self) {
        self.run_until_stopped().await;
        for event in self.waiting_events {
            if self.ends.events.try_send(event).is_err() {
                return;
            }
        }
    }

    async fn run_until_stopped(&mut self) {
        loop {
            self.dial_due();
            let next = self.next_deadline();
            let idle = Instant::now() + std::time::Duration::from_secs(3600);
            let event = tokio::select! {
                () = self.ends.stop.cancelled() => return,
                Some(command) = self.ends.commands.recv() => Event::Command(command),
                Some(input) = self.ends.inputs.recv() => Event::Input(input),
                Some(stir) = self.ends.stirred.recv() => Event::Stir(stir),
                Some((peer, id, alive)) = self.probes.next() => Event::Probed(peer, id, alive),
                () = tokio::time::sleep_until(next.unwrap_or(idle)), if next.is_some() => Event::Time,
                Ok(room) = self.ends.events.reserve(), if !self.waiting_events.is_empty() => {
                    if let Some(event) = self.waiting_events.pop_front() {
                        room.send(event);
                    }
                    Event::Taken
                }
            };
            match event {
                Event::Input(input) => self.take(input),
                Event::Command(command) => self.obey(command),
                Event::Stir(stir) => self.stir(stir),
                Event::Probed(peer, id, alive) => self.probed(&peer, id, alive),
                Event::Time => self.expire(),
                Event::Taken => {}
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Offer(offer) => self.consider(offer),
            Input::Ended { peer, id, reason } => self.ended(&peer, id, reason),
            // Without an answer the attempt knows that it is too late.
            Input::Claim { .. } if self.stopped => {}
            Input::Claim { peer, attempt, direct, reply } => {
                let answer = self.claim(peer, attempt, direct);
                reply.send(answer).ok();
            }
            Input::Dialled { key, attempt, outcome } => self.dialled(&key, attempt, &outcome),
            Input::Sighted(hint) => self.sighted(hint),
            Input::Gone { machine, source } => {
                self.hints.retain(|(hinted, by), _| *hinted != machine || !source.covers(*by));
                if self.targets.gone(&machine, source) {
                    self.report(LinkEvent::HintGone { machine });
                }
                self.update_network(false, |_| {});
            }
            Input::Discovery { source, state } => self.update_network(true, |network| match source {
                HintSource::Mdns => network.mdns = state,
                _ => network.beacon = state,
            }),
            Input::Relay(status) => self.report(LinkEvent::Relay(status)),
            Input::Present { relay, machines } => self.present(&relay, machines),
            Input::Mail(mail) => self.report(LinkEvent::Mail(mail)),
            Input::SameIdentity(address) => {
                self.update_network(true, |network| network.same_identity_at = Some(address));
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Remember { machine, addresses } => {
                if machine != self.greeter.me && (self.gate)(&machine) != Gate::Refuse {
                    self.targets.remember(machine, &addresses, now);
                }
            }
            Command::Forget(machine) => self.targets.forget(&machine),
            Command::AddTyped { text, typed, reply } => {
                if let Some(reply) = reply {
                    self.asked.entry(Key::Typed(text.clone())).or_default().push(reply);
                }
                self.targets.add_typed(text, typed, now);
            }
            Command::RemoveTyped(text) => {
                self.targets.remove_typed(&text);
                self.asked.remove(&Key::Typed(text));
            }
            Command::Reach { machine, addresses, reply } => self.reach(machine, &addresses, reply),
            Command::DropPeer(machine) => {
                self.targets.drop_machine(&machine);
                self.take_down(&machine, ByeReason::Blocked, DownReason::Closed(ByeReason::Blocked));
            }
            Command::Stir => self.stir(Stir::Network),
            Command::Stop(done) => {
                self.stopped = true;
                let machines: Vec<_> = self.peers.keys().copied().collect();
                for machine in machines {
                    let bye = ByeReason::ShuttingDown;
                    self.refuse_waiting(&machine, bye);
                    self.take_down(&machine, bye, DownReason::Closed(bye));
                }
                done.send(()).ok();
            }
        }
    }

    /// Looks at every link and tries every machine, because the network is not what it was.
    fn stir(&mut self, stir: Stir) {
        tracing::debug!(?stir, "probing all links");
        for up in self.peers.values().filter_map(|peer| peer.up.as_ref()) {
            up.control.send(Control::Probe { within: self.timings.probe, answered: None }).ok();
        }
        // A link whose own end is gone needs no probe.
        if let Some(assigned) = interfaces::assigned() {
            let homeless =
                |peer: &Peer| peer.up.as_ref().and_then(|up| up.local).is_some_and(|local| !assigned.contains(&local));
            let machines: Vec<_> =
                self.peers.iter().filter(|(_, peer)| homeless(peer)).map(|(machine, _)| *machine).collect();
            for machine in machines {
                let reason = DownReason::Broken("the address of this machine has changed".into());
                self.take_down(&machine, ByeReason::ShuttingDown, reason);
                self.accept_waiting(&machine);
            }
        }
        self.targets.stir(Instant::now());
        self.detours.stir(Instant::now());
        self.ends.stirs.send_modify(|stirs| *stirs += 1);
        let interfaces = self.ends.interfaces.borrow_and_update().clone();
        self.update_network(true, |network| network.interfaces = interfaces.to_vec());
    }

    fn consider(&mut self, offer: Offer) {
        let now = Instant::now();
        let gate = (self.gate)(&offer.peer);
        // The peer may have given up while the offer waited.
        if offer.reply.is_closed() {
            return;
        }
        if self.stopped {
            return refuse(offer, ByeReason::ShuttingDown, "shutting down");
        }
        // Blocked after the handshake: dropped without a word, like before it.
        if gate == Gate::Refuse {
            return;
        }
        if self.penalties.get(&offer.peer).is_some_and(|until| *until > now) {
            return refuse(offer, ByeReason::Flood, "come back later");
        }
        if gate == (Gate::Allow { contact: false }) && self.strangers() >= STRANGERS {
            return refuse(offer, ByeReason::Flood, "too many links with machines that are no contacts");
        }
        let peer = self.peers.entry(offer.peer).or_default();
        let direct = offer.path.is_direct();
        let brief = Brief { id: offer.id, inbound: offer.inbound, direct, instance: offer.hello.instance };
        let dialling = peer.claim.map(|claim| claim.direct);
        let settled = |up: &Up| now > up.since + self.timings.claim();
        let standing = peer.up.as_ref().map(|up| Incumbent { link: up.brief, settled: settled(up) });
        match decide(&self.greeter.me, &offer.peer, standing, dialling, brief) {
            Decision::Accept => self.accept(offer),
            Decision::Replace => {
                self.take_down(&offer.peer.clone(), ByeReason::Duplicate, DownReason::Replaced);
                self.accept(offer);
            }
            Decision::WaitForDial => self.wait(offer, now + self.timings.upgrade + self.timings.hello),
            Decision::Probe => {
                if let Some(up) = &peer.up {
                    let (answered, alive) = oneshot::channel();
                    let (machine, id) = (offer.peer, up.brief.id);
                    let same_run = up.brief.instance == brief.instance;
                    let within = if same_run { self.timings.conflict } else { self.timings.probe };
                    up.control.send(Control::Probe { within, answered: Some(answered) }).ok();
                    self.probes.push(async move { (machine, id, alive.await.is_ok()) }.boxed());
                }
                self.wait(offer, now + self.timings.probe * 2);
            }
            Decision::Refuse => refuse(offer, ByeReason::Duplicate, "another link to this machine is kept"),
        }
    }

    fn wait(&mut self, offer: Offer, until: Instant) {
        let machine = offer.peer;
        self.refuse_waiting(&machine, ByeReason::Duplicate);
        self.peers.entry(machine).or_default().waiting = Some((offer, until));
    }

    fn accept(&mut self, offer: Offer) {
        let Offer { id, peer: machine, hello, inbound, path, local, reply } = offer;
        let direct = path.is_direct();
        let (conn, frames, control, wiring) = wire(id, machine);
        if reply.send(Verdict::Accept(wiring)).is_err() {
            return;
        }
        let brief = Brief { id, inbound, direct, instance: hello.instance };
        let peer = self.peers.entry(machine).or_default();
        peer.up = Some(Up { brief, since: Instant::now(), local, control });
        if !inbound {
            peer.claim.take_if(|claim| claim.direct == direct);
        }
        if let Path::Direct(address) = &path {
            self.targets.linked(machine, *address, Instant::now());
        }
        self.detours.linked(machine);
        tracing::info!(peer = %machine.short(), %id, inbound, %path, "link stands");
        self.report(LinkEvent::Up { peer: machine, hello, conn, frames, path, inbound });
        // Whatever waited while we dialled has lost.
        if !inbound {
            self.refuse_waiting(&machine, ByeReason::Duplicate);
        }
    }

    /// Ends the link that stands, and reports it at once: what follows must find the place free.
    fn take_down(&mut self, machine: &MachineId, bye: ByeReason, reason: DownReason) {
        let Some(up) = self.peers.get_mut(machine).and_then(|peer| peer.up.take()) else { return };
        up.control.send(Control::Close { bye, reason: reason.clone() }).ok();
        self.unlinked(machine, &up, false, Instant::now());
        self.report(LinkEvent::Down { peer: *machine, conn_id: up.brief.id, reason });
        self.tidy(machine);
    }

    fn ended(&mut self, machine: &MachineId, id: ConnId, reason: DownReason) {
        let Some(peer) = self.peers.get_mut(machine) else { return };
        // One that was replaced has been reported already.
        let Some(up) = peer.up.take_if(|up| up.brief.id == id) else { return };
        let now = Instant::now();
        let offended = matches!(reason, DownReason::Flood | DownReason::Protocol(_));
        if offended {
            self.penalties.retain(|_, until| *until > now);
            self.penalties.insert(*machine, now + self.timings.penalty);
        }
        let unwanted = matches!(
            reason,
            DownReason::PeerClosed(ByeReason::Flood | ByeReason::Protocol | ByeReason::Version | ByeReason::Blocked)
        );
        self.unlinked(machine, &up, offended || unwanted, now);
        self.report(LinkEvent::Down { peer: *machine, conn_id: id, reason });
        self.accept_waiting(machine);
        self.tidy(machine);
    }

    /// Plans how to reach a machine whose link has ended.
    fn unlinked(&mut self, machine: &MachineId, up: &Up, grave: bool, now: Instant) {
        if up.brief.direct {
            self.targets.unlinked(machine, grave, now);
        }
        let stood = !grave && now >= up.since + STOOD;
        self.detours.unlinked(machine, stood, self.targets.chance(), now);
    }

    fn present(&mut self, relay: &RelayAddress, machines: Vec<(MachineId, bool)>) {
        let now = Instant::now();
        for (machine, online) in machines {
            if let Some(relays) = self.detours.present(relay, machine, online, now) {
                self.report(LinkEvent::Present { machine, relays });
            }
        }
    }

    fn probed(&mut self, machine: &MachineId, id: ConnId, alive: bool) {
        let standing = self.peers.get(machine).and_then(|peer| peer.up.as_ref());
        if alive && standing.is_some_and(|up| up.brief.id == id) {
            self.refuse_waiting(machine, ByeReason::Duplicate);
        }
        // A link that did not answer ends, and its end decides.
    }

    fn accept_waiting(&mut self, machine: &MachineId) {
        let Some(peer) = self.peers.get_mut(machine) else { return };
        if peer.up.is_none()
            && let Some((offer, _)) = peer.waiting.take()
        {
            self.consider(offer);
        }
    }

    fn refuse_waiting(&mut self, machine: &MachineId, bye: ByeReason) {
        if let Some((offer, _)) = self.peers.get_mut(machine).and_then(|peer| peer.waiting.take()) {
            refuse(offer, bye, "another link to this machine is kept");
        }
    }

    fn claim(&mut self, machine: MachineId, attempt: AttemptId, direct: bool) -> Claim {
        let now = Instant::now();
        if (self.gate)(&machine) == Gate::Refuse {
            return Claim::Blocked;
        }
        let peer = self.peers.entry(machine).or_default();
        // A tunnel is in no direct attempt's way.
        let better = |other: bool| direct && !other;
        let linked = peer.up.as_ref().is_some_and(|up| !better(up.brief.direct));
        let dialling = peer.claim.is_some_and(|claim| claim.until > now && !better(claim.direct));
        if linked || dialling || peer.waiting.is_some() {
            return Claim::Busy;
        }
        peer.claim = Some(Claimed { attempt, direct, until: now + self.timings.claim() });
        Claim::Go
    }

    fn release_claim(&mut self, attempt: AttemptId) {
        let held = |peer: &Peer| peer.claim.is_some_and(|claim| claim.attempt == attempt);
        let Some(machine) = self.peers.iter().find(|(_, peer)| held(peer)).map(|(machine, _)| *machine) else { return };
        if let Some(peer) = self.peers.get_mut(&machine) {
            peer.claim = None;
        }
        self.accept_waiting(&machine);
        self.tidy(&machine);
    }

    fn dialled(&mut self, key: &Key, attempt: AttemptId, outcome: &Result<MachineId, DialError>) {
        self.attempts = self.attempts.saturating_sub(1);
        self.release_claim(attempt);
        if let (Key::Typed(text), Ok(machine)) = (key, outcome) {
            self.targets.answered(text, *machine);
        }
        let hopeless = matches!(outcome, Err(DialError::Myself(_)));
        self.finished(key, attempt, Instant::now());
        if let Err(error) = outcome {
            tracing::debug!(?key, "no link: {error}");
        }
        if let Key::Typed(text) = key
            && hopeless
        {
            self.targets.remove_typed(text);
        }
        for reply in self.asked.remove(key).unwrap_or_default() {
            reply.send(outcome.clone()).ok();
        }
    }

    /// Dials a machine because somebody waits for the outcome.
    fn reach(
        &mut self,
        machine: MachineId,
        addresses: &[SocketAddr],
        reply: oneshot::Sender<Result<MachineId, DialError>>,
    ) {
        if self.peers.get(&machine).is_some_and(|peer| peer.up.is_some()) {
            reply.send(Ok(machine)).ok();
            return;
        }
        let asked = self.asked.entry(Key::Machine(machine)).or_default();
        // Nobody hears those whose asker has given up.
        asked.retain(|reply| !reply.is_closed());
        asked.push(reply);
        self.targets.remember(machine, addresses, Instant::now());
    }

    fn sighted(&mut self, hint: Hint) {
        if hint.machine == self.greeter.me || (self.gate)(&hint.machine) == Gate::Refuse {
            return;
        }
        let now = Instant::now();
        self.targets.sighted(hint.machine, &hint.addrs, hint.source, now);
        if self.hints.len() > 2 * EVENTS_WAITING {
            self.hints.clear();
        }
        if self.hints.get(&(hint.machine, hint.source)) != Some(&hint) {
            self.hints.insert((hint.machine, hint.source), hint.clone());
            self.report(LinkEvent::Hint(hint));
        }
        self.update_network(false, |_| {});
    }

    fn dial_due(&mut self) {
        if self.stopped {
            return;
        }
        let now = Instant::now();
        let room = ATTEMPTS.saturating_sub(self.attempts);
        let mut jobs = self.targets.due(now, room);
        for (machine, relay) in self.detours.due(now, room.saturating_sub(jobs.len())) {
            let attempt = self.targets.number();
            jobs.push(Job { key: Key::Tunnel(machine), attempt, place: Place::Relay(relay) });
        }
        for job in jobs {
            if self.barred(&job.key, now) {
                self.asked.remove(&job.key);
                self.finished(&job.key, job.attempt, now);
            } else {
                self.attempts += 1;
                self.dial(job);
            }
        }
    }

    fn finished(&mut self, key: &Key, attempt: AttemptId, now: Instant) {
        self.targets.finished(key, attempt, now);
        if let Key::Tunnel(machine) = key {
            self.detours.finished(machine, self.targets.chance(), now);
        }
    }

    /// Whether a machine is blocked or being kept away for what it did.
    fn barred(&self, key: &Key, now: Instant) -> bool {
        let (Key::Machine(machine) | Key::Tunnel(machine)) = key else { return false };
        (self.gate)(machine) == Gate::Refuse || self.penalties.get(machine).is_some_and(|until| *until > now)
    }

    fn dial(&mut self, job: Job) {
        let greeter = self.greeter.clone();
        let expect = match &job.key {
            Key::Machine(machine) | Key::Tunnel(machine) => Some(*machine),
            Key::Typed(_) => None,
        };
        let stop = self.links.stop_token();
        self.links.spawn(format!("dial {}", job.attempt.0), async move {
            let Job { key, attempt, place } = job;
            let dialling = async {
                let direct = |addresses: Vec<SocketAddr>| addresses.into_iter().map(Path::Direct).collect();
                let paths: Vec<_> = match place {
                    Place::Addresses(addresses) => direct(addresses),
                    Place::Relay(relay) => vec![Path::Relay(relay)],
                    Place::Typed(typed) => direct(dial::resolve(&typed).await?),
                };
                let reached = greeter.ways.reach(&paths, expect).await;
                greeter.clone().dial(attempt, reached).await
            };
            let outcome = tokio::select! {
                outcome = dialling => outcome,
                () = stop.cancelled() => Err(DialError::ShuttingDown),
            };
            let (outcome, standing) = match outcome {
                Ok((machine, standing)) => (Ok(machine), standing.map(|standing| (machine, standing))),
                Err(error) => (Err(error), None),
            };
            greeter.inputs.send(Input::Dialled { key, attempt, outcome }).await.ok();
            if let Some((machine, standing)) = standing {
                greeter.serve(standing.id, machine, standing.socket, standing.wiring, false).await;
            }
        });
    }

    fn next_deadline(&self) -> Option<Instant> {
        let waiting = self.peers.values().filter_map(|peer| peer.waiting.as_ref().map(|(_, until)| *until));
        let room = if self.stopped { 0 } else { ATTEMPTS.saturating_sub(self.attempts) };
        let due = self.targets.next_due(room).into_iter().chain(self.detours.next_due(room));
        waiting.chain(due).min()
    }

    fn expire(&mut self) {
        let now = Instant::now();
        let late = |peer: &Peer| peer.waiting.as_ref().is_some_and(|(_, until)| *until <= now);
        let machines: Vec<_> = self.peers.iter().filter(|(_, peer)| late(peer)).map(|(machine, _)| *machine).collect();
        for machine in machines {
            self.refuse_waiting(&machine, ByeReason::Duplicate);
            self.tidy(&machine);
        }
    }

    fn strangers(&self) -> usize {
        let stranger = |machine: &MachineId| (self.gate)(machine) == Gate::Allow { contact: false };
        self.peers.iter().filter(|(machine, peer)| peer.up.is_some() && stranger(machine)).count()
    }

    fn tidy(&mut self, machine: &MachineId) {
        let empty = |peer: &Peer| peer.up.is_none() && peer.claim.is_none() && peer.waiting.is_none();
        if self.peers.get(machine).is_some_and(empty) {
            self.peers.remove(machine);
        }
    }

    fn report(&mut self, event: LinkEvent) {
        let droppable = !matches!(event, LinkEvent::Up { .. } | LinkEvent::Down { .. });
        if !droppable || self.waiting_events.len() < EVENTS_WAITING {
            self.waiting_events.push_back(event);
        }
    }

    /// Changes the published state; tells the node of it if `tell` and there is a change.
    fn update_network(&mut self, tell: bool, change: impl FnOnce(&mut NetworkState)) {
        let hints = self.targets.hints();
        let before = self.ends.network.borrow().clone();
        let mut after = NetworkState::clone(&before);
        after.hints = hints;
        change(&mut after);
        if *before == after {
            return;
        }
        let after = Arc::new(after);
        self.ends.network.send_replace(after.clone());
        if tell {
            self.report(LinkEvent::Network(after));
        }
    }
}

fn refuse(offer: Offer, bye: ByeReason, words: &str) {
    let farewell = Farewell { bye: Some(bye), code: CloseCode::Policy, words: words.to_owned() };
    offer.reply.send(Verdict::Refuse(farewell)).ok();
}
