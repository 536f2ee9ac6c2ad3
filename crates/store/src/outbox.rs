//! What each recipient has not yet acknowledged. A row goes only when the recipient's own signed receipt covers its event.

use proto::{Epoch, MachineId, SessionId, VersionVector};

use crate::columns::{
    LogKey, MachineKey, event_key_list, exact, machine_id, optional_unsigned, session_id, time, unsigned,
};
use crate::{EventKey, Reader, SessionKey, StoreError, Tx, logs, machines};

pub(crate) const DDL: &str = "\
CREATE TABLE outbox (
    peer INTEGER NOT NULL,
    session INTEGER NOT NULL,
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    event INTEGER NOT NULL,
    enqueued_ms INTEGER NOT NULL,
    failed_reason TEXT,
    PRIMARY KEY (peer, session, log, seq)
) STRICT, WITHOUT ROWID;";

/// What came with relays: when an event was put into the recipient's mailbox. 0: it was once, and does not lie there.
pub(crate) const HELD_DDL: &str = "ALTER TABLE outbox ADD COLUMN held_ms INTEGER;";

/// An event that a machine has not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its session's local number.
    pub session: SessionKey,
    /// Its local number.
    pub event: EventKey,
    /// When it was queued; milliseconds since 1970.
    pub enqueued_ms: u64,
    /// Why the other side refused it, if it did.
    pub failed_reason: Option<String>,
}

/// Queues events of a session, as stored by [`crate::events::append`], for a machine. The machine must be known.
///
/// # Errors
///
/// As any write; [`StoreError::Missing`] for an unknown machine or event.
pub fn add(
    tx: &Tx<'_>,
    peer: &MachineId,
    session: SessionKey,
    events: &[EventKey],
    wall_ms: u64,
) -> Result<(), StoreError> {
    let peer = machines::key(tx, peer)?.ok_or(StoreError::Missing("the recipient"))?;
    let mut insert = tx.prepare(
        "INSERT INTO outbox (peer, session, log, seq, event, enqueued_ms)
         SELECT ?1, ?2, log, seq, key, ?4 FROM events WHERE key = ?3
         ON CONFLICT (peer, session, log, seq) DO NOTHING",
    )?;
    for event in events {
        insert.execute((peer, session, event, time(wall_ms)))?;
    }
    Ok(())
}

/// Clears what a machine's receipt covers in a session, and gives the local numbers of what was cleared.
///
/// # Errors
///
/// As any write.
pub fn covered_by(
    tx: &Tx<'_>,
    peer: &MachineId,
    session: SessionKey,
    vector: &VersionVector,
) -> Result<Vec<EventKey>, StoreError> {
    let Some(peer) = machines::key(tx, peer)? else { return Ok(Vec::new()) };
    let mut cleared = Vec::new();
    let mut log = LogKey(0);
    while let Some((next, author, epoch)) = next_log(tx, peer, session, log)? {
        log = next;
        let seq = exact(vector.get(&author, epoch), "seq")?;
        cleared.extend(tx.all(CLEAR, (peer, session, log, seq), |row| row.get::<_, EventKey>(0))?);
    }
    cleared.sort_unstable();
    Ok(cleared)
}

pub(crate) const CLEAR: &str =
    "DELETE FROM outbox WHERE peer = ?1 AND session = ?2 AND log = ?3 AND seq <= ?4 RETURNING event";

/// The next log of a session that has something in a machine's outbox: one look-up a log (usually there is one: the own log).
fn next_log(
    reader: &Reader<'_>,
    peer: MachineKey,
    session: SessionKey,
    after: LogKey,
) -> Result<Option<(LogKey, MachineId, Epoch)>, StoreError> {
    reader.one(
        "SELECT o.log, a.id, l.epoch
         FROM outbox o CROSS JOIN logs l ON l.key = o.log CROSS JOIN machines a ON a.key = l.author
         WHERE o.peer = ?1 AND o.session = ?2 AND o.log > ?3 ORDER BY o.log LIMIT 1",
        (peer, session, after),
        |row| Ok((row.get(0)?, machine_id(row, 1)?, Epoch::new(unsigned(row, 2)?))),
    )
}

/// What waits for a machine in a session, in the order of the logs; at most `limit`.
///
/// # Errors
///
/// As any read.
pub fn waiting(
    reader: &Reader<'_>,
    peer: &MachineId,
    session: SessionKey,
    limit: u32,
) -> Result<Vec<Waiting>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    reader.all(
        "SELECT session, event, enqueued_ms, failed_reason FROM outbox WHERE peer = ?1 AND session = ?2
         ORDER BY log, seq LIMIT ?3",
        (peer, session, limit),
        |row| {
            Ok(Waiting {
                session: row.get(0)?,
                event: row.get(1)?,
                enqueued_ms: unsigned(row, 2)?,
                failed_reason: row.get(3)?,
            })
        },
    )
}

