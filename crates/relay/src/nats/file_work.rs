//! Work on one file: what holds it, what it knows, and how long it tries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::FileId;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep};

use super::connection::PATIENCE;
use super::file_log::{Log, What};
use super::known::{Known, Slots};
use super::stream::{FILES, Logs, Trouble};
use crate::files::FileError;

/// How often something is tried that others get ahead of.
const TRIES: usize = 64;

/// Pause before something is tried again that NATS did not answer.
const PAUSE: Duration = Duration::from_millis(100);

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Halt {
    /// It is the answer.
    No(FileError),
    /// It may be worth trying again.
    Trouble(Trouble),
}

impl From<FileError> for Halt {
    fn from(error: FileError) -> Self {
        Self::No(error)
    }
}

impl From<Trouble> for Halt {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// Work on a file, which no other of this node is at.
#[derive(Debug)]
pub(super) struct Work<'a> {
    slots: &'a Slots,
    id: FileId,
    pub(super) subject: String,
    known: OwnedMutexGuard<Option<Known>>,
    deadline: Instant,
    tries: usize,
    /// What is known may not be the newest.
    is_stale: bool,
    /// Something may have been written to which there was no answer.
    pub(super) is_unsure: bool,
}

impl<'a> Work<'a> {
    pub(super) async fn on(slots: &'a Slots, id: &FileId) -> Self {
        // From before others were waited for, so that a crowd does not wait for each other's patience.
        let deadline = Instant::now() + PATIENCE;
        let known = slots.slot(id).lock_owned().await;
        let subject = FILES.subject(id.as_bytes());
        Self { slots, id: *id, subject, known, deadline, tries: 0, is_stale: false, is_unsure: false }
    }

    /// What is known of the file; the newest if that may be wrong.
    pub(super) async fn log(&mut self, logs: &Arc<Logs>) -> Result<&Log, Trouble> {
        if self.is_stale || of(self.known.as_ref(), logs).is_none() {
            return self.newest(logs).await;
        }
        of(self.known.as_ref(), logs).ok_or(Trouble::Conflict)
    }

    /// The file as it is now.
    pub(super) async fn newest(&mut self, logs: &Arc<Logs>) -> Result<&Log, Trouble> {
        let log = Log::read(logs, &self.subject, of(self.known.as_ref(), logs)).await?;
        self.is_stale = false;
        let known = self.known.insert(Known { logs: logs.clone(), log });
        Ok(&known.log)
    }

    /// Writes a message behind what is known, and sees that it counts.
    pub(super) async fn write(&mut self, logs: &Arc<Logs>, what: What, payload: Bytes) -> Result<&Log, Trouble> {
        let before = of(self.known.as_ref(), logs).ok_or(Trouble::Conflict)?;
        let place = logs.publish(&self.subject, what.header(), payload, before.seen).await?;
        let (mut log, counts) = if logs.is_exact() {
            let mut log = before.clone();
            let counts = log.take(place, &what);
            (log, counts)
        } else {
            before.beyond(logs, &self.subject, place).await?
        };
        if counts {
            logs.remove(std::mem::take(&mut log.late)).await;
        }
        let known = self.known.insert(Known { logs: logs.clone(), log });
        if counts { Ok(&known.log) } else { Err(Trouble::Conflict) }
    }

    /// Forgets what is known.
    pub(super) fn forget(&mut self) {
        *self.known = None;
    }

    /// What becomes of an attempt: none when it is to be made again.
    pub(super) async fn judge<T>(&mut self, tried: Result<T, Halt>) -> Option<Result<T, FileError>> {
        self.tries += 1;
        let trouble = match tried {
            Ok(done) => return Some(Ok(done)),
            Err(Halt::No(error)) => return Some(Err(error)),
            Err(Halt::Trouble(trouble)) => trouble,
        };
        self.is_stale = true;
        match trouble {
            Trouble::Conflict if self.tries < TRIES => {
                if self.tries > 1 {
                    // The last that is known here may be gone, and then no condition holds that names it.
                    self.forget();
                }
                None
            }
            Trouble::Away(_) if Instant::now() < self.deadline => {
                self.is_unsure = true;
                sleep(PAUSE).await;
                None
            }
            trouble => {
                // Read from the beginning next time, whatever was wrong.
                self.forget();
                Some(Err(trouble.into()))
            }
        }
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        let bytes = self.known.as_ref().map_or(0, |known| known.log.bytes());
        self.slots.weigh(&self.id, bytes);
    }
}

impl From<Trouble> for FileError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Conflict => Self::Away("too many change this file at once".to_owned()),
            Trouble::Away(problem) => Self::Away(problem),
            Trouble::Full => Self::DiskFull,
            Trouble::Failed(problem) => Self::Failed(problem),
        }
    }
}

/// What is known over this very connection.
fn of<'known>(known: Option<&'known Known>, logs: &Arc<Logs>) -> Option<&'known Log> {
    known.filter(|known| Arc::ptr_eq(&known.logs, logs)).map(|known| &known.log)
}
