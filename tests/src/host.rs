//! A machine in the lab.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::follow::Follow;
use crate::lab::{Door, Namespace};
use crate::node::Node;
use crate::until::{SOON, until};

/// A machine: a host name, a cable, a disk of its own.
#[derive(Debug)]
pub struct Host {
    name: String,
    namespace: Namespace,
    switch: Door,
    port: String,
    address: u8,
    disk: TempDir,
}

impl Host {
    pub(crate) fn new(name: &str, namespace: Namespace, switch: Door, port: String, number: u8) -> Self {
        let disk = tempfile::Builder::new().prefix(&format!("landline-{name}-")).tempdir().unwrap();
        for dir in ["data", "home", "run"] {
            std::fs::create_dir(disk.path().join(dir)).unwrap();
        }
        let host = Self { name: name.to_owned(), namespace, switch, port, address: number, disk };
        // Addresses are usable at once: nobody else is here to have the same, so nothing needs to be probed.
        host.namespace.ip("link set eth0 addrgenmode none");
        host.plug();
        host
    }

    /// Its name, which is also the name of its node.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its disk; `data` on it is the profile.
    #[must_use]
    pub fn disk(&self) -> &Path {
        self.disk.path()
    }

    /// Puts the profile on a disk of its own that holds so little. Only programs of this machine see what is on it.
    pub fn use_small_disk(&self, mebibytes: u32) {
        let data = self.data_dir().to_string_lossy().into_owned();
        self.namespace.run("mount", &["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs", &data]);
    }

    /// Fills the disk of [`Host::use_small_disk`] to the last byte.
    pub fn fill_disk(&self) {
        let script = format!("! cat /dev/zero > {}/ballast", self.data_dir().display());
        self.namespace.run("sh", &["-c", &script]);
    }

    /// Gives the room of [`Host::fill_disk`] back.
    pub fn free_disk(&self) {
        self.namespace.run("rm", &[&format!("{}/ballast", self.data_dir().display())]);
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.disk.path().join("data")
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("10.77.0.{}", self.address)
    }

    pub(crate) fn door(&self) -> Door {
        self.namespace.door()
    }

    fn plug(&self) {
        self.namespace.ip("link set eth0 up");
        self.namespace.ip(&format!("addr add {}/24 dev eth0 broadcast +", self.address()));
        self.namespace.ip(&format!("addr add fe80::{:x}/64 dev eth0 nodad", self.address));
    }

    /// Pulls the cable: the machine sees that it has none.
    pub fn cut(&self) {
        self.switch.ip(&format!("link set {} down", self.port));
    }

    /// Plugs the cable in again.
    pub fn heal(&self) {
        self.switch.ip(&format!("link set {} up", self.port));
    }

    /// Gives it other addresses, as a network does when a lease ends.
    pub fn change_address(&mut self) {
        self.namespace.ip("addr flush dev eth0");
        self.address += 100;
        self.plug();
    }

    /// Lets nothing through, while the cable looks sound, as a switch or an access point that has hung up.
    pub fn silence(&self) {
        self.filter("add table inet silence");
        for hook in ["input", "output"] {
            self.filter(&format!(
                "add chain inet silence {hook} {{ type filter hook {hook} priority 0; policy accept; }}"
            ));
            self.filter(&format!("add rule inet silence {hook} meta {} eth0 drop", direction(hook)));
        }
    }

    /// Ends [`Host::silence`].
    pub fn speak(&self) {
        self.filter("delete table inet silence");
    }

    /// A firewall that refuses connections from outside silently. Multicast and broadcast still arrive.
    pub fn refuse_dialling(&self) {
        self.firewall("tcp flags & (syn | ack) == syn drop");
    }

    /// A firewall that drops everything that this machine did not ask for, discovery included.
    pub fn refuse_everything_unasked(&self) {
        self.firewall("ct state new drop");
    }

    fn firewall(&self, rule: &str) {
        self.filter("add table inet firewall");
        self.filter("add chain inet firewall input { type filter hook input priority 0; policy accept; }");
        self.filter(&format!("add rule inet firewall input iifname eth0 {rule}"));
    }

