//! How connections are set up.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// Statements kept prepared in each connection; more than the store has in all.
const STATEMENTS: usize = 220;

/// Pages kept in memory: 1.5 MiB for the writer, 0.5 MiB for each reader. The system's own page cache holds the rest, so a
/// headless node stays small.
const WRITER_CACHE_KIB: u32 = 1536;
const READER_CACHE_KIB: u32 = 512;

/// How long to wait for another program (a backup, `sqlite3` in a terminal) that holds the database.
pub(crate) const BUSY: Duration = Duration::from_secs(5);

/// Pages in the write-ahead log before they are carried over (16 MiB): four times SQLite's default, since each
/// carrying-over costs two syncs and a busy node fills 4 MiB in a tenth of a second.
const CHECKPOINT_PAGES: u32 = 4096;

/// Length to which the write-ahead log is cut back, in bytes.
const LOG_BYTES: u32 = 16 << 20;

/// The connection that writes.
pub(crate) fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    prepare(&connection, WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On Apple systems a plain fsync leaves data in the drive's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // What was deleted is overwritten, not only given free.
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    prepare(&connection, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Carries the write-ahead log over into its database and empties it; false when somebody still reads what is in it.
pub(crate) fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
}

fn prepare(connection: &Connection, cache_kib: u32) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Negative: in KiB rather than in pages.
    connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?;
    // Each job has a savepoint; what it would undo stays in memory instead of in a temporary file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Plans depend on the schema alone, never on the values bound. Otherwise SQLite (built with STAT4) parses some
    // statements anew at each use, which took a third of a write's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Rows come from a file that someone may have changed: SQL in its schema gets no rights beyond plain functions.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}
