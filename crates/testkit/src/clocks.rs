//! Wrong clocks.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use node::clock::SystemClock;
use proto::clock::Clock;

/// The real clock with the wall time off by some milliseconds, which can be changed at any time. Its local time is UTC.
#[derive(Debug, Default)]
pub struct ShiftedClock {
    real: SystemClock,
    ahead_ms: AtomicI64,
}

impl ShiftedClock {
    /// Ahead by so many milliseconds; behind when negative.
    #[must_use]
    pub fn ahead(ms: i64) -> Self {
        Self { real: SystemClock::new(), ahead_ms: AtomicI64::new(ms) }
    }

    /// Sets how far it is ahead.
    pub fn set_ahead(&self, ms: i64) {
        self.ahead_ms.store(ms, Ordering::Relaxed);
    }
}

impl Clock for ShiftedClock {
    fn wall_ms(&self) -> u64 {
        self.real.wall_ms().saturating_add_signed(self.ahead_ms.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic()
    }
}
