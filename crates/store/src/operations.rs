//! What happens to messages after they were written: edits, deletions, reactions, pins.
//!
//! Whatever the order in which events arrive, the same events give the same rows: of rivals the greatest in the session's
//! order counts, a deletion beats everything, and an operation that comes before its message waits for it.

use proto::event::{EditBody, ReactionBody};
use proto::{Body, Event, MessageId, emoji, limits};

use crate::columns::{MachineKey, message_id, time, unsigned};
use crate::messages::{self, MessageKind, NewMessage, PINNED, REACTIONS};
use crate::{EventKey, Reader, SessionKey, StoreError, Tx, events, machines, removal};

pub(crate) const EDITS_DDL: &str = "\
CREATE TABLE edits (
    message INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    author_rank INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    event INTEGER NOT NULL,
    shown_ms INTEGER NOT NULL,
    PRIMARY KEY (message, lamport, author_rank, epoch, seq)
) STRICT, WITHOUT ROWID;";

pub(crate) const REACTIONS_DDL: &str = "\
CREATE TABLE reactions (
    message INTEGER NOT NULL,
    author INTEGER NOT NULL,
    emoji TEXT NOT NULL,
    lamport INTEGER NOT NULL,
    author_rank INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    shown_ms INTEGER NOT NULL,
    active INTEGER NOT NULL,
    PRIMARY KEY (message, author, emoji)
) STRICT, WITHOUT ROWID;";

pub(crate) const PINS_DDL: &str = "\
CREATE TABLE pins (
    session INTEGER NOT NULL,
    message INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    author_rank INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    active INTEGER NOT NULL,
    PRIMARY KEY (session, message)
) STRICT, WITHOUT ROWID;";

pub(crate) const AWAITING_DDL: &str = "\
CREATE TABLE awaiting (
    target BLOB NOT NULL CHECK (length(target) = 16),
    event INTEGER NOT NULL,
    PRIMARY KEY (target, event)
) STRICT, WITHOUT ROWID;";

/// Pinned messages that a session shows.
const PINS: u32 = 50;

/// A message of which something is said.
pub(crate) struct Target {
    pub(crate) key: EventKey,
    pub(crate) session: SessionKey,
    author: MachineKey,
    wall_ms: u64,
    shown_ms: u64,
    deleted: bool,
    kind: MessageKind,
}

/// One version of a message's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The text.
    pub text: String,
    /// When it was written, as shown; `None` for the first one.
    pub edited_ms: Option<u64>,
}

/// Applies what an event of a session says of a message, or keeps it for when the message comes. The message that changed, if
/// one did. Events that say nothing of a message change none.
///
/// # Errors
///
/// As any write.
pub fn apply(
    tx: &Tx<'_>,
    session: SessionKey,
    key: EventKey,
    event: &Event,
    arrived_ms: u64,
) -> Result<Option<EventKey>, StoreError> {
    // What cannot be read never got here, and what was deleted says nothing.
    let Ok(Some(body)) = event.decode_body() else { return Ok(None) };
    let Some(id) = named(&body) else { return Ok(None) };
    match target(tx, &id)? {
        Some(target) if target.session == session => operate(tx, &target, key, event, &body, arrived_ms),
        Some(_) => Ok(None),
        None if removal::is_removed(tx, &id)? => {
            take_text_away(tx, key, &body)?;
            Ok(None)
        }
        None => {
            tx.execute("INSERT INTO awaiting (target, event) VALUES (?1, ?2)", (id.as_bytes(), key))?;
            Ok(None)
        }
    }
}

/// Applies what came before its message. Costs one look at an empty table in the usual case.
pub(crate) fn catch_up(tx: &Tx<'_>, session: SessionKey, messages: &[NewMessage]) -> Result<bool, StoreError> {
    if tx.one("SELECT 1 FROM awaiting LIMIT 1", [], |_| Ok(()))?.is_none() {
        return Ok(false);
    }
    let mut applied = false;
    for message in messages {
        let waiting: Vec<EventKey> =
            tx.all("SELECT event FROM awaiting WHERE target = ?1 ORDER BY event", [message.id.as_bytes()], |row| {
                row.get(0)
            })?;
        if waiting.is_empty() {
            continue;
        }
        tx.execute("DELETE FROM awaiting WHERE target = ?1", [message.id.as_bytes()])?;
        for key in waiting {
            if let Some((event, arrived_ms)) = events::read(tx, session, key)? {
                applied |= apply(tx, session, key, &event, arrived_ms)?.is_some();
            }
        }
    }
    Ok(applied)
}

