//! Where a relay is, and which key it has.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use thiserror::Error;

use crate::limits;

/// The port of a relay whose address names none.
pub const DEFAULT_PORT: u16 = 4282;

/// Longest label of a DNS name.
const LABEL_BYTES: usize = 63;

/// Why a text is no address of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Longer than [`limits::RELAY_ADDRESS_BYTES`].
    #[error("is longer than {} bytes", limits::RELAY_ADDRESS_BYTES)]
    TooLong,
    /// It begins with neither `wss://` nor `ws://`.
    #[error("does not begin with wss:// or ws://")]
    Scheme,
    /// The host is neither a DNS name nor an IP address (IPv6 in brackets).
    #[error("has no valid host")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("has no valid port")]
    Port,
    /// Something other than `/` or `/#key` follows the port.
    #[error("has a path, a query or a user, which relays do not have")]
    Path,
    /// The key is not 52 characters of base32.
    #[error("has no valid key after #")]
    Key,
    /// A key without TLS.
    #[error("names a key, but is not wss://")]
    PlainKey,
}

/// Address of a relay: `wss://HOST[:PORT][/#KEY]`, or `ws://HOST[:PORT]` without TLS.
///
/// `KEY` is the SHA-256 of the `SubjectPublicKeyInfo` of the relay's TLS certificate, in lower-case base32 without
/// padding. With it a client trusts this key and no other; without it the system's roots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayAddress {
    plain: bool,
    host: Host,
    port: u16,
    key: Option<[u8; 32]>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl RelayAddress {
    /// Whether it goes without TLS.
    pub const fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether it names this computer itself.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Name(name) => name == "localhost",
            Host::V4(ip) => ip.is_loopback(),
            Host::V6(ip) => ip.is_loopback(),
        }
    }

    /// The host for a resolver: a name in lower case, or an IP address without brackets.
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

    /// The hash of the key that the relay must show, when the address names it.
    pub const fn key(&self) -> Option<&[u8; 32]> {
        self.key.as_ref()
    }

    /// The same address with the key that the relay must show; only with TLS.
    #[must_use]
    pub fn with_key(self, key: [u8; 32]) -> Self {
        let key = (!self.plain).then_some(key);
        Self { key, ..self }
    }

    /// `scheme://host:port`, the port always written: what a login is made for, and what tokens are derived from.
    pub fn origin(&self) -> String {
        let scheme = if self.plain { "ws" } else { "wss" };
        format!("{scheme}://{}:{}", self.host, self.port)
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

impl fmt::Display for RelayAddress {
    /// The one form of an address: lower case, no default port, a slash before the key only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.plain { "ws" } else { "wss" }, self.host)?;
        if self.port != DEFAULT_PORT {
            write!(f, ":{}", self.port)?;
        }
        match &self.key {
            Some(key) => write!(f, "/#{}", BASE32_NOPAD.encode(key).to_ascii_lowercase()),
            None => Ok(()),
        }
    }
}

impl FromStr for RelayAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > limits::RELAY_ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let plain = match scheme {
            _ if scheme.eq_ignore_ascii_case("wss") => false,
            _ if scheme.eq_ignore_ascii_case("ws") => true,
            _ => return Err(AddressError::Scheme),
        };
        let (place, key) = match rest.split_once('#') {
            Some((place, key)) => (place, Some(read_key(key)?)),
            None => (rest, None),
        };
        if plain && key.is_some() {
            return Err(AddressError::PlainKey);
        }
        let place = place.strip_suffix('/').unwrap_or(place);
        if place.contains(['/', '?', '@', '\\']) {
            return Err(AddressError::Path);
        }
        let (host, port) = split_port(place)?;
        let address = Self { plain, host: read_host(host)?, port, key };
        // An IPv6 address can be written shorter than it is printed.
        if address.to_string().len() > limits::RELAY_ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        Ok(address)
    }
}

fn split_port(place: &str) -> Result<(&str, u16), AddressError> {
    if place.starts_with('[') != place.contains(']') {
        return Err(AddressError::Host);
    }
    // The colons of an IPv6 address stand in brackets.
    let after_host = place.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some((_, tail)) = place.split_at_checked(after_host) else { return Err(AddressError::Host) };
    let Some((_, port)) = tail.split_once(':') else { return Ok((place, DEFAULT_PORT)) };
    let host = place.strip_suffix(port).and_then(|rest| rest.strip_suffix(':')).ok_or(AddressError::Host)?;
    if port.is_empty() || !port.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(AddressError::Port);
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(AddressError::Port),
        Ok(port) => Ok((host, port)),
    }
}

