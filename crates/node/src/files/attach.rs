//! What a message's attachments become when the message is stored: rows that say who has what, and whether it is fetched at once.

use proto::attachment::Attachment;
use proto::id::{MachineId, MessageId};
use store::attachments::{NewAttachment, State};
use store::{EventKey, StoreError, Tx};

use super::id_of;

/// With whom a message is shared, and what is fetched from there without asking.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sharing {
    /// The other machine; absent where there is none, so that nothing is shared either.
    pub(crate) peer: Option<MachineId>,
    /// Up to which size; absent when nothing is.
    pub(crate) fetched_up_to: Option<u64>,
}

/// Stores the attachments of a message.
pub(crate) fn attach(
    tx: &Tx<'_>,
    (key, id): (EventKey, &MessageId),
    attachments: &[Attachment],
    own: bool,
    sharing: &Sharing,
) -> Result<(), StoreError> {
    let Some(peer) = &sharing.peer else { return Ok(()) };
    for (place, attachment) in (0..).zip(attachments) {
        let source = if own { store::sources::get(tx, &attachment.blob.hash)? } else { None };
        let path = source.filter(|source| !source.kept).map(|source| source.path);
        let at_once = !own && sharing.fetched_up_to.is_some_and(|up_to| attachment.blob.size <= up_to);
        let new = NewAttachment {
            id: id_of(id, place),
            message: key,
            place,
            peer,
            outgoing: own,
            attachment,
            state: if at_once { State::Queued } else { State::Offered },
            path: path.as_deref(),
        };
        store::attachments::insert(tx, &new)?;
    }
    Ok(())
}
