//! The files and folders of messages, and how far each has come.

use proto::attachment::{Attachment, Blob, Picture};
use proto::{MachineId, MessageId, SessionId};
use rusqlite::Row;

use crate::columns::{Fixed, exact, machine_id, message_id, optional_unsigned, session_id, time, unsigned};
use crate::messages::Message;
use crate::removal::Received;
use crate::{EventKey, Reader, StoreError, Tx, deposits, machines, sources};

pub(crate) const DDL: &str = "\
CREATE TABLE attachments (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL CHECK (length(id) = 16),
    message INTEGER NOT NULL,
    place INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    outgoing INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    size INTEGER NOT NULL,
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    files INTEGER,
    width INTEGER,
    height INTEGER,
    animated INTEGER NOT NULL DEFAULT 0,
    thumbnail BLOB CHECK (length(thumbnail) = 32),
    thumbnail_size INTEGER,
    state INTEGER NOT NULL,
    failure TEXT,
    done INTEGER NOT NULL DEFAULT 0,
    part TEXT,
    path TEXT
) STRICT;
CREATE UNIQUE INDEX attachments_id ON attachments (id);
CREATE UNIQUE INDEX attachments_place ON attachments (message, place);
CREATE INDEX attachments_hash ON attachments (hash);
CREATE INDEX attachments_thumbnail ON attachments (thumbnail) WHERE thumbnail IS NOT NULL;
CREATE INDEX attachments_open ON attachments (state) WHERE state < 4;";

pub(crate) const DEPOSIT_DDL: &str = "\
ALTER TABLE attachments ADD COLUMN deposit INTEGER;
ALTER TABLE attachments ADD COLUMN told_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attachments ADD COLUMN relayed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX attachments_deposit ON attachments (deposit) WHERE deposit IS NOT NULL;";

pub(crate) const THUMBNAILS_DDL: &str = "\
CREATE TABLE thumbnails (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    bytes BLOB NOT NULL
) STRICT;";

pub(crate) const DOOMED_DDL: &str = "\
CREATE TABLE doomed_files (
    path TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;";

/// Names an attachment on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttachmentId(pub [u8; 16]);

/// How far an attachment has come. The numbers are those of the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has asked for it yet.
    Offered = 0,
    /// It is wanted, and waits for its turn or a link.
    Queued = 1,
    /// On its way, when the program last ran.
    Transferring = 2,
    /// Stopped by a person.
    Paused = 3,
    /// All there.
    Complete = 4,
    /// Not possible.
    Failed = 5,
    /// Given up by a person.
    Cancelled = 6,
    /// No longer where it was.
    Gone = 7,
}

impl State {
    const ALL: [Self; 8] = [
        Self::Offered,
        Self::Queued,
        Self::Transferring,
        Self::Paused,
        Self::Complete,
        Self::Failed,
        Self::Cancelled,
        Self::Gone,
    ];

    fn from_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as i64 == number)
    }
}

/// An attachment with its place here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its ID.
    pub id: AttachmentId,
    /// Local number of its message.
    pub message: EventKey,
    /// Its message.
    pub message_id: MessageId,
    /// Its session.
    pub session: SessionId,
    /// Its place among the message's attachments.
    pub place: u32,
    /// The other machine.
    pub peer: MachineId,
    /// Whether it goes from this machine to the other.
    pub outgoing: bool,
    /// What the message says of it.
    pub attachment: Attachment,
    /// How far it has come.
    pub state: State,
    /// Why it failed.
    pub failure: Option<String>,
    /// Bytes, from the beginning, that are on the receiver's disk and verified, as far as is known here.
    pub done: u64,
    /// Where it grows on this machine.
    pub part: Option<String>,
    /// Where it lies on this machine, or will as soon as it is whole.
    pub path: Option<String>,
    /// Whether its thumbnail is here.
    pub has_thumbnail: bool,
    /// Of an own one: how it stands with its copy at a relay.
    pub deposit: Option<deposits::Shown>,
    /// Of another's: whether some of it came from a relay.
    pub relayed: Relayed,
}

