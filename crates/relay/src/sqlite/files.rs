//! Files in a folder, and what they count for in the database of the mailboxes.
//!
//! Bytes are on the disk before the row that counts them says so, and a file is only ever removed where rows are written,
//! in the same order. So a row never promises what is not there, and whatever is cut off between two steps leaves a file
//! that nobody counts, which is removed when the relay starts again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use proto::FileId;
use proto::id::MachineId;
use proto::sealed_file::sealed_size;
use rusqlite::{Connection, Row};

use super::rows::{all, is_valid, mailbox_id, number, one, run, signed};
use super::{Database, OpenError, SqliteMailboxes, open};
use crate::files::{Begin, FileAnswer, FileCounts, FileError, FileQuotas, Files, Upload, Whole};
use crate::mailboxes::{MailboxError, TokenHash};

/// Name of the folder in the data folder.
pub(super) const FOLDER: &str = "files";

/// Files that one sweep removes at most, so that no put waits long behind it.
const SWEPT: u32 = 64;

/// Files in a folder.
#[derive(Debug)]
pub struct SqliteFiles {
    db: Database,
    quotas: Arc<FileQuotas>,
    folder: Arc<Path>,
}

/// A file's row.
struct Kept {
    mailbox: Option<i64>,
    token: TokenHash,
    upload: Upload,
}

impl SqliteFiles {
    /// Opens the folder in a data folder, or makes one, and removes from it what no row counts.
    ///
    /// # Errors
    /// [`OpenError`] when it can't be used.
    pub fn open(mailboxes: &SqliteMailboxes, data_dir: &Path, quotas: FileQuotas) -> Result<Self, OpenError> {
        let folder = data_dir.join(FOLDER);
        let io = |error| OpenError::Io { path: folder.clone(), error };
        make(&folder).map_err(io)?;
        let db = mailboxes.database().clone();
        let reader = open::reader(&db.path).map_err(|error| open::judge(&db.path, &error))?;
        for entry in fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            // What is not named like a file of ours is somebody else's.
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<FileId>().ok()) else { continue };
            let counted = kept(&reader, &id).map_err(|error| io(io::Error::other(error.to_string())))?;
            if counted.is_none() {
                fs::remove_file(entry.path()).map_err(io)?;
            }
        }
        Ok(Self { db, quotas: Arc::new(quotas), folder: folder.into() })
    }

    fn path(&self, id: &FileId) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// Runs a job in the next transaction; answered after its commit.
    fn write<T, F>(&self, job: F) -> impl Future<Output = Result<T, FileError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &FileQuotas, &Path) -> Result<T, FileError> + Send + 'static,
    {
        let (db, quotas, folder) = (self.db.clone(), self.quotas.clone(), self.folder.clone());
        async move {
            // What is refused changes nothing, so that it need not be rolled back.
            let outcome = db.write(0, move |connection| match job(connection, &quotas, &folder) {
                Err(FileError::Failed(reason)) => Err(MailboxError::Failed(reason)),
                Err(FileError::DiskFull) => Err(MailboxError::DiskFull),
                outcome => Ok(outcome),
            });
            outcome.await?
        }
    }
}

