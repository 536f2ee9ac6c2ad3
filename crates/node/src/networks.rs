//! The state of the network side as it is shown.

use std::net::SocketAddr;

use link::{DiscoveryState, NetworkState};

use crate::view::{Availability, Interface, Network};

/// As it is shown, with the number of links that stand.
pub(crate) fn view(state: &NetworkState, links: usize) -> Network {
    Network {
        listen: state.listen.to_string(),
        interfaces: state
            .interfaces
            .iter()
            .map(|interface| Interface {
                name: interface.name.clone(),
                addresses: interface.addresses.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        mdns: availability(&state.mdns),
        beacon: availability(&state.beacon),
        discovered: count(state.hints),
        links: count(links),
    }
}

/// Before there is any.
pub(crate) fn none(listen: SocketAddr) -> Network {
    let off = Availability { ok: false, reason: Some("not started".to_owned()) };
    Network {
        listen: listen.to_string(),
        interfaces: Vec::new(),
        mdns: off.clone(),
        beacon: off,
        discovered: 0,
        links: 0,
    }
}

fn availability(state: &DiscoveryState) -> Availability {
    match state {
        DiscoveryState::Running => Availability { ok: true, reason: None },
        DiscoveryState::Off => Availability { ok: false, reason: Some("switched off".to_owned()) },
        DiscoveryState::Failed(reason) => Availability { ok: false, reason: Some(reason.clone()) },
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
