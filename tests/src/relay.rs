//! A running `landline relay`.

use std::fs;

use serde::Deserialize;
use serde_json::Value;

use crate::host::{Host, landline, program};
use crate::program::Program;

/// What a relay prints when it is ready.
#[derive(Debug, Deserialize)]
struct Ready {
    address: String,
}

/// A relay: a machine, and the program on it while it runs.
#[derive(Debug)]
pub struct Relay {
    /// The machine.
    pub host: Host,
    args: Vec<String>,
    program: Option<Program>,
    address: String,
}

impl Relay {
    /// Starts a relay that encrypts with a certificate of its own, whose key its address names.
    #[must_use]
    pub fn start(host: Host) -> Self {
        let args = ["--host", &host.address()].map(str::to_owned).to_vec();
        Self::with(host, args)
    }

    /// Starts a relay that leaves what is between it and its clients as it is, so that a capture of its packets shows all
    /// that it sees.
    #[must_use]
    pub fn start_plain(host: Host) -> Self {
        let address = host.address();
        let origin = format!("ws://{address}:4282");
        // Tests ask for its figures often.
        let often = ["--connections-per-minute", "60000"];
        let args = [&["--host", &address, "--plain", "--origin", &origin], &often[..]].concat();
        let args = args.into_iter().map(str::to_owned).collect();
        Self::with(host, args)
    }

    fn with(host: Host, args: Vec<String>) -> Self {
        let mut relay = Self { host, args, program: None, address: String::new() };
        relay.returns();
        relay
    }

    /// Its address, as its clients are given it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Kills it as a power cut would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn is_killed(&mut self) {
        self.program.take().expect("the relay runs").kill();
    }

    /// Ends it in order.
    ///
    /// # Panics
    /// When it does not run, or does not end soon.
    pub fn leaves(&mut self) {
        self.program.take().expect("the relay runs").end();
    }

    /// Starts it again on the same folder.
    ///
    /// # Panics
    /// When its address has changed.
    pub fn returns(&mut self) {
        let mut command = self.host.command(&landline());
        command.args(["relay", "--json"]).args(&self.args);
        let (program, ready) = Program::start(command, &self.host.disk().join("relay.log"));
        let Ready { address } = ready;
        assert!(self.address.is_empty() || self.address == address, "a relay keeps its address over a restart");
        self.address = address;
        self.program = Some(program);
    }

    /// Takes away all it kept but its certificate, which its operator has elsewhere, too.
    ///
    /// # Panics
    /// When it runs, or when nothing was there.
    pub fn loses_its_disk(&mut self) {
        assert!(self.program.is_none(), "a program's disk is not taken away under it");
        let mut lost = 0;
        for entry in fs::read_dir(self.host.data_dir()).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_dir() {
                fs::remove_dir_all(entry.path()).unwrap();
            } else if entry.path().extension().is_none_or(|extension| extension != "pem") {
                fs::remove_file(entry.path()).unwrap();
                lost += 1;
            }
        }
        assert!(lost > 0, "the relay had a database");
    }

    /// One of the figures of a relay that does not encrypt, by the name that `/metrics` gives it.
    ///
    /// # Panics
    /// When it does not tell.
    #[must_use]
    pub fn figure(&self, name: &str) -> u64 {
        let url = format!("http://{}:4282/metrics", self.host.address());
        let output = self.host.command(&program("lab-client")).args(["get", &url]).output().unwrap();
        assert!(output.status.success(), "metrics: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let line =
            text.lines().find_map(|line| line.strip_prefix("landline_relay_")?.strip_prefix(name)?.strip_prefix(' '));
        let value = line.unwrap_or_else(|| panic!("the relay has no figure {name}:\n{text}"));
        serde_json::from_str::<Value>(value).unwrap().as_u64().unwrap()
    }
}
