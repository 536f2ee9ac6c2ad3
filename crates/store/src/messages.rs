//! Messages as they are shown: their text, place and state, and which are unread.

use std::collections::BTreeMap;

use proto::event::Order;
use proto::{Epoch, EventId, MachineId, MessageId, SessionId};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Row, params};

use crate::attachments::Stored;
use crate::columns::{Fixed, exact, machine_id, message_id, optional_unsigned, rank, session_id, time, unsigned};
pub use crate::extras::{Quote, Reaction};
use crate::{EventKey, Reader, SessionKey, StoreError, Tx, extras, machines, operations, sessions};

mod changes;
mod pages;

#[cfg(test)]
pub(crate) use changes::MARK_READ;
pub use changes::{fail, mark_delivered, mark_held, mark_read, mark_unheld, retry, set_text};
pub use pages::{Cursor, PAGE, Page, at_time, page};
#[cfg(test)]
pub(crate) use pages::{PAGE_BEFORE, PAGE_FROM};

pub(crate) const DDL: &str = "\
CREATE TABLE messages (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL CHECK (length(id) = 16),
    session INTEGER NOT NULL,
    author INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    author_rank INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    shown_ms INTEGER NOT NULL,
    arrived_ms INTEGER NOT NULL,
    state INTEGER NOT NULL,
    delivered_ms INTEGER,
    failure TEXT,
    temp_id TEXT,
    text TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_id ON messages (id);
CREATE INDEX messages_order ON messages (session, lamport, author_rank, epoch, seq);
CREATE INDEX messages_temp ON messages (session, temp_id) WHERE temp_id IS NOT NULL;";

/// What came with replies, edits and timers.
pub(crate) const MORE_DDL: &str = "\
ALTER TABLE messages ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN reply_to BLOB CHECK (length(reply_to) = 16);
ALTER TABLE messages ADD COLUMN mentions BLOB;
ALTER TABLE messages ADD COLUMN edited_ms INTEGER;
ALTER TABLE messages ADD COLUMN deleted_ms INTEGER;
ALTER TABLE messages ADD COLUMN read_ms INTEGER;
ALTER TABLE messages ADD COLUMN timer INTEGER;
ALTER TABLE messages ADD COLUMN expires_ms INTEGER;
CREATE INDEX messages_expiry ON messages (expires_ms) WHERE expires_ms IS NOT NULL;
CREATE INDEX messages_timed ON messages (session, lamport, author_rank, epoch, seq)
    WHERE timer IS NOT NULL AND expires_ms IS NULL;";

/// What came with relays.
pub(crate) const HELD_DDL: &str = "ALTER TABLE messages ADD COLUMN held_by TEXT;";

pub(crate) const UNREAD_DDL: &str = "\
CREATE TABLE unread (
    session INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    author_rank INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    event INTEGER NOT NULL,
    PRIMARY KEY (session, lamport, author_rank, epoch, seq, event)
) STRICT, WITHOUT ROWID;";

/// How far an own message has come. Messages of others are [`SendState::Delivered`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendState {
    /// On this disk, not yet on the other.
    Queued,
    /// On the other's disk.
    Delivered,
    /// Seen by the other's person.
    Read,
    /// Refused by the other side.
    Failed {
        /// Why, as a code or words for the person.
        reason: String,
    },
}

const QUEUED: i64 = 0;
const DELIVERED: i64 = 1;
const FAILED: i64 = 2;
pub(crate) const READ: i64 = 3;

/// What a row of the conversation is. Stored as a number that is never reused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// What a person wrote.
    #[default]
    Text = 0,
    /// The line that says that the session's timer was set.
    Timer = 1,
}

impl ToSql for MessageKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(*self as i64))
    }
}

impl FromSql for MessageKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Self::Text),
            1 => Ok(Self::Timer),
            other => Err(FromSqlError::OutOfRange(other)),
        }
    }
}

/// Bits of `flags`.
pub(crate) const FORWARDED: i64 = 1;
pub(crate) const REACTIONS: i64 = 2;
pub(crate) const PINNED: i64 = 4;

