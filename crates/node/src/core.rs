//! What the parts of a node share.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use link::Link;
use link::tasks::Spawner;
use proto::clock::Clock;
use proto::id::{Epoch, MachineId, SessionId};
use proto::identity::Identity;
use proto::log::Local;
use store::search::Search;
use store::{EventKey, Store, StoreError};
use tokio::sync::{Notify, mpsc, watch};

use crate::dispatch::Links;
use crate::files::Files;
use crate::hub::Hub;
use crate::mailbox::Mailbox;
use crate::notices::Notices;
use crate::outgoing::Order;
use crate::people::People;
use crate::profile::OwnProfile;
use crate::relays::Relays;
use crate::settings::Kept;
use crate::signals::Signals;
use crate::view::{Change, User};

/// Shared by the handle and all tasks. Its parts guard themselves; no lock is held across an await.
pub(crate) struct Core {
    pub(crate) me: MachineId,
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Store,
    pub(crate) search: Search,
    pub(crate) hub: Hub,
    pub(crate) people: People,
    pub(crate) links: Links,
    pub(crate) notices: Notices,
    pub(crate) signals: Signals,
    /// Wakes the task that lets messages disappear: a timer began to run, or the clock made a leap.
    pub(crate) expiry: Notify,
    /// When that task looks again; it is woken for what is earlier.
    pub(crate) expiry_at: AtomicU64,
    pub(crate) profile: OwnProfile,
    pub(crate) files: Files,
    pub(crate) relays: Relays,
    pub(crate) mailbox: Mailbox,
    /// To the one task that appends to this machine's own logs.
    pub(crate) outgoing: mpsc::Sender<Order>,
    pub(crate) spawner: Spawner,
    /// The first own event that is being written and that the stream has not told of yet; [`NOTHING`] when all was told.
    /// Set before the commit, so that whoever sees an event in the database knows whether it was told.
    pub(crate) untold: watch::Sender<EventKey>,
    /// Set once, right after the link has started: its closures need the rest first.
    link: OnceLock<Link>,
    kept: Mutex<Kept>,
    epoch: AtomicU64,
    /// Sessions in which the other side keeps no more until its owner accepts.
    held: Mutex<BTreeSet<SessionId>>,
}

/// After every event.
pub(crate) const NOTHING: EventKey = EventKey(i64::MAX);

/// What [`Core::new`] takes.
pub(crate) struct Parts {
    pub(crate) identity: Arc<Identity>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Store,
    pub(crate) search: Search,
    pub(crate) people: People,
    pub(crate) profile: OwnProfile,
    pub(crate) files: Files,
    pub(crate) relays: Relays,
    pub(crate) kept: Kept,
    pub(crate) epoch: Epoch,
    pub(crate) outgoing: mpsc::Sender<Order>,
    pub(crate) spawner: Spawner,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            me: parts.identity.machine_id(),
            identity: parts.identity,
            clock: parts.clock,
            store: parts.store,
            search: parts.search,
            hub: Hub::new(),
            people: parts.people,
            links: Links::default(),
            notices: Notices::default(),
            signals: Signals::default(),
            expiry: Notify::new(),
            expiry_at: AtomicU64::new(u64::MAX),
            profile: parts.profile,
            files: parts.files,
            relays: parts.relays,
            mailbox: Mailbox::default(),
            outgoing: parts.outgoing,
            spawner: parts.spawner,
            untold: watch::Sender::new(NOTHING),
            link: OnceLock::new(),
            kept: Mutex::new(parts.kept),
            epoch: AtomicU64::new(parts.epoch.get()),
            held: Mutex::default(),
        }
    }

    /// This machine as its own logs know it.
    pub(crate) fn local(&self) -> Local {
        Local { machine: self.me, epoch: Epoch::new(self.epoch.load(Ordering::Acquire)) }
    }

    /// Goes on in a new epoch, after that was stored.
    pub(crate) fn set_epoch(&self, epoch: Epoch) {
        self.epoch.store(epoch.get(), Ordering::Release);
    }

    /// The link, once it has started.
    pub(crate) fn set_link(&self, link: Link) {
        // Set once.
        let _ = self.link.set(link);
    }

    /// The link; `None` only while the node starts.
    pub(crate) fn link(&self) -> Option<&Link> {
        self.link.get()
    }

    /// Ends the link to a machine that is refused from now on.
    pub(crate) fn drop_peer(&self, machine: &MachineId) {
        if let Some(link) = self.link() {
            link.drop_peer(machine);
        }
    }

    /// Keeps a machine linked again, at the addresses where it was.
    pub(crate) async fn dial_again(&self, machine: MachineId) -> Result<(), StoreError> {
        let addresses = self.store.read(move |reader| store::addresses::of(reader, &machine)).await?;
        if let Some(link) = self.link()
            && !addresses.is_empty()
        {
            link.remember(machine, addresses);
        }
        Ok(())
    }

    /// What the person set.
    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        // Replaced as a whole, so a panic elsewhere leaves it whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message disappears at this time: the task that sees to it looks no later.
    pub(crate) fn expires(&self, at_ms: u64) {
        if at_ms < self.expiry_at.load(Ordering::Acquire) {
            self.expiry.notify_one();
        }
    }

    /// Whether the other side of a session keeps no more until its owner accepts.
    pub(crate) fn is_held(&self, session: &SessionId) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).contains(session)
    }

    /// Notes whether the other side keeps no more, and shows it when that changed.
    pub(crate) fn set_held(&self, session: SessionId, held: bool) {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = if held { all.insert(session) } else { all.remove(&session) };
        drop(all);
        if changed {
            self.hub.mark(session);
        }
    }

    /// Shows a machine anew, and its session, which shows it too.
    pub(crate) fn show_user(&self, machine: &MachineId) {
        if let Some(user) = self.people.user(machine) {
            self.publish_user(machine, user);
        }
    }

    /// Shows a machine as it was just read.
    pub(crate) fn publish_user(&self, machine: &MachineId, user: User) {
        self.hub.publish(Change::UserChanged { user });
        self.hub.mark(SessionId::direct(&self.me, machine));
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("me", &self.me).finish_non_exhaustive()
    }
}
