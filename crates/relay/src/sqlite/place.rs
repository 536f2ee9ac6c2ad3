//! Whether the database still lies where it was opened.
//!
//! SQLite goes on in files that were taken away or replaced while it had them open, as any program does on Unix, and all that
//! it wrote goes when it ends. So it is looked at before each commit: three calls beside a sync of the disk.

use std::io;
use std::path::{Path, PathBuf};

use super::open::{BESIDE, FILE};
use crate::mailboxes::MailboxError;

/// What tells a file from another of the same name. It is given to no other while the file is open.
#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(not(unix))]
type Identity = ();

/// The files of a database in use.
#[derive(Debug)]
pub(super) struct Place {
    files: Vec<(PathBuf, Identity)>,
}

impl Place {
    /// Those of a database that has just been opened for writing; all of them are there then.
    pub(super) fn of(database: &Path) -> io::Result<Self> {
        let files = BESIDE.map(|suffix| database.with_file_name(format!("{FILE}{suffix}"))).into_iter();
        Ok(Self {
            files: files.map(|path| identity(&path).map(|identity| (path, identity))).collect::<Result<_, _>>()?,
        })
    }

    /// Fails when one of them is there no more, or another is in its place.
    pub(super) fn check(&self) -> Result<(), MailboxError> {
        for (path, opened) in &self.files {
            let problem = match identity(path) {
                Ok(found) if found == *opened => continue,
                Ok(_) => "was replaced".to_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => "was removed".to_owned(),
                Err(error) => format!("can't be looked at ({error})"),
            };
            return Err(MailboxError::Failed(format!(
                "{} {problem} while the relay runs; nothing is taken, because it would be lost; put the data folder back, or \
                 start the relay again",
                path.display()
            )));
        }
        Ok(())
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Windows lets nobody take away a file that is open as SQLite opens it.
#[cfg(not(unix))]
fn identity(_: &Path) -> io::Result<Identity> {
    Ok(())
}
