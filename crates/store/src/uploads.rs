//! What was added to be sent, but has not been yet: it stands in a draft, or lives for a day.

use proto::attachment::Attachment;
use rusqlite::Row;

use crate::attachments::about;
use crate::columns::{Fixed, exact, time, unsigned};
use crate::{Reader, StoreError, Tx, attachments, sources};

pub(crate) const DDL: &str = "\
CREATE TABLE uploads (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    created_ms INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    size INTEGER NOT NULL,
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    files INTEGER,
    width INTEGER,
    height INTEGER,
    animated INTEGER NOT NULL DEFAULT 0,
    thumbnail BLOB CHECK (length(thumbnail) = 32),
    thumbnail_size INTEGER
) STRICT;
CREATE INDEX uploads_hash ON uploads (hash);
CREATE INDEX uploads_created ON uploads (created_ms);";

/// What came with deletion.
pub(crate) const MORE_DDL: &str = "ALTER TABLE uploads ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;";

/// Something that was added to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its ID.
    pub id: [u8; 16],
    /// When it was added; milliseconds since 1970.
    pub created_ms: u64,
    /// What a message will say of it.
    pub attachment: Attachment,
}

/// Notes something that was added to be sent.
///
/// # Errors
///
/// As any write.
pub fn put(tx: &Tx<'_>, upload: &Upload) -> Result<(), StoreError> {
    let Attachment { blob, name, mime, files, picture, thumbnail } = &upload.attachment;
    tx.execute(
        "INSERT INTO uploads (id, created_ms, hash, size, name, mime, files, width, height, animated, thumbnail,
             thumbnail_size)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        rusqlite::params![
            upload.id,
            time(upload.created_ms),
            blob.hash,
            exact(blob.size, "file size")?,
            name,
            mime,
            files,
            picture.map(|picture| picture.width),
            picture.map(|picture| picture.height),
            picture.is_some_and(|picture| picture.animated),
            thumbnail.map(|thumbnail| thumbnail.hash),
            thumbnail.map(|thumbnail| exact(thumbnail.size, "thumbnail size")).transpose()?,
        ],
    )?;
    Ok(())
}

macro_rules! upload_columns {
    () => {
        "u.id, u.created_ms, u.hash, u.size, u.name, u.mime, u.files, u.width, u.height, u.animated, u.thumbnail,
         u.thumbnail_size"
    };
}
pub(crate) use upload_columns;

/// Something that was added to be sent.
///
/// # Errors
///
/// As any read.
pub fn get(reader: &Reader<'_>, id: &[u8; 16]) -> Result<Option<Upload>, StoreError> {
    reader.one(concat!("SELECT ", upload_columns!(), " FROM uploads u WHERE u.id = ?1"), [id], read)
}

/// Forgets what was added to be sent: it never was.
///
/// # Errors
///
/// As any write.
pub fn remove(tx: &Tx<'_>, id: &[u8; 16]) -> Result<(), StoreError> {
    let Some(upload) = get(tx, id)? else { return Ok(()) };
    tx.execute("DELETE FROM uploads WHERE id = ?1", [id])?;
    if let Some(thumbnail) = upload.attachment.thumbnail {
        attachments::release_thumbnail(tx, &thumbnail.hash)?;
    }
    sources::release(tx, &upload.attachment.blob.hash)
}

/// Notes that uploads were sent: from now on they last no longer than what was sent.
///
/// # Errors
///
/// As any write.
pub fn sent(tx: &Tx<'_>, ids: &[[u8; 16]]) -> Result<(), StoreError> {
    for id in ids {
        tx.execute("UPDATE uploads SET sent = 1 WHERE id = ?1", [id])?;
    }
    Ok(())
}

/// Whether something is still to be sent of a blob.
pub(crate) fn awaits(reader: &Reader<'_>, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM uploads u WHERE u.hash = ?1
                   AND (u.sent = 0 OR EXISTS (SELECT 1 FROM draft_attachments d WHERE d.upload = u.id)) LIMIT 1";
    Ok(reader.one(sql, [hash], |_| Ok(()))?.is_some())
}

/// Forgets the uploads of a blob.
pub(crate) fn remove_of(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<(), StoreError> {
    let thumbnails: Vec<Option<Fixed<32>>> =
        tx.all("DELETE FROM uploads WHERE hash = ?1 RETURNING thumbnail", [hash], |row| row.get(0))?;
    thumbnails.iter().flatten().try_for_each(|thumbnail| attachments::release_thumbnail(tx, &thumbnail.0))
}

/// What was added before a time, and stands in no draft.
///
/// # Errors
///
/// As any read.
pub fn left_over(reader: &Reader<'_>, before_ms: u64) -> Result<Vec<Upload>, StoreError> {
    let sql = concat!(
        "SELECT ",
        upload_columns!(),
        " FROM uploads u WHERE u.created_ms < ?1
             AND NOT EXISTS (SELECT 1 FROM draft_attachments d WHERE d.upload = u.id)
          ORDER BY u.created_ms LIMIT 1000"
    );
    reader.all(sql, [time(before_ms)], read)
}

/// An upload from [`upload_columns`].
pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Upload> {
    Ok(Upload { id: row.get::<_, Fixed<16>>(0)?.0, created_ms: unsigned(row, 1)?, attachment: about(row, 2)? })
}
