//! Servers of the distribution that stand beside the relay. One that is not there is a note, not a failure.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Error, Result, bail};
use tempfile::TempDir;

use super::super::Bench;
use super::super::delivery::per_second;
use super::super::files::Took;
use super::passing::each_100_000;
use crate::figure::{Reference, Report, Samples};
use crate::private::search_path;
use crate::process::Process;
use crate::roles::{XMPP_ACCOUNTS, XMPP_DOMAIN};

/// A running server with a folder of its own.
pub(super) struct Peer {
    pub(super) process: Process,
    /// Where it listens.
    pub(super) address: String,
    _dir: TempDir,
}

/// A port of loopback that is free.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Peer {
    /// Mosquitto, which keeps nothing.
    pub(super) fn mosquitto(bench: &Bench) -> Result<Self> {
        let (dir, port) = (bench.scratch()?, free_port()?);
        let config = dir.path().join("mosquitto.conf");
        let text = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n\
             log_dest stderr\n"
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(&config).env("PATH", search_path());
        let process = Process::start(&mut command, "mosquitto")?;
        process.wait_for_text(" running")?;
        Ok(Self { process, address: format!("127.0.0.1:{port}"), _dir: dir })
    }

    /// Prosody with the least that it needs to let its accounts talk, and to keep what they miss.
    pub(super) fn prosody(bench: &Bench) -> Result<Self> {
        let (dir, port) = (bench.scratch()?, free_port()?);
        let config = dir.path().join("prosody.cfg.lua");
        std::fs::write(&config, prosody_config(dir.path(), port)?)?;
        let run = |program: &str| {
            let mut command = Command::new(program);
            command.arg("--config").arg(&config).env("PATH", search_path());
            command
        };
        for account in XMPP_ACCOUNTS {
            let made = run("prosodyctl").args(["register", account, XMPP_DOMAIN, account]).output();
            let made = made.context("cannot start prosodyctl")?;
            if !made.status.success() {
                bail!("prosodyctl made no account: {}", String::from_utf8_lossy(&made.stdout));
            }
        }
        let process = Process::start(run("prosody").arg("--foreground"), "prosody")?;
        process.wait_for_text("Activated service 'c2s' on [127.0.0.1]")?;
        Ok(Self { process, address: format!("127.0.0.1:{port}"), _dir: dir })
    }
}

fn prosody_config(dir: &Path, port: u16) -> Result<String> {
    let mut text = String::new();
    for key in ["data_path", "certificates"] {
        writeln!(text, "{key} = {:?}", dir.to_string_lossy())?;
    }
    writeln!(text, "pidfile = {:?}", dir.join("pid").to_string_lossy())?;
    writeln!(text, "c2s_ports = {{ {port} }}")?;
    text.push_str(
        r#"interfaces = { "127.0.0.1" }
run_as_root = true
prosody_user = "root"
log = { info = "*console" }
modules_enabled = { "roster", "saslauth", "ping", "offline" }
modules_disabled = { "s2s", "tls" }
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
"#,
    );
    writeln!(text, "VirtualHost {XMPP_DOMAIN:?}")?;
    Ok(text)
}

/// What a server took, round by round, until it could not be measured.
pub(super) struct Beside {
    name: &'static str,
    rate: Samples,
    cpu: Samples,
    failed: Option<Error>,
}

impl Beside {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, rate: Samples::default(), cpu: Samples::default(), failed: None }
    }

    /// One more round of so many messages, unless one has failed.
    pub(super) fn round(&mut self, count: usize, measure: impl FnOnce() -> Result<Took>) {
        if self.failed.is_some() {
            return;
        }
        match measure() {
            Ok(took) => {
                self.rate.push(per_second(count, took.seconds));
                self.cpu.push(each_100_000(count, took.cpu));
            }
            Err(error) => self.failed = Some(error),
        }
    }

    /// Messages a second.
    pub(super) fn rate(&self) -> Option<Reference> {
        self.reference(&self.rate)
    }

    /// Its processor seconds for each 100,000 messages.
    pub(super) fn cpu(&self) -> Option<Reference> {
        self.reference(&self.cpu)
    }

    fn reference(&self, samples: &Samples) -> Option<Reference> {
        self.failed.is_none().then(|| Reference { name: self.name, samples: samples.clone() })
    }

    /// Says why it is missing, when it is.
    pub(super) fn note(self, report: &mut Report) {
        if let Some(error) = self.failed {
            report.notes.push(format!("{} does not stand beside: {error:#}", self.name));
        }
    }
}
