//! How a machine proves to a relay that it has its key, in a way that is worth nothing anywhere else.
//!
//! The signature covers a number that the relay made for this connection, and the relay itself as the client sees it:
//! the key of its certificate, and the origin that was dialled. Another relay in between, which passes one relay's
//! number on to a client of its own, gets a signature for itself.

use crate::cbor::{DecodeError, Problem, Reader, Writer, required};
use crate::id::MachineId;
use crate::identity::{self, Domain, Identity, Signature};
use crate::limits;
use crate::relay::RelayAddress;

use thiserror::Error;

/// A client's first frame, when it wants its mailbox.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Version of the relay protocol that both speak from now on: the lower of the challenge's and the client's.
    pub version: u16,
    /// Who logs in.
    pub machine: MachineId,
    /// `scheme://host:port` as dialled.
    pub origin: String,
    /// SHA-256 of the `SubjectPublicKeyInfo` that the relay showed; absent without TLS.
    pub key: Option<[u8; 32]>,
    /// Over all of the above and the challenge's nonce.
    pub signature: Signature,
    /// What shows a relay for members that this machine is one, at most [`limits::MEMBERSHIP_BYTES`].
    pub membership: Option<Vec<u8>>,
}

/// What a relay knows of itself, to hold a login against.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// It does TLS itself: the hashes of its keys (two while a certificate is replaced).
    Keys(&'a [[u8; 32]]),
    /// Something before it does TLS, or nothing does: the origins at which clients dial it.
    Origins(&'a [String]),
}

/// Why a login proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LoginError {
    /// A version that the relay does not speak.
    #[error("version {0} is not spoken here")]
    Version(u16),
    /// It was made for another relay.
    #[error("the login was made for another relay")]
    OtherRelay,
    /// The signature does not fit.
    #[error("the signature does not fit")]
    Signature,
}

impl Login {
    /// Proves this machine to the relay at `address`, which showed `key` (absent without TLS) and sent `nonce`.
    pub fn sign(
        identity: &Identity,
        nonce: &[u8; 32],
        address: &RelayAddress,
        key: Option<[u8; 32]>,
        membership: Option<Vec<u8>>,
    ) -> Self {
        let (version, machine, origin) = (limits::RELAY_VERSION, identity.machine_id(), address.origin());
        let signature =
            identity.sign(Domain::RelayAuth, &signed_bytes(version, &machine, nonce, &origin, key.as_ref()));
        Self { version, machine, origin, key, signature, membership }
    }

    /// Checks it against the nonce that this connection was given, and against what the relay is.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn verify(&self, nonce: &[u8; 32], expected: Expected<'_>) -> Result<(), LoginError> {
        if self.version == 0 || self.version > limits::RELAY_VERSION {
            return Err(LoginError::Version(self.version));
        }
        let here = match expected {
            Expected::Keys(keys) => self.key.is_some_and(|key| keys.contains(&key)),
            Expected::Origins(origins) => origins.contains(&self.origin),
        };
        if !here {
            return Err(LoginError::OtherRelay);
        }
        let bytes = signed_bytes(self.version, &self.machine, nonce, &self.origin, self.key.as_ref());
        identity::verify(&self.machine, Domain::RelayAuth, &bytes, &self.signature).map_err(|_| LoginError::Signature)
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.map(4 + usize::from(self.key.is_some()) + usize::from(self.membership.is_some()));
        writer.uint(0).uint(u64::from(self.version));
        writer.uint(1).bytes(self.machine.as_bytes());
        writer.uint(2).text(&self.origin);
        if let Some(key) = &self.key {
            writer.uint(3).bytes(key);
        }
        writer.uint(4).bytes(self.signature.as_bytes());
        if let Some(membership) = &self.membership {
            writer.uint(5).bytes(membership);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (mut version, mut machine, mut origin) = (None, None, None);
        let (mut key, mut signature, mut membership) = (None, None, None);
        for _ in 0..reader.map("login")? {
            match reader.key("login")? {
                0 => version = Some(reader.u16("version")?),
                1 => machine = Some(MachineId::from_bytes(reader.fixed("machine")?)),
                2 => origin = Some(read_origin(reader)?),
                3 => key = Some(reader.fixed("key")?),
                4 => signature = Some(Signature::from_bytes(reader.fixed("signature")?)),
                5 => membership = Some(reader.bytes("membership", limits::MEMBERSHIP_BYTES)?.to_vec()),
                _ => reader.skip("login")?,
            }
        }
        Ok(Self {
            version: required(version, "version")?,
            machine: required(machine, "machine")?,
            origin: required(origin, "origin")?,
            key,
            signature: required(signature, "signature")?,
            membership,
        })
    }
}

/// An origin is printable ASCII: it is compared, and may be logged.
fn read_origin(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let origin = reader.text("origin", limits::RELAY_ORIGIN_BYTES)?;
    if !origin.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::Unexpected.in_field("origin"));
    }
    Ok(origin.to_owned())
}

fn signed_bytes(version: u16, machine: &MachineId, nonce: &[u8; 32], origin: &str, key: Option<&[u8; 32]>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(5).uint(u64::from(version)).bytes(machine.as_bytes()).bytes(nonce).text(origin);
    match key {
        Some(key) => writer.bytes(key),
        None => writer.null(),
    };
    writer.finish()
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Login");
        out.field("version", &self.version).field("machine", &self.machine).field("origin", &self.origin);
        out.finish_non_exhaustive()
    }
}