/// What came of an attachment from a relay, where each piece is opened, but only the whole is checked against its hash. The
/// numbers are those of the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relayed {
    /// Nothing: all that is here was checked as it came.
    No = 0,
    /// Some of it.
    Yes = 1,
    /// Something else than what was meant. Relays are not asked for it again.
    Falsely = 2,
}

/// What stands as failure of an attachment that this machine no longer offers.
const WITHDRAWN: &str = "it is no longer offered";

impl Stored {
    /// Whether this machine no longer offers it. When the other side gave it up, it may still change its mind.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.outgoing && self.state == State::Cancelled && self.failure.is_some()
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.message, m.id, s.id, a.place, p.id, a.outgoing, a.hash, a.size, a.name, a.mime, a.files,
                 a.width, a.height, a.animated, a.thumbnail, a.thumbnail_size, a.state, a.failure, a.done, a.part, a.path,
                 EXISTS (SELECT 1 FROM thumbnails t WHERE t.hash = a.thumbnail), d.key, d.relay, d.until_s, d.refusal,
                 a.relayed
             FROM attachments a CROSS JOIN messages m ON m.key = a.message CROSS JOIN sessions s ON s.key = m.session
             CROSS JOIN machines p ON p.key = a.peer LEFT JOIN deposits d ON d.key = a.deposit ",
            $rest
        )
    };
}

/// An attachment to be stored.
#[derive(Debug, Clone)]
pub struct NewAttachment<'a> {
    /// Its ID.
    pub id: AttachmentId,
    /// Local number of its message.
    pub message: EventKey,
    /// Its place among the message's attachments.
    pub place: u32,
    /// The other machine.
    pub peer: &'a MachineId,
    /// Whether it goes from this machine to the other.
    pub outgoing: bool,
    /// What the message says of it.
    pub attachment: &'a Attachment,
    /// How far it has come.
    pub state: State,
    /// Where it lies on this machine.
    pub path: Option<&'a str>,
}

/// Stores an attachment of a message.
///
/// # Errors
///
/// As any write; [`StoreError::Missing`] for an unknown machine.
pub fn insert(tx: &Tx<'_>, new: &NewAttachment<'_>) -> Result<(), StoreError> {
    let peer = machines::key(tx, new.peer)?.ok_or(StoreError::Missing("the other machine"))?;
    let Attachment { blob, name, mime, files, picture, thumbnail } = new.attachment;
    let done = if new.state == State::Complete { blob.size } else { 0 };
    tx.execute(
        "INSERT INTO attachments (id, message, place, peer, outgoing, hash, size, name, mime, files, width, height,
             animated, thumbnail, thumbnail_size, state, done, path)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        rusqlite::params![
            new.id.0,
            new.message,
            new.place,
            peer,
            new.outgoing,
            blob.hash,
            exact(blob.size, "attachment size")?,
            name,
            mime,
            files,
            picture.map(|picture| picture.width),
            picture.map(|picture| picture.height),
            picture.is_some_and(|picture| picture.animated),
            thumbnail.map(|thumbnail| thumbnail.hash),
            thumbnail.map(|thumbnail| exact(thumbnail.size, "thumbnail size")).transpose()?,
            new.state as i64,
            exact(done, "attachment size")?,
            new.path,
        ],
    )?;
    Ok(())
}

/// One attachment.
///
/// # Errors
///
/// As any read.
pub fn get(reader: &Reader<'_>, id: AttachmentId) -> Result<Option<Stored>, StoreError> {
    reader.one(select!("WHERE a.id = ?1"), [id.0], stored)
}

/// The attachments of a message, in their order.
///
/// # Errors
///
/// As any read.
pub fn of_message(reader: &Reader<'_>, message: EventKey) -> Result<Vec<Stored>, StoreError> {
    reader.all(select!("WHERE a.message = ?1 ORDER BY a.place"), [message], stored)
}

