//! Prekeys: public keys that others seal to while a machine is away. Each is signed by the machine, used for some days,
//! and its secret is destroyed some weeks later: what was sealed then cannot be opened by whoever finds the machine's
//! keys afterwards.

use bytes::Bytes;

use crate::cbor::{DecodeError, Problem, Reader, Writer, required};
use crate::id::MachineId;
use crate::identity::{Domain, Identity, Signature};
use crate::limits;
use crate::register::signed_parts;

/// The first suite: HPKE in base mode with X-Wing, HKDF-SHA256 and ChaCha20-Poly1305.
pub const SUITE: u16 = 1;

/// Bytes of a public key of [`SUITE`].
pub const PUBLIC_BYTES: usize = 1_216;

const HASH_CONTEXT: &str = "landline/prekey-id/1";

/// A key to seal to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prekey {
    /// Whose it is.
    pub machine: MachineId,
    /// Greater is newer.
    pub version: u64,
    /// How it is used. Others than [`SUITE`] are of a later version: kept and passed on, not sealed to.
    pub suite: u16,
    /// The public key; of [`SUITE`] it has [`PUBLIC_BYTES`].
    pub public: Bytes,
    /// From when it may be used, in seconds since 1970.
    pub not_before_s: u64,
    /// Until when it may be used. Its secret lives [`limits::PREKEY_GRACE_S`] longer.
    pub not_after_s: u64,
}

/// Tells a machine which of its prekeys was used: the first bytes of the key's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

/// A prekey with its machine's signature. Of two of one machine the one with the higher version counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPrekey {
    prekey: Prekey,
    bytes: Bytes,
    signature: Signature,
}

impl KeyId {
    pub(crate) fn of(hash: &[u8; 32]) -> Self {
        let mut id = [0; 8];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
        Self(id)
    }
}

pub(crate) fn hash_of(suite: u16, public: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(HASH_CONTEXT);
    hasher.update(&suite.to_be_bytes()).update(public);
    *hasher.finalize().as_bytes()
}

impl Prekey {
    /// The hash of suite and public key.
    pub fn hash(&self) -> [u8; 32] {
        hash_of(self.suite, &self.public)
    }

    /// Which key it is.
    pub fn key_id(&self) -> KeyId {
        KeyId::of(&self.hash())
    }

    /// Whether it may be sealed to at a time, in seconds since 1970.
    pub const fn is_valid_at(&self, now_s: u64) -> bool {
        self.not_before_s <= now_s && now_s < self.not_after_s
    }
}

impl SignedPrekey {
    /// Signs a prekey of this machine, which becomes its `machine`. `version` must be greater than that of every prekey
    /// that it signed before.
    ///
    /// # Errors
    /// What others would refuse.
    pub fn sign(identity: &Identity, prekey: Prekey) -> Result<Self, DecodeError> {
        let prekey = Prekey { machine: identity.machine_id(), ..prekey };
        prekey.check()?;
        let mut writer = Writer::new();
        writer.map(6);
        writer.uint(0).bytes(prekey.machine.as_bytes());
        writer.uint(1).uint(prekey.version);
        writer.uint(2).uint(u64::from(prekey.suite));
        writer.uint(3).bytes(&prekey.public);
        writer.uint(4).uint(prekey.not_before_s);
        writer.uint(5).uint(prekey.not_after_s);
        let bytes = Bytes::from(writer.finish());
        let signature = identity.sign(Domain::Prekey, &bytes);
        Ok(Self { prekey, bytes, signature })
    }

    /// Reads a prekey of the wire or the store. Its signature is not checked: see [`Self::verify`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: Bytes, signature: Signature) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("prekey", &bytes, limits::PREKEY_BYTES)?;
        let (mut machine, mut version, mut suite) = (None, None, None);
        let (mut public, mut not_before_s, mut not_after_s) = (None, None, None);
        for _ in 0..reader.map("prekey")? {
            match reader.key("prekey")? {
                0 => machine = Some(MachineId::from_bytes(reader.fixed("machine")?)),
                1 => version = Some(reader.uint("version", limits::INTEGER_MAX)?),
                2 => suite = Some(reader.u16("suite")?),
                3 => public = Some(reader.bytes("public", limits::PREKEY_PUBLIC_BYTES)?),
                4 => not_before_s = Some(reader.uint("not_before", limits::INTEGER_MAX)?),
                5 => not_after_s = Some(reader.uint("not_after", limits::INTEGER_MAX)?),
                _ => reader.skip("prekey")?,
            }
        }
        let prekey = Prekey {
            machine: required(machine, "machine")?,
            version: required(version, "version")?,
            suite: required(suite, "suite")?,
            public: Bytes::copy_from_slice(required(public, "public")?),
            not_before_s: required(not_before_s, "not_before")?,
            not_after_s: required(not_after_s, "not_after")?,
        };
        prekey.check()?;
        Ok(Self { prekey, bytes, signature })
    }

    /// What it says.
    pub fn prekey(&self) -> &Prekey {
        &self.prekey
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.tuple("prekey", 2)?;
        let bytes = Bytes::copy_from_slice(reader.bytes("prekey", limits::PREKEY_BYTES)?);
        Self::decode(bytes, Signature::from_bytes(reader.fixed("signature")?))
    }

    /// A prekey, or null.
    pub(crate) fn read_or_null(reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        if reader.null() { Ok(None) } else { Self::read(reader).map(Some) }
    }
}

signed_parts!(SignedPrekey, Domain::Prekey, prekey.machine);

impl Prekey {
    fn check(&self) -> Result<(), DecodeError> {
        if self.version > limits::INTEGER_MAX {
            return Err(Problem::Range.in_field("version"));
        }
        if self.suite == SUITE && self.public.len() != PUBLIC_BYTES {
            let problem = Problem::Length { expected: PUBLIC_BYTES, actual: self.public.len() };
            return Err(problem.in_field("public"));
        }
        if self.public.len() > limits::PREKEY_PUBLIC_BYTES {
            let problem = Problem::TooLong { limit: limits::PREKEY_PUBLIC_BYTES, actual: self.public.len() };
            return Err(problem.in_field("public"));
        }
        let life = self.not_after_s.checked_sub(self.not_before_s);
        if self.not_after_s > limits::INTEGER_MAX
            || !life.is_some_and(|life| (1..=limits::PREKEY_LIFE_S).contains(&life))
        {
            return Err(Problem::Range.in_field("not_after"));
        }
        Ok(())
    }
}
