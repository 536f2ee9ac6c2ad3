//! How events enter a log: the verdict on a run that arrived, and the making of own runs. Sans-I/O: what is known comes
//! in through [`Known`], the verdict goes out, and the caller writes.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::cbor::DecodeError;
use crate::id::{Epoch, EventId, MachineId, SessionId};
use crate::limits;
use crate::run::{Run, VerifiedRun};

mod own;
mod waiting;

pub use own::{AppendError, Parent, RunBuilder};
pub use waiting::WaitingRoom;

/// The newest event of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its place.
    pub seq: u64,
    /// Its ID.
    pub id: EventId,
    /// Its Lamport time.
    pub lamport: u64,
    /// Whether the log takes no more events, because its author wrote two events at one place.
    pub frozen: bool,
}

/// What this machine holds of a session, as far as a verdict needs it.
pub trait Known {
    /// Why a look-up can fail.
    type Error;

    /// The newest event of a log, or none when nothing of it is held.
    ///
    /// # Errors
    /// When the look-up fails.
    fn head(&self, session: SessionId, author: &MachineId, epoch: Epoch) -> Result<Option<Head>, Self::Error>;

    /// The event at a place of a log. Asked only for places up to the head.
    ///
    /// # Errors
    /// When the look-up fails.
    fn id_at(
        &self,
        session: SessionId,
        author: &MachineId,
        epoch: Epoch,
        seq: u64,
    ) -> Result<Option<EventId>, Self::Error>;

    /// The Lamport time of any event of the session that is held.
    ///
    /// # Errors
    /// When the look-up fails.
    fn lamport(&self, session: SessionId, id: &EventId) -> Result<Option<u64>, Self::Error>;

    /// How many logs (epochs) of an author are held in the session. Asked only when a run begins a new one.
    ///
    /// # Errors
    /// When the look-up fails.
    fn epochs(&self, session: SessionId, author: &MachineId) -> Result<u64, Self::Error>;
}

/// This machine, as its own log knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local {
    /// This machine.
    pub machine: MachineId,
    /// The epoch in which it writes now.
    pub epoch: Epoch,
}

/// The verdict on a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Write these events (those of the run that are new) as one run, and this head.
    Append {
        /// The new events. The first of them follows the head that was known.
        run: VerifiedRun,
        /// The log's new head.
        head: Head,
    },
    /// All of it is held already. Acknowledge it as if it were new: the first acknowledgement may be lost.
    Duplicate,
    /// Not yet: keep it in memory, unacknowledged, and ask again when events of the session were written.
    Waiting {
        /// The run.
        run: VerifiedRun,
        /// What it waits for.
        missing: Missing,
    },
    /// The author signed two different events for one place. Keep this run as proof, mark the log's head frozen.
    Fork {
        /// The run that contradicts what is held.
        run: VerifiedRun,
        /// The place.
        seq: u64,
        /// What is held there.
        held: EventId,
        /// What the run has (or names) there.
        other: EventId,
    },
    /// The run is this machine's own, of the epoch in which it writes, and not on its disk: the disk lost data. Begin a
    /// new epoch, durably, then ask again.
    LostOwn {
        /// The run.
        run: VerifiedRun,
    },
    /// Never: drop it.
    Refuse(Refusal),
}

/// What a run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// Events of its own log from this place on.
    From(u64),
    /// These parents.
    Parents(Vec<EventId>),
}

/// Why a run is refused for good.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The session is not the one of this machine and the linked one, or its author is neither.
    #[error("the session or its author does not belong to this link")]
    NotAMember,
    /// A Lamport time that does not follow from `prev` and parents.
    #[error("lamport at seq {seq} must be {expected}, not {actual}")]
    Lamport {
        /// The place.
        seq: u64,
        /// What it must be.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// The log is frozen.
    #[error("the log is frozen, because its author wrote two events at one place")]
    Frozen,
    /// More logs of one author than [`limits::EPOCHS_PER_AUTHOR`].
    #[error("the author has too many epochs")]
    TooManyEpochs,
    /// A body of a known kind that cannot be read.
    #[error("body at seq {seq}: {error}")]
    Body {
        /// The place.
        seq: u64,
        /// What is wrong with it.
        error: DecodeError,
    },
}

