//! A machine's key pair, and signatures.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::id::MachineId;

/// What a signature is for. The label goes before the signed bytes, so a signature made for one purpose is worth
/// nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// The last event of a run.
    Event,
    /// A profile register.
    Profile,
    /// A receipt register.
    Receipt,
    /// A prekey register.
    Prekey,
    /// A grant register.
    Grant,
    /// A deposit register.
    Deposit,
    /// A login at a relay.
    RelayAuth,
}

impl Domain {
    /// The label. Signed are its bytes, one zero byte, and the bytes of the matter.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Event => "landline/event/1",
            Self::Profile => "landline/profile/1",
            Self::Receipt => "landline/receipt/1",
            Self::Prekey => "landline/prekey/1",
            Self::Grant => "landline/grant/1",
            Self::Deposit => "landline/deposit/1",
            Self::RelayAuth => "landline/relay-auth/1",
        }
    }

    fn message(self, bytes: &[u8]) -> Vec<u8> {
        let label = self.label().as_bytes();
        let mut message = Vec::with_capacity(label.len() + 1 + bytes.len());
        message.extend_from_slice(label);
        message.push(0);
        message.extend_from_slice(bytes);
        message
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes the 64 bytes of the wire or the store.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "Signature({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}

/// The signature does not fit the key, the purpose or the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature does not fit")]
pub struct BadSignature;

/// This machine's key pair.
pub struct Identity {
    key: SigningKey,
    id: MachineId,
}

impl Identity {
    /// The key pair of a 32-byte seed (RFC 8032's private key).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let key = SigningKey::from_bytes(&seed);
        let id = MachineId::from_bytes(key.verifying_key().to_bytes());
        Self { key, id }
    }

    /// The seed, to be kept secret. Wiped from memory when dropped.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// The public key.
    pub const fn machine_id(&self) -> MachineId {
        self.id
    }

    /// Signs `bytes` for one purpose.
    pub fn sign(&self, domain: Domain, bytes: &[u8]) -> Signature {
        Signature(self.key.sign(&domain.message(bytes)).to_bytes())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Checks a signature by the strict rules (no small-order keys or points, no malleable scalars), so that every machine
/// comes to the same verdict.
///
/// # Errors
/// [`BadSignature`].
pub fn verify(machine: &MachineId, domain: Domain, bytes: &[u8], signature: &Signature) -> Result<(), BadSignature> {
    let key = VerifyingKey::from_bytes(machine.as_bytes()).map_err(|_| BadSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify_strict(&domain.message(bytes), &signature).map_err(|_| BadSignature)
}
