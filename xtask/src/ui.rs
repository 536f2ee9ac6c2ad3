//! The interface's packages and its built pages, made again only when something changed.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use crate::sh::has_program;
use crate::workspace::Workspace;

/// The longest that npm may take.
const NPM_LIMIT: Duration = Duration::from_secs(600);

/// Installs the interface's packages when the lock file is not the one they were installed from.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    if !has_program("npm") && !has_program("npm.cmd") {
        bail!("Landline's interface needs Node.js 20.19 or newer with npm: https://nodejs.org");
    }
    let ui = workspace.root().join("ui");
    let lock = fs::read(ui.join("package-lock.json")).context("ui/package-lock.json is missing")?;
    let stamp = ui.join("node_modules/.installed-lock");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    workspace.npm(["ci"]).limit(NPM_LIMIT).check()?;
    fs::write(stamp, lock)?;
    Ok(())
}

/// Builds `ui/dist` when a source is newer than it.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    install(workspace)?;
    let ui = workspace.root().join("ui");
    let built = modified(&ui.join("dist/index.html"));
    if built.is_some_and(|built| newest(&ui).is_none_or(|newest| newest <= built)) {
        return Ok(());
    }
    workspace.npm(["run", "build"]).limit(NPM_LIMIT).check()?;
    Ok(())
}

/// When the newest source of the interface changed. What is made from sources lies in the folders left out.
fn newest(dir: &Path) -> Option<SystemTime> {
    let made = ["node_modules", "dist", "paraglide", "test-results"];
    fs::read_dir(dir)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            if !path.is_dir() {
                return modified(&path);
            }
            let name = entry.file_name();
            if made.iter().any(|made| name == *made) { None } else { newest(&path) }
        })
        .max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
