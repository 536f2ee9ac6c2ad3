//! Files that this machine can give: where each blob lies, and what it must look like to be still the same.

use proto::attachment::Blob;

use crate::attachments::doom;
use crate::columns::{Fixed, exact, unsigned};
use crate::{Reader, StoreError, Tx, uploads};

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

/// Forgets where a blob lies when no own message has it any more, and none is to have it.
pub(crate) fn release(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<(), StoreError> {
    let used = "SELECT 1 FROM attachments WHERE hash = ?1 AND outgoing = 1 LIMIT 1";
    if tx.one(used, [hash], |_| Ok(()))?.is_some() || uploads::awaits(tx, hash)? {
        return Ok(());
    }
    uploads::remove_of(tx, hash)?;
    let Some(source) = get(tx, hash)? else { return Ok(()) };
    tx.execute("DELETE FROM sources WHERE hash = ?1", [hash])?;
    if source.kept {
        doom(tx, &source.path)?;
    }
    source.hashes.map_or(Ok(()), |hashes| doom(tx, &hashes))
}
