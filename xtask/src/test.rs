//! `cargo xtask test`: stage by stage all that CI does, each with a count and a time.

mod rust;
mod system;
mod web;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::packages::{self, For};
use crate::sh::in_ci;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{platforms, types};

/// What to test.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these stages, in this order.
    stages: Vec<Stage>,
}

/// One stage. The order is the one they run in: what is quick and what others build on comes first, and each build
/// serves all stages after it (checks share their artefacts, and so do tests and programs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// What the system must have.
    Packages,
    /// Rust formatting.
    Fmt,
    /// The interface: types, lint, unit tests, build.
    Ui,
    /// Rust lints, warnings forbidden.
    Clippy,
    /// Rust documentation, warnings forbidden.
    Doc,
    /// Builds every Rust program and test once.
    Build,
    /// Whether the TypeScript types are those of the Rust types.
    Types,
    /// Rust unit, property, golden and in-process tests, and the repository's rules.
    Unit,
    /// Each decoder against random input for a few seconds.
    Fuzz,
    /// Licences and sources of all dependencies.
    Deny,
    /// Whole programs in networks of their own.
    Network,
    /// Real windows.
    Windows,
    /// Every screen in a browser, with accessibility checks.
    Web,
    /// Whether it compiles for Windows and macOS.
    Platforms,
}

impl Stage {
    fn run(self, workspace: &Workspace) -> Result<Tally> {
        match self {
            Self::Packages => {
                packages::ensure(For::Tests)?;
                Ok(Tally::passed(packages::count(For::Tests)))
            }
            Self::Fmt => rust::fmt(workspace),
            Self::Ui => web::interface(workspace),
            Self::Clippy => rust::clippy(workspace),
            Self::Doc => rust::doc(workspace),
            Self::Build => rust::build(workspace),
            Self::Types => types::compare(workspace),
            Self::Unit => rust::unit(workspace),
            Self::Fuzz => rust::fuzz(workspace),
            Self::Deny => rust::deny(workspace),
            Self::Network => system::network(workspace),
            Self::Windows => system::windows(workspace),
            Self::Web => web::browser(workspace),
            Self::Platforms => platforms::check(workspace),
        }
    }

    /// Whether CI must fail when this could not be tested: the machine that CI runs on can do it.
    fn must_run_in_ci(self) -> bool {
        matches!(self, Self::Network | Self::Windows | Self::Web)
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

/// One line of the summary.
struct Row {
    stage: Stage,
    tally: Tally,
    time: Duration,
}

/// Runs the stages and prints the summary; its last line is `N passed, N failed, N skipped`.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let stages = if options.stages.is_empty() { Stage::value_variants() } else { &options.stages };
    let started = Instant::now();
    let mut rows = Vec::new();
    for &stage in stages {
        println!("\n──── {}: {}", stage.name(), stage.about());
        let began = Instant::now();
        let tally = stage.run(workspace).unwrap_or_else(|error| {
            println!("error: {error:#}");
            Tally::failed(1)
        });
        rows.push(Row { stage, tally, time: began.elapsed() });
    }
    summarize(&rows, started.elapsed())
}

fn summarize(rows: &[Row], whole: Duration) -> Result<()> {
    let mut total = Tally::default();
    println!("\n──── summary");
    println!("{:<10} {:>7} {:>7} {:>8} {:>9}", "stage", "passed", "failed", "skipped", "seconds");
    for Row { stage, tally, time } in rows {
        println!(
            "{:<10} {:>7} {:>7} {:>8} {:>9.1}",
            stage.name(),
            tally.passed,
            tally.failed,
            tally.skipped,
            time.as_secs_f64(),
        );
        total += *tally;
    }
    println!("{:<10} {:>33.1}", "together", whole.as_secs_f64());
    let untested: Vec<_> = rows
        .iter()
        .filter(|row| row.tally.skipped > 0 && row.stage.must_run_in_ci())
        .map(|row| row.stage.name())
        .collect();
    let refused = in_ci() && !untested.is_empty();
    if refused {
        println!("CI must not skip: {}", untested.join(", "));
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed > 0 || refused {
        // Said above; another line would stand after the closing one.
        std::process::exit(1);
    }
    if total.passed == 0 {
        bail!("nothing was tested");
    }
    Ok(())
}
