//! From a growing file to its place in the downloads, by steps that can each be repeated after the program was killed. Blocks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use store::attachments::Stored;

use super::folder;
use super::names::{reserve, safe_name};

/// The folder that received files go to, made when absent.
pub(crate) fn downloads(set: &str, default: &Path) -> io::Result<PathBuf> {
    let dir = if set.is_empty() { default.to_owned() } else { PathBuf::from(set) };
    fs::create_dir_all(&dir)?;
    fs::canonicalize(dir)
}

/// Where an attachment grows: beside its place, so that it can be renamed.
pub(crate) fn part_of(stored: &Stored, dir: &Path) -> PathBuf {
    let tag: String = stored.id.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    dir.join(format!("{}.{tag}.part", safe_name(&stored.attachment.name)))
}

/// Reserves the name under which it will lie.
pub(crate) fn target(stored: &Stored, dir: &Path) -> io::Result<PathBuf> {
    reserve(dir, &safe_name(&stored.attachment.name), stored.attachment.files.is_some())
}

/// Puts the content, which is whole, in its place. The target was reserved for it.
pub(crate) fn put(stored: &Stored, part: &Path, target: &Path) -> io::Result<()> {
    if stored.attachment.files.is_none() {
        fs::rename(part, target)?;
        return sync_dir(target);
    }
    let laid_out = part.with_extension("folder");
    match fs::remove_dir_all(&laid_out) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir(&laid_out)?;
    if let Err(error) = folder::unpack(part, &laid_out) {
        // What is half there helps nobody; the first error says more than one about tidying up.
        let _ = fs::remove_dir_all(&laid_out);
        return Err(error);
    }
    // An empty folder is only in the way of a rename on Windows.
    #[cfg(windows)]
    fs::remove_dir(target)?;
    fs::rename(&laid_out, target)?;
    sync_dir(target)?;
    fs::remove_file(part)
}

/// The name is durable only once its directory is; Windows has no such call and needs none.
fn sync_dir(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(dir) = path.parent() {
        fs::File::open(dir)?.sync_all()?;
    }
    let _ = path;
    Ok(())
}

/// Gives back a name that was reserved and is not needed. What is not empty is not touched.
pub(crate) fn give_back(target: &Path) {
    let Ok(metadata) = fs::symlink_metadata(target) else { return };
    // Whatever else is in the way stays.
    let _ = if metadata.is_dir() {
        fs::remove_dir(target)
    } else if metadata.len() == 0 {
        fs::remove_file(target)
    } else {
        Ok(())
    };
}
