//! Making a file or folder ready to be sent: its hash, the hashes between, its kind, and a small image of it. Blocks.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write as _};
use std::path::Path;

use link::blob::{Source as _, stream};
use proto::attachment::{Attachment, Blob};
use proto::{limits, text};
use store::sources::Source;
use tokio_util::sync::CancellationToken;

use super::folder::{self, FolderSource};
use super::picture;
use super::stamp::stamp_of;
use super::types;

/// What is ready to be sent.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) source: Source,
    pub(crate) attachment: Attachment,
    /// The thumbnail that the attachment names.
    pub(crate) thumbnail: Option<Vec<u8>>,
}

/// Why a file can't be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("{0}")]
    NotSendable(String),
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    #[error("it was changed while it was read")]
    Changed,
    #[error("the disk is full")]
    NoRoom,
    #[error("this was ended")]
    Ended,
}

/// What to make of it.
pub(crate) struct Import<'a> {
    pub(crate) path: &'a Path,
    /// Another name than the file has.
    pub(crate) name: Option<&'a str>,
    /// What the caller takes it for.
    pub(crate) mime: Option<&'a str>,
    /// Whether it is a copy of the program's own.
    pub(crate) kept: bool,
    /// Where the hashes go.
    pub(crate) hashes_dir: &'a Path,
    pub(crate) cancel: &'a CancellationToken,
}

impl Import<'_> {
    pub(crate) fn run(&self) -> Result<Imported, ImportError> {
        let path = fs::canonicalize(self.path).map_err(ImportError::Read)?;
        let metadata = fs::metadata(&path).map_err(ImportError::Read)?;
        if metadata.is_dir() {
            self.folder(&path)
        } else if metadata.is_file() {
            self.file(&path)
        } else {
            Err(ImportError::NotSendable("only files and folders can be sent".to_owned()))
        }
    }

    fn file(&self, path: &Path) -> Result<Imported, ImportError> {
        let file = File::open(path).map_err(ImportError::Read)?;
        let before = file.metadata().map_err(ImportError::Read)?;
        let size = before.len();
        check_size(size)?;
        let (hash, hashes) = self.hash(&file, size)?;
        let after = fs::metadata(path).map_err(ImportError::Read)?;
        if after.len() != size || stamp_of(&after) != stamp_of(&before) {
            return Err(ImportError::Changed);
        }
        let name = self.name_of(path);
        let seen = picture::look(path);
        let (picture, thumbnail) = seen.map_or((None, None), |seen| (Some(seen.picture), seen.thumbnail));
        let mime = match self.mime {
            Some(mime) => mime.to_owned(),
            None => types::of_name(&name).to_owned(),
        };
        let blob = Blob { hash, size };
        Ok(Imported {
            source: Source {
                blob,
                path: if self.kept { file_name(path) } else { utf8(path)? },
                stamp: stamp_of(&before),
                kept: self.kept,
                hashes,
                manifest: None,
                stamps: None,
            },
            attachment: Attachment { blob, name, mime, files: None, picture, thumbnail: blob_of(thumbnail.as_deref()) },
            thumbnail,
        })
    }

    fn folder(&self, path: &Path) -> Result<Imported, ImportError> {
        let scanned = folder::scan(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => ImportError::NotSendable(error.to_string()),
            _ => ImportError::Read(error),
        })?;
        let head = scanned.manifest.encode().map_err(|error| ImportError::NotSendable(error.to_string()))?;
        let content = FolderSource::new(path.to_owned(), head.clone(), &scanned.stamps).map_err(ImportError::Read)?;
        let size = content.size();
        check_size(size)?;
        let (hash, hashes) = self.hash(Whole { content, place: 0, size }, size)?;
        let blob = Blob { hash, size };
        let files = u32::try_from(scanned.manifest.files()).ok();
        Ok(Imported {
            source: Source {
                blob,
                path: utf8(path)?,
                stamp: 0,
                kept: false,
                hashes,
                manifest: Some(head),
                stamps: Some(scanned.stamps.iter().flat_map(|stamp| stamp.to_be_bytes()).collect()),
            },
            attachment: Attachment {
                blob,
                name: self.name_of(path),
                mime: String::new(),
                files,
                picture: None,
                thumbnail: None,
            },
            thumbnail: None,
        })
    }

    fn name_of(&self, path: &Path) -> String {
        let own = file_name(path);
        text::clean_file_name(self.name.unwrap_or(&own))
    }

    /// The hash, and the file with the hashes between where there are any.
    fn hash(&self, data: impl Read, size: u64) -> Result<([u8; 32], Option<String>), ImportError> {
        let data = Ended { data, cancel: self.cancel };
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull => ImportError::NoRoom,
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ImportError::Changed,
            _ if self.cancel.is_cancelled() => ImportError::Ended,
            _ => ImportError::Read(error),
        };
        if size <= limits::BLOB_GROUP_BYTES {
            return Ok((stream::hash(data, size, io::sink()).map_err(failed)?, None));
        }
        let part = tempfile::Builder::new().suffix(".part").tempfile_in(self.hashes_dir).map_err(failed)?;
        let mut writer = BufWriter::new(part);
        let hash = stream::hash(data, size, &mut writer).map_err(failed)?;
        writer.flush().map_err(failed)?;
        let part = writer.into_inner().map_err(|error| failed(error.into_error()))?;
        part.as_file().sync_data().map_err(failed)?;
        let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{digits}.hashes");
        part.persist(self.hashes_dir.join(&name)).map_err(|error| failed(error.error))?;
        Ok((hash, Some(name)))
    }
}

fn check_size(size: u64) -> Result<(), ImportError> {
    let limit = limits::BLOB_BYTES;
    if size <= limit {
        return Ok(());
    }
    Err(ImportError::NotSendable(format!("a file can have {limit} bytes; this has {size}")))
}

fn blob_of(bytes: Option<&[u8]>) -> Option<Blob> {
    bytes.map(|bytes| Blob { hash: *blake3::hash(bytes).as_bytes(), size: bytes.len() as u64 })
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn utf8(path: &Path) -> Result<String, ImportError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| ImportError::NotSendable("its path is not UTF-8".to_owned()))
}

/// A folder's content from the beginning to the end.
struct Whole {
    content: FolderSource,
    place: u64,
    size: u64,
}

impl Read for Whole {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.size - self.place).unwrap_or(usize::MAX).min(into.len());
        let Some(into) = into.get_mut(..count) else { return Ok(0) };
        self.content.read_at(self.place, into)?;
        self.place += count as u64;
        Ok(count)
    }
}

/// Ends reading when the program ends.
struct Ended<'a, R> {
    data: R,
    cancel: &'a CancellationToken,
}

impl<R: Read> Read for Ended<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            return Err(io::ErrorKind::Other.into());
        }
        self.data.read(into)
    }
}
