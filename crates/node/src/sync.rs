//! What one link owes its peer: for each shared session how far the peer is, and what may be sent next.
//!
//! Decides only. A peer says how far it is by a digest that equals ours or by a vector, and from there on everything that
//! is sent is counted as had: TCP keeps the order, and if the link breaks, the next one begins with what the peer says then.
//! A vector is always a request: "this is what I have, go on from here". That also ends a hold.

use std::collections::BTreeMap;

use proto::id::SessionId;
use proto::run::Run;
use proto::vector::VersionVector;

/// The state of all shared sessions on one link.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    sessions: BTreeMap<SessionId, Flow>,
}

#[derive(Debug)]
struct Flow {
    mode: Mode,
    /// What the peer has, or will have when what was sent has arrived.
    sent: VersionVector,
    /// There is more in the store than was sent.
    behind: bool,
}

/// Whether something may be sent in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The peer has not said how far it is.
    Unknown,
    /// It goes.
    Open,
    /// The peer wants no more until it says a vector again: its owner has not accepted this one, or its disk is full.
    Held,
}

/// What to do with runs that were just appended here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Live {
    /// Send these now; they count as sent.
    Send(Vec<Run>),
    /// Nothing to send now: the peer has them, or they follow from the store, or when it asks.
    Nothing,
    /// The peer knows nothing of this session yet: send a digest, it will ask.
    Announce,
}

impl Sync {
    /// The peer's digest equals that of our vector `ours`. What was appended while they were compared follows from the
    /// store.
    pub(crate) fn equal(&mut self, session: SessionId, ours: VersionVector) {
        self.vector(session, ours);
    }

    /// The peer says what it has, and asks for the rest.
    pub(crate) fn vector(&mut self, session: SessionId, theirs: VersionVector) {
        self.sessions.insert(session, Flow { mode: Mode::Open, sent: theirs, behind: true });
    }

    /// The peer wants no more in this session for now.
    pub(crate) fn hold(&mut self, session: SessionId) {
        let flow = self.flow(session);
        flow.mode = Mode::Held;
        flow.behind = true;
    }

    /// Runs were appended here.
    pub(crate) fn appended(&mut self, session: SessionId, runs: Vec<Run>) -> Live {
        let fresh = !self.sessions.contains_key(&session);
        let flow = self.flow(session);
        match flow.mode {
            Mode::Unknown => return if fresh { Live::Announce } else { Live::Nothing },
            Mode::Held => return Live::Nothing,
            Mode::Open => {}
        }
        let mut out = Vec::new();
        for run in runs {
            let has = flow.sent.get(&run.author(), run.epoch());
            if flow.behind || run.last_seq() <= has {
                continue;
            }
            if run.first_seq() > has + 1 {
                // Something before it was not sent: it comes from the store, in order.
                flow.behind = true;
                continue;
            }
            flow.sent.set_max(run.author(), run.epoch(), run.last_seq());
            out.push(run);
        }
        if out.is_empty() { Live::Nothing } else { Live::Send(out) }
    }

    /// Runs of this session were appended but not kept in memory for this link.
    pub(crate) fn skipped(&mut self, session: SessionId) -> Live {
        let fresh = !self.sessions.contains_key(&session);
        let flow = self.flow(session);
        flow.behind = true;
        if fresh { Live::Announce } else { Live::Nothing }
    }

    /// A session of which the store holds more than was sent, and what was sent.
    pub(crate) fn next_load(&self) -> Option<(SessionId, VersionVector)> {
        let ready = |(_, flow): &(&SessionId, &Flow)| flow.mode == Mode::Open && flow.behind;
        self.sessions.iter().find(ready).map(|(session, flow)| (*session, flow.sent.clone()))
    }

    /// What the store gave after `after`; no runs mean that there is no more. Gives what to send, which counts as sent.
    pub(crate) fn loaded(&mut self, session: SessionId, after: &VersionVector, runs: Vec<Run>) -> Vec<Run> {
        let flow = self.flow(session);
        if flow.mode != Mode::Open || flow.sent != *after {
            // The peer said something else meanwhile.
            return Vec::new();
        }
        flow.behind = !runs.is_empty();
        for run in &runs {
            flow.sent.set_max(run.author(), run.epoch(), run.last_seq());
        }
        runs
    }

