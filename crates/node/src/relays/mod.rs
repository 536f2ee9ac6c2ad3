//! Relays: those where this machine is to be reached, and those where its contacts are. Off until the person adds one.
//!
//! One task keeps the link's plan of them: whenever a relay, a contact, an invitation or a key changes it is woken, sees
//! that every contact has a grant and that the prekey is fresh, and tells the link the whole plan anew.

mod commands;
mod exchange;
mod keys;
mod plan;
mod troubles;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use link::{RelayError, RelayState, RelayStatus};
use proto::SignedPrekey;
use proto::relay::{Limits, RefusalCode, RelayAddress, RelayBye};
use store::relays::OwnRelay;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::exchange::{heard, registers};
pub(crate) use self::plan::{relays_of, run};
use self::troubles::Troubles;
pub(crate) use self::troubles::{Patience, Trouble};
use crate::centre;
use crate::core::Core;
use crate::view::{self, Change, RelayFault};

/// How often the plan is looked at when nothing woke its task: prekeys count in days.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// Greatest number that is shown, whatever a relay says (docs/api.md): 2^53 − 1.
const LARGEST_NUMBER: u64 = (1 << 53) - 1;

/// What is known of relays now.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    own: Mutex<Vec<OwnRelay>>,
    /// How it stands with those that are in use, the contacts' too.
    states: Mutex<BTreeMap<RelayAddress, RelayStatus>>,
    /// The prekey that others are to seal to; none as long as there is no relay.
    prekey: Mutex<Option<SignedPrekey>>,
    troubles: Mutex<Troubles>,
    wake: Notify,
}

impl Relays {
    pub(crate) fn new(own: Vec<OwnRelay>) -> Self {
        Self { own: Mutex::new(own), ..Self::default() }
    }

    /// The relays where this machine is to be reached.
    pub(crate) fn own(&self) -> Vec<OwnRelay> {
        lock(&self.own).clone()
    }

    /// Their addresses.
    pub(crate) fn addresses(&self) -> Vec<RelayAddress> {
        lock(&self.own).iter().map(|relay| relay.address.clone()).collect()
    }

    /// The plan is to be made anew.
    pub(crate) fn stir(&self) {
        self.wake.notify_one();
    }

    /// The prekey that others are to seal to.
    pub(crate) fn prekey(&self) -> Option<SignedPrekey> {
        lock(&self.prekey).clone()
    }

    fn state(&self, address: &RelayAddress) -> RelayState {
        lock(&self.states).get(address).map_or(RelayState::Reaching, |status| status.state.clone())
    }

    /// Whether it is one of the own relays, and not connected.
    pub(crate) fn is_missed(&self, address: &RelayAddress) -> bool {
        self.addresses().contains(address) && self.state(address) != RelayState::Connected
    }

    /// Those of the own relays as they are shown.
    pub(crate) fn view(&self) -> Vec<view::Relay> {
        let states = lock(&self.states);
        self.own().iter().map(|relay| shown(relay, states.get(&relay.address))).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each is replaced as a whole, so a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How it stands with a relay has changed.
pub(crate) fn changed(core: &Arc<Core>, status: RelayStatus, patience: Patience) {
    let (address, state) = (status.address.clone(), status.state.clone());
    let before = lock(&core.relays.states).insert(address.clone(), status).map(|before| before.state);
    if state == RelayState::Connected && before.as_ref() != Some(&state) {
        core.files.retry_all();
    }
    if before.as_ref() == Some(&state) || !core.relays.addresses().contains(&address) {
        return;
    }
    match &state {
        RelayState::Reaching => {}
        RelayState::Connected => mended(core, &address),
        RelayState::Failed(error) => {
            tracing::info!(relay = address.origin(), %error, "a relay is not connected");
            let now = Instant::now();
            let told = lock(&core.relays.troubles).failed(&address, error, has_network(core, &address), now, patience);
            if let Some(trouble) = told {
                centre::relay_fails(core, address, trouble, &fault(error).message);
            }
        }
    }
    publish(core);
}

/// What was told of a relay is over.
fn mended(core: &Arc<Core>, address: &RelayAddress) {
    lock(&core.relays.troubles).ended(address);
    centre::relay_mended(core, address);
}

/// Whether there is a network by which a relay could be reached. Addresses that are made up without one do not count.
fn has_network(core: &Core, relay: &RelayAddress) -> bool {
    let reaches = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    };
    relay.is_loopback() || core.link().is_some_and(|link| link.network().addresses().any(reaches))
}

fn publish(core: &Core) {
    core.hub.publish(Change::RelaysChanged { relays: core.relays.view() });
}

fn shown(relay: &OwnRelay, status: Option<&RelayStatus>) -> view::Relay {
    let (state, error) = match status.map(|status| &status.state) {
        None | Some(RelayState::Reaching) => (view::RelayState::Connecting, None),
        Some(RelayState::Connected) => (view::RelayState::Connected, None),
        Some(RelayState::Failed(error)) => (view::RelayState::Failed, Some(fault(error))),
    };
    view::Relay {
        address: relay.address.to_string(),
        origin: relay.address.origin(),
        state,
        error,
        member: relay.membership.is_some(),
        key_pinned: relay.address.key().is_some(),
        limits: status.and_then(|status| status.limits.as_ref()).map(allowed),
    }
}

fn allowed(limits: &Limits) -> view::RelayLimits {
    let number = |value: u64| value.min(LARGEST_NUMBER);
    view::RelayLimits {
        items: number(limits.items),
        bytes: number(limits.bytes),
        kept_seconds: number(limits.ttl_s),
        files: limits.files.map(|files| view::RelayFileLimits {
            file_bytes: number(files.file_bytes),
            count: number(files.count),
            bytes: number(files.bytes),
            kept_seconds: number(files.ttl_s),
        }),
    }
}

/// Why a relay is not connected, with what the person can do.
fn fault(error: &RelayError) -> RelayFault {
    let (code, action) = match error {
        RelayError::Unreachable(_) => ("unreachable", "See that it runs and that its address is right."),
        RelayError::OtherKey => ("other_key", "Ask whoever runs it for its present address."),
        RelayError::Untrusted(_) => ("untrusted", "Ask whoever runs it for the address with its key (behind #)."),
        RelayError::NotRelay(_) => ("not_relay", "See that its address is right."),
        RelayError::Refused { code: RefusalCode::NotMember, .. } => {
            ("not_member", "Ask whoever runs it for a membership token, and add it with that.")
        }
        RelayError::Refused { code: RefusalCode::BadProof, .. } => {
            ("bad_proof", "Use the address that the relay itself prints, not another way to it.")
        }
        RelayError::Refused { code: RefusalCode::Full, .. } => ("full", "It is tried again by itself."),
        RelayError::Refused { .. } => ("refused", "It is tried again by itself."),
        RelayError::Bye { code: RelayBye::Replaced, .. } => {
            ("replaced", "Another program uses this machine's identity there: end one of the two.")
        }
        RelayError::Bye { .. } => ("closed", "It is tried again by itself."),
        RelayError::Silent => ("silent", "It is tried again by itself."),
        RelayError::Broken(_) => ("broken", "It is tried again by itself."),
        RelayError::Protocol(_) => ("protocol", "See that it is a Landline relay of a current version."),
    };
    let mut words = error.to_string();
    if let Some(first) = words.get(..1).map(str::to_uppercase) {
        words.replace_range(..1, &first);
    }
    RelayFault { code: code.to_owned(), message: format!("{words}. {action}") }
}
