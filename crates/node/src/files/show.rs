//! What is shown of attachments and transfers.

use std::sync::Arc;

use store::StoreError;
use store::attachments::{AttachmentId, State, Stored};

use super::Running;
use crate::core::Core;
use crate::times;
use crate::view::{self, AttachmentKind, Change, Direction, RelayCopy, RelayCopyState, Transfer, TransferState};
use crate::views::Sides;

/// An attachment as it is shown.
pub(crate) fn attachment(stored: &Stored) -> view::Attachment {
    let about = &stored.attachment;
    view::Attachment {
        attachment_id: uuid_text(stored.id),
        index: stored.place,
        hash: about.blob.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        name: about.name.clone(),
        size: about.blob.size,
        mime: about.mime.clone(),
        kind: if about.files.is_some() { AttachmentKind::Folder } else { AttachmentKind::File },
        files: about.files,
        width: about.picture.map(|picture| picture.width),
        height: about.picture.map(|picture| picture.height),
        animated: about.picture.is_some_and(|picture| picture.animated),
        thumbnail: stored.has_thumbnail,
        state: state_of(stored.state),
        failure: stored.failure.clone(),
        bytes_done: stored.done,
        path: stored.path.clone().filter(|_| stored.state == State::Complete || stored.outgoing),
        relay_copy: relay_copy(stored),
    }
}

/// How it stands with the copy of an own attachment at a relay, as long as that counts.
fn relay_copy(stored: &Stored) -> Option<RelayCopy> {
    let deposit = stored.deposit.as_ref().filter(|_| stored.outgoing)?;
    let held = deposit.until_s > 0;
    let counts = match stored.state {
        State::Offered | State::Queued | State::Transferring | State::Paused => true,
        // What did not arrive from here can still come from there.
        State::Failed | State::Gone => held,
        State::Complete | State::Cancelled => false,
    };
    if !counts {
        return None;
    }
    let state = match &deposit.refusal {
        _ if held => RelayCopyState::Held,
        Some(_) => RelayCopyState::Refused,
        None => RelayCopyState::Sending,
    };
    Some(RelayCopy {
        relay: deposit.origin.clone(),
        state,
        until: held.then(|| times::text(deposit.until_s.saturating_mul(1_000))),
        failure: deposit.refusal.clone().filter(|_| !held),
    })
}

/// A transfer as it is shown.
pub(crate) fn transfer(stored: &Stored, running: Option<&Running>) -> Transfer {
    let size = stored.attachment.blob.size;
    let done = running.map_or(stored.done, |running| running.meter.done());
    let rate = running.and_then(|running| running.meter.rate());
    let left = rate.filter(|rate| *rate > 0).map(|rate| size.saturating_sub(done).div_ceil(rate));
    Transfer {
        transfer_id: uuid_text(stored.id),
        session_id: stored.session.to_string(),
        message_id: stored.message_id.to_string(),
        attachment_id: uuid_text(stored.id),
        user_id: stored.peer.to_string(),
        direction: if stored.outgoing { Direction::Outgoing } else { Direction::Incoming },
        name: stored.attachment.name.clone(),
        size,
        bytes_done: done,
        bytes_per_second: rate,
        seconds_left: left,
        state: state_of(stored.state),
        failure: stored.failure.clone(),
        relay_copy: relay_copy(stored),
    }
}

/// Tells the stream how an attachment stands now, with its message.
pub(crate) async fn publish(core: &Core, id: AttachmentId) {
    let found = core
        .store
        .read(move |reader| {
            let Some(stored) = store::attachments::get(reader, id)? else { return Ok(None) };
            Ok(store::messages::by_keys(reader, &[stored.message])?.pop().map(|message| (stored, message)))
        })
        .await;
    match found {
        Ok(Some((stored, message))) => {
            let running = core.files.running(id);
            core.hub.publish(Change::TransferChanged { transfer: transfer(&stored, running.as_ref()) });
            let message = Sides::of(core, Some(&stored.peer)).message(&message);
            core.hub.publish(Change::MessageChanged { message, incoming: false });
        }
        Ok(None) | Err(StoreError::Closed) => {}
        Err(error) => tracing::error!(%error, "an attachment could not be read"),
    }
}

/// Tells the stream how far a file is on its way to a relay.
pub(crate) fn sending(core: &Core, stored: &Stored, running: &Running) {
    if core.hub.watched() {
        core.hub.publish(Change::TransferChanged { transfer: transfer(stored, Some(running)) });
    }
}

/// Tells the stream how far a running transfer is.
pub(crate) fn progress(core: &Arc<Core>, stored: &Stored, running: &Running) {
    if core.hub.watched() {
        let mut transfer = transfer(stored, Some(running));
        transfer.state = TransferState::Transferring;
        transfer.failure = None;
        core.hub.publish(Change::TransferChanged { transfer });
    }
}

fn state_of(state: State) -> TransferState {
    match state {
        State::Offered => TransferState::Offered,
        State::Queued => TransferState::Queued,
        State::Transferring => TransferState::Transferring,
        State::Paused => TransferState::Paused,
        State::Complete => TransferState::Complete,
        State::Failed => TransferState::Failed,
        State::Cancelled => TransferState::Cancelled,
        State::Gone => TransferState::Gone,
    }
}

pub(crate) fn uuid_text(id: AttachmentId) -> String {
    uuid::Uuid::from_bytes(id.0).to_string()
}
