//! The directory of a profile: one program at a time, nobody else's to read, and what is known of it besides the database.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::StartError;

const LOCK: &str = "lock";
const PROFILE: &str = "profile.json";
const DATABASE: &str = "landline.db";
const FILES: &str = "files";
const DOWNLOADS: &str = "downloads";

/// An opened, locked profile directory. The lock ends with this value, or with the program however it ends.
#[derive(Debug)]
pub(crate) struct ProfileDir {
    path: PathBuf,
    record: Record,
    copied: bool,
    /// Held for its lock.
    _lock: File,
}

/// What is kept of a profile outside the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Names this profile in the system's key ring.
    pub(crate) id: Uuid,
    /// Where the private key lies, once there is one.
    #[serde(default)]
    pub(crate) key: Option<KeyPlace>,
    /// Which directory on which disk this was written in: a copy or a restored backup lies elsewhere.
    #[serde(default)]
    place: Option<String>,
}

/// Where a private key lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyPlace {
    KeyRing,
    File,
}

impl ProfileDir {
    /// Makes the directory when there is none, locks it, and reads or makes its record.
    pub(crate) fn open(path: &Path, new_id: Uuid) -> Result<Self, StartError> {
        let failed = |source| StartError::Directory { dir: path.to_owned(), source };
        create_private(path).map_err(failed)?;
        // The real path, so that a later change of the working directory does not move the profile.
        let path = fs::canonicalize(path).map_err(failed)?;
        let lock = lock(&path)?;
        let place = place_of(&path);
        let file = path.join(PROFILE);
        let (record, copied) = match fs::read(&file) {
            Ok(bytes) => {
                let mut record: Record = serde_json::from_slice(&bytes).map_err(|error| {
                    failed(io::Error::new(io::ErrorKind::InvalidData, format!("{PROFILE}: {error}")))
                })?;
                let copied = record.place != place;
                record.place = place;
                (record, copied)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Record { id: new_id, key: None, place }, false),
            Err(error) => return Err(failed(error)),
        };
        let dir = Self { path: path.clone(), record, copied, _lock: lock };
        dir.save().map_err(failed)?;
        Ok(dir)
    }

    /// The directory, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of the profile.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Whether this directory is a copy of the one that the profile was last open in: its log may go on elsewhere.
    pub(crate) fn copied(&self) -> bool {
        self.copied
    }

    /// The database file.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// The folder of the program's own copies of files.
    pub(crate) fn files(&self) -> PathBuf {
        self.path.join(FILES)
    }

    /// Where received files go when nobody says otherwise.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.path.join(DOWNLOADS)
    }

    /// Whether there is a database already.
    pub(crate) fn has_database(&self) -> bool {
        fs::metadata(self.database()).is_ok_and(|file| file.len() > 0)
    }

    /// Remembers where the private key lies.
    pub(crate) fn set_key_place(&mut self, place: KeyPlace) -> io::Result<()> {
        self.record.key = Some(place);
        self.save()
    }

    fn save(&self) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(&self.record).map_err(io::Error::other)?;
        write_private(&self.path.join(PROFILE), &json)
    }
}

/// Takes the lock, or says who has it.
fn lock(dir: &Path) -> Result<File, StartError> {
    let failed = |source| StartError::Directory { dir: dir.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    private(&mut options);
    let mut file = options.open(dir.join(LOCK)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut text = String::new();
            // On Windows the locked file cannot be read; then the process stays unnamed.
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
            let holder =
                pid.map_or_else(|| "another program".to_owned(), |pid| format!("another program (process {pid})"));
            return Err(StartError::ProfileInUse { dir: dir.to_owned(), holder });
        }
        Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .and_then(|()| file.flush());
    written.map_err(failed)?;
    Ok(file)
}

/// Makes a directory that only its owner may enter; an existing one is narrowed to that.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
        builder.mode(0o700).create(path)?;
        let found = fs::metadata(path)?.permissions();
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }
    #[cfg(not(unix))]
    builder.create(path)
}

/// Writes a file that only its owner may read, whole or not at all, and durably.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    let mut file = options.open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&part, path)?;
    // The name is durable only once its directory is; Windows has no such call and needs none.
    #[cfg(unix)]
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg_attr(not(unix), expect(clippy::needless_pass_by_ref_mut, reason = "only Unix has modes"))]
fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = options;
}

/// Names a directory by disk and number, which a move keeps and a copy does not. `None` where the system has none.
fn place_of(path: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path).ok().map(|found| format!("{}:{}", found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_program_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile");
        let first = ProfileDir::open(&path, Uuid::from_u128(1)).unwrap();
        let error = ProfileDir::open(&path, Uuid::from_u128(2)).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, StartError::ProfileInUse { .. }), "{text}");
        assert!(text.contains(&std::process::id().to_string()), "because it names the process: {text}");
        drop(first);
        let again = ProfileDir::open(&path, Uuid::from_u128(3)).unwrap();
        assert_eq!(again.record().id, Uuid::from_u128(1), "because the profile keeps its ID");
        assert!(!again.copied());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("profile");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let _open = ProfileDir::open(&path, Uuid::from_u128(1)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        for name in [LOCK, PROFILE] {
            assert_eq!(fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_copy_is_noticed_once() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = (dir.path().join("a"), dir.path().join("b"));
        drop(ProfileDir::open(&path, Uuid::from_u128(1)).unwrap());
        fs::create_dir(&copy).unwrap();
        fs::copy(path.join(PROFILE), copy.join(PROFILE)).unwrap();
        assert!(ProfileDir::open(&copy, Uuid::from_u128(2)).unwrap().copied());
        assert!(!ProfileDir::open(&copy, Uuid::from_u128(2)).unwrap().copied(), "because it has its own place now");
    }
}
