//! Where a profile lies when nobody says where.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Longest name of a profile, in bytes: a folder's name.
const PROFILE_NAME_BYTES: usize = 64;

/// A name that cannot be a profile's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataDirError {
    /// The environment does not say where the home directory is.
    #[error("cannot tell where your data belongs: {0} is not set; say it with --data-dir")]
    NoHome(&'static str),
    /// The name cannot be a folder's everywhere.
    #[error(
        "a profile's name has 1 to 64 letters, digits, dots, dashes or underscores, and no dot in front: {0:?} has not"
    )]
    ProfileName(String),
}

/// The data directory of a profile; without a name, of the usual one.
///
/// Linux: `$XDG_DATA_HOME/landline`, by default `~/.local/share/landline`; macOS: `~/Library/Application
/// Support/Landline`; Windows: `%APPDATA%\Landline`. Named profiles lie below it in `profiles/NAME`.
///
/// # Errors
/// [`DataDirError`] for a name that is no folder's, or an environment without a home.
pub fn default_data_dir(profile: Option<&str>) -> Result<PathBuf, DataDirError> {
    let base = base(std::env::var_os)?;
    match profile {
        None => Ok(base),
        Some(name) if is_profile_name(name) => Ok(base.join("profiles").join(name)),
        Some(name) => Err(DataDirError::ProfileName(name.to_owned())),
    }
}

/// Where received files go as long as nobody has said: the person's own folder of downloads, for a profile in its usual place
/// and where there is such a folder. `None` leaves them in the profile.
#[must_use]
pub fn default_downloads(data_dir: &Path) -> Option<PathBuf> {
    let usual = base(std::env::var_os).ok()?;
    let home = std::env::var_os(if cfg!(target_os = "windows") { "USERPROFILE" } else { "HOME" })?;
    let downloads = PathBuf::from(home).join("Downloads");
    (data_dir.starts_with(usual) && downloads.is_absolute() && downloads.is_dir()).then_some(downloads)
}

fn is_profile_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= PROFILE_NAME_BYTES
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn base(variable: impl Fn(&'static str) -> Option<OsString>) -> Result<PathBuf, DataDirError> {
    let set = |name: &'static str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let needed = |name: &'static str| set(name).ok_or(DataDirError::NoHome(name));
    if cfg!(target_os = "windows") {
        return Ok(needed("APPDATA")?.join("Landline"));
    }
    if cfg!(target_os = "macos") {
        return Ok(needed("HOME")?.join("Library").join("Application Support").join("Landline"));
    }
    // The XDG base directory specification: a relative path is to be ignored.
    match set("XDG_DATA_HOME").filter(|path| path.is_absolute()) {
        Some(path) => Ok(path.join("landline")),
        None => Ok(needed("HOME")?.join(".local").join("share").join("landline")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn it_follows_xdg() {
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/home/anna"));
        assert_eq!(base(home).unwrap(), PathBuf::from("/home/anna/.local/share/landline"));
        let xdg = |name: &str| Some(OsString::from(if name == "HOME" { "/home/anna" } else { "/data" }));
        assert_eq!(base(xdg).unwrap(), PathBuf::from("/data/landline"));
        let relative = |name: &str| Some(OsString::from(if name == "HOME" { "/home/anna" } else { "data" }));
        assert_eq!(base(relative).unwrap(), PathBuf::from("/home/anna/.local/share/landline"));
        assert_eq!(base(|_| None), Err(DataDirError::NoHome("HOME")));
    }

    #[test]
    fn a_profile_stays_in_its_folder() {
        for name in ["work", "Anna", "a.b-c_d", "büro"] {
            assert!(is_profile_name(name), "{name}");
        }
        for name in ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a\0b", "../x", &"x".repeat(65)] {
            assert!(!is_profile_name(name), "{name:?}");
        }
    }
}
