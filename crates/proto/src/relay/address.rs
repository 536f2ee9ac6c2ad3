//! Where a relay is, and which key it has.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use thiserror::Error;

use crate::endpoint::{Endpoint, EndpointError};
use crate::limits;

/// The port of a relay whose address names none.
pub const DEFAULT_PORT: u16 = 4282;

/// Why a text is no address of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Longer than [`limits::RELAY_ADDRESS_BYTES`].
    #[error("is longer than {} bytes", limits::RELAY_ADDRESS_BYTES)]
    TooLong,
    /// It begins with neither `wss://` nor `ws://`.
    #[error("does not begin with wss:// or ws://")]
    Scheme,
    /// Host or port.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
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
    endpoint: Endpoint,
    key: Option<[u8; 32]>,
}

impl RelayAddress {
    /// Whether it goes without TLS.
    pub const fn is_plain(&self) -> bool {
        self.plain
    }

    /// The host and port to dial.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether it names this computer itself.
    pub fn is_loopback(&self) -> bool {
        self.endpoint.is_loopback()
    }

    /// The host for a resolver: a name in lower case, or an IP address without brackets.
    pub fn host(&self) -> String {
        self.endpoint.host()
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.endpoint.port()
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
        format!("{scheme}://{}", self.endpoint)
    }
}

impl fmt::Display for RelayAddress {
    /// The one form of an address: lower case, no default port, a slash before the key only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.plain { "ws" } else { "wss" }, self.endpoint.short(DEFAULT_PORT))?;
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
        let address = Self { plain, endpoint: Endpoint::read(place, Some(DEFAULT_PORT))?, key };
        // An IPv6 address can be written shorter than it is printed.
        if address.to_string().len() > limits::RELAY_ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        Ok(address)
    }
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
        let [host, port] = [EndpointError::Host, EndpointError::Port].map(AddressError::Endpoint);
        for (text, error) in [
            ("", AddressError::Scheme),
            ("relay.example.org", AddressError::Scheme),
            ("https://relay.example.org", AddressError::Scheme),
            ("wss://", host),
            ("wss://a..b", host),
            ("wss://a b", host),
            ("wss://rélay.org", host),
            ("wss://1.2.3", host),
            ("wss://1.2.3.4.5", host),
            ("wss://0x7f000001.0x1", host),
            ("wss://[::1", host),
            ("wss://::1", port),
            ("wss://[::1]x:5", host),
            ("wss://[fe80::1%eth0]", host),
            ("wss://a:", port),
            ("wss://a:0", port),
            ("wss://a:+5", port),
            ("wss://a:65536", port),
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
