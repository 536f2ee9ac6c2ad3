//! `cargo xtask package`: the packages that people install.

use anyhow::{Result, bail};
use clap::Args;

use crate::packages::{self, For};
use crate::ui;
use crate::workspace::Workspace;

/// The last release of Tauri's bundler that the npm registry has complete for all platforms.
const BUNDLER: &str = "@tauri-apps/cli@2.12.3";

/// What to make.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Kinds of package, separated by commas.
    #[arg(long, default_value = default_bundles())]
    bundles: String,
}

const fn default_bundles() -> &'static str {
    if cfg!(target_os = "macos") {
        "app,dmg"
    } else if cfg!(windows) {
        "nsis"
    } else {
        "deb,rpm"
    }
}

/// Builds in release and bundles.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    packages::ensure(For::Window)?;
    ui::build(workspace)?;
    let bundler = format!("--package={BUNDLER}");
    workspace
        .npm(["exec", "--yes", &bundler, "--", "tauri", "build", "--ci", "--bundles", &options.bundles])
        .dir(workspace.root().join("src-tauri"))
        .run()?;
    let bundles = workspace.target().join("release/bundle");
    if !bundles.is_dir() {
        bail!("the bundler left nothing in {}", bundles.display());
    }
    println!("Packages are in {}", bundles.display());
    Ok(())
}
