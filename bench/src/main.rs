//! Measures Landline, each figure beside a reference taken in the same run: shared machines are noisy, and a disk's
//! fdatasync takes 0.05 to 4 ms in phases, so only a ratio means something. `cargo xtask bench` builds and calls this.
//!
//! [`roles`] are the programs that are measured: Landline's node, and the references, each a process of its own.
//! [`groups`] start them, take turns between them, and make [`figure`]s of what they report.
#![allow(clippy::print_stdout, reason = "a program for the terminal: what it prints is its result")]

mod figure;
mod groups;
mod private;
mod process;
mod roles;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::groups::Group;
use crate::roles::Role;

/// Measures Landline beside references.
#[derive(Debug, Parser)]
#[command(name = "landline-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure and print a table.
    Measure(Measure),
    /// Be one of the measured programs; prints JSON lines.
    #[command(hide = true)]
    Role {
        #[command(subcommand)]
        role: Role,
    },
}

/// What to measure, and where results go.
#[derive(Debug, Args)]
struct Measure {
    /// Only these groups.
    groups: Vec<Group>,
    /// How often each figure is measured, taking turns with its reference.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Folder for the JSON, and for the databases while they are measured.
    #[arg(long)]
    results: PathBuf,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Role { role } => role.run(),
        Command::Measure(measure) => {
            private::enter()?;
            groups::measure(&measure.groups, measure.rounds, &measure.results)
        }
    }
}
