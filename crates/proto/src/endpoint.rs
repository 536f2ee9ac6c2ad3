//! A host and a port, as text.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// Longest label of a DNS name.
const LABEL_BYTES: usize = 63;
/// Longest DNS name.
const NAME_BYTES: usize = 253;

/// Why a text names no host and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// The host is neither a DNS name nor an IP address (IPv6 in brackets).
    #[error("has no valid host")]
    Host,
    /// The port is missing, or no number from 1 to 65535.
    #[error("has no valid port")]
    Port,
}

/// Where to dial: `HOST:PORT`, the host a DNS name in lower case, an IPv4 address, or an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Endpoint {
    /// The host for a resolver: a name, or an IP address without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::V4(ip) => ip.to_string(),
            Host::V6(ip) => ip.to_string(),
        }
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is this computer itself.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Name(name) => name == "localhost",
            Host::V4(ip) => ip.is_loopback(),
            Host::V6(ip) => ip.is_loopback(),
        }
    }

    /// The form without the port when it is `default`.
    pub(crate) fn short(&self, default: u16) -> String {
        if self.port == default { self.host.to_string() } else { self.to_string() }
    }

    /// Reads a text whose port may be missing when there is a default.
    pub(crate) fn read(text: &str, default: Option<u16>) -> Result<Self, EndpointError> {
        let (host, port) = split_port(text)?;
        let port = match port {
            Some(port) if !port.bytes().all(|digit| digit.is_ascii_digit()) => return Err(EndpointError::Port),
            Some(port) => port.parse().map_err(|_| EndpointError::Port)?,
            None => default.ok_or(EndpointError::Port)?,
        };
        if port == 0 {
            return Err(EndpointError::Port);
        }
        Ok(Self { host: read_host(host)?, port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(ip) => ip.fmt(f),
            Self::V6(ip) => write!(f, "[{ip}]"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        Self::read(text, None)
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), EndpointError> {
    if text.starts_with('[') != text.contains(']') {
        return Err(EndpointError::Host);
    }
    // The colons of an IPv6 address stand in brackets.
    let after_host = text.rfind(']').map_or(0, |bracket| bracket + 1);
    let (_, tail) = text.split_at_checked(after_host).ok_or(EndpointError::Host)?;
    let Some((_, port)) = tail.split_once(':') else { return Ok((text, None)) };
    let host = text.strip_suffix(port).and_then(|rest| rest.strip_suffix(':')).ok_or(EndpointError::Host)?;
    Ok((host, Some(port)))
}

fn read_host(text: &str) -> Result<Host, EndpointError> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(EndpointError::Host)?;
        return inner.parse().map(Host::V6).map_err(|_| EndpointError::Host);
    }
    if let Ok(ip) = text.parse() {
        return Ok(Host::V4(ip));
    }
    let labels = || text.split('.');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let wrong = |label: &str| label.is_empty() || label.len() > LABEL_BYTES || !label.bytes().all(allowed);
    // A name that ends in a number is read as an IPv4 address by some and as a name by others.
    let number = labels().next_back().is_some_and(|last| last.starts_with(|first: char| first.is_ascii_digit()));
    if text.len() > NAME_BYTES || labels().any(wrong) || number {
        return Err(EndpointError::Host);
    }
    Ok(Host::Name(text.to_ascii_lowercase()))
}
