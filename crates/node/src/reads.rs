//! What this person has seen, as signed receipts for the others.

use proto::event::Order;
use proto::id::{MachineId, SessionId};
use proto::identity::Identity;
use proto::register::{ReceiptKind, SignedReceipt};
use store::messages::Cursor;
use store::{SessionKey, StoreError, Tx};

use crate::core::Core;
use crate::mailbox;

/// Whether a machine is told what was seen: only a contact, and only when the person wants it.
pub(crate) fn shared_with(core: &Core, peer: &MachineId) -> bool {
    core.kept().settings.read_receipts && core.people.get(peer).is_some_and(|person| person.accepted())
}

/// What was seen of a request is told when its sender has become a contact.
pub(crate) async fn tell_of_request(core: &Core, peer: MachineId, session: SessionId) -> Result<(), StoreError> {
    if !shared_with(core, &peer) {
        return Ok(());
    }
    let away = core.links.get(&peer).is_none();
    let (identity, now_ms) = (core.identity.clone(), core.clock.wall_ms());
    let receipt = core
        .store
        .write(move |tx| {
            let Some(listed) = store::sessions::get_by_id(tx, &session)? else { return Ok(None) };
            if listed.unread_count > 0 {
                return Ok(None);
            }
            let receipt = sign(tx, &identity, session, listed.key, None, now_ms)?;
            if away && receipt.is_some() {
                store::reach::owe(tx, &peer)?;
            }
            Ok(receipt)
        })
        .await?;
    if let Some(receipt) = receipt {
        tell(core, peer, session, receipt, away).await?;
    }
    Ok(())
}

/// Hands a receipt to whatever way there is to its reader. `owed`: it was counted with the receipt that the reader is to be told.
pub(crate) async fn tell(
    core: &Core,
    peer: MachineId,
    session: SessionId,
    receipt: SignedReceipt,
    owed: bool,
) -> Result<(), StoreError> {
    if let Some(link) = core.links.get(&peer) {
        link.with(|pending| drop(pending.receipts.insert((session, ReceiptKind::Read), receipt)));
        return Ok(());
    }
    if !owed {
        // The link that was there has gone meanwhile.
        core.store.write(move |tx| store::reach::owe(tx, &peer)).await?;
    }
    mailbox::stir_soon(core, peer);
    Ok(())
}

/// Signs and keeps how far a session was read: up to a place, or all of it. `None` when that says nothing new.
pub(crate) fn sign(
    tx: &Tx<'_>,
    identity: &Identity,
    session: SessionId,
    key: SessionKey,
    upto: Option<&Order>,
    now_ms: u64,
) -> Result<Option<SignedReceipt>, StoreError> {
    let me = identity.machine_id();
    let last = match upto {
        Some(order) => Some(*order),
        None => store::messages::page(tx, key, &Cursor::Last, 1)?.messages.pop().map(|last| last.order),
    };
    let Some(last) = last else { return Ok(None) };
    let mut vector = store::reading::upto(tx, key, &me, &last)?;
    let before = store::registers::get(tx, key, &me, ReceiptKind::Read)?;
    if let Some(before) = &before {
        vector.merge(&before.receipt().vector);
        if vector == before.receipt().vector {
            return Ok(None);
        }
    }
    if vector.is_empty() {
        return Ok(None);
    }
    let version = before.map_or(0, |before| before.receipt().version) + 1;
    let signed = SignedReceipt::sign(identity, session, ReceiptKind::Read, version, vector, Some(now_ms));
    store::reading::put_own(tx, key, &signed, now_ms)?;
    Ok(Some(signed))
}
