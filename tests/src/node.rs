//! A running `landline node`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde::Deserialize;

use crate::host::{Host, landline};
use crate::until::{SOON, until};

/// What a node prints when it is ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// The machine ID.
    pub machine_id: String,
    /// Where the local API answers.
    pub api: String,
    /// Where peers reach it.
    pub listen: String,
}

/// The program, running until it is ended or killed.
#[derive(Debug)]
pub struct Node {
    program: Child,
    ready: Ready,
    log: PathBuf,
}

impl Node {
    pub(crate) fn start(host: &Host, args: &[&str]) -> Self {
        let log = host.disk().join("node.log");
        let said = File::options().create(true).append(true).open(&log).unwrap();
        let mut program = host
            .command(&landline())
            .args(["node", "--json", "--name", host.name()])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(program.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("{} did not become ready: it printed {line:?} ({error}) and said:\n{said}", host.name())
        });
        // Whatever it prints later must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { program, ready, log }
    }

    /// The machine ID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.ready.machine_id
    }

    /// What it printed when it was ready.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Its process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program.id()
    }

    /// Kills it, as a power cut would: no goodbye, nothing written.
    ///
    /// # Panics
    /// When it can't be killed.
    pub fn kill(mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Panics
    /// When it does not end soon, or not cleanly.
    pub fn end(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(asked.success(), "it still runs, so it can be asked to end");
        let status = until("the node ends", SOON, || self.program.try_wait().unwrap());
        assert!(status.success(), "it ends cleanly on SIGTERM, but: {status}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.program.kill().ok();
        self.program.wait().ok();
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        if thread::panicking() {
            let tail: Vec<_> = said.lines().rev().take(60).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            println!("──── {}\n{}", self.log.display(), tail.join("\n"));
        } else {
            assert!(!said.contains("panicked at"), "a node panicked:\n{said}");
        }
    }
}
