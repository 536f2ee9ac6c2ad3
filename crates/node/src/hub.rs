//! Where changes are published: the one stream, and the list of sessions whose row is to be read and shown anew.
//!
//! A session's row holds counts that many messages change. So its changes are gathered: whoever changes a session marks
//! it, and one task reads and publishes what is marked, the first at once, then at most every few milliseconds. So it is
//! with the records of the notification centre.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use proto::id::SessionId;
use store::notifications::NotificationKey;
use tokio::sync::{Notify, broadcast};

use crate::changes::Changes;
use crate::view::Change;

/// Changes that a reader may be behind before it is told that it lagged. A burst of a thousand messages fits.
const CAPACITY: usize = 2_048;

/// The sending side.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Absent once the node has ended, so that the readers' streams end.
    changes: Mutex<Option<broadcast::Sender<Arc<Change>>>>,
    /// What is to be read and published.
    marked: Mutex<Marked>,
    wake: Notify,
    /// For the search index: some session has more messages, or other ones.
    grown: Notify,
    /// How often a session was marked.
    marks: AtomicU64,
}

/// What changed and was not published yet.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    pub(crate) sessions: BTreeSet<SessionId>,
    pub(crate) notifications: BTreeSet<NotificationKey>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            changes: Mutex::new(Some(broadcast::Sender::new(CAPACITY))),
            marked: Mutex::default(),
            wake: Notify::new(),
            grown: Notify::new(),
            marks: AtomicU64::new(0),
        }
    }

    /// A new reader.
    pub(crate) fn subscribe(&self) -> Changes {
        match self.sender() {
            Some(sender) => Changes::new(sender.subscribe()),
            // A stream that has ended already.
            None => Changes::new(broadcast::Sender::new(1).subscribe()),
        }
    }

    /// Whether anybody reads. Rows that nobody sees need not be built.
    pub(crate) fn watched(&self) -> bool {
        self.sender().is_some_and(|sender| sender.receiver_count() > 0)
    }

    /// Publishes a change.
    pub(crate) fn publish(&self, change: Change) {
        if let Some(sender) = self.sender() {
            // Nobody reading is all right.
            let _ = sender.send(Arc::new(change));
        }
    }

    /// Marks a session's row as changed.
    pub(crate) fn mark(&self, session: SessionId) {
        self.with_marked(|marked| marked.sessions.insert(session));
        self.marks.fetch_add(1, Ordering::Relaxed);
        self.grown.notify_one();
    }

    /// How often a session was marked so far.
    pub(crate) fn marks(&self) -> u64 {
        self.marks.load(Ordering::Relaxed)
    }

    /// Marks a record of the notification centre as changed or gone.
    pub(crate) fn note(&self, notification: NotificationKey) {
        self.with_marked(|marked| marked.notifications.insert(notification));
    }

    fn with_marked(&self, change: impl FnOnce(&mut Marked) -> bool) {
        change(&mut self.marked.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
    }

    /// Waits until some session was marked since the last time.
    pub(crate) async fn grown(&self) {
        self.grown.notified().await;
    }

    /// Waits until something is marked, and takes it.
    pub(crate) async fn marked(&self) -> Marked {
        loop {
            self.wake.notified().await;
            let taken = std::mem::take(&mut *self.marked.lock().unwrap_or_else(PoisonError::into_inner));
            if !taken.sessions.is_empty() || !taken.notifications.is_empty() {
                return taken;
            }
        }
    }

    /// Ends all readers' streams.
    pub(crate) fn close(&self) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn sender(&self) -> Option<broadcast::Sender<Arc<Change>>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::Lagged;

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_told_and_goes_on() {
        let hub = Hub::new();
        let mut slow = hub.subscribe();
        let published = CAPACITY as u64 + 10;
        for total in 0..published {
            hub.publish(Change::UnreadChanged { total: u32::try_from(total).unwrap() });
        }
        assert_eq!(slow.next().await, Some(Err(Lagged(10))));
        assert_eq!(slow.next().await, Some(Ok(Change::UnreadChanged { total: 10 })), "because the newest are kept");
        hub.close();
        let mut rest = 0;
        while slow.next().await.is_some() {
            rest += 1;
        }
        assert_eq!(rest, CAPACITY - 1, "because what was published before the end is still given");
        assert!(hub.subscribe().next().await.is_none(), "because the node has ended");
    }
}