/// Gives messages their attachments. Most have none, and one look says so.
pub(crate) fn fill<'m>(reader: &Reader<'_>, messages: impl Iterator<Item = &'m mut Message>) -> Result<(), StoreError> {
    let mut messages: Vec<&mut Message> = messages.collect();
    let keys = || messages.iter().map(|message| message.key);
    let Some((first, last)) = keys().min().zip(keys().max()) else { return Ok(()) };
    let any = "SELECT 1 FROM attachments WHERE message BETWEEN ?1 AND ?2 LIMIT 1";
    if reader.one(any, (first, last), |_| Ok(()))?.is_none() {
        return Ok(());
    }
    for message in &mut messages {
        message.attachments = of_message(reader, message.key)?;
    }
    Ok(())
}

/// All attachments of a blob that go between this machine and another, in one direction.
///
/// # Errors
///
/// As any read.
pub fn of_blob(
    reader: &Reader<'_>,
    peer: &MachineId,
    hash: &[u8; 32],
    outgoing: bool,
) -> Result<Vec<Stored>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    reader.all(
        select!("WHERE a.hash = ?1 AND a.peer = ?2 AND a.outgoing = ?3 ORDER BY a.key"),
        (hash, peer, outgoing),
        stored,
    )
}

/// Whether a message to a machine names this thumbnail.
///
/// # Errors
///
/// As any read.
pub fn shows_thumbnail(reader: &Reader<'_>, peer: &MachineId, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(false) };
    let sql = "SELECT 1 FROM attachments WHERE thumbnail = ?1 AND peer = ?2 AND outgoing = 1 LIMIT 1";
    Ok(reader.one(sql, (hash, peer), |_| Ok(()))?.is_some())
}

/// Attachments that are wanted here and not whole, oldest first.
///
/// # Errors
///
/// As any read.
pub fn wanted(reader: &Reader<'_>, limit: u32) -> Result<Vec<Stored>, StoreError> {
    reader.all(
        select!("WHERE a.state < 4 AND a.state IN (1, 2) AND a.outgoing = 0 ORDER BY a.key LIMIT ?1"),
        [limit],
        stored,
    )
}

/// Own attachments for a machine that are on their way, oldest first, at most `limit`.
///
/// # Errors
///
/// As any read.
pub fn open_to(reader: &Reader<'_>, peer: &MachineId, limit: u32) -> Result<Vec<Stored>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    reader.all(
        select!("WHERE a.state < 4 AND a.peer = ?1 AND a.outgoing = 1 ORDER BY a.key LIMIT ?2"),
        (peer, limit),
        stored,
    )
}

/// Of these, those that no relay is known to have, or not since `before_ms`.
///
/// # Errors
///
/// As any read.
pub fn open_and_not_at_relay(
    reader: &Reader<'_>,
    peer: &MachineId,
    now_s: u64,
    before_ms: u64,
    limit: u32,
) -> Result<Vec<Stored>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    reader.all(
        select!(
            "WHERE a.state < 4 AND a.peer = ?1 AND a.outgoing = 1
                 AND (d.key IS NULL OR d.until_s <= ?2 OR d.seen_ms < ?3)
             ORDER BY a.key LIMIT ?4"
        ),
        (peer, time(now_s), time(before_ms), limit),
        stored,
    )
}

/// Attachments of an accepted machine whose thumbnails are missing here, newest first.
///
/// # Errors
///
/// As any read.
pub fn without_thumbnail(reader: &Reader<'_>, limit: u32) -> Result<Vec<Stored>, StoreError> {
    reader.all(
        select!(
            "WHERE a.thumbnail IS NOT NULL AND a.outgoing = 0 AND p.trust IN (2, 3)
                 AND NOT EXISTS (SELECT 1 FROM thumbnails t WHERE t.hash = a.thumbnail)
             ORDER BY a.key DESC LIMIT ?1"
        ),
        [limit],
        stored,
    )
}

