//! The measured programs as processes: started, listened to, ended.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The longest that any of them may be silent.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running program that says something line by line, on either output. It is asked to end by closing its standard
/// input and by SIGTERM, and killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<(Instant, String)>,
    name: String,
}

impl Process {
    /// This program in one of its roles.
    pub(crate) fn role(words: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("role").args(words);
        Self::start(&mut command, &words.join(" "))
    }

    /// Any program.
    pub(crate) fn start(command: &mut Command, name: &str) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let (sender, lines) = mpsc::channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        ];
        for output in outputs.into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send((Instant::now(), line)).is_err() {
                        break;
                    }
                }
            });
        }
        Ok(Self { input: child.stdin.take(), child, lines, name: name.to_owned() })
    }

    /// The next JSON line that has this key, and when it arrived.
    pub(crate) fn wait(&self, key: &str) -> Result<(Instant, Value)> {
        self.wait_for(key, |value| value.get(key).is_some())
    }

    /// The next JSON line that fits, and when it arrived.
    pub(crate) fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Result<(Instant, Value)> {
        self.find(what, |line| serde_json::from_str(line).ok().filter(&fits))
    }

    /// When the next line that contains this arrived.
    pub(crate) fn wait_for_text(&self, text: &str) -> Result<Instant> {
        Ok(self.find(text, |line| line.contains(text).then_some(()))?.0)
    }

    /// The first line, as text.
    pub(crate) fn first_line(&self) -> Result<String> {
        Ok(self.find("a line", |line| Some(line.to_owned()))?.1)
    }

    fn find<T>(&self, what: &str, fits: impl Fn(&str) -> Option<T>) -> Result<(Instant, T)> {
        let mut last = String::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok((arrived, line)) => match fits(&line) {
                    Some(found) => return Ok((arrived, found)),
                    None => last = line,
                },
                Err(error) => bail!("{}: waited in vain for {what} ({error}); it last said: {last}", self.name),
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

/// Reads the memory of a process and all that it started until two readings in a row are the same: what goes on after
/// "ready" has then ended. In MB of a million bytes.
pub(crate) fn settled_megabytes(pid: u32) -> Result<f64> {
    let whole = || -> Result<u64> {
        pss_bytes(pid)?;
        // One that has just ended takes nothing.
        Ok(family(pid).into_iter().filter_map(|pid| pss_bytes(pid).ok()).sum())
    };
    let mut last = whole()?;
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = whole()?;
        if now.abs_diff(last) < last / 200 {
            #[expect(clippy::cast_precision_loss, reason = "memory sizes are far below 2^52")]
            return Ok(now as f64 / 1e6);
        }
        last = now;
    }
}

/// A process and all that descend from it.
fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        next += 1;
        let tasks = std::fs::read_dir(Path::new("/proc").join(parent.to_string()).join("task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    family
}

/// Processor time that a process and all that descend from it have taken, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    // One that has just ended is counted by its parent.
    Ok(family(pid).into_iter().filter_map(|pid| ticks(&pid.to_string(), [11, 12]).ok()).sum::<f64>() / TICKS)
}

/// Processor time of the processes that this one started and that have ended, in seconds.
pub(crate) fn cpu_seconds_of_ended() -> Result<f64> {
    Ok(ticks("self", [13, 14])? / TICKS)
}

/// What /proc counts in: Linux tells user space of 100 in a second, whatever its timer does.
const TICKS: f64 = 100.0;

/// The sum of two fields of `/proc/PID/stat`, counted from the state behind the name in parentheses (proc(5) counts from
/// the PID: two more, from one).
fn ticks(pid: &str, fields: [usize; 2]) -> Result<f64> {
    let path = Path::new("/proc").join(pid).join("stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (_, rest) = text.rsplit_once(')').context("a name in parentheses")?;
    let words: Vec<_> = rest.split_whitespace().collect();
    let both = fields.map(|field| words.get(field).and_then(|word| word.parse::<f64>().ok()));
    both.into_iter().sum::<Option<f64>>().context("two numbers")
}

/// Proportional set size of a process, in bytes: its own memory, and its share of what it has in common with others.
fn pss_bytes(pid: u32) -> Result<u64> {
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
