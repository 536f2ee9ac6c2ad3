//! How much each program may ask: a budget for each token, one for all that come without.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::StatusCode;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::error::ApiError;

/// What a program may ask in a second, and how much it may save up for a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Calls a second, for each token.
    pub per_second: NonZeroU32,
    /// Calls at once after a pause.
    pub burst: NonZeroU32,
}

impl Default for Rate {
    /// 500 a second, 2,000 at once: a script that sends line by line never meets it, a runaway loop does.
    fn default() -> Self {
        const PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(499);
        const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(1_999);
        Self { per_second: PER_SECOND, burst: BURST }
    }
}

/// Calls without a valid token, all together: enough for health checks and a few wrong tokens a second.
const STRANGERS: Rate =
    Rate { per_second: NonZeroU32::MIN.saturating_add(49), burst: NonZeroU32::MIN.saturating_add(199) };

/// The budgets of a running API.
pub(crate) struct Budget {
    callers: DefaultKeyedRateLimiter<String>,
    strangers: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Budget {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            callers: RateLimiter::keyed(quota(rate)),
            strangers: RateLimiter::direct(quota(STRANGERS)),
            clock: DefaultClock::default(),
        }
    }

    /// Takes one call from the budget of a caller who has been recognised.
    pub(crate) fn take(&self, caller: &str) -> Result<(), ApiError> {
        // Only callers with a valid token have an entry, so this cannot grow beyond the number of tokens.
        self.callers.check_key(&caller.to_owned()).map_err(|until| too_many(until.wait_time_from(self.clock.now())))
    }

    /// Takes one call from the budget of all others.
    pub(crate) fn take_stranger(&self) -> Result<(), ApiError> {
        self.strangers.check().map_err(|until| too_many(until.wait_time_from(self.clock.now())))
    }
}

fn quota(rate: Rate) -> Quota {
    Quota::per_second(rate.per_second).allow_burst(rate.burst)
}

fn too_many(wait: Duration) -> ApiError {
    let text = "Too many calls; wait as long as Retry-After says.";
    let mut error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", text);
    error.retry_after = Some(wait);
    error
}
