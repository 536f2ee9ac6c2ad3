//! NATS servers for tests: real ones on loopback, each with a folder of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;

use tempfile::TempDir;

/// One server, alone or of a cluster. It ends with the test.
pub(crate) struct NatsServer {
    config: PathBuf,
    port: u16,
    monitor: u16,
    child: Option<Child>,
    _folder: TempDir,
}

impl NatsServer {
    /// A server alone.
    pub(crate) fn start() -> Self {
        let mut server = Self::new("one", free_port(), "");
        server.run();
        server
    }

    /// The same with more in its configuration.
    #[allow(dead_code, reason = "not every test that has servers configures one")]
    pub(crate) fn with(more: &str) -> Self {
        let mut server = Self::new("one", free_port(), more);
        server.run();
        server
    }

    fn new(name: &str, port: u16, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let config = folder.path().join("nats.conf");
        let monitor = free_port();
        let text = format!(
            "server_name: {name}\nlisten: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\njetstream {{ store_dir: \"{}\" }}\n{more}\n",
            store.display()
        );
        std::fs::write(&config, text).unwrap();
        Self { config, port, monitor, child: None, _folder: folder }
    }

    /// Starts it (again) over what it kept. It takes connections when this returns.
    pub(crate) fn run(&mut self) {
        assert!(self.child.is_none(), "because it runs already");
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("nats-server")
            .arg("-c")
            .arg(&self.config)
            // Debian has it where a person's PATH does not look.
            .env("PATH", format!("{path}:/usr/sbin"))
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("nats-server is there: `cargo xtask test packages` installs it");
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        loop {
            let line = log.next().and_then(Result::ok);
            let Some(line) = line else { panic!("nats-server did not start:\n{}", said.join("\n")) };
            if line.contains("Server is ready") {
                break;
            }
            said.push(line);
        }
        // What is not read would stop it some day.
        thread::spawn(move || log.for_each(drop));
        self.child = Some(child);
    }

    /// Returns when it has all that its cluster has. Until then it counts as dead for who wants to stop another.
    #[allow(dead_code, reason = "not every test that has servers has a cluster")]
    pub(crate) fn catches_up(&self) {
        let begun = std::time::Instant::now();
        loop {
            let mut answer = String::new();
            let asked = TcpStream::connect(("127.0.0.1", self.monitor)).and_then(|mut stream| {
                stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")?;
                stream.read_to_string(&mut answer)
            });
            if asked.is_ok() && answer.starts_with("HTTP/1.0 200") {
                return;
            }
            assert!(begun.elapsed().as_secs() < 60, "it does not catch up: {answer}");
            thread::yield_now();
        }
    }

    /// Ends it at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it where it is: it closes nothing and answers nothing, as when its machine loses its power.
    #[allow(dead_code, reason = "not every test that has servers stops one")]
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    #[allow(dead_code, reason = "not every test that has servers stops one")]
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
    }

    /// Loses all that it kept, as on a new disk, and runs.
    #[allow(dead_code, reason = "not every test that has servers loses one")]
    pub(crate) fn wipe(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.config.with_file_name("store")).unwrap();
        self.run();
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three servers that are one cluster.
#[allow(dead_code, reason = "not every test that has servers has a cluster")]
pub(crate) fn cluster() -> [NatsServer; 3] {
    let ports = [free_port(), free_port(), free_port()];
    let routes = ports.map(|port| format!("\"nats://127.0.0.1:{port}\"")).join(", ");
    let mut servers = ["one", "two", "three"].map(|name| {
        let port = ports[["one", "two", "three"].iter().position(|other| *other == name).unwrap()];
        let more = format!("cluster {{ name: test, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}");
        NatsServer::new(name, free_port(), &more)
    });
    servers.iter_mut().for_each(NatsServer::run);
    servers.iter().for_each(NatsServer::catches_up);
    servers
}

/// A port that nothing listens at, outside the range from which the system gives out ports: another process of tests begins
/// to look elsewhere.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = std::process::id() % 500 * 20;
    loop {
        let port = 20_000 + u16::try_from(begin).unwrap() + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
