//! What happened so far, for whoever has to find out why a test failed.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Lines kept; a test that says more is looked at from its end.
const LINES: usize = 400;

/// Shared by a network and its people.
#[derive(Debug, Clone)]
pub(crate) struct Transcript {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    started: Instant,
    lines: std::collections::VecDeque<String>,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner { started: Instant::now(), lines: std::collections::VecDeque::new() })),
        }
    }

    pub(crate) fn add(&self, line: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let at = inner.started.elapsed().as_secs_f64();
        if inner.lines.len() == LINES {
            inner.lines.pop_front();
        }
        inner.lines.push_back(format!("{at:8.3} {line}"));
    }

    pub(crate) fn text(&self) -> String {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.lines.iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        })
    }
}
