//! What this machine tells the network about itself.

use std::net::SocketAddr;

use proto::frame::Hello;

use crate::config::Visibility;

/// What mDNS and beacon announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) visible: bool,
    pub(crate) name: Option<String>,
    pub(crate) listen: SocketAddr,
    pub(crate) instance: u64,
}

impl Announcement {
    pub(crate) fn new(visibility: Visibility, hello: &Hello, listen: SocketAddr, instance: u64) -> Self {
        let name = (visibility == Visibility::Everyone).then(|| hello.profile.profile().name.clone());
        Self { visible: visibility != Visibility::Hidden, name, listen, instance }
    }
}
