//! The stages that cargo does.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use cargo_metadata::Message;

use crate::sh::{Cmd, has_program};
use crate::tally::{Tally, libtest, nextest};
use crate::workspace::{Profile, Workspace};

/// The longest that a build from nothing may take on a small machine.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
/// The longest that one set of tests may take.
const TESTS_LIMIT: Duration = Duration::from_secs(15 * 60);

pub(super) fn fmt(workspace: &Workspace) -> Result<Tally> {
    check(&workspace.cargo(["fmt", "--all", "--check"]))
}

pub(super) fn clippy(workspace: &Workspace) -> Result<Tally> {
    let clippy =
        workspace.cargo(["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]);
    check(&clippy.limit(BUILD_LIMIT))
}

pub(super) fn doc(workspace: &Workspace) -> Result<Tally> {
    let doc = workspace.cargo(["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
    check(&doc.env("RUSTDOCFLAGS", "-D warnings").limit(BUILD_LIMIT))
}

/// Everything at once, so that one set of features, and thereby one set of artefacts, serves all stages after it.
pub(super) fn build(workspace: &Workspace) -> Result<Tally> {
    check(&build_command(workspace).args(["--quiet"]))
}

fn build_command(workspace: &Workspace) -> Cmd {
    workspace.cargo(["build", "--workspace", "--all-targets", "--locked"]).limit(BUILD_LIMIT)
}

fn check(command: &Cmd) -> Result<Tally> {
    let output = command.watch()?;
    Ok(if output.status.success() { Tally::passed(1) } else { Tally::failed(1) })
}

pub(super) fn unit(workspace: &Workspace) -> Result<Tally> {
    tests(workspace, &Selection::Unit)
}

/// Which tests to run.
#[derive(Debug)]
pub(super) enum Selection {
    /// Everything that needs no other program: all crates, and the rules of the repository.
    Unit,
    /// One test program of the whole-system crate.
    System(&'static str),
}

impl Selection {
    /// As nextest's filter expression.
    fn filter(&self) -> String {
        match self {
            Self::Unit => "not package(landline-tests) or kind(lib) or binary(repository)".to_owned(),
            Self::System(name) => format!("package(landline-tests) and binary({name})"),
        }
    }

    /// Whether a test program of this name, of the whole-system crate or not, belongs to it.
    fn holds(&self, system: bool, target: &str, is_lib: bool) -> bool {
        match self {
            Self::Unit => !system || is_lib || target == "repository",
            Self::System(name) => system && target == *name,
        }
    }
}

/// Runs tests with nextest, or with cargo's own harness where it is not installed.
pub(super) fn tests(workspace: &Workspace, selection: &Selection) -> Result<Tally> {
    let bin_dir = workspace.bin_dir(Profile::Dev).to_string_lossy().into_owned();
    build_command(workspace).args(["--quiet"]).check()?;
    if has_program("cargo-nextest") {
        let nextest_run = workspace
            .cargo(["nextest", "run", "--workspace", "--locked", "--cargo-quiet", "--no-fail-fast"])
            .args(["--status-level", "fail", "--final-status-level", "fail"])
            .args(["--filterset".to_owned(), selection.filter()]);
        let output = nextest_run.env("LANDLINE_BIN_DIR", bin_dir).limit(TESTS_LIMIT).watch()?;
        return Ok(Tally::of(&output.lines, output.status.success(), nextest));
    }
    let mut tally = Tally::default();
    for program in test_programs(workspace, selection)? {
        let run = Cmd::new(&program.path).dir(&program.dir).env("LANDLINE_BIN_DIR", &bin_dir);
        let output = run.limit(TESTS_LIMIT).watch()?;
        tally += Tally::of(&output.lines, output.status.success(), libtest);
    }
    Ok(tally)
}

/// A built test program, and the folder of its package, in which cargo would run it.
struct TestProgram {
    path: PathBuf,
    dir: PathBuf,
}

/// The test programs that the build has made. They are asked for with the same arguments as the build, so nothing is
/// compiled again with other features.
fn test_programs(workspace: &Workspace, selection: &Selection) -> Result<Vec<TestProgram>> {
    let messages = build_command(workspace).args(["--message-format", "json-render-diagnostics"]).check_quietly()?;
    let system_dir = workspace.root().join("tests");
    let mut programs = Vec::new();
    for message in Message::parse_stream(messages.as_bytes()) {
        let Message::CompilerArtifact(artifact) = message.context("cargo's messages could not be read")? else {
            continue;
        };
        let Some(path) = artifact.executable.filter(|_| artifact.profile.test) else { continue };
        let dir = artifact.manifest_path.parent().context("a manifest lies in a folder")?.as_std_path().to_path_buf();
        if selection.holds(dir == system_dir, &artifact.target.name, artifact.target.is_lib()) {
            programs.push(TestProgram { path: path.into_std_path_buf(), dir });
        }
    }
    Ok(programs)
}

/// Each decoder for a few seconds.
pub(super) fn fuzz(workspace: &Workspace) -> Result<Tally> {
    let program = workspace.bin_dir(Profile::Dev).join(format!("landline-fuzz{}", std::env::consts::EXE_SUFFIX));
    if !workspace.root().join("fuzz/Cargo.toml").is_file() {
        println!("skipped: there is no fuzz target yet");
        return Ok(Tally::skipped(1));
    }
    build_command(workspace).args(["--quiet"]).check()?;
    check(&Cmd::new(program).args(["--seconds", "10"]).dir(workspace.root()).limit(Duration::from_secs(300)))
}

pub(super) fn deny(workspace: &Workspace) -> Result<Tally> {
    if !has_program("cargo-deny") {
        println!(
            "cargo-deny is not installed; licences and sources are checked by the repository test. Advisories are"
        );
        println!("not checked here: `cargo install --locked cargo-deny`, then this stage again.");
        return Ok(Tally::skipped(1));
    }
    check(&workspace.cargo(["deny", "--workspace", "--all-features", "check", "bans", "licenses", "sources"]))
}
