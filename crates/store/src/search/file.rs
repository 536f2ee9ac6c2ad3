//! The index file: opening it, taking messages in and out, and asking it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::terms::Terms;
use super::{Document, Filter, tokens};
use crate::columns::{MachineKey, time, unsigned};
use crate::connection;
use crate::inspect::beside;
use crate::{EventKey, SessionKey, StoreError};

/// Marks the file ("LNDS"), and its version: another one is made anew, there is nothing in it that is not elsewhere.
const APPLICATION_ID: i32 = 0x4c4e_4453;
const VERSION: i32 = 1;

/// The index holds no text and no positions, only which message has which token; so a hit is compared with the text
/// beside it. `secure-delete` takes a deleted message's tokens off the disk at once.
const DDL: &str = "\
CREATE VIRTUAL TABLE grams USING fts5(
    tokens, content='', columnsize=0, detail=none, tokenize='ascii', prefix='1 2'
);
INSERT INTO grams (grams, rank) VALUES ('secure-delete', 1);
CREATE TABLE texts (
    key INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    author INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    shown_ms INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE TABLE state (
    indexed INTEGER NOT NULL,
    header BLOB
) STRICT;
INSERT INTO state (indexed) VALUES (0);";

const FIND: &str = "\
SELECT g.rowid, t.shown_ms, t.text FROM grams g CROSS JOIN texts t ON t.key = g.rowid
WHERE g.grams MATCH ?1 AND g.rowid < ?2 ORDER BY g.rowid DESC";

/// Messages that are compared for one search at most: a bound for what was made to be slow.
const COMPARED: usize = 50_000;

/// How far the index has come: all messages up to this event, whose header tells whether it is still the same database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) indexed: EventKey,
    pub(super) header: Option<Vec<u8>>,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Messages to be taken out, whether they are there or not.
    pub(super) gone: Vec<EventKey>,
    /// Messages to be taken in.
    pub(super) documents: Vec<Document>,
    /// How far this comes.
    pub(super) state: Option<State>,
}

/// What the index found, newest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Hits of the page, at most one more than asked for.
    pub(super) keys: Vec<EventKey>,
    /// All hits, counted up to a bound.
    pub(super) total: usize,
    /// How far the index had come.
    pub(super) indexed: EventKey,
}

/// Opens the file for writing, making it when there is none or one of another version.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path)?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if (pragma("application_id")?, pragma("user_version")?) == (APPLICATION_ID, VERSION) {
        return Ok(connection);
    }
    connection.close().map_err(|(_, error)| error)?;
    remove(path)?;
    make_private(path)?;
    let mut connection = connect(path)?;
    let tx = connection.transaction()?;
    tx.execute_batch(DDL)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()?;
    Ok(connection)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A power cut may take the last messages out of the index; they are taken in again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    // Negative: in KiB. The pages of the last batch; the system's own cache holds the rest.
    connection.pragma_update(None, "cache_size", -512)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Takes the file away, with what SQLite keeps beside it.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    for file in [path.to_path_buf(), beside(path, "-wal"), beside(path, "-shm")] {
        match fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::Io(error.to_string())),
        }
    }
    Ok(())
}

/// Makes an empty file that only its owner may read.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| StoreError::Io(error.to_string()))
}

pub(super) fn state(connection: &Connection) -> Result<State, StoreError> {
    let row = connection.query_row("SELECT indexed, header FROM state", [], |row| {
        Ok(State { indexed: row.get(0)?, header: row.get(1)? })
    });
    Ok(row?)
}

/// Gives back what the last batches needed: most of the time there is nothing to do.
pub(super) fn rest(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.execute_batch("PRAGMA shrink_memory")?)
}

/// Writes a part as one transaction.
pub(super) fn write(connection: &mut Connection, part: &Part) -> Result<(), StoreError> {
    let tx = connection.transaction()?;
    for key in &part.gone {
        take_out(&tx, *key)?;
    }
    for document in &part.documents {
        take_out(&tx, document.key)?;
        if document.is_empty() {
            continue;
        }
        tx.prepare_cached("INSERT INTO grams (rowid, tokens) VALUES (?1, ?2)")?
            .execute(params![document.key, tokens::of(document)])?;
        tx.prepare_cached(
            "INSERT INTO texts (key, session, author, kind, shown_ms, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            document.key,
            document.session,
            document.author,
            document.kind,
            time(document.shown_ms),
            document.text
        ])?;
    }
    if let Some(state) = &part.state {
        tx.prepare_cached("UPDATE state SET indexed = ?1, header = ?2")?
            .execute(params![state.indexed, state.header])?;
    }
    tx.commit()?;
    if !part.gone.is_empty() {
        // The log beside the file still has the pages as they were. What stands in the queue until this is done is done again.
        if !connection::empty_log(connection)? {
            return Err(StoreError::Busy);
        }
    }
    Ok(())
}

fn take_out(connection: &Connection, key: EventKey) -> Result<(), StoreError> {
    let old = connection
        .prepare_cached("SELECT session, author, kind, shown_ms, text FROM texts WHERE key = ?1")?
        .query_row([key], |row| {
            Ok(Document {
                key,
                session: row.get::<_, SessionKey>(0)?,
                author: row.get::<_, MachineKey>(1)?,
                kind: row.get(2)?,
                shown_ms: unsigned(row, 3)?,
                text: row.get(4)?,
            })
        })
        .optional()?;
    if let Some(old) = old {
        connection
            .prepare_cached("INSERT INTO grams (grams, rowid, tokens) VALUES ('delete', ?1, ?2)")?
            .execute(params![key, tokens::of(&old)])?;
        connection.prepare_cached("DELETE FROM texts WHERE key = ?1")?.execute([key])?;
    }
    Ok(())
}

/// The hits before a key: the newest `limit` and one more, and how many there are in all, counted up to `counted`.
pub(super) fn find(
    connection: &Connection,
    terms: &Terms,
    filter: &Filter,
    before: EventKey,
    limit: usize,
    counted: usize,
) -> Result<Found, StoreError> {
    let mut found = Found { indexed: state(connection)?.indexed, ..Found::default() };
    let Some(expression) = tokens::expression(terms, filter) else { return Ok(found) };
    let mut statement = connection.prepare_cached(FIND)?;
    let mut rows = statement.query(params![expression, i64::MAX])?;
    let mut compared = 0;
    while let Some(row) = rows.next()? {
        let (key, shown_ms): (EventKey, u64) = (row.get(0)?, unsigned(row, 1)?);
        compared += 1;
        if filter.spans(shown_ms) && terms.are_in(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?) {
            found.total += 1;
            if key < before && found.keys.len() <= limit {
                found.keys.push(key);
            }
        }
        if compared >= COMPARED || (found.total >= counted && found.keys.len() > limit) {
            break;
        }
    }
    Ok(found)
}
