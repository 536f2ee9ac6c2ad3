//! The stages that npm does.

use std::time::Duration;

use anyhow::Result;

use crate::packages::{self, For};
use crate::tally::{Tally, vitest};
use crate::ui;
use crate::workspace::Workspace;

/// The longest that one of them may take.
const LIMIT: Duration = Duration::from_secs(1_200);

/// Types, lint, unit tests and build. All of them run, so that one failure does not hide another.
pub(super) fn interface(workspace: &Workspace) -> Result<Tally> {
    ui::install(workspace)?;
    let mut tally = Tally::default();
    for script in ["check", "lint", "test", "build"] {
        let output = workspace.npm(["run", "--silent", script]).limit(LIMIT).watch()?;
        tally += Tally::of(&output.lines, output.status.success(), vitest);
    }
    Ok(tally)
}

/// Every screen in Chromium against the web backend, with axe.
pub(super) fn browser(workspace: &Workspace) -> Result<Tally> {
    if !packages::complete(For::Tests) {
        println!("skipped: no Chromium here; the stage `packages` installs it on Linux.");
        return Ok(Tally::skipped(1));
    }
    ui::build(workspace)?;
    let output = workspace.npm(["run", "--silent", "e2e"]).limit(LIMIT).watch()?;
    Ok(Tally::of(&output.lines, output.status.success(), vitest))
}
