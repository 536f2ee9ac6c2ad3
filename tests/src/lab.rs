//! A network of its own: a switch, and cables to hosts.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::host::Host;

/// A network that nothing outside can see. As root it is a network namespace, else one in a user namespace.
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
        // An ordinary switch floods multicast and forwards at once.
        switch.ip("link add switch type bridge forward_delay 0 mcast_snooping 0");
        switch.ip("link set switch up");
        Some(Self { switch, hosts: 0 })
    }

    /// A machine with a cable to the switch: `10.77.0.N/24`, and an IPv6 link-local address.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn host(&mut self, name: &str) -> Host {
        self.hosts += 1;
        let mut command = self.switch.enter("unshare");
        command.args(["--net", "--uts", "--mount"]);
        let namespace = Namespace::start(command, name, self.switch.in_user_namespace);
        namespace.run("hostname", &[name]);
        namespace.ip("link set lo up");
        let port = format!("port{}", self.hosts);
        self.switch.ip(&format!("link add {port} type veth peer name eth0 netns {}", namespace.pid()));
        self.switch.ip(&format!("link set {port} master switch up"));
        Host::new(name, namespace, self.switch.door(), port, self.hosts)
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
