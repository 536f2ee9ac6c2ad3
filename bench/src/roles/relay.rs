//! Clients of a relay that speak its protocol and do nothing else.

pub(super) mod idle;
pub(super) mod mailbox;
pub(super) mod wire;