/// The sessions in which something waits for a machine. One look-up a session, whatever waits.
///
/// # Errors
///
/// As any read.
pub fn sessions_waiting(reader: &Reader<'_>, peer: &MachineId) -> Result<Vec<(SessionKey, SessionId)>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    let mut sessions: Vec<(SessionKey, SessionId)> = Vec::new();
    let sql = "SELECT o.session, s.id FROM outbox o CROSS JOIN sessions s ON s.key = o.session
        WHERE o.peer = ?1 AND o.session > ?2 ORDER BY o.session LIMIT 1";
    loop {
        let last = sessions.last().map_or(SessionKey(0), |(key, _)| *key);
        match reader.one(sql, (peer, last), |row| Ok((row.get(0)?, session_id(row, 1)?)))? {
            Some(next) => sessions.push(next),
            None => return Ok(sessions),
        }
    }
}

/// How many events wait for a machine, in all sessions. Counts them: for diagnosis; what the list shows is kept in
/// [`crate::sessions`].
///
/// # Errors
///
/// As any read.
pub fn count(reader: &Reader<'_>, peer: &MachineId) -> Result<u64, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(0) };
    let sql = "SELECT count(*) FROM outbox WHERE peer = ?1";
    Ok(reader.one(sql, [peer], |row| unsigned(row, 0))?.unwrap_or(0))
}

/// Notes why a machine refused events (`None`: they are queued again). The rows stay until a receipt covers them.
///
/// # Errors
///
/// As any write.
pub fn set_failed(
    tx: &Tx<'_>,
    peer: &MachineId,
    session: SessionKey,
    events: &[EventKey],
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let Some(peer) = machines::key(tx, peer)? else { return Ok(()) };
    let mut update = tx.prepare(
        "UPDATE outbox SET failed_reason = ?4 WHERE peer = ?1 AND session = ?2
             AND (log, seq) = (SELECT log, seq FROM events WHERE key = ?3)",
    )?;
    for event in events {
        update.execute((peer, session, event, reason))?;
    }
    Ok(())
}

/// From where on the own logs of a session are to be put into a machine's mailbox: for each log that has something in the
/// outbox that does not lie there, or was put there before `before_ms`, the place of the first such event, and whether that
/// was put there before. Logs in which the machine refused something are left out.
///
/// # Errors
///
/// As any read.
pub fn unheld(
    reader: &Reader<'_>,
    peer: &MachineId,
    session: SessionKey,
    before_ms: u64,
) -> Result<Vec<(MachineId, Epoch, u64, bool)>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    let mut due = Vec::new();
    let mut log = LogKey(0);
    while let Some((next, author, epoch)) = next_log(reader, peer, session, log)? {
        log = next;
        let first = reader.one(UNHELD, (peer, session, log, time(before_ms)), |row| {
            Ok((unsigned(row, 0)?, row.get(1)?, row.get(2)?))
        })?;
        if let Some((seq, false, again)) = first {
            due.push((author, epoch, seq, again));
        }
    }
    Ok(due)
}

const UNHELD: &str = "SELECT seq, failed_reason IS NOT NULL, held_ms IS NOT NULL FROM outbox
     WHERE peer = ?1 AND session = ?2 AND log = ?3 AND (held_ms IS NULL OR held_ms < ?4) ORDER BY seq LIMIT 1";

/// When the first event was put into a machine's mailbox that waits there, of all sessions; milliseconds since 1970.
///
/// # Errors
///
/// As any read.
pub fn held_since(reader: &Reader<'_>, peer: &MachineId) -> Result<Option<u64>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(None) };
    let sql = "SELECT min(held_ms) FROM outbox WHERE peer = ?1 AND held_ms > 0";
    Ok(reader.one(sql, [peer], |row| optional_unsigned(row, 0))?.flatten())
}

/// Notes that events of a log, up to a place, lie in a machine's mailbox. Gives the local numbers of those that the machine
/// has not acknowledged.
///
/// # Errors
///
/// As any write.
pub fn hold(
    tx: &Tx<'_>,
    peer: &MachineId,
    session: SessionKey,
    (author, epoch): (&MachineId, Epoch),
    seqs: std::ops::RangeInclusive<u64>,
    wall_ms: u64,
) -> Result<Vec<EventKey>, StoreError> {
    let (Some(peer), Some(head)) = (machines::key(tx, peer)?, logs::head(tx, session, author, epoch)?) else {
        return Ok(Vec::new());
    };
    tx.all(
        "UPDATE outbox SET held_ms = ?6 WHERE peer = ?1 AND session = ?2 AND log = ?3 AND seq BETWEEN ?4 AND ?5
         RETURNING event",
        (peer, session, head.key, exact(*seqs.start(), "seq")?, exact(*seqs.end(), "seq")?, time(wall_ms)),
        event_key_list,
    )
}

/// Notes that nothing that was put into a machine's mailbox up to a time lies there any more: its owner came by and does
/// not have it. Gives the local numbers of these events.
///
/// # Errors
///
/// As any write.
pub fn unhold(tx: &Tx<'_>, peer: &MachineId, session: SessionKey, until_ms: u64) -> Result<Vec<EventKey>, StoreError> {
    let Some(peer) = machines::key(tx, peer)? else { return Ok(Vec::new()) };
    let sql = "UPDATE outbox SET held_ms = 0 WHERE peer = ?1 AND session = ?2 AND held_ms BETWEEN 1 AND ?3
         RETURNING event";
    tx.all(sql, (peer, session, time(until_ms)), event_key_list)
}
