//! Making own runs.

use thiserror::Error;

use super::{Head, Local};
use crate::cbor::{DecodeError, Problem};
use crate::event::{Body, Event, Header};
use crate::id::{Epoch, EventId, MachineId, SessionId};
use crate::identity::Identity;
use crate::limits;
use crate::run::{Run, RunError, VerifiedRun};

/// Why an own run cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AppendError {
    /// The own log is frozen: a new epoch is due.
    #[error("the log is frozen")]
    Frozen,
    /// The run is full: sign it and begin another.
    #[error("the run is full")]
    Full,
    /// A body that others would refuse.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The events are no run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// An event of another log that an own run is to name as a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its ID.
    pub id: EventId,
    /// Its Lamport time.
    pub lamport: u64,
}

/// Makes one own run: events that one commit appends to one own log.
#[derive(Debug)]
pub struct RunBuilder {
    session: SessionId,
    author: MachineId,
    epoch: Epoch,
    prev: Option<EventId>,
    seq: u64,
    lamport: u64,
    parents: Vec<EventId>,
    events: Vec<Event>,
    size: usize,
}

impl RunBuilder {
    /// Begins a run after `head` of this machine's log in `session`.
    ///
    /// `parents` are the newest events of the session's other logs that came to be held since `head` was written (those
    /// before are covered by it; naming them again is harmless). Of more than [`limits::PARENTS`] the ones with the
    /// highest Lamport times are named.
    ///
    /// # Errors
    /// [`AppendError::Frozen`].
    pub fn new(
        session: SessionId,
        local: &Local,
        head: Option<&Head>,
        parents: impl IntoIterator<Item = Parent>,
    ) -> Result<Self, AppendError> {
        if head.is_some_and(|head| head.frozen) {
            return Err(AppendError::Frozen);
        }
        let mut parents: Vec<Parent> = parents.into_iter().collect();
        parents.sort_by(|a, b| b.lamport.cmp(&a.lamport).then(a.id.cmp(&b.id)));
        parents.dedup_by_key(|parent| parent.id);
        parents.truncate(limits::PARENTS);
        let before = head.map_or(0, |head| head.lamport);
        let lamport = parents.first().map_or(before, |newest| newest.lamport.max(before));
        let mut parents: Vec<EventId> = parents.into_iter().map(|parent| parent.id).collect();
        parents.sort();
        Ok(Self {
            session,
            author: local.machine,
            epoch: local.epoch,
            prev: head.map(|head| head.id),
            seq: head.map_or(0, |head| head.seq),
            lamport,
            parents,
            events: Vec::new(),
            size: 0,
        })
    }

    /// Appends an event. A wall clock beyond [`limits::WALL_MS_MAX`] is clamped.
    ///
    /// # Errors
    /// [`AppendError::Full`] when it does not fit into this run; the body is then not appended. A body that others
    /// would refuse.
    pub fn push(&mut self, wall_ms: u64, body: &Body) -> Result<&Event, AppendError> {
        let bytes = body.encode()?;
        let kind = body.kind().ok_or(Problem::Missing.in_field("kind"))?;
        let header = Header {
            session: self.session,
            author: self.author,
            epoch: self.epoch,
            seq: self.seq + 1,
            prev: self.prev,
            // The first event of the run names them; the others follow it.
            parents: if self.events.is_empty() { self.parents.clone() } else { Vec::new() },
            lamport: self.lamport + 1,
            wall_ms: wall_ms.min(limits::WALL_MS_MAX),
            kind,
            body_hash: [0; 32],
        };
        let event = Event::new(header, bytes)?;
        if self.events.len() == limits::RUN_EVENTS || self.size + event.size() > limits::RUN_BYTES {
            return Err(AppendError::Full);
        }
        (self.seq, self.lamport, self.prev) = (self.seq + 1, self.lamport + 1, Some(event.id()));
        self.size += event.size();
        self.events.push(event);
        self.events.last().ok_or(AppendError::Full)
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Signs the run, and gives the log's new head.
    ///
    /// # Errors
    /// When it has no events or `identity` is not the author's.
    pub fn sign(self, identity: &Identity) -> Result<(VerifiedRun, Head), AppendError> {
        let (seq, lamport) = (self.seq, self.lamport);
        let id = self.prev.ok_or(AppendError::Run(RunError::Count(0)))?;
        let run = Run::sign(identity, self.events)?;
        Ok((run, Head { seq, id, lamport, frozen: false }))
    }
}
