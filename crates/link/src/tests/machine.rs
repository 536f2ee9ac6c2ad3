//! A machine for tests: a link with its own identity, and expectations about what it reports.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use proto::{
    clock::ManualClock,
    frame::{Frame, Hello},
    id::MachineId,
    identity::Identity,
    register::{Profile, SignedProfile},
    relay::RelayAddress,
};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    Conn, ConnId, DiscoveryConfig, DownReason, Gate, Hint, InterfaceScope, Link, LinkConfig, LinkEvent, Mail,
    NetworkState, Path, RelayState, RelayStatus, Timings, Visibility, blob::BlobDesk,
};

/// How long an expectation waits before the test fails. Far more than anything takes on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(super) async fn expect<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain: {what}"),
    }
}

/// An identity that no other test uses, also not in another process: mDNS and beacon are shared.
pub(super) fn identity() -> Arc<Identity> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap();
    Arc::new(Identity::from_seed(seed))
}

/// Two identities, the one with the smaller machine ID first.
pub(super) fn two_identities() -> (Arc<Identity>, Arc<Identity>) {
    let (one, other) = (identity(), identity());
    if one.machine_id() < other.machine_id() { (one, other) } else { (other, one) }
}

/// Deadlines short enough for tests, long enough for a busy machine.
pub(super) fn quick() -> Timings {
    Timings {
        backoff_first: Duration::from_millis(50),
        backoff_longest: Duration::from_millis(400),
        closing: Duration::from_millis(500),
        ..Timings::default()
    }
}

pub(super) fn hello(identity: &Identity) -> Hello {
    let profile = Profile { name: "Anna".into(), device: "test".into(), colour: 1, ..Profile::default() };
    Hello {
        version: 1,
        features: 0,
        listen_port: 0,
        wall_ms: 1_700_000_000_000,
        instance: 0,
        profile: SignedProfile::sign(identity, 1, &profile).unwrap(),
    }
}

/// Who may link; shared with the test, which may change it.
#[derive(Clone)]
pub(super) struct GateBook {
    answers: Arc<Mutex<HashMap<MachineId, Gate>>>,
    others: Gate,
}

impl GateBook {
    /// Everybody is a contact.
    pub(super) fn open() -> Self {
        Self { answers: Arc::default(), others: Gate::Allow { contact: true } }
    }

    /// Only these; for tests of discovery, which sees the machines of other tests.
    pub(super) fn only(machines: &[MachineId]) -> Self {
        let answers = machines.iter().map(|machine| (*machine, Gate::Allow { contact: true })).collect();
        Self { answers: Arc::new(Mutex::new(answers)), others: Gate::Refuse }
    }

    pub(super) fn set(&self, machine: MachineId, gate: Gate) {
        self.answers.lock().unwrap().insert(machine, gate);
    }

    fn ask(&self, machine: &MachineId) -> Gate {
        self.answers.lock().unwrap().get(machine).copied().unwrap_or(self.others)
    }
}

/// Settings of a machine, to be changed before [`Setup::start`].
pub(super) struct Setup {
    pub(super) identity: Arc<Identity>,
    pub(super) listen: SocketAddr,
    pub(super) discovery: DiscoveryConfig,
    pub(super) timings: Timings,
    pub(super) gate: GateBook,
    pub(super) blobs: BlobDesk,
    pub(super) clock: Arc<ManualClock>,
}

