//! How trust changes: unknown → requested → accepted, and blocked.

use std::sync::Arc;

use proto::id::{MachineId, SessionId};
use store::machines::Trust;

use crate::core::Core;
use crate::view::User;
use crate::{NodeError, centre, neighbours, reads};

/// A machine was accepted, and that is stored: it is shown, and asked for what it held back.
pub(crate) fn accepted(core: &Arc<Core>, machine: MachineId, session: SessionId) {
    trusted(core, machine, session, Trust::Accepted);
}

/// As [`accepted`], with the trust that was stored.
pub(crate) fn trusted(core: &Arc<Core>, machine: MachineId, session: SessionId, trust: Trust) {
    core.people.set_trust(machine, trust);
    centre::answered(core, session);
    core.show_user(&machine);
    neighbours::note_contact(core, machine);
    core.relays.stir();
    if let Some(link) = core.links.get(&machine) {
        link.stop_holding(&session);
        link.with(|pending| {
            pending.vectors.insert(session);
            pending.reach = true;
        });
    }
}

/// Accepts a machine on its owner's word.
pub(crate) async fn accept(core: &Arc<Core>, machine: MachineId) -> Result<User, NodeError> {
    let person = core.people.get(&machine).ok_or_else(|| unknown(&machine))?;
    match person.trust {
        Trust::Accepted | Trust::Verified => return user(core, &machine),
        Trust::Blocked => {
            let message = "this machine is blocked; unblock it first".to_owned();
            return Err(NodeError::Conflict { code: "user_blocked", message });
        }
        Trust::Unknown | Trust::Requested => {}
    }
    store_trust(core, machine, Trust::Accepted, true).await?;
    let session = SessionId::direct(&core.me, &machine);
    accepted(core, machine, session);
    reads::tell_of_request(core, machine, session).await?;
    user(core, &machine)
}

/// Blocks a machine: its link ends, and it is told nothing.
pub(crate) async fn block(core: &Arc<Core>, machine: MachineId) -> Result<User, NodeError> {
    store_trust(core, machine, Trust::Blocked, false).await?;
    core.people.set_trust(machine, Trust::Blocked);
    core.drop_peer(&machine);
    core.relays.stir();
    let session = SessionId::direct(&core.me, &machine);
    core.notices.settle(core, session);
    centre::answered(core, session);
    core.show_user(&machine);
    user(core, &machine)
}

/// Ends a block.
pub(crate) async fn unblock(core: &Core, machine: MachineId) -> Result<User, NodeError> {
    let person = core.people.get(&machine).ok_or_else(|| unknown(&machine))?;
    if person.trust != Trust::Blocked {
        return user(core, &machine);
    }
    let session = SessionId::direct(&core.me, &machine);
    let trust = core
        .store
        .write(move |tx| {
            let initiated = store::machines::get(tx, &machine)?.is_some_and(|known| known.initiated);
            // As it was before, as far as that shows: whoever was written to had been accepted.
            let trust = if initiated {
                Trust::Accepted
            } else if store::sessions::find(tx, &session)?.is_some() {
                Trust::Requested
            } else {
                Trust::Unknown
            };
            store::machines::set_trust(tx, &machine, trust)?;
            Ok(trust)
        })
        .await?;
    core.people.set_trust(machine, trust);
    core.relays.stir();
    core.show_user(&machine);
    core.dial_again(machine).await?;
    user(core, &machine)
}

async fn store_trust(core: &Core, machine: MachineId, trust: Trust, by_us: bool) -> Result<(), NodeError> {
    let signed = core.people.get(&machine).and_then(|person| person.signed);
    let now_ms = core.clock.wall_ms();
    core.store
        .write(move |tx| {
            if store::machines::get(tx, &machine)?.is_none() {
                store::machines::upsert_seen(tx, &machine, now_ms)?;
            }
            if let Some(signed) = &signed {
                store::machines::set_profile(tx, signed)?;
            }
            if by_us {
                store::machines::set_initiated(tx, &machine)?;
            }
            if trust == Trust::Blocked
                && let Some(reach) = store::reach::get(tx, &machine)?
            {
                // What it was given opens nothing from now on.
                store::reach::give(tx, &machine, None, reach.given_version, now_ms)?;
            }
            store::machines::set_trust(tx, &machine, trust).map(drop)
        })
        .await?;
    Ok(())
}

/// A machine as it is shown.
pub(crate) fn user(core: &Core, machine: &MachineId) -> Result<User, NodeError> {
    core.people.user(machine).ok_or_else(|| unknown(machine))
}

fn unknown(machine: &MachineId) -> NodeError {
    NodeError::NotFound {
        code: "user_not_found",
        message: format!("the machine {} is not known here", machine.short()),
    }
}
