//! The stages that run whole programs: in networks of their own, and with windows.

use anyhow::Result;

use super::rust::{Selection, tests};
use crate::packages::{self, For};
use crate::sh::Cmd;
use crate::tally::Tally;
use crate::ui;
use crate::workspace::Workspace;

pub(super) fn network(workspace: &Workspace) -> Result<Tally> {
    if !can_make_networks() {
        println!("skipped: networks of their own for programs can't be had here. That needs Linux, and either root or");
        println!("unprivileged user namespaces (try: unshare --user --map-root-user --net true).");
        return Ok(Tally::skipped(count_tests(workspace, "network")));
    }
    ui::build(workspace)?;
    tests(workspace, &Selection::System("network"))
}

pub(super) fn windows(workspace: &Workspace) -> Result<Tally> {
    if !can_make_networks() || !packages::complete(For::Tests) {
        println!("skipped: real windows are tested on Linux with what the stage `packages` installs.");
        return Ok(Tally::skipped(count_tests(workspace, "windows")));
    }
    if !workspace.root().join("tests/tests/windows.rs").is_file() {
        println!("skipped: there are no window tests yet");
        return Ok(Tally::skipped(1));
    }
    ui::build(workspace)?;
    tests(workspace, &Selection::System("windows"))
}

/// Whether a network namespace can be made, as root or in a user namespace.
fn can_make_networks() -> bool {
    cfg!(target_os = "linux")
        && (Cmd::new("unshare").args(["--net", "true"]).ask().is_some()
            || Cmd::new("unshare").args(["--user", "--map-root-user", "--net", "true"]).ask().is_some())
}

/// How many tests a test program has that was not run, by its source.
fn count_tests(workspace: &Workspace, name: &str) -> usize {
    let tests = workspace.root().join("tests/tests");
    let mut sources = vec![tests.join(format!("{name}.rs"))];
    if let Ok(folder) = std::fs::read_dir(tests.join(name)) {
        sources.extend(folder.flatten().map(|entry| entry.path()));
    }
    let count = |text: String| text.matches("#[test]").count() + text.matches("#[tokio::test").count();
    sources.into_iter().filter_map(|path| std::fs::read_to_string(path).ok()).map(count).sum::<usize>().max(1)
}