impl Setup {
    pub(super) fn new(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            listen: ([127, 0, 0, 1], 0).into(),
            discovery: DiscoveryConfig {
                mdns: false,
                beacon: false,
                beacon_port: 0,
                visibility: Visibility::Everyone,
                interfaces: InterfaceScope::Loopback,
            },
            timings: quick(),
            gate: GateBook::open(),
            // Drops every call: nothing is served.
            blobs: Arc::new(drop),
            clock: Arc::new(ManualClock::new(1_700_000_000_000)),
        }
    }

    pub(super) async fn start(self) -> Machine {
        let id = self.identity.machine_id();
        let (greeting, gate) = (self.identity.clone(), self.gate.clone());
        let config = LinkConfig {
            identity: self.identity.clone(),
            listen: self.listen,
            discovery: self.discovery,
            typed: Vec::new(),
            hello: Arc::new(move || hello(&greeting)),
            gate: Arc::new(move |machine| gate.ask(machine)),
            blobs: self.blobs,
            clock: self.clock.clone(),
            timings: self.timings,
        };
        let (link, events) = Link::start(config).await.unwrap();
        Machine { id, link, events, passed: VecDeque::new(), gate: self.gate, clock: self.clock }
    }
}

/// A running link and what it reports.
pub(super) struct Machine {
    pub(super) id: MachineId,
    pub(super) link: Link,
    pub(super) events: mpsc::Receiver<LinkEvent>,
    passed: VecDeque<LinkEvent>,
    pub(super) gate: GateBook,
    pub(super) clock: Arc<ManualClock>,
}

/// A link that stands.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) peer: MachineId,
    pub(super) hello: Box<Hello>,
    pub(super) conn: Conn,
    pub(super) frames: mpsc::Receiver<Frame>,
    pub(super) path: Path,
    pub(super) inbound: bool,
}

impl Machine {
    pub(super) async fn start(identity: Arc<Identity>) -> Self {
        Setup::new(identity).start().await
    }

    pub(super) fn address(&self) -> String {
        self.link.listen_addr().to_string()
    }

    /// The next event that a test asks about; what it does not ask about stays for later.
    async fn next(&mut self, what: &str, wanted: impl Fn(&LinkEvent) -> bool) -> LinkEvent {
        if let Some(place) = self.passed.iter().position(&wanted) {
            return self.passed.remove(place).unwrap();
        }
        loop {
            match expect(what, self.events.recv()).await {
                Some(event) if wanted(&event) => return event,
                Some(event) => self.passed.push_back(event),
                None => panic!("the events ended, waiting for: {what}"),
            }
        }
    }

    async fn link_event(&mut self, what: &str) -> LinkEvent {
        self.next(what, |event| matches!(event, LinkEvent::Up { .. } | LinkEvent::Down { .. })).await
    }

    /// The next link that comes up; nothing may go down before.
    pub(super) async fn up(&mut self) -> Standing {
        match self.link_event("a link").await {
            LinkEvent::Up { peer, hello, conn, frames, path, inbound } => {
                Standing { peer, hello, conn, frames, path, inbound }
            }
            other => panic!("instead of a link coming up: {other:?}"),
        }
    }

    /// The next link that goes down; none may come up before.
    pub(super) async fn down(&mut self) -> (MachineId, ConnId, DownReason) {
        match self.link_event("the end of a link").await {
            LinkEvent::Down { peer, conn_id, reason } => (peer, conn_id, reason),
            other => panic!("instead of a link going down: {other:?}"),
        }
    }

    /// The next hint about a machine.
    pub(super) async fn hint(&mut self, machine: MachineId) -> Hint {
        let wanted = |event: &LinkEvent| matches!(event, LinkEvent::Hint(hint) if hint.machine == machine);
        match self.next("a hint", wanted).await {
            LinkEvent::Hint(hint) => hint,
            other => panic!("no hint: {other:?}"),
        }
    }

    /// That a machine's hints are gone.
    pub(super) async fn hint_gone(&mut self, machine: MachineId) {
        let wanted = |event: &LinkEvent| matches!(event, LinkEvent::HintGone { machine: gone } if *gone == machine);
        self.next("the end of a hint", wanted).await;
    }

    /// The next change of the network's state.
    pub(super) async fn network(&mut self) -> Arc<NetworkState> {
        match self.next("a change of the network", |event| matches!(event, LinkEvent::Network(_))).await {
            LinkEvent::Network(state) => state,
            other => panic!("no state of the network: {other:?}"),
        }
    }