/// A message. Times in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Local number of its event.
    pub key: EventKey,
    /// Its ID.
    pub id: MessageId,
    /// Its session's local number.
    pub session: SessionKey,
    /// Its session.
    pub session_id: SessionId,
    /// Its place, with Lamport time, author, epoch and seq. The same on every machine.
    pub order: Order,
    /// The text.
    pub text: String,
    /// What the author's clock said.
    pub wall_ms: u64,
    /// The time to show.
    pub shown_ms: u64,
    /// When it came to be here.
    pub arrived_ms: u64,
    /// The sender's own handle.
    pub temp_id: Option<String>,
    /// How far it has come.
    pub state: SendState,
    /// When the other side's disk had it, as noted here.
    pub delivered_ms: Option<u64>,
    /// While it is queued: origin of the relay where it lies in the other's mailbox.
    pub held_by: Option<String>,
    /// Its files and folders.
    pub attachments: Vec<Stored>,
    /// What it is.
    pub kind: MessageKind,
    /// When the other's person saw it.
    pub read_ms: Option<u64>,
    /// When its text was last changed.
    pub edited_ms: Option<u64>,
    /// When it was deleted for everyone, or came without its body; its text is empty then.
    pub deleted_ms: Option<u64>,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// That message in short, if it is here.
    pub quote: Option<Box<Quote>>,
    /// Reactions, in the order of first use.
    pub reactions: Vec<Reaction>,
    /// Pinned in its session.
    pub pinned: bool,
    /// Written elsewhere first.
    pub forwarded: bool,
    /// The machines that it mentions.
    pub mentions: Vec<MachineId>,
    /// Seconds after which it disappears; of a timer line, what the timer was set to.
    pub timer_seconds: Option<u64>,
    /// When it disappears here, once that is known.
    pub expires_ms: Option<u64>,
}

impl Message {
    /// Who wrote it.
    #[must_use]
    pub fn author(&self) -> &MachineId {
        &self.order.author
    }

    /// Whether there is something in it to be read: it is no line of the session's own, and not deleted.
    #[must_use]
    pub fn is_news(&self) -> bool {
        self.kind == MessageKind::Text && self.deleted_ms.is_none()
    }
}

/// A message to be stored, next to its event.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Local number of its event, from [`crate::events::append`].
    pub key: EventKey,
    /// Its ID.
    pub id: MessageId,
    /// Its place.
    pub order: Order,
    /// The text.
    pub text: String,
    /// What the author's clock said.
    pub wall_ms: u64,
    /// The time to show.
    pub shown_ms: u64,
    /// When it came to be here.
    pub arrived_ms: u64,
    /// The sender's own handle.
    pub temp_id: Option<String>,
    /// Written here: it begins as queued. Others' messages begin as unread.
    pub own: bool,
    /// What it is.
    pub kind: MessageKind,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// Written elsewhere first.
    pub forwarded: bool,
    /// The machines that it mentions.
    pub mentions: Vec<MachineId>,
    /// Seconds after which it disappears; of a timer line, what the timer was set to.
    pub timer_seconds: Option<u64>,
    /// It came without its body.
    pub deleted: bool,
}

impl NewMessage {
    /// Whether it counts as unread where somebody else wrote it: there is something to read.
    fn is_news(&self) -> bool {
        !self.own && !self.deleted && self.kind == MessageKind::Text
    }
}

macro_rules! message_columns {
    () => {
        "m.key, m.id, m.session, m.lamport, a.id, m.epoch, m.seq, m.text, m.wall_ms, m.shown_ms, m.arrived_ms,
         m.temp_id, m.state, m.failure, m.delivered_ms, m.kind, m.flags, m.reply_to, m.mentions, m.edited_ms,
         m.deleted_ms, m.read_ms, m.timer, m.expires_ms, m.held_by"
    };
}
pub(crate) use message_columns;

/// How many columns that are.
const MESSAGE_COLUMNS: usize = 25;

pub(crate) const FIRST_UNREAD: &str = concat!(
    "SELECT ",
    message_columns!(),
    ", s.id
      FROM unread u CROSS JOIN messages m ON m.key = u.event CROSS JOIN machines a ON a.key = m.author
      CROSS JOIN sessions s ON s.key = m.session
      WHERE u.session = ?1 ORDER BY u.lamport, u.author_rank, u.epoch, u.seq LIMIT 1"
);
const BY_ID: &str = concat!(
    "SELECT ",
    message_columns!(),
    ", s.id FROM messages m CROSS JOIN machines a ON a.key = m.author
      CROSS JOIN sessions s ON s.key = m.session WHERE m.id = ?1"
);
const BY_KEY: &str = concat!(
    "SELECT ",
    message_columns!(),
    ", s.id FROM messages m CROSS JOIN machines a ON a.key = m.author
      CROSS JOIN sessions s ON s.key = m.session WHERE m.key = ?1"
);
const BY_TEMP_ID: &str = concat!(
    "SELECT ",
    message_columns!(),
    ", s.id FROM messages m CROSS JOIN machines a ON a.key = m.author
      CROSS JOIN sessions s ON s.key = m.session WHERE m.session = ?1 AND m.temp_id = ?2 ORDER BY m.key LIMIT 1"
);

