//! Adding files to be sent: bytes that come through the API, and files and folders of this computer where they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use proto::limits;
use store::sources::Source;
use store::uploads::Upload;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use super::import::{Import, ImportError, Imported};
use super::sweep;
use crate::NodeError;
use crate::core::Core;
use crate::node::Node;
use crate::view::{self, UploadState};

/// Longest path that is taken; no system takes longer ones.
const PATH_BYTES: usize = 4096;

/// Bytes that come in pieces. Dropped before [`Uploading::finish`], nothing of it stays.
#[derive(Debug)]
pub struct Uploading {
    core: Arc<Core>,
    part: NamedTempFile,
    file: tokio::fs::File,
    name: String,
    mime: Option<String>,
    size: u64,
}

impl Node {
    /// Begins to take bytes that are to be sent under a name.
    ///
    /// # Errors
    /// When the name or type breaks a rule, or the disk can't be written.
    pub async fn begin_upload(&self, name: &str, mime: Option<&str>) -> Result<Uploading, NodeError> {
        let core = self.core().clone();
        if name.is_empty() || name.len() > limits::FILE_NAME_BYTES {
            let message = format!("name must be 1 to {} bytes long", limits::FILE_NAME_BYTES);
            return Err(NodeError::Invalid { code: "invalid_name", field: "name", message });
        }
        let mime = mime.map(check_mime).transpose()?;
        let dir = core.files.dir.clone();
        let made = core.spawner.spawn_blocking("begin an upload", move || {
            let part = tempfile::Builder::new().suffix(".part").tempfile_in(dir)?;
            let file = part.reopen()?;
            Ok((part, file))
        });
        let (part, file) = made.await.map_err(|_| shutting_down())?.map_err(|error| disk(&error))?;
        let name = proto::text::clean_file_name(name);
        Ok(Uploading { core, part, file: tokio::fs::File::from_std(file), name, mime, size: 0 })
    }

    /// Adds a file or folder of this computer, to be sent from where it is.
    ///
    /// # Errors
    /// When it is not there, can't be read, or is nothing that can be sent.
    pub async fn add_file(&self, path: &str) -> Result<view::Upload, NodeError> {
        if path.is_empty() || path.len() > PATH_BYTES || !Path::new(path).is_absolute() || path.contains('\0') {
            let message = format!("path must be absolute and at most {PATH_BYTES} bytes long");
            return Err(NodeError::Invalid { code: "invalid_path", field: "path", message });
        }
        import(self.core(), PathBuf::from(path), None, None, false).await
    }
}

impl Uploading {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When the disk is full, or there are more than a file can have.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), NodeError> {
        self.size += bytes.len() as u64;
        if self.size > limits::BLOB_BYTES {
            let (limit, actual) = (limits::BLOB_BYTES, self.size);
            let message = format!("a file can have {limit} bytes");
            return Err(NodeError::TooLarge { code: "file_too_large", field: "body", limit, actual, message });
        }
        self.file.write_all(&bytes).await.map_err(|error| disk(&error))
    }

    /// All bytes are there.
    ///
    /// # Errors
    /// When they can't be kept.
    pub async fn finish(mut self) -> Result<view::Upload, NodeError> {
        self.file.flush().await.map_err(|error| disk(&error))?;
        self.file.sync_all().await.map_err(|error| disk(&error))?;
        let Self { core, part, file, name, mime, .. } = self;
        drop(file);
        let path = core.files.dir.join(format!("{}.file", random_id()?));
        let kept = path.clone();
        let kept = core.spawner.spawn_blocking("keep an upload", move || part.persist(&kept).map(drop)).await;
        kept.map_err(|_| shutting_down())?.map_err(|error| disk(&error.error))?;
        let outcome = import(&core, path.clone(), Some(name), mime, true).await;
        if outcome.is_err() {
            // What could not be added is of no use; at the next start it would go as well.
            let _ = fs::remove_file(path);
        }
        outcome
    }
}

/// Hashes a file or folder and notes it.
async fn import(
    core: &Arc<Core>,
    path: PathBuf,
    name: Option<String>,
    mime: Option<String>,
    kept: bool,
) -> Result<view::Upload, NodeError> {
    sweep::unsent(core).await;
    let Imported { source, attachment, thumbnail } = hashed(core, path, name, mime, kept).await?;
    let id = random_id()?;
    let upload = Upload { id: *id.as_bytes(), created_ms: core.clock.wall_ms(), attachment };
    let shown = view_of(&upload, Some(&source), UploadState::Ready);
    core.store
        .write(move |tx| {
            store::sources::put(tx, &source)?;
            if let (Some(bytes), Some(blob)) = (&thumbnail, &upload.attachment.thumbnail) {
                store::attachments::put_thumbnail(tx, &blob.hash, bytes)?;
            }
            store::uploads::put(tx, &upload)
        })
        .await?;
    core.files.stir();
    Ok(shown)
}

