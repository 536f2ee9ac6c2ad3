//! The one thread that writes, and group commit.
//!
//! A durable commit costs a sync of the disk, whatever its size. So the thread takes what is queued, without waiting for
//! more, runs it as one transaction with a savepoint for each job, commits, and only then answers. A lone job
//! is committed at once; a crowd shares its sync. A group of nothing but notes, which may be taken back by a power
//! cut, is committed without one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{StoreError, Tx, connection};

/// Jobs in one transaction at most. Beyond, sharing the sync brings little, and the first in the group wait longer.
pub(crate) const GROUP: usize = 256;

/// Jobs that may be queued; a caller beyond that waits. Two groups: one being committed, one ready to follow.
const QUEUE: usize = 2 * GROUP;

/// What the writer is sent.
pub(crate) enum Order {
    Job(Box<dyn Job>),
    /// Empty the write-ahead log; whether that was possible.
    CarryOver(oneshot::Sender<Result<bool, StoreError>>),
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// Whether a job's changes must be on the disk before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// They survive whatever happens then (`synchronous=FULL`).
    Full,
    /// They survive the end of the program, however it ends; a power cut may take them back (`synchronous=NORMAL`).
    Note,
}

/// A job and the one who waits for it.
pub(crate) trait Job: Send {
    /// What its answer promises.
    fn durability(&self) -> Durability;
    /// Runs it and keeps the outcome. After an error what it changed must be undone.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError>;
    /// Tells the outcome; `committed` is that of the whole group.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A job that a closure does.
pub(crate) struct Closure<T, F> {
    work: Option<F>,
    durability: Durability,
    outcome: Result<T, StoreError>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Closure<T, F> {
    pub(crate) fn new(work: F, durability: Durability, answer: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { work: Some(work), durability, outcome: Err(StoreError::Closed), answer }
    }
}

impl<T, F> Job for Closure<T, F>
where
    T: Send,
    F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn durability(&self) -> Durability {
        self.durability
    }

    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        if let Some(work) = self.work.take() {
            self.outcome = caught(|| work(tx));
        }
        self.outcome.as_ref().map(drop).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        // Who no longer waits needs no answer.
        let _ = self.answer.send(self.outcome.and_then(|value| committed.map(|()| value)));
    }
}

/// Runs a job; a panic in it becomes an error.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    // A panic can leave nothing half-changed that is used again: the database part is rolled back.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_panic: Box<dyn Any + Send>| {
        // The panic hook has told where; its words may hold what a person wrote, so they are not logged here.
        tracing::error!("a database job panicked; its changes were rolled back");
        Err(StoreError::Panicked)
    })
}

/// Starts the thread. It ends when it is told to, or when every sender is gone. `erased` is told after each commit that took
/// something away for good.
pub(crate) fn start(connection: Connection, erased: Arc<Notify>) -> std::io::Result<mpsc::Sender<Order>> {
    let (orders, inbox) = mpsc::channel(QUEUE);
    thread::Builder::new().name("store-writer".into()).spawn(move || serve(connection, inbox, &erased))?;
    Ok(orders)
}

fn serve(connection: Connection, mut inbox: mpsc::Receiver<Order>, erased: &Notify) {
    let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(GROUP);
    let (mut close, mut mode) = (None, Durability::Full);
    while close.is_none() {
        let mut carry_over = None;
        let mut next = inbox.blocking_recv();
        if next.is_none() {
            break;
        }
        while let Some(order) = next.take() {
            match order {
                Order::Job(job) => group.push(job),
                Order::CarryOver(answer) => carry_over = Some(answer),
                Order::Close(answer) => close = Some(answer),
            }
            if close.is_none() && carry_over.is_none() && group.len() < GROUP {
                next = inbox.try_recv().ok();
            }
        }
        let wanted = group.iter().map(|job| job.durability()).find(|durability| *durability == Durability::Full);
        match switch(&connection, &mut mode, wanted.unwrap_or(Durability::Note)) {
            Ok(()) => commit(&connection, &mut group, erased),
            // Nothing is answered with a promise that cannot be kept.
            Err(error) => group.drain(..).for_each(|job| job.answer(Err(error.clone()))),
        }
        if let Some(answer) = carry_over {
            // Who no longer waits needs no answer.
            let _ = answer.send(carried_over(&connection));
        }
    }
    // What was sent before the order to close is done by now; who sent later finds the inbox gone.
    drop(inbox);
    let ended = connection::empty_log(&connection)
        .map(drop)
        .map_err(StoreError::from)
        .and_then(|()| connection.close().map_err(|(_, error)| error.into()));
    match close {
        Some(answer) => {
            let _ = answer.send(ended);
        }
        None => {
            if let Err(error) = ended {
                tracing::warn!(%error, "the database was not closed cleanly; its log is carried over at the next start");
            }
        }
    }
}

