//! The one stream of changes that everything else lives on.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::view::Change;

/// A reader fell behind and missed this many changes: it loads again what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} changes were missed")]
pub struct Lagged(pub u64);

/// One reader of the stream. What happens before it is made is not on it.
#[derive(Debug)]
pub struct Changes {
    receiver: broadcast::Receiver<Arc<Change>>,
}

impl Changes {
    pub(crate) fn new(receiver: broadcast::Receiver<Arc<Change>>) -> Self {
        Self { receiver }
    }

    /// The next change; `None` when the node has ended. After [`Lagged`] the stream goes on with what is newest.
    pub async fn next(&mut self) -> Option<Result<Change, Lagged>> {
        match self.receiver.recv().await {
            Ok(change) => Some(Ok(Arc::unwrap_or_clone(change))),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Err(Lagged(missed))),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
