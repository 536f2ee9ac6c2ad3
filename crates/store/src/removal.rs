//! How messages go: taken back by their author, deleted on this machine only, disappeared by timer, or older than they are
//! to be kept.
//!
//! With a message goes everything that was said in it: the bodies of its event and of its edits, reactions, attachments, its entry in the
//! search index. The headers stay, so that the log's chain stays whole.

use proto::event::Order;
use proto::{MessageId, SessionId};

use crate::columns::{event_key_list, message_id, session_id, time, unsigned};
use crate::messages::{self, Place};
use crate::notifications::{self, NotificationKey};
use crate::operations::Target;
use crate::{EventKey, Reader, SessionKey, StoreError, Tx, attachments, events, search};

pub(crate) const DDL: &str = "\
CREATE TABLE removed (
    id BLOB PRIMARY KEY CHECK (length(id) = 16)
) STRICT, WITHOUT ROWID;";

/// What becomes of files that the person received with a message, when the message goes. What the program itself holds of them (copies,
/// what has come so far, small images) goes in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// They lie in the person's own folder and are theirs.
    Kept,
    /// Whoever sent them wants them gone.
    Removed,
}

/// A message that is no longer here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its session.
    pub session: SessionId,
    /// The message.
    pub message: MessageId,
    /// Records of the notification centre that went with it.
    pub noted: Vec<NotificationKey>,
}

/// Its author took a message back: what remains is that it was there.
pub(crate) fn take_back(tx: &Tx<'_>, target: &Target, shown_ms: u64) -> Result<(), StoreError> {
    take_content(tx, target.session, target.key, Received::Removed)?;
    tx.execute(
        "UPDATE messages SET text = '', flags = 0, reply_to = NULL, mentions = NULL, edited_ms = NULL, deleted_ms = ?2
         WHERE key = ?1",
        (target.key, time(shown_ms)),
    )?;
    Ok(())
}

/// Takes away what a message says, and all that was said of it.
fn take_content(tx: &Tx<'_>, session: SessionKey, key: EventKey, received: Received) -> Result<(), StoreError> {
    tx.erases();
    events::delete_body(tx, key)?;
    tx.execute("UPDATE events SET body = NULL WHERE key IN (SELECT event FROM edits WHERE message = ?1)", [key])?;
    attachments::remove(tx, key, received)?;
    tx.execute("DELETE FROM edits WHERE message = ?1", [key])?;
    tx.execute("DELETE FROM reactions WHERE message = ?1", [key])?;
    tx.execute("DELETE FROM pins WHERE session = ?1 AND message = ?2", (session, key))?;
    let unread = tx.execute(
        "DELETE FROM unread WHERE (session, lamport, author_rank, epoch, seq, event) =
             (SELECT session, lamport, author_rank, epoch, seq, key FROM messages WHERE key = ?1)",
        [key],
    )?;
    if unread > 0 {
        tx.execute("UPDATE sessions SET unread_count = unread_count - 1 WHERE key = ?1", [session])?;
    }
    search::changed(tx, key)
}

/// Takes messages away from this machine only. Those still queued stay: what was not sent yet would be sent empty.
///
/// # Errors
///
/// As any write.
pub fn remove(tx: &Tx<'_>, keys: &[EventKey], received: Received) -> Result<Vec<Removed>, StoreError> {
    let mut removed = Vec::with_capacity(keys.len());
    let mut touched: Vec<SessionKey> = Vec::new();
    for key in keys {
        let found = tx.one(
            "SELECT m.session, s.id, m.id FROM messages m CROSS JOIN sessions s ON s.key = m.session
             WHERE m.key = ?1 AND m.state <> 0",
            [key],
            |row| Ok((row.get::<_, SessionKey>(0)?, session_id(row, 1)?, message_id(row, 2)?)),
        )?;
        let Some((session, session_id, message)) = found else { continue };
        take_content(tx, session, *key, received)?;
        tx.execute("DELETE FROM messages WHERE key = ?1", [key])?;
        tx.execute("INSERT OR IGNORE INTO removed (id) VALUES (?1)", [message.as_bytes()])?;
        if !touched.contains(&session) {
            touched.push(session);
        }
        removed.push(Removed { session: session_id, message, noted: notifications::forget(tx, *key)? });
    }
    for session in touched {
        tx.execute(
            "UPDATE sessions SET last_message = (SELECT key FROM messages WHERE session = ?1
                 ORDER BY lamport DESC, author_rank DESC, epoch DESC, seq DESC LIMIT 1)
             WHERE key = ?1",
            [session],
        )?;
    }
    Ok(removed)
}

