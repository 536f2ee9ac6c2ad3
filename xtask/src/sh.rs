//! Running other programs: shown before they run, ended when they hang, their output kept for those who count.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A program to run, with arguments, folder and environment.
#[derive(Debug, Clone)]
pub(crate) struct Cmd {
    program: String,
    args: Vec<String>,
    dir: Option<PathBuf>,
    env: Vec<(String, String)>,
    without: Vec<String>,
    limit: Option<Duration>,
}

/// How a program ended and what it said on both outputs, line by line, as they came.
#[derive(Debug)]
pub(crate) struct Output {
    /// Exit status.
    pub(crate) status: ExitStatus,
    /// Lines of standard output and standard error, in order of arrival, without colour.
    pub(crate) lines: Vec<String>,
}

impl Output {
    /// The last lines, for an error message.
    fn tail(&self) -> String {
        let start = self.lines.len().saturating_sub(12);
        self.lines.get(start..).unwrap_or_default().join("\n")
    }
}

impl Cmd {
    /// A program by name or path.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_string_lossy().into_owned(),
            args: Vec::new(),
            dir: None,
            env: Vec::new(),
            without: Vec::new(),
            limit: None,
        }
    }

    /// More arguments.
    pub(crate) fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The folder to run in.
    pub(crate) fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_path_buf());
        self
    }

    /// One more environment variable.
    pub(crate) fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Environment variables that it must not see.
    pub(crate) fn without(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.without.extend(names);
        self
    }

    /// Ends it, with everything it started, when it takes longer.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The command line as a person would type it.
    fn line(&self) -> String {
        let program = Path::new(&self.program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        std::iter::once(program)
            .chain(self.args.iter().map(|arg| if arg.contains(' ') { format!("'{arg}'") } else { arg.clone() }))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn announce(&self) {
        println!("$ {}", self.line());
    }

    /// As a `std` command, for those who need the child itself.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        for name in &self.without {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it on this terminal; an error when it fails.
    pub(crate) fn run(&self) -> Result<()> {
        self.announce();
        let status = self.command().status().with_context(|| format!("cannot start `{}`", self.program))?;
        if !status.success() {
            bail!("`{}` failed ({status})", self.line());
        }
        Ok(())
    }

    /// Runs it silently and gives its standard output; `None` when it cannot be started or fails.
    pub(crate) fn ask(&self) -> Option<String> {
        let output = self.command().stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it without standard input, shows what it says and keeps it. Failing is not an error here.
    pub(crate) fn watch(&self) -> Result<Output> {
        self.announce();
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what it started can be ended together with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().with_context(|| format!("cannot start `{}`", self.program))?;
        let (sender, receiver) = mpsc::channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
            child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        ];
        for pipe in outputs.into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || forward(pipe, &sender));
        }
        drop(sender);

        let deadline = self.limit.map(|limit| Instant::now() + limit);
        let mut lines = Vec::new();
        loop {
            let wait = deadline.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(Instant::now()));
            match receiver.recv_timeout(wait) {
                Ok(line) => {
                    println!("{line}");
                    lines.push(without_colour(&line));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) if deadline.is_some_and(|at| at <= Instant::now()) => {
                    end_group(child.id());
                    child.kill().ok();
                    child.wait().ok();
                    bail!("`{}` was ended: it took longer than {:?}", self.line(), self.limit.unwrap_or_default());
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
        std::io::stdout().flush().ok();
        Ok(Output { status: child.wait()?, lines })
    }

    /// Like [`Cmd::watch`], but failing is an error.
    pub(crate) fn check(&self) -> Result<Output> {
        let output = self.watch()?;
        if !output.status.success() {
            bail!("`{}` failed ({})", self.line(), output.status);
        }
        Ok(output)
    }

    /// Runs it without showing its output unless it fails.
    pub(crate) fn check_quietly(&self) -> Result<String> {
        let output =
            self.command().stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", self.program))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            let said = text(&output.stdout) + &text(&output.stderr);
            let said = Output { status: output.status, lines: said.lines().map(str::to_owned).collect() };
            bail!("`{}` failed ({})\n{}", self.line(), output.status, said.tail());
        }
        Ok(text(&output.stdout))
    }
}

fn forward(pipe: Box<dyn Read + Send>, to: &mpsc::Sender<String>) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(count) if count > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
        line.clear();
        if to.send(text).is_err() {
            break;
        }
    }
}

/// Ends a process group by its leader's ID, by the program `kill`: this workspace has no unsafe code of its own.
fn end_group(leader: u32) {
    if cfg!(unix) {
        Command::new("kill").args(["-KILL", "--", &format!("-{leader}")]).status().ok();
    }
}

/// Takes the escape sequences for colour out of a line.
pub(crate) fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        if char == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(char);
        }
    }
    plain
}

/// Whether a program of this name can be started, searched as the shell does, and where administrators' programs are.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .any(|dir| dir.join(name).is_file() || dir.join(format!("{name}.exe")).is_file())
}

/// Whether this runs in CI: then nothing may ask, and what cannot be tested is a failure.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_taken_out() {
        assert_eq!(without_colour("\u{1b}[32;1mok\u{1b}[0m 3"), "ok 3");
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_hangs_is_ended() {
        let started = Instant::now();
        let result = Cmd::new("sh").args(["-c", "sleep 60"]).limit(Duration::from_millis(200)).watch();
        assert!(result.is_err(), "because it took longer than its limit");
        assert!(started.elapsed() < Duration::from_secs(20), "because it does not wait for the sleeper");
    }

    #[cfg(unix)]
    #[test]
    fn both_outputs_are_kept() {
        let output = Cmd::new("sh").args(["-c", "echo one; echo two >&2"]).watch().unwrap();
        let mut lines = output.lines;
        lines.sort();
        assert_eq!(lines, ["one", "two"]);
    }
}
