//! Invitations: a link, or a QR code of it, by which a person adds a machine that no discovery shows.
//!
//! `landline://add/<machine ID>?name=…&addr=<host:port>&relay=<address>&token=<base32>`. The token, while it is fresh, opens
//! a way through the inviter's relays, and shows the inviter that whoever comes was invited.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use thiserror::Error;

use crate::endpoint::{Endpoint, EndpointError};
use crate::id::{IdError, MachineId};
use crate::limits;
use crate::relay::{AddressError, GrantSecret, RelayAddress};
use crate::secret::secret;
use crate::text::{self, TextError};

const SCHEME: &str = "landline://";
const ACTION: &str = "add/";
const SECRET_CONTEXT: &str = "landline/invitation-secret/1";
const PROOF_CONTEXT: &str = "landline/invitation-proof/1";

secret! {
    /// What makes an invitation more than an address: random, good for one machine and [`limits::INVITATION_LIFE_S`].
    InvitationToken, 16
}

impl InvitationToken {
    /// What the invited machine derives its tokens for the inviter's relays from. The inviter registers the same there,
    /// for as long as the invitation counts.
    pub fn grant_secret(&self) -> GrantSecret {
        GrantSecret::from_bytes(blake3::derive_key(SECRET_CONTEXT, self.as_bytes()))
    }

    /// What the invited machine sends the inviter in `Invited`, over the link that has proved both.
    pub fn proof(&self, inviter: &MachineId, invited: &MachineId) -> [u8; 32] {
        *self.proof_hash(inviter, invited).as_bytes()
    }

    /// Whether `proof` was made with this token by `invited` for `inviter`. Takes the same time whatever the answer.
    pub fn proves(&self, inviter: &MachineId, invited: &MachineId, proof: &[u8; 32]) -> bool {
        self.proof_hash(inviter, invited) == blake3::Hash::from_bytes(*proof)
    }

    fn proof_hash(&self, inviter: &MachineId, invited: &MachineId) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key(PROOF_CONTEXT);
        hasher.update(self.as_bytes()).update(inviter.as_bytes()).update(invited.as_bytes());
        hasher.finalize()
    }
}

/// What an invitation link says. Whoever made it may have written anything: only the machine's handshake proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The machine to add.
    pub machine: MachineId,
    /// What its person is called, to be shown before its profile is here.
    pub name: Option<String>,
    /// Where it listens, at most [`limits::INVITATION_ADDRESSES`].
    pub addresses: Vec<Endpoint>,
    /// Its relays, at most [`limits::INVITATION_ADDRESSES`].
    pub relays: Vec<RelayAddress>,
    /// The token, when it is more than an address.
    pub token: Option<InvitationToken>,
}

/// Why a text is no invitation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvitationError {
    /// Longer than [`limits::INVITATION_BYTES`].
    #[error("the link is longer than {} bytes", limits::INVITATION_BYTES)]
    TooLong,
    /// It does not begin with `landline://add/`.
    #[error("the link does not begin with landline://add/")]
    NotAnInvitation,
    /// A `#` that is not escaped.
    #[error("the link holds a #, which is written %23")]
    Fragment,
    /// The machine ID cannot be read.
    #[error("machine ID: {0}")]
    Machine(IdError),
    /// An escape that is none, or that makes no text.
    #[error("{0}: has a broken % escape")]
    Escape(&'static str),
    /// A field more often than it may be there.
    #[error("{field}: can be there {limit} times")]
    TooMany {
        /// The field.
        field: &'static str,
        /// How often it may.
        limit: usize,
    },
    /// The name breaks a rule.
    #[error("name: {0}")]
    Name(TextError),
    /// An address cannot be read.
    #[error("addr: {0}")]
    Address(EndpointError),
    /// An address is too long.
    #[error("addr: is longer than {} bytes", limits::RELAY_ADDRESS_BYTES)]
    AddressTooLong,
    /// A relay's address cannot be read.
    #[error("relay: {0}")]
    Relay(AddressError),
    /// The token is not 26 characters of base32.
    #[error("token: is not 26 characters of base32")]
    Token,
}