/// Hashes a file or folder.
pub(super) async fn hashed(
    core: &Arc<Core>,
    path: PathBuf,
    name: Option<String>,
    mime: Option<String>,
    kept: bool,
) -> Result<Imported, NodeError> {
    let hashes_dir = core.files.dir.clone();
    // Whoever asked may have left: then nothing goes on either.
    let cancel = CancellationToken::new();
    let _ended = cancel.clone().drop_guard();
    let work = core.spawner.spawn_blocking("hash a file", move || {
        let (name, mime) = (name.as_deref(), mime.as_deref());
        Import { path: &path, name, mime, kept, hashes_dir: &hashes_dir, cancel: &cancel }.run()
    });
    let stopping = core.spawner.stopping();
    let imported = tokio::select! {
        imported = work => imported.map_err(|_| shutting_down())?,
        () = stopping => return Err(shutting_down()),
    };
    imported.map_err(import_error)
}

/// Removes from the folder of own copies what no row names: left by a program that was killed. Blocks.
pub(crate) fn tidy(dir: &Path, is_known: impl Fn(&str) -> bool) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_none_or(|name| !is_known(name)) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

pub(super) fn view_of(upload: &Upload, source: Option<&Source>, state: UploadState) -> view::Upload {
    let about = &upload.attachment;
    view::Upload {
        upload_id: uuid::Uuid::from_bytes(upload.id).to_string(),
        hash: about.blob.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        name: about.name.clone(),
        size: about.blob.size,
        mime: about.mime.clone(),
        kind: if about.files.is_some() { view::AttachmentKind::Folder } else { view::AttachmentKind::File },
        files: about.files,
        width: about.picture.map(|picture| picture.width),
        height: about.picture.map(|picture| picture.height),
        animated: about.picture.is_some_and(|picture| picture.animated),
        thumbnail: about.thumbnail.is_some(),
        state,
        path: source.filter(|source| !source.kept).map(|source| source.path.clone()),
    }
}

fn check_mime(mime: &str) -> Result<String, NodeError> {
    if mime.len() <= limits::MIME_BYTES && mime.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(mime.to_owned());
    }
    let message = format!("mime must be a media type of at most {} bytes, such as image/png", limits::MIME_BYTES);
    Err(NodeError::Invalid { code: "invalid_mime", field: "mime", message })
}

pub(super) fn random_id() -> Result<uuid::Uuid, NodeError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| NodeError::Internal { message: format!("the system gives no randomness: {error}") })?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

fn import_error(error: ImportError) -> NodeError {
    let message = error.to_string();
    match error {
        ImportError::NotSendable(_) => NodeError::Invalid { code: "not_sendable", field: "path", message },
        ImportError::Read(source) if source.kind() == std::io::ErrorKind::NotFound => {
            NodeError::NotFound { code: "file_not_found", message: "there is no such file or folder".to_owned() }
        }
        ImportError::Read(_) => NodeError::Forbidden { code: "file_not_readable", message },
        ImportError::Changed => NodeError::Conflict { code: "file_changed", message },
        ImportError::NoRoom => NodeError::Unavailable { code: "storage_full", message },
        ImportError::Ended => shutting_down(),
    }
}

pub(super) fn disk(error: &std::io::Error) -> NodeError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            NodeError::Unavailable { code: "storage_full", message: "the disk is full".to_owned() }
        }
        _ => NodeError::Internal { message: format!("a file could not be used: {error}") },
    }
}

pub(super) fn shutting_down() -> NodeError {
    NodeError::Unavailable { code: "shutting_down", message: "the node is shutting down".to_owned() }
}

/// The ID of an upload or an attachment.
pub(crate) fn parse_uuid(field: &'static str, text: &str) -> Result<[u8; 16], NodeError> {
    uuid::Uuid::try_parse(text).map(|id| *id.as_bytes()).map_err(|_| {
        let message = format!("{field} must be a UUID");
        NodeError::Invalid { code: "invalid_id", field, message }
    })
}
