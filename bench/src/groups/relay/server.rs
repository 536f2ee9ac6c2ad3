//! The relay that is measured: the real program, with limits that no measurement meets.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use super::super::Bench;
use crate::process::{Process, landline};

/// As much as each of these takes.
const UNLIMITED: &str = "1000000000";

/// Limits that would end a measurement, or be what is measured.
const LIMITS: [&str; 9] = [
    "--items",
    "--mailboxes",
    "--puts-per-minute",
    "--puts-burst",
    "--opens-per-minute",
    "--connections-per-minute",
    "--connections-per-source",
    "--connections",
    "--frames-per-second",
];

/// A running relay with a folder of its own.
pub(super) struct Server {
    pub(super) process: Process,
    /// Its address, as clients need it.
    pub(super) address: String,
    _dir: TempDir,
}

impl Server {
    /// Without TLS, or with a certificate of its own.
    pub(super) fn start(bench: &Bench, plain: bool) -> Result<Self> {
        let dir = bench.scratch()?;
        let mut command = Command::new(landline()?);
        command.args(["relay", "--json", "--listen", "127.0.0.1:0", "--mailbox-mib", "4000", "--data-dir"]);
        command.arg(dir.path());
        for limit in LIMITS {
            command.args([limit, UNLIMITED]);
        }
        if plain {
            command.arg("--plain");
        }
        let process = Process::start(&mut command, "landline relay")?;
        let (_, ready) = process.wait("ready")?;
        let address = ready.get("address").and_then(Value::as_str).context("an address")?.to_owned();
        Ok(Self { process, address, _dir: dir })
    }
}
