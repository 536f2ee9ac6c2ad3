//! The one place where the relay starts tasks: each is known, told to stop, and in the end dropped.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one relay.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Tasks {
    /// Starts a task. A panic in it is logged with its name.
    pub(crate) fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let watched = self.watched(name, future);
        self.tracker.spawn(watched);
    }

    /// A future that counts as a task of this relay, whoever drives it.
    pub(crate) fn watched<F>(&self, name: &'static str, future: F) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let cut = self.cut.clone();
        // In a box: each layer around a future would take its size once more, and an idle client is little else.
        let future = Box::pin(future);
        self.tracker.track_future(async move {
            // What is cut does nothing more, not even to end well.
            let outcome = tokio::select! {
                biased;
                () = cut.cancelled() => Ok(()),
                outcome = AssertUnwindSafe(future).catch_unwind() => outcome,
            };
            if let Err(panic) = outcome {
                tracing::error!(task = name, reason = words(panic.as_ref()), "a task panicked");
            }
        })
    }

    /// Cancelled when tasks are to end by themselves.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Tells all to stop, waits so long, drops what is left, and returns when nothing runs any more.
    pub(crate) async fn shutdown(&self, grace: Duration) {
        self.stop.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_err() {
            self.cut.cancel();
            self.tracker.wait().await;
        }
    }

    /// Drops everything at once.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
        self.stop.cancel();
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}