fn read_host(text: &str) -> Result<Host, AddressError> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(AddressError::Host)?;
        return inner.parse().map(Host::V6).map_err(|_| AddressError::Host);
    }
    if let Ok(ip) = text.parse() {
        return Ok(Host::V4(ip));
    }
    let labels = || text.split('.');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if labels().any(|label| label.is_empty() || label.len() > LABEL_BYTES || !label.bytes().all(allowed)) {
        return Err(AddressError::Host);
    }
    // A name that ends in a number is read as an IPv4 address by some and as a name by others.
    if labels().next_back().is_some_and(|last| last.starts_with(|first: char| first.is_ascii_digit())) {
        return Err(AddressError::Host);
    }
    Ok(Host::Name(text.to_ascii_lowercase()))
}

fn read_key(text: &str) -> Result<[u8; 32], AddressError> {
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| AddressError::Key)?;
    bytes.try_into().map_err(|_| AddressError::Key)
}

impl serde::Serialize for RelayAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for RelayAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RelayAddress {
        text.parse().unwrap_or_else(|error| panic!("{text} {error}"))
    }

    #[test]
    fn an_address_has_one_form() {
        let key = "a".repeat(52);
        for (text, form, origin) in [
            ("wss://relay.example.org", "wss://relay.example.org", "wss://relay.example.org:4282"),
            ("WSS://Relay.Example.ORG:4282/", "wss://relay.example.org", "wss://relay.example.org:4282"),
            ("wss://relay_1.lan:443", "wss://relay_1.lan:443", "wss://relay_1.lan:443"),
            ("ws://127.0.0.1:80/", "ws://127.0.0.1:80", "ws://127.0.0.1:80"),
            ("wss://[2001:DB8:0::1]:7", "wss://[2001:db8::1]:7", "wss://[2001:db8::1]:7"),
            ("wss://[fe80::1]", "wss://[fe80::1]", "wss://[fe80::1]:4282"),
            (&format!("wss://a#{key}"), &format!("wss://a/#{key}"), "wss://a:4282"),
            (&format!("wss://a:9/#{}", key.to_uppercase()), &format!("wss://a:9/#{key}"), "wss://a:9"),
        ] {
            let address = read(text);
            assert_eq!((address.to_string().as_str(), address.origin().as_str()), (form, origin));
            assert_eq!(read(form), address, "because the form reads back");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_its_part() {
        let long = format!("wss://{}", "a.".repeat(100));
        let key = "a".repeat(52);
        for (text, error) in [
            ("", AddressError::Scheme),
            ("relay.example.org", AddressError::Scheme),
            ("https://relay.example.org", AddressError::Scheme),
            ("wss://", AddressError::Host),
            ("wss://a..b", AddressError::Host),
            ("wss://a b", AddressError::Host),
            ("wss://rélay.org", AddressError::Host),
            ("wss://1.2.3", AddressError::Host),
            ("wss://1.2.3.4.5", AddressError::Host),
            ("wss://0x7f000001.0x1", AddressError::Host),
            ("wss://[::1", AddressError::Host),
            ("wss://::1", AddressError::Port),
            ("wss://[::1]x:5", AddressError::Host),
            ("wss://[fe80::1%eth0]", AddressError::Host),
            ("wss://a:", AddressError::Port),
            ("wss://a:0", AddressError::Port),
            ("wss://a:+5", AddressError::Port),
            ("wss://a:65536", AddressError::Port),
            ("wss://a/b", AddressError::Path),
            ("wss://a//", AddressError::Path),
            ("wss://a?b", AddressError::Path),
            ("wss://me@a", AddressError::Path),
            ("wss://a#", AddressError::Key),
            ("wss://a/#abc", AddressError::Key),
            (&format!("wss://a/#{}b", &"a".repeat(51)), AddressError::Key),
            (&format!("ws://a/#{key}"), AddressError::PlainKey),
            (&long, AddressError::TooLong),
        ] {
            assert_eq!(text.parse::<RelayAddress>(), Err(error), "{text}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        for text in ["ws://127.0.0.1", "ws://127.9.9.9:5", "ws://[::1]", "ws://LOCALHOST:80"] {
            assert!(read(text).is_loopback(), "{text}");
        }
        for text in ["ws://10.0.0.1", "wss://localhost.example.org", "wss://[fe80::1]"] {
            assert!(!read(text).is_loopback(), "{text}");
        }
    }
}
