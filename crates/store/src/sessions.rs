//! Sessions, with the counts that the list shows, kept as messages come and are read.

use proto::{MachineId, MessageId, SessionId};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::columns::{Fixed, MachineKey, machine_id, message_id, optional_unsigned, session_id, time, unsigned};
use crate::messages::{self, Message, Place};
use crate::{EventKey, Reader, SessionKey, StoreError, Tx, extras, machines, operations};

pub(crate) const DDL: &str = "\
CREATE TABLE sessions (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    kind INTEGER NOT NULL,
    peer INTEGER REFERENCES machines (key),
    created_ms INTEGER NOT NULL,
    activity INTEGER NOT NULL,
    last_message INTEGER,
    unread_count INTEGER NOT NULL DEFAULT 0,
    waiting_count INTEGER NOT NULL DEFAULT 0,
    read_to INTEGER NOT NULL DEFAULT 0,
    draft TEXT,
    draft_ms INTEGER,
    pinned INTEGER NOT NULL DEFAULT 0,
    archived INTEGER NOT NULL DEFAULT 0,
    muted_until_ms INTEGER
) STRICT;
CREATE INDEX sessions_list ON sessions (pinned, activity);
CREATE INDEX sessions_peer ON sessions (peer);";

/// What came with timers, retention and more marks.
pub(crate) const MORE_DDL: &str = "\
ALTER TABLE sessions ADD COLUMN timer INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN timer_lamport INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN timer_rank INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN timer_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN timer_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN retention_days INTEGER;
ALTER TABLE sessions ADD COLUMN notify INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN marked_unread INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN draft_reply_to BLOB CHECK (length(draft_reply_to) = 16);";

/// Which messages of a session raise a notification. Stored as a number that is never reused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Notify {
    /// All.
    #[default]
    All = 0,
    /// Those that mention this machine.
    Mentions = 1,
    /// None.
    None = 2,
}

impl ToSql for Notify {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(*self as i64))
    }
}

impl FromSql for Notify {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Self::All),
            1 => Ok(Self::Mentions),
            2 => Ok(Self::None),
            other => Err(FromSqlError::OutOfRange(other)),
        }
    }
}

/// What kind of session. Stored as a number that is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// Two machines.
    Direct = 0,
}

impl ToSql for SessionKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(*self as i64))
    }
}

impl FromSql for SessionKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_i64()? {
            0 => Ok(Self::Direct),
            other => Err(FromSqlError::OutOfRange(other)),
        }
    }
}

/// A session. Times in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Local number.
    pub key: SessionKey,
    /// Its ID.
    pub id: SessionId,
    /// Kind.
    pub kind: SessionKind,
    /// The other machine of a direct session.
    pub peer: Option<MachineId>,
    /// When it came to be here.
    pub created_ms: u64,
    /// The newest event at the last message's arrival: what the list is sorted by. No clock is involved.
    pub activity: EventKey,
    /// The last message in the session's order.
    pub last_message: Option<EventKey>,
    /// Messages of others not read here.
    pub unread_count: u32,
    /// The first of them, in the session's order.
    pub first_unread: Option<MessageId>,
    /// Own messages still queued.
    pub waiting_count: u32,
    /// The newest message up to which the session was marked read.
    pub read_to: EventKey,
    /// Unsent text.
    pub draft: Option<String>,
    /// When the draft was changed.
    pub draft_ms: Option<u64>,
    /// Pinned on top.
    pub pinned: bool,
    /// Out of the list.
    pub archived: bool,
    /// Muted until then.
    pub muted_until_ms: Option<u64>,
    /// Seconds after which messages written now disappear; 0 when they stay.
    pub timer_seconds: u64,
    /// Days for which messages are kept here.
    pub retention_days: Option<u32>,
    /// Which messages raise a notification.
    pub notify: Notify,
    /// Marked as unread by hand.
    pub marked_unread: bool,
    /// The message that the unsent text answers.
    pub draft_reply_to: Option<MessageId>,
    /// The pinned messages, the last pinned first.
    pub pinned_messages: Vec<MessageId>,
}

/// A row of the session list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The session.
    pub session: Session,
    /// Its last message.
    pub last_message: Option<Message>,
}

/// Where a page of the list ended; see [`Listed::cursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListCursor {
    pinned: bool,
    activity: EventKey,
    key: SessionKey,
}

impl Listed {
    /// What [`list`] needs to go on after this row.
    #[must_use]
    pub fn cursor(&self) -> ListCursor {
        ListCursor { pinned: self.session.pinned, activity: self.session.activity, key: self.session.key }
    }
}

/// Counts over all sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sessions.
    pub sessions: u32,
    /// Messages of others not read here.
    pub unread: u32,
    /// Own messages still queued.
    pub waiting: u32,
}

