//! The task that lets what was deleted leave the disk: after the commit its bytes still stand in the database's write-ahead
//! log, until that is carried over.
//!
//! It gathers what is deleted within a second, and waits for nobody: when somebody reads just then it comes again. The search
//! index does the same for its own file as it follows.

use std::sync::Arc;
use std::time::Duration;

use store::StoreError;
use tokio::time::sleep;

use crate::core::Core;

/// From the first deletion to the carrying over, so that many share one. It costs two syncs.
const GATHER: Duration = Duration::from_secs(1);

/// After a read that stood in the way.
const AGAIN: Duration = Duration::from_millis(250);

/// After a failure, such as a full disk.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// Carries over, until the store is closed.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        core.store.erased().await;
        let mut wait = GATHER;
        loop {
            sleep(wait).await;
            wait = match core.store.carry_over().await {
                Ok(true) => break,
                Ok(false) => AGAIN,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "what was deleted may still stand in the database's log");
                    AFTER_FAILURE
                }
            };
        }
    }
}
