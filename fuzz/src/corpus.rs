//! Inputs that are kept: `fuzz/corpus/<target>/<hash>`, one file each, as libFuzzer keeps them.

use std::path::PathBuf;

use anyhow::Context;

use crate::Target;

/// `fuzz/`, as it was when this was built.
pub fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of a target's kept inputs.
pub fn folder(target: &Target) -> PathBuf {
    home().join("corpus").join(target.name)
}

/// A target's seeds and kept inputs, in an order that does not depend on the file system.
///
/// # Errors
/// When the folder or a file cannot be read. A missing folder is an empty one.
pub fn load(target: &Target) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut inputs = (target.seeds)();
    let folder = folder(target);
    if folder.is_dir() {
        let list = std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
        let mut paths = list.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            inputs.push(std::fs::read(&path).with_context(|| format!("read {}", path.display()))?);
        }
    }
    Ok(inputs)
}

/// Saves an input that failed to `fuzz/failures/<target>-<hash>`, and gives its path.
///
/// # Errors
/// When it cannot be written.
pub fn save_failure(target: &Target, input: &[u8]) -> anyhow::Result<PathBuf> {
    let folder = home().join("failures");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let hash = blake3::hash(input).to_hex();
    let path = folder.join(format!("{}-{}", target.name, hash.chars().take(16).collect::<String>()));
    std::fs::write(&path, input).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}
