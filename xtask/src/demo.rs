//! `cargo xtask demo`: two nodes on this machine that find each other and talk before your eyes.
//!
//! Everything shown is what `landline` itself does. Where Linux lets it, both run in a network of their own, so that
//! nobody else on the network sees two strangers come and go.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::packages::{self, For};
use crate::run::{build, program};
use crate::sh::Cmd;
use crate::ui;
use crate::workspace::{Profile, Workspace};

/// The longest that anything in the demonstration may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Set in the process that runs in a network of its own.
const INSIDE: &str = "LANDLINE_DEMO_INSIDE";

/// How to show it.
#[derive(Debug, Args)]
pub(crate) struct Options {}

/// Builds `landline` and lets Anna and Ben meet.
pub(crate) fn run(workspace: &Workspace, _options: &Options) -> Result<()> {
    if std::env::var_os(INSIDE).is_none() {
        packages::ensure(For::Node)?;
        ui::build(workspace)?;
        build(workspace, Profile::Dev, "landline-cli")?;
        if let Some(code) = inside_private_network()? {
            std::process::exit(code);
        }
    }
    let landline = program(workspace, Profile::Dev, "landline").command().get_program().to_owned();
    let folder = workspace.target().join(format!("demo-{}", std::process::id()));
    let shown = show(Path::new(&landline), &folder);
    fs::remove_dir_all(&folder).ok();
    shown
}

/// Runs this program again in a network namespace; nothing where there is none to be had.
fn inside_private_network() -> Result<Option<i32>> {
    for way in [&["--net"][..], &["--user", "--map-root-user", "--net"]] {
        if cfg!(target_os = "linux") && Cmd::new("unshare").args(way.iter().copied()).args(["true"]).ask().is_some() {
            let status = Command::new("unshare")
                .args(way)
                .args(["--", "sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; ip link set lo up; exec \"$@\"", "demo"])
                .arg(std::env::current_exe()?)
                .arg("demo")
                .env(INSIDE, "1")
                .status()?;
            return Ok(Some(status.code().unwrap_or(1)));
        }
    }
    Ok(None)
}

fn show(landline: &Path, folder: &Path) -> Result<()> {
    title("Two machines start. Neither has been told of the other.");
    let began = Instant::now();
    let mut anna = Person::start(landline, folder, "Anna", "\u{1b}[36m")?;
    let mut ben = Person::start(landline, folder, "Ben", "\u{1b}[35m")?;

    title("They find each other.");
    anna.meets(&ben)?;
    ben.meets(&anna)?;
    println!("   found and linked {:.2} s after the first of them started", began.elapsed().as_secs_f64());
    anna.shows(&["peers"])?;

    title("Anna writes. For Ben it is a request, until he accepts her.");
    anna.shows(&["send", "Ben", "Hello Ben, can you hear me?"])?;
    ben.until("Anna's request has come", |peers| trust(peers, &anna.id) == Some("requested"))?;
    ben.shows(&["accept", "Anna"])?;
    ben.shows(&["send", "Anna", "Loud and clear. There is nothing between us but the cable."])?;
    anna.delivered()?;
    ben.delivered()?;
    anna.shows(&["history", "Ben"])?;

    title("Ben's machine loses power. What Anna writes now waits on her disk.");
    ben.node.kill()?;
    ben.node.wait()?;
    anna.until("Anna notices", |peers| peer(peers, &ben.id).is_some_and(|it| it["status"] == "offline"))?;
    anna.shows(&["send", "Ben", "Are you still there?"])?;
    anna.shows(&["sessions"])?;

    title("Ben is back. The message arrives by itself, once.");
    ben.restart()?;
    anna.delivered()?;
    ben.shows(&["history", "Anna"])?;

    anna.end()?;
    ben.end()?;
    title("Both have ended, and their profiles are gone.");
    Ok(())
}

fn title(text: &str) {
    println!("\n\u{1b}[1m── {text}\u{1b}[0m");
}

