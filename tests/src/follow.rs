//! What a node reports as it happens, as `landline follow --json` prints it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::{Host, landline};

/// A node's stream of changes.
#[derive(Debug)]
pub struct Follow {
    program: Child,
    lines: Receiver<Value>,
    seen: VecDeque<Value>,
    name: String,
}

impl Follow {
    pub(crate) fn start(host: &Host) -> Self {
        let mut program = host.command(&landline()).args(["follow", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(program.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let Ok(change) = serde_json::from_str(&line) else { continue };
                if sender.send(change).is_err() {
                    break;
                }
            }
        });
        Self { program, lines, seen: VecDeque::new(), name: host.name().to_owned() }
    }

    /// Waits for a change that fits, and gives it. Those before it are kept out of the way.
    ///
    /// # Panics
    /// When none comes within `limit`.
    pub fn wait<T>(&mut self, what: &str, limit: Duration, mut fits: impl FnMut(&Value) -> Option<T>) -> T {
        let until = Instant::now() + limit;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(change) => {
                    if let Some(found) = fits(&change) {
                        return found;
                    }
                    self.seen.push_back(change);
                    if self.seen.len() > 8 {
                        self.seen.pop_front();
                    }
                }
                Err(error) => {
                    panic!("{}: waited {limit:?} in vain: {what} ({error}); last seen: {:#?}", self.name, self.seen)
                }
            }
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.program.kill().ok();
        self.program.wait().ok();
    }
}