/// Judges a run that arrived over the link to `peer`.
///
/// The verdict depends on nothing but the run and what is held, so machines that hold the same events come to the same
/// verdicts, in whatever order the events came.
///
/// # Errors
/// When a look-up fails.
pub fn admit<K: Known>(run: VerifiedRun, peer: &MachineId, local: &Local, known: &K) -> Result<Admission, K::Error> {
    if !belongs(&run, peer, local) {
        return Ok(Admission::Refuse(Refusal::NotAMember));
    }
    let (session, author, epoch) = (run.session(), run.author(), run.epoch());
    let own = author == local.machine && epoch == local.epoch;
    let head = known.head(session, &author, epoch)?;
    let held = head.map_or(0, |head| head.seq);

    if let Some(fork) = contradiction(&run, head.as_ref(), known)? {
        return Ok(match head {
            Some(Head { frozen: true, .. }) => Admission::Refuse(Refusal::Frozen),
            _ if own => Admission::LostOwn { run },
            _ => Admission::Fork { run, seq: fork.seq, held: fork.held, other: fork.other },
        });
    }
    if run.last_seq() <= held {
        return Ok(Admission::Duplicate);
    }
    if head.is_some_and(|head| head.frozen) {
        return Ok(Admission::Refuse(Refusal::Frozen));
    }
    if own {
        return Ok(Admission::LostOwn { run });
    }
    if run.first_seq() > held + 1 {
        return Ok(Admission::Waiting { run, missing: Missing::From(held + 1) });
    }
    if head.is_none() && known.epochs(session, &author)? >= limits::EPOCHS_PER_AUTHOR {
        return Ok(Admission::Refuse(Refusal::TooManyEpochs));
    }
    // Runs of honest authors do not overlap; one that does is cut, so that all end with the same events.
    let overlap = usize::try_from(held + 1 - run.first_seq()).unwrap_or(0);
    let run = if overlap > 0 { run.without_first(overlap) } else { run };
    judge_events(run, head.as_ref(), known)
}

/// Whether the run is of the direct session of this machine and the linked one, by one of the two.
fn belongs(run: &Run, peer: &MachineId, local: &Local) -> bool {
    let author = run.author();
    peer != &local.machine
        && (author == *peer || author == local.machine)
        && run.session() == SessionId::direct(&local.machine, peer)
}

struct Contradiction {
    seq: u64,
    held: EventId,
    other: EventId,
}

/// Looks for a place at which the run has, or names as `prev`, another event than is held.
fn contradiction<K: Known>(run: &Run, head: Option<&Head>, known: &K) -> Result<Option<Contradiction>, K::Error> {
    let Some(head) = head else { return Ok(None) };
    let id_at = |seq| match seq {
        seq if seq == head.seq => Ok(Some(head.id)),
        seq => known.id_at(run.session(), &run.author(), run.epoch(), seq),
    };
    let first = run.first_seq();
    // The place before the run and the run's own, as far as they are held. Since each event names the one before, the
    // first place that differs is the fork.
    if let Some(prev) = run.events().first().and_then(|event| event.header().prev)
        && first - 1 <= head.seq
        && let Some(held) = id_at(first - 1)?
        && held != prev
    {
        return Ok(Some(Contradiction { seq: first - 1, held, other: prev }));
    }
    let overlap = run.events().iter().take_while(|event| event.header().seq <= head.seq);
    // Equal at the last place held means equal at all before: one look-up in the usual case.
    let Some(last) = overlap.clone().last() else { return Ok(None) };
    if id_at(last.header().seq)?.is_none_or(|held| held == last.id()) {
        return Ok(None);
    }
    for event in overlap {
        let seq = event.header().seq;
        if let Some(held) = id_at(seq)?
            && held != event.id()
        {
            return Ok(Some(Contradiction { seq, held, other: event.id() }));
        }
    }
    Ok(None)
}

/// Judges events that follow the known head: parents, Lamport times, bodies.
fn judge_events<K: Known>(run: VerifiedRun, head: Option<&Head>, known: &K) -> Result<Admission, K::Error> {
    let session = run.session();
    let mut head = head.copied();
    let mut in_run = BTreeMap::new();
    for event in run.events() {
        let header = event.header();
        let mut greatest = head.map_or(0, |head| head.lamport);
        let mut unknown = Vec::new();
        for parent in &header.parents {
            let lamport = match in_run.get(parent) {
                Some(lamport) => Some(*lamport),
                None => known.lamport(session, parent)?,
            };
            match lamport {
                Some(lamport) => greatest = greatest.max(lamport),
                None => unknown.push(*parent),
            }
        }
        if !unknown.is_empty() {
            // What comes after in the run is judged when these are known: no more look-ups than an honest run needs.
            return Ok(Admission::Waiting { run, missing: Missing::Parents(unknown) });
        }
        let (seq, actual, expected) = (header.seq, header.lamport, greatest + 1);
        if actual != expected {
            return Ok(Admission::Refuse(Refusal::Lamport { seq, expected, actual }));
        }
        if let Err(error) = event.decode_body() {
            return Ok(Admission::Refuse(Refusal::Body { seq, error }));
        }
        in_run.insert(event.id(), actual);
        head = Some(Head { seq, id: event.id(), lamport: actual, frozen: false });
    }
    // A run has at least one event, so there is a head by now.
    Ok(head.map_or(Admission::Duplicate, |head| Admission::Append { run, head }))
}

/// The time under which an event is shown: the author's clock, but not before the events that it follows and not after
/// it was first seen here. All in milliseconds since 1970.
///
/// `follows_shown_ms` is the latest shown time of `prev` and the parents, none when there are none. Where the two bounds
/// cross, because this machine's clock went back, the first one holds.
pub fn shown_ms(wall_ms: u64, follows_shown_ms: Option<u64>, first_seen_ms: u64) -> u64 {
    wall_ms.min(first_seen_ms).max(follows_shown_ms.unwrap_or(0))
}
