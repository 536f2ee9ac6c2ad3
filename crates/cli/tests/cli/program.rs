//! Running `landline`.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take. Long, because machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program, without anything of the environment that could lead it to a real profile.
pub(crate) fn landline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landline"));
    for name in
        ["LANDLINE_DATA_DIR", "LANDLINE_API", "LANDLINE_TOKEN", "LANDLINE_LOG", "PORT", "HTTP_PROXY", "http_proxy"]
    {
        command.env_remove(name);
    }
    command.env("XDG_DATA_HOME", "/nonexistent").env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts success, and gives what was printed.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// Asserts success with one line of JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let out = self.ok();
        assert_eq!(out.matches('\n').count(), 1, "because JSON comes in one line: {out}");
        serde_json::from_str(&out).unwrap()
    }

    /// Asserts that it failed with one clear line on standard error, and gives that line.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{}", self.err);
        assert!(self.err.starts_with("landline: ") && self.err.trim_end().lines().count() == 1, "{}", self.err);
        self.err
    }
}

/// A running node.
pub(crate) struct Node {
    child: Child,
    dir: TempDir,
    pub(crate) ready: Value,
}

impl Node {
    /// A new node with a name, in a directory of its own.
    pub(crate) fn new(name: &str) -> Self {
        Self::start(tempfile::tempdir().unwrap(), &["--name", name])
    }

    /// A node in a directory.
    pub(crate) fn start(dir: TempDir, more: &[&str]) -> Self {
        let mut command = Self::command(dir.path(), "127.0.0.1:0");
        if !more.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut child = command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let first = lines(&mut child).recv_timeout(PATIENCE);
        let line = first.unwrap_or_else(|_| {
            let _ = child.kill();
            let mut err = String::new();
            child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            panic!("the node did not get ready: {err}")
        });
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["ready"], true);
        // Nobody reads it further, so it must not fill up.
        let mut err = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
        Self { child, dir, ready }
    }

    /// The command that starts a node; where it listens is not yet said.
    pub(crate) fn command(dir: &Path, api: &str) -> Command {
        let mut command = landline();
        command.args(["node", "--json", "--no-mdns", "--no-beacon", "--key-store", "file"]);
        command.arg("--data-dir").arg(dir).args(["--api", api]);
        command
    }

    pub(crate) fn id(&self) -> String {
        self.ready["machineId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn listen(&self) -> String {
        self.ready["listen"].as_str().unwrap().to_owned()
    }

    pub(crate) fn api(&self) -> String {
        self.ready["api"].as_str().unwrap().to_owned()
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A command for this node.
    pub(crate) fn command_for<A: AsRef<OsStr>>(&self, args: &[A]) -> Command {
        let mut command = landline();
        command.env("LANDLINE_DATA_DIR", self.dir()).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command_for(args))
    }

    /// Runs with something on standard input.
    pub(crate) fn run_with(&self, input: &[u8], args: &[&str]) -> Ran {
        let mut command = self.command_for(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It need not read all of it.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ran::from(child.wait_with_output().unwrap())
    }

    /// Waits until a command prints these words. The command line shows what is now; nothing tells it of what will be.
    pub(crate) fn waits_for(&self, args: &[&str], words: &str) {
        waits_until(&format!("{args:?} says {words:?}"), || self.run(args).ok().contains(words));
    }

    /// Waits until so many programs listen: `follow` says nothing when it begins. The only sign is a count to look at.
    pub(crate) fn heard_by(&self, listeners: u32) {
        let authority = self.api().replace("http://", "");
        waits_until(&format!("{listeners} listen"), || {
            let mut stream = std::net::TcpStream::connect(&authority).unwrap();
            write!(stream, "GET /metrics HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer.contains(&format!("\nlandline_api_clients {listeners}\n"))
        });
    }

    /// Sends a signal, and gives the exit code.
    pub(crate) fn signal(&mut self, name: &str) -> Option<i32> {
        signal(&mut self.child, name)
    }

    /// Ends it as asked, and gives its directory for another start.
    pub(crate) fn end(mut self, signal: &str) -> TempDir {
        self.signal(signal);
        let elsewhere = tempfile::tempdir().unwrap();
        std::mem::replace(&mut self.dir, elsewhere)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that prints lines as they come.
pub(crate) struct Follower {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Follower {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = lines(&mut child);
        Self { child, lines }
    }

    /// The next line.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line comes")
    }

    /// The next line, as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Sends a signal, and gives the exit code.
    pub(crate) fn signal(&mut self, name: &str) -> Option<i32> {
        signal(&mut self.child, name)
    }

    /// What has come and was not asked for.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &mut Child, name: &str) -> Option<i32> {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    child.wait().unwrap().code()
}

fn lines(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Looks again and again until something is so: for what shows itself to nobody but who looks.
pub(crate) fn waits_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never so: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}
