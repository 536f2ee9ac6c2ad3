//! A machine in the lab.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::capture::Capture;
use crate::follow::Follow;
use crate::lab::{Door, Namespace};
use crate::node::Node;
use crate::until::{SOON, until};

/// A cable from a machine to a switch.
#[derive(Debug)]
pub(crate) struct Cable {
    pub(crate) switch: Door,
    /// Where it ends at the switch.
    pub(crate) port: String,
    /// What it is at the machine: `eth0` on a LAN, `eth1` on the internet.
    pub(crate) interface: &'static str,
    /// The first three numbers of the machine's address on it.
    pub(crate) net: &'static str,
}

impl Cable {
    fn set(&self, state: &str) {
        self.switch.ip(&format!("link set {} {state}", self.port));
    }
}

/// A machine: a host name, a cable or two, a disk of its own.
#[derive(Debug)]
pub struct Host {
    name: String,
    namespace: Namespace,
    cables: Vec<Cable>,
    address: u8,
    disk: TempDir,
}

impl Host {
    pub(crate) fn new(name: &str, namespace: Namespace, cables: Vec<Cable>, number: u8) -> Self {
        let disk = tempfile::Builder::new().prefix(&format!("landline-{name}-")).tempdir().unwrap();
        for dir in ["data", "home", "run"] {
            std::fs::create_dir(disk.path().join(dir)).unwrap();
        }
        let host = Self { name: name.to_owned(), namespace, cables, address: number, disk };
        for cable in &host.cables {
            // Addresses are usable at once: nobody else is here to have the same, so nothing needs to be probed.
            host.namespace.ip(&format!("link set {} addrgenmode none", cable.interface));
            host.plug(cable);
        }
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

    /// Its IPv4 address: on its LAN, or on the internet when it is on no LAN.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}.{}", self.cables[0].net, self.address)
    }

    /// The cable that leads to the internet.
    pub(crate) fn uplink(&self) -> &Cable {
        self.cables.iter().find(|cable| cable.interface == "eth1").expect("the machine is on the internet")
    }

    pub(crate) fn door(&self) -> Door {
        self.namespace.door()
    }

    fn plug(&self, Cable { interface, net, .. }: &Cable) {
        self.namespace.ip(&format!("link set {interface} up"));
        self.namespace.ip(&format!("addr add {net}.{}/24 dev {interface} broadcast +", self.address));
        self.namespace.ip(&format!("addr add fe80::{:x}/64 dev {interface} nodad", self.address));
    }

    /// Pulls the cable to the LAN: the machine sees that it has none.
    pub fn cut(&self) {
        self.cables[0].set("down");
    }

    /// Plugs the cable to the LAN in again.
    pub fn heal(&self) {
        self.cables[0].set("up");
    }

    /// Pulls the cable to the internet.
    ///
    /// # Panics
    /// When it has none.
    pub fn cut_uplink(&self) {
        self.uplink().set("down");
    }

    /// Plugs the cable to the internet in again.
    ///
    /// # Panics
    /// When it has none.
    pub fn heal_uplink(&self) {
        self.uplink().set("up");
    }

    /// Gives it other addresses, as a network does when a lease ends.
    pub fn change_address(&mut self) {
        self.namespace.ip("addr flush dev eth0");
        self.address += 100;
        self.plug(&self.cables[0]);
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

    /// Loses this share of all packets on each of its cables, in both directions.
    pub fn lose(&self, percent: u8) {
        self.filter("add table inet loss");
        for hook in ["input", "output"] {
            self.filter(&format!(
                "add chain inet loss {hook} {{ type filter hook {hook} priority 0; policy accept; }}"
            ));
            let rule = format!("meta {} \"eth*\" numgen random mod 100 < {percent} drop", direction(hook));
            self.filter(&format!("add rule inet loss {hook} {rule}"));
        }
    }

    /// Lets it send no more than this on each of its cables, as an ordinary network would. What was said before ends.
    pub fn narrow(&self, megabits: u32) {
        let rate = format!("{megabits}mbit");
        for Cable { interface, .. } in &self.cables {
            let words = ["qdisc", "replace", "dev", interface, "root", "tbf", "rate", &rate];
            self.namespace.run("tc", &[&words[..], &["burst", "64kb", "latency", "50ms"]].concat());
        }
    }

    /// How many bytes it has sent so far on all its cables, with everything that belongs to a frame.
    ///
    /// # Panics
    /// When the system does not say.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        let sent = |Cable { interface, .. }: &Cable| {
            let said = self.namespace.ip(&format!("-json -statistics link show dev {interface}"));
            let said: Value = serde_json::from_str(&said).unwrap();
            said[0]["stats64"]["tx"]["bytes"].as_u64().expect("the interface counts")
        };
        self.cables.iter().map(sent).sum()
    }

    /// Writes down every packet that comes or goes at this machine, until the value ends.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn capture(&self) -> Capture {
        Capture::start(self)
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

    /// Runs `landline` with these arguments, and gives what it printed for people.
    ///
    /// # Panics
    /// When it failed.
    #[must_use]
    pub fn told(&self, args: &[&str]) -> String {
        let output = self.command(&landline()).args(args).output().unwrap();
        assert!(output.status.success(), "landline {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
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
