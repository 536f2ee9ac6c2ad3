//! Which nodes live.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::NodeId;

/// So often a node says in the time after which it is taken for gone that it lives.
const BEATS: u32 = 4;

/// When each node was last heard.
#[derive(Debug)]
pub(super) struct Nodes {
    lease: Duration,
    heard: Mutex<HashMap<NodeId, Heard>>,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    at: Instant,
    is_lost: bool,
}

impl Nodes {
    /// Nobody was heard yet. After `lease` without a word a node is gone.
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, heard: Mutex::default() }
    }

    /// How often a node says that it lives.
    pub(super) fn beat(&self) -> Duration {
        self.lease / BEATS
    }

    /// A node says that it lives: whether it was thought lost.
    pub(super) fn hear(&self, node: NodeId) -> bool {
        let before = self.heard().insert(node, Heard { at: Instant::now(), is_lost: false });
        before.is_some_and(|before| before.is_lost)
    }

    /// Whether a node lives. One of which nothing was heard yet gets the time that it takes to hear of it.
    pub(super) fn lives(&self, node: NodeId) -> bool {
        let heard = *self.heard().entry(node).or_insert_with(|| Heard { at: Instant::now(), is_lost: false });
        !heard.is_lost
    }

    /// Whether a node is known to be gone. Who asks may name any, so that nothing is noted of one that was never heard.
    pub(super) fn is_lost(&self, node: NodeId) -> bool {
        self.heard().get(&node).is_some_and(|heard| heard.is_lost)
    }

    /// A node has said goodbye.
    pub(super) fn lose(&self, node: NodeId) {
        self.heard().insert(node, Heard { at: Instant::now(), is_lost: true });
    }

    /// Those that were not heard for too long, each once. One that is lost for long is forgotten.
    pub(super) fn silent(&self) -> Vec<NodeId> {
        let mut silent = Vec::new();
        self.heard().retain(|node, heard| {
            let is_silent = heard.at.elapsed() >= self.lease;
            if is_silent && !heard.is_lost {
                *heard = Heard { at: Instant::now(), is_lost: true };
                silent.push(*node);
                return true;
            }
            !heard.is_lost || heard.at.elapsed() < super::kept::MAX_AGE
        });
        silent
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<NodeId, Heard>> {
        // Entries come and go whole.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_not_heard_is_lost_once_and_may_come_back() {
        let lease = Duration::from_secs(15);
        let (nodes, one, two) = (Nodes::new(lease), NodeId([1; 16]), NodeId([2; 16]));
        assert!(!nodes.hear(one));
        assert!(nodes.lives(two), "because it may not have said it yet");
        assert!(!nodes.is_lost(two) && !nodes.is_lost(NodeId([3; 16])));
        tokio::time::advance(lease / 2).await;
        nodes.hear(one);
        tokio::time::advance(lease / 2).await;
        assert_eq!(
            (nodes.silent(), nodes.silent()),
            (vec![two], vec![]),
            "because nobody but a client named the third"
        );
        assert!(nodes.is_lost(two));
        assert!(nodes.lives(one) && !nodes.lives(two));
        assert!(nodes.hear(two), "because it was thought lost");
        assert!(nodes.lives(two));
        nodes.lose(two);
        assert!(!nodes.lives(two));
    }
}
