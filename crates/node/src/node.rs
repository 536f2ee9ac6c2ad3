//! The handle, and the commands about this machine and the others. Those about conversations are in
//! [`crate::conversations`], those about tokens in [`crate::tokens`].

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use link::tasks::{Spawner, Tasks};
use proto::id::MachineId;

use crate::core::Core;
use crate::outgoing::Order;
use crate::profile_dir::ProfileDir;
use crate::start;
use crate::view::{Change, Invitation, Me, Network, Notice, Settings, Status, User, Visibility};
use crate::{
    Changes, Config, FocusState, KeyStorage, MePatch, NodeError, StartError, UserFilter, contacts, invitations,
    networks, profile, signals,
};

/// A running node. Cheap to clone; it ends by [`Node::shutdown`], or at once when the last clone is dropped.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

/// What ends with the node.
pub(crate) struct Inner {
    pub(crate) core: Arc<Core>,
    pub(crate) tasks: Tasks,
    pub(crate) data_dir: PathBuf,
    /// Released when the node has ended, so that the next may begin.
    pub(crate) dir: Mutex<Option<ProfileDir>>,
    pub(crate) key_storage: KeyStorage,
    pub(crate) listen: SocketAddr,
    pub(crate) started: Duration,
    /// One change of the profile, the settings or the relays at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Node {
    /// Opens the profile (made when absent), the database and the network side.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way; nothing of an existing profile is changed then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Ok(Self { inner: Arc::new(start::start(config).await?) })
    }

    /// Ends everything: says goodbye on the network, writes what was ordered, closes the database. Returns after the last
    /// commit; other clones answer `Unavailable` from then on. May be called twice.
    pub async fn shutdown(&self) {
        let core = self.core();
        if let Some(link) = core.link() {
            link.shutdown().await;
        }
        // Closed means that it has ended already.
        let _ = core.outgoing.send(Order::End).await;
        core.outgoing.closed().await;
        self.inner.tasks.shutdown().await;
        core.search.close().await;
        if let Err(error) = core.store.clone().close().await {
            tracing::warn!(%error, "the database was not closed cleanly; nothing that was confirmed is lost");
        }
        core.hub.close();
        drop(self.inner.dir.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }

    /// This machine's ID.
    #[must_use]
    pub fn machine_id(&self) -> MachineId {
        self.core().me
    }

    /// Where peers reach this node.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        self.inner.listen
    }

    /// Where the private key lies.
    #[must_use]
    pub fn key_storage(&self) -> KeyStorage {
        self.inner.key_storage
    }

    /// The profile directory, absolute.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.inner.data_dir
    }

    /// A secret of 32 bytes for `purpose`, derived from the private key: the same at each start, and it tells nothing of
    /// the key. `purpose` should be globally unique and constant, such as `landline api tokens v1`.
    #[must_use]
    pub fn derived_secret(&self, purpose: &'static str) -> [u8; 32] {
        blake3::derive_key(purpose, self.core().identity.seed().as_slice())
    }

    /// Starts tasks that end with this node.
    #[must_use]
    pub fn spawner(&self) -> Spawner {
        self.inner.tasks.spawner()
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.core().hub.subscribe()
    }

    /// Counts of the whole node.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn status(&self) -> Result<Status, NodeError> {
        let core = self.core();
        let totals = core.store.read(store::sessions::totals).await?;
        let online = u32::try_from(core.people.online_count()).unwrap_or(u32::MAX);
        let uptime = core.clock.monotonic().saturating_sub(self.inner.started).as_secs();
        Ok(Status {
            status: "running".to_owned(),
            active_connections: online,
            active_users: online,
            sessions: totals.sessions,
            waiting: totals.waiting,
            unread: totals.unread,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: u32::try_from(uptime).unwrap_or(u32::MAX),
        })
    }

    /// The own profile.
    #[must_use]
    pub fn me(&self) -> Me {
        self.core().profile.state().view(self.inner.key_storage)
    }

    /// Changes the own profile and tells every linked machine.
    ///
    /// # Errors
    /// When a text breaks a rule or the database cannot be written.
    pub async fn update_me(&self, patch: MePatch) -> Result<Me, NodeError> {
        let core = self.core();
        let _one = self.changing().await;
        let state = core.profile.state().patched(patch, &core.identity, core.clock.wall_ms())?;
        let kept = state.clone();
        core.store.write(move |tx| kept.store(tx)).await?;
        let me = state.view(self.inner.key_storage);
        self.put_profile(state);
        core.hub.publish(Change::MeChanged { me: me.clone() });
        Ok(me)
    }

    /// Puts a profile that was stored in place, and tells linked machines what is new in it.
    pub(crate) fn put_profile(&self, state: profile::State) {
        let core = self.core();
        let (before, signed) = (core.profile.signed(), state.signed().clone());
        core.profile.replace(state);
        if signed.version() != before.version() {
            for link in core.links.all() {
                link.with(|pending| pending.profile = Some(signed.clone()));
            }
            if let Some(link) = core.link() {
                link.refresh_announcement();
            }
        }
    }

    /// One change of profile, settings or relays at a time.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.changing.lock().await
    }

    /// The machines that are known here, by name.
    #[must_use]
    pub fn users(&self, filter: UserFilter) -> Vec<User> {
        self.core().people.users(filter)
    }

    /// One machine.
    ///
    /// # Errors
    /// When the ID is malformed or not known here.
    pub fn user(&self, user: &str) -> Result<User, NodeError> {
        contacts::user(self.core(), &parse_machine(user)?)
    }

    /// Accepts a machine: what it held back arrives, requests become sessions.
    ///
    /// # Errors
    /// When it is not known or blocked.
    pub async fn accept(&self, user: &str) -> Result<User, NodeError> {
        contacts::accept(self.core(), self.other(user)?).await
    }

    /// Blocks a machine by its key: the link ends, later ones are refused, its requests are dropped in silence.
    ///
    /// # Errors
    /// When the ID is malformed or the database cannot be written.
    pub async fn block(&self, user: &str) -> Result<User, NodeError> {
        contacts::block(self.core(), self.other(user)?).await
    }

    /// Ends a block: accepted again when this side had written to it, else a request or unknown, as it was.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn unblock(&self, user: &str) -> Result<User, NodeError> {
        contacts::unblock(self.core(), self.other(user)?).await
    }

    /// Dials a typed address (`host`, `host:port`, `[v6]:port`), keeps it for later starts, and gives the machine that
    /// answered once its link stands.
    ///
    /// # Errors
    /// With the cause: refused, timed out, not Landline, this machine itself, blocked.
    pub async fn add_address(&self, address: &str) -> Result<User, NodeError> {
        let core = self.core();
        let address = address.trim().to_owned();
        if address.is_empty() || address.len() > start::ADDRESS_BYTES {
            let message = format!("address must be 1 to {} bytes long", start::ADDRESS_BYTES);
            return Err(NodeError::Invalid { code: "invalid_address", field: "address", message });
        }
        let link = core.link().ok_or_else(|| NodeError::Internal { message: "the link has not started".to_owned() })?;
        let mut changes = self.changes();
        let machine = link.add_address(&address).await.map_err(|error| dial_error(&error))?;
        let now_ms = core.clock.wall_ms();
        core.store.write(move |tx| store::addresses::add_typed(tx, &address, now_ms)).await?;
        // The link answers when the handshake is done; its event may take a moment longer to be served.
        let id = machine.to_string();
        let served = async {
            while core.people.user(&machine).is_none() {
                match changes.next().await {
                    Some(Ok(Change::UserChanged { user })) if user.machine_id == id => break,
                    Some(_) => {}
                    None => break,
                }
            }
        };
        // If the link ended at once, the machine is named as not known.
        let _ = tokio::time::timeout(Duration::from_secs(2), served).await;
        contacts::user(core, &machine)
    }

    /// Makes an invitation: a link by which one other machine adds this one within ten minutes.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn invite(&self) -> Result<Invitation, NodeError> {
        invitations::invite(self.core()).await
    }

    /// Follows an invitation of another machine: it becomes a contact and is dialled. Its trust tells what the invitation
    /// was worth: verified when it counted, on both sides; else accepted, and what is written reaches it as a request.
    ///
    /// # Errors
    /// When the link is malformed, leads to this machine or to a blocked one. When the machine does not answer, it says
    /// why; it is a contact all the same, and is linked as soon as it is there.
    pub async fn follow_invitation(&self, link: &str) -> Result<User, NodeError> {
        invitations::follow(self.core(), link, self.changes()).await
    }

    /// What the person set.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.core().kept().settings.clone()
    }

    /// Merges an object of settings into those that are kept; unknown keys are kept as they are, `null` takes a key back to
    /// its default.
    ///
    /// # Errors
    /// When it is no object, or a value has the wrong type or range.
    pub async fn update_settings(&self, patch: serde_json::Value) -> Result<Settings, NodeError> {
        let core = self.core();
        let _one = self.changing().await;
        let kept = core.kept().merged(patch)?;
        let stored = kept.clone();
        core.store.write(move |tx| stored.store(tx)).await?;
        let settings = kept.settings.clone();
        let before = std::mem::replace(&mut *core.kept(), kept).settings;
        if before.share_presence != settings.share_presence {
            signals::sharing_changed(core, settings.share_presence);
        }
        if let Some(link) = core.link() {
            link.set_visibility(visibility(settings.visibility));
        }
        core.hub.publish(Change::SettingsChanged { settings: settings.clone() });
        Ok(settings)
    }

    /// State of the network side.
    #[must_use]
    pub fn network(&self) -> Network {
        let links = self.core().people.online_count();
        match self.core().link() {
            Some(link) => networks::view(&link.network(), links),
            None => networks::none(self.inner.listen),
        }
    }

    /// Says what a viewer shows now, so that nothing is notified that is on screen. A malformed session counts as none.
    pub fn focus(&self, state: FocusState) {
        let shown = state.session.filter(|_| state.focused).and_then(|session| session.parse().ok());
        self.core().notices.focus(self.core(), state.viewer, shown, state.focused);
    }

    /// The computer woke up or its network changed: links are probed at once, notices gather for a moment.
    pub fn wake(&self) {
        self.core().notices.woke(self.core().clock.monotonic());
        self.core().expiry.notify_one();
        if let Some(link) = self.core().link() {
            link.wake();
        }
    }

    /// The notices that stand now, one a session.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.core().notices.standing()
    }

    fn other(&self, user: &str) -> Result<MachineId, NodeError> {
        let machine = parse_machine(user)?;
        if machine == self.machine_id() {
            let message = "this is the machine itself".to_owned();
            return Err(NodeError::Invalid { code: "own_machine", field: "userId", message });
        }
        Ok(machine)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("machine_id", &self.machine_id()).field("listen", &self.inner.listen).finish()
    }
}