/// The message that an operation names.
fn named(body: &Body) -> Option<MessageId> {
    match body {
        Body::Edit(edit) => Some(edit.target),
        Body::Delete { target } | Body::Pin { target, .. } => Some(*target),
        Body::Reaction(reaction) => Some(reaction.target),
        Body::Open | Body::Message(_) | Body::Timer { .. } | Body::Unknown => None,
    }
}

fn target(reader: &Reader<'_>, id: &MessageId) -> Result<Option<Target>, StoreError> {
    let sql =
        "SELECT key, session, author, wall_ms, shown_ms, deleted_ms IS NOT NULL, kind FROM messages WHERE id = ?1";
    reader.one(sql, [id.as_bytes()], |row| {
        Ok(Target {
            key: row.get(0)?,
            session: row.get(1)?,
            author: row.get(2)?,
            wall_ms: unsigned(row, 3)?,
            shown_ms: unsigned(row, 4)?,
            deleted: row.get(5)?,
            kind: row.get(6)?,
        })
    })
}

fn operate(
    tx: &Tx<'_>,
    target: &Target,
    key: EventKey,
    event: &Event,
    body: &Body,
    arrived_ms: u64,
) -> Result<Option<EventKey>, StoreError> {
    if target.kind != MessageKind::Text {
        return Ok(None);
    }
    let header = event.header();
    let author = machines::key(tx, &header.author)?.ok_or(StoreError::Missing("the operation's author"))?;
    let shown_ms = header.wall_ms.min(arrived_ms).max(target.shown_ms);
    let changed = match body {
        Body::Edit(_) => {
            let in_time = header.wall_ms.saturating_sub(target.wall_ms) <= limits::EDIT_WINDOW_MS;
            if author == target.author && in_time && !target.deleted {
                edit(tx, target, key, event, shown_ms)?
            } else {
                if author == target.author {
                    // Shown nowhere, so there is no use for its text either.
                    events::delete_body(tx, key)?;
                }
                false
            }
        }
        Body::Delete { .. } if author == target.author && !target.deleted => {
            removal::take_back(tx, target, shown_ms)?;
            true
        }
        Body::Reaction(reaction) if !target.deleted && emoji::is_emoji(&reaction.emoji) => {
            react(tx, target, author, event, reaction, shown_ms)?
        }
        Body::Pin { on, .. } if !target.deleted => pin(tx, target, event, *on)?,
        _ => false,
    };
    Ok(changed.then_some(target.key))
}

/// Keeps an edit as a version, and shows the newest one.
fn edit(tx: &Tx<'_>, target: &Target, key: EventKey, event: &Event, shown_ms: u64) -> Result<bool, StoreError> {
    let (lamport, rank, epoch, seq) = messages::place(&event.header().order())?;
    tx.execute(
        "INSERT INTO edits (message, lamport, author_rank, epoch, seq, event, shown_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (target.key, lamport, rank, epoch, seq, key, time(shown_ms)),
    )?;
    // The first so many in the order count: which they are does not depend on the order of arrival.
    let beyond: Vec<(EventKey, (i64, i64, i64, i64))> = tx.all(
        "SELECT event, lamport, author_rank, epoch, seq FROM edits WHERE message = ?1
         ORDER BY lamport, author_rank, epoch, seq LIMIT -1 OFFSET ?2",
        (target.key, limits::EDITS as i64),
        |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))),
    )?;
    for (event, (lamport, rank, epoch, seq)) in beyond {
        tx.execute(
            "DELETE FROM edits WHERE message = ?1 AND (lamport, author_rank, epoch, seq) = (?2, ?3, ?4, ?5)",
            (target.key, lamport, rank, epoch, seq),
        )?;
        events::delete_body(tx, event)?;
    }
    let newest: Option<(EventKey, u64)> = tx.one(
        "SELECT event, shown_ms FROM edits WHERE message = ?1
         ORDER BY lamport DESC, author_rank DESC, epoch DESC, seq DESC LIMIT 1",
        [target.key],
        |row| Ok((row.get(0)?, unsigned(row, 1)?)),
    )?;
    let Some((newest, edited_ms)) = newest else { return Ok(false) };
    let Some(EditBody { text, mentions, .. }) = edit_body(tx, target.session, newest)? else { return Ok(false) };
    messages::set_text(tx, target.key, &text, &mentions, edited_ms)?;
    Ok(true)
}

fn edit_body(reader: &Reader<'_>, session: SessionKey, key: EventKey) -> Result<Option<EditBody>, StoreError> {
    let Some((event, _)) = events::read(reader, session, key)? else { return Ok(None) };
    match event.decode_body() {
        Ok(Some(Body::Edit(edit))) => Ok(Some(edit)),
        _ => Ok(None),
    }
}

