//! Something that goes on at a bounded speed: frames of a connection, bytes of a tunnel.

use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How much may come at once after a pause, in seconds' worth.
const BURST: Duration = Duration::from_secs(2);

/// Lets so many units a second through. Who brings more waits, so that a crowd slows itself and nobody else.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: u64,
    /// When all that came would have gone through at the even speed.
    due: Instant,
}

impl Pace {
    /// 0 for any speed.
    pub(crate) fn new(per_second: u64) -> Self {
        let now = Instant::now();
        Self { per_second, due: now.checked_sub(BURST).unwrap_or(now) }
    }

    /// Counts units: what they have to wait for before they go on, if anything.
    pub(crate) fn count(&mut self, units: u64) -> Option<Sleep> {
        let now = Instant::now();
        let due = self.due(units, now);
        (due > now).then(|| sleep_until(due))
    }

    /// Counts units that come now: when they may go on.
    fn due(&mut self, units: u64, now: Instant) -> Instant {
        if let Some(nanoseconds) = units.saturating_mul(1_000_000_000).checked_div(self.per_second) {
            let start = now.checked_sub(BURST).map_or(self.due, |earliest| self.due.max(earliest));
            self.due = start + Duration::from_nanos(nanoseconds);
        }
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_waits() {
        let mut pace = Pace::new(10);
        let now = Instant::now();
        assert!(pace.due(1, now) <= now, "because who begins has a burst to spend");
        let later = Instant::now() + 2 * BURST;
        assert!(pace.due(20, later) <= later, "because two seconds' worth are free after a pause");
        assert_eq!(pace.due(5, later), later + Duration::from_millis(500));
        assert_eq!(pace.due(1, later + Duration::from_secs(9)), later + Duration::from_millis(7_100));
        assert!(Pace::new(0).due(u64::MAX, later) <= later, "because 0 is any speed");
    }
}
