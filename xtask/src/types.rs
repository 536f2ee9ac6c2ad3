//! The interface's TypeScript types, generated from the Rust types and kept in the repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::sh::Cmd;
use crate::tally::Tally;
use crate::workspace::{Profile, Workspace};

/// Where they are kept.
const KEPT: &str = "ui/src/backend/gen";

/// `cargo xtask types`: writes them.
pub(crate) fn generate(workspace: &Workspace) -> Result<()> {
    let kept = workspace.root().join(KEPT);
    workspace
        .cargo(["run", "--quiet", "--package", "landline-api", "--example", "types", "--"])
        .args([kept.to_string_lossy()])
        .run()
}

/// Generates them elsewhere and compares, so that a change of a Rust type cannot be forgotten here.
pub(crate) fn compare(workspace: &Workspace) -> Result<Tally> {
    let fresh = workspace.target().join("types");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    workspace.cargo(["build", "--workspace", "--all-targets", "--locked", "--quiet"]).check()?;
    let generator = workspace.bin_dir(Profile::Dev).join(format!("examples/types{}", std::env::consts::EXE_SUFFIX));
    Cmd::new(generator).args([fresh.to_string_lossy()]).dir(workspace.root()).check()?;

    let (kept, fresh) = (files(&workspace.root().join(KEPT))?, files(&fresh)?);
    let names: std::collections::BTreeSet<_> = kept.keys().chain(fresh.keys()).collect();
    let different: Vec<_> = names.iter().filter(|name| kept.get(**name) != fresh.get(**name)).collect();
    for name in &different {
        println!("{KEPT}/{name} is not what the Rust types say: run `cargo xtask types`");
    }
    Ok(Tally { passed: names.len() - different.len(), failed: different.len(), skipped: 0 })
}

/// Names and contents of the files in a folder.
fn files(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?))
        })
        .collect()
}
