//! The real program on a display and a bus of the test's own: started by the bus, raised by a second start.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use futures_util::StreamExt as _;
use zbus::zvariant::Value;

use crate::bus::Bus;

const PROGRAM: &str = env!("CARGO_BIN_EXE_landline-desktop");
const NAME: &str = "org.landline.Landline";
const SESSION: &str = "6f2c1a84-0b1d-8f3e-9a77-0123456789ab";

/// A start of the whole program, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An X server without a screen, with a home folder that nothing else uses.
pub(crate) struct Display {
    server: Child,
    number: String,
    home: tempfile::TempDir,
}

impl Display {
    pub(crate) fn start() -> Self {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is installed");
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Self { server, number: format!(":{}", number.trim()), home: tempfile::tempdir().unwrap() }
    }

    /// What a program needs to know to live here.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let home = self.home.path().display().to_string();
        vec![
            ("DISPLAY", self.number.clone()),
            ("HOME", home.clone()),
            ("XDG_DATA_HOME", format!("{home}/share")),
            ("XDG_RUNTIME_DIR", home),
            ("WAYLAND_DISPLAY", String::new()),
            ("GDK_BACKEND", "x11".to_owned()),
            ("LC_ALL", "C.UTF-8".to_owned()),
        ]
    }

    /// How many windows of Landline are on screen.
    pub(crate) fn windows(&self) -> usize {
        let found = Command::new("xdotool")
            .args(["search", "--onlyvisible", "--name", "^Landline$"])
            .env("DISPLAY", &self.number)
            .stderr(Stdio::null())
            .output()
            .expect("xdotool is installed");
        found.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
    }

    /// Waits until a window is on screen.
    pub(crate) async fn shows_a_window(&self) {
        let search = async {
            loop {
                let found = tokio::process::Command::new("xdotool")
                    .args(["search", "--sync", "--onlyvisible", "--name", "^Landline$"])
                    .env("DISPLAY", &self.number)
                    .stdout(Stdio::null())
                    .kill_on_drop(true)
                    .status();
                // It fails when a window goes away while it looks at it.
                if found.await.unwrap().success() {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("the window comes");
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Starts the program with a network of its own.
pub(crate) fn run(display: &Display, bus: &Bus, arguments: &[&str]) -> tokio::process::Child {
    tokio::process::Command::new(PROGRAM)
        .args(["--key-file", "--no-mdns", "--no-beacon", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0"])
        .args(arguments)
        .envs(display.environment())
        .env("DBUS_SESSION_BUS_ADDRESS", bus.address())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits until a program has ended.
pub(crate) async fn ends(mut program: tokio::process::Child) -> ExitStatus {
    tokio::time::timeout(PATIENCE, program.wait()).await.expect("the program ends").unwrap()
}

/// The service file of the package, for this build of the program and a network of its own.
fn service() -> (&'static str, String) {
    let options = "--hidden --key-file --no-mdns --no-beacon --listen 127.0.0.1:0 --api 127.0.0.1:0";
    (NAME, format!("[D-BUS Service]\nName={NAME}\nExec={PROGRAM} {options}\n"))
}

/// Waits until the program owns its name, or no longer does.
async fn name_is_owned(bus: &zbus::Connection, owned: bool) {
    let bus = zbus::fdo::DBusProxy::new(bus).await.unwrap();
    let mut changes = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await.unwrap();
    let wait = async {
        // Asked after listening, so that no change is missed.
        while bus.name_has_owner(NAME.try_into().unwrap()).await.unwrap() != owned {
            changes.next().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("the name's owner: {owned} was expected"));
}

async fn stop(bus: &zbus::Connection) {
    let answer = bus
        .call_method(
            Some("org.freedesktop.DBus"),
            "/",
            Some("org.freedesktop.DBus"),
            "GetConnectionUnixProcessID",
            &NAME,
        )
        .await
        .unwrap();
    let process: u32 = answer.body().deserialize().unwrap();
    assert!(Command::new("kill").args(["-TERM", &process.to_string()]).status().unwrap().success());
    name_is_owned(bus, false).await;
}

#[tokio::test]
async fn the_bus_starts_the_program_for_a_click_and_for_a_link() {
    let display = Display::start();
    let bus = Bus::start_with(&[service()], &display.environment());
    let desktop = bus.connect().await;
    let platform = HashMap::from([("activation-token", Value::from("token"))]);
    for round in ["click", "link"] {
        assert_eq!(display.windows(), 0, "because nothing runs yet");
        let links = vec![format!("landline://session/{SESSION}")];
        let call = async {
            let path = "/org/landline/Landline";
            let interface = Some("org.freedesktop.Application");
            if round == "click" {
                let action = ("open-session", vec![Value::from(SESSION)], &platform);
                desktop.call_method(Some(NAME), path, interface, "ActivateAction", &action).await
            } else {
                desktop.call_method(Some(NAME), path, interface, "Open", &(links, &platform)).await
            }
        };
        let answer = tokio::time::timeout(PATIENCE, call).await;
        answer.expect("the call is answered in time").expect("the program answers the call that started it");
        display.shows_a_window().await;
        stop(&desktop).await;
    }
}

#[tokio::test]
async fn a_hidden_start_shows_nothing_until_a_second_one() {
    let display = Display::start();
    let bus = Bus::start_with(&[], &display.environment());
    let connection = bus.connect().await;
    let first = run(&display, &bus, &["--hidden"]);
    name_is_owned(&connection, true).await;
    assert_eq!(display.windows(), 0, "because it was started hidden");
    let second = ends(run(&display, &bus, &[&format!("landline://session/{SESSION}")])).await;
    assert!(second.success(), "because handing over is a success: {second}");
    display.shows_a_window().await;
    let third = ends(run(&display, &bus, &[])).await;
    assert!(third.success());
    assert_eq!(display.windows(), 1, "because the first is raised, not doubled");
    stop(&connection).await;
    assert!(ends(first).await.success(), "because being asked to end is no failure");
}

#[test]
fn without_a_display_it_says_what_to_do_and_makes_no_profile() {
    let home = tempfile::tempdir().unwrap();
    let profile = home.path().join("profile");
    let ended = Command::new(PROGRAM)
        .args(["--data-dir", &profile.display().to_string()])
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .env("LC_ALL", "C.UTF-8")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("no display") && said.contains("landline node"), "{said}");
    assert!(!profile.exists(), "because nothing was begun");
}
