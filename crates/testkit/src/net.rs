//! A network of people.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use node::view::Session;
use node::{Config, KeyStore, Timings};
use proto::clock::Clock;
use tempfile::TempDir;

use crate::liar::Liar;
use crate::logs;
use crate::person::Person;
use crate::proxy::Proxy;
use crate::relay::Relay;
use crate::transcript::Transcript;

/// People on one loopback network, each with a node and a directory, and cables between them.
#[derive(Debug)]
pub struct Net {
    dir: TempDir,
    transcript: Transcript,
    /// By the names of both, the dialler first.
    cables: Mutex<HashMap<(String, String), Arc<Proxy>>>,
    people: Mutex<Vec<Person>>,
}

/// Alice and Bob, who have met and accepted each other, and their session as Alice has it.
pub async fn friends() -> (Net, Person, Person, Session) {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let session = alice.open(&bob).await;
    bob.sees_session(&session.session_id, "opened", |_| true).await;
    bob.node().accept(&alice.id()).await.unwrap();
    (net, alice, bob, session)
}

/// How a person's node is to differ from the usual.
#[derive(Clone, Default)]
pub struct Setup {
    /// Another clock than the real one.
    pub clock: Option<Arc<dyn Clock>>,
    /// Another interval of digests.
    pub redigest: Option<Duration>,
    /// Another patience with relays that fail.
    pub relay_patience: Option<Duration>,
    /// Addresses of relays where it is to be reached.
    pub relays: Vec<String>,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("redigest", &self.redigest).finish_non_exhaustive()
    }
}

impl Default for Net {
    fn default() -> Self {
        Self::new()
    }
}

