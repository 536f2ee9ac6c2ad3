//! Opening the database, and what can be wrong with it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{FILES_SCHEMA, SCHEMA, files};

/// Name of the database in the data folder.
pub(super) const FILE: &str = "relay.db";

/// The files that SQLite keeps beside a database in use.
pub(super) const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// Marks the file as a relay's ("LNRL"), so that no other database is taken for one.
const APPLICATION_ID: i32 = 0x4c4e_524c;

/// Version of the schema. The second has files; an older program would not remove them.
const VERSION: i32 = 2;

/// What begins every SQLite file (SQLite file format, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How long to wait for another program (a backup, `sqlite3` in a terminal) that holds the database.
const BUSY: Duration = Duration::from_secs(5);

/// Pages in the write-ahead log before they are carried over, and bytes to which it is cut back then: 16 MiB.
const CHECKPOINT_PAGES: u32 = 4096;
const LOG_BYTES: u32 = 16 << 20;

/// Memory for pages: the writer's, and each reader's. The system's own page cache holds the rest.
const WRITER_CACHE_KIB: i64 = 8192;
const READER_CACHE_KIB: i64 = 1024;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is there and can't be used.
    #[error("{} {problem}; put a backup in its place, or start with --start-anew, which moves it aside", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A newer Landline made it.
    #[error("{} was made by a newer Landline (version {found} of its tables; this one knows {VERSION})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// Another relay has it open.
    #[error("{} is in use by another program", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{} can't be opened: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Opens the connection that writes, with the file made when there is none. `first_cursor` is where a new one begins.
pub(super) fn writer(path: &Path, first_cursor: u64) -> Result<Connection, OpenError> {
    let exists = looks_right(path)?;
    if !exists {
        tracing::info!(path = %path.display(), "there is no database; a new one is begun");
        create(path).map_err(|error| OpenError::Io { path: path.into(), error })?;
    }
    let opened = prepare_writer(path, first_cursor);
    let connection = opened.map_err(|error| judge(path, &error))?;
    let found: i32 = pragma(&connection, "user_version").map_err(|error| judge(path, &error))?;
    if found > VERSION {
        return Err(OpenError::Newer { path: path.into(), found });
    }
    if pragma(&connection, "application_id").map_err(|error| judge(path, &error))? != APPLICATION_ID {
        return Err(unusable(path, "is the database of another program"));
    }
    if found < VERSION {
        bring_up(&connection).map_err(|error| judge(path, &error))?;
    }
    look_inside(&connection).map_err(|error| judge(path, &error))?;
    Ok(connection)
}

/// A connection that only reads. All its files are open.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(path, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// Moves a database aside: where to, when there was one.
pub(super) fn move_aside(path: &Path, now_s: u64) -> Result<Option<PathBuf>, OpenError> {
    let named = |suffix: &str| path.with_file_name(format!("{FILE}{suffix}"));
    let aside = |suffix: &str| path.with_file_name(format!("{FILE}.aside-{now_s}{suffix}"));
    let (folder, folder_aside) = (path.with_file_name(files::FOLDER), aside("-files"));
    match fs::rename(&folder, folder_aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(OpenError::Io { path: folder, error }),
        _ => {}
    }
    let mut moved = None;
    for suffix in BESIDE {
        match fs::rename(named(suffix), aside(suffix)) {
            Ok(()) => moved = Some(aside("")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(OpenError::Io { path: named(suffix), error }),
        }
    }
    Ok(moved)
}

/// Whether there is a file, and that it can be a database.
fn looks_right(path: &Path) -> Result<bool, OpenError> {
    let mut begin = Vec::with_capacity(MAGIC.len());
    let read = fs::File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut begin));
    match read {
        Ok(0) => Ok(false),
        Ok(_) if begin == MAGIC => Ok(true),
        Ok(_) => Err(unusable(path, "is not a database")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(OpenError::Io { path: path.into(), error }),
    }
}

fn connect(path: &Path, cache_kib: i64) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Negative: in KiB rather than in pages.
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Plans depend on the schema alone, never on the values bound, so no statement is parsed anew at each use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Rows come from a file that someone may have changed: SQL in its schema gets no rights beyond plain functions.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

fn prepare_writer(path: &Path, first_cursor: u64) -> rusqlite::Result<Connection> {
    let mut connection = connect(path, WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On Apple systems a plain fsync leaves data in the drive's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // What was fetched is overwritten where that costs no further write.
    connection.query_row("PRAGMA secure_delete = FAST", [], |_| Ok(()))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        let tx = connection.transaction()?;
        tx.execute_batch(SCHEMA)?;
        tx.execute_batch(FILES_SCHEMA)?;
        // Beginning where no earlier database on this disk can have been keeps cursors that clients remember harmless.
        tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('items', ?1)", [first_cursor.cast_signed()])?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", VERSION)?;
        tx.commit()?;
    }
    // Says now, rather than at the first item, that the file may not be written.
    connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
    Ok(connection)
}

/// Makes the tables that a database of the first version does not have.
fn bring_up(connection: &Connection) -> rusqlite::Result<()> {
    let tx = connection.unchecked_transaction()?;
    tx.execute_batch(FILES_SCHEMA)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

/// Reads the ends of each table: damage shows early, whatever the size.
fn look_inside(connection: &Connection) -> rusqlite::Result<()> {
    for sql in [
        "SELECT max(id), min(id) FROM mailboxes",
        "SELECT max(cursor), min(cursor) FROM items",
        "SELECT max(expires_s), min(expires_s) FROM items",
        "SELECT max(mailbox), min(mailbox) FROM remembered",
        "SELECT max(mailbox), min(mailbox) FROM tokens",
        "SELECT max(mailbox), min(mailbox) FROM prekeys",
        "SELECT max(expires_s), min(expires_s) FROM files",
    ] {
        connection.query_row(sql, [], |_| Ok(()))?;
    }
    Ok(())
}

/// Makes an empty file that only its owner may read; SQLite gives the files beside it the same rights.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn unusable(path: &Path, problem: impl Into<String>) -> OpenError {
    OpenError::Unusable { path: path.into(), problem: problem.into() }
}

pub(super) fn judge(path: &Path, error: &rusqlite::Error) -> OpenError {
    let io = |detail: String| OpenError::Io { path: path.into(), error: io::Error::other(detail) };
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => OpenError::DiskFull { path: path.into() },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Busy { path: path.into() },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => io("it may not be written".into()),
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => io(error.to_string()),
        _ => unusable(path, format!("is damaged ({error})")),
    }
}