    fn flow(&mut self, session: SessionId) -> &mut Flow {
        self.sessions.entry(session).or_insert_with(|| Flow {
            mode: Mode::Unknown,
            sent: VersionVector::new(),
            behind: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proto::event::{Body, Event, Header};
    use proto::id::{Epoch, EventId};
    use proto::identity::Identity;

    use super::*;

    const S: SessionId = SessionId::from_bytes([7; 16]);

    /// A log of `count` runs with one event each.
    fn log(count: u64) -> Vec<Run> {
        let identity = Identity::from_seed([1; 32]);
        let mut prev: Option<EventId> = None;
        (1..=count)
            .map(|seq| {
                let body = Body::message(format!("{seq}"));
                let header = Header {
                    session: S,
                    author: identity.machine_id(),
                    epoch: Epoch::new(5),
                    seq,
                    prev,
                    parents: Vec::new(),
                    lamport: seq,
                    wall_ms: 0,
                    kind: body.kind().unwrap(),
                    body_hash: [0; 32],
                };
                let event = Event::new(header, body.encode().unwrap()).unwrap();
                prev = Some(event.id());
                Run::sign(&identity, vec![event]).unwrap().into_run()
            })
            .collect()
    }

    fn vector(runs: &[Run]) -> VersionVector {
        runs.iter().map(|run| (run.author(), run.epoch(), run.last_seq())).collect()
    }

    #[test]
    fn live_runs_go_at_once_and_only_once() {
        let runs = log(3);
        let mut sync = Sync::default();
        assert_eq!(sync.appended(S, runs[..1].to_vec()), Live::Announce);
        assert_eq!(sync.appended(S, runs[..1].to_vec()), Live::Nothing, "because it is announced once");
        sync.equal(S, vector(&runs[..1]));
        let (_, after) = sync.next_load().unwrap();
        assert!(sync.loaded(S, &after, Vec::new()).is_empty());
        assert_eq!(sync.appended(S, runs[..2].to_vec()), Live::Send(runs[1..2].to_vec()));
        assert_eq!(sync.appended(S, runs[1..].to_vec()), Live::Send(runs[2..].to_vec()));
        assert_eq!(sync.next_load(), None);
    }

    #[test]
    fn a_gap_is_filled_from_the_store_in_order() {
        let runs = log(4);
        let mut sync = Sync::default();
        sync.vector(S, VersionVector::new());
        let (session, after) = sync.next_load().unwrap();
        assert_eq!((session, after.is_empty()), (S, true));
        assert_eq!(sync.appended(S, runs[2..3].to_vec()), Live::Nothing, "because what is before it comes first");
        assert_eq!(sync.loaded(S, &after, runs[..3].to_vec()).len(), 3);
        let (_, after) = sync.next_load().unwrap();
        assert!(sync.loaded(S, &after, Vec::new()).is_empty());
        assert_eq!(sync.next_load(), None, "because the store had no more");
        assert_eq!(sync.appended(S, runs[3..].to_vec()), Live::Send(runs[3..].to_vec()));
    }

    #[test]
    fn what_the_peer_says_meanwhile_counts() {
        let runs = log(3);
        let mut sync = Sync::default();
        sync.vector(S, VersionVector::new());
        let (_, after) = sync.next_load().unwrap();
        sync.vector(S, vector(&runs[..2]));
        assert!(sync.loaded(S, &after, runs.clone()).is_empty(), "because the load answers an older question");
        assert_eq!(sync.next_load().unwrap().1, vector(&runs[..2]));
    }

    #[test]
    fn a_hold_ends_with_a_vector() {
        let runs = log(2);
        let mut sync = Sync::default();
        sync.equal(S, VersionVector::new());
        sync.hold(S);
        assert_eq!(sync.appended(S, runs.clone()), Live::Nothing);
        assert_eq!(sync.next_load(), None);
        sync.vector(S, VersionVector::new());
        assert!(sync.next_load().is_some());
    }
}
