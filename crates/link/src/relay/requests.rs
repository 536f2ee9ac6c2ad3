//! Requests that a relay has not answered yet. No I/O; time is passed in.

use std::{collections::BTreeMap, time::Duration};

use proto::{
    id::MachineId,
    prekey::SignedPrekey,
    relay::{Request, Ticket},
};
use tokio::time::Instant;

use super::stations::Reply;

/// What an answer is awaited for.
#[derive(Debug)]
pub(super) enum Awaited {
    /// The relay was told of tokens or of whom to watch.
    Plan,
    /// It was given this machine's prekey.
    Published,
    /// It was asked what lies in the mailbox.
    Fetch,
    /// It was told what may be deleted there.
    Ack,
    /// Somebody wants a tunnel.
    Tunnel(Reply<Ticket>),
    /// Somebody wants to leave an envelope.
    Put(Reply<()>),
    /// Somebody wants the prekey of this machine.
    Prekey(MachineId, Reply<Option<SignedPrekey>>),
}

/// What was asked on one connection. Each request gets exactly one answer, also when nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Requests {
    last: Request,
    waiting: BTreeMap<Request, Awaited>,
    /// Since when the oldest has been the oldest.
    oldest_since: Instant,
}

impl Requests {
    pub(super) fn new(now: Instant) -> Self {
        Self { last: 0, waiting: BTreeMap::new(), oldest_since: now }
    }

    /// A number for one more.
    pub(super) fn add(&mut self, awaited: Awaited, now: Instant) -> Request {
        if self.waiting.is_empty() {
            self.oldest_since = now;
        }
        self.last = self.last.wrapping_add(1);
        self.waiting.insert(self.last, awaited);
        self.last
    }

    /// What a number stands for, once; none when it was never given.
    pub(super) fn answered(&mut self, request: Request, now: Instant) -> Option<Awaited> {
        if self.waiting.keys().next() == Some(&request) {
            self.oldest_since = now;
        }
        self.waiting.remove(&request)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the relay has confirmed all that it was told.
    pub(super) fn is_told(&self) -> bool {
        !self.waiting.values().any(|awaited| matches!(awaited, Awaited::Plan | Awaited::Published))
    }

    /// When a relay must have answered the oldest. The time begins anew with each one, so that a slow line on which much
    /// is under way is not taken for silence.
    pub(super) fn deadline(&self, patience: Duration) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.oldest_since + patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_answered_once_and_the_oldest_sets_the_time() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let mut requests = Requests::new(begin);
        assert_eq!(requests.deadline(second), None);
        let first = requests.add(Awaited::Plan, begin + second);
        let other = requests.add(Awaited::Fetch, begin + second * 2);
        assert_eq!(requests.deadline(second), Some(begin + second * 2));
        assert!(!requests.is_told());
        assert!(requests.answered(other, begin + second * 3).is_some());
        assert_eq!(requests.deadline(second), Some(begin + second * 2), "because the oldest still waits");
        let last = requests.add(Awaited::Ack, begin + second * 4);
        assert!(requests.answered(first, begin + second * 5).is_some());
        assert!(requests.is_told());
        assert_eq!(requests.deadline(second), Some(begin + second * 6));
        assert!(requests.answered(first, begin).is_none(), "because it was answered");
        assert!(requests.answered(last + 1, begin).is_none(), "because nobody asked");
        assert!(requests.answered(last, begin).is_some());
        assert_eq!((requests.len(), requests.deadline(second)), (0, None));
    }
}