impl Net {
    /// An empty network. From here on the log is watched.
    #[must_use]
    pub fn new() -> Self {
        logs::watch();
        Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            transcript: Transcript::new(),
            cables: Mutex::default(),
            people: Mutex::default(),
        }
    }

    /// Alice, with a new node.
    pub async fn alice(&self) -> Person {
        self.person("Alice", Setup::default()).await
    }

    /// Bob, with a new node.
    pub async fn bob(&self) -> Person {
        self.person("Bob", Setup::default()).await
    }

    /// Anybody, with a new node.
    pub async fn person(&self, name: &str, setup: Setup) -> Person {
        let person = Person::start(name, self.config(name, setup), self.transcript.clone()).await;
        self.people.lock().unwrap_or_else(PoisonError::into_inner).push(person.clone());
        person
    }

    /// The configuration that a person's node is started with.
    #[must_use]
    pub fn config(&self, name: &str, setup: Setup) -> Config {
        let mut config = Config::new(self.dir.path().join(name.to_lowercase()));
        config.name = Some(name.to_owned());
        config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        config.mdns = false;
        config.beacon = false;
        config.key_store = KeyStore::File;
        if let Some(clock) = setup.clock {
            config.clock = clock;
        }
        config.relays = setup.relays;
        config.timings = quick();
        if let Some(redigest) = setup.redigest {
            config.timings.redigest = redigest;
        }
        if let Some(patience) = setup.relay_patience {
            config.timings.relay_fault = patience;
            config.timings.relay_away = patience;
        }
        config
    }

    /// Links two people who accept each other; their session.
    pub async fn befriend(&self, one: &Person, other: &Person) -> Session {
        self.connect(one, other).await;
        let session = one.open(other).await;
        other.sees_session(&session.session_id, "opened", |_| true).await;
        other.node().accept(&one.id()).await.expect("a machine that opened a session can be accepted");
        session
    }

    /// A relay for everybody, with limits that no test meets.
    pub async fn relay(&self) -> Relay {
        self.relay_called("relay", |_| {}).await
    }

    /// The same, one of several or with other limits.
    pub async fn relay_called(&self, name: &str, set: impl FnOnce(&mut relay::Limits)) -> Relay {
        let mut limits = unlimited();
        set(&mut limits);
        Relay::start(self.dir.path().join(name), limits, self.transcript.clone()).await
    }

    /// A relay that lies when it is told to, with limits that no test meets.
    pub async fn liar(&self) -> Liar {
        Liar::start(self.dir.path().join("liar"), unlimited(), self.transcript.clone()).await
    }

    /// Says what comes next, in the transcript.
    pub fn section(&self, title: &str) {
        self.transcript.add(&format!("## {title}"));
    }

    /// Announces that a warning or error with these words in the log is right.
    pub fn expect_log(&self, words: &str) {
        logs::expect(words);
    }

    /// Whether a warning or error with these words was logged.
    #[must_use]
    pub fn was_logged(&self, words: &str) -> bool {
        logs::was_logged(words)
    }

    /// Lays a cable from one machine to another, and returns when both see each other online. The first one dials.
    pub async fn connect(&self, from: &Person, to: &Person) {
        let cable = Arc::new(Proxy::to(to.node().listen_addr()).await);
        self.cables().insert((from.name().to_owned(), to.name().to_owned()), cable.clone());
        // On a machine under load the first handshake can miss its deadline; the address is kept and tried again.
        from.node().add_address(&cable.address().to_string()).await.ok();
        self.linked(from, to).await;
    }

    /// Returns when both see each other online.
    pub async fn linked(&self, a: &Person, b: &Person) {
        a.sees_online(b).await;
        b.sees_online(a).await;
    }

    /// Cuts the cable, and returns when both have noticed.
    pub async fn cut(&self, a: &Person, b: &Person) {
        self.sever(a, b);
        a.sees_offline(b).await;
        b.sees_offline(a).await;
    }

    /// Cuts the cable and does not wait.
    pub fn sever(&self, a: &Person, b: &Person) {
        self.transcript.add(&format!("## the cable between {} and {} is cut", a.name(), b.name()));
        self.cable(a, b).cut();
    }

    /// Mends the cable, and returns when both see each other online.
    pub async fn heal(&self, a: &Person, b: &Person) {
        self.mend(a, b);
        self.linked(a, b).await;
    }

    /// Mends the cable and does not wait.
    pub fn mend(&self, a: &Person, b: &Person) {
        self.transcript.add(&format!("## the cable between {} and {} is whole", a.name(), b.name()));
        self.cable(a, b).heal();
        a.node().wake();
        b.node().wake();
    }

    /// Ends everybody's node, and fails on what the log should not hold.
    ///
    /// # Panics
    /// When there is a warning or error in the log that was not announced.
    pub async fn end(self) {
        let people = std::mem::take(&mut *self.people.lock().unwrap_or_else(PoisonError::into_inner));
        for person in &people {
            person.stop().await;
        }
        let unexpected = logs::unexpected();
        assert!(unexpected.is_empty(), "unexpected in the log: {unexpected:#?}\n{}", self.transcript.text());
    }

    fn cable(&self, a: &Person, b: &Person) -> Arc<Proxy> {
        let cables = self.cables();
        let (a, b) = (a.name().to_owned(), b.name().to_owned());
        cables.get(&(a.clone(), b.clone())).or_else(|| cables.get(&(b, a))).cloned().expect("the two were connected")
    }

    fn cables(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Arc<Proxy>>> {
        self.cables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unlimited() -> relay::Limits {
    relay::Limits {
        puts_per_minute: 100_000,
        puts_burst: 10_000,
        opens_per_minute: 100_000,
        requests_per_minute: 100_000,
        prekeys_per_minute: 100_000,
        connections_per_minute: 100_000,
        // More than a test makes, and fewer than any system allows.
        connections: 500,
        ..relay::Limits::default()
    }
}

/// Short back-offs, so that a healed cable is noticed at once.
fn quick() -> Timings {
    let mut timings = Timings::default();
    timings.link.backoff_first = Duration::from_millis(20);
    timings.link.backoff_longest = Duration::from_millis(100);
    timings.link.yield_to_smaller = Duration::from_millis(10);
    timings.link.direct_first = Duration::from_millis(100);
    timings.link.penalty = Duration::from_millis(100);
    timings
}
