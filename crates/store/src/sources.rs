//! Files that this machine can give: where each blob lies, and what it must look like to be still the same. And what was
//! added to be sent, but has not been yet.

use proto::attachment::{Attachment, Blob, Picture};
use rusqlite::Row;

use crate::attachments::doom;
use crate::columns::{Fixed, exact, optional_unsigned, time, unsigned};
use crate::{Reader, StoreError, Tx};

pub(crate) const DDL: &str = "\
CREATE TABLE sources (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    size INTEGER NOT NULL,
    path TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    hashes TEXT,
    manifest BLOB,
    stamps BLOB
) STRICT;";

pub(crate) const UPLOADS_DDL: &str = "\
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

/// Where a blob lies on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The blob.
    pub blob: Blob,
    /// The file or folder; of a copy of the program's own, its name among them.
    pub path: String,
    /// When a file was last changed, as its system says.
    pub stamp: i64,
    /// Whether it is a copy of the program's own, to be removed with its last use.
    pub kept: bool,
    /// The name, among the program's own, of the file with the blob's hashes; absent for what needs none.
    pub hashes: Option<String>,
    /// Of a folder: the blob's first bytes.
    pub manifest: Option<Vec<u8>>,
    /// Of a folder: when each of its files was last changed, eight bytes each.
    pub stamps: Option<Vec<u8>>,
}

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

/// Notes where a blob lies; the newest place counts. A copy of the program's own that it takes the place of is doomed.
///
/// # Errors
///
/// As any write.
pub fn put(tx: &Tx<'_>, source: &Source) -> Result<(), StoreError> {
    if let Some(old) = get(tx, &source.blob.hash)? {
        if old.kept && old.path != source.path {
            doom(tx, &old.path)?;
        }
        if let Some(hashes) = old.hashes.filter(|hashes| Some(hashes) != source.hashes.as_ref()) {
            doom(tx, &hashes)?;
        }
    }
    tx.execute(
        "INSERT OR REPLACE INTO sources (hash, size, path, stamp, kept, hashes, manifest, stamps)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        rusqlite::params![
            source.blob.hash,
            exact(source.blob.size, "file size")?,
            source.path,
            source.stamp,
            source.kept,
            source.hashes,
            source.manifest,
            source.stamps,
        ],
    )?;
    Ok(())
}

/// Where a blob lies.
///
/// # Errors
///
/// As any read.
pub fn get(reader: &Reader<'_>, hash: &[u8; 32]) -> Result<Option<Source>, StoreError> {
    let sql = "SELECT hash, size, path, stamp, kept, hashes, manifest, stamps FROM sources WHERE hash = ?1";
    reader.one(sql, [hash], |row| {
        Ok(Source {
            blob: Blob { hash: row.get::<_, Fixed<32>>(0)?.0, size: unsigned(row, 1)? },
            path: row.get(2)?,
            stamp: row.get(3)?,
            kept: row.get(4)?,
            hashes: row.get(5)?,
            manifest: row.get(6)?,
            stamps: row.get(7)?,
        })
    })
}

/// Whether a file of the program's own is still needed.
///
/// # Errors
///
/// As any read.
pub fn is_known(reader: &Reader<'_>, path: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM sources WHERE path = ?1 OR hashes = ?1 LIMIT 1";
    Ok(reader.one(sql, [path], |_| Ok(()))?.is_some())
}

/// Forgets where a blob lies when neither an own message nor an upload needs it any more.
pub(crate) fn release(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<(), StoreError> {
    let used = "SELECT 1 WHERE EXISTS (SELECT 1 FROM attachments WHERE hash = ?1 AND outgoing = 1)
                    OR EXISTS (SELECT 1 FROM uploads WHERE hash = ?1)";
    if tx.one(used, [hash], |_| Ok(()))?.is_some() {
        return Ok(());
    }
    let Some(source) = get(tx, hash)? else { return Ok(()) };
    tx.execute("DELETE FROM sources WHERE hash = ?1", [hash])?;
    if source.kept {
        doom(tx, &source.path)?;
    }
    source.hashes.map_or(Ok(()), |hashes| doom(tx, &hashes))
}

/// Notes something that was added to be sent.
///
/// # Errors
///
/// As any write.
pub fn put_upload(tx: &Tx<'_>, upload: &Upload) -> Result<(), StoreError> {
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

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, created_ms, hash, size, name, mime, files, width, height, animated, thumbnail, thumbnail_size
             FROM uploads ",
            $rest
        )
    };
}

/// Something that was added to be sent.
///
/// # Errors
///
/// As any read.
pub fn upload(reader: &Reader<'_>, id: &[u8; 16]) -> Result<Option<Upload>, StoreError> {
    reader.one(select!("WHERE id = ?1"), [id], read_upload)
}

/// Forgets what was added to be sent: a message has it now, or it was never sent.
///
/// # Errors
///
/// As any write.
pub fn remove_upload(tx: &Tx<'_>, id: &[u8; 16]) -> Result<(), StoreError> {
    let Some(upload) = upload(tx, id)? else { return Ok(()) };
    tx.execute("DELETE FROM uploads WHERE id = ?1", [id])?;
    if let Some(thumbnail) = upload.attachment.thumbnail {
        tx.execute(
            "DELETE FROM thumbnails WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM attachments WHERE thumbnail = ?1)
                 AND NOT EXISTS (SELECT 1 FROM uploads WHERE thumbnail = ?1)",
            [thumbnail.hash],
        )?;
    }
    release(tx, &upload.attachment.blob.hash)
}

/// What was added before a time and never sent.
///
/// # Errors
///
/// As any read.
pub fn uploads_before(reader: &Reader<'_>, wall_ms: u64) -> Result<Vec<Upload>, StoreError> {
    reader.all(select!("WHERE created_ms < ?1 ORDER BY created_ms LIMIT 1000"), [time(wall_ms)], read_upload)
}

fn read_upload(row: &Row<'_>) -> rusqlite::Result<Upload> {
    let picture = match (row.get(7)?, row.get(8)?) {
        (Some(width), Some(height)) => Some(Picture { width, height, animated: row.get(9)? }),
        _ => None,
    };
    let thumbnail = match (row.get::<_, Option<Fixed<32>>>(10)?, optional_unsigned(row, 11)?) {
        (Some(hash), Some(size)) => Some(Blob { hash: hash.0, size }),
        _ => None,
    };
    Ok(Upload {
        id: row.get::<_, Fixed<16>>(0)?.0,
        created_ms: unsigned(row, 1)?,
        attachment: Attachment {
            blob: Blob { hash: row.get::<_, Fixed<32>>(2)?.0, size: unsigned(row, 3)? },
            name: row.get(4)?,
            mime: row.get(5)?,
            files: row.get(6)?,
            picture,
            thumbnail,
        },
    })
}
