//! How far messages have come: read, delivered, refused, tried again; and other texts for them.

use std::collections::BTreeMap;

use proto::MachineId;
use proto::event::Order;

use super::{DELIVERED, END, FAILED, QUEUED, READ, mentions_column, place};
use crate::columns::time;
use crate::{EventKey, SessionKey, StoreError, Tx, removal, search};

pub(crate) const MARK_READ: &str =
    "DELETE FROM unread WHERE session = ?1 AND (lamport, author_rank, epoch, seq) <= (?2, ?3, ?4, ?5)";

/// Marks messages read, up to a place (included) or all; how many were unread until now.
///
/// # Errors
///
/// As any write.
pub fn mark_read(tx: &Tx<'_>, session: SessionKey, upto: Option<&Order>) -> Result<u32, StoreError> {
    let (lamport, rank, epoch, seq) = upto.map_or(Ok(END), place)?;
    let read_to: Option<EventKey> = tx.one(
        "SELECT key FROM messages WHERE session = ?1 AND (lamport, author_rank, epoch, seq) <= (?2, ?3, ?4, ?5)
         ORDER BY lamport DESC, author_rank DESC, epoch DESC, seq DESC LIMIT 1",
        (session, lamport, rank, epoch, seq),
        |row| row.get(0),
    )?;
    let read = tx.execute(MARK_READ, (session, lamport, rank, epoch, seq))?;
    let read = u32::try_from(read).unwrap_or(u32::MAX);
    tx.execute(
        "UPDATE sessions SET unread_count = unread_count - ?2, read_to = max(read_to, ?3), marked_unread = 0
         WHERE key = ?1 AND (?2 > 0 OR read_to < ?3 OR marked_unread)",
        (session, read, read_to.unwrap_or(EventKey::NONE)),
    )?;
    Ok(read)
}

/// Gives a message another text, as an edit does. The search index follows.
///
/// # Errors
///
/// As any write.
pub fn set_text(
    tx: &Tx<'_>,
    key: EventKey,
    text: &str,
    mentions: &[MachineId],
    edited_ms: u64,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE messages SET text = ?2, mentions = ?3, edited_ms = ?4 WHERE key = ?1",
        (key, text, mentions_column(mentions), time(edited_ms)),
    )?;
    search::changed(tx, key)
}

/// Notes that own messages are on the other's disk; those that were queued or failed until now.
///
/// # Errors
///
/// As any write.
pub fn mark_delivered(tx: &Tx<'_>, keys: &[EventKey], wall_ms: u64) -> Result<Vec<EventKey>, StoreError> {
    change_state(tx, keys, |from| from != DELIVERED && from != READ, DELIVERED, None, Some(time(wall_ms)))
}

/// Notes that the other side refused queued messages; those that were queued until now.
///
/// # Errors
///
/// As any write.
pub fn fail(tx: &Tx<'_>, keys: &[EventKey], reason: &str) -> Result<Vec<EventKey>, StoreError> {
    change_state(tx, keys, |from| from == QUEUED, FAILED, Some(reason), None)
}

/// Queues failed messages again; those that had failed.
///
/// # Errors
///
/// As any write.
pub fn retry(tx: &Tx<'_>, keys: &[EventKey]) -> Result<Vec<EventKey>, StoreError> {
    change_state(tx, keys, |from| from == FAILED, QUEUED, None, None)
}

/// Notes that queued messages lie in the other's mailbox at a relay, of which the origin is given; those of which that was
/// not known.
///
/// # Errors
///
/// As any write.
pub fn mark_held(tx: &Tx<'_>, keys: &[EventKey], origin: &str) -> Result<Vec<EventKey>, StoreError> {
    let mut update = tx.prepare(
        "UPDATE messages SET held_by = ?2 WHERE key = ?1 AND state = ?3 AND (held_by IS NULL OR held_by <> ?2)",
    )?;
    let mut changed = Vec::new();
    for key in keys {
        if update.execute((key, origin, QUEUED))? > 0 {
            changed.push(*key);
        }
    }
    Ok(changed)
}

/// Notes that messages lie at no relay any more; those of which one was said to hold them.
///
/// # Errors
///
/// As any write.
pub fn mark_unheld(tx: &Tx<'_>, keys: &[EventKey]) -> Result<Vec<EventKey>, StoreError> {
    let mut update = tx.prepare("UPDATE messages SET held_by = NULL WHERE key = ?1 AND held_by IS NOT NULL")?;
    let mut changed = Vec::new();
    for key in keys {
        if update.execute([key])? > 0 {
            changed.push(*key);
        }
    }
    Ok(changed)
}

fn change_state(
    tx: &Tx<'_>,
    keys: &[EventKey],
    changes: impl Fn(i64) -> bool,
    to: i64,
    failure: Option<&str>,
    delivered_ms: Option<i64>,
) -> Result<Vec<EventKey>, StoreError> {
    let mut look = tx.prepare("SELECT session, state, timer FROM messages WHERE key = ?1")?;
    let mut update =
        tx.prepare("UPDATE messages SET state = ?2, failure = ?3, delivered_ms = ?4, held_by = NULL WHERE key = ?1")?;
    let mut changed = Vec::with_capacity(keys.len());
    let mut waiting: BTreeMap<SessionKey, i64> = BTreeMap::new();
    for key in keys {
        let mut rows = look.query([key])?;
        let Some(row) = rows.next()? else { continue };
        let (session, from): (SessionKey, i64) = (row.get(0)?, row.get(1)?);
        if !changes(from) {
            continue;
        }
        let timer: Option<i64> = row.get(2)?;
        update.execute((key, to, failure, delivered_ms))?;
        if let (Some(_), Some(delivered_ms)) = (timer, delivered_ms) {
            removal::start_timer(tx, *key, delivered_ms)?;
        }
        *waiting.entry(session).or_default() += i64::from(to == QUEUED) - i64::from(from == QUEUED);
        changed.push(*key);
    }
    for (session, by) in waiting {
        tx.execute("UPDATE sessions SET waiting_count = waiting_count + ?2 WHERE key = ?1", (session, by))?;
    }
    Ok(changed)
}
