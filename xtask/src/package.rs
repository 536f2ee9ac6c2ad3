//! `cargo xtask package`: the packages that people install.

use anyhow::{Result, bail};
use clap::Args;

use crate::packages::{self, For};
use crate::ui;
use crate::workspace::{Profile, Workspace};

/// Tauri's bundler, for the systems whose packages are not made here; the last release that the npm registry has
/// complete for all platforms.
const BUNDLER: &str = "@tauri-apps/cli@2.12.3";

/// What to make.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Kinds of package, separated by commas.
    #[arg(long, default_value = default_kinds())]
    kinds: String,
}

const fn default_kinds() -> &'static str {
    if cfg!(target_os = "macos") {
        "app,dmg"
    } else if cfg!(windows) {
        "nsis"
    } else {
        "deb,rpm"
    }
}

/// Builds in release and packs.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    packages::ensure(For::Window)?;
    ui::build(workspace)?;
    let out = workspace.bin_dir(Profile::Release).join("bundle");
    if cfg!(target_os = "linux") {
        workspace
            .cargo(["build", "--locked", "--release", "--package", "landline-cli", "--package", "landline-desktop"])
            .run()?;
        workspace
            .cargo(["run", "--locked", "--quiet", "--package", "landline-packaging", "--bin", "package", "--"])
            .args(["--programs".to_owned(), workspace.bin_dir(Profile::Release).to_string_lossy().into_owned()])
            .args(["--out".to_owned(), out.to_string_lossy().into_owned()])
            .args(["--kinds", &options.kinds])
            .run()?;
    } else {
        let bundler = format!("--package={BUNDLER}");
        workspace
            .npm(["exec", "--yes", &bundler, "--", "tauri", "build", "--ci", "--bundles", &options.kinds])
            .dir(workspace.root().join("src-tauri"))
            .run()?;
    }
    if !out.is_dir() {
        bail!("no packages are in {}", out.display());
    }
    println!("The packages are in {}", out.display());
    Ok(())
}
