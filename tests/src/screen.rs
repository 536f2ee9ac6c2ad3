//! A machine's screen: a display with a window manager, a session bus, and a notification daemon that draws on it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::host::{Host, program};
use crate::lab::Door;
use crate::until::{SOON, until};

/// A left click on a notification does what it offers by itself, as on most desktops.
const DUNST: &str = "[global]\n    origin = top-right\n    width = 320\n    offset = 8x8\n    font = Sans 11\n    \
    timeout = 0\n    mouse_left_click = do_action, close_current\n    show_indicators = no\n";

/// A program that ends with its owner.
#[derive(Debug)]
pub(crate) struct Owned(pub(crate) Child);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A display of 1280×800 with everything a desktop session brings that Landline talks to. There is no tray.
#[derive(Debug)]
pub struct Screen {
    display: String,
    bus: String,
    // Programs end in this order: those that draw before what they draw on.
    notifier: Option<Owned>,
    _manager: Owned,
    _bus: Owned,
    _server: Owned,
}

impl Screen {
    /// Starts one on a machine.
    ///
    /// # Panics
    /// When a program is missing or does not start.
    #[must_use]
    pub fn start(host: &Host) -> Self {
        let mut server = host
            .command(Path::new("Xvfb"))
            .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let display = format!(":{}", first_line(&mut server));
        let server = Owned(server);

        let socket = host.disk().join("run/bus");
        let mut bus = host
            .command(Path::new("dbus-daemon"))
            .args(["--session", "--nofork", "--nopidfile", "--print-address"])
            .arg(format!("--address=unix:path={}", socket.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = first_line(&mut bus);
        let bus = Owned(bus);

        let mut manager = host.command(Path::new("openbox"));
        let manager = Owned(manager.env("DISPLAY", &display).stderr(Stdio::null()).spawn().unwrap());
        let mut screen = Self { display, bus: address, notifier: None, _manager: manager, _bus: bus, _server: server };
        screen.start_notifier(host);
        screen
    }

    /// Starts the notification daemon, if it does not run.
    ///
    /// # Panics
    /// When it does not take its name on the bus soon.
    pub fn start_notifier(&mut self, host: &Host) {
        let config = host.disk().join("dunstrc");
        fs::write(&config, DUNST).unwrap();
        let mut dunst = self.command(host, Path::new("dunst"));
        let dunst = dunst.arg("-conf").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.notifier = Some(Owned(dunst));
        until("the notification daemon answers", SOON, || {
            let asked = self.command(host, Path::new("dunstctl")).arg("is-paused").output().unwrap();
            asked.status.success().then_some(())
        });
    }

    /// Kills the notification daemon.
    pub fn kill_notifier(&mut self) {
        self.notifier = None;
    }

    /// How many notifications stand on the screen.
    ///
    /// # Panics
    /// When the daemon doesn't answer.
    #[must_use]
    pub fn notifications(&self, host: &Host) -> usize {
        let output = self.command(host, Path::new("dunstctl")).args(["count", "displayed"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.trim().parse().unwrap_or_else(|_| panic!("dunst counts notifications, but said {text:?}"))
    }

    /// Clicks on the notification with the mouse.
    ///
    /// # Panics
    /// When there is none.
    pub fn click_notification(&self, host: &Host) {
        self.xdotool(
            host,
            &["search", "--sync", "--onlyvisible", "--class", "Dunst", "mousemove", "--window", "%1", "60", "20"],
        );
        self.xdotool(host, &["click", "1"]);
    }

    /// Types with the keyboard, into whatever has the focus.
    pub fn type_text(&self, host: &Host, text: &str) {
        self.xdotool(host, &["type", "--delay", "12", text]);
    }

    /// Presses keys, as `alt+F4` or `Return`.
    pub fn press(&self, host: &Host, keys: &str) {
        self.xdotool(host, &["key", "--delay", "50", keys]);
    }

    /// Closes the window as the button in its frame does. By the keyboard it would have to have the focus, which a window that
    /// is just being raised loses for a moment.
    ///
    /// # Panics
    /// When there is no window.
    pub fn close_window(&self, host: &Host) {
        let status = self.command(host, Path::new("wmctrl")).args(["-F", "-c", "Landline"]).status().unwrap();
        assert!(status.success(), "there is a window to be closed");
    }

    /// Takes the files out of the window of [`crate::Files`], over the middle of Landline's, and drops them there once `seen` has
    /// returned.
    pub fn drag_files(&self, host: &Host, seen: impl FnOnce()) {
        let over = |name: &str, x: &str, y: &str| {
            self.xdotool(host, &["search", "--onlyvisible", "--name", name, "mousemove", "--window", "%1", x, y]);
        };
        over("^Files$", "40", "40");
        self.xdotool(host, &["mousedown", "1"]);
        // A drag begins some pixels away from where the button went down.
        over("^Files$", "60", "60");
        over("^Landline$", "600", "300");
        over("^Landline$", "610", "310");
        seen();
        self.xdotool(host, &["mouseup", "1"]);
    }

    /// Gives Landline's window the keyboard.
    pub fn activate_window(&self, host: &Host) {
        self.xdotool(host, &["search", "--onlyvisible", "--name", "^Landline$", "windowactivate", "--sync"]);
    }

    /// Opens a link as the desktop does: with the program, which hands it to the one that runs.
    ///
    /// # Panics
    /// When none runs that takes it.
    pub fn open_link(&self, host: &Host, link: &str) {
        let mut start = self.command(host, &program("landline-desktop"));
        let status = start.arg("--data-dir").arg(host.data_dir()).arg(link).status().unwrap();
        assert!(status.success(), "the link is handed to the program that runs");
    }

    /// Waits until a window with this title has the keyboard.
    pub fn has_in_front(&self, host: &Host, title: &str) {
        until(&format!("a window {title:?} is in front"), SOON, || {
            let front =
                self.command(host, Path::new("xdotool")).args(["getactivewindow", "getwindowname"]).output().unwrap();
            (String::from_utf8_lossy(&front.stdout).trim() == title).then_some(())
        });
    }

    /// The number of windows of Landline that can be seen.
    #[must_use]
    pub fn windows(&self, host: &Host) -> usize {
        let mut search = self.command(host, Path::new("xdotool"));
        let output = search.args(["search", "--onlyvisible", "--name", "Landline"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().count()
    }

    /// Takes a picture of the screen into a file.
    pub fn photograph(&self, host: &Host, file: &Path) {
        self.camera(host).take(file);
    }

    /// Keeps a picture of the screen among the artefacts.
    pub fn picture(&self, host: &Host, name: &str) {
        self.camera(host).picture(name);
    }

    pub(crate) fn camera(&self, host: &Host) -> Camera {
        Camera { host: host.door(), display: self.display.clone() }
    }

    fn xdotool(&self, host: &Host, args: &[&str]) {
        let status = self.command(host, Path::new("xdotool")).args(args).status().unwrap();
        assert!(status.success(), "xdotool {args:?} works");
    }

    /// A program of this desktop session.
    #[must_use]
    pub fn command(&self, host: &Host, program: &Path) -> Command {
        let mut command = host.command(program);
        command
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("XDG_SESSION_TYPE", "x11")
            .env("NO_AT_BRIDGE", "1");
        command
    }
}

/// Takes pictures of a screen.
#[derive(Debug)]
pub(crate) struct Camera {
    host: Door,
    display: String,
}

impl Camera {
    pub(crate) fn picture(&self, name: &str) {
        self.take(&artefacts().join(format!("{name}.png")));
    }

    fn take(&self, file: &Path) {
        let status = self.host.enter("maim").env("DISPLAY", &self.display).arg(file).status().unwrap();
        assert!(status.success(), "a picture of the screen can be taken");
    }
}

/// Where pictures of test runs are kept.
fn artefacts() -> PathBuf {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_path_buf();
    let dir = target.join("screenshots");
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn first_line(program: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line.trim().to_owned()
}
