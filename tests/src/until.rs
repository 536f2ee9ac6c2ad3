//! The one place where a test looks again until something is so.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for anything that happens by itself on a busy two-core machine. Nothing waits this long unless it fails.
pub const SOON: Duration = Duration::from_secs(30);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until it sees something.
///
/// # Panics
/// When there is still nothing after `limit`; the message says what was waited for.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} in vain: {what}");
        thread::sleep(PAUSE);
    }
}
