//! Records of the notification centre.
//!
//! Messages of one session share one unread record that counts up: a record for each would double what a message costs.
//! A record about a message holds none of its text; that is read with it, so it goes when the message goes.

use proto::{MachineId, MessageId, SessionId};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::columns::{machine_id, message_id, session_id, time, unsigned};
use crate::{EventKey, Reader, SessionKey, StoreError, Tx, machines};

pub(crate) const DDL: &str = "\
CREATE TABLE notifications (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    place INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    session INTEGER,
    message INTEGER,
    sender INTEGER,
    subject TEXT,
    title TEXT NOT NULL DEFAULT '',
    body TEXT NOT NULL DEFAULT '',
    created_ms INTEGER NOT NULL,
    count INTEGER NOT NULL DEFAULT 1,
    read INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX notifications_place ON notifications (place);
CREATE INDEX notifications_unread ON notifications (session, kind) WHERE read = 0;";

/// Finds what is about one message. Records that count messages up have no part in it: theirs changes with each.
pub(crate) const ABOUT_DDL: &str = "\
CREATE INDEX notifications_about ON notifications (message) WHERE kind = 1 OR kind = 3;";

/// Records kept at most, whatever their age: a bound for programs that make many.
pub const KEPT: u32 = 10_000;

/// Records in a page at most.
pub const PAGE: u32 = 200;

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// Local number of a record; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotificationKey(pub i64);

impl ToSql for NotificationKey {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0))
    }
}

impl FromSql for NotificationKey {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

/// What a record is about. Stored as a number that is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// New messages of a session.
    Message = 0,
    /// A message that mentions this machine.
    Mention = 1,
    /// A machine that asks for contact.
    Request = 2,
    /// A transfer that ended or failed.
    Transfer = 3,
    /// A key or a contact that needs a look.
    Security = 4,
    /// The network side.
    Network = 5,
}

impl ToSql for Kind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(*self as i64))
    }
}

impl FromSql for Kind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(match value.as_i64()? {
            0 => Self::Message,
            1 => Self::Mention,
            2 => Self::Request,
            3 => Self::Transfer,
            4 => Self::Security,
            5 => Self::Network,
            other => return Err(FromSqlError::OutOfRange(other)),
        })
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its local number.
    pub key: NotificationKey,
    /// Its place: greater is newer. It changes when the record counts up.
    pub place: i64,
    /// What it is about.
    pub kind: Kind,
    /// The session that it opens.
    pub session: Option<SessionId>,
    /// The message that it is about, the newest of several.
    pub message: Option<MessageId>,
    /// The text of that message.
    pub text: Option<String>,
    /// The name of its first attachment, and how many it has.
    pub attached: Option<(String, u32)>,
    /// Who caused it.
    pub sender: Option<MachineId>,
    /// A line of its own; empty when it is about a message.
    pub title: String,
    /// A text of its own.
    pub body: String,
    /// When it was made, or last counted up; milliseconds since 1970.
    pub created_ms: u64,
    /// How many things it stands for.
    pub count: u32,
    /// Whether it was read.
    pub read: bool,
}

/// A record to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// What it is about.
    pub kind: Kind,
    /// The session that it opens.
    pub session: Option<SessionKey>,
    /// The message that it is about.
    pub message: Option<EventKey>,
    /// Who caused it.
    pub sender: Option<MachineId>,
    /// What it is about, as a name of the caller's: an unread record about the same is counted up instead.
    pub subject: Option<String>,
    /// A line.
    pub title: String,
    /// A text.
    pub body: String,
    /// When, in milliseconds since 1970.
    pub created_ms: u64,
}

/// Which records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those not read.
    pub unread: bool,
    /// Only those of this kind.
    pub kind: Option<Kind>,
}

/// Counts over all records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Records.
    pub total: u32,
    /// Of these not read.
    pub unread: u32,
    /// Records of each kind that there are any of.
    pub by_kind: Vec<(Kind, u32)>,
    /// Records of each day (UTC, its beginning in milliseconds since 1970) that there are any of, newest first.
    pub by_day: Vec<(u64, u32)>,
}