fn peer<'a>(peers: &'a Value, id: &str) -> Option<&'a Value> {
    peers.get("items")?.as_array()?.iter().find(|peer| peer.get("machineId").is_some_and(|it| it == id))
}

fn trust<'a>(peers: &'a Value, id: &str) -> Option<&'a str> {
    peer(peers, id)?.get("trust")?.as_str()
}

/// One of the two.
struct Person {
    name: &'static str,
    colour: &'static str,
    landline: PathBuf,
    dir: PathBuf,
    node: Child,
    id: String,
}

impl Person {
    fn start(landline: &Path, folder: &Path, name: &'static str, colour: &'static str) -> Result<Self> {
        let dir = folder.join(name);
        fs::create_dir_all(&dir)?;
        let (node, id) = start_node(landline, &dir, name)?;
        println!("{colour}{name:>5}\u{1b}[0m is {id}");
        Ok(Self { name, colour, landline: landline.to_path_buf(), dir, node, id })
    }

    fn restart(&mut self) -> Result<()> {
        let (node, id) = start_node(&self.landline, &self.dir, self.name)?;
        if id != self.id {
            bail!("{} came back as somebody else", self.name);
        }
        self.node = node;
        Ok(())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.landline);
        command.args(words).env("LANDLINE_DATA_DIR", &self.dir).stdin(Stdio::null());
        command
    }

    /// Types a command before the person's eyes.
    fn shows(&self, words: &[&str]) -> Result<()> {
        let typed: Vec<_> = words
            .iter()
            .map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() })
            .collect();
        println!("{}{:>5}\u{1b}[0m $ landline {}", self.colour, self.name, typed.join(" "));
        let output = self.command(words).output()?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            println!("        {line}");
        }
        if !output.status.success() {
            bail!("landline {} failed: {}", typed.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// The answer of a command, for this program itself.
    fn ask(&self, word: &str) -> Result<Value> {
        let output = self.command(&[word, "--json"]).output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("landline {word} answered something else than JSON"))
    }

    fn until(&self, what: &str, so: impl Fn(&Value) -> bool) -> Result<()> {
        self.looks_at("peers", what, so)
    }

    fn meets(&self, other: &Self) -> Result<()> {
        self.until("they are linked", |peers| peer(peers, &other.id).is_some_and(|it| it["status"] == "online"))
    }

    fn delivered(&self) -> Result<()> {
        self.looks_at("status", "everything is delivered", |status| status.get("waiting").is_some_and(|it| it == 0))
    }

    fn looks_at(&self, word: &str, what: &str, so: impl Fn(&Value) -> bool) -> Result<()> {
        let began = Instant::now();
        while !so(&self.ask(word)?) {
            if began.elapsed() > PATIENCE {
                bail!("{}: waited in vain until {what}", self.name);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Asks the node to end, as the system does.
    fn end(&mut self) -> Result<()> {
        if cfg!(unix) {
            Command::new("kill").args(["-TERM", &self.node.id().to_string()]).status()?;
        } else {
            self.node.kill()?;
        }
        let status = self.node.wait()?;
        if cfg!(unix) && !status.success() {
            bail!("{}'s node did not end cleanly: {status}", self.name);
        }
        Ok(())
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.node.kill().ok();
        self.node.wait().ok();
    }
}

/// Starts a node on free ports of this machine and waits until it is ready.
fn start_node(landline: &Path, dir: &Path, name: &str) -> Result<(Child, String)> {
    let mut node = Command::new(landline)
        .args(["node", "--json", "--name", name, "--listen", "0.0.0.0:0", "--api", "127.0.0.1:0", "--data-dir"])
        .arg(dir)
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(dir.join("node.log"))?)
        .spawn()
        .context("cannot start landline")?;
    let mut output = BufReader::new(node.stdout.take().context("its output is piped")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    let ready: Value = serde_json::from_str(&line).with_context(|| {
        format!("{name}'s node did not start: {}", fs::read_to_string(dir.join("node.log")).unwrap_or_default())
    })?;
    let id = ready.get("machineId").and_then(Value::as_str).context("a node says its machine ID")?.to_owned();
    Ok((node, id))
}