    /// Loses this share of all packets, in both directions.
    pub fn lose(&self, percent: u8) {
        self.filter("add table inet loss");
        for hook in ["input", "output"] {
            self.filter(&format!(
                "add chain inet loss {hook} {{ type filter hook {hook} priority 0; policy accept; }}"
            ));
            let rule = format!("meta {} eth0 numgen random mod 100 < {percent} drop", direction(hook));
            self.filter(&format!("add rule inet loss {hook} {rule}"));
        }
    }

    /// Lets it send no more than this, as an ordinary network would.
    pub fn narrow(&self, megabits: u32) {
        let rate = format!("{megabits}mbit");
        let words = ["qdisc", "add", "dev", "eth0", "root", "tbf", "rate", &rate, "burst", "64kb", "latency", "50ms"];
        self.namespace.run("tc", &words);
    }

    /// How many bytes it has sent so far, with everything that belongs to a frame.
    ///
    /// # Panics
    /// When the system does not say.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        let said: Value = serde_json::from_str(&self.namespace.ip("-json -statistics link show dev eth0")).unwrap();
        said[0]["stats64"]["tx"]["bytes"].as_u64().expect("the interface counts")
    }

    fn filter(&self, command: &str) {
        self.namespace.run("nft", &[command]);
    }

    /// A program to be run on this machine, with a home, a profile and none of the person's environment.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = self.namespace.enter(&program.to_string_lossy());
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env_clear()
            .env("PATH", format!("{path}:/usr/sbin:/sbin"))
            .env("HOME", self.disk.path().join("home"))
            .env("XDG_RUNTIME_DIR", self.disk.path().join("run"))
            // No key ring and no desktop: whatever asks for one is told at once that there is none.
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
            .env("LANDLINE_DATA_DIR", self.data_dir())
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }

    /// Starts `landline node` here and waits until it is ready.
    ///
    /// # Panics
    /// When it is not ready soon.
    #[must_use]
    pub fn start_node(&self, args: &[&str]) -> Node {
        Node::start(self, args)
    }

    /// Runs `landline` with these arguments and `--json`, and gives what it printed.
    ///
    /// # Errors
    /// What it said on standard error, when it failed.
    ///
    /// # Panics
    /// When it printed something else than JSON.
    pub fn cli(&self, args: &[&str]) -> Result<Value, String> {
        let output = self.command(&landline()).args(args).arg("--json").output().unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let text = String::from_utf8(output.stdout).unwrap();
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_str(&text).unwrap_or_else(|error| panic!("landline {args:?} printed {text:?}: {error}")))
    }

    /// Asks the desktop application to end, as the system does at the end of a session, and waits until it has.
    ///
    /// # Panics
    /// When it does not run, or does not end soon.
    pub fn end_desktop(&self) {
        self.signal_desktop("-TERM");
    }

    /// Kills the desktop application as a power cut would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill_desktop(&self) {
        self.signal_desktop("-KILL");
    }

    /// Follows the node's stream of changes from now on.
    #[must_use]
    pub fn follow(&self) -> Follow {
        Follow::start(self)
    }

    /// Sends the application a signal that ends it, and waits until it has.
    fn signal_desktop(&self, signal: &str) {
        let api: Value = serde_json::from_slice(&std::fs::read(self.data_dir().join("api.json")).unwrap()).unwrap();
        let pid = api["pid"].as_u64().expect("api.json names the process").to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success(), "it runs");
        until("the application ends", SOON, || (!Path::new("/proc").join(&pid).join("exe").exists()).then_some(()));
    }
}

fn direction(hook: &str) -> &'static str {
    if hook == "input" { "iifname" } else { "oifname" }
}

/// The command line under test.
pub(crate) fn landline() -> PathBuf {
    program("landline")
}

/// A program under test: beside the tests, in the same target directory.
pub(crate) fn program(name: &str) -> PathBuf {
    let dir = std::env::var_os("LANDLINE_BIN_DIR")
        .map_or_else(|| std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_path_buf(), PathBuf::from);
    let program = dir.join(name);
    assert!(program.is_file(), "{} is missing: build it with `cargo build --workspace`", program.display());
    program
}
