//! A relay in the test's own process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use node::view::{Path, Presence, RelayState, Session, Trust};
use proto::clock::Clock;
use relay::{Config, Limits, Transport};

use crate::clocks::ShiftedClock;
use crate::person::{PATIENCE, Person};
use crate::transcript::Transcript;

/// Between two looks at the mailboxes.
const LOOK: Duration = Duration::from_millis(20);

/// A real relay on loopback, which can be ended, started again and made to forget. Its clock can be set.
#[derive(Debug)]
pub struct Relay {
    config: Mutex<Config>,
    clock: Arc<ShiftedClock>,
    running: tokio::sync::Mutex<Option<relay::Relay>>,
    transcript: Transcript,
}

impl Relay {
    pub(crate) async fn start(dir: PathBuf, limits: Limits, transcript: Transcript) -> Self {
        Self::start_behind(dir, limits, None, transcript).await
    }

    /// A relay that machines dial at another origin than its own, if one is given.
    pub(crate) async fn start_behind(
        dir: PathBuf,
        limits: Limits,
        origin: Option<String>,
        transcript: Transcript,
    ) -> Self {
        let mut config = Config::new(dir);
        config.origins.extend(origin);
        config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        config.transport = Transport::Plain;
        config.limits = limits;
        let relay = Self {
            config: Mutex::new(config),
            clock: Arc::default(),
            running: tokio::sync::Mutex::new(None),
            transcript,
        };
        relay.start_again().await;
        relay
    }

    /// Its address, the same for as long as it is started again.
    #[must_use]
    pub fn address(&self) -> String {
        format!("ws://{}", self.listen())
    }

    /// Where it listens.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.config().listen
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &ShiftedClock {
        &self.clock
    }

    /// Ends it, as its operator would.
    ///
    /// # Panics
    /// When it does not end cleanly.
    pub async fn stop(&self) {
        if let Some(relay) = self.running.lock().await.take() {
            self.transcript.add("the relay stops");
            relay.shutdown().await.expect("a relay ends");
        }
    }

    /// Starts it, at the same address when it ran before.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&self) {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let relay = relay::Relay::start(self.config(), clock).await.expect("a relay starts");
        self.config.lock().unwrap_or_else(PoisonError::into_inner).listen = relay.addr();
        *self.running.lock().await = Some(relay);
        self.transcript.add("the relay starts");
    }

    /// Takes away all that it keeps. It must not run.
    ///
    /// # Panics
    /// When the folder cannot be removed.
    pub fn forget_all(&self) {
        std::fs::remove_dir_all(self.config().data_dir).expect("the relay's folder can be removed");
        self.transcript.add("the relay's disk is wiped");
    }

    /// Takes the files away that it keeps, and nothing else. It must not run.
    ///
    /// # Panics
    /// When the folder cannot be removed.
    pub fn forget_files(&self) {
        std::fs::remove_dir_all(self.config().data_dir.join("files")).expect("the relay's files can be removed");
        self.transcript.add("the relay's files are wiped");
    }

    /// Lets nobody in from the next start on but who shows a token that it gave out.
    pub fn set_members_only(&self) {
        let members = relay::Access::Members { list: None, invitations: true };
        self.config.lock().unwrap_or_else(PoisonError::into_inner).access = members;
        self.transcript.add("the relay is for members");
    }

    /// A token that makes who shows it a member.
    ///
    /// # Panics
    /// When it cannot be noted.
    #[must_use]
    pub fn invite(&self, name: &str) -> String {
        relay::invite(&self.config().data_dir, name).expect("a relay invites")
    }

    /// Changes the last byte of each file that it keeps. It must not run.
    ///
    /// # Panics
    /// When a file cannot be changed.
    pub fn spoil_files(&self) {
        for file in std::fs::read_dir(self.config().data_dir.join("files")).expect("the relay keeps files") {
            let path = file.expect("an entry").path();
            let mut content = std::fs::read(&path).expect("a file of the relay");
            if let Some(last) = content.last_mut() {
                *last ^= 1;
            }
            std::fs::write(&path, content).expect("a file of the relay can be written");
        }
        self.transcript.add("the relay's files are spoilt");
    }

    /// Waits until so many items lie in its mailboxes. It tells nobody, so it is looked at again and again.
    ///
    /// # Panics
    /// When it does not run, or that does not come.
    pub async fn until_items(&self, what: &str, fits: impl Fn(u64) -> bool) {
        self.until(what, async || fits(self.items().await)).await;
    }

    /// The same of files.
    ///
    /// # Panics
    /// As [`Relay::until_items`].
    pub async fn until_files(&self, what: &str, fits: impl Fn(u64) -> bool) {
        self.until(what, async || fits(self.files().await)).await;
    }

    async fn until(&self, what: &str, mut fits: impl AsyncFnMut() -> bool) {
        let looking = async {
            while !fits().await {
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, looking).await;
        assert!(waited.is_ok(), "waited {} s for {what}\n{}", PATIENCE.as_secs(), self.transcript.text());
    }

    /// How many items lie in its mailboxes.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn items(&self) -> u64 {
        let running = self.running.lock().await;
        let relay = running.as_ref().expect("the relay runs");
        relay.counts().await.expect("it counts").items
    }

    /// How many files it keeps, those that are not whole included.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn files(&self) -> u64 {
        let running = self.running.lock().await;
        let relay = running.as_ref().expect("the relay runs");
        relay.file_counts().await.expect("it counts").files
    }

    fn config(&self) -> Config {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Bob follows Alice's invitation, each learns how to reach the other, and a session is opened.
pub async fn meet(alice: &Person, bob: &Person) -> Session {
    is_connected(alice).await;
    is_connected(bob).await;
    let invitation = alice.node().invite().await.unwrap();
    let user = bob.node().follow_invitation(&elsewhere(&invitation.link)).await.unwrap();
    assert_eq!((user.trust, user.status, user.path), (Trust::Verified, Presence::Online, Path::Relay));
    let session = alice.open(bob).await;
    bob.sees_session(&session.session_id, "opened", |_| true).await;
    // Said and heard, both know each other's prekeys and grants, which went before.
    alice.say(&session, "Hello").await;
    bob.hears("Hello").await;
    bob.say(&session, "Hello yourself").await;
    alice.hears("Hello yourself").await;
    session
}

/// An invitation as it serves who cannot reach the addresses in it.
#[must_use]
pub fn elsewhere(link: &str) -> String {
    link.split('&').filter(|field| !field.starts_with("addr=")).collect::<Vec<_>>().join("&")
}

/// Waits until all of a person's relays are connected.
pub async fn is_connected(person: &Person) {
    person
        .until("the relay to be connected", async |node| {
            node.relays().items.iter().all(|relay| relay.state == RelayState::Connected).then_some(())
        })
        .await;
}