macro_rules! notification_columns {
    () => {
        "n.key, n.place, n.kind, s.id, m.id, m.text, a.id, n.title, n.body, n.created_ms, n.count, n.read,
         (SELECT t.name FROM attachments t WHERE t.message = n.message ORDER BY t.place LIMIT 1),
         (SELECT count(*) FROM attachments t WHERE t.message = n.message)
         FROM notifications n LEFT JOIN sessions s ON s.key = n.session LEFT JOIN messages m ON m.key = n.message
         LEFT JOIN machines a ON a.key = n.sender"
    };
}

const BY_KEY: &str = concat!("SELECT ", notification_columns!(), " WHERE n.key = ?1");
pub(crate) const LIST: &str = concat!(
    "SELECT ",
    notification_columns!(),
    " WHERE n.place < ?1 AND (?2 = 0 OR n.read = 0) AND (?3 IS NULL OR n.kind = ?3) ORDER BY n.place DESC LIMIT ?4"
);

pub(crate) const MENTION: &str = "SELECT 1 FROM notifications WHERE kind = 1 AND message = ?1";
pub(crate) const FORGET: &str = "DELETE FROM notifications WHERE (kind = 1 OR kind = 3) AND message = ?1 RETURNING key";

/// The place of a record that is made or counted up now.
macro_rules! newest_place {
    () => {
        "(SELECT coalesce(max(place), 0) + 1 FROM notifications)"
    };
}

/// Notes new messages of a session: counts its unread record up, or makes one. `kind` is [`Kind::Message`] or
/// [`Kind::Request`].
///
/// # Errors
///
/// As any write.
pub fn arrived(
    tx: &Tx<'_>,
    kind: Kind,
    session: SessionKey,
    newest: EventKey,
    sender: &MachineId,
    count: u32,
    wall_ms: u64,
) -> Result<NotificationKey, StoreError> {
    let sql = "SELECT key FROM notifications
        WHERE session = ?1 AND kind = ?2 AND read = 0 AND message IS NOT NULL AND subject IS NULL";
    let standing: Option<NotificationKey> = tx.one(sql, (session, kind), |row| row.get(0))?;
    if let Some(key) = standing {
        tx.execute(
            concat!(
                "UPDATE notifications SET message = ?2, count = count + ?3, created_ms = ?4, place = ",
                newest_place!(),
                " WHERE key = ?1"
            ),
            (key, newest, count, time(wall_ms)),
        )?;
        return Ok(key);
    }
    let sender = machines::key(tx, sender)?;
    tx.execute(
        concat!(
            "INSERT INTO notifications (kind, session, message, sender, count, created_ms, place)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ",
            newest_place!(),
            ")"
        ),
        (kind, session, newest, sender, count, time(wall_ms)),
    )?;
    Ok(NotificationKey(tx.last_insert()))
}

/// Notes that a message mentions this machine. None when that is noted already, read or not.
///
/// # Errors
///
/// As any write.
pub fn mentioned(
    tx: &Tx<'_>,
    session: SessionKey,
    message: EventKey,
    sender: &MachineId,
    wall_ms: u64,
) -> Result<Option<NotificationKey>, StoreError> {
    if tx.one(MENTION, [message], |_| Ok(()))?.is_some() {
        return Ok(None);
    }
    let new = New {
        kind: Kind::Mention,
        session: Some(session),
        message: Some(message),
        sender: Some(*sender),
        subject: None,
        title: String::new(),
        body: String::new(),
        created_ms: wall_ms,
    };
    add(tx, &new).map(Some)
}

/// A message mentions this machine no longer: takes the record of it away, if there is one.
///
/// # Errors
///
/// As any write.
pub fn unmentioned(tx: &Tx<'_>, message: EventKey) -> Result<Vec<NotificationKey>, StoreError> {
    tx.all("DELETE FROM notifications WHERE kind = 1 AND message = ?1 RETURNING key", [message], |row| row.get(0))
}

/// A message is no longer there: takes away what is about it alone.
///
/// # Errors
///
/// As any write.
pub fn forget(tx: &Tx<'_>, message: EventKey) -> Result<Vec<NotificationKey>, StoreError> {
    tx.all(FORGET, [message], |row| row.get(0))
}

/// Makes a record, or counts up the unread one about the same subject.
///
/// # Errors
///
/// As any write.
pub fn add(tx: &Tx<'_>, new: &New) -> Result<NotificationKey, StoreError> {
    put(tx, new, None)
}