/// A place as the index has it.
pub(crate) type Place = (i64, i64, i64, i64);
pub(crate) const END: Place = (i64::MAX, i64::MAX, i64::MAX, i64::MAX);

pub(crate) fn place(order: &Order) -> Result<Place, StoreError> {
    Ok((
        exact(order.lamport, "lamport")?,
        rank(&order.author),
        exact(order.epoch.get(), "epoch")?,
        exact(order.seq, "seq")?,
    ))
}

/// One message by its ID.
///
/// # Errors
///
/// As any read.
pub fn get(reader: &Reader<'_>, id: &MessageId) -> Result<Option<Message>, StoreError> {
    complete(reader, reader.one(BY_ID, [id.as_bytes()], whole)?)
}

/// The message that was stored with this handle in a session: how a repeated send is recognised, also after a restart.
///
/// # Errors
///
/// As any read.
pub fn by_temp_id(reader: &Reader<'_>, session: SessionKey, temp_id: &str) -> Result<Option<Message>, StoreError> {
    complete(reader, reader.one(BY_TEMP_ID, (session, temp_id), whole)?)
}

/// Messages by their events' local numbers; numbers without a message are left out.
///
/// # Errors
///
/// As any read.
pub fn by_keys(reader: &Reader<'_>, keys: &[EventKey]) -> Result<Vec<Message>, StoreError> {
    let mut messages = Vec::with_capacity(keys.len());
    for key in keys {
        messages.extend(complete(reader, reader.one(BY_KEY, [key], whole)?)?);
    }
    Ok(messages)
}

/// The first message of others that was not read here, in the session's order.
///
/// # Errors
///
/// As any read.
pub fn first_unread(reader: &Reader<'_>, session: SessionKey) -> Result<Option<Message>, StoreError> {
    complete(reader, reader.one(FIRST_UNREAD, [session], whole)?)
}

/// The latest shown time among messages in the given events (`prev` and parents of one that comes): the lower bound of
/// its own, see [`proto::log::shown_ms`]. Events that are no messages, or not the last of a run, have none.
///
/// # Errors
///
/// As any read.
pub fn latest_shown<'a>(
    reader: &Reader<'_>,
    events: impl IntoIterator<Item = &'a EventId>,
) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT m.shown_ms FROM events e CROSS JOIN messages m ON m.key = e.key WHERE e.run_id = ?1";
    let mut latest = None;
    for event in events {
        latest = latest.max(reader.one(sql, [event.as_bytes()], |row| unsigned(row, 0))?);
    }
    Ok(latest)
}

