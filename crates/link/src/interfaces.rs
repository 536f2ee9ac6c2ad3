//! Network interfaces and their addresses, followed as they come, go and change.

use std::net::{IpAddr, Ipv4Addr};

/// A network interface that is up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface {
    /// Its name in the operating system, for a person.
    pub name: String,
    /// Its number, which scopes link-local addresses; 0 when unknown.
    pub index: u32,
    /// Whether only this computer is behind it.
    pub loopback: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Where IPv4 broadcasts go: for each source address the address of its subnet.
    pub broadcasts: Vec<(Ipv4Addr, Ipv4Addr)>,
}
