//! The one place where tasks are started.
//!
//! Every task has a name, an owner and an end: [`Tasks`] owns what was spawned through it, a panic inside a task is
//! logged with the task's name instead of vanishing, and [`Tasks::shutdown`] returns only when nothing runs any more.
//! Dropping the owner aborts what is left.

use std::{
    any::Any,
    borrow::Cow,
    collections::HashMap,
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::FutureExt as _;
use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};
use tokio::{sync::oneshot, task::AbortHandle};
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::TaskTracker,
};

/// How long tasks that watch [`Spawner::stopping`] get to finish before [`Tasks::shutdown`] aborts them.
///
/// Three seconds: long enough for a goodbye on the network (one second for mDNS), short enough that quitting feels
/// immediate.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// What a background thread runs at, of 0 to 99 with 50 as usual: on Linux a niceness of 9.
const BACKGROUND: u8 = 25;

/// Owner of a group of tasks. Not cloneable: whoever holds it ends them.
///
/// Give [`Tasks::spawner`] to the parts that start tasks. Tasks must not hold the `Tasks` that owns them.
pub struct Tasks {
    spawner: Spawner,
}

/// A cheap handle that starts tasks in the group of the [`Tasks`] it came from.
#[derive(Clone)]
pub struct Spawner {
    inner: Arc<Inner>,
}

struct Inner {
    tracker: TaskTracker,
    stop: CancellationToken,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    next: u64,
    closed: bool,
    /// The handle is missing for the moment between listing and spawning.
    tasks: HashMap<u64, (Cow<'static, str>, Option<AbortHandle>)>,
}

impl Tasks {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        let inner = Inner {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            running: Mutex::new(Running::default()),
        };
        Self { spawner: Spawner { inner: Arc::new(inner) } }
    }

    /// A handle for starting tasks in this group.
    #[must_use]
    pub fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// See [`Spawner::spawn`].
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, future: F) -> Task
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawner.spawn(name, future)
    }

    /// See [`Spawner::spawn_blocking`].
    ///
    /// # Errors
    /// [`TaskEnded`] when the group is shut down or the job panicked.
    pub fn spawn_blocking<T, F>(
        &self,
        name: &'static str,
        job: F,
    ) -> impl Future<Output = Result<T, TaskEnded>> + Send + use<T, F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawner.spawn_blocking(name, job)
    }

    /// Asks every task to stop (see [`Spawner::stopping`]), waits [`SHUTDOWN_GRACE`], aborts what is left, and returns
    /// when nothing of the group runs any more. Later spawns are refused. May be called twice.
    pub async fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN_GRACE).await;
    }

    /// As [`Tasks::shutdown`], with another grace period.
    pub async fn shutdown_within(&self, grace: Duration) {
        let inner = &self.spawner.inner;
        inner.close();
        if tokio::time::timeout(grace, inner.tracker.wait()).await.is_err() {
            inner.abort_all(true);
            inner.tracker.wait().await;
        }
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.spawner.inner.close();
        self.spawner.inner.abort_all(false);
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &self.spawner.running()).finish()
    }
}

impl Spawner {
    /// Starts a task. A panic in it is logged with `name`. After shutdown the future is dropped unrun.
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, future: F) -> Task
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = name.into();
        let Some(key) = self.inner.list(name.clone()) else { return Task { abort: None } };
        // The guard lives in the task, so that an aborted task leaves the list as well. The list is not locked
        // while spawning: a runtime that is going down drops the task, and with it the guard, at once.
        let listed = Listed { inner: self.inner.clone(), key };
        let reported = name;
        let handle = self.inner.tracker.spawn(async move {
            let _listed = listed;
            if let Err(panic) = AssertUnwindSafe(future).catch_unwind().await {
                report_panic(&reported, panic.as_ref());
            }
        });
        let abort = handle.abort_handle();
        let mut running = self.inner.lock();
        if let Some((_, listed)) = running.tasks.get_mut(&key) {
            *listed = Some(abort.clone());
        }
        Task { abort: Some(abort) }
    }

    /// Runs `job` on a thread where blocking is allowed and gives its result. Shutdown waits for it: it can't be
    /// aborted, so keep jobs short.
    ///
    /// # Errors
    /// [`TaskEnded`] when the group is shut down or the job panicked.
    pub fn spawn_blocking<T, F>(
        &self,
        name: &'static str,
        job: F,
    ) -> impl Future<Output = Result<T, TaskEnded>> + Send + use<T, F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        if !self.inner.lock().closed {
            // Nobody awaits the join handle: the result comes through the channel.
            drop(self.inner.tracker.spawn_blocking(move || match std::panic::catch_unwind(AssertUnwindSafe(job)) {
                Ok(value) => drop(reply.send(value)),
                Err(panic) => report_panic(name, panic.as_ref()),
            }));
        }
        async move { answer.await.map_err(|_| TaskEnded) }
    }

    /// Runs `job` on a thread of its own that gives way to all others, and gives its result: for what takes long and
    /// must not hold up what is quick, such as hashing and storing a file while messages come and go. Shutdown waits
    /// for it, so it must end when what it reads from or writes to ends.
    ///
    /// # Errors
    /// [`TaskEnded`] when the group is shut down, no thread can be had, or the job panicked.
    pub fn spawn_background<T, F>(
        &self,
        name: &'static str,
        job: F,
    ) -> impl Future<Output = Result<T, TaskEnded>> + Send + use<T, F>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        if !self.inner.lock().closed {
            let running = self.inner.tracker.token();
            let work = move || {
                let _running = running;
                // Without it the job runs as any other.
                let priority = ThreadPriorityValue::try_from(BACKGROUND).map(ThreadPriority::Crossplatform);
                if priority.is_ok_and(|priority| set_current_thread_priority(priority).is_err()) {
                    tracing::debug!(task = name, "the thread could not be made to give way");
                }
                match std::panic::catch_unwind(AssertUnwindSafe(job)) {
                    Ok(value) => drop(reply.send(value)),
                    Err(panic) => report_panic(name, panic.as_ref()),
                }
            };
            if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(work) {
                tracing::error!(%error, task = name, "no thread could be started");
            }
        }
        async move { answer.await.map_err(|_| TaskEnded) }
    }

    /// Resolves when the group is asked to stop. A task that has to tidy up selects on it.
    pub fn stopping(&self) -> WaitForCancellationFutureOwned {
        self.inner.stop.clone().cancelled_owned()
    }

    /// A token that is cancelled when the group is asked to stop; its children can be cancelled alone.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.inner.stop.child_token()
    }

    /// Names of what runs at the moment, sorted, for `doctor` and tests. Blocking jobs are not listed.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        let mut names: Vec<String> = self.inner.lock().tasks.values().map(|(name, _)| name.to_string()).collect();
        names.sort_unstable();
        names
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").field("running", &self.running()).finish()
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self, name: Cow<'static, str>) -> Option<u64> {
        let mut running = self.lock();
        if running.closed {
            return None;
        }
        let key = running.next;
        running.next += 1;
        running.tasks.insert(key, (name, None));
        Some(key)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.stop.cancel();
        self.tracker.close();
    }

    fn abort_all(&self, late: bool) {
        let handles: Vec<_> = self.lock().tasks.values().cloned().collect();
        for (name, handle) in handles {
            if late {
                tracing::warn!(task = %name, "task did not stop in time and was aborted");
            }
            if let Some(handle) = handle {
                handle.abort();
            }
        }
    }
}

