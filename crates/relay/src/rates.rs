//! How often somebody may do something: by delivery token, where there is one, else by where it comes from.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use proto::id::MachineId;

use crate::config::Limits;
use crate::mailboxes::TokenHash;

/// A budget for each key.
pub(crate) struct Rate<K: Clone + Eq + Hash> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    /// What one may do in a minute.
    pub(crate) per_minute: u32,
}

impl<K: Clone + Eq + Hash> Rate<K> {
    fn new(per_minute: u32, burst: u32) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(at_least_one(per_minute)).allow_burst(at_least_one(burst));
        Self { limiter: RateLimiter::keyed(quota), clock: DefaultClock::default(), per_minute }
    }

    /// Takes one from a key's budget, or says how long to wait.
    pub(crate) fn take(&self, key: &K) -> Result<(), Duration> {
        self.limiter.check_key(key).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// All budgets.
pub(crate) struct Rates {
    pub(crate) puts: Rate<(MachineId, TokenHash)>,
    pub(crate) opens: Rate<(MachineId, TokenHash)>,
    pub(crate) uploads: Rate<(MachineId, TokenHash)>,
    pub(crate) requests: Rate<IpAddr>,
    pub(crate) prekeys: Rate<IpAddr>,
    pub(crate) connections: Rate<IpAddr>,
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            puts: Rate::new(limits.puts_per_minute, limits.puts_burst),
            opens: Rate::new(limits.opens_per_minute, limits.opens_per_minute),
            uploads: Rate::new(limits.uploads_per_minute, limits.uploads_per_minute),
            requests: Rate::new(limits.requests_per_minute, limits.requests_per_minute),
            prekeys: Rate::new(limits.prekeys_per_minute, limits.prekeys_per_minute),
            connections: Rate::new(limits.connections_per_minute, limits.connections_per_minute.div_ceil(2)),
        }
    }

    /// Forgets those whose budget is full again, so that what is kept is bounded by what came lately.
    pub(crate) fn forget(&self) {
        self.puts.limiter.retain_recent();
        self.opens.limiter.retain_recent();
        self.uploads.limiter.retain_recent();
        self.requests.limiter.retain_recent();
        self.prekeys.limiter.retain_recent();
        self.connections.limiter.retain_recent();
    }
}

/// What counts as one source: an IPv4 address, or the /64 that an IPv6 machine may choose from.
pub(crate) fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & (u128::MAX << 64)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_even_rate() {
        let rate = Rate::new(60, 2);
        assert_eq!((rate.take(&1), rate.take(&1)), (Ok(()), Ok(())));
        let wait = rate.take(&1).unwrap_err();
        assert!(wait <= Duration::from_secs(1), "because one a second comes free: {wait:?}");
        assert_eq!(rate.take(&2), Ok(()), "because each has its own");
    }

    #[test]
    fn a_network_of_one_machine_is_one_source() {
        let source = |text: &str| source_of(text.parse().unwrap());
        assert_eq!(source("2001:db8:1:2:3::4"), source("2001:db8:1:2:ffff::1"));
        assert_ne!(source("2001:db8:1:2::4"), source("2001:db8:1:3::4"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