/// Attachments on their way, and then the newest others, newest first.
///
/// # Errors
///
/// As any read.
pub fn list(reader: &Reader<'_>, limit: u32) -> Result<Vec<Stored>, StoreError> {
    let mut open = reader.all(select!("WHERE a.state < 4 ORDER BY a.key DESC LIMIT ?1"), [limit], stored)?;
    let rest = limit.saturating_sub(u32::try_from(open.len()).unwrap_or(limit));
    open.extend(reader.all(select!("WHERE a.state >= 4 ORDER BY a.key DESC LIMIT ?1"), [rest], stored)?);
    Ok(open)
}

/// The newest incoming attachments of a machine that have ended: what to tell it when it comes back.
///
/// # Errors
///
/// As any read.
pub fn ended(reader: &Reader<'_>, peer: &MachineId, limit: u32) -> Result<Vec<Stored>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    reader.all(
        select!("WHERE a.peer = ?1 AND a.outgoing = 0 AND a.state >= 3 ORDER BY a.key DESC LIMIT ?2"),
        (peer, limit),
        stored,
    )
}

/// The newest incoming attachments of a machine that came whole by way of a relay, of which it may not know.
///
/// # Errors
///
/// As any read.
pub fn ended_by_relay(reader: &Reader<'_>, peer: &MachineId, limit: u32) -> Result<Vec<Stored>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    reader.all(
        select!("WHERE a.peer = ?1 AND a.outgoing = 0 AND a.state = 4 AND a.relayed <> 0 ORDER BY a.key DESC LIMIT ?2"),
        (peer, limit),
        stored,
    )
}

/// Notes how far an attachment has come; false when it is not there any more.
///
/// # Errors
///
/// As any write.
pub fn set_state(tx: &Tx<'_>, id: AttachmentId, state: State, failure: Option<&str>) -> Result<bool, StoreError> {
    let sql = "UPDATE attachments SET state = ?2, failure = ?3 WHERE id = ?1";
    Ok(tx.execute(sql, (id.0, state as i64, failure))? > 0)
}

/// Notes that fetching begins, where, from which byte on, and whether from a relay; false when it is not wanted any more.
///
/// # Errors
///
/// As any write.
pub fn begin(tx: &Tx<'_>, id: AttachmentId, part: &str, done: u64, relayed: bool) -> Result<bool, StoreError> {
    let sql = "UPDATE attachments SET state = 2, failure = NULL, part = ?2, done = ?3, relayed = max(relayed, ?4)
        WHERE id = ?1 AND state IN (1, 2)";
    Ok(tx.execute(sql, (id.0, part, exact(done, "bytes done")?, relayed))? > 0)
}

/// Notes that what came from a relay is not what was meant: nothing of what is here counts.
///
/// # Errors
///
/// As any write.
pub fn came_falsely(tx: &Tx<'_>, id: AttachmentId) -> Result<(), StoreError> {
    let sql = "UPDATE attachments SET done = 0, relayed = ?2 WHERE id = ?1";
    tx.execute(sql, (id.0, Relayed::Falsely as i64))?;
    Ok(())
}

/// Notes how fetching ended, unless a person has decided otherwise meanwhile.
///
/// # Errors
///
/// As any write.
pub fn settle(tx: &Tx<'_>, id: AttachmentId, state: State, failure: Option<&str>) -> Result<bool, StoreError> {
    let sql = "UPDATE attachments SET state = ?2, failure = ?3 WHERE id = ?1 AND state IN (1, 2)";
    Ok(tx.execute(sql, (id.0, state as i64, failure))? > 0)
}

/// Notes that an attachment is whole and lies there. When it is not wanted any more, the file is doomed, unless it is what was
/// noted before.
///
/// # Errors
///
/// As any write.
pub fn complete(tx: &Tx<'_>, id: AttachmentId, path: &str) -> Result<bool, StoreError> {
    let sql = "UPDATE attachments SET state = 4, failure = NULL, done = size, part = NULL, path = ?2
               WHERE id = ?1 AND state IN (1, 2)";
    let wanted = tx.execute(sql, (id.0, path))? > 0;
    match get(tx, id)? {
        Some(stored) if wanted => deposits::release_told(tx, &stored.peer, &stored.attachment.blob.hash)?,
        Some(stored) if stored.state == State::Complete && stored.path.as_deref() == Some(path) => {}
        _ => doom(tx, path)?,
    }
    Ok(wanted)
}

