//! The ways on which a machine is reached.

use std::{fmt, net::SocketAddr};

use proto::relay::RelayAddress;

/// Where a machine is reached. What goes over it is the same in every case: one TLS link with both machines' keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// At an address of its own.
    Direct(SocketAddr),
    /// Through a tunnel at a relay, which passes on bytes that it cannot read.
    Relay(RelayAddress),
}

impl Path {
    /// Whether nobody stands between the two machines.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        matches!(self, Self::Direct(_))
    }

    /// The machine's own address, when it is reached there.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Direct(address) => Some(*address),
            Self::Relay(_) => None,
        }
    }

    /// The relay through which the machine is reached, when it is.
    #[must_use]
    pub const fn relay(&self) -> Option<&RelayAddress> {
        match self {
            Self::Direct(_) => None,
            Self::Relay(relay) => Some(relay),
        }
    }
}

impl From<SocketAddr> for Path {
    fn from(address: SocketAddr) -> Self {
        Self::Direct(address)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct(address) => address.fmt(f),
            // The key is long and says nothing to a person.
            Self::Relay(relay) => write!(f, "the relay {}", relay.origin()),
        }
    }
}
