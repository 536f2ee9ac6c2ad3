//! The plan of relays that the link carries out, and the task that keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use link::{Home, HomeToken, RelayPlan};
use proto::InvitationToken;
use proto::id::MachineId;
use proto::limits;
use proto::prekey::SignedPrekey;
use proto::relay::{RelayAddress, Token};
use store::StoreError;
use store::reach::Reach;
use store::relays::OwnRelay;
use tokio::time::{Instant, timeout};

use super::keys::{self, KeyError};
use super::{LOOK, lock};
use crate::core::Core;
use crate::mailbox;

/// Keeps the link's plan until the store is closed.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        match round(&core).await {
            Ok(()) => {}
            Err(KeyError::Store(StoreError::Closed)) => return,
            Err(error) => tracing::error!(%error, "the relays could not be looked at"),
        }
        // Whether it was woken or not, it looks again.
        let _ = timeout(LOOK, core.relays.wake.notified()).await;
    }
}

async fn round(core: &Arc<Core>) -> Result<(), KeyError> {
    let mut told = Vec::new();
    let mut renewed = false;
    if core.relays.addresses().is_empty() {
        *lock(&core.relays.prekey) = None;
    } else {
        let prekey = keys::prekey(core).await?;
        renewed = lock(&core.relays.prekey).replace(prekey.clone()) != Some(prekey);
        told = keys::grants(core).await?;
    }
    let now_ms = core.clock.wall_ms();
    let (reach, made, followed) = core
        .store
        .read(move |reader| {
            let made = store::invitations::made(reader, now_ms)?;
            Ok((store::reach::list(reader)?, made, store::invitations::all_followed(reader, now_ms)?))
        })
        .await?;
    let (me, own, prekey) = (core.me, core.relays.own(), core.relays.prekey());
    let known = Known { me, own, prekey, reach, made, followed, now_ms };
    if let Some(link) = core.link() {
        link.set_relays(known.plans(|machine| core.people.relays(machine)));
    }
    for (machine, link) in core.links.by_machine() {
        if renewed || told.contains(&machine) {
            link.with(|pending| pending.reach = true);
        }
    }
    told.into_iter().for_each(|machine| mailbox::stir(core, machine));
    Ok(())
}

/// What a plan is made of.
struct Known {
    me: MachineId,
    own: Vec<OwnRelay>,
    prekey: Option<SignedPrekey>,
    reach: Vec<Reach>,
    /// Invitations made here, and when they end.
    made: Vec<(InvitationToken, u64)>,
    /// Invitations followed here.
    followed: Vec<(MachineId, InvitationToken)>,
    now_ms: u64,
}

impl Known {
    /// One plan for each relay, the own ones first. `profile` gives the relays that a machine's own profile names.
    fn plans(&self, profile: impl Fn(&MachineId) -> Vec<RelayAddress>) -> Vec<RelayPlan> {
        let mut contacts: BTreeMap<RelayAddress, BTreeMap<MachineId, Option<Token>>> = BTreeMap::new();
        for reach in self.reach.iter().filter(|reach| reach.trust.is_contact()) {
            for relay in relays_of(reach, profile(&reach.machine)) {
                let token = self.token(reach, &relay);
                // Without a token there is nothing to ask for, unless an invitation led here.
                if token.is_some() || reach.invited_to.contains(&relay) {
                    contacts.entry(relay).or_default().insert(reach.machine, token);
                }
            }
        }
        let own = self.own.iter().map(|relay| RelayPlan {
            address: relay.address.clone(),
            home: Some(self.home(relay)),
            contacts: contacts.remove(&relay.address).unwrap_or_default(),
        });
        let mut plans: Vec<RelayPlan> = own.collect();
        plans.extend(contacts.into_iter().map(|(address, contacts)| RelayPlan { address, home: None, contacts }));
        plans
    }

    /// What a machine is shown for at a relay of its own.
    fn token(&self, reach: &Reach, relay: &RelayAddress) -> Option<Token> {
        let invited = self.followed.iter().find(|(machine, _)| *machine == reach.machine);
        let granted = reach.held.as_ref().map(|held| held.grant().secret.at(relay));
        granted.or_else(|| invited.map(|(_, token)| token.grant_secret().at(relay)))
    }

    fn home(&self, relay: &OwnRelay) -> Home {
        let address = &relay.address;
        let may = |reach: &&Reach| reach.trust.is_contact() || reach.machine == self.me;
        let granted = self.reach.iter().filter(may).filter_map(|reach| reach.given.as_ref());
        let lasting = granted.map(|secret| HomeToken { hash: secret.at(address).hash(), until: None });
        let now = Instant::now();
        let fleeting = self.made.iter().map(|(token, ends_ms)| HomeToken {
            hash: token.grant_secret().at(address).hash(),
            until: Some(now + Duration::from_millis(ends_ms.saturating_sub(self.now_ms))),
        });
        Home {
            membership: relay.membership.clone().map(String::into_bytes),
            tokens: fleeting.chain(lasting).take(limits::RELAY_TOKENS).collect(),
            prekey: self.prekey.clone(),
        }
    }
}

/// Where a machine is to be reached: as its own profile says, else as its invitation said.
pub(crate) fn relays_of(reach: &Reach, profile: Vec<RelayAddress>) -> Vec<RelayAddress> {
    if profile.is_empty() { reach.invited_to.clone() } else { profile }
}
