//! The clock of this computer: the one place that asks the system for the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use proto::clock::Clock;

/// The real clock. Everything else is given one.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn wall_ms(&self) -> u64 {
        // A clock before 1970 reads as 1970: a wrong clock may misdate, it never stops anything.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn utc_offset_seconds(&self, wall_ms: u64) -> i32 {
        // The zone is kept for some minutes; then a person who travels is followed.
        let at = i64::try_from(wall_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        at.map_or(0, |at| jiff::tz::TimeZone::system().to_offset(at).seconds())
    }
}
