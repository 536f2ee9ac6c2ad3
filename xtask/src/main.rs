//! `cargo xtask`: what the README's commands and CI call.
#![allow(clippy::print_stdout, reason = "a program for the terminal: what it prints is its result")]

mod bench;
mod demo;
mod package;
mod packages;
mod platforms;
mod run;
mod sh;
mod tally;
mod test;
mod types;
mod ui;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Builds, runs, tests, measures and packages Landline.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the system lacks, build, and open the window (without a display: the headless node and a link).
    Run(run::Options),
    /// Everything that CI checks, or the named stages only.
    Test(test::Options),
    /// Two nodes on this machine that find each other and talk before your eyes.
    Demo(demo::Options),
    /// Measure, each figure beside a reference taken in the same run.
    Bench(bench::Options),
    /// Make the deb and the rpm.
    Package(package::Options),
    /// Type-check the workspace for Windows and macOS.
    CheckPlatforms,
    /// Generate the interface's TypeScript types from the Rust types.
    Types,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Run(options) => run::run(&workspace, &options),
        Command::Test(options) => test::run(&workspace, &options),
        Command::Demo(options) => demo::run(&workspace, &options),
        Command::Bench(options) => bench::run(&workspace, &options),
        Command::Package(options) => package::run(&workspace, &options),
        Command::CheckPlatforms => platforms::run(&workspace),
        Command::Types => types::generate(&workspace),
    }
}