    /// The next change of how it stands with a relay.
    pub(super) async fn relay(&mut self) -> RelayState {
        match self.next("a relay", |event| matches!(event, LinkEvent::Relay(_))).await {
            LinkEvent::Relay(status) => status.state,
            other => panic!("no state of a relay: {other:?}"),
        }
    }

    /// The next change of how it stands with one relay.
    pub(super) async fn relay_at(&mut self, address: &RelayAddress) -> RelayState {
        let wanted = |event: &LinkEvent| matches!(event, LinkEvent::Relay(status) if status.address == *address);
        match self.next("a relay", wanted).await {
            LinkEvent::Relay(status) => status.state,
            other => panic!("no state of a relay: {other:?}"),
        }
    }

    /// Waits until a relay has taken what it was told.
    pub(super) async fn connected(&mut self, address: &RelayAddress) {
        while self.relay_at(address).await != RelayState::Connected {}
    }

    /// The next page of a mailbox.
    pub(super) async fn mail(&mut self) -> Mail {
        match self.next("mail", |event| matches!(event, LinkEvent::Mail(_))).await {
            LinkEvent::Mail(mail) => mail,
            other => panic!("no mail: {other:?}"),
        }
    }

    /// The next machine of which a relay speaks, and the relays where it is.
    pub(super) async fn present(&mut self) -> (MachineId, Vec<RelayAddress>) {
        match self.next("a machine at a relay", |event| matches!(event, LinkEvent::Present { .. })).await {
            LinkEvent::Present { machine, relays } => (machine, relays),
            other => panic!("nobody at a relay: {other:?}"),
        }
    }

    /// Fails if a relay was given up that the test did not ask about.
    pub(super) fn no_relay_was_lost(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.passed.push_back(event);
        }
        let lost =
            |event: &LinkEvent| matches!(event, LinkEvent::Relay(RelayStatus { state: RelayState::Failed(_), .. }));
        assert!(!self.passed.iter().any(lost), "{:?}", self.passed);
    }

    /// Fails if a relay's word about a machine was passed on.
    pub(super) fn nobody_was_present(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.passed.push_back(event);
        }
        assert!(!self.passed.iter().any(|event| matches!(event, LinkEvent::Present { .. })), "{:?}", self.passed);
    }

    /// Fails if a link came up or went down that the test did not ask about.
    pub(super) fn no_link_changed(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.passed.push_back(event);
        }
        let changed = |event: &&LinkEvent| matches!(event, LinkEvent::Up { .. } | LinkEvent::Down { .. });
        assert!(!self.passed.iter().any(|event| changed(&event)), "{:?}", self.passed);
    }
}

impl Standing {
    pub(super) async fn receive(&mut self) -> Frame {
        expect("a frame", self.frames.recv()).await.unwrap_or_else(|| panic!("the link ended"))
    }
}

/// A frame that can be told from others.
pub(super) fn numbered(number: u64) -> Frame {
    Frame::Digests(vec![(proto::SessionId::from_bytes([7; 16]), digest(number))])
}

fn digest(number: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    digest
}

pub(super) fn number_of(frame: &Frame) -> u64 {
    match frame {
        Frame::Digests(digests) => u64::from_be_bytes(digests[0].1[..8].try_into().unwrap()),
        other => panic!("not a numbered frame: {other:?}"),
    }
}

/// A frame of about 200 KB.
pub(super) fn large() -> Frame {
    Frame::Digests(vec![(proto::SessionId::from_bytes([7; 16]), [1; 32]); 4096])
}

/// Sends a frame each way and expects it to arrive: the two ends are of one link.
pub(super) async fn converse(a: &mut Standing, b: &mut Standing, number: u64) {
    a.conn.send(numbered(number)).await.unwrap();
    assert_eq!(number_of(&b.receive().await), number);
    b.conn.send(numbered(number + 1)).await.unwrap();
    assert_eq!(number_of(&a.receive().await), number + 1);
}
