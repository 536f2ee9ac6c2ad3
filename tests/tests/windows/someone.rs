//! Somebody at a machine with a screen and the window on it.

use std::path::PathBuf;

use landline_tests::{Files, Host, Lab, SOON, Screen, Window, until};
use serde_json::Value;

use crate::welcome;

/// Somebody who can see, type and drag. What is named first ends first.
pub(crate) struct Someone {
    window: Option<Window>,
    pub(crate) screen: Screen,
    pub(crate) host: Host,
}

impl Someone {
    /// Somebody who has been through the first-run screen, on a machine of this network.
    pub(crate) fn start(lab: &mut Lab, name: &str) -> Self {
        Self::at(lab.host(&name.to_lowercase()), name)
    }

    /// Somebody who has been through the first-run screen, on this machine.
    pub(crate) fn at(host: Host, name: &str) -> Self {
        let screen = Screen::start(&host);
        let window = Window::open(&host, &screen, &[]);
        welcome(&window, name);
        Self { window: Some(window), screen, host }
    }

    pub(crate) fn window(&self) -> &Window {
        self.window.as_ref().expect("the program runs")
    }

    /// Kills the program as a power cut would.
    pub(crate) fn is_killed(&mut self) {
        self.host.kill_desktop();
        self.window = None;
    }

    /// Ends the program in order.
    pub(crate) fn leaves(&mut self) {
        self.host.end_desktop();
        self.window = None;
    }

    /// Starts the program again.
    pub(crate) fn returns(&mut self) {
        self.window = Some(Window::open(&self.host, &self.screen, &[]));
    }

    pub(crate) fn picture(&self, name: &str) {
        self.screen.picture(&self.host, &format!("{}-{name}", self.host.name()));
    }

    /// Another program with these things on its clipboard and to be dragged.
    pub(crate) fn has(&self, things: &[(&str, &str)]) -> Files {
        Files::open(&self.host, &self.screen, things)
    }

    /// Presses keys in the window.
    pub(crate) fn presses(&self, keys: &str) {
        self.screen.activate_window(&self.host);
        self.screen.press(&self.host, keys);
    }

    /// A path in this person's home.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.host.disk().join("home").join(name)
    }

    /// An attachment of the session with the other as the node shows it, by its name.
    pub(crate) fn attachment(&self, with: &str, name: &str) -> Option<Value> {
        let page = self.host.cli(&["history", with]).ok()?;
        let messages = page["items"].as_array()?.iter();
        messages.flat_map(|it| it["attachments"].as_array()).flatten().find(|it| it["name"] == name).cloned()
    }

    /// Waits until a file of the session with the other is whole here; where it lies.
    pub(crate) fn has_file(&self, with: &str, name: &str) -> PathBuf {
        until(&format!("{} has {name}", self.host.name()), SOON, || {
            let whole = self.attachment(with, name).filter(|it| it["state"] == "complete")?;
            whole["path"].as_str().map(PathBuf::from)
        })
    }
}

impl Drop for Someone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let test = std::thread::current().name().unwrap_or_default().replace("::", "-");
            self.picture(&format!("failed-{test}"));
        }
    }
}

/// Anna and Ben, who have accepted each other and have their session on screen.
pub(crate) fn two(lab: &mut Lab) -> (Someone, Someone) {
    let (anna, ben) = (Someone::start(lab, "Anna"), Someone::start(lab, "Ben"));
    anna.window().see_text("[data-testid=nearby-item]", "Ben");
    anna.window().click("[data-testid=nearby-item]");
    anna.window().enter("[data-testid=composer]", "Hello Ben");
    ben.window().click("[data-testid=session-item]");
    ben.window().click("[data-testid=request-accept]");
    ben.window().enter("[data-testid=composer]", "Hello Anna");
    anna.window().see_text("[data-testid=message-text]", "Hello Anna");
    (anna, ben)
}