/// Whether a message was removed from this machine.
pub(crate) fn is_removed(reader: &Reader<'_>, id: &MessageId) -> Result<bool, StoreError> {
    Ok(reader.one("SELECT 1 FROM removed WHERE id = ?1", [id.as_bytes()], |_| Ok(()))?.is_some())
}

/// A message's timer runs from now on, if it has one.
pub(crate) fn start_timer(tx: &Tx<'_>, key: EventKey, from_ms: i64) -> Result<(), StoreError> {
    let sql = "UPDATE messages SET expires_ms = ?2 + 1000 * timer
        WHERE key = ?1 AND timer IS NOT NULL AND expires_ms IS NULL AND kind = 0";
    tx.execute(sql, (key, from_ms)).map(drop)
}

/// The timers of others' messages up to a place (included) run from now on, because they were read; the messages whose timer did
/// not run before.
///
/// # Errors
///
/// As any write.
pub fn start_timers(
    tx: &Tx<'_>,
    session: SessionKey,
    upto: Option<&Order>,
    now_ms: u64,
) -> Result<Vec<EventKey>, StoreError> {
    let (lamport, rank, epoch, seq): Place = upto.map_or(Ok(messages::END), messages::place)?;
    tx.all(START_TIMERS, (session, lamport, rank, epoch, seq, time(now_ms)), |row| row.get(0))
}

pub(crate) const START_TIMERS: &str = "UPDATE messages SET expires_ms = ?6 + 1000 * timer
    WHERE session = ?1 AND (lamport, author_rank, epoch, seq) <= (?2, ?3, ?4, ?5)
        AND timer IS NOT NULL AND expires_ms IS NULL AND kind = 0 AND state = 1
    RETURNING key";

/// When the next message disappears.
///
/// # Errors
///
/// As any read.
pub fn next_expiry(reader: &Reader<'_>) -> Result<Option<u64>, StoreError> {
    reader.one("SELECT expires_ms FROM messages WHERE expires_ms IS NOT NULL ORDER BY expires_ms LIMIT 1", [], |row| {
        unsigned(row, 0)
    })
}

/// Messages whose time is over, at most `limit`.
///
/// # Errors
///
/// As any read.
pub fn expired(reader: &Reader<'_>, now_ms: u64, limit: u32) -> Result<Vec<EventKey>, StoreError> {
    let sql = "SELECT key FROM messages WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2";
    reader.all(sql, (time(now_ms), limit), event_key_list)
}

/// The first messages of a session that are older than they are to be kept, at most `limit`. Shown times follow the order, so
/// they are at its beginning.
///
/// # Errors
///
/// As any read.
pub fn outdated(
    reader: &Reader<'_>,
    session: SessionKey,
    before_ms: u64,
    limit: u32,
) -> Result<Vec<EventKey>, StoreError> {
    reader.all(
        "SELECT key FROM (SELECT key, shown_ms, state FROM messages WHERE session = ?1
             ORDER BY lamport, author_rank, epoch, seq LIMIT ?3)
         WHERE shown_ms < ?2 AND state <> 0",
        (session, time(before_ms), limit),
        event_key_list,
    )
}
