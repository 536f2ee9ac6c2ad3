//! The task that lets the search index follow the messages.
//!
//! It waits a moment after each change, so that a burst makes one batch, and rests after each batch for as long as that
//! took, or four times as long while messages keep coming: indexing takes half of a core at most, and a fifth from those
//! who write.

use std::sync::Arc;
use std::time::Duration;

use store::StoreError;
use tokio::time::{Instant, sleep};

use crate::core::Core;

/// After the start the network comes first. What is not indexed is found all the same.
const AFTER_START: Duration = Duration::from_millis(500);

/// From a change to its indexing; the goal is a second.
const GATHER: Duration = Duration::from_millis(250);

/// How many times as long as a batch took it rests after it while messages keep coming.
const WHILE_BUSY: u32 = 4;

/// After a failure, such as a full disk.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Follows, until the store is closed.
pub(crate) async fn run(core: Arc<Core>) {
    sleep(AFTER_START).await;
    loop {
        let (began, marks) = (Instant::now(), core.hub.marks());
        match core.search.follow(&core.store).await {
            Ok(true) => {
                let busy = core.hub.marks() != marks;
                sleep(began.elapsed() * if busy { WHILE_BUSY } else { 1 }).await;
            }
            Ok(false) => {
                core.hub.grown().await;
                sleep(GATHER).await;
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "the search index does not follow");
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}
