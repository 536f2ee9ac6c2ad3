//! `cargo xtask bench`: builds what people get, and measures it with the program `landline-bench`.

use anyhow::Result;
use clap::Args;

use crate::packages::{self, For};
use crate::run::program;
use crate::ui;
use crate::workspace::{Profile, Workspace};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these groups; `list` names them.
    groups: Vec<String>,
    /// How often each figure is measured, alternating with its reference.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

/// Builds and measures.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    packages::ensure(For::Bench)?;
    ui::build(workspace)?;
    let build = ["build", "--locked", "--release", "--package", "landline-bench", "--package", "landline-cli"];
    workspace.cargo(build).run()?;
    if wants_window(&options.groups) {
        let window = ["build", "--locked", "--release", "--package", "landline-desktop"];
        workspace.cargo(window).args(["--bins", "--example", "empty_window"]).run()?;
    }
    program(workspace, Profile::Release, "landline-bench")
        .args(["measure", "--rounds", &options.rounds.to_string()])
        .args(["--results".to_owned(), workspace.target().join("bench").to_string_lossy().into_owned()])
        .env("LANDLINE_BENCH_UI", workspace.root().join("ui").to_string_lossy())
        .args(options.groups.clone())
        .run()
}

/// Whether a group needs the desktop program, which takes long to build.
fn wants_window(groups: &[String]) -> bool {
    groups.is_empty() || groups.iter().any(|group| group == "window")
}