/// Makes the next commits as durable as wanted.
fn switch(connection: &Connection, mode: &mut Durability, wanted: Durability) -> Result<(), StoreError> {
    if *mode == wanted {
        return Ok(());
    }
    let name = match wanted {
        Durability::Full => "FULL",
        Durability::Note => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", name)?;
    *mode = wanted;
    Ok(())
}

/// Runs a group as one transaction and answers its jobs. Leaves the group empty.
fn commit(connection: &Connection, group: &mut Vec<Box<dyn Job>>, erased: &Notify) {
    let mut waiting = group.drain(..).peekable();
    // Usually one round. An error of the whole database (a full disk) may end a transaction in its middle; then the
    // jobs done so far are told, and the rest get a transaction of their own.
    while waiting.peek().is_some() {
        let mut done = Vec::new();
        let tx = Tx::new(connection);
        let committed = transaction(&tx, connection, &mut waiting, &mut done);
        if committed.is_ok() && tx.has_erased() {
            erased.notify_one();
        }
        if let Err(error) = &committed {
            tracing::error!(%error, jobs = done.len(), "a group of writes was not committed");
        }
        for job in done {
            job.answer(committed.clone());
        }
    }
}

/// One transaction over the next jobs; those that ran are in `done`, whatever comes of it.
fn transaction(
    tx: &Tx<'_>,
    connection: &Connection,
    waiting: &mut dyn Iterator<Item = Box<dyn Job>>,
    done: &mut Vec<Box<dyn Job>>,
) -> Result<(), StoreError> {
    if let Err(error) = tx.execute("BEGIN IMMEDIATE", []) {
        done.extend(waiting);
        return Err(error);
    }
    let outcome = (|| {
        for mut job in waiting {
            let begun = tx.execute("SAVEPOINT job", []);
            let ran = begun.and_then(|_| job.run(tx));
            done.push(job);
            if let Err(error) = ran {
                if connection.is_autocommit() {
                    return Err(error);
                }
                tx.execute("ROLLBACK TO job", [])?;
            }
            tx.execute("RELEASE job", [])?;
        }
        tx.execute("COMMIT", []).map(drop)
    })();
    if outcome.is_err() && !connection.is_autocommit() {
        // A commit that failed leaves the transaction open.
        tx.execute("ROLLBACK", [])?;
    }
    outcome
}

/// Carries the write-ahead log over into the database and empties it, unless somebody reads what is in it just now: others
/// that wait for this thread come first.
fn carried_over(connection: &Connection) -> Result<bool, StoreError> {
    connection.busy_timeout(Duration::ZERO)?;
    let emptied = connection::empty_log(connection);
    connection.busy_timeout(connection::BUSY)?;
    Ok(emptied?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How the transaction that a job runs in will be synced: 1 is `NORMAL`, 2 is `FULL`.
    fn mode(tx: &Tx<'_>) -> Result<Option<i64>, StoreError> {
        tx.one("PRAGMA synchronous", [], |row| row.get(0))
    }

    #[tokio::test]
    async fn a_note_costs_no_sync_and_takes_none_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::Store::open(&folder.path().join("landline.db")).unwrap();
        assert_eq!(store.write(mode).await, Ok(Some(2)));
        assert_eq!(store.note(mode).await, Ok(Some(1)));
        assert_eq!(store.write(mode).await, Ok(Some(2)), "because a write after a note is durable again");

        let (go, wait) = std::sync::mpsc::channel();
        let held = store.note(move |_| {
            wait.recv().ok();
            Ok(())
        });
        let grouped = async {
            let both = tokio::join!(store.note(mode), store.write(mode), async { go.send(()).unwrap() });
            (both.0, both.1)
        };
        let (held, grouped) = tokio::join!(held, grouped);
        held.unwrap();
        assert_eq!(grouped, (Ok(Some(2)), Ok(Some(2))), "because the strictest of a group decides");
        store.close().await.unwrap();
    }
}
