//! `cargo xtask demo`: two nodes on this machine that find each other and talk before your eyes.

use anyhow::{Result, bail};
use clap::Args;

use crate::workspace::Workspace;

/// How to show it.
#[derive(Debug, Args)]
pub(crate) struct Options {}

pub(crate) fn run(_workspace: &Workspace, _options: &Options) -> Result<()> {
    bail!("not there yet")
}
