//! Names of machines, sessions, events and messages.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use thiserror::Error;
use uuid::Uuid;

use crate::limits;

/// Human-readable part of a machine ID's text form.
const HRP: &str = "landline";
/// `landline1`: what every machine ID's text form begins with.
pub const MACHINE_ID_PREFIX: &str = "landline1";
const SHORT_CHARS: usize = 8;
const TAG_CHARS: usize = 4;
const DIRECT_SESSION_CONTEXT: &str = "landline/session/direct/1";

/// Why a text is not an ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IdError {
    /// Longer than any ID.
    #[error("is too long for an ID")]
    TooLong,
    /// Not bech32m, or a character is mistyped.
    #[error("is not a machine ID, or has a typing error")]
    Checksum,
    /// bech32m of something else.
    #[error("does not begin with \"landline1\"")]
    Prefix,
    /// Another length than 32 bytes.
    #[error("has the wrong length for a machine ID")]
    Length,
    /// 32 bytes that no machine can hold the private key of.
    #[error("is not a public key")]
    NotAKey,
    /// Not a UUID in the hyphenated form.
    #[error("is not a UUID")]
    Uuid,
    /// Not 64 hexadecimal digits.
    #[error("is not an event ID")]
    Hex,
}

/// A machine: its Ed25519 public key. The order is that of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId([u8; 32]);

impl MachineId {
    /// Takes the bytes of a public key. They are not checked here: a key that is none fails to verify anything.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The public key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight characters after `landline1`. For people to look at; never compared by programs.
    pub fn short(&self) -> String {
        self.data_part().take(SHORT_CHARS).collect()
    }

    /// The first four characters after `landline1`, to tell namesakes apart on screen.
    pub fn tag(&self) -> String {
        self.data_part().take(TAG_CHARS).collect()
    }

    fn data_part(&self) -> impl Iterator<Item = char> + use<> {
        let text = self.to_string();
        text.chars().skip(MACHINE_ID_PREFIX.len()).collect::<Vec<_>>().into_iter()
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bech32::encode_lower_to_fmt::<Bech32m, _>(f, Hrp::parse_unchecked(HRP), &self.0).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MachineId({})", self.short())
    }
}

impl FromStr for MachineId {
    type Err = IdError;

    /// Reads the bech32m form, all lower or all upper case (as QR codes like it).
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() > limits::MACHINE_ID_TEXT_BYTES {
            return Err(IdError::TooLong);
        }
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| IdError::Checksum)?;
        if checked.hrp() != Hrp::parse_unchecked(HRP) {
            return Err(IdError::Prefix);
        }
        if checked.byte_iter().len() != 32 {
            return Err(IdError::Length);
        }
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(checked.byte_iter()).for_each(|(to, from)| *to = from);
        let id = Self(bytes);
        // bech32 pads 256 bits to 260: demanding the same text back refuses other padding, so an ID has one text form.
        if !id.to_string().eq_ignore_ascii_case(text) {
            return Err(IdError::Checksum);
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| IdError::NotAKey)?;
        if key.is_weak() { Err(IdError::NotAKey) } else { Ok(id) }
    }
}

/// A session. A direct session's is computed from its two members, so both make the same one without asking.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Uuid);

impl SessionId {
    /// The direct session of two machines: a UUIDv8 of the first 16 bytes of BLAKE3 (key derivation mode, context
    /// `landline/session/direct/1`) over both machine IDs in ascending order.
    pub fn direct(a: &MachineId, b: &MachineId) -> Self {
        let (first, second) = if a <= b { (a, b) } else { (b, a) };
        let mut hasher = blake3::Hasher::new_derive_key(DIRECT_SESSION_CONTEXT);
        hasher.update(first.as_bytes()).update(second.as_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// Takes the 16 bytes of the wire or the store.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// A message: a UUIDv7 that is computed from its event, so nobody can claim another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Uuid);

impl MessageId {
    /// The ID of the message in an event: its timestamp is the header's `wall_ms`, its other 74 bits are from the first
    /// ten bytes of the event ID.
    pub fn for_event(wall_ms: u64, event: &EventId) -> Self {
        let mut random = [0; 10];
        random.iter_mut().zip(event.as_bytes()).for_each(|(to, from)| *to = *from);
        Self(uuid::Builder::from_unix_timestamp_millis(wall_ms.min(limits::WALL_MS_MAX), &random).into_uuid())
    }

    /// Takes the 16 bytes of the store.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

/// An event: BLAKE3 of its header bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 32]);

impl EventId {
    /// The ID of the event with these header bytes.
    pub fn of(header_bytes: &[u8]) -> Self {
        Self(*blake3::hash(header_bytes).as_bytes())
    }

    /// Takes the 32 bytes of the wire or the store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "EventId({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}

impl FromStr for EventId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes())).map_err(|_| IdError::Hex)
    }
}

/// One life of a machine's logs: a random number, new after an installation, a restore or lost data, so that a
/// restored copy never forks its own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// An epoch of these bits, of which the top one is cleared: stores have signed integers. For a new one pass random
    /// bits.
    pub const fn new(bits: u64) -> Self {
        Self(bits & limits::INTEGER_MAX)
    }

    /// The number, at most [`limits::INTEGER_MAX`].
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

macro_rules! uuid_text {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            /// Reads the hyphenated form of 36 characters.
            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.len() != uuid::fmt::Hyphenated::LENGTH {
                    return Err(IdError::Uuid);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::Uuid)
            }
        }
    };
}
uuid_text!(SessionId);
uuid_text!(MessageId);

macro_rules! serde_as_text {
    ($($type:ident),*) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(MachineId, SessionId, MessageId, EventId);