pub(crate) fn parse_machine(text: &str) -> Result<MachineId, NodeError> {
    text.parse().map_err(|error| {
        let message = format!("userId {error}");
        NodeError::Invalid { code: "invalid_id", field: "userId", message }
    })
}

pub(crate) fn visibility(visibility: Visibility) -> link::Visibility {
    match visibility {
        Visibility::Everyone => link::Visibility::Everyone,
        Visibility::Contacts => link::Visibility::Contacts,
        Visibility::Hidden => link::Visibility::Hidden,
    }
}

pub(crate) fn dial_error(error: &link::DialError) -> NodeError {
    use link::DialError;
    let message = error.to_string();
    let code = match error {
        DialError::Syntax(_) => {
            return NodeError::Invalid { code: "invalid_address", field: "address", message };
        }
        DialError::Myself(_) => return NodeError::Invalid { code: "own_machine", field: "address", message },
        DialError::Blocked(_) => return NodeError::Forbidden { code: "user_blocked", message },
        DialError::Resolve { .. } => "address_not_resolved",
        DialError::Refused(_) => "connection_refused",
        DialError::TimedOut { .. } => "connection_timed_out",
        DialError::Unreachable { .. } => "address_unreachable",
        DialError::NotLandline { .. } => "not_landline",
        DialError::OtherKey { .. } => "other_machine",
        DialError::HungUp { .. } => "hung_up",
        DialError::NoTunnel { .. } => "no_tunnel",
        DialError::ShuttingDown => "shutting_down",
    };
    NodeError::Unavailable { code, message }
}