/// Makes a record unless there is one about the same subject, read or not, that was not settled. None when there is.
///
/// # Errors
///
/// As any write.
pub fn add_once(tx: &Tx<'_>, new: &New) -> Result<Option<NotificationKey>, StoreError> {
    let sql = "SELECT 1 FROM notifications WHERE kind = ?1 AND subject = ?2";
    if tx.one(sql, (new.kind, &new.subject), |_| Ok(()))?.is_some() {
        return Ok(None);
    }
    add(tx, new).map(Some)
}

/// What records told of whose subjects begin like this is over: they are read, and the next of such a subject is another one.
/// Those that were there.
///
/// # Errors
///
/// As any write.
pub fn settle(tx: &Tx<'_>, kind: Kind, subject: &str) -> Result<Vec<NotificationKey>, StoreError> {
    let sql = "UPDATE notifications SET read = 1, subject = NULL
        WHERE kind = ?1 AND substr(subject, 1, length(?2)) = ?2 RETURNING key";
    tx.all(sql, (kind, subject), |row| row.get(0))
}

/// Makes a record that stands for so many things, or replaces the unread one about the same subject.
///
/// # Errors
///
/// As any write.
pub fn replace(tx: &Tx<'_>, new: &New, count: u32) -> Result<NotificationKey, StoreError> {
    put(tx, new, Some(count))
}

/// Without a count, a record that stands is counted up.
fn put(tx: &Tx<'_>, new: &New, count: Option<u32>) -> Result<NotificationKey, StoreError> {
    if let Some(subject) = &new.subject {
        let sql = "SELECT key FROM notifications WHERE read = 0 AND kind = ?1 AND subject = ?2";
        let standing: Option<NotificationKey> = tx.one(sql, (new.kind, subject), |row| row.get(0))?;
        if let Some(key) = standing {
            tx.execute(
                concat!(
                    "UPDATE notifications SET title = ?2, body = ?3, count = coalesce(?5, count + 1), created_ms = ?4,
                         place = ",
                    newest_place!(),
                    " WHERE key = ?1"
                ),
                (key, &new.title, &new.body, time(new.created_ms), count),
            )?;
            return Ok(key);
        }
    }
    let sender = match &new.sender {
        Some(sender) => machines::key(tx, sender)?,
        None => None,
    };
    tx.execute(
        concat!(
            "INSERT INTO notifications (kind, session, message, sender, subject, title, body, created_ms, count, place)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ",
            newest_place!(),
            ")"
        ),
        (
            new.kind,
            new.session,
            new.message,
            sender,
            &new.subject,
            &new.title,
            &new.body,
            time(new.created_ms),
            count.unwrap_or(1),
        ),
    )?;
    Ok(NotificationKey(tx.last_insert()))
}

/// A session was read to its end: so are the records about its messages and their files. Those that were unread.
///
/// # Errors
///
/// As any write.
pub fn read_session(tx: &Tx<'_>, session: SessionKey) -> Result<Vec<NotificationKey>, StoreError> {
    let sql =
        "UPDATE notifications SET read = 1 WHERE session = ?1 AND kind IN (0, 1, 2, 3) AND read = 0 RETURNING key";
    tx.all(sql, [session], |row| row.get(0))
}

/// A request was answered: so the records about it are read. Those that were unread.
///
/// # Errors
///
/// As any write.
pub fn read_request(tx: &Tx<'_>, session: SessionKey) -> Result<Vec<NotificationKey>, StoreError> {
    let sql = "UPDATE notifications SET read = 1 WHERE session = ?1 AND kind = 2 AND read = 0 RETURNING key";
    tx.all(sql, [session], |row| row.get(0))
}

/// What a record asked for was done: it is read. Those that were unread.
///
/// # Errors
///
/// As any write.
pub fn read_subject(tx: &Tx<'_>, message: EventKey, subject: &str) -> Result<Vec<NotificationKey>, StoreError> {
    let sql = "UPDATE notifications SET read = 1
        WHERE (kind = 1 OR kind = 3) AND message = ?1 AND subject = ?2 AND read = 0 RETURNING key";
    tx.all(sql, (message, subject), |row| row.get(0))
}

