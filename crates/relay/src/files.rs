//! Files that a relay keeps, whatever keeps them.
//!
//! [`crate::SqliteFiles`] keeps them in a folder, [`crate::NatsFiles`] where many relay nodes share them; `tests/conformance` says
//! what any of them must do.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use proto::FileId;
use proto::id::MachineId;

use crate::config::Limits;
use crate::mailboxes::{MailboxError, TokenHash};

/// For how long room is kept for a file of which nothing has come: an hour, so that room costs more than asking for it.
const UNSENT_S: u64 = 60 * 60;

/// What a store of files answers, later: when it is a promise, after it is durable.
pub type FileAnswer<'a, T> = BoxFuture<'a, Result<T, FileError>>;

/// Sealed files, each for whoever knows its ID. Wall-clock times are seconds since 1970.
pub trait Files: fmt::Debug + Send + Sync + 'static {
    /// Makes room for a file, or finds the one that was begun: how much of it is there. What was lost is asked for again.
    fn begin(&self, begin: Begin) -> FileAnswer<'_, Upload>;

    /// Goes on with a file that was begun: keeps a piece that begins where what is there ends. Two that go on with one file at
    /// the same time don't mix: one of them is told where it goes on.
    fn append(&self, id: FileId, at: u64, piece: Bytes, now_s: u64) -> FileAnswer<'_, Upload>;

    /// A file that is whole.
    fn find(&self, id: FileId, now_s: u64) -> FileAnswer<'_, Option<Whole>>;

    /// Bytes of a file that is whole: some, and at most as many as were asked for. Which they are is the caller's to bound.
    fn read(&self, id: FileId, at: u64, count: usize) -> FileAnswer<'_, Bytes>;

    /// Takes a file away, for the holder of the token by which it was begun. That there is none is no error.
    fn remove(&self, id: FileId, mailbox: MachineId, token: TokenHash, now_s: u64) -> FileAnswer<'_, ()>;

    /// Removes what has expired, some at a time: whether there is more.
    fn sweep(&self, now_s: u64) -> FileAnswer<'_, bool>;

    /// How much is kept.
    fn count(&self) -> FileAnswer<'_, FileCounts>;
}

/// A file to be laid down.
#[derive(Clone, PartialEq, Eq)]
pub struct Begin {
    /// Its ID.
    pub id: FileId,
    /// Whose room it takes.
    pub mailbox: MachineId,
    /// By which token of that machine.
    pub token: TokenHash,
    /// How large it is, sealed.
    pub size: u64,
    /// When.
    pub now_s: u64,
}

impl fmt::Debug for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begin").field("id", &self.id).field("size", &self.size).finish_non_exhaustive()
    }
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// How much of it is durable.
    pub received: u64,
    /// How large it is, sealed.
    pub size: u64,
    /// When it goes, if nothing more comes.
    pub expires_s: u64,
}

impl Upload {
    /// Whether all of it has come.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.received == self.size
    }
}

/// A file that can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// How large it is, sealed.
    pub size: u64,
    /// When it goes.
    pub expires_s: u64,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileCounts {
    /// Files, those that are not whole yet included.
    pub files: u64,
    /// The room that they take, and, where the store keeps room for what is begun, will take.
    pub bytes: u64,
}

/// Why a file is not kept or given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The machine has no mailbox here.
    #[error("the machine has no mailbox here")]
    NoMailbox,
    /// The token is not valid for that machine, or not the one by which the file was begun.
    #[error("the token is not valid")]
    BadToken,
    /// There is no such file, or not all of it.
    #[error("there is no such file")]
    NoFile,
    /// It was begun with another size.
    #[error("the file was begun with another size")]
    OtherSize,
    /// It goes on elsewhere.
    #[error("the file goes on at byte {0}")]
    Offset(u64),
    /// One file may have so many bytes before it is sealed.
    #[error("a file may have {0} bytes")]
    TooLarge(u64),
    /// The mailbox has as many bytes of files as it may have.
    #[error("the mailbox has room for {0} bytes of files")]
    Full(u64),
    /// The mailbox has as many files as it may have.
    #[error("no more files in the mailbox than {0}")]
    TooMany(u64),
    /// The relay has as many bytes of files as it may have.
    #[error("the relay keeps no more files")]
    Exhausted,
    /// The store can't be reached at the moment. What was asked may have been done; asking again does no harm.
    #[error("the store can't be reached: {0}")]
    Away(String),
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The store can't, for a reason that only its operator can do something about.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl From<MailboxError> for FileError {
    fn from(error: MailboxError) -> Self {
        match error {
            MailboxError::NoMailbox => Self::NoMailbox,
            MailboxError::BadToken => Self::BadToken,
            MailboxError::Away(problem) => Self::Away(problem),
            MailboxError::DiskFull => Self::DiskFull,
            MailboxError::Closed => Self::Closed,
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Those limits that a store of files keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileQuotas {
    /// Bytes of one file before it is padded and sealed; 0 when none are taken.
    pub file_bytes: u64,
    /// Seconds for which a whole file is kept.
    pub ttl_s: u64,
    /// Seconds for which one is kept that does not become whole.
    pub unfinished_s: u64,
    /// Bytes of files in a mailbox.
    pub bytes: u64,
    /// Files in a mailbox.
    pub count: u32,
    /// Bytes of all files.
    pub all_bytes: u64,
}

impl FileQuotas {
    /// When a file goes that has come so far, if nothing more comes.
    pub(crate) fn expires_s(&self, received: u64, size: u64, now_s: u64) -> u64 {
        let stays_s = match received {
            0 => self.unfinished_s.min(UNSENT_S),
            all if all == size => self.ttl_s,
            _ => self.unfinished_s,
        };
        now_s.saturating_add(stays_s)
    }
}

impl From<&Limits> for FileQuotas {
    fn from(limits: &Limits) -> Self {
        Self {
            file_bytes: limits.file_bytes,
            ttl_s: limits.file_ttl.as_secs(),
            unfinished_s: limits.file_unfinished.as_secs(),
            bytes: limits.files_bytes,
            count: limits.files,
            all_bytes: limits.all_files_bytes,
        }
    }
}
