//! Removing what is no longer needed: files of deleted messages, and what was added but never sent.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use store::StoreError;

use crate::core::Core;

/// What was added, and neither sent nor put into a draft within this time, is removed again.
const UNSENT: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes the files that the store has doomed.
pub(crate) async fn doomed(core: &Arc<Core>) {
    let Ok(paths) = core.store.read(store::attachments::doomed).await else { return };
    for path in paths {
        let removing = core.files.dir.join(&path);
        let removed = core.spawner.spawn_blocking("remove a file", move || remove(&removing)).await;
        match removed {
            Ok(Ok(())) => {}
            // It may be in use; it is tried again at the next occasion.
            Ok(Err(error)) => {
                tracing::warn!(%error, "a file that is no longer needed could not be removed");
                continue;
            }
            Err(_) => return,
        }
        if core.store.write(move |tx| store::attachments::forget_doomed(tx, &path)).await.is_err() {
            return;
        }
    }
}

/// Forgets what was added long ago and is in no draft.
pub(crate) async fn unsent(core: &Arc<Core>) {
    let before = core.clock.wall_ms().saturating_sub(u64::try_from(UNSENT.as_millis()).unwrap_or(u64::MAX));
    let forget = move |tx: &store::Tx<'_>| {
        for upload in store::uploads::left_over(tx, before)? {
            store::uploads::remove(tx, &upload.id)?;
        }
        Ok::<_, StoreError>(())
    };
    match core.store.write(forget).await {
        Ok(()) | Err(StoreError::Closed) => {}
        Err(error) => tracing::error!(%error, "what was never sent could not be forgotten"),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let gone = |outcome: io::Result<()>| match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => gone(fs::remove_dir_all(path)),
        Ok(_) => gone(fs::remove_file(path)),
        Err(error) => gone(Err(error)),
    }
}
