//! A few connections that only read, used on blocking threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::writer::caught;
use crate::{Reader, StoreError, connection};

/// Reads at the same time. Two keep a long page from delaying a short one; more would only contend for the cores.
const READERS: usize = 2;

/// The pool. Connections are opened when first needed and kept.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), permits: Arc::new(Semaphore::new(READERS)) }
    }

    /// Runs a job on one snapshot of the database.
    pub(crate) async fn read<T, F>(self: &Arc<Self>, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_closed| StoreError::Closed)?;
        let pool = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let connection = pool.take()?;
            let outcome = snapshot(&connection, job);
            pool.put_back(connection);
            drop(permit);
            outcome
        });
        // Only a runtime that is shutting down drops a blocking task.
        task.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Waits until nobody reads, closes the connections and refuses further reads.
    pub(crate) async fn close(&self) {
        if let Ok(all) = self.permits.acquire_many(READERS.try_into().unwrap_or(u32::MAX)).await {
            self.permits.close();
            drop(all);
        }
        self.idle().clear();
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle().pop();
        match idle {
            Some(connection) => Ok(connection),
            None => Ok(connection::reader(&self.path)?),
        }
    }

    fn put_back(&self, connection: Connection) {
        self.idle().push(connection);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A list of connections is whole after any panic.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a job in a read transaction, so that all its queries see the same state.
fn snapshot<T>(
    connection: &Connection,
    job: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let reader = Reader::new(connection);
    reader.prepare("BEGIN DEFERRED")?.execute([])?;
    let outcome = caught(|| job(&reader));
    // Nothing was changed: rolling back only ends the snapshot.
    let ended = reader.prepare("ROLLBACK").and_then(|mut end| Ok(end.execute([])?));
    outcome.and_then(|value| ended.map(|_| value))
}