impl Files for SqliteFiles {
    fn begin(&self, begin: Begin) -> FileAnswer<'_, Upload> {
        self.write(move |db, quotas, folder| begin_file(db, quotas, folder, &begin)).boxed()
    }

    fn append(&self, id: FileId, at: u64, piece: Bytes, now_s: u64) -> FileAnswer<'_, Upload> {
        async move {
            let before = self.db.read(move |db| kept(db, &id)).await?.ok_or(FileError::NoFile)?.upload;
            if before.received != at {
                return Err(FileError::Offset(before.received));
            }
            let end = at.saturating_add(piece.len() as u64);
            if end > before.size {
                return Err(FileError::OtherSize);
            }
            let (path, folder) = (self.path(&id), self.folder.clone());
            blocking(move || write_piece(&path, &folder, at, &piece)).await?;
            self.write(move |db, quotas, folder| note_piece(db, quotas, folder, &id, at, end, now_s)).await
        }
        .boxed()
    }

    fn find(&self, id: FileId, now_s: u64) -> FileAnswer<'_, Option<Whole>> {
        async move {
            let Some(Kept { mailbox, upload, .. }) = self.db.read(move |db| kept(db, &id)).await? else {
                return Ok(None);
            };
            if mailbox.is_none() || upload.received < upload.size || upload.expires_s <= now_s {
                return Ok(None);
            }
            let path = self.path(&id);
            let there = blocking(move || Ok(length(&path))).await?;
            // Somebody has taken it off the disk: its sender asks before it puts, and is told so.
            Ok((there == upload.size).then_some(Whole { size: upload.size, expires_s: upload.expires_s }))
        }
        .boxed()
    }

    fn read(&self, id: FileId, at: u64, count: usize) -> FileAnswer<'_, Bytes> {
        let path = self.path(&id);
        blocking(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(at))?;
            let mut bytes = vec![0; count];
            file.read_exact(&mut bytes)?;
            Ok(bytes.into())
        })
        .boxed()
    }

    fn remove(&self, id: FileId, mailbox: MachineId, token: TokenHash, now_s: u64) -> FileAnswer<'_, ()> {
        self.write(move |db, _, folder| {
            let mailbox = mailbox_id(db, &mailbox)?.ok_or(FileError::NoMailbox)?;
            if !is_valid(db, mailbox, &token, now_s)? {
                return Err(FileError::BadToken);
            }
            match kept(db, &id)? {
                None => Ok(()),
                Some(kept) if kept.mailbox == Some(mailbox) && kept.token == token => take_away(db, folder, &id),
                Some(_) => Err(FileError::BadToken),
            }
        })
        .boxed()
    }

    fn sweep(&self, now_s: u64) -> FileAnswer<'_, bool> {
        self.write(move |db, _, folder| {
            let gone: Vec<[u8; 32]> = all(
                db,
                "SELECT id FROM files WHERE expires_s <= ?1 OR mailbox IS NULL LIMIT ?2",
                (signed(now_s), SWEPT),
                |row| row.get(0),
            )?;
            for id in &gone {
                take_away(db, folder, &FileId::from_bytes(*id))?;
            }
            Ok(gone.len() as u64 == u64::from(SWEPT))
        })
        .boxed()
    }

    fn count(&self) -> FileAnswer<'_, FileCounts> {
        async move { Ok(self.db.read(totals).await?) }.boxed()
    }
}

fn begin_file(db: &Connection, quotas: &FileQuotas, folder: &Path, begin: &Begin) -> Result<Upload, FileError> {
    let mailbox = mailbox_id(db, &begin.mailbox)?.ok_or(FileError::NoMailbox)?;
    if !is_valid(db, mailbox, &begin.token, begin.now_s)? {
        return Err(FileError::BadToken);
    }
    if quotas.file_bytes == 0 || begin.size > sealed_size(quotas.file_bytes) {
        return Err(FileError::TooLarge(quotas.file_bytes));
    }
    let unsent_s = quotas.expires_s(0, begin.size, begin.now_s);
    if let Some(Kept { mailbox: of, token, mut upload }) = kept(db, &begin.id)? {
        if of != Some(mailbox) || token != begin.token {
            return Err(FileError::BadToken);
        }
        if upload.size != begin.size {
            return Err(FileError::OtherSize);
        }
        let is_gone = upload.expires_s <= begin.now_s || length(&folder.join(begin.id.to_string())) < upload.received;
        if is_gone {
            upload.received = 0;
            upload.expires_s = unsent_s;
            note(db, &begin.id, &upload)?;
        } else if 0 < upload.received && upload.received < upload.size {
            upload.expires_s = quotas.expires_s(upload.received, upload.size, begin.now_s);
            note(db, &begin.id, &upload)?;
        }
        return Ok(upload);
    }
    let sum = "SELECT count(*), ifnull(sum(size), 0) FROM files WHERE mailbox = ?1";
    let (count, bytes) = one(db, sum, [mailbox], |row| Ok((number(row, 0)?, number(row, 1)?)))?.unwrap_or_default();
    if count >= u64::from(quotas.count) {
        return Err(FileError::TooMany(quotas.count.into()));
    }
    if bytes.saturating_add(begin.size) > quotas.bytes {
        return Err(FileError::Full(quotas.bytes));
    }
    if totals(db)?.bytes.saturating_add(begin.size) > quotas.all_bytes {
        return Err(FileError::Exhausted);
    }
    run(
        db,
        "INSERT INTO files (id, mailbox, token, size, received, expires_s) VALUES (?1, ?2, ?3, ?4, 0, ?5)",
        (begin.id.as_bytes(), mailbox, &begin.token, signed(begin.size), signed(unsent_s)),
    )?;
    Ok(Upload { received: 0, size: begin.size, expires_s: unsent_s })
}

