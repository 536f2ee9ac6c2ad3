//! Whether an own relay that does not work is worth a record in the notification centre.
//!
//! A relay is dialled again and again, and most failures pass by themselves: it is started anew, the network changes. So a
//! failure is told only when all attempts have failed for some time, sooner when time alone does not mend it, and once until
//! the relay is connected again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use link::RelayError;
use proto::relay::{RefusalCode, RelayAddress, RelayBye};
use tokio::time::Instant;

/// For how long a relay has to fail before it is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// When it is somebody's to mend.
    pub(crate) fault: Duration,
    /// When it may come back by itself.
    pub(crate) away: Duration,
}

/// What is told of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// It does not answer, or not now.
    Away,
    /// It shows another key than its address names.
    OtherKey,
    /// Its certificate is not trusted.
    Untrusted,
    /// It is no relay, or one of another version.
    NotRelay,
    /// It does not let this machine in.
    Refused,
    /// Another program is there with this machine's identity.
    Replaced,
}

impl Trouble {
    fn of(error: &RelayError) -> Self {
        match error {
            RelayError::OtherKey => Self::OtherKey,
            RelayError::Untrusted(_) => Self::Untrusted,
            RelayError::NotRelay(_) | RelayError::Protocol(_) => Self::NotRelay,
            RelayError::Refused { code: RefusalCode::NotMember | RefusalCode::BadProof, .. } => Self::Refused,
            RelayError::Bye { code: RelayBye::Replaced, .. } => Self::Replaced,
            RelayError::Unreachable(_)
            | RelayError::Refused { .. }
            | RelayError::Bye { .. }
            | RelayError::Silent
            | RelayError::Broken(_) => Self::Away,
        }
    }

    /// A name that is never changed: records are found again by it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::OtherKey => "other_key",
            Self::Untrusted => "untrusted",
            Self::NotRelay => "not_relay",
            Self::Refused => "refused",
            Self::Replaced => "replaced",
        }
    }
}

/// The relays that fail now.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<RelayAddress, Failing>);

#[derive(Debug)]
struct Failing {
    since: Instant,
    /// What it was at the last attempt, and since when.
    trouble: Trouble,
    alike_since: Instant,
    told: BTreeSet<Trouble>,
}

impl Troubles {
    /// An attempt has failed: what is to be told now. `network`: whether this machine has one by which the relay could be
    /// reached; as long as there is none, nothing is the relay's fault.
    pub(super) fn failed(
        &mut self,
        relay: &RelayAddress,
        error: &RelayError,
        network: bool,
        now: Instant,
        patience: Patience,
    ) -> Option<Trouble> {
        let trouble = Trouble::of(error);
        let failing = self.0.entry(relay.clone()).or_insert_with(|| Failing {
            since: now,
            trouble,
            alike_since: now,
            told: BTreeSet::default(),
        });
        if !network {
            (failing.since, failing.alike_since) = (now, now);
            return None;
        }
        if failing.trouble != trouble {
            (failing.trouble, failing.alike_since) = (trouble, now);
        }
        let lasted = match trouble {
            Trouble::Away => now >= failing.since + patience.away,
            _ => now >= failing.alike_since + patience.fault,
        };
        (lasted && failing.told.insert(trouble)).then_some(trouble)
    }

    /// It works, or is no relay of this machine's any more.
    pub(super) fn ended(&mut self, relay: &RelayAddress) {
        self.0.remove(relay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { fault: Duration::from_secs(60), away: Duration::from_secs(600) };

    fn refused(code: RefusalCode) -> RelayError {
        RelayError::Refused { code, detail: String::new(), retry_after_s: None }
    }

    #[test]
    fn what_passes_by_itself_is_told_when_it_has_lasted_and_once() {
        let relay: RelayAddress = "wss://relay.example.org".parse().unwrap();
        let (start, mut troubles) = (Instant::now(), Troubles::default());
        let mut after = |seconds, error: &RelayError, network| {
            troubles.failed(&relay, error, network, start + Duration::from_secs(seconds), PATIENCE)
        };
        let (silent, strangers) = (RelayError::Silent, refused(RefusalCode::NotMember));
        assert_eq!(after(0, &silent, true), None);
        assert_eq!(after(599, &silent, true), None);
        assert_eq!(after(600, &silent, true), Some(Trouble::Away));
        let broken = RelayError::Broken("again".to_owned());
        assert_eq!(after(660, &broken, true), None, "because that is the same to a person");
        assert_eq!(after(720, &strangers, true), None, "because that has just begun");
        assert_eq!(after(780, &strangers, true), Some(Trouble::Refused), "because that is another fault");
        assert_eq!(after(840, &silent, true), None, "because it was told");
        assert_eq!(after(900, &strangers, true), None);
        assert_eq!(after(960, &strangers, true), None);
        troubles.ended(&relay);
        let mut after = |seconds, error: &RelayError, network| {
            troubles.failed(&relay, error, network, start + Duration::from_secs(seconds), PATIENCE)
        };
        assert_eq!(after(1_000, &strangers, true), None, "because a proxy may say anything while a relay starts");
        assert_eq!(after(1_060, &strangers, true), Some(Trouble::Refused));
        assert_eq!(after(1_120, &refused(RefusalCode::Full), true), None, "because it may have room soon");
    }

    #[test]
    fn without_a_network_no_relay_is_to_blame() {
        let relay: RelayAddress = "wss://relay.example.org".parse().unwrap();
        let (start, mut troubles) = (Instant::now(), Troubles::default());
        let mut after = |seconds, network| {
            let now = start + Duration::from_secs(seconds);
            troubles.failed(&relay, &RelayError::Unreachable(String::new()), network, now, PATIENCE)
        };
        assert_eq!(after(0, false), None);
        assert_eq!(after(6_000, false), None);
        assert_eq!(after(6_060, true), None, "because the network has just come");
        assert_eq!(after(6_600, true), Some(Trouble::Away));
    }
}
