//! What can go wrong with a job on an open store.

use rusqlite::ErrorCode;

/// Why a read or write failed. Cheap to clone: when a commit fails, every job of its group gets the error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk (or the quota) is full; nothing of the job was written.
    #[error("the disk is full")]
    Full,
    /// Another program holds the database.
    #[error("the database is in use by another program")]
    Busy,
    /// The file or its folder may not be written.
    #[error("the database may not be written")]
    ReadOnly,
    /// The file is damaged, or holds what this program can't have written.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The disk failed to read or write.
    #[error("the disk failed: {0}")]
    Io(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A job panicked. Its changes were rolled back.
    #[error("a database job panicked")]
    Panicked,
    /// A number is too large to be stored (SQLite integers have 63 bits); names the field.
    #[error("{0} is too large to be stored")]
    TooLarge(&'static str),
    /// A row that the job relies on is not there; names what was looked for.
    #[error("{0} is not in the store")]
    Missing(&'static str),
    /// The change does not fit what is stored, such as a run that does not follow its log's head.
    #[error("the change does not fit what is stored: {0}")]
    Conflict(String),
    /// Anything else that SQLite reports: a bug in the store.
    #[error("the database refused: {0}")]
    Sql(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
                if is_no_space(&error) {
                    Self::Full
                } else {
                    Self::Io(error.to_string())
                }
            }
            Some(ErrorCode::ConstraintViolation) => Self::Conflict(error.to_string()),
            _ => match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..) => Self::Damaged(error.to_string()),
                _ => Self::Sql(error.to_string()),
            },
        }
    }
}

/// Whether an I/O error is SQLite's way to say that the file beside the database (the shared index of the log)
/// could not grow: it reports that as an I/O error, not as a full disk.
pub(crate) fn is_no_space(error: &rusqlite::Error) -> bool {
    const SHM_SIZE: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
    matches!(error, rusqlite::Error::SqliteFailure(code, _) if code.extended_code == SHM_SIZE)
}
