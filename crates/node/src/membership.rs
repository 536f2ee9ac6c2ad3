//! Who belongs to a session, and so what may be said about it on a link.

use proto::id::{MachineId, SessionId};

/// Whether this machine and a linked one are both members. Nothing of another session is served or taken.
pub(crate) fn shared(me: &MachineId, peer: &MachineId, session: &SessionId) -> bool {
    *session == SessionId::direct(me, peer)
}