/// Gives up an attachment: what has come of it is doomed.
///
/// # Errors
///
/// As any write.
pub fn cancel(tx: &Tx<'_>, stored: &Stored) -> Result<(), StoreError> {
    if let (Some(part), false) = (&stored.part, stored.outgoing) {
        doom(tx, part)?;
    }
    let failure = stored.outgoing.then_some(WITHDRAWN);
    let sql = "UPDATE attachments SET state = 6, failure = ?2, done = 0, part = NULL, path = NULL WHERE id = ?1";
    tx.execute(sql, (stored.id.0, failure))?;
    Ok(())
}

/// Forgets a thumbnail that a message names but that is none.
///
/// # Errors
///
/// As any write.
pub fn drop_thumbnail(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<(), StoreError> {
    tx.execute("UPDATE attachments SET thumbnail = NULL WHERE thumbnail = ?1 AND outgoing = 0", [hash])?;
    Ok(())
}

/// Notes how many bytes are there and verified.
///
/// # Errors
///
/// As any write.
pub fn set_done(tx: &Tx<'_>, id: AttachmentId, done: u64) -> Result<bool, StoreError> {
    let sql = "UPDATE attachments SET done = ?2 WHERE id = ?1";
    Ok(tx.execute(sql, (id.0, exact(done, "bytes done")?))? > 0)
}

/// Notes that a sending has ended without the other side's word that all has come.
///
/// # Errors
///
/// As any write.
pub fn pause_sending(tx: &Tx<'_>, id: AttachmentId, done: u64) -> Result<bool, StoreError> {
    let sql = "UPDATE attachments SET state = 1, done = ?2 WHERE id = ?1 AND state = 2 AND outgoing = 1";
    Ok(tx.execute(sql, (id.0, exact(done, "bytes done")?))? > 0)
}

/// Lets an attachment grow elsewhere; what has grown so far is doomed.
///
/// # Errors
///
/// As any write.
pub fn move_part(tx: &Tx<'_>, id: AttachmentId, part: &str) -> Result<(), StoreError> {
    let Some(stored) = get(tx, id)? else { return Ok(()) };
    if stored.part.as_deref() == Some(part) {
        return Ok(());
    }
    if let Some(old) = &stored.part {
        doom(tx, old)?;
    }
    tx.execute("UPDATE attachments SET part = ?2, done = 0, path = NULL WHERE id = ?1", (id.0, part))?;
    Ok(())
}

/// Notes where an attachment grows, and where it will lie.
///
/// # Errors
///
/// As any write.
pub fn set_place(tx: &Tx<'_>, id: AttachmentId, part: Option<&str>, path: Option<&str>) -> Result<bool, StoreError> {
    Ok(tx.execute("UPDATE attachments SET part = ?2, path = ?3 WHERE id = ?1", (id.0, part, path))? > 0)
}

/// Forgets the attachments of a message. What lay on this machine for them alone is doomed: see [`doomed`]. The person's
/// own files, which were sent from where they are, stay.
pub(crate) fn remove(tx: &Tx<'_>, message: EventKey, received: Received) -> Result<(), StoreError> {
    for stored in of_message(tx, message)? {
        tx.execute("DELETE FROM attachments WHERE id = ?1", [stored.id.0])?;
        let kept = received == Received::Kept && stored.state == State::Complete;
        if !stored.outgoing && !kept {
            for path in [&stored.part, &stored.path].into_iter().flatten() {
                doom(tx, path)?;
            }
        }
        let hash = &stored.attachment.blob.hash;
        match stored.outgoing {
            true => deposits::release(tx, hash)?,
            false => deposits::release_told(tx, &stored.peer, hash)?,
        }
        sources::release(tx, hash)?;
        if let Some(thumbnail) = &stored.attachment.thumbnail {
            release_thumbnail(tx, &thumbnail.hash)?;
        }
    }
    Ok(())
}

/// Forgets a thumbnail when nothing shows it any more.
pub(crate) fn release_thumbnail(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM thumbnails WHERE hash = ?1
             AND NOT EXISTS (SELECT 1 FROM attachments WHERE thumbnail = ?1)
             AND NOT EXISTS (SELECT 1 FROM uploads WHERE thumbnail = ?1)",
        [hash],
    )?;
    Ok(())
}