fn react(
    tx: &Tx<'_>,
    target: &Target,
    author: MachineKey,
    event: &Event,
    reaction: &ReactionBody,
    shown_ms: u64,
) -> Result<bool, StoreError> {
    let (lamport, rank, epoch, seq) = messages::place(&event.header().order())?;
    let changed = tx.execute(
        "INSERT INTO reactions (message, author, emoji, lamport, author_rank, epoch, seq, shown_ms, active)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (message, author, emoji) DO UPDATE SET lamport = excluded.lamport, epoch = excluded.epoch,
             seq = excluded.seq, shown_ms = excluded.shown_ms, active = excluded.active
             WHERE (excluded.lamport, excluded.epoch, excluded.seq) > (lamport, epoch, seq)",
        (target.key, author, &reaction.emoji, lamport, rank, epoch, seq, time(shown_ms), reaction.on),
    )?;
    if changed == 0 {
        return Ok(false);
    }
    let any = tx.one("SELECT 1 FROM reactions WHERE message = ?1 AND active LIMIT 1", [target.key], |_| Ok(()))?;
    set_flag(tx, target.key, REACTIONS, any.is_some())?;
    Ok(true)
}

fn pin(tx: &Tx<'_>, target: &Target, event: &Event, on: bool) -> Result<bool, StoreError> {
    let (lamport, rank, epoch, seq) = messages::place(&event.header().order())?;
    let changed = tx.execute(
        "INSERT INTO pins (session, message, lamport, author_rank, epoch, seq, active) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (session, message) DO UPDATE SET lamport = excluded.lamport, author_rank = excluded.author_rank,
             epoch = excluded.epoch, seq = excluded.seq, active = excluded.active
             WHERE (excluded.lamport, excluded.author_rank, excluded.epoch, excluded.seq)
                 > (lamport, author_rank, epoch, seq)",
        (target.session, target.key, lamport, rank, epoch, seq, on),
    )?;
    if changed == 0 {
        return Ok(false);
    }
    set_flag(tx, target.key, PINNED, on)?;
    Ok(true)
}

fn set_flag(tx: &Tx<'_>, key: EventKey, flag: i64, on: bool) -> Result<(), StoreError> {
    let sql = "UPDATE messages SET flags = CASE WHEN ?3 THEN flags | ?2 ELSE flags & ~?2 END WHERE key = ?1";
    tx.execute(sql, (key, flag, on)).map(drop)
}

/// An edit of a message that is gone leaves no text behind.
fn take_text_away(tx: &Tx<'_>, key: EventKey, body: &Body) -> Result<(), StoreError> {
    if matches!(body, Body::Edit(_)) { events::delete_body(tx, key) } else { Ok(()) }
}

/// A session's pinned messages, the last pinned first.
pub(crate) fn pinned(reader: &Reader<'_>, session: SessionKey) -> Result<Vec<MessageId>, StoreError> {
    reader.all(
        "SELECT m.id FROM pins p CROSS JOIN messages m ON m.key = p.message WHERE p.session = ?1 AND p.active
         ORDER BY p.lamport DESC, p.author_rank DESC, p.epoch DESC, p.seq DESC LIMIT ?2",
        (session, PINS),
        |row| message_id(row, 0),
    )
}

/// How many edits of a message count.
///
/// # Errors
///
/// As any read.
pub fn edits(reader: &Reader<'_>, message: EventKey) -> Result<usize, StoreError> {
    let count: Option<i64> =
        reader.one("SELECT count(*) FROM edits WHERE message = ?1", [message], |row| row.get(0))?;
    Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0))
}

/// All versions of a message's text, the first one first. Empty once it was deleted.
///
/// # Errors
///
/// As any read.
pub fn history(reader: &Reader<'_>, session: SessionKey, message: EventKey) -> Result<Vec<Version>, StoreError> {
    let mut versions = Vec::new();
    if let Some((event, _)) = events::read(reader, session, message)?
        && let Ok(Some(Body::Message(first))) = event.decode_body()
    {
        versions.push(Version { text: first.text, edited_ms: None });
    }
    let edits: Vec<(EventKey, u64)> = reader.all(
        "SELECT event, shown_ms FROM edits WHERE message = ?1 ORDER BY lamport, author_rank, epoch, seq",
        [message],
        |row| Ok((row.get(0)?, unsigned(row, 1)?)),
    )?;
    for (key, shown_ms) in edits {
        if let Some(edit) = edit_body(reader, session, key)? {
            versions.push(Version { text: edit.text, edited_ms: Some(shown_ms) });
        }
    }
    Ok(versions)
}