/// Counts a piece that is on the disk.
fn note_piece(
    db: &Connection,
    quotas: &FileQuotas,
    folder: &Path,
    id: &FileId,
    at: u64,
    end: u64,
    now_s: u64,
) -> Result<Upload, FileError> {
    let Some(Kept { mut upload, .. }) = kept(db, id)? else {
        // It was taken away meanwhile, and the piece may have made its file anew.
        unlink(folder, id)?;
        return Err(FileError::NoFile);
    };
    if upload.received != at {
        return Err(FileError::Offset(upload.received));
    }
    upload.received = end;
    upload.expires_s = quotas.expires_s(end, upload.size, now_s);
    note(db, id, &upload)?;
    Ok(upload)
}

fn kept(db: &Connection, id: &FileId) -> Result<Option<Kept>, MailboxError> {
    let sql = "SELECT mailbox, token, size, received, expires_s FROM files WHERE id = ?1";
    let read = |row: &Row<'_>| {
        let upload = Upload { size: number(row, 2)?, received: number(row, 3)?, expires_s: number(row, 4)? };
        Ok(Kept { mailbox: row.get(0)?, token: row.get(1)?, upload })
    };
    one(db, sql, [id.as_bytes()], read)
}

fn note(db: &Connection, id: &FileId, upload: &Upload) -> Result<(), MailboxError> {
    let values = (id.as_bytes(), signed(upload.received), signed(upload.expires_s));
    run(db, "UPDATE files SET received = ?2, expires_s = ?3 WHERE id = ?1", values).map(drop)
}

fn totals(db: &Connection) -> Result<FileCounts, MailboxError> {
    let read = |row: &Row<'_>| Ok(FileCounts { files: number(row, 0)?, bytes: number(row, 1)? });
    one(db, "SELECT files, bytes FROM file_totals", [], read).map(Option::unwrap_or_default)
}

fn take_away(db: &Connection, folder: &Path, id: &FileId) -> Result<(), FileError> {
    run(db, "DELETE FROM files WHERE id = ?1", [id.as_bytes()])?;
    unlink(folder, id)
}

fn unlink(folder: &Path, id: &FileId) -> Result<(), FileError> {
    match fs::remove_file(folder.join(id.to_string())) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// Writes a piece, and returns when it is on the disk.
fn write_piece(path: &Path, folder: &Path, at: u64, piece: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(at == 0);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(piece)?;
    file.sync_data()?;
    #[cfg(unix)]
    if at == 0 {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

fn make(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

async fn blocking<T: Send + 'static>(job: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, FileError> {
    let done = tokio::task::spawn_blocking(job).await;
    Ok(done.map_err(|_| FileError::Failed("a job did not end well".into()))??)
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::DiskFull,
            // It was taken away between two pieces.
            io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => Self::NoFile,
            _ => Self::Failed(error.to_string()),
        }
    }
}
