//! Runs that came before what they follow.

use super::Missing;
use crate::limits;
use crate::run::{Run, VerifiedRun};

/// Keeps the waiting runs of one session in memory, within [`limits::WAITING_RUNS`] and [`limits::WAITING_BYTES`].
///
/// They are unacknowledged, so their sender has them still: what does not fit is dropped, and comes again when the peer
/// is sent a `Vector`.
#[derive(Debug, Default)]
pub struct WaitingRoom {
    waiting: Vec<(VerifiedRun, Missing)>,
    bytes: usize,
}

impl WaitingRoom {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a run until what it misses was written. Gives false when there is no room for it; a run that waits already
    /// is kept once.
    pub fn hold(&mut self, run: VerifiedRun, missing: Missing) -> bool {
        if self.waiting.iter().any(|(other, _)| *other == run) {
            return true;
        }
        let bytes = self.bytes + run.size();
        if self.waiting.len() == limits::WAITING_RUNS || bytes > limits::WAITING_BYTES {
            return false;
        }
        self.bytes = bytes;
        self.waiting.push((run, missing));
        true
    }

    /// Takes out the runs that waited for events of `written`. The caller has each judged again: one may wait for more.
    pub fn released_by(&mut self, written: &Run) -> Vec<VerifiedRun> {
        let (released, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|(run, missing)| answers(written, run, missing));
        self.waiting = waiting;
        self.bytes -= released.iter().map(|(run, _)| run.size()).sum::<usize>();
        released.into_iter().map(|(run, _)| run).collect()
    }

    /// How many runs wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

fn answers(written: &Run, run: &Run, missing: &Missing) -> bool {
    match missing {
        Missing::From(seq) => {
            (written.author(), written.epoch()) == (run.author(), run.epoch()) && written.last_seq() >= *seq
        }
        Missing::Parents(parents) => written.events().iter().any(|event| parents.contains(&event.id())),
    }
}
