//! The handle of the link.

use std::{net::SocketAddr, sync::Arc};

use proto::id::MachineId;
use tokio::sync::mpsc;

use crate::{
    config::{LinkConfig, Visibility},
    error::{DialError, LinkError},
    event::{LinkEvent, NetworkState},
};

/// Handle to everything that talks to other machines. Cheap to clone. When the last clone is dropped, all sockets are
/// closed at once; [`Link::shutdown`] says goodbye first.
#[derive(Debug, Clone)]
pub struct Link {}

impl Link {
    /// Listens, announces, looks for machines. Gives the handle and the stream of what happens, which must be drained.
    ///
    /// # Errors
    /// [`LinkError`]: no port is free, the key is unusable. That discovery can't start is no error; see
    /// [`NetworkState`].
    pub async fn start(config: LinkConfig) -> Result<(Self, mpsc::Receiver<LinkEvent>), LinkError> {
        drop(config);
        Err(LinkError::Tls("not built yet".into()))
    }

    /// Where peers are listened for, with the real port.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        ([0, 0, 0, 0], 0).into()
    }

    /// Random number of this start, as sent in `Hello`.
    #[must_use]
    pub fn instance(&self) -> u64 {
        0
    }

    /// Keeps a machine linked: its addresses from earlier links are dialled now, and again with back-off whenever
    /// there is no link. Calling again adds addresses.
    pub fn remember(&self, machine: MachineId, addresses: Vec<SocketAddr>) {
        drop((machine, addresses));
    }

    /// Stops keeping a machine linked. A link that stands stays.
    pub fn forget(&self, machine: &MachineId) {
        let _ = machine;
    }

    /// Dials an address that a person typed: `host`, `host:port`, `[IPv6%scope]:port`. Gives the machine that answered.
    /// Unless the text is no address or leads to this machine, it is kept and tried again with back-off, even when
    /// the first attempt fails.
    ///
    /// # Errors
    /// [`DialError`] says why the first attempt failed.
    pub async fn add_address(&self, address: &str) -> Result<MachineId, DialError> {
        Err(DialError::Syntax(address.to_owned()))
    }

    /// Stops trying a typed address. A link that stands stays.
    pub fn remove_address(&self, address: &str) {
        let _ = address;
    }

    /// Changes what is announced.
    pub fn set_visibility(&self, visibility: Visibility) {
        let _ = visibility;
    }

    /// Announces anew: call when the name in the profile has changed.
    pub fn refresh_announcement(&self) {}

    /// Ends the link to a machine and forgets its addresses. Call after the gate began to refuse it.
    pub fn drop_peer(&self, machine: &MachineId) {
        let _ = machine;
    }

    /// The network changed or the system woke: probes all links and dials again at once. The link notices by itself;
    /// this is for shells that learn of it earlier.
    pub fn wake(&self) {}

    /// Network and discovery as they are now.
    #[must_use]
    pub fn network(&self) -> Arc<NetworkState> {
        Arc::new(NetworkState {
            listen: self.listen_addr(),
            interfaces: Vec::new(),
            mdns: crate::event::DiscoveryState::Off,
            beacon: crate::event::DiscoveryState::Off,
            hints: 0,
            same_identity_at: None,
        })
    }

    /// Says goodbye to the network and to every linked machine, and returns when no task and no socket is left.
    pub async fn shutdown(&self) {}
}
