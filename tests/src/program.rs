//! A program that runs on a machine until it is ended or killed, and says in one line of JSON that it is ready.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde::de::DeserializeOwned;

use crate::until::{SOON, until};

/// The program.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it, its standard error going to the end of a log, and gives it with what it printed when it was ready.
    pub(crate) fn start<Ready: DeserializeOwned>(mut command: Command, log: &Path) -> (Self, Ready) {
        let said = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(said).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            panic!("a program did not become ready: it printed {line:?} ({error}) and said:\n{said}")
        });
        // Whatever it prints later must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        (Self { child, log: log.to_owned() }, ready)
    }

    /// Its process ID.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, as a power cut would: no goodbye, nothing written.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn end(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().unwrap();
        assert!(asked.success(), "it still runs, so it can be asked to end");
        let status = until("the program ends", SOON, || self.child.try_wait().unwrap());
        assert!(status.success(), "it ends cleanly on SIGTERM, but: {status}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        if thread::panicking() {
            let tail: Vec<_> = said.lines().rev().take(60).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            println!("──── {}\n{}", self.log.display(), tail.join("\n"));
        } else {
            assert!(!said.contains("panicked at"), "a program panicked:\n{said}");
        }
    }
}
