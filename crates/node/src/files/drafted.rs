//! What unsent messages carry, with a look at the disk: a file that is to be sent from where it is may be gone by now.

use std::path::Path;

use link::blob::BlobRefusal;
use store::{Reader, SessionKey, StoreError};

use super::{content, uploads};
use crate::view::{self, UploadState};

/// What a session's draft carries. Looks at the disk, so it belongs into a job of the store.
pub(crate) fn drafted(reader: &Reader<'_>, dir: &Path, session: SessionKey) -> Result<Vec<view::Upload>, StoreError> {
    let uploads = store::drafts::attachments(reader, session)?;
    let mut drafted = Vec::with_capacity(uploads.len());
    for upload in uploads {
        let source = store::sources::get(reader, &upload.attachment.blob.hash)?;
        let state = match source.as_ref().map(|source| content::look(dir, source)) {
            Some(Ok(())) => UploadState::Ready,
            Some(Err(BlobRefusal::Changed)) => UploadState::Changed,
            Some(Err(_)) | None => UploadState::Gone,
        };
        drafted.push(uploads::view_of(&upload, source.as_ref(), state));
    }
    Ok(drafted)
}