struct Listed {
    inner: Arc<Inner>,
    key: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.inner.lock().tasks.remove(&self.key);
    }
}

/// A started task. Dropping it leaves the task running; its [`Tasks`] owns it.
#[derive(Debug, Clone)]
pub struct Task {
    abort: Option<AbortHandle>,
}

impl Task {
    /// Ends the task at its next await point.
    pub fn abort(&self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }

    /// Whether the task has ended (or never started, because its group was shut down).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.abort.as_ref().is_none_or(AbortHandle::is_finished)
    }
}

/// A blocking job gave no result: it panicked, or its group was shut down before it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task ended without a result")]
pub struct TaskEnded;

fn report_panic(name: &str, panic: &(dyn Any + Send)) {
    let message = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    tracing::error!(task = name, message, "task panicked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shutdown_waits_for_those_that_tidy_up() {
        let tasks = Tasks::new();
        let spawner = tasks.spawner();
        let (done, mut is_done) = oneshot::channel();
        tasks.spawn("tidy", async move {
            spawner.stopping().await;
            tokio::task::yield_now().await;
            done.send(()).unwrap();
        });
        tasks.shutdown().await;
        assert!(is_done.try_recv().is_ok(), "because the task was given time to finish");
        assert!(tasks.spawner().running().is_empty());
    }

    #[tokio::test]
    async fn shutdown_aborts_those_that_do_not_end() {
        let tasks = Tasks::new();
        tasks.spawn("forever", std::future::pending());
        assert_eq!(tasks.spawner().running(), ["forever"]);
        tasks.shutdown_within(Duration::from_millis(1)).await;
        assert!(tasks.spawner().running().is_empty());
        assert!(tasks.spawn("late", std::future::pending()).is_finished(), "because the group is closed");
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_task() {
        let tasks = Tasks::new();
        tasks.spawn("bad", async { panic!("expected in this test") });
        let ended: Result<(), _> = tasks.spawn_blocking("bad too", || panic!("expected in this test")).await;
        assert_eq!(ended, Err(TaskEnded));
        assert_eq!(tasks.spawn_blocking("good", || 7).await, Ok(7));
        let ended: Result<(), _> =
            tasks.spawner().spawn_background("bad too", || panic!("expected in this test")).await;
        assert_eq!(ended, Err(TaskEnded));
        tasks.shutdown().await;
        assert_eq!(tasks.spawner().spawn_background("late", || 7).await, Err(TaskEnded), "because the group is closed");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_runs_in_the_background_gives_way() {
        // proc(5): the nineteenth field, counted from the state behind the name in parentheses the seventeenth.
        let niceness = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse::<i32>().unwrap()
        };
        let tasks = Tasks::new();
        let usual = tasks.spawn_blocking("usual", niceness).await.unwrap();
        let background = tasks.spawner().spawn_background("background", niceness).await.unwrap();
        assert!(background > usual, "because a nicer thread runs when the others rest: {background} and {usual}");
        tasks.shutdown().await;
    }

    #[tokio::test]
    async fn shutdown_waits_for_the_background() {
        let tasks = Tasks::new();
        let (go, may_go) = std::sync::mpsc::channel::<()>();
        let work = tasks.spawner().spawn_background("background", move || may_go.recv().is_ok());
        let ending = tasks.shutdown();
        tokio::pin!(ending);
        assert!(futures_util::poll!(&mut ending).is_pending(), "because the job still runs");
        go.send(()).unwrap();
        ending.await;
        assert_eq!(work.await, Ok(true));
    }

    #[tokio::test]
    async fn dropping_the_owner_ends_the_tasks() {
        let tasks = Tasks::new();
        let (held, gone) = oneshot::channel::<()>();
        tasks.spawn("holder", async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(tasks);
        assert!(gone.await.is_err(), "because the aborted task dropped what it held");
    }
}
