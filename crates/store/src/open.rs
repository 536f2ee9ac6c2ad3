//! Opening: look first, touch later.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use crate::inspect::{Found, beside, inspect};
use crate::{connection, error, migrations};

/// Why a database was not opened. The file is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A newer Landline wrote it, in a way that this one can't read.
    #[error("the database {} is of a newer version ({found}; this program knows up to {known})", path.display())]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// Schema version of the file.
        found: u16,
        /// Newest schema version that this program knows.
        known: u16,
    },
    /// The file is Landline's and damaged.
    #[error("the database {} is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file is no database.
    #[error("{} is not a database", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is another program's database.
    #[error("{} is the database of another program (application ID {application_id:#x})", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What the file says it belongs to; 0 when it does not say.
        application_id: i32,
    },
    /// The file, its folder or its disk is read-only.
    #[error("the database {} can't be written: {detail}", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What refused.
        detail: String,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another program has it open and does not let go.
    #[error("the database {} is in use by another program", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The system refused for another reason, such as a folder that does not exist.
    #[error("the database {} can't be opened: {detail}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
}

impl OpenError {
    /// What the person can do about it, as a sentence in English.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NewerVersion { .. } => "Install the newest Landline, or start with another data folder.",
            Self::Damaged { .. } => "Put a backup of the file in its place, or move it away to start anew.",
            Self::NotADatabase { .. } | Self::Foreign { .. } => {
                "Move the file away, or start Landline with another data folder."
            }
            Self::ReadOnly { .. } => {
                "Give your user the right to write the file and its folder, or choose another data folder."
            }
            Self::Full { .. } => "Make room on the disk, then start Landline again.",
            Self::Busy { .. } => "Close the program that uses the file, then start Landline again.",
            Self::Io { .. } => "Check that the folder exists and that your user may read it.",
        }
    }

    pub(crate) fn io(path: &Path, source: &io::Error) -> Self {
        let (path, detail) = (path.to_path_buf(), source.to_string());
        match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, detail },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, detail },
        }
    }

    pub(crate) fn sqlite(path: &Path, source: &rusqlite::Error) -> Self {
        let (path, detail) = (path.to_path_buf(), source.to_string());
        match source.sqlite_error_code() {
            _ if error::is_no_space(source) => Self::Full { path },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path, detail },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => match may_write(&path) {
                Err(refusal) => Self::io(&path, &refusal),
                Ok(()) => Self::Io { path, detail },
            },
            _ => Self::Damaged { path, detail },
        }
    }
}

/// Opens the connection that writes, with the file made or migrated as needed.
pub(crate) fn open(path: &Path) -> Result<Connection, OpenError> {
    let found = inspect(path)?;
    let ready = match found {
        Found::Nothing => create(path),
        Found::Ours => OpenOptions::new().read(true).write(true).open(path).map(drop),
    };
    ready.map_err(|source| OpenError::io(path, &source))?;
    let alone = BESIDE.iter().all(|suffix| !beside(path, suffix).exists());
    let opened = prepare(path).map_err(|source| OpenError::sqlite(path, &source));
    if alone && opened.is_err() {
        remove_unfinished(path, found);
    }
    opened
}

fn prepare(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = connection::writer(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    if migrations::migrate(&mut connection)? {
        // The marks that another program looks for stand in the file itself, not only in the log beside it.
        connection::empty_log(&connection)?;
    }
    // Says now, rather than at the first message, that the file may not be written.
    connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
    Ok(connection)
}

/// Makes an empty file that only its owner may read; SQLite gives the files beside it the same rights.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The files that SQLite keeps beside a database in use.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Takes away what an opening that failed (on a full disk) has begun, so that the next one finds what this one found. Only
/// called when no other program had the database open.
fn remove_unfinished(path: &Path, found: Found) {
    let log_is_empty = fs::metadata(beside(path, "-wal")).map_or(true, |log| log.len() == 0);
    if found == Found::Nothing {
        let _ = fs::remove_file(path);
    }
    if found == Found::Nothing || log_is_empty {
        for suffix in BESIDE {
            let _ = fs::remove_file(beside(path, suffix));
        }
    }
}

/// Asks the system whether file and folder may be written, since SQLite only says that it could not open something.
fn may_write(path: &Path) -> io::Result<()> {
    if path.exists() {
        OpenOptions::new().append(true).open(path)?;
    }
    let probe = path.with_extension("probe");
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(probe)
}