/// Keeps a thumbnail.
///
/// # Errors
///
/// As any write.
pub fn put_thumbnail(tx: &Tx<'_>, hash: &[u8; 32], bytes: &[u8]) -> Result<(), StoreError> {
    tx.execute("INSERT INTO thumbnails (hash, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING", (hash, bytes))?;
    Ok(())
}

/// A thumbnail.
///
/// # Errors
///
/// As any read.
pub fn thumbnail(reader: &Reader<'_>, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
    reader.one("SELECT bytes FROM thumbnails WHERE hash = ?1", [hash], |row| row.get(0))
}

/// Notes a file that is to be removed from the disk.
pub(crate) fn doom(tx: &Tx<'_>, path: &str) -> Result<(), StoreError> {
    tx.execute("INSERT INTO doomed_files (path) VALUES (?1) ON CONFLICT DO NOTHING", [path])?;
    Ok(())
}

/// Files that are to be removed from the disk. They are noted here in the transaction that forgets them, so that they go even
/// if the program is killed in between.
///
/// # Errors
///
/// As any read.
pub fn doomed(reader: &Reader<'_>) -> Result<Vec<String>, StoreError> {
    reader.all("SELECT path FROM doomed_files LIMIT 1000", [], |row| row.get(0))
}

/// A doomed file is gone.
///
/// # Errors
///
/// As any write.
pub fn forget_doomed(tx: &Tx<'_>, path: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM doomed_files WHERE path = ?1", [path])?;
    Ok(())
}

/// What a message says of an attachment, from ten columns from `at` on: `hash` to `thumbnail_size`.
pub(crate) fn about(row: &Row<'_>, at: usize) -> rusqlite::Result<Attachment> {
    let picture = match (row.get(at + 5)?, row.get(at + 6)?) {
        (Some(width), Some(height)) => Some(Picture { width, height, animated: row.get(at + 7)? }),
        _ => None,
    };
    let thumbnail = match (row.get::<_, Option<Fixed<32>>>(at + 8)?, optional_unsigned(row, at + 9)?) {
        (Some(hash), Some(size)) => Some(Blob { hash: hash.0, size }),
        _ => None,
    };
    Ok(Attachment {
        blob: Blob { hash: row.get::<_, Fixed<32>>(at)?.0, size: unsigned(row, at + 1)? },
        name: row.get(at + 2)?,
        mime: row.get(at + 3)?,
        files: row.get(at + 4)?,
        picture,
        thumbnail,
    })
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let state: i64 = row.get(17)?;
    Ok(Stored {
        id: AttachmentId(row.get::<_, Fixed<16>>(0)?.0),
        message: row.get(1)?,
        message_id: message_id(row, 2)?,
        session: session_id(row, 3)?,
        place: row.get(4)?,
        peer: machine_id(row, 5)?,
        outgoing: row.get(6)?,
        attachment: about(row, 7)?,
        state: State::from_number(state).ok_or(rusqlite::Error::IntegralValueOutOfRange(17, state))?,
        failure: row.get(18)?,
        done: unsigned(row, 19)?,
        part: row.get(20)?,
        path: row.get(21)?,
        has_thumbnail: row.get(22)?,
        deposit: deposits::shown(row, 23)?,
        relayed: match row.get(27)? {
            0 => Relayed::No,
            1 => Relayed::Yes,
            _ => Relayed::Falsely,
        },
    })
}
