//! A running `landline node`.

use serde::Deserialize;

use crate::host::{Host, landline};
use crate::program::Program;

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
    program: Program,
    ready: Ready,
}

impl Node {
    pub(crate) fn start(host: &Host, args: &[&str]) -> Self {
        let mut command = host.command(&landline());
        command.args(["node", "--json", "--name", host.name()]).args(args);
        let (program, ready) = Program::start(command, &host.disk().join("node.log"));
        Self { program, ready }
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
        self.program.pid()
    }

    /// Kills it, as a power cut would: no goodbye, nothing written.
    ///
    /// # Panics
    /// When it can't be killed.
    pub fn kill(self) {
        self.program.kill();
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Panics
    /// When it does not end soon, or not cleanly.
    pub fn end(self) {
        self.program.end();
    }
}
