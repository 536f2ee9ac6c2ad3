//! Grants: what a machine gives a contact, so that the contact can reach it at its relays.

use std::fmt;

use bytes::Bytes;

use crate::cbor::{DecodeError, Reader, Writer, required};
use crate::id::MachineId;
use crate::identity::{Domain, Identity, Signature};
use crate::limits;
use crate::register::signed_parts;
use crate::relay::GrantSecret;

/// What one machine lets another do at its relays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose relays.
    pub machine: MachineId,
    /// Who may.
    pub holder: MachineId,
    /// Greater is newer; counts up for each holder.
    pub version: u64,
    /// What the holder derives its tokens from.
    pub secret: GrantSecret,
}

/// A grant with its issuer's signature. Of two for one holder the one with the higher version counts. It holds a secret:
/// it travels over links and in sealed envelopes only.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedGrant {
    grant: Grant,
    bytes: Bytes,
    signature: Signature,
}

impl SignedGrant {
    /// Signs a grant of this machine. `version` is cut at [`limits::INTEGER_MAX`].
    pub fn sign(identity: &Identity, holder: MachineId, version: u64, secret: GrantSecret) -> Self {
        let grant = Grant { machine: identity.machine_id(), holder, version: version.min(limits::INTEGER_MAX), secret };
        let mut writer = Writer::new();
        writer.map(4);
        writer.uint(0).bytes(grant.machine.as_bytes());
        writer.uint(1).bytes(grant.holder.as_bytes());
        writer.uint(2).uint(grant.version);
        writer.uint(3).bytes(grant.secret.as_bytes());
        let bytes = Bytes::from(writer.finish());
        let signature = identity.sign(Domain::Grant, &bytes);
        Self { grant, bytes, signature }
    }

    /// Reads a grant of the wire or the store. Its signature is not checked: see [`Self::verify`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: Bytes, signature: Signature) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("grant", &bytes, limits::GRANT_BYTES)?;
        let (mut machine, mut holder, mut version, mut secret) = (None, None, None, None);
        for _ in 0..reader.map("grant")? {
            match reader.key("grant")? {
                0 => machine = Some(MachineId::from_bytes(reader.fixed("machine")?)),
                1 => holder = Some(MachineId::from_bytes(reader.fixed("holder")?)),
                2 => version = Some(reader.uint("version", limits::INTEGER_MAX)?),
                3 => secret = Some(GrantSecret::from_bytes(reader.fixed("secret")?)),
                _ => reader.skip("grant")?,
            }
        }
        let grant = Grant {
            machine: required(machine, "machine")?,
            holder: required(holder, "holder")?,
            version: required(version, "version")?,
            secret: required(secret, "secret")?,
        };
        Ok(Self { grant, bytes, signature })
    }

    /// What it says.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.tuple("grant", 2)?;
        let bytes = Bytes::copy_from_slice(reader.bytes("grant", limits::GRANT_BYTES)?);
        Self::decode(bytes, Signature::from_bytes(reader.fixed("signature")?))
    }
}

signed_parts!(SignedGrant, Domain::Grant, grant.machine);

impl fmt::Debug for SignedGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedGrant").field("grant", &self.grant).finish_non_exhaustive()
    }
}
