//! Time, passed in. Only a main program picks the real clock.

use std::sync::Mutex;
use std::time::Duration;

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01 UTC by the wall clock. May jump either way; never used to order anything.
    fn wall_ms(&self) -> u64;

    /// Time since some fixed moment; never goes back. For intervals and time-outs.
    fn monotonic(&self) -> Duration;

    /// Seconds by which local time is ahead of UTC at a wall-clock time. For what a person sets by the hour of the day.
    fn utc_offset_seconds(&self, _wall_ms: u64) -> i32 {
        0
    }
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Now>,
}

#[derive(Debug, Clone, Copy)]
struct Now {
    wall_ms: u64,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock whose wall shows `wall_ms`, and whose monotonic time is zero.
    pub fn new(wall_ms: u64) -> Self {
        Self { now: Mutex::new(Now { wall_ms, monotonic: Duration::ZERO }) }
    }

    /// Lets time pass on both.
    pub fn advance(&self, by: Duration) {
        self.with(|now| {
            let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            now.wall_ms = now.wall_ms.saturating_add(ms);
            now.monotonic = now.monotonic.saturating_add(by);
        });
    }

    /// Sets the wall clock alone, as a person or a time server does.
    pub fn set_wall_ms(&self, wall_ms: u64) {
        self.with(|now| now.wall_ms = wall_ms);
    }

    fn with<T>(&self, f: impl FnOnce(&mut Now) -> T) -> T {
        // A panic elsewhere while the lock was held leaves two plain numbers, which are fine to go on with.
        f(&mut self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> u64 {
        self.with(|now| now.wall_ms)
    }

    fn monotonic(&self) -> Duration {
        self.with(|now| now.monotonic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_may_jump_while_monotonic_goes_on() {
        let clock = ManualClock::new(1_000);
        clock.advance(Duration::from_millis(1_500));
        assert_eq!((clock.wall_ms(), clock.monotonic()), (2_500, Duration::from_millis(1_500)));
        clock.set_wall_ms(7);
        assert_eq!((clock.wall_ms(), clock.monotonic()), (7, Duration::from_millis(1_500)));
    }
}
