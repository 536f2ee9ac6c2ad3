//! What waits to be handed to the sending task of each link.
//!
//! Nothing here grows with what a peer does: digests, vectors and receipts replace earlier ones of their session, and live
//! runs beyond a limit are dropped from memory, because the store has them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::frame::{Frame, HoldReason, PresenceStatus, RejectCode};
use proto::id::{MachineId, SessionId};
use proto::limits;
use proto::register::{ReceiptKind, SignedProfile, SignedReceipt};
use proto::run::Run;
use proto::vector::VersionVector;
use tokio::sync::Notify;

/// Live runs kept for one link; beyond, they come from the store. Two batches: one being written, one ready.
const LIVE_BYTES: usize = 2 * limits::BATCH_BYTES;

/// Frames about blobs that wait for one link at most.
const BLOB_FRAMES: usize = 256;

/// The links that stand, by machine.
#[derive(Debug, Default)]
pub(crate) struct Links {
    by_machine: Mutex<HashMap<MachineId, Arc<Dispatch>>>,
}

impl Links {
    /// A link stands; a former one to the same machine is ended.
    pub(crate) fn insert(&self, machine: MachineId, dispatch: Arc<Dispatch>) {
        if let Some(former) = self.lock().insert(machine, dispatch) {
            former.end();
        }
    }

    /// A link has ended.
    pub(crate) fn remove(&self, machine: &MachineId, dispatch: &Arc<Dispatch>) {
        let mut links = self.lock();
        if links.get(machine).is_some_and(|current| Arc::ptr_eq(current, dispatch)) {
            links.remove(machine);
        }
    }

    /// The link to a machine, if one stands.
    pub(crate) fn get(&self, machine: &MachineId) -> Option<Arc<Dispatch>> {
        self.lock().get(machine).cloned()
    }

    /// All links.
    pub(crate) fn all(&self) -> Vec<Arc<Dispatch>> {
        self.lock().values().cloned().collect()
    }

    /// All links, with their machines.
    pub(crate) fn by_machine(&self) -> Vec<(MachineId, Arc<Dispatch>)> {
        self.lock().iter().map(|(machine, link)| (*machine, link.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MachineId, Arc<Dispatch>>> {
        self.by_machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What waits for one link.
#[derive(Debug, Default)]
pub(crate) struct Dispatch {
    pending: Mutex<Pending>,
    /// Sessions in which this side takes no more of the peer until its owner accepts.
    holding: Mutex<BTreeSet<SessionId>>,
    /// Sessions in which the peer refused what it was sent, and why, until it asks again.
    refusals: Mutex<BTreeMap<SessionId, &'static str>>,
    wake: Notify,
}

/// What the peer last asked for in a session.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To go on from what it has.
    From(VersionVector),
    /// To stop for now.
    Stop,
}

/// All that waits, taken at once.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// What the peer asked for, by session.
    pub(crate) asked: BTreeMap<SessionId, Asked>,
    /// The digests that the peer said. Apart from what it asked for, because neither takes the other's place.
    pub(crate) theirs: BTreeMap<SessionId, [u8; 32]>,
    /// Own receipts to send.
    pub(crate) receipts: BTreeMap<(SessionId, ReceiptKind), SignedReceipt>,
    /// Sessions whose vector to send.
    pub(crate) vectors: BTreeSet<SessionId>,
    /// Sessions whose digest to send.
    pub(crate) digests: BTreeSet<SessionId>,
    /// Holds to send.
    pub(crate) holds: BTreeMap<SessionId, HoldReason>,
    /// Refusals to send.
    pub(crate) rejects: BTreeMap<SessionId, (RejectCode, String)>,
    /// What is to be said of blobs.
    pub(crate) blobs: Vec<Frame>,
    /// Whether this side's person writes, by session.
    pub(crate) typing: BTreeMap<SessionId, bool>,
    /// Whether this side's person is there, when that changed.
    pub(crate) presence: Option<PresenceStatus>,
    /// The own profile, when it changed.
    pub(crate) profile: Option<SignedProfile>,
    /// The proof that an invitation of the peer was followed, or that one of this side counted.
    pub(crate) invited: Option<[u8; 32]>,
    /// Whether to say by what this machine is reached through relays.
    pub(crate) reach: bool,
    /// Runs just appended here.
    pub(crate) live: VecDeque<(SessionId, Vec<Run>)>,
    live_bytes: usize,
    /// Sessions with appended runs that are not kept in `live`.
    pub(crate) skipped: BTreeSet<SessionId>,
    /// The link is to end: its way is not to be used any more.
    pub(crate) hang_up: bool,
    /// The link has ended.
    pub(crate) ended: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.asked.is_empty()
            && self.theirs.is_empty()
            && self.receipts.is_empty()
            && self.vectors.is_empty()
            && self.digests.is_empty()
            && self.holds.is_empty()
            && self.rejects.is_empty()
            && self.blobs.is_empty()
            && self.profile.is_none()
            && self.typing.is_empty()
            && self.presence.is_none()
            && self.invited.is_none()
            && !self.reach
            && !self.hang_up
            && self.live.is_empty()
            && self.skipped.is_empty()
            && !self.ended
    }
}

impl Dispatch {
    /// Changes what waits, and wakes the sending task.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.lock());
        self.wake.notify_one();
    }

    /// Says something of a blob. What does not fit is left out: whoever needs it asks again.
    pub(crate) fn tell_of_blob(&self, frame: Frame) {
        self.with(|pending| {
            if pending.blobs.len() < BLOB_FRAMES {
                pending.blobs.push(frame);
            }
        });
    }

    /// Hands over runs that were appended here.
    pub(crate) fn appended(&self, session: SessionId, runs: &[Run]) {
        self.with(|pending| {
            let bytes: usize = runs.iter().map(Run::size).sum();
            if pending.live_bytes + bytes > LIVE_BYTES && !pending.live.is_empty() || pending.skipped.contains(&session)
            {
                // Once something is left out, what follows it is too, so that the order stays.
                pending.skipped.insert(session);
            } else {
                pending.live_bytes += bytes;
                pending.live.push_back((session, runs.to_vec()));
            }
        });
    }

    /// This side takes no more of the peer in a session.
    pub(crate) fn start_holding(&self, session: SessionId) {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner).insert(session);
    }

    /// This side takes all of the peer again.
    pub(crate) fn stop_holding(&self, session: &SessionId) {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
    }

    /// Whether this side takes no more of the peer in a session.
    pub(crate) fn is_holding(&self, session: &SessionId) -> bool {
        self.holding.lock().unwrap_or_else(PoisonError::into_inner).contains(session)
    }

    /// The peer refused events of a session, or asks for them again.
    pub(crate) fn set_refusal(&self, session: SessionId, reason: Option<&'static str>) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        match reason {
            Some(reason) => drop(refusals.insert(session, reason)),
            None => drop(refusals.remove(&session)),
        }
    }

    /// Why the peer takes nothing of a session, if it refused.
    pub(crate) fn refusal(&self, session: &SessionId) -> Option<&'static str> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).get(session).copied()
    }

    /// The link has ended.
    pub(crate) fn end(&self) {
        self.with(|pending| pending.ended = true);
    }

    /// Takes what waits, if anything does.
    pub(crate) fn take(&self) -> Option<Pending> {
        let mut pending = self.lock();
        if pending.is_empty() {
            return None;
        }
        let ended = pending.ended;
        let taken = std::mem::take(&mut *pending);
        pending.ended = ended;
        Some(taken)
    }

    /// Resolves when something may wait.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Each change is a step of its own; a panic elsewhere leaves what waits whole.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
