//! Networks of their own: a switch, cables to hosts, and where a test needs more, another LAN and an internet.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::host::{Cable, Host};

/// The bridges, all in one namespace: the LAN, another one, and what lies between them.
const LAN: &str = "switch";
const FAR_LAN: &str = "annex";
const INTERNET: &str = "internet";

/// A network that nothing outside can see. As root it is a network namespace, else one in a user namespace.
///
/// There are two LANs in it and an internet. The LANs can be joined by a trunk, then they are one: both use 10.77.0.0/24,
/// with no address twice. On the internet (10.88.0.0/24) machines reach relays and nothing of each other, as behind
/// routers that let nothing in.
#[derive(Debug)]
pub struct Lab {
    switch: Namespace,
    hosts: u8,
}

impl Lab {
    /// Makes one. Where that can't be done (no Linux, no root and no unprivileged user namespaces) this says so and
    /// gives nothing, and the test has nothing to show; in CI that is a failure.
    ///
    /// # Panics
    /// In CI when it can't be made, and when making it fails halfway.
    #[must_use]
    pub fn new() -> Option<Self> {
        let as_root = ["unshare", "--net", "--uts"].as_slice();
        let as_anyone = ["unshare", "--user", "--map-root-user", "--net", "--uts"].as_slice();
        let Some((way, in_user_namespace)) =
            [(as_root, false), (as_anyone, true)].into_iter().find(|(way, _)| succeeds(way))
        else {
            let why = "skipped: no network namespaces here; they need Linux and root or unprivileged user namespaces";
            assert!(std::env::var_os("CI").is_none(), "{why}");
            println!("{why}");
            return None;
        };
        let mut command = Command::new(way[0]);
        command.args(&way[1..]);
        let switch = Namespace::start(command, "switch", in_user_namespace);
        switch.ip("link set lo up");
        for bridge in [LAN, FAR_LAN, INTERNET] {
            // An ordinary switch floods multicast and forwards at once.
            switch.ip(&format!("link add {bridge} type bridge forward_delay 0 mcast_snooping 0"));
            switch.ip(&format!("link set {bridge} up"));
        }
        switch.ip("link add trunk type veth peer name far-trunk");
        switch.ip(&format!("link set trunk master {LAN}"));
        switch.ip(&format!("link set far-trunk master {FAR_LAN}"));
        Some(Self { switch, hosts: 0 })
    }

    /// A machine with a cable to the switch: `10.77.0.N/24`, and an IPv6 link-local address.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn host(&mut self, name: &str) -> Host {
        self.machine(name, &[LAN])
    }

    /// A machine with a cable to the switch, and one to the internet.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn online_host(&mut self, name: &str) -> Host {
        self.machine(name, &[LAN, INTERNET])
    }

    /// A machine on the other LAN, with a cable to the internet.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn far_host(&mut self, name: &str) -> Host {
        self.machine(name, &[FAR_LAN, INTERNET])
    }

    /// A machine that all on the internet reach: `10.88.0.N/24` and nothing else.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn relay_host(&mut self, name: &str) -> Host {
        let host = self.machine(name, &[INTERNET]);
        self.switch.ip(&format!("link set {} type bridge_slave isolated off", host.uplink().port));
        host
    }

    /// Joins the two LANs.
    pub fn merge(&self) {
        for end in ["trunk", "far-trunk"] {
            self.switch.ip(&format!("link set {end} up"));
        }
    }

    /// Parts them. No machine sees its own cable go.
    pub fn part(&self) {
        self.switch.ip("link set trunk down");
        self.switch.ip("link set far-trunk down");
    }

    /// A machine with cables to these bridges.
    fn machine(&mut self, name: &str, bridges: &[&str]) -> Host {
        self.hosts += 1;
        let mut command = self.switch.enter("unshare");
        command.args(["--net", "--uts", "--mount"]);
        let namespace = Namespace::start(command, name, self.switch.in_user_namespace);
        namespace.run("hostname", &[name]);
        namespace.ip("link set lo up");
        let lay = |bridge: &&str| {
            let (interface, net) = if *bridge == INTERNET { ("eth1", "10.88.0") } else { ("eth0", "10.77.0") };
            let port = format!("port{}-{interface}", self.hosts);
            self.switch.ip(&format!("link add {port} type veth peer name {interface} netns {}", namespace.pid()));
            self.switch.ip(&format!("link set {port} master {bridge} up"));
            if *bridge == INTERNET {
                self.switch.ip(&format!("link set {port} type bridge_slave isolated on"));
            }
            Cable { switch: self.switch.door(), port, interface, net }
        };
        let cables = bridges.iter().map(lay).collect();
        Host::new(name, namespace, cables, self.hosts)
    }
}

fn succeeds(way: &[&str]) -> bool {
    let output = Command::new(way[0]).args(&way[1..]).arg("true").stderr(Stdio::null()).status();
    cfg!(target_os = "linux") && output.is_ok_and(|status| status.success())
}

/// A namespace, held open by a process that lives until its standard input closes: when the test ends, however it
/// ends, so does the namespace.
#[derive(Debug)]
pub(crate) struct Namespace {
    holder: Child,
    in_user_namespace: bool,
}

impl Namespace {
    /// Starts the holder by a command that makes the namespace and runs what is appended to it.
    fn start(mut command: Command, name: &str, in_user_namespace: bool) -> Self {
        let mut holder = command
            .args(["sh", "-c", "echo here; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("no namespace for {name}: {error}"));
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "here\n", "the namespace of {name} was not made");
        Self { holder, in_user_namespace }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A way in for those who don't own it.
    pub(crate) fn door(&self) -> Door {
        Door { pid: self.pid(), in_user_namespace: self.in_user_namespace }
    }

    /// A program to be run in it.
    pub(crate) fn enter(&self, program: &str) -> Command {
        self.door().enter(program)
    }

    /// Runs a program in it.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> String {
        self.door().run(program, args)
    }

    /// Runs `ip` with these words.
    pub(crate) fn ip(&self, words: &str) -> String {
        self.door().ip(words)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.holder.kill().ok();
        self.holder.wait().ok();
    }
}

/// A way into a namespace.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pid: u32,
    in_user_namespace: bool,
}

impl Door {
    /// A program to be run there. It keeps the process ID of the command, so killing the child kills the program, and it
    /// dies with the thread that started it.
    pub(crate) fn enter(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.pid.to_string());
        if self.in_user_namespace {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--net", "--uts", "--mount", "--", "setpriv", "--pdeathsig", "KILL", "--", program]);
        // What administrators run is not on everybody's path.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        command
    }

    /// Runs a program there and gives its standard output.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> String {
        let output = self.enter(program).args(args).stdin(Stdio::null()).output().unwrap();
        assert!(
            output.status.success(),
            "{program} {} failed: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim(),
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn ip(&self, words: &str) -> String {
        self.run("ip", &words.split(' ').collect::<Vec<_>>())
    }
}
