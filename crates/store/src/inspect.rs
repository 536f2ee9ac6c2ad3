//! A look at a file before it is opened for writing, that changes nothing: neither the file nor what lies beside it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::OpenError;
use crate::migrations::{self, Version};

/// Marks the file as Landline's ("LNDL"), so that another program's database is never taken for ours.
pub(crate) const APPLICATION_ID: i32 = 0x4c4e_444c;

/// What begins every SQLite file (SQLite file format, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
const USER_VERSION: usize = 60;
const APPLICATION: usize = 68;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is none, or an empty one.
    Nothing,
    /// One of ours (or one that a crash left before its first migration).
    Ours,
}

/// Looks at a file.
pub(crate) fn inspect(path: &Path) -> Result<Found, OpenError> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    match File::open(path) {
        Ok(file) => {
            file.take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(|source| OpenError::io(path, &source))?
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(OpenError::io(path, &error)),
    };
    if header.is_empty() {
        return Ok(Found::Nothing);
    }
    if !header.starts_with(MAGIC) {
        return Err(OpenError::NotADatabase { path: path.into() });
    }
    let (Some(version), Some(application)) = (number(&header, USER_VERSION), number(&header, APPLICATION)) else {
        return Err(OpenError::Damaged { path: path.into(), detail: "its first page is cut off".into() });
    };
    judge(path, application, version)?;
    look_inside(path)?;
    Ok(Found::Ours)
}

fn number(header: &[u8], at: usize) -> Option<i32> {
    header.get(at..at + 4)?.try_into().ok().map(i32::from_be_bytes)
}

/// Whether a file with these marks is for this program.
fn judge(path: &Path, application: i32, version: i32) -> Result<(), OpenError> {
    // Both are zero in a file that a crash left between its making and its first migration.
    if application != APPLICATION_ID && (application, version) != (0, 0) {
        return Err(OpenError::Foreign { path: path.into(), application_id: application });
    }
    let found = Version::from_pragma(version);
    let known = migrations::latest();
    if found.readable_by > known {
        return Err(OpenError::NewerVersion { path: path.into(), found: found.schema, known });
    }
    Ok(())
}

/// Looks through SQLite, at what a log beside the file adds too: marks, tables, and the ends of each table.
fn look_inside(path: &Path) -> Result<(), OpenError> {
    let damaged = |error: rusqlite::Error| OpenError::sqlite(path, &error);
    let connection = open_untouched(path).map_err(damaged)?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    let (application, version) = (pragma("application_id").map_err(damaged)?, pragma("user_version").map_err(damaged)?);
    judge(path, application, version)?;

    let empty: bool = connection
        .query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
        .map_err(damaged)?;
    if application == 0 && !empty {
        return Err(OpenError::Foreign { path: path.into(), application_id: 0 });
    }
    for table in migrations::tables(Version::from_pragma(version).schema) {
        // Reads the way from the root to one leaf. A look at every page would take seconds for a large file.
        connection
            .query_row(&format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1)"), [], |_| Ok(()))
            .map_err(damaged)?;
    }
    Ok(())
}

/// Opens a file for reading such that nothing is written: no lock, log or index file is made.
fn open_untouched(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // With a log beside it (a program was killed) the file alone is not the whole truth; then SQLite has to read both,
    // and may make the log's index file.
    if fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0) {
        return Connection::open_with_flags(path, flags);
    }
    Connection::open_with_flags(immutable_uri(path), flags | OpenFlags::SQLITE_OPEN_URI)
}

/// The file that SQLite keeps beside a database.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A path as a URI that tells SQLite that nobody changes the file now (RFC 3986, section 2: everything but
/// unreserved characters is escaped).
fn immutable_uri(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut uri = String::from("file:");
    #[cfg(windows)]
    let text = format!("/{}", absolute.to_string_lossy().replace('\\', "/"));
    #[cfg(windows)]
    let bytes = text.as_bytes();
    #[cfg(not(windows))]
    let bytes = absolute.as_os_str().as_encoded_bytes();
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(*byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}
