//! Logs: for each (session, author, epoch) its head, from which vectors and digests come without a look at the events.

use proto::{Epoch, EventId, MachineId, SessionId, VersionVector};
use rusqlite::Row;

use crate::columns::{LogKey, event_id, exact, machine_id, session_id, unsigned};
use crate::{EventKey, Reader, SessionKey, StoreError, Tx, machines};

pub(crate) const DDL: &str = "\
CREATE TABLE logs (
    key INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (key),
    author INTEGER NOT NULL REFERENCES machines (key),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    head BLOB NOT NULL CHECK (length(head) = 32),
    lamport INTEGER NOT NULL,
    last_event INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    frozen INTEGER NOT NULL DEFAULT 0,
    UNIQUE (session, author, epoch)
) STRICT;";

/// The newest event of a log, and sums over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub(crate) key: LogKey,
    /// Whose log.
    pub author: MachineId,
    /// Which of the author's logs.
    pub epoch: Epoch,
    /// Place of the newest event; the log holds 1 to this without a gap.
    pub seq: u64,
    /// The newest event's ID.
    pub id: EventId,
    /// The newest event's Lamport time.
    pub lamport: u64,
    /// The newest event's local number.
    pub last_event: EventKey,
    /// Bytes of all headers and bodies, as they arrived.
    pub bytes: u64,
    /// Whether a fork was proven, so that nothing more is taken.
    pub frozen: bool,
}

const HEADS: &str = "SELECT l.key, a.id, l.epoch, l.seq, l.head, l.lamport, l.last_event, l.bytes, l.frozen
    FROM logs l CROSS JOIN machines a ON a.key = l.author WHERE l.session = ?1";

/// The heads of all logs of a session.
///
/// # Errors
///
/// As any read.
pub fn heads(reader: &Reader<'_>, session: SessionKey) -> Result<Vec<Head>, StoreError> {
    reader.all(HEADS, [session], head_row)
}

/// The head of one log.
///
/// # Errors
///
/// As any read.
pub fn head(
    reader: &Reader<'_>,
    session: SessionKey,
    author: &MachineId,
    epoch: Epoch,
) -> Result<Option<Head>, StoreError> {
    let Some(author) = machines::key(reader, author)? else { return Ok(None) };
    reader.one(
        "SELECT l.key, a.id, l.epoch, l.seq, l.head, l.lamport, l.last_event, l.bytes, l.frozen
         FROM logs l CROSS JOIN machines a ON a.key = l.author WHERE l.session = ?1 AND l.author = ?2 AND l.epoch = ?3",
        (session, author, exact(epoch.get(), "epoch")?),
        head_row,
    )
}

/// What this machine holds of a session.
///
/// # Errors
///
/// As any read.
pub fn vector(reader: &Reader<'_>, session: SessionKey) -> Result<VersionVector, StoreError> {
    let sql = "SELECT a.id, l.epoch, l.seq FROM logs l CROSS JOIN machines a ON a.key = l.author WHERE l.session = ?1";
    let entries = reader
        .all(sql, [session], |row| Ok((machine_id(row, 0)?, Epoch::new(unsigned(row, 1)?), unsigned(row, 2)?)))?;
    Ok(entries.into_iter().collect())
}

/// The digests of the vectors of all sessions shared with a machine. Reads heads only.
///
/// # Errors
///
/// As any read.
pub fn digests(reader: &Reader<'_>, peer: &MachineId) -> Result<Vec<(SessionId, [u8; 32])>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    let mut statement = reader.prepare(
        "SELECT s.id, a.id, l.epoch, l.seq FROM sessions s LEFT JOIN logs l ON l.session = s.key
         LEFT JOIN machines a ON a.key = l.author WHERE s.peer = ?1 ORDER BY s.key",
    )?;
    let mut rows = statement.query([peer])?;
    let mut vectors: Vec<(SessionId, VersionVector)> = Vec::new();
    while let Some(row) = rows.next()? {
        let session = session_id(row, 0)?;
        if vectors.last().is_none_or(|(last, _)| *last != session) {
            vectors.push((session, VersionVector::new()));
        }
        // A session without a log has one row, with nothing in it.
        if let (Some((_, vector)), Some(_)) = (vectors.last_mut(), row.get::<_, Option<i64>>(2)?) {
            vector.set_max(machine_id(row, 1)?, Epoch::new(unsigned(row, 2)?), unsigned(row, 3)?);
        }
    }
    Ok(vectors.into_iter().map(|(session, vector)| (session, vector.digest())).collect())
}

/// The local number of a session's newest event, [`EventKey::NONE`] when it has none. Rises with each commit that adds to the
/// session, so it serves as the version of this machine's receipts.
///
/// # Errors
///
/// As any read.
pub fn last_event(reader: &Reader<'_>, session: SessionKey) -> Result<EventKey, StoreError> {
    let sql = "SELECT coalesce(max(last_event), 0) FROM logs WHERE session = ?1";
    Ok(reader.one(sql, [session], |row| row.get(0))?.unwrap_or(EventKey::NONE))
}

/// Bytes of headers and bodies that an author has put into a session, over all epochs: what counts against the budget of
/// a request.
///
/// # Errors
///
/// As any read.
pub fn bytes_from(reader: &Reader<'_>, session: SessionKey, author: &MachineId) -> Result<u64, StoreError> {
    let Some(author) = machines::key(reader, author)? else { return Ok(0) };
    let sql = "SELECT coalesce(sum(bytes), 0) FROM logs WHERE session = ?1 AND author = ?2";
    Ok(reader.one(sql, (session, author), |row| unsigned(row, 0))?.unwrap_or(0))
}

/// How many logs (epochs) of an author a session has.
///
/// # Errors
///
/// As any read.
pub fn epochs(reader: &Reader<'_>, session: SessionKey, author: &MachineId) -> Result<u64, StoreError> {
    let Some(author) = machines::key(reader, author)? else { return Ok(0) };
    let sql = "SELECT count(*) FROM logs WHERE session = ?1 AND author = ?2";
    Ok(reader.one(sql, (session, author), |row| unsigned(row, 0))?.unwrap_or(0))
}

/// Takes nothing more into a log.
///
/// # Errors
///
/// As any write.
pub fn freeze(tx: &Tx<'_>, session: SessionKey, author: &MachineId, epoch: Epoch) -> Result<(), StoreError> {
    let author = machines::key(tx, author)?.ok_or(StoreError::Missing("the log's author"))?;
    let sql = "UPDATE logs SET frozen = 1 WHERE session = ?1 AND author = ?2 AND epoch = ?3";
    tx.execute(sql, (session, author, exact(epoch.get(), "epoch")?))?;
    Ok(())
}

fn head_row(row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        key: row.get(0)?,
        author: machine_id(row, 1)?,
        epoch: Epoch::new(unsigned(row, 2)?),
        seq: unsigned(row, 3)?,
        id: event_id(row, 4)?,
        lamport: unsigned(row, 5)?,
        last_event: row.get(6)?,
        bytes: unsigned(row, 7)?,
        frozen: row.get(8)?,
    })
}
