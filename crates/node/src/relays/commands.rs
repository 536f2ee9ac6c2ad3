//! The commands about relays.

use std::time::Duration;

use link::RelayState;
use proto::limits;
use proto::relay::RelayAddress;
use store::relays::OwnRelay;

use super::{lock, mended, publish};
use crate::NodeError;
use crate::node::Node;
use crate::view::{self, Change, Page};

/// How long a relay that was just added has to answer, before it is shown as being reached.
const ANSWER: Duration = Duration::from_secs(5);

/// Longest membership (protocol: 64 bytes).
const MEMBERSHIP_BYTES: usize = 64;

impl Node {
    /// The relays where this machine is to be reached, and how it stands with each.
    #[must_use]
    pub fn relays(&self) -> Page<view::Relay> {
        Page { items: self.core().relays.view(), next_before: None, next_after: None }
    }

    /// Adds a relay where this machine is to be reached, or gives one that is there another membership. Waits a moment for
    /// its answer; the relay stays added, and is tried again, also when it does not answer.
    ///
    /// # Errors
    /// When the address or the membership is malformed, or there are as many relays as a profile can name.
    pub async fn add_relay(&self, address: &str, membership: Option<&str>) -> Result<view::Relay, NodeError> {
        let core = self.core();
        let address = parse(address)?;
        let relay = OwnRelay { address: address.clone(), membership: self::membership(membership)? };
        {
            let _one = self.changing().await;
            let mut own = core.relays.own();
            if let Some(known) = own.iter_mut().find(|known| known.address == relay.address) {
                known.membership.clone_from(&relay.membership);
            } else if own.len() < limits::RELAYS {
                own.push(relay.clone());
            } else {
                let message = format!("there can be {} relays; remove one first", limits::RELAYS);
                return Err(NodeError::Conflict { code: "too_many_relays", message });
            }
            self.set_relays(own, Some(relay), None).await?;
        }
        let mut changes = self.changes();
        let answered = async {
            while matches!(core.relays.state(&address), RelayState::Reaching) {
                if changes.next().await.is_none() {
                    break;
                }
            }
        };
        // How it stands is said by the state.
        let _ = tokio::time::timeout(ANSWER, answered).await;
        let text = address.to_string();
        let added = core.relays.view().into_iter().find(|relay| relay.address == text);
        added.ok_or_else(|| no_relay(&text))
    }

    /// Takes a relay away: this machine is not reached there any more, and what lies in its mailbox there is left behind;
    /// its senders have all of it still.
    ///
    /// # Errors
    /// When the address is malformed or there is no such relay.
    pub async fn remove_relay(&self, address: &str) -> Result<(), NodeError> {
        let address = parse(address)?;
        let _one = self.changing().await;
        let mut own = self.core().relays.own();
        let before = own.len();
        own.retain(|relay| relay.address != address);
        if own.len() == before {
            return Err(no_relay(&address.to_string()));
        }
        self.set_relays(own, None, Some(address)).await
    }

    /// Stores a change of the own relays, with the profile that says so, and puts both in place.
    async fn set_relays(
        &self,
        own: Vec<OwnRelay>,
        added: Option<OwnRelay>,
        removed: Option<RelayAddress>,
    ) -> Result<(), NodeError> {
        let core = self.core();
        let now_ms = core.clock.wall_ms();
        let addresses: Vec<_> = own.iter().map(|relay| relay.address.clone()).collect();
        let state = core.profile.state().at_relays(&addresses, &core.identity, now_ms)?;
        let (kept, removed_address) = (state.clone(), removed.clone());
        core.store
            .write(move |tx| {
                if let Some(added) = &added {
                    store::relays::put(tx, added, now_ms)?;
                }
                if let Some(removed) = &removed {
                    store::relays::remove(tx, removed)?;
                }
                // Whoever is away learns it from a mailbox.
                for reach in store::reach::list(tx)? {
                    store::reach::owe(tx, &reach.machine)?;
                }
                kept.store(tx)
            })
            .await?;
        *lock(&core.relays.own) = own;
        lock(&core.relays.states).retain(|address, _| core.relays.addresses().contains(address));
        self.put_profile(state);
        if let Some(removed) = removed_address {
            mended(core, &removed);
            for (machine, link) in core.links.by_machine() {
                if core.people.get(&machine).and_then(|person| person.via).as_ref() == Some(&removed) {
                    link.with(|pending| pending.hang_up = true);
                }
            }
        }
        core.relays.stir();
        publish(core);
        core.hub.publish(Change::MeChanged { me: self.me() });
        Ok(())
    }
}

fn parse(address: &str) -> Result<RelayAddress, NodeError> {
    address.trim().parse().map_err(|error| {
        let message = format!("address {error}");
        NodeError::Invalid { code: "invalid_address", field: "address", message }
    })
}

/// An empty one is none.
pub(crate) fn membership(text: Option<&str>) -> Result<Option<String>, NodeError> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.len() > MEMBERSHIP_BYTES) {
        let message = format!("membership can hold {MEMBERSHIP_BYTES} bytes");
        return Err(NodeError::Invalid { code: "invalid_membership", field: "membership", message });
    }
    Ok(text.map(str::to_owned))
}

fn no_relay(address: &str) -> NodeError {
    NodeError::NotFound {
        code: "relay_not_found",
        message: format!("the relay {address} is not one of this machine's"),
    }
}