/// Marks one as read. False when there is none.
///
/// # Errors
///
/// As any write.
pub fn mark_read(tx: &Tx<'_>, key: NotificationKey) -> Result<bool, StoreError> {
    Ok(tx.execute("UPDATE notifications SET read = 1 WHERE key = ?1", [key])? > 0)
}

/// Marks all as read; those that were unread.
///
/// # Errors
///
/// As any write.
pub fn mark_all_read(tx: &Tx<'_>) -> Result<Vec<NotificationKey>, StoreError> {
    tx.all("UPDATE notifications SET read = 1 WHERE read = 0 RETURNING key", [], |row| row.get(0))
}

/// Takes one away. False when there is none.
///
/// # Errors
///
/// As any write.
pub fn delete(tx: &Tx<'_>, key: NotificationKey) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM notifications WHERE key = ?1", [key])? > 0)
}

/// Takes away those that were made before a time, and the oldest beyond [`KEPT`]; which.
///
/// # Errors
///
/// As any write.
pub fn cleanup(tx: &Tx<'_>, before_ms: u64) -> Result<Vec<NotificationKey>, StoreError> {
    tx.all(
        "DELETE FROM notifications WHERE created_ms < ?1
             OR place <= (SELECT place FROM notifications ORDER BY place DESC LIMIT 1 OFFSET ?2)
         RETURNING key",
        (time(before_ms), KEPT),
        |row| row.get(0),
    )
}

/// One.
///
/// # Errors
///
/// As any read.
pub fn get(reader: &Reader<'_>, key: NotificationKey) -> Result<Option<Notification>, StoreError> {
    reader.one(BY_KEY, [key], notification)
}

/// A page, newest first: at most `limit` (cut at [`PAGE`]) before a place, and whether there are more.
///
/// # Errors
///
/// As any read.
pub fn list(
    reader: &Reader<'_>,
    filter: Filter,
    before: Option<i64>,
    limit: u32,
) -> Result<(Vec<Notification>, bool), StoreError> {
    let limit = limit.clamp(1, PAGE);
    let params = (before.unwrap_or(i64::MAX), filter.unread, filter.kind, i64::from(limit) + 1);
    let mut rows = reader.all(LIST, params, notification)?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    Ok((rows, more))
}

/// How many are not read.
///
/// # Errors
///
/// As any read.
pub fn unread(reader: &Reader<'_>) -> Result<u32, StoreError> {
    let sql = "SELECT count(*) FROM notifications WHERE read = 0";
    Ok(reader.one(sql, [], |row| row.get(0))?.unwrap_or_default())
}

/// Counts of all.
///
/// # Errors
///
/// As any read.
pub fn stats(reader: &Reader<'_>) -> Result<Stats, StoreError> {
    let by_kind: Vec<(Kind, u32)> =
        reader.all("SELECT kind, count(*) FROM notifications GROUP BY kind ORDER BY kind", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let by_day = reader.all(
        "SELECT created_ms / ?1 AS day, count(*) FROM notifications GROUP BY day ORDER BY day DESC",
        [time(MS_PER_DAY)],
        |row| Ok((unsigned(row, 0)?.saturating_mul(MS_PER_DAY), row.get(1)?)),
    )?;
    Ok(Stats { total: by_kind.iter().map(|(_, count)| count).sum(), unread: unread(reader)?, by_kind, by_day })
}

fn notification(row: &Row<'_>) -> rusqlite::Result<Notification> {
    Ok(Notification {
        key: row.get(0)?,
        place: row.get(1)?,
        kind: row.get(2)?,
        session: present(row, 3)?.then(|| session_id(row, 3)).transpose()?,
        message: present(row, 4)?.then(|| message_id(row, 4)).transpose()?,
        text: row.get(5)?,
        sender: present(row, 6)?.then(|| machine_id(row, 6)).transpose()?,
        title: row.get(7)?,
        body: row.get(8)?,
        created_ms: unsigned(row, 9)?,
        count: row.get(10)?,
        read: row.get(11)?,
        attached: row.get::<_, Option<String>>(12)?.zip(row.get(13)?),
    })
}

fn present(row: &Row<'_>, index: usize) -> rusqlite::Result<bool> {
    Ok(!matches!(row.get_ref(index)?, ValueRef::Null))
}
