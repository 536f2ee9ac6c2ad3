//! The commands about attachments and transfers.

use std::path::{Path, PathBuf};

use proto::attachment::Attachment;
use proto::frame::{BlobState, Frame};
use store::attachments::{AttachmentId, State, Stored};
use store::machines::Trust;

use super::receive::tell_peer;
use super::uploads::{disk, parse_uuid, shutting_down};
use super::{picture, show, telling, types};
use crate::NodeError;
use crate::node::Node;
use crate::view::{self, Page, Transfer};

/// Transfers that are listed.
const LISTED: u32 = 200;

/// A file of this machine, opened to be read by a program.
#[derive(Debug)]
pub struct Content {
    /// The file.
    pub file: std::fs::File,
    /// Its name.
    pub name: String,
    /// Its media type, as its sender or its name says.
    pub mime: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of it, hexadecimal.
    pub hash: String,
}

impl Node {
    /// Fetches an attachment that is offered, or that failed or was given up.
    ///
    /// # Errors
    /// When it is not known, not from another machine, its machine is not accepted, or the folder cannot be used.
    pub async fn accept_attachment(&self, id: &str, save_to: Option<&str>) -> Result<view::Attachment, NodeError> {
        let stored = self.incoming(id).await?;
        let core = self.core();
        let trust = core.people.get(&stored.peer).map(|person| person.trust);
        if !trust.is_some_and(Trust::is_contact) {
            let message = "accept the machine that sent it first".to_owned();
            return Err(NodeError::Conflict { code: "user_not_accepted", message });
        }
        let part = match save_to {
            Some(folder) => Some(part_in(&stored, folder)?),
            None => None,
        };
        if stored.state == State::Complete {
            return Ok(show::attachment(&stored));
        }
        let id = stored.id;
        let noted = core.store.write(move |tx| {
            if let Some(part) = &part {
                store::attachments::move_part(tx, id, part)?;
            }
            store::attachments::set_state(tx, id, State::Queued, None)?;
            telling::answered(tx, &stored)
        });
        noted.await?.into_iter().for_each(|key| core.hub.note(key));
        self.changed(id).await
    }

    /// Pauses the fetching of an attachment.
    ///
    /// # Errors
    /// When it is not known, not from another machine, or not on its way.
    pub async fn pause_transfer(&self, id: &str) -> Result<Transfer, NodeError> {
        let stored = self.incoming(id).await?;
        if !matches!(stored.state, State::Queued | State::Transferring | State::Paused) {
            return Err(not_running());
        }
        let id = stored.id;
        self.core().store.write(move |tx| store::attachments::set_state(tx, id, State::Paused, None)).await?;
        self.core().files.end(id);
        let hash = stored.attachment.blob.hash;
        tell_peer(self.core(), &stored, Frame::BlobState { hash, state: BlobState::Paused });
        self.changed(id).await?;
        self.transfer(id).await
    }

    /// Goes on with an attachment that was paused, failed or was given up.
    ///
    /// # Errors
    /// As [`Node::accept_attachment`].
    pub async fn resume_transfer(&self, id: &str) -> Result<Transfer, NodeError> {
        self.accept_attachment(id, None).await?;
        self.transfer(AttachmentId(parse_uuid("transferId", id)?)).await
    }

    /// Gives up an attachment; what has come of it is removed. From the sending side it is no longer offered.
    ///
    /// # Errors
    /// When it is not known or has already come.
    pub async fn cancel_transfer(&self, id: &str) -> Result<Transfer, NodeError> {
        let stored = self.stored("transferId", id).await?;
        if stored.state == State::Complete {
            let message = "it is complete already".to_owned();
            return Err(NodeError::Conflict { code: "transfer_complete", message });
        }
        let core = self.core();
        let cancelled = stored.clone();
        let noted = core.store.write(move |tx| {
            store::attachments::cancel(tx, &cancelled)?;
            telling::answered(tx, &cancelled)
        });
        noted.await?.into_iter().for_each(|key| core.hub.note(key));
        core.files.end(stored.id);
        let state = if stored.outgoing { BlobState::Gone } else { BlobState::Cancelled };
        tell_peer(core, &stored, Frame::BlobState { hash: stored.attachment.blob.hash, state });
        self.changed(stored.id).await?;
        self.transfer(stored.id).await
    }

