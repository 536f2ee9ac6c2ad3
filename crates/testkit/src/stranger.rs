//! A hostile machine: built on `link` and `proto` alone, it may send whatever it likes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use link::blob::{BlobError, Content, Sink, stream::InMemory};
use link::{Conn, DiscoveryConfig, Gate, Link, LinkConfig, LinkEvent};
use node::clock::SystemClock;
use proto::attachment::Blob;
use proto::clock::Clock as _;
use proto::event::{Body, Event, Header};
use proto::frame::{Frame, Hello};
use proto::id::{Epoch, EventId, MachineId, SessionId};
use proto::identity::Identity;
use proto::register::{Profile, SignedProfile};
use proto::run::Run;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::person::{PATIENCE, Person};

/// A machine that speaks the protocol as a test tells it to.
#[derive(Debug)]
pub struct Stranger {
    /// Its key pair.
    pub identity: Arc<Identity>,
    link: Link,
    events: mpsc::Receiver<LinkEvent>,
    conn: Option<Conn>,
    frames: Option<mpsc::Receiver<Frame>>,
}

impl Stranger {
    /// A new machine with the key of `seed`.
    pub async fn new(seed: u8) -> Self {
        let identity = Arc::new(Identity::from_seed([seed; 32]));
        let profile = Profile { name: "Mallory".into(), colour: 3, ..Profile::default() };
        let profile = SignedProfile::sign(&identity, 1, &profile).expect("a clean profile");
        let clock = Arc::new(SystemClock::new());
        let hello_clock = clock.clone();
        let timings = link::Timings {
            backoff_first: Duration::from_millis(20),
            backoff_longest: Duration::from_millis(100),
            penalty: Duration::from_millis(100),
            ..link::Timings::default()
        };
        let config = LinkConfig {
            identity: identity.clone(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            discovery: DiscoveryConfig { mdns: false, beacon: false, ..DiscoveryConfig::default() },
            typed: Vec::new(),
            hello: Arc::new(move || Hello {
                version: proto::limits::PROTOCOL_VERSION,
                features: 0,
                listen_port: 0,
                wall_ms: hello_clock.wall_ms(),
                instance: 0,
                profile: profile.clone(),
            }),
            gate: Arc::new(|_| Gate::Allow { contact: true }),
            blobs: Arc::new(drop),
            clock,
            timings,
        };
        let (link, events) = Link::start(config).await.expect("the link starts");
        Self { identity, link, events, conn: None, frames: None }
    }

    /// Asks a person's node for a blob; what it got, or why it got nothing.
    ///
    /// # Errors
    /// What the other side answers.
    pub async fn fetches(&self, person: &Person, blob: Blob) -> Result<Vec<u8>, BlobError> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let address = person.node().listen_addr();
        let sink = Box::new(Kept(kept.clone()));
        let (id, cancel) = (person.node().machine_id(), CancellationToken::new());
        self.link.fetch_blob(id, &address.into(), blob, 0, sink, &cancel).await?;
        let bytes = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(bytes)
    }

    /// Brings a person's node bytes, under the name of a blob.
    ///
    /// # Errors
    /// What the other side answers.
    pub async fn brings(&self, person: &Person, blob: Blob, bytes: Vec<u8>) -> Result<(), BlobError> {
        let (data, hashes) = (Box::new(InMemory(bytes)), Box::new(InMemory(Vec::new())));
        let (address, id) = (person.node().listen_addr(), person.node().machine_id());
        let content = Content { blob, data, hashes };
        self.link.bring_blob(id, &address.into(), content, 0, &CancellationToken::new()).await
    }

    /// Its machine ID.
    #[must_use]
    pub fn id(&self) -> MachineId {
        self.identity.machine_id()
    }

    /// Dials a person's node, and returns when the link stands.
    pub async fn dial(&mut self, person: &Person) {
        let address = person.node().listen_addr().to_string();
        // Refused for a moment after it misbehaved; the typed address is tried again.
        let _ = self.link.add_address(&address).await;
        self.up().await;
    }

    /// Waits for the next link.
    pub async fn up(&mut self) {
        loop {
            if let LinkEvent::Up { conn, frames, .. } = self.event().await {
                (self.conn, self.frames) = (Some(conn), Some(frames));
                return;
            }
        }
    }

    /// Waits until the link ends.
    pub async fn down(&mut self) {
        while !matches!(self.event().await, LinkEvent::Down { .. }) {}
    }

    async fn event(&mut self) -> LinkEvent {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event.expect("the stranger waited too long for its link").expect("the link runs")
    }

    /// Sends a frame.
    pub async fn send(&self, frame: Frame) {
        self.conn.as_ref().expect("a link").send(frame).await.expect("the link stands");
    }

    /// Sends a frame again and again, until it was sent so often or the link ends.
    pub async fn flood(&self, frame: Frame, count: usize) {
        let conn = self.conn.as_ref().expect("a link");
        for _ in 0..count {
            if conn.send(frame.clone()).await.is_err() {
                return;
            }
        }
    }

    /// Sends runs of the direct session with a person.
    pub async fn send_runs(&self, session: SessionId, runs: Vec<Run>) {
        self.send(Frame::Events { session, runs }).await;
    }

    /// Waits for a frame that fits.
    pub async fn receive<T>(&mut self, what: &str, fits: impl Fn(&Frame) -> Option<T>) -> T {
        let frames = self.frames.as_mut().expect("a link");
        let waiting = async {
            loop {
                let frame = frames.recv().await.unwrap_or_else(|| panic!("the link ended before {what}"));
                if let Some(found) = fits(&frame) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("the stranger waited too long for {what}"))
    }

    /// The direct session with a person.
    #[must_use]
    pub fn session(&self, person: &Person) -> SessionId {
        SessionId::direct(&self.id(), &person.node().machine_id())
    }

    /// Ends its link.
    pub async fn end(self) {
        self.link.shutdown().await;
    }
}

/// A log that is written by hand.
#[derive(Debug, Clone)]
pub struct History {
    session: SessionId,
    epoch: Epoch,
    seq: u64,
    prev: Option<EventId>,
    lamport: u64,
}

impl History {
    /// An empty log.
    #[must_use]
    pub fn new(session: SessionId, epoch: u64) -> Self {
        Self { session, epoch: Epoch::new(epoch), seq: 0, prev: None, lamport: 0 }
    }

    /// The header that would follow; a test may bend it.
    #[must_use]
    pub fn next(&self, author: MachineId, body: &Body) -> Header {
        Header {
            session: self.session,
            author,
            epoch: self.epoch,
            seq: self.seq + 1,
            prev: self.prev,
            parents: Vec::new(),
            lamport: self.lamport + 1,
            wall_ms: 1_700_000_000_000,
            kind: body.kind().expect("a known kind"),
            body_hash: [0; 32],
        }
    }

    /// Signs one event, and goes on after it.
    pub fn say(&mut self, identity: &Identity, text: &str) -> Run {
        let body = Body::message(text);
        let header = self.next(identity.machine_id(), &body);
        self.sign(identity, header, &body)
    }

    /// Signs a header, perhaps a bent one, and goes on after it.
    pub fn sign(&mut self, identity: &Identity, header: Header, body: &Body) -> Run {
        let event = Event::new(header, body.encode().expect("a body")).expect("an event");
        (self.seq, self.prev, self.lamport) = (event.header().seq, Some(event.id()), event.header().lamport);
        Run::sign(identity, vec![event]).expect("a run").into_run()
    }
}

/// Keeps what comes in memory.
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Sink for Kept {
    fn write(&mut self, _: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
        Ok(())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