/// Stores messages of one session, next to their events, and brings the session's counts, last message and activity
/// up to date. True when something that was said of one of them came before it and was applied now.
///
/// # Errors
///
/// As any write; [`StoreError::Missing`] for an unknown author.
pub fn insert(tx: &Tx<'_>, session: SessionKey, messages: &[NewMessage]) -> Result<bool, StoreError> {
    let mut insert = tx.prepare(
        "INSERT INTO messages (key, id, session, author, lamport, author_rank, epoch, seq, wall_ms, shown_ms,
             arrived_ms, state, temp_id, text, kind, flags, reply_to, mentions, timer, deleted_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
    )?;
    let mut mark_unread = tx.prepare(
        "INSERT INTO unread (session, lamport, author_rank, epoch, seq, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut authors = BTreeMap::new();
    let (mut unread, mut waiting, mut newest) = (0, 0, EventKey::NONE);
    for message in messages {
        let author_id = message.order.author;
        let author = match authors.get(&author_id) {
            Some(key) => *key,
            None => {
                let key = machines::key(tx, &author_id)?.ok_or(StoreError::Missing("the message's author"))?;
                *authors.entry(author_id).or_insert(key)
            }
        };
        let (lamport, rank, epoch, seq) = place(&message.order)?;
        insert.execute(params![
            message.key,
            message.id.as_bytes(),
            session,
            author,
            lamport,
            rank,
            epoch,
            seq,
            time(message.wall_ms),
            time(message.shown_ms),
            time(message.arrived_ms),
            if message.own { QUEUED } else { DELIVERED },
            message.temp_id,
            message.text,
            message.kind,
            if message.forwarded { FORWARDED } else { 0 },
            message.reply_to.as_ref().map(MessageId::as_bytes),
            mentions_column(&message.mentions),
            message.timer_seconds.map(time),
            message.deleted.then(|| time(message.shown_ms)),
        ])?;
        if message.own {
            waiting += 1;
        }
        if message.is_news() {
            mark_unread.execute((session, lamport, rank, epoch, seq, message.key))?;
            unread += 1;
        }
        newest = newest.max(message.key);
    }
    tx.execute(
        "UPDATE sessions SET unread_count = unread_count + ?2, waiting_count = waiting_count + ?3,
             activity = max(activity, ?4),
             last_message = (SELECT key FROM messages WHERE session = ?1
                 ORDER BY lamport DESC, author_rank DESC, epoch DESC, seq DESC LIMIT 1)
         WHERE key = ?1",
        (session, unread, waiting, newest),
    )?;
    for message in messages.iter().filter(|message| message.kind == MessageKind::Timer) {
        sessions::set_timer(tx, session, message.timer_seconds.unwrap_or(0), place(&message.order)?)?;
    }
    operations::catch_up(tx, session, messages)
}

/// A message with what stands in other tables.
fn complete(reader: &Reader<'_>, message: Option<Message>) -> Result<Option<Message>, StoreError> {
    let Some(mut message) = message else { return Ok(None) };
    extras::fill(reader, std::iter::once(&mut message))?;
    Ok(Some(message))
}

/// A message with its session's ID in the column behind it.
fn whole(row: &Row<'_>) -> rusqlite::Result<Message> {
    message(row, 0, session_id(row, MESSAGE_COLUMNS)?)
}

/// A message from [`message_columns`], the first of which is column `at`.
pub(crate) fn message(row: &Row<'_>, at: usize, session_id: SessionId) -> rusqlite::Result<Message> {
    let flags: i64 = row.get(at + 16)?;
    let state = match row.get(at + 12)? {
        QUEUED => SendState::Queued,
        DELIVERED => SendState::Delivered,
        READ => SendState::Read,
        FAILED => SendState::Failed { reason: row.get::<_, Option<String>>(at + 13)?.unwrap_or_default() },
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(at + 12, other)),
    };
    Ok(Message {
        key: row.get(at)?,
        id: message_id(row, at + 1)?,
        session: row.get(at + 2)?,
        session_id,
        order: Order {
            lamport: unsigned(row, at + 3)?,
            author: machine_id(row, at + 4)?,
            epoch: Epoch::new(unsigned(row, at + 5)?),
            seq: unsigned(row, at + 6)?,
        },
        text: row.get(at + 7)?,
        wall_ms: unsigned(row, at + 8)?,
        shown_ms: unsigned(row, at + 9)?,
        arrived_ms: unsigned(row, at + 10)?,
        temp_id: row.get(at + 11)?,
        state,
        delivered_ms: optional_unsigned(row, at + 14)?,
        // Read after the rows: see `attachments::fill`.
        attachments: Vec::new(),
        kind: row.get(at + 15)?,
        forwarded: flags & FORWARDED != 0,
        pinned: flags & PINNED != 0,
        // Marks that there are some, until they are filled in.
        reactions: if flags & REACTIONS != 0 { vec![Reaction::PLACE] } else { Vec::new() },
        reply_to: row.get::<_, Option<Fixed<16>>>(at + 17)?.map(|bytes| MessageId::from_bytes(bytes.0)),
        quote: None,
        mentions: mentions(row.get_ref(at + 18)?)?,
        edited_ms: optional_unsigned(row, at + 19)?,
        deleted_ms: optional_unsigned(row, at + 20)?,
        read_ms: optional_unsigned(row, at + 21)?,
        timer_seconds: optional_unsigned(row, at + 22)?,
        expires_ms: optional_unsigned(row, at + 23)?,
        held_by: row.get(at + 24)?,
    })
}

/// Machine IDs, one after the other; none is NULL.
fn mentions_column(mentions: &[MachineId]) -> Option<Vec<u8>> {
    (!mentions.is_empty()).then(|| mentions.iter().flat_map(MachineId::as_bytes).copied().collect())
}

fn mentions(column: ValueRef<'_>) -> rusqlite::Result<Vec<MachineId>> {
    let Some(bytes) = column.as_blob_or_null()? else { return Ok(Vec::new()) };
    let (machines, _) = bytes.as_chunks::<32>();
    Ok(machines.iter().map(|machine| MachineId::from_bytes(*machine)).collect())
}