    /// Attachments on their way, and the newest others.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn transfers(&self) -> Result<Page<Transfer>, NodeError> {
        let rows = self.core().store.read(|reader| store::attachments::list(reader, LISTED)).await?;
        let items =
            rows.iter().map(|stored| show::transfer(stored, self.core().files.running(stored.id).as_ref())).collect();
        Ok(Page { items, next_before: None, next_after: None })
    }

    /// Opens the file of an attachment or an upload that is on this machine.
    ///
    /// # Errors
    /// When it is not known, not here, or a folder.
    pub async fn attachment_content(&self, id: &str) -> Result<Content, NodeError> {
        let (about, stored) = self.described(id).await?;
        if about.files.is_some() {
            let message = "a folder has no content of its own; its files are in its path".to_owned();
            return Err(NodeError::Conflict { code: "attachment_is_folder", message });
        }
        let path = match stored.filter(|stored| !stored.outgoing) {
            Some(came) => came.path.filter(|_| came.state == State::Complete).map(PathBuf::from),
            None => {
                let hash = about.blob.hash;
                let source = self.core().store.read(move |reader| store::sources::get(reader, &hash)).await?;
                source.map(|source| self.core().files.dir.join(source.path))
            }
        };
        let not_here = || NodeError::NotFound {
            code: "attachment_not_here",
            message: "its content is not on this machine".to_owned(),
        };
        let path = path.ok_or_else(not_here)?;
        let opened = self.core().spawner.spawn_blocking("open a file", move || {
            let file = std::fs::File::open(path)?;
            let metadata = file.metadata()?;
            Ok::<_, std::io::Error>((metadata.is_file(), metadata.len(), file))
        });
        let (is_file, size, file) = match opened.await.map_err(|_| shutting_down())? {
            Ok(opened) => opened,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(not_here()),
            Err(error) => return Err(disk(&error)),
        };
        // Under its name lies something else now: that is not what was sent.
        if !is_file || size != about.blob.size {
            return Err(not_here());
        }
        let mime = if about.mime.is_empty() { types::of_name(&about.name).to_owned() } else { about.mime };
        let hash = about.blob.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Content { file, name: about.name, mime, size, hash })
    }

    /// Where an attachment lies on this machine, and its media type.
    ///
    /// # Errors
    /// When it is not known or not here.
    pub async fn attachment_path(&self, id: &str) -> Result<(PathBuf, String), NodeError> {
        let stored = self.stored("attachmentId", id).await?;
        let here = stored.outgoing || stored.state == State::Complete;
        let path = stored.path.as_ref().filter(|_| here).map(PathBuf::from).filter(|path| path.exists());
        let path = path.ok_or_else(|| NodeError::NotFound {
            code: "attachment_not_here",
            message: "its content is not on this machine".to_owned(),
        })?;
        Ok((path, types::of_name(&stored.attachment.name).to_owned()))
    }

    /// The small image that stands for an attachment or an upload, with its media type.
    ///
    /// # Errors
    /// When it is not known or there is none.
    pub async fn attachment_thumbnail(&self, id: &str) -> Result<(Vec<u8>, &'static str), NodeError> {
        let (about, _) = self.described(id).await?;
        let found = match about.thumbnail {
            Some(blob) => {
                self.core().store.read(move |reader| store::attachments::thumbnail(reader, &blob.hash)).await?
            }
            None => None,
        };
        let bytes = found.ok_or_else(|| NodeError::NotFound {
            code: "no_thumbnail",
            message: "there is no small image of it here".to_owned(),
        })?;
        let kind = picture::kind_of(&bytes);
        Ok((bytes, kind))
    }

    /// What an ID stands for, an attachment or what was added to be sent, and the attachment's row.
    async fn described(&self, id: &str) -> Result<(Attachment, Option<Stored>), NodeError> {
        let parsed = parse_uuid("attachmentId", id)?;
        let found = self.core().store.read(move |reader| {
            if let Some(stored) = store::attachments::get(reader, AttachmentId(parsed))? {
                return Ok(Some((stored.attachment.clone(), Some(stored))));
            }
            Ok(store::uploads::get(reader, &parsed)?.map(|upload| (upload.attachment, None)))
        });
        found.await?.ok_or_else(|| not_found(id))
    }

    async fn stored(&self, field: &'static str, id: &str) -> Result<Stored, NodeError> {
        let parsed = AttachmentId(parse_uuid(field, id)?);
        let found = self.core().store.read(move |reader| store::attachments::get(reader, parsed)).await?;
        found.ok_or_else(|| not_found(id))
    }

    async fn incoming(&self, id: &str) -> Result<Stored, NodeError> {
        let stored = self.stored("attachmentId", id).await?;
        if stored.outgoing {
            let message = "only the machine that receives it can do that".to_owned();
            return Err(NodeError::Conflict { code: "own_attachment", message });
        }
        Ok(stored)
    }

    async fn changed(&self, id: AttachmentId) -> Result<view::Attachment, NodeError> {
        show::publish(self.core(), id).await;
        self.core().files.retry(id);
        let stored = self.core().store.read(move |reader| store::attachments::get(reader, id)).await?;
        stored.as_ref().map(show::attachment).ok_or_else(gone)
    }

    async fn transfer(&self, id: AttachmentId) -> Result<Transfer, NodeError> {
        let stored = self.core().store.read(move |reader| store::attachments::get(reader, id)).await?;
        let running = self.core().files.running(id);
        stored.as_ref().map(|stored| show::transfer(stored, running.as_ref())).ok_or_else(gone)
    }
}

/// Where it grows, when the person names the folder.
fn part_in(stored: &Stored, folder: &str) -> Result<String, NodeError> {
    let invalid = |message: &str| NodeError::Invalid {
        code: "invalid_path",
        field: "saveTo",
        message: format!("saveTo {message}"),
    };
    let folder = Path::new(folder);
    if !folder.is_absolute() {
        return Err(invalid("must be an absolute path"));
    }
    if !folder.is_dir() {
        return Err(invalid("must be a folder that exists"));
    }
    let folder: PathBuf = std::fs::canonicalize(folder).map_err(|error| disk(&error))?;
    let part = super::place::part_of(stored, &folder);
    part.to_str().map(str::to_owned).ok_or_else(|| invalid("must be UTF-8"))
}

fn not_found(id: &str) -> NodeError {
    NodeError::NotFound { code: "attachment_not_found", message: format!("there is no attachment {id} here") }
}

fn not_running() -> NodeError {
    NodeError::Conflict { code: "transfer_not_running", message: "it is not on its way".to_owned() }
}

fn gone() -> NodeError {
    NodeError::NotFound { code: "attachment_not_found", message: "it was deleted meanwhile".to_owned() }
}
