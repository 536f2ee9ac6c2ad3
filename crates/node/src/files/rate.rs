//! How fast something goes: over the last five seconds, and not before there is something to say.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What is looked back over.
const WINDOW: Duration = Duration::from_secs(5);

/// Before that nothing is said.
const SHOWN_AFTER: Duration = Duration::from_secs(2);

/// How far a transfer is, and how fast it goes.
#[derive(Debug)]
pub(crate) struct Meter {
    done: AtomicU64,
    marks: Mutex<VecDeque<(Instant, u64)>>,
}

impl Meter {
    pub(crate) fn new(done: u64) -> Self {
        Self { done: AtomicU64::new(done), marks: Mutex::new(VecDeque::from([(Instant::now(), done)])) }
    }

    /// Bytes from the beginning that have gone through.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, done: u64) {
        self.done.store(done, Ordering::Release);
    }

    /// Bytes a second, as of now.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.rate_at(Instant::now())
    }

    fn rate_at(&self, now: Instant) -> Option<u64> {
        let done = self.done();
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        // One mark older than the window stays, so that it is always covered.
        while marks.get(1).is_some_and(|(at, _)| *at + WINDOW <= now) {
            marks.pop_front();
        }
        if marks.back().is_none_or(|(at, _)| *at + Duration::from_millis(200) <= now) {
            marks.push_back((now, done));
        }
        let (began, before) = *marks.front()?;
        let took = now.saturating_duration_since(began);
        if took < SHOWN_AFTER {
            return None;
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        Some(
            u64::try_from(u128::from(done.saturating_sub(before)) * 1_000_000 / u128::from(micros)).unwrap_or(u64::MAX),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_rate_is_that_of_the_last_seconds() {
        let meter = Meter::new(1_000);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        meter.set(2_000);
        assert_eq!(meter.rate_at(at(1_900)), None, "because that says nothing yet");
        for step in 1..=40 {
            meter.set(1_000 + step * 5_000);
            let rate = meter.rate_at(at(500 * step));
            if step > 20 {
                assert!(rate.is_some_and(|rate| (9_500..=10_500).contains(&rate)), "{rate:?}");
            }
        }
        let stalled = (41..=56).filter_map(|step| meter.rate_at(at(500 * step))).last();
        assert_eq!(stalled, Some(0), "because nothing came for five seconds");
    }
}
