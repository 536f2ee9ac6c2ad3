//! `api.json` in the data directory: how the owner's other programs find the running node, and its owner's token.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Its name in the data directory.
pub const FILE_NAME: &str = "api.json";

/// What it holds. Readable by its owner only, as it holds a token that may do everything.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiFile {
    /// Where the API is: `http://127.0.0.1:4280`.
    pub api: String,
    /// The owner's token, valid until this program ends.
    pub token: String,
    /// The machine ID.
    pub machine_id: String,
    /// The process that serves it.
    pub pid: u32,
}

impl ApiFile {
    /// Where it is for a data directory.
    #[must_use]
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join(FILE_NAME)
    }

    /// Reads it; `None` when there is none, so no node runs there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(data_dir: &Path) -> io::Result<Option<Self>> {
        match fs::read(Self::path(data_dir)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes it, whole or not at all, readable by its owner only from the first moment on.
    pub(crate) fn write(&self, data_dir: &Path) -> io::Result<()> {
        let part = data_dir.join(format!("{FILE_NAME}.part"));
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        file.write_all(&serde_json::to_vec_pretty(self).map_err(io::Error::other)?)?;
        drop(file);
        fs::rename(&part, Self::path(data_dir))
    }

    /// Removes it, at a clean end.
    pub(crate) fn remove(data_dir: &Path) -> io::Result<()> {
        match fs::remove_file(Self::path(data_dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl std::fmt::Debug for ApiFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiFile").field("api", &self.api).field("pid", &self.pid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ApiFile::read(dir.path()).unwrap().is_none());
        let file = ApiFile { api: "http://127.0.0.1:1".into(), token: "t".into(), machine_id: "m".into(), pid: 1 };
        file.write(dir.path()).unwrap();
        file.write(dir.path()).unwrap();
        assert_eq!(ApiFile::read(dir.path()).unwrap(), Some(file));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(ApiFile::path(dir.path())).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "because it holds the owner's token");
        }
        ApiFile::remove(dir.path()).unwrap();
        assert!(ApiFile::read(dir.path()).unwrap().is_none());
        ApiFile::remove(dir.path()).unwrap();
    }
}
