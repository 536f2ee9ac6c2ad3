//! The handle.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use crate::inspect::beside;
use crate::readers::Readers;
use crate::writer::{self, Closure, Durability, Order};
use crate::{OpenError, Reader, StoreError, Tx, open};

/// An open database. Clones share it; it closes with [`Store::close`], or when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Store {
    orders: mpsc::Sender<Order>,
    readers: Arc<Readers>,
    erased: Arc<Notify>,
}

impl Store {
    /// Opens the database file, making it when there is none, and brings it to this program's schema.
    ///
    /// Blocks for a few milliseconds, longer only while a migration runs. A file that this program does not understand
    /// is left byte for byte as it is.
    ///
    /// # Errors
    ///
    /// Each cause is an [`OpenError`] of its own, with words for what the person can do.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let left = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
        let connection = open::open(path)?;
        let erased = Arc::new(Notify::new());
        if left {
            // A program that was killed may have left in it what was deleted.
            erased.notify_one();
        }
        let orders = writer::start(connection, erased.clone()).map_err(|source| OpenError::io(path, &source))?;
        Ok(Self { orders, readers: Arc::new(Readers::new(path.to_path_buf())), erased })
    }

    /// Waits until something was taken away for good since the last time. Its bytes may still stand in the write-ahead log;
    /// [`Self::carry_over`] ends that.
    pub async fn erased(&self) {
        self.erased.notified().await;
    }

    /// Carries the write-ahead log over into the database and empties it. False when a read stood in the way: it is to be
    /// asked for again.
    ///
    /// # Errors
    ///
    /// As any write.
    pub async fn carry_over(&self) -> Result<bool, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.orders.send(Order::CarryOver(answer)).await.map_err(|_closed| StoreError::Closed)?;
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs a job that may change the database, and returns once its changes are on the disk.
    ///
    /// Jobs run in the order in which they were sent; those that are queued together share one commit. When the job returns an
    /// error or panics, its changes are undone and the others' are kept. Dropping the future does not take a
    /// job back that was already sent.
    ///
    /// # Errors
    ///
    /// The job's own; [`StoreError::Full`] and the like when the commit failed (then nothing was written);
    /// [`StoreError::Closed`].
    pub async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.order(job, Durability::Full).await
    }

    /// As [`Self::write`], for what others will tell again: its changes are there for every reader when it returns, and
    /// survive the end of the program however it ends, but a power cut may take them back. It saves the disk a sync.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub async fn note<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.order(job, Durability::Note).await
    }

    async fn order<T, F>(&self, job: F, durability: Durability) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let job = Order::Job(Box::new(Closure::new(job, durability, answer)));
        self.orders.send(job).await.map_err(|_closed| StoreError::Closed)?;
        outcome.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs a job that only reads, on one snapshot, beside other reads and writes. It sees every write that was
    /// answered before.
    ///
    /// # Errors
    ///
    /// The job's own; [`StoreError::Closed`].
    pub async fn read<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Reader<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.read(job).await
    }

    /// Does what is queued, carries the write-ahead log over and closes. Calls of other clones get
    /// [`StoreError::Closed`] from then on.
    ///
    /// # Errors
    ///
    /// When the log could not be carried over; everything that was answered is safe in it all the same.
    pub async fn close(self) -> Result<(), StoreError> {
        self.readers.close().await;
        let (answer, outcome) = oneshot::channel();
        if self.orders.send(Order::Close(answer)).await.is_err() {
            return Ok(());
        }
        outcome.await.unwrap_or(Ok(()))
    }
}
