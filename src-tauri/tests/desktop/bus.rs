//! A session bus of the test's own, and a notification server on it that does what the test says.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::mpsc;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, connection};

/// How long a test waits for something before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A `dbus-daemon` that ends with this value.
#[derive(Debug)]
pub(crate) struct Bus {
    daemon: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Bus {
    /// Starts a bus.
    pub(crate) fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// Starts a bus that can start programs: `services` are their names and service files, `environment` is theirs.
    pub(crate) fn start_with(services: &[(&str, String)], environment: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in services {
            std::fs::write(folder.path().join(format!("{name}.service")), content).unwrap();
        }
        let config = folder.path().join("bus.conf");
        std::fs::write(
            &config,
            format!(
                r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
                    "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
                <busconfig>
                  <type>session</type>
                  <listen>unix:dir={0}</listen>
                  <servicedir>{0}</servicedir>
                  <policy context="default">
                    <allow send_destination="*" eavesdrop="true"/>
                    <allow eavesdrop="true"/>
                    <allow own="*"/>
                  </policy>
                </busconfig>"#,
                folder.path().display()
            ),
        )
        .unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address"])
            .stderr(Stdio::null())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon is installed");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned(), _folder: folder }
    }

    /// How a program reaches it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A connection to it in the making.
    pub(crate) fn builder(&self) -> connection::Builder<'_> {
        connection::Builder::address(self.address.as_str()).unwrap()
    }

    /// Another connection to it.
    pub(crate) async fn connect(&self) -> Connection {
        self.builder().build().await.unwrap()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// What a program asked the server to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Notify(Box<Notify>),
    Close(u32),
    /// `org.gtk.Notifications`: key and content.
    Keep(String, HashMap<String, String>),
    Forget(String),
}

/// The arguments of `Notify`, hints as text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notify {
    pub(crate) number: u32,
    pub(crate) replaces: u32,
    pub(crate) icon: String,
    pub(crate) summary: String,
    pub(crate) body: String,
    pub(crate) actions: Vec<String>,
    pub(crate) hints: HashMap<String, String>,
}

/// A notification server.
#[derive(Debug)]
pub(crate) struct Server {
    connection: Connection,
    asked: mpsc::UnboundedReceiver<Asked>,
}

struct Freedesktop {
    abilities: Vec<String>,
    last: u32,
    asked: mpsc::UnboundedSender<Asked>,
}

struct Gtk {
    asked: mpsc::UnboundedSender<Asked>,
}

fn words(values: HashMap<String, OwnedValue>) -> HashMap<String, String> {
    values.into_iter().map(|(key, value)| (key, value.to_string())).collect()
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Freedesktop {
    fn get_capabilities(&self) -> Vec<String> {
        self.abilities.clone()
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        ("stub".into(), "Landline".into(), "1".into(), "1.3".into())
    }

    #[expect(clippy::too_many_arguments, reason = "the specification has that many")]
    fn notify(
        &mut self,
        _name: String,
        replaces: u32,
        icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> u32 {
        self.last = if replaces == 0 { self.last + 1 } else { replaces };
        let notify = Notify { number: self.last, replaces, icon, summary, body, actions, hints: words(hints) };
        self.asked.send(Asked::Notify(Box::new(notify))).unwrap();
        self.last
    }

    fn close_notification(&self, number: u32) {
        self.asked.send(Asked::Close(number)).unwrap();
    }
}

#[zbus::interface(name = "org.gtk.Notifications")]
impl Gtk {
    fn add_notification(&self, application: &str, key: String, content: HashMap<String, OwnedValue>) {
        assert_eq!(application, "org.landline.Landline");
        self.asked.send(Asked::Keep(key, words(content))).unwrap();
    }

    fn remove_notification(&self, _application: String, key: String) {
        self.asked.send(Asked::Forget(key)).unwrap();
    }
}

impl Server {
    /// A server with these abilities.
    pub(crate) async fn start(bus: &Bus, abilities: &[&str]) -> Self {
        let (asked, heard) = mpsc::unbounded_channel();
        let abilities = abilities.iter().map(ToString::to_string).collect();
        let object = Freedesktop { abilities, last: 0, asked };
        let server = bus.builder().serve_at("/org/freedesktop/Notifications", object).unwrap();
        let connection = server.name("org.freedesktop.Notifications").unwrap().build().await.unwrap();
        Self { connection, asked: heard }
    }

    /// A shell that keeps notifications for applications.
    pub(crate) async fn start_gtk(bus: &Bus) -> Self {
        let (asked, heard) = mpsc::unbounded_channel();
        let server = bus.builder().serve_at("/org/gtk/Notifications", Gtk { asked }).unwrap();
        let connection = server.name("org.gtk.Notifications").unwrap().build().await.unwrap();
        Self { connection, asked: heard }
    }

    /// What is asked next.
    pub(crate) async fn asked(&mut self) -> Asked {
        tokio::time::timeout(PATIENCE, self.asked.recv()).await.expect("the program asks the server").unwrap()
    }

    /// The next notification.
    pub(crate) async fn notified(&mut self) -> Notify {
        match self.asked().await {
            Asked::Notify(notify) => *notify,
            other => panic!("expected a notification, got {other:?}"),
        }
    }

    /// Nothing has been asked so far.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }

    /// The person clicked it, and it goes.
    pub(crate) async fn click(&self, number: u32, token: Option<&str>) {
        self.click_and_keep(number, token).await;
        self.emit("NotificationClosed", &(number, 2_u32)).await;
    }

    /// The person clicked it, on a server that keeps it.
    pub(crate) async fn click_and_keep(&self, number: u32, token: Option<&str>) {
        if let Some(token) = token {
            self.emit("ActivationToken", &(number, token)).await;
        }
        self.emit("ActionInvoked", &(number, "default")).await;
    }

    /// The person chose one of its actions, on a server that keeps it.
    pub(crate) async fn act(&self, number: u32, action: &str) {
        self.emit("ActionInvoked", &(number, action)).await;
    }

    /// The person wrote into it.
    pub(crate) async fn reply(&self, number: u32, text: &str) {
        self.emit("NotificationReplied", &(number, text)).await;
    }

    /// It went by itself.
    pub(crate) async fn expire(&self, number: u32) {
        self.emit("NotificationClosed", &(number, 1_u32)).await;
    }

    async fn emit<B: serde::Serialize + zbus::zvariant::DynamicType>(&self, signal: &str, body: &B) {
        let interface = "org.freedesktop.Notifications";
        self.connection
            .emit_signal(None::<&str>, "/org/freedesktop/Notifications", interface, signal, body)
            .await
            .unwrap();
    }

    /// The server dies.
    pub(crate) async fn die(self) {
        self.connection.close().await.unwrap();
    }
}
