//! `cargo xtask run`: from a fresh clone to the open window.

use anyhow::Result;
use clap::Args;

use crate::packages::{self, For};
use crate::sh::Cmd;
use crate::ui;
use crate::workspace::{Profile, Workspace};

/// How to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Build what people get: takes longer to build, runs faster.
    #[arg(long)]
    release: bool,
    /// The headless node with its page for a browser, even where there is a display.
    #[arg(long)]
    headless: bool,
    /// Passed on to the program (after `--`).
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Installs what is missing, builds, runs.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let headless = options.headless || !has_display();
    packages::ensure(if headless { For::Node } else { For::Window })?;
    ui::build(workspace)?;
    let profile = if options.release { Profile::Release } else { Profile::Dev };
    if headless {
        println!("No display here: starting the headless node. It serves the same interface to a browser.");
        build(workspace, profile, "landline-cli")?;
        program(workspace, profile, "landline").args(["node", "--open"]).args(options.rest.clone()).run()
    } else {
        build(workspace, profile, "landline-desktop")?;
        program(workspace, profile, "landline-desktop").args(options.rest.clone()).run()
    }
}

/// Builds one package with a cargo profile.
pub(crate) fn build(workspace: &Workspace, profile: Profile, package: &str) -> Result<()> {
    let release: &[&str] = if profile == Profile::Release { &["--release"] } else { &[] };
    workspace.cargo(["build", "--locked", "--package", package]).args(release.iter().copied()).run()
}

/// A built program.
pub(crate) fn program(workspace: &Workspace, profile: Profile, name: &str) -> Cmd {
    Cmd::new(workspace.bin_dir(profile).join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

fn has_display() -> bool {
    !cfg!(target_os = "linux")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
