//! Who may log in at a relay for members: machines on a list, and those with a token of `landline relay invite`.
//!
//! Both are files, and are read again when they change: who is struck off is let in no more, without a restart.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use proto::id::MachineId;

use crate::config::{Access, Config};

/// Name of the list of invitations in the data folder.
const INVITATIONS: &str = "invitations";

/// What an invitation's token begins with, so that people know it again.
const PREFIX: &str = "lrm_";

const CONTEXT: &str = "landline relay membership 1";

/// Why a list of members is no such list.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// It could not be read or written.
    #[error("{} can't be used: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A line is not what it should be.
    #[error("line {line} of {} is not {expected}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What stands in such a file.
        expected: &'static str,
    },
}

/// Makes a token that admits who shows it to the relay with this data folder, and notes its hash there. Who has it may give
/// it on, so it is for people who trust each other: each with an own one can be struck off alone.
///
/// # Errors
/// [`MembersError::Io`].
pub fn invite(data_dir: &Path, name: &str) -> Result<String, MembersError> {
    let path = data_dir.join(INVITATIONS);
    let failed = |error| MembersError::Io { path: path.clone(), error };
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| failed(io::Error::other(error.to_string())))?;
    let token = format!("{PREFIX}{:032x}", u128::from_be_bytes(random));
    let name: String = name.chars().filter(|character| !character.is_control()).collect();
    fs::create_dir_all(data_dir).map_err(failed)?;
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(failed)?;
    // Made by an administrator, it must be read by the user that the relay runs as.
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let folder = fs::metadata(data_dir).map_err(failed)?;
        if file.metadata().map_err(failed)?.uid() != folder.uid() {
            std::os::unix::fs::chown(&path, Some(folder.uid()), Some(folder.gid())).map_err(failed)?;
        }
    }
    file.write_all(format!("{} {name}\n", hash(token.as_bytes())).as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(token)
}

/// Who may log in.
#[derive(Debug)]
pub(crate) struct Members {
    list: Option<PathBuf>,
    invitations: Option<PathBuf>,
    is_open: bool,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    machines: HashSet<MachineId>,
    /// Hashes of tokens.
    tokens: HashSet<String>,
    changed: [Option<SystemTime>; 2],
}

impl Members {
    pub(crate) fn new(config: &Config) -> Result<Self, MembersError> {
        let (is_open, list, invitations) = match &config.access {
            Access::Open => (true, None, None),
            Access::Members { list, invitations } => {
                (false, list.clone(), invitations.then(|| config.data_dir.join(INVITATIONS)))
            }
        };
        let members = Self { list, invitations, is_open, known: RwLock::default() };
        let known = members.read(members.changed())?;
        *members.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(members)
    }

    /// Whether a machine may log in, with what it shows.
    pub(crate) fn admits(&self, machine: &MachineId, membership: Option<&[u8]>) -> bool {
        if self.is_open {
            return true;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.machines.contains(machine) || membership.is_some_and(|token| known.tokens.contains(&hash(token)))
    }

    /// Reads the files again when they have changed; whether they have. Files that can't be read leave things as they are.
    pub(crate) fn refresh(&self) -> bool {
        let changed = self.changed();
        if changed == self.known.read().unwrap_or_else(PoisonError::into_inner).changed {
            return false;
        }
        match self.read(changed) {
            Ok(known) => {
                tracing::info!(
                    machines = known.machines.len(),
                    invitations = known.tokens.len(),
                    "members were read again"
                );
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the members stay as they were");
                self.known.write().unwrap_or_else(PoisonError::into_inner).changed = changed;
                false
            }
        }
    }

    fn changed(&self) -> [Option<SystemTime>; 2] {
        let changed = |path: &Option<PathBuf>| fs::metadata(path.as_ref()?).and_then(|file| file.modified()).ok();
        [changed(&self.list), changed(&self.invitations)]
    }

    fn read(&self, changed: [Option<SystemTime>; 2]) -> Result<Known, MembersError> {
        let machines = match &self.list {
            Some(path) => lines(path, false, "a machine ID", |line| line.split_whitespace().next()?.parse().ok())?,
            None => HashSet::new(),
        };
        let tokens = match &self.invitations {
            Some(path) => lines(path, true, "a hash and a name", |line| {
                let hash = line.split_whitespace().next()?;
                (hash.len() == 64).then(|| hash.to_owned())
            })?,
            None => HashSet::new(),
        };
        Ok(Known { machines, tokens, changed })
    }
}

/// What stands in the lines of a file; empty ones and those with `#` in front say nothing.
fn lines<T: Eq + std::hash::Hash>(
    path: &Path,
    may_be_missing: bool,
    expected: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<HashSet<T>, MembersError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if may_be_missing && error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(MembersError::Io { path: path.into(), error }),
    };
    let said = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    said.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            read(line).ok_or_else(|| MembersError::Line { path: path.into(), line: number, expected })
        })
        .collect()
}

fn hash(token: &[u8]) -> String {
    blake3::Hasher::new_derive_key(CONTEXT).update(token).finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use proto::Identity;

    use super::*;

    fn machine(seed: u8) -> MachineId {
        Identity::from_seed([seed; 32]).machine_id()
    }

    #[test]
    fn a_list_and_invitations_admit_and_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("members.txt");
        fs::write(&list, format!("# us\n\n{} Anna\n", machine(1))).unwrap();
        let mut config = Config::new(folder.path());
        config.access = Access::Members { list: Some(list.clone()), invitations: true };
        let members = Members::new(&config).unwrap();
        assert!(members.admits(&machine(1), None));
        assert!(!members.admits(&machine(2), None) && !members.admits(&machine(2), Some(b"lrm_0")));
        assert!(!members.refresh(), "because nothing has changed");

        let token = invite(folder.path(), "Bob\n").unwrap();
        assert!(token.len() <= proto::limits::MEMBERSHIP_BYTES);
        assert!(
            !fs::read_to_string(folder.path().join(INVITATIONS)).unwrap().contains(&token),
            "because only its hash is kept"
        );
        assert!(members.refresh());
        assert!(members.admits(&machine(2), Some(token.as_bytes())));

        fs::write(&list, "landline1bob").unwrap();
        fs::File::options().write(true).open(&list).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(!members.refresh());
        assert!(members.admits(&machine(1), None), "because a list with an error is not a list without her");
        let refused = Members::new(&config).unwrap_err().to_string();
        assert!(refused.contains("line 1") && refused.contains("members.txt"), "{refused}");
        fs::remove_file(&list).unwrap();
        assert!(matches!(Members::new(&config), Err(MembersError::Io { .. })), "because it was named");
    }

    #[test]
    fn an_open_relay_asks_nobody() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Members::new(&Config::new(folder.path())).unwrap().admits(&machine(1), None));
    }
}
