//! Another program on a machine's screen, which has files: a file manager, a screenshot tool.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::host::{Host, program};
use crate::screen::{Owned, Screen};
use crate::until::{SOON, until};

/// The program. What it has lies on the clipboard, and its files can be dragged, as long as this value lives.
#[derive(Debug)]
pub struct Files {
    _program: Owned,
    said: Receiver<String>,
}

impl Files {
    /// Starts it with these things: pairs of `file`, `image` or `text` and a path or the text.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn open(host: &Host, screen: &Screen, things: &[(&str, &str)]) -> Self {
        let mut command = screen.command(host, &program("lab-files"));
        command.args(things.iter().flat_map(|(kind, value)| [kind, value])).stdout(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let output = BufReader::new(program.stdout.take().unwrap());
        let (sender, said) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let files = Self { _program: Owned(program), said };
        files.says("ready");
        files
    }

    /// Waits until it has been asked to show this file in its folder.
    pub fn shows(&self, path: &Path) {
        self.says(&format!("file://{}", path.display()));
    }

    fn says(&self, line: &str) {
        until(&format!("the file manager says {line:?}"), SOON, || {
            self.said.try_iter().any(|it| it == line).then_some(())
        });
    }
}
