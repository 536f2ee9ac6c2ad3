//! The log of the program under test: an unexpected warning or error fails the test.
//!
//! One log for the whole process, because what is logged comes from many threads. `cargo nextest` gives each test a
//! process of its own.

use std::fmt::Write as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

#[derive(Debug, Default)]
struct Log {
    bad: Vec<String>,
    expected: Vec<String>,
}

static LOG: OnceLock<Mutex<Log>> = OnceLock::new();

fn log() -> std::sync::MutexGuard<'static, Log> {
    LOG.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to watch. With `LANDLINE_TEST_LOG=1` everything from debug on goes to standard error too.
pub(crate) fn watch() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let loud = std::env::var_os("LANDLINE_TEST_LOG").is_some();
        let subscriber = tracing_subscriber::registry().with(Watch { loud });
        tracing::subscriber::set_global_default(subscriber).expect("nobody else sets a subscriber");
    });
}

/// Announces that a warning or error with these words is right.
pub(crate) fn expect(words: &str) {
    log().expected.push(words.to_owned());
}

/// The warnings and errors that nobody announced.
pub(crate) fn unexpected() -> Vec<String> {
    let log = log();
    let announced = |line: &&String| log.expected.iter().any(|words| line.contains(words.as_str()));
    log.bad.iter().filter(|line| !announced(line)).cloned().collect()
}

/// Whether a warning or error with these words was logged.
pub(crate) fn was_logged(words: &str) -> bool {
    log().bad.iter().any(|line| line.contains(words))
}

struct Watch {
    loud: bool,
}

impl<S: Subscriber> Layer<S> for Watch {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= Level::WARN || (self.loud && metadata.target().starts_with("landline"))
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = format!("{} {}:", event.metadata().level(), event.metadata().target());
        event.record(&mut Words(&mut line));
        if self.loud {
            eprintln!("{line}");
        }
        if *event.metadata().level() <= Level::WARN {
            log().bad.push(line);
        }
    }
}

struct Words<'a>(&'a mut String);

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.0, " {value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}
