//! The measured programs as processes: started, listened to, ended.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The longest that any of them may be silent.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running program that prints JSON lines. It is asked to end by closing its standard input, and killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<(Instant, Value)>,
    name: String,
}

impl Process {
    /// This program in one of its roles.
    pub(crate) fn role(words: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("role").args(words);
        Self::start(&mut command, &words.join(" "))
    }

    /// Any program that prints JSON lines.
    pub(crate) fn start(command: &mut Command, name: &str) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("its output is piped")?);
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let arrived = Instant::now();
                let Ok(value) = serde_json::from_str(&line) else { continue };
                if sender.send((arrived, value)).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, input, lines, name: name.to_owned() })
    }

    /// The next line that has this key, and when it arrived.
    pub(crate) fn wait(&self, key: &str) -> Result<(Instant, Value)> {
        self.wait_for(key, |value| value.get(key).is_some())
    }

    /// The next line that fits, and when it arrived.
    pub(crate) fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<(Instant, Value)> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok((arrived, value)) if fits(&value) => return Ok((arrived, value)),
                Ok(_) => {}
                Err(error) => bail!("{}: waited in vain for {what}: {error}", self.name),
            }
        }
    }

    /// Its process ID.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end and waits.
    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.input.take());
        if cfg!(unix) {
            Command::new("kill").args(["-TERM", &self.pid().to_string()]).stderr(Stdio::null()).status()?;
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The `landline` program that was built together with this one.
pub(crate) fn landline() -> Result<PathBuf> {
    beside("landline")
}

/// A program in the same folder.
pub(crate) fn beside(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        bail!("{} is missing: start this by `cargo xtask bench`", program.display());
    }
    Ok(program)
}

/// Proportional set size of a process, in bytes: its own memory, and its share of what it has in common with others.
pub(crate) fn pss_bytes(pid: u32) -> Result<u64> {
    let path = Path::new("/proc").join(pid.to_string()).join("smaps_rollup");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok())
        .context("smaps_rollup has no Pss")?;
    Ok(kib * 1024)
}
