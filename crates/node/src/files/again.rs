//! Offering again what a message carries: an own file from where it is, a received one from where it was saved.

use std::path::PathBuf;
use std::sync::Arc;

use link::blob::BlobRefusal;
use proto::attachment::Attachment;
use store::attachments::{State, Stored};
use store::uploads::Upload;

use super::content;
use super::import::Imported;
use super::uploads::{hashed, random_id, shutting_down};
use crate::NodeError;
use crate::core::Core;

/// Makes ready what a message carries; the upload that another message can name. Nothing is copied.
///
/// # Errors
/// When its content is not on this machine, or no longer what it was; the message says which file.
pub(crate) async fn again(core: &Arc<Core>, stored: &Stored) -> Result<[u8; 16], NodeError> {
    let made = match stands(core, stored).await? {
        Ok(()) => None,
        Err(words) if stored.outgoing => return Err(not_here(stored, words)),
        Err(_) => Some(received(core, stored).await?),
    };
    let (source, thumbnail) = match made {
        Some(Imported { source, attachment, thumbnail }) => (Some(source), attachment.thumbnail.zip(thumbnail)),
        None => (None, None),
    };
    let id = *random_id()?.as_bytes();
    let (created_ms, about) = (core.clock.wall_ms(), stored.attachment.clone());
    let written = core.store.write(move |tx| {
        match &source {
            Some(source) => store::sources::put(tx, source)?,
            None if store::sources::get(tx, &about.blob.hash)?.is_none() => return Ok(false),
            None => {}
        }
        // That of the message, or else the one that was made just now.
        let mut shown = about.thumbnail;
        if let Some(blob) = shown
            && store::attachments::thumbnail(tx, &blob.hash)?.is_none()
        {
            shown = None;
        }
        if let (None, Some((blob, bytes))) = (shown, &thumbnail) {
            store::attachments::put_thumbnail(tx, &blob.hash, bytes)?;
            shown = Some(*blob);
        }
        let attachment = Attachment { thumbnail: shown, ..about };
        store::uploads::put(tx, &Upload { id, created_ms, attachment })?;
        Ok(true)
    });
    if written.await? { Ok(id) } else { Err(not_here(stored, GONE)) }
}

const GONE: &str = "is no longer where it was";
const CHANGED: &str = "was changed since";
const UNREADABLE: &str = "cannot be read";
const NOT_YET: &str = "is not on this machine; fetch it first";

/// Whether its content can be given as it is, or what is in the way.
async fn stands(core: &Arc<Core>, stored: &Stored) -> Result<Result<(), &'static str>, NodeError> {
    let hash = stored.attachment.blob.hash;
    let source = core.store.read(move |reader| store::sources::get(reader, &hash)).await?;
    let Some(source) = source else { return Ok(Err(GONE)) };
    let dir = core.files.dir.clone();
    let look = core.spawner.spawn_blocking("look at a file", move || content::look(&dir, &source));
    Ok(look.await.map_err(|_| shutting_down())?.map_err(|refusal| match refusal {
        BlobRefusal::Gone => GONE,
        BlobRefusal::Changed => CHANGED,
        _ => UNREADABLE,
    }))
}

/// Hashes what was received, where it was saved: the hashes of what came are not kept.
async fn received(core: &Arc<Core>, stored: &Stored) -> Result<Imported, NodeError> {
    let path = stored.path.as_ref().filter(|_| stored.state == State::Complete).map(PathBuf::from);
    let path = path.ok_or_else(|| not_here(stored, NOT_YET))?;
    let about = &stored.attachment;
    let imported = hashed(core, path, Some(about.name.clone()), Some(about.mime.clone()), false).await;
    let imported = imported.map_err(|error| match error {
        NodeError::NotFound { .. } => not_here(stored, GONE),
        NodeError::Forbidden { .. } | NodeError::Invalid { .. } => not_here(stored, UNREADABLE),
        NodeError::Conflict { .. } => not_here(stored, CHANGED),
        other => other,
    })?;
    if imported.source.blob == about.blob { Ok(imported) } else { Err(not_here(stored, CHANGED)) }
}

fn not_here(stored: &Stored, words: &str) -> NodeError {
    NodeError::NotFound { code: "attachment_not_here", message: format!("{} {words}", stored.attachment.name) }
}