macro_rules! session_columns {
    () => {
        "s.key, s.id, s.kind, p.id, s.created_ms, s.activity, s.last_message, s.unread_count,
         (SELECT f.id FROM unread u CROSS JOIN messages f ON f.key = u.event WHERE u.session = s.key
              ORDER BY u.lamport, u.author_rank, u.epoch, u.seq LIMIT 1),
         s.waiting_count, s.read_to, s.draft, s.draft_ms, s.pinned, s.archived, s.muted_until_ms, s.timer,
         s.retention_days, s.notify, s.marked_unread, s.draft_reply_to"
    };
}
/// How many columns that are.
const SESSION_COLUMNS: usize = 21;

pub(crate) const LIST: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", ",
    messages::message_columns!(),
    " FROM sessions s LEFT JOIN machines p ON p.key = s.peer
      LEFT JOIN messages m ON m.key = s.last_message LEFT JOIN machines a ON a.key = m.author
      WHERE (s.pinned, s.activity, s.key) < (?1, ?2, ?3)
      ORDER BY s.pinned DESC, s.activity DESC, s.key DESC LIMIT ?4"
);

const BY_KEY: &str =
    concat!("SELECT ", session_columns!(), " FROM sessions s LEFT JOIN machines p ON p.key = s.peer WHERE s.key = ?1");
const BY_ID: &str =
    concat!("SELECT ", session_columns!(), " FROM sessions s LEFT JOIN machines p ON p.key = s.peer WHERE s.id = ?1");

/// A session's local number.
///
/// # Errors
///
/// As any read.
pub fn find(reader: &Reader<'_>, id: &SessionId) -> Result<Option<SessionKey>, StoreError> {
    reader.one("SELECT key FROM sessions WHERE id = ?1", [id.as_bytes()], |row| row.get(0))
}

/// One session.
///
/// # Errors
///
/// As any read.
pub fn get(reader: &Reader<'_>, key: SessionKey) -> Result<Option<Session>, StoreError> {
    complete(reader, reader.one(BY_KEY, [key], session)?)
}

/// One session by its ID.
///
/// # Errors
///
/// As any read.
pub fn get_by_id(reader: &Reader<'_>, id: &SessionId) -> Result<Option<Session>, StoreError> {
    complete(reader, reader.one(BY_ID, [id.as_bytes()], session)?)
}

/// The sessions, pinned ones first, then by last activity, newest first; at most `limit`, from the top or after a row.
/// Archived ones are among them.
///
/// # Errors
///
/// As any read.
pub fn list(reader: &Reader<'_>, after: Option<&ListCursor>, limit: u32) -> Result<Vec<Listed>, StoreError> {
    let (pinned, activity, key) = match after {
        Some(cursor) => (i64::from(cursor.pinned), cursor.activity.0, cursor.key.0),
        None => (i64::MAX, i64::MAX, i64::MAX),
    };
    let mut listed = reader.all(LIST, (pinned, activity, key, limit), |row| {
        let session = session(row)?;
        let last_message = match session.last_message {
            Some(_) => Some(messages::message(row, SESSION_COLUMNS, session.id)?),
            None => None,
        };
        Ok(Listed { session, last_message })
    })?;
    for row in &mut listed {
        row.session.pinned_messages = operations::pinned(reader, row.session.key)?;
    }
    extras::fill(reader, listed.iter_mut().filter_map(|row| row.last_message.as_mut()))?;
    Ok(listed)
}

/// A session with what stands in other tables.
fn complete(reader: &Reader<'_>, session: Option<Session>) -> Result<Option<Session>, StoreError> {
    let Some(mut session) = session else { return Ok(None) };
    session.pinned_messages = operations::pinned(reader, session.key)?;
    Ok(Some(session))
}

/// The direct sessions with a machine (at most one) and, later, groups that it is in: those to be synchronised with it.
///
/// # Errors
///
/// As any read.
pub fn with_peer(reader: &Reader<'_>, peer: &MachineId) -> Result<Vec<(SessionKey, SessionId)>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    reader.all("SELECT key, id FROM sessions WHERE peer = ?1 ORDER BY key", [peer], |row| {
        Ok((row.get(0)?, session_id(row, 1)?))
    })
}

/// Counts over all sessions. Reads every row of the session table, but no message.
///
/// # Errors
///
/// As any read.
pub fn totals(reader: &Reader<'_>) -> Result<Totals, StoreError> {
    let sql = "SELECT count(*), coalesce(sum(unread_count), 0), coalesce(sum(waiting_count), 0) FROM sessions";
    let totals =
        reader.one(sql, [], |row| Ok(Totals { sessions: row.get(0)?, unread: row.get(1)?, waiting: row.get(2)? }))?;
    Ok(totals.unwrap_or_default())
}

