//! The one thread that writes. It takes what is queued, without waiting for more, as one transaction with a savepoint
//! for each job, commits, and only then answers: a lone job is committed at once, a crowd shares its sync. Into files that
//! are gone nothing is written.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failed;
use super::place::Place;
use crate::mailboxes::MailboxError;

/// Jobs in one transaction at most. Beyond, sharing the sync brings little, and the first in the group wait longer.
const GROUP: usize = 256;

/// Bytes of envelopes in one transaction at most, so that a group of the largest stays within some milliseconds.
const GROUP_BYTES: usize = 4 << 20;

/// Jobs that may be queued; a caller beyond that waits. Two groups: one being committed, one ready to follow.
const QUEUE: usize = 2 * GROUP;

/// What the thread is sent.
pub(super) enum Order {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<Result<(), MailboxError>>),
}

/// A job and the one who waits for it.
pub(super) trait Job: Send {
    /// Bytes that it writes, about.
    fn bytes(&self) -> usize;
    /// Runs it and keeps the outcome. After an error what it changed must be undone.
    fn run(&mut self, connection: &Connection) -> Result<(), MailboxError>;
    /// Tells the outcome; `committed` is that of the whole group.
    fn answer(self: Box<Self>, committed: Result<(), MailboxError>);
}

/// A job that a closure does.
pub(super) struct Closure<T, F> {
    work: Option<F>,
    bytes: usize,
    outcome: Result<T, MailboxError>,
    answer: oneshot::Sender<Result<T, MailboxError>>,
}

impl<T, F> Closure<T, F> {
    pub(super) fn new(work: F, bytes: usize, answer: oneshot::Sender<Result<T, MailboxError>>) -> Self {
        Self { work: Some(work), bytes, outcome: Err(MailboxError::Closed), answer }
    }
}

impl<T, F> Job for Closure<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, MailboxError> + Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn run(&mut self, connection: &Connection) -> Result<(), MailboxError> {
        if let Some(work) = self.work.take() {
            // A panic can leave nothing half-changed that is used again: the database part is rolled back.
            self.outcome = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_panic| {
                tracing::error!("a database job panicked; its changes were rolled back");
                Err(MailboxError::Failed("a job panicked".into()))
            });
        }
        self.outcome.as_ref().map(drop).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>, committed: Result<(), MailboxError>) {
        let outcome = match committed {
            // It did not even run.
            Err(error) if self.work.is_some() => Err(error),
            committed => self.outcome.and_then(|value| committed.map(|()| value)),
        };
        // Who no longer waits needs no answer.
        let _ = self.answer.send(outcome);
    }
}

/// Starts the thread. It ends when it is told to, or when every sender is gone.
pub(super) fn start(connection: Connection, place: Arc<Place>) -> std::io::Result<mpsc::Sender<Order>> {
    let (orders, inbox) = mpsc::channel(QUEUE);
    thread::Builder::new().name("relay-writer".into()).spawn(move || serve(connection, &place, inbox))?;
    Ok(orders)
}

fn serve(connection: Connection, place: &Place, mut inbox: mpsc::Receiver<Order>) {
    let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(GROUP);
    let mut close = None;
    while close.is_none() {
        let mut next = inbox.blocking_recv();
        if next.is_none() {
            break;
        }
        let mut bytes = 0;
        while let Some(order) = next.take() {
            match order {
                Order::Job(job) => {
                    bytes += job.bytes();
                    group.push(job);
                }
                Order::Close(answer) => close = Some(answer),
            }
            if close.is_none() && group.len() < GROUP && bytes < GROUP_BYTES {
                next = inbox.try_recv().ok();
            }
        }
        commit(&connection, place, &mut group);
    }
    // What was sent before the order to close is done by now; who sent later finds the inbox gone.
    drop(inbox);
    let ended = connection.close().map_err(|(_, error)| failed(&error));
    if let Some(answer) = close {
        // Who no longer waits needs no answer.
        let _ = answer.send(ended);
    }
}

/// Runs a group as one transaction and answers its jobs. Leaves the group empty.
fn commit(connection: &Connection, place: &Place, group: &mut Vec<Box<dyn Job>>) {
    let mut waiting = group.drain(..).peekable();
    // Usually one round. An error of the whole database (a full disk) may end a transaction in its middle; then the
    // jobs done so far are told, and the rest get a transaction of their own.
    while waiting.peek().is_some() {
        let mut done = Vec::new();
        let committed = transaction(connection, place, &mut waiting, &mut done);
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
    connection: &Connection,
    place: &Place,
    waiting: &mut dyn Iterator<Item = Box<dyn Job>>,
    done: &mut Vec<Box<dyn Job>>,
) -> Result<(), MailboxError> {
    if let Err(error) = place.check().and_then(|()| execute(connection, "BEGIN IMMEDIATE")) {
        done.extend(waiting);
        return Err(error);
    }
    let outcome = (|| {
        for mut job in waiting {
            let begun = execute(connection, "SAVEPOINT job");
            let ran = begun.and_then(|()| job.run(connection));
            done.push(job);
            if let Err(error) = ran {
                if connection.is_autocommit() {
                    return Err(error);
                }
                execute(connection, "ROLLBACK TO job")?;
            }
            execute(connection, "RELEASE job")?;
        }
        execute(connection, "COMMIT")
    })();
    if outcome.is_err() && !connection.is_autocommit() {
        // A commit that failed leaves the transaction open.
        execute(connection, "ROLLBACK")?;
    }
    outcome
}

fn execute(connection: &Connection, sql: &str) -> Result<(), MailboxError> {
    let ran = connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    ran.map(drop).map_err(|error| failed(&error))
}
