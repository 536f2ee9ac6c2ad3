//! Mailboxes in one SQLite file, and files beside it.

mod files;
mod open;
mod place;
mod rows;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use proto::id::MachineId;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use files::SqliteFiles;
pub use open::OpenError;

use crate::mailboxes::{Answer, Counts, Kept, MailboxError, Mailboxes, Page, Put, Quotas, Token, TokenChange};
use place::Place;
use writer::{Closure, Order};

/// The tables, as a new database has them: those of the first version, and those that came with the second.
const SCHEMA: &str = include_str!("schema.sql");
const FILES_SCHEMA: &str = include_str!("files.sql");

/// Reads at the same time. Two keep a long page from delaying a short one; more would only contend for the cores.
const READERS: usize = 2;

/// Mailboxes in an SQLite database. What is put, acknowledged and changed is on the disk before it is answered
/// (`synchronous=FULL`); many share one sync.
#[derive(Debug)]
pub struct SqliteMailboxes {
    db: Database,
    quotas: Arc<Quotas>,
}

/// A database in use: one writer, some readers.
#[derive(Debug, Clone)]
struct Database {
    path: PathBuf,
    place: Arc<Place>,
    writer: mpsc::Sender<Order>,
    idle: Arc<Mutex<Vec<Connection>>>,
    reading: Arc<Semaphore>,
}

impl SqliteMailboxes {
    /// Opens the database in a folder, or makes one. A file that is damaged or another program's is left as it is.
    ///
    /// # Errors
    /// [`OpenError`] when it can't be used.
    pub fn open(folder: &Path, quotas: Quotas, wall_ms: u64) -> Result<Self, OpenError> {
        let path = folder.join(open::FILE);
        // A cursor that a client of an earlier database remembers must not hide what comes now: a thousand items a second
        // would have had to come ever since for a cursor to be ahead of the clock's milliseconds.
        let connection = open::writer(&path, wall_ms)?;
        let io = |error| OpenError::Io { path: path.clone(), error };
        let place = Arc::new(Place::of(&path).map_err(io)?);
        let writer = writer::start(connection, place.clone()).map_err(io)?;
        let db = Database { path, place, writer, idle: Arc::default(), reading: Arc::new(Semaphore::new(READERS)) };
        Ok(Self { db, quotas: Arc::new(quotas) })
    }

    /// Moves the database of a folder aside, and its files: where to, when there was one.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn move_aside(folder: &Path, now_s: u64) -> Result<Option<PathBuf>, OpenError> {
        open::move_aside(&folder.join(open::FILE), now_s)
    }

    /// What it is kept in.
    fn database(&self) -> &Database {
        &self.db
    }

    fn write<T, F>(&self, bytes: usize, job: F) -> Answer<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Quotas) -> Result<T, MailboxError> + Send + 'static,
    {
        let quotas = Arc::clone(&self.quotas);
        self.db.write(bytes, move |connection| job(connection, &quotas))
    }

    fn read<T, F>(&self, job: F) -> Answer<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, MailboxError> + Send + 'static,
    {
        self.db.read(job)
    }
}

impl Database {
    /// Runs a job in the next transaction; answered after its commit.
    fn write<T, F>(&self, bytes: usize, job: F) -> Answer<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, MailboxError> + Send + 'static,
    {
        async move {
            let (answer, answered) = oneshot::channel();
            let job = Closure::new(job, bytes, answer);
            self.writer.send(Order::Job(Box::new(job))).await.map_err(|_| MailboxError::Closed)?;
            answered.await.unwrap_or(Err(MailboxError::Closed))
        }
        .boxed()
    }

    /// Runs a job on what is committed.
    fn read<T, F>(&self, job: F) -> Answer<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, MailboxError> + Send + 'static,
    {
        async move {
            let permit = Arc::clone(&self.reading).acquire_owned().await.map_err(|_| MailboxError::Closed)?;
            let (path, place, idle) = (self.path.clone(), Arc::clone(&self.place), Arc::clone(&self.idle));
            let task = tokio::task::spawn_blocking(move || {
                let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let connection = match kept {
                    Some(connection) => connection,
                    None => {
                        // What lies in the database's place for a moment would be read ever after.
                        place.check()?;
                        let connection = open::reader(&path).map_err(|error| failed(&error))?;
                        place.check()?;
                        connection
                    }
                };
                let outcome = job(&connection);
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                drop(permit);
                outcome
            });
            task.await.unwrap_or_else(|_| Err(MailboxError::Failed("a read did not end well".into())))
        }
        .boxed()
    }
}

impl Mailboxes for SqliteMailboxes {
    fn enter(&self, machine: MachineId, now_s: u64) -> Answer<'_, Vec<Token>> {
        async move {
            // Most logins are of machines that were here today: they cost no sync.
            match self.read(move |connection| rows::entered(connection, &machine, now_s)).await? {
                Some(tokens) => Ok(tokens),
                None => self.write(0, move |connection, quotas| rows::enter(connection, quotas, &machine, now_s)).await,
            }
        }
        .boxed()
    }

    fn put(&self, put: Put) -> Answer<'_, Kept> {
        self.write(put.envelope.len(), move |connection, quotas| rows::put(connection, quotas, &put))
    }

    fn fetch(&self, machine: MachineId, after: u64, count: usize, bytes: usize) -> Answer<'_, Page> {
        self.read(move |connection| rows::fetch(connection, &machine, after, count, bytes))
    }

    fn acknowledge(&self, machine: MachineId, cursors: Vec<u64>) -> Answer<'_, ()> {
        self.write(0, move |connection, _| rows::acknowledge(connection, &machine, &cursors))
    }

    fn change_tokens(&self, machine: MachineId, change: TokenChange, now_s: u64) -> Answer<'_, Vec<Token>> {
        self.write(0, move |connection, quotas| rows::change_tokens(connection, quotas, &machine, &change, now_s))
    }

    fn publish(&self, machine: MachineId, version: u64, register: Bytes) -> Answer<'_, bool> {
        self.write(register.len(), move |connection, _| rows::publish(connection, &machine, version, &register))
    }

    fn prekey(&self, machine: MachineId) -> Answer<'_, Option<Bytes>> {
        self.read(move |connection| rows::prekey(connection, &machine))
    }

    fn sweep(&self, now_s: u64) -> Answer<'_, bool> {
        self.write(0, move |connection, quotas| rows::sweep(connection, quotas, now_s))
    }

    fn count(&self) -> Answer<'_, Counts> {
        // What is read from files that are gone says nothing of what would be kept.
        let place = self.db.place.clone();
        self.read(move |connection| place.check().and_then(|()| rows::count(connection)))
    }

    fn close(&self) -> Answer<'_, ()> {
        async move {
            let db = &self.db;
            if let Ok(all) = db.reading.acquire_many(READERS.try_into().unwrap_or(u32::MAX)).await {
                db.reading.close();
                drop(all);
            }
            db.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
            let (answer, answered) = oneshot::channel();
            if db.writer.send(Order::Close(answer)).await.is_err() {
                return Ok(());
            }
            answered.await.unwrap_or(Err(MailboxError::Closed))
        }
        .boxed()
    }
}

fn failed(error: &rusqlite::Error) -> MailboxError {
    // SQLite reports that the file beside the database could not grow as an I/O error.
    const SHM_SIZE: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
    match error {
        rusqlite::Error::SqliteFailure(code, _)
            if code.code == ErrorCode::DiskFull || code.extended_code == SHM_SIZE =>
        {
            MailboxError::DiskFull
        }
        error => MailboxError::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