impl fmt::Display for Invitation {
    /// The link. A name, address or relay that readers would refuse makes one that they refuse.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{ACTION}{}", self.machine)?;
        let mut separator = '?';
        let mut field = |f: &mut fmt::Formatter<'_>, name: &str, value: &str| {
            write!(f, "{separator}{name}=")?;
            separator = '&';
            escape(f, value)
        };
        if let Some(name) = &self.name {
            field(f, "name", name)?;
        }
        for address in &self.addresses {
            field(f, "addr", &address.to_string())?;
        }
        for relay in &self.relays {
            field(f, "relay", &relay.to_string())?;
        }
        if let Some(token) = &self.token {
            field(f, "token", &BASE32_NOPAD.encode(token.as_bytes()).to_ascii_lowercase())?;
        }
        Ok(())
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    /// Reads a link, in upper or lower case where that changes nothing; unknown fields are passed over.
    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let text = text.trim();
        if text.len() > limits::INVITATION_BYTES {
            return Err(InvitationError::TooLong);
        }
        let rest = strip_ignoring_case(text, SCHEME).and_then(|rest| strip_ignoring_case(rest, ACTION));
        let rest = rest.ok_or(InvitationError::NotAnInvitation)?;
        // A relay's key follows a #. Were the rest left out, as browsers do, the key would get lost and nobody notice.
        if rest.contains('#') {
            return Err(InvitationError::Fragment);
        }
        let (machine, query) = rest.split_once('?').unwrap_or((rest, ""));
        let machine = machine.strip_suffix('/').unwrap_or(machine);
        let machine = machine.parse().map_err(InvitationError::Machine)?;
        let mut invitation = Self { machine, name: None, addresses: Vec::new(), relays: Vec::new(), token: None };
        for pair in query.split('&') {
            let (field, value) = pair.split_once('=').unwrap_or((pair, ""));
            invitation.take(field, value)?;
        }
        Ok(invitation)
    }
}

impl Invitation {
    fn take(&mut self, field: &str, value: &str) -> Result<(), InvitationError> {
        let most = limits::INVITATION_ADDRESSES;
        match field.to_ascii_lowercase().as_str() {
            "name" => {
                let name = text::clean_name(&unescape("name", value)?).map_err(InvitationError::Name)?;
                only("name", 1, usize::from(self.name.replace(name).is_some()))
            }
            "addr" => {
                let address = unescape("addr", value)?;
                if address.len() > limits::RELAY_ADDRESS_BYTES {
                    return Err(InvitationError::AddressTooLong);
                }
                self.addresses.push(address.parse().map_err(InvitationError::Address)?);
                only("addr", most, self.addresses.len() - 1)
            }
            "relay" => {
                self.relays.push(unescape("relay", value)?.parse().map_err(InvitationError::Relay)?);
                only("relay", most, self.relays.len() - 1)
            }
            "token" => {
                let token = unescape("token", value)?.to_ascii_uppercase();
                let bytes = BASE32_NOPAD.decode(token.as_bytes()).map_err(|_| InvitationError::Token)?;
                let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| InvitationError::Token)?;
                let token = InvitationToken::from_bytes(bytes);
                only("token", 1, usize::from(self.token.replace(token).is_some()))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a field of which there were `before` already.
fn only(field: &'static str, limit: usize, before: usize) -> Result<(), InvitationError> {
    if before < limit { Ok(()) } else { Err(InvitationError::TooMany { field, limit }) }
}

fn strip_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (begin, rest) = text.split_at_checked(prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Writes a value of a query: what RFC 3986 lets stand there and no reader takes for something else, and the rest as escapes.
fn escape(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    value.bytes().try_for_each(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
            fmt::Write::write_char(f, char::from(byte))
        }
        byte => write!(f, "%{byte:02X}"),
    })
}

fn unescape(field: &'static str, value: &str) -> Result<String, InvitationError> {
    let broken = || InvitationError::Escape(field);
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16)).ok_or_else(broken);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high << 4 | low).map_err(|_| broken())?);
    }
    String::from_utf8(bytes).map_err(|_| broken())
}