/// Makes a direct session, or finds it: its local number, and whether it was made.
///
/// # Errors
///
/// As any write.
pub fn create_direct(
    tx: &Tx<'_>,
    id: &SessionId,
    peer: &MachineId,
    wall_ms: u64,
) -> Result<(SessionKey, bool), StoreError> {
    if let Some(key) = find(tx, id)? {
        return Ok((key, false));
    }
    let peer: MachineKey = machines::ensure(tx, peer, wall_ms)?;
    // A new session is the newest: it counts as active at the last event of any.
    tx.execute(
        "INSERT INTO sessions (id, kind, peer, created_ms, activity)
         VALUES (?1, ?2, ?3, ?4, (SELECT coalesce(max(key), 0) FROM events))",
        (id.as_bytes(), SessionKind::Direct, peer, time(wall_ms)),
    )?;
    Ok((SessionKey(tx.last_insert()), true))
}

/// Pins a session on top, or not.
///
/// # Errors
///
/// As any write.
pub fn set_pinned(tx: &Tx<'_>, key: SessionKey, pinned: bool) -> Result<(), StoreError> {
    tx.execute("UPDATE sessions SET pinned = ?2 WHERE key = ?1", (key, pinned))?;
    Ok(())
}

/// Takes a session out of the list, or back.
///
/// # Errors
///
/// As any write.
pub fn set_archived(tx: &Tx<'_>, key: SessionKey, archived: bool) -> Result<(), StoreError> {
    tx.execute("UPDATE sessions SET archived = ?2 WHERE key = ?1", (key, archived))?;
    Ok(())
}

/// Mutes a session until then; `None` unmutes.
///
/// # Errors
///
/// As any write.
pub fn set_muted_until(tx: &Tx<'_>, key: SessionKey, wall_ms: Option<u64>) -> Result<(), StoreError> {
    tx.execute("UPDATE sessions SET muted_until_ms = ?2 WHERE key = ?1", (key, wall_ms.map(time)))?;
    Ok(())
}

/// Keeps a session's messages for so many days; `None`: for ever.
///
/// # Errors
///
/// As any write.
pub fn set_retention(tx: &Tx<'_>, key: SessionKey, days: Option<u32>) -> Result<(), StoreError> {
    tx.execute("UPDATE sessions SET retention_days = ?2 WHERE key = ?1", (key, days))?;
    Ok(())
}

/// Sets which messages raise a notification.
///
/// # Errors
///
/// As any write.
pub fn set_notify(tx: &Tx<'_>, key: SessionKey, notify: Notify) -> Result<(), StoreError> {
    tx.execute("UPDATE sessions SET notify = ?2 WHERE key = ?1", (key, notify))?;
    Ok(())
}

/// Marks a session as unread by hand, or no longer. Reading it ends that too.
///
/// # Errors
///
/// As any write.
pub fn set_marked_unread(tx: &Tx<'_>, key: SessionKey, marked: bool) -> Result<(), StoreError> {
    tx.execute("UPDATE sessions SET marked_unread = ?2 WHERE key = ?1", (key, marked))?;
    Ok(())
}

/// Sets the timer of a session, if nothing later in the order did.
pub(crate) fn set_timer(tx: &Tx<'_>, key: SessionKey, seconds: u64, place: Place) -> Result<(), StoreError> {
    let (lamport, rank, epoch, seq) = place;
    tx.execute(
        "UPDATE sessions SET timer = ?2, timer_lamport = ?3, timer_rank = ?4, timer_epoch = ?5, timer_seq = ?6
         WHERE key = ?1 AND (timer_lamport, timer_rank, timer_epoch, timer_seq) < (?3, ?4, ?5, ?6)",
        (key, time(seconds), lamport, rank, epoch, seq),
    )?;
    Ok(())
}

/// Sessions whose messages are kept for some days only.
///
/// # Errors
///
/// As any read.
pub fn with_retention(reader: &Reader<'_>) -> Result<Vec<(SessionKey, u32)>, StoreError> {
    let sql = "SELECT key, retention_days FROM sessions WHERE retention_days IS NOT NULL";
    reader.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let has_peer = !matches!(row.get_ref(3)?, ValueRef::Null);
    let has_unread = !matches!(row.get_ref(8)?, ValueRef::Null);
    Ok(Session {
        key: row.get(0)?,
        id: session_id(row, 1)?,
        kind: row.get(2)?,
        peer: if has_peer { Some(machine_id(row, 3)?) } else { None },
        created_ms: unsigned(row, 4)?,
        activity: row.get(5)?,
        last_message: row.get(6)?,
        unread_count: row.get(7)?,
        first_unread: if has_unread { Some(message_id(row, 8)?) } else { None },
        waiting_count: row.get(9)?,
        read_to: row.get(10)?,
        draft: row.get(11)?,
        draft_ms: optional_unsigned(row, 12)?,
        pinned: row.get(13)?,
        archived: row.get(14)?,
        muted_until_ms: optional_unsigned(row, 15)?,
        timer_seconds: unsigned(row, 16)?,
        retention_days: row.get(17)?,
        notify: row.get(18)?,
        marked_unread: row.get(19)?,
        draft_reply_to: row.get::<_, Option<Fixed<16>>>(20)?.map(|bytes| MessageId::from_bytes(bytes.0)),
        pinned_messages: Vec::new(),
    })
}
