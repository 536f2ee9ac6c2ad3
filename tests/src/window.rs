//! The real window, driven by WebDriver.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::prelude::{By, ElementQueryable, ElementWaitable, WebDriver, WebElement};
use thirtyfour::{Capabilities, Key};
use tokio::runtime::{Builder, Runtime};

use crate::host::{Host, program};
use crate::lab::Door;
use crate::screen::{Camera, Owned, Screen};
use crate::until::{SOON, until};

/// The driver's port on each machine; nothing else runs there.
const DRIVER_PORT: u16 = 4444;

/// The application with its window, started on a machine's screen.
#[derive(Debug)]
pub struct Window {
    runtime: Runtime,
    driver: Option<WebDriver>,
    camera: Camera,
    _server: Owned,
}

impl Window {
    /// Starts the application and waits for its page.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn open(host: &Host, screen: &Screen, args: &[&str]) -> Self {
        let server = screen
            .command(host, Path::new("WebKitWebDriver"))
            .args(["--host=127.0.0.1", &format!("--port={DRIVER_PORT}")])
            .env("TAURI_AUTOMATION", "true")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(host.disk().join("window.log")).unwrap())
            .spawn()
            .unwrap();
        let server = Owned(server);
        let door = door(host);
        let mut words = vec!["--data-dir".to_owned(), host.data_dir().display().to_string()];
        words.extend(args.iter().map(|&word| word.to_owned()));
        let mut wishes = Capabilities::new();
        wishes
            .set("webkitgtk:browserOptions", json!({ "binary": program("landline-desktop"), "args": words }))
            .unwrap();

        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // The driver listens a moment after it starts.
        let driver = until("the window opens", SOON, || {
            match runtime.block_on(WebDriver::new(format!("http://127.0.0.1:{door}"), wishes.clone())) {
                Ok(driver) => Some(driver),
                Err(error) if error.to_string().contains("error sending request") => None,
                Err(error) => panic!("the window does not open: {error}"),
            }
        });
        Self { runtime, driver: Some(driver), camera: screen.camera(host), _server: server }
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().unwrap()
    }

    fn find(&self, selector: &str) -> WebElement {
        let query = self.driver().query(By::Css(selector)).wait(SOON, Duration::from_millis(25));
        match self.runtime.block_on(query.first()) {
            Ok(element) => element,
            Err(error) => {
                self.camera.picture("failed");
                panic!("{selector} is not on screen: {error}")
            }
        }
    }

    /// Waits until something that fits a CSS selector is on screen.
    pub fn see(&self, selector: &str) {
        self.find(selector);
    }

    /// Waits until something that fits a CSS selector shows this text.
    pub fn see_text(&self, selector: &str, text: &str) {
        let started = Instant::now();
        until(&format!("{selector} shows {text:?}"), SOON, || {
            let shown = self.texts(selector);
            if started.elapsed() > SOON / 2 && !shown.iter().any(|it| it.contains(text)) {
                self.camera.picture("failed");
            }
            shown.iter().any(|it| it.contains(text)).then_some(())
        });
    }

    /// The texts of all that fits a CSS selector now.
    #[must_use]
    pub fn texts(&self, selector: &str) -> Vec<String> {
        // The driver's own text of an element leaves out isolated names.
        let script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)";
        serde_json::from_value(self.run(script, vec![json!(selector)])).unwrap()
    }

    /// Runs a script in the page.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn run(&self, script: &str, args: Vec<Value>) -> Value {
        self.runtime.block_on(self.driver().execute(script, args)).unwrap().json().clone()
    }

    /// Clicks.
    ///
    /// # Panics
    /// When it can't be clicked.
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.runtime.block_on(async {
            element.wait_until().wait(SOON, Duration::from_millis(25)).clickable().await.unwrap();
            element.click().await.unwrap();
        });
    }

    /// Moves the mouse over something, scrolled to if need be. What is about to be drawn or to move is waited for.
    pub fn hover(&self, selector: &str) {
        self.see(selector);
        let script = "document.querySelector(arguments[0])?.scrollIntoView({ block: 'nearest' })";
        let _nothing = self.run(script, vec![json!(selector)]);
        until(&format!("the mouse is over {selector}"), SOON, || {
            let element = self.find(selector);
            let actions = self.driver().action_chain().move_to_element_center(&element);
            self.runtime.block_on(actions.perform()).ok()
        });
    }

    /// Replaces what stands in a field.
    ///
    /// # Panics
    /// When it can't be typed into.
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.runtime.block_on(async {
            element.clear().await.unwrap();
            element.send_keys(text).await.unwrap();
        });
    }

    /// Types into a field and presses Enter.
    ///
    /// # Panics
    /// When it can't be typed into.
    pub fn enter(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.runtime.block_on(async {
            element.send_keys(text).await.unwrap();
            element.send_keys(Key::Enter + "").await.unwrap();
        });
    }

    /// The `data-testid` of what has the focus.
    #[must_use]
    pub fn focused(&self) -> String {
        let script = "return document.activeElement?.dataset.testid ?? ''";
        self.run(script, vec![]).as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            // Ending the session ends the application; where its window is gone already there is nothing to end.
            self.runtime.block_on(driver.quit()).ok();
        }
    }
}

/// Makes the driver's port reachable from here: a listener on this side, and for each connection a program on that
/// machine that carries it on.
fn door(host: &Host) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let inside = host.door();
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let inside = inside.clone();
            // The program dies with the thread that started it, so that thread also waits for it.
            thread::spawn(move || carry(&inside, &connection));
        }
    });
    port
}

fn carry(inside: &Door, connection: &TcpStream) {
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{DRIVER_PORT} && {{ cat <&3 & cat >&3; }}");
    let mut program = inside
        .enter("bash")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut to, mut from) = (program.stdin.take().unwrap(), program.stdout.take().unwrap());
    let (mut read, mut write) = (connection.try_clone().unwrap(), connection.try_clone().unwrap());
    let there = thread::spawn(move || pass_on(&mut read, &mut to));
    pass_on(&mut from, &mut write);
    connection.shutdown(Shutdown::Both).ok();
    program.kill().ok();
    program.wait().ok();
    there.join().unwrap();
}

/// Copies what comes as it comes. (`io::copy` splices a socket into a pipe, which waits for more.)
fn pass_on(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
}
