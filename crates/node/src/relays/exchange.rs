//! What linked contacts tell each other of how they are reached through relays: prekeys and grants.

use std::sync::Arc;

use proto::frame::Frame;
use proto::id::MachineId;
use proto::{SignedGrant, SignedPrekey};
use store::StoreError;

use crate::core::Core;
use crate::mailbox;

/// What a contact is to be told: the prekey, and the grant that it holds. Nothing as long as this machine has no relay.
pub(crate) async fn registers(core: &Core, peer: &MachineId) -> Result<Vec<Frame>, StoreError> {
    let Some(prekey) = core.relays.prekey() else { return Ok(Vec::new()) };
    if !core.people.get(peer).is_some_and(|person| person.accepted()) {
        return Ok(Vec::new());
    }
    let asked = *peer;
    let reach = core.store.read(move |reader| store::reach::get(reader, &asked)).await?;
    let grant = reach.and_then(|reach| Some((reach.given_version, reach.given?)));
    let grant = grant.map(|(version, secret)| SignedGrant::sign(&core.identity, *peer, version, secret));
    Ok(std::iter::once(Frame::Prekey(prekey)).chain(grant.map(Frame::Grant)).collect())
}

/// Takes what a machine said of itself, its signatures checked. Of a machine that has no row in the database nothing is
/// kept; it says it again when it is answered.
pub(crate) async fn heard(
    core: &Arc<Core>,
    peer: MachineId,
    prekey: Option<SignedPrekey>,
    grant: Option<SignedGrant>,
) -> Result<(), StoreError> {
    if !core.people.get(&peer).is_some_and(|person| person.stored) {
        return Ok(());
    }
    let now_ms = core.clock.wall_ms();
    let (sealable, granted) = core
        .store
        .write(move |tx| {
            let sealable = match &prekey {
                Some(prekey) => store::reach::set_prekey(tx, prekey, now_ms)?,
                None => false,
            };
            let granted = match &grant {
                Some(grant) => store::reach::hold(tx, grant, now_ms)?,
                None => false,
            };
            Ok((sealable, granted))
        })
        .await?;
    if granted {
        core.relays.stir();
        // It may have got the own one at a time when it did not know this machine yet.
        if let Some(link) = core.links.get(&peer) {
            link.with(|pending| pending.reach = true);
        }
    }
    if sealable || granted {
        mailbox::stir(core, peer);
    }
    Ok(())
}
