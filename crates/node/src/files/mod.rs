//! Files between machines: what is offered, wanted, on its way and whole.
//!
//! A row in the store says how far each attachment has come; that row alone decides what happens next, so a program that was
//! killed goes on where it was. What runs at the moment is here, in memory.

mod again;
mod attach;
mod collecting;
mod commands;
mod content;
mod depositing;
mod desk;
mod drafted;
mod folder;
mod import;
mod names;
mod part;
mod picture;
mod place;
mod rate;
mod receive;
mod show;
mod stamp;
mod sweep;
mod telling;
mod types;
mod uploads;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use link::blob::{BlobError, Sink};
use link::{ConnId, Path};
use proto::attachment::Blob;
use proto::id::{MachineId, MessageId};
use proto::limits;
use proto::relay::RelayAddress;
use store::attachments::AttachmentId;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use again::again;
pub(crate) use attach::{Sharing, attach};
pub(crate) use collecting::told;
pub use commands::Content;
pub(crate) use depositing::{away, run as deposit};
pub(crate) use desk::{desk, state_came, tell_ended, wanted};
pub(crate) use drafted::drafted;
pub(crate) use receive::run;
pub(crate) use show::attachment as view;
pub(crate) use telling::{Telling, Told, named};
pub use uploads::Uploading;
pub(crate) use uploads::{parse_uuid, tidy};

/// All that goes on with files.
#[derive(Debug)]
pub(crate) struct Files {
    /// Copies and hashes of the program's own.
    pub(crate) dir: PathBuf,
    /// Where received files go when the person has not said.
    pub(crate) downloads: PathBuf,
    state: Mutex<State>,
    /// For the task that fetches, and for the one that lays down at relays.
    wake: Notify,
    depositing: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// How the linked machines are reached.
    peers: HashMap<MachineId, Way>,
    /// What is on its way, in either direction.
    running: BTreeMap<AttachmentId, Running>,
    /// What failed for the moment: how often, and not before when again.
    waiting: HashMap<AttachmentId, (u32, Instant)>,
    /// What was asked for and is to be brought.
    expected: HashMap<(MachineId, [u8; 32]), Expected>,
    /// What is being brought.
    bringing: HashSet<(MachineId, [u8; 32])>,
    /// Thumbnails that are on their way or could not be had in this run.
    thumbnails: HashSet<[u8; 32]>,
    /// Machines that are away, and have all in their mailboxes that is to be there: files for them may be laid down.
    away: BTreeSet<MachineId>,
    /// What is being laid down at a relay.
    depositing: HashMap<[u8; 32], MachineId>,
    /// What relays did not take: how often, and not before when again.
    refused: HashMap<[u8; 32], (u32, Instant)>,
    /// Relays that could not be reached or were busy: not before then something is taken away from there.
    unreached: BTreeMap<RelayAddress, Instant>,
    /// What its sender can no longer give, and a relay can.
    from_relay: HashSet<AttachmentId>,
}

/// How a linked machine is reached.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) link: ConnId,
    pub(crate) path: Path,
    /// It dialled: it may be that it cannot be dialled.
    pub(crate) inbound: bool,
    /// Cancelled when the link ends.
    pub(crate) stands: CancellationToken,
}

/// Something on its way.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    /// Ends it.
    pub(crate) cancel: CancellationToken,
    /// How far it is.
    pub(crate) meter: Arc<rate::Meter>,
    /// To this machine.
    pub(crate) incoming: bool,
    /// Cancelled, and with it what runs, when this is no longer the way to go: the link has ended, or one stands now.
    pub(crate) way: CancellationToken,
    /// By way of a relay, because no link to this machine stands.
    pub(crate) relayed: Option<MachineId>,
}

impl Running {
    /// Over a link that stands for as long as `way`.
    fn over(way: CancellationToken, done: u64, incoming: bool) -> Self {
        let meter = Arc::new(rate::Meter::new(done));
        Self { cancel: way.child_token(), meter, incoming, way, relayed: None }
    }

    /// By way of a relay.
    fn without_link(peer: MachineId, done: u64, incoming: bool) -> Self {
        Self { relayed: Some(peer), ..Self::over(CancellationToken::new(), done, incoming) }
    }
}

/// A blob that is to be brought.
struct Expected {
    blob: Blob,
    from: u64,
    sink: Box<dyn Sink>,
    cancel: CancellationToken,
    ended: oneshot::Sender<Result<(), BlobError>>,
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("blob", &self.blob).field("from", &self.from).finish_non_exhaustive()
    }
}

impl Files {
    pub(crate) fn new(dir: PathBuf, downloads: PathBuf) -> Self {
        Self { dir, downloads, state: Mutex::default(), wake: Notify::new(), depositing: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a step of its own; a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A link stands: what waits for this machine is tried at once, and goes no other way.
    pub(crate) fn up(&self, peer: MachineId, link: ConnId, path: Path, inbound: bool) {
        let way = Way { link, path, inbound, stands: CancellationToken::new() };
        let mut state = self.state();
        if let Some(former) = state.peers.insert(peer, way) {
            former.stands.cancel();
        }
        state.waiting.clear();
        state.away.remove(&peer);
        let relayed = state.running.values().filter(|running| running.relayed == Some(peer));
        relayed.for_each(|running| running.way.cancel());
        drop(state);
        self.wake.notify_one();
    }

    /// A relay is reached: all that failed for the moment is tried at once.
    pub(crate) fn retry_all(&self) {
        let mut state = self.state();
        state.waiting.clear();
        state.refused.clear();
        state.unreached.clear();
        drop(state);
        self.stir();
    }

    /// A link has ended.
    pub(crate) fn down(&self, peer: &MachineId, link: ConnId) {
        let mut state = self.state();
        if state.peers.get(peer).is_some_and(|way| way.link == link)
            && let Some(way) = state.peers.remove(peer)
        {
            way.stands.cancel();
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Something may be to be fetched, to be removed, or to be taken away from a relay.
    pub(crate) fn stir(&self) {
        self.wake.notify_one();
        self.depositing.notify_one();
    }

    /// A message was deleted: what of it is on its way ends, and its files go.
    pub(crate) fn gone(&self, message: &MessageId) {
        for place in 0..u32::try_from(limits::ATTACHMENTS).unwrap_or(u32::MAX) {
            self.end(id_of(message, place));
        }
        self.stir();
    }

    fn way(&self, peer: &MachineId) -> Option<Way> {
        self.state().peers.get(peer).cloned()
    }

    fn running(&self, id: AttachmentId) -> Option<Running> {
        self.state().running.get(&id).cloned()
    }

    /// Tries an attachment at once, however often it has failed.
    fn retry(&self, id: AttachmentId) {
        self.state().waiting.remove(&id);
        self.stir();
    }

    /// Ends what runs for an attachment.
    fn end(&self, id: AttachmentId) {
        if let Some(running) = self.running(id) {
            running.cancel.cancel();
        }
    }
}

/// The ID of an attachment on this machine: it follows from its message, so both sides and every restart have the same.
pub(crate) fn id_of(message: &MessageId, place: u32) -> AttachmentId {
    let mut hasher = blake3::Hasher::new_derive_key("landline 2026 attachment id");
    hasher.update(message.as_bytes());
    hasher.update(&place.to_be_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    AttachmentId(*uuid::Builder::from_custom_bytes(bytes).as_uuid().as_bytes())
}
