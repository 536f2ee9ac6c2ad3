//! What a peer refused to take: its messages fail and say why, until the peer asks for them again.

use std::sync::Arc;

use proto::frame::RejectCode;
use proto::id::{MachineId, SessionId};

use crate::core::Core;
use crate::view::Change;
use crate::views::Sides;

/// A peer's reason in words for the person.
pub(crate) fn reason(code: RejectCode) -> &'static str {
    match code {
        RejectCode::StorageFull => "the other machine's disk is full",
        RejectCode::Invalid => "the other machine found the message invalid",
        RejectCode::Frozen => "the other machine holds a contradicting log of this one",
        RejectCode::TooLarge => "the message is larger than the other machine takes",
        RejectCode::Internal | RejectCode::Other(_) => "the other machine could not store it",
    }
}

/// Marks all that waits for a peer in a session as failed. It goes again when the peer asks, or the person does.
pub(crate) async fn fail_waiting(core: &Arc<Core>, peer: MachineId, session: SessionId, reason: &'static str) {
    let failed = core
        .store
        .write(move |tx| {
            let Some(key) = store::sessions::find(tx, &session)? else { return Ok(Vec::new()) };
            let waiting = store::outbox::waiting(tx, &peer, key, u32::MAX)?;
            let keys: Vec<_> = waiting.iter().map(|waiting| waiting.event).collect();
            store::outbox::set_failed(tx, &peer, key, &keys, Some(reason))?;
            let failed = store::messages::fail(tx, &keys, reason)?;
            store::messages::by_keys(tx, &failed)
        })
        .await;
    match failed {
        Ok(rows) => {
            let sides = Sides::of(core, Some(&peer));
            for message in &rows {
                let message = sides.message(message);
                core.hub.publish(Change::MessageChanged { message, incoming: false });
            }
            core.hub.mark(session);
        }
        Err(error) => tracing::error!(%error, "a refusal could not be noted"),
    }
}
