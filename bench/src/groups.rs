//! What is measured, by subject.

mod conversation;
mod delivery;
mod discovery;
mod files;
mod history;
mod memory;
mod references;
mod relay;
mod start;
mod window;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::figure::{Report, save, table};

/// A subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// The references by themselves.
    References,
    /// How soon machines find each other.
    Discovery,
    /// How long a message takes, and how many go at once.
    Delivery,
    /// How fast files go, and how messages go beside them.
    Files,
    /// How long a start takes.
    Start,
    /// A long session: open, page, jump, search.
    History,
    /// A long session in the page: opened and scrolled.
    Conversation,
    /// How much memory a headless node uses.
    Memory,
    /// Through a relay: messages and files, mailboxes, idle clients.
    Relay,
    /// How soon the window is there, and how much memory the whole application uses.
    Window,
}

/// What a group needs to measure.
#[derive(Debug)]
pub(crate) struct Bench {
    /// How often each figure is measured.
    pub(crate) rounds: u32,
    dir: PathBuf,
}

impl Bench {
    /// A folder for databases, on the disk where results go: the usual place for temporary files may be memory.
    pub(crate) fn scratch(&self) -> Result<TempDir> {
        Ok(tempfile::Builder::new().prefix("data-").tempdir_in(&self.dir)?)
    }
}

/// Measures the groups, all when none is named.
pub(crate) fn measure(groups: &[Group], rounds: u32, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let bench = Bench { rounds, dir: dir.to_path_buf() };
    let machine = machine();
    println!("{machine:#}");
    let groups = if groups.is_empty() { Group::value_variants() } else { groups };
    for group in groups {
        let report = match group {
            Group::References => references::measure(&bench),
            Group::Discovery => discovery::measure(&bench),
            Group::Delivery => delivery::measure(&bench),
            Group::Files => files::measure(&bench),
            Group::Start => start::measure(&bench),
            Group::History => history::measure(&bench),
            Group::Conversation => conversation::measure(&bench),
            Group::Memory => memory::measure(&bench),
            Group::Relay => relay::measure(&bench),
            Group::Window => window::measure(&bench),
        };
        let name = group.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let report = report.unwrap_or_else(|error| Report {
            notes: vec![format!("{name} could not be measured: {error:#}")],
            ..Report::default()
        });
        print!("{}", table(&name, &report));
        save(&name, &report, &machine, dir)?;
    }
    Ok(())
}

/// Where and when this is measured.
fn machine() -> Value {
    let ask = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success());
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    json!({
        "processor": model,
        "cores": std::thread::available_parallelism().map(usize::from).ok(),
        "system": ask("uname", &["-sr"]),
        "date": ask("date", &["-u", "+%F"]),
        "commit": ask("git", &["rev-parse", "--short", "HEAD"]),
    })
}
