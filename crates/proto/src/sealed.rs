//! Sealing for mailboxes: what waits at a relay can be opened by its recipient alone, and tells the relay little more
//! than for whom it is.
//!
//! HPKE (RFC 9180) in base mode: X-Wing (ML-KEM-768 and X25519), HKDF-SHA256, ChaCha20-Poly1305. Base mode does not prove
//! who sealed; nothing here needs it to, because all that a [`Parcel`] holds is signed by its author.

mod parcel;

use std::convert::Infallible;
use std::fmt;

use bytes::Bytes;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal_with_rng};
use thiserror::Error;
use zeroize::Zeroizing;

pub use self::parcel::{Parcel, ParcelError};
use crate::cbor::{DecodeError, Problem, Reader, Writer};
use crate::id::MachineId;
use crate::limits;
use crate::prekey::{KeyId, Prekey, SUITE, SignedPrekey, hash_of};

/// What the padded plaintext of an envelope can have: the classes of size that a relay can tell apart. The largest holds a
/// message of the longest text.
pub const CLASSES: [usize; 5] = [1 << 10, 4 << 10, 16 << 10, 64 << 10, 96 << 10];

/// Random bytes that one sealing takes.
pub const RANDOMNESS_BYTES: usize = 64;

/// Bytes of the encapsulated key.
const ENCAPSULATED_BYTES: usize = 1_120;
/// Bytes that the cipher adds.
const TAG_BYTES: usize = 16;
/// What HPKE is told the key is for, before the recipient and the key.
const INFO: &[u8] = b"landline/mailbox/1\0";

/// The secret half of a prekey. Wiped from memory when dropped.
#[derive(Clone)]
pub struct PrekeySecret(Zeroizing<[u8; 32]>);

impl PrekeySecret {
    /// The secret of 32 random bytes, which are X-Wing's decapsulation key.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// The seed, to be kept secret.
    pub fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public key, for [`Prekey::public`].
    pub fn public(&self) -> Bytes {
        self.key().map(|key| public_of(&key)).unwrap_or_default()
    }

    fn key(&self) -> Option<<XWing as Kem>::PrivateKey> {
        // Any 32 bytes are a key.
        <XWing as Kem>::PrivateKey::from_bytes(self.0.as_slice()).ok()
    }
}

impl fmt::Debug for PrekeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrekeySecret").finish_non_exhaustive()
    }
}

/// Why a parcel is not sealed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealError {
    /// The prekey's signature does not fit.
    #[error("the prekey's signature does not fit")]
    Signature,
    /// The prekey is of a suite that this version does not know.
    #[error("the prekey has the unknown suite {0}")]
    UnknownSuite(u16),
    /// The prekey is not valid at this time. What waits goes on waiting for another one.
    #[error("the prekey is not valid now")]
    NotValidNow,
    /// The prekey holds no key that can be sealed to.
    #[error("the prekey holds no valid key")]
    Key,
    /// The recipient would refuse the parcel.
    #[error(transparent)]
    Parcel(#[from] ParcelError),
}

/// Why an envelope is not opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// A suite of a later version.
    #[error("unknown suite {0}")]
    UnknownSuite(u16),
    /// Sealed to another key.
    #[error("sealed to another key")]
    OtherKey,
    /// Changed on its way, sealed for another machine, or made up.
    #[error("cannot be opened with this key")]
    Sealed,
    /// The envelope is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It opens, but what is in it breaks a rule.
    #[error("parcel: {0}")]
    Parcel(#[from] ParcelError),
}

fn public_of(key: &<XWing as Kem>::PrivateKey) -> Bytes {
    Bytes::copy_from_slice(&XWing::sk_to_pk(key).to_bytes())
}

/// An envelope taken apart; nothing in it is proven before it is opened.
struct Envelope<'b> {
    key_id: KeyId,
    encapsulated: &'b [u8],
    ciphertext: &'b [u8],
}

/// Seals a parcel to a machine's prekey. `now_s` is in seconds since 1970; `randomness` must be new for each call and come
/// from a source fit for keys.
///
/// # Errors
/// Why it is not sealed.
pub fn seal(
    parcel: &Parcel,
    prekey: &SignedPrekey,
    now_s: u64,
    randomness: &[u8; RANDOMNESS_BYTES],
) -> Result<Bytes, SealError> {
    prekey.verify().map_err(|_| SealError::Signature)?;
    let prekey = prekey.prekey();
    if prekey.suite != SUITE {
        return Err(SealError::UnknownSuite(prekey.suite));
    }
    if !prekey.is_valid_at(now_s) {
        return Err(SealError::NotValidNow);
    }
    let plaintext = parcel.to_plaintext(&prekey.machine)?;
    seal_plaintext(&plaintext, prekey, randomness)
}

fn seal_plaintext(plaintext: &[u8], prekey: &Prekey, randomness: &[u8; RANDOMNESS_BYTES]) -> Result<Bytes, SealError> {
    let key = <XWing as Kem>::PublicKey::from_bytes(&prekey.public).map_err(|_| SealError::Key)?;
    let (info, key_id) = (info(&prekey.machine, &prekey.hash()), prekey.key_id());
    let mut random = Given { rest: randomness, spent: false };
    let (encapsulated, ciphertext) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &key,
        &info,
        plaintext,
        &associated(&key_id),
        &mut random,
    )
    .map_err(|_| SealError::Key)?;
    if random.spent {
        return Err(SealError::Key);
    }
    let mut writer = Writer::new();
    writer.array(4).uint(u64::from(SUITE)).bytes(&key_id.0).bytes(&encapsulated.to_bytes()).bytes(&ciphertext);
    Ok(writer.finish().into())
}

/// Which prekey an envelope is sealed to.
///
/// # Errors
/// Why it is no envelope.
pub fn key_id(envelope: &[u8]) -> Result<KeyId, OpenError> {
    Envelope::read(envelope).map(|envelope| envelope.key_id)
}

/// Opens an envelope for `recipient`, this machine. The signatures of what is in it are not checked yet.
///
/// # Errors
/// Why it is not opened. Anybody can have made it so: it says nothing of the machine that it names as its sender.
pub fn open(envelope: &[u8], recipient: &MachineId, secret: &PrekeySecret) -> Result<Parcel, OpenError> {
    let envelope = Envelope::read(envelope)?;
    let key = secret.key().ok_or(OpenError::Sealed)?;
    let hash = hash_of(SUITE, &public_of(&key));
    if envelope.key_id != KeyId::of(&hash) {
        return Err(OpenError::OtherKey);
    }
    let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(envelope.encapsulated).map_err(|_| OpenError::Sealed)?;
    let plaintext = single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &key,
        &encapsulated,
        &info(recipient, &hash),
        envelope.ciphertext,
        &associated(&envelope.key_id),
    )
    .map_err(|_| OpenError::Sealed)?;
    Ok(Parcel::from_plaintext(&Zeroizing::new(plaintext), recipient)?)
}

impl<'b> Envelope<'b> {
    fn read(bytes: &'b [u8]) -> Result<Self, OpenError> {
        let mut reader = Reader::new("envelope", bytes, limits::ENVELOPE_BYTES)?;
        // Those of other suites may have more parts, so the suite comes before their number.
        let actual = reader.array("envelope", usize::MAX)?;
        let suite = reader.u16("suite")?;
        if suite != SUITE {
            return Err(OpenError::UnknownSuite(suite));
        }
        if actual != 4 {
            return Err(Problem::Length { expected: 4, actual }.in_field("envelope").into());
        }
        let key_id = KeyId(reader.fixed("key_id")?);
        let encapsulated = reader.bytes("enc", ENCAPSULATED_BYTES)?;
        if encapsulated.len() != ENCAPSULATED_BYTES {
            let problem = Problem::Length { expected: ENCAPSULATED_BYTES, actual: encapsulated.len() };
            return Err(problem.in_field("enc").into());
        }
        let ciphertext = reader.bytes("ciphertext", limits::ENVELOPE_BYTES)?;
        if !CLASSES.iter().any(|class| class + TAG_BYTES == ciphertext.len()) {
            return Err(Problem::Range.in_field("ciphertext").into());
        }
        Ok(Self { key_id, encapsulated, ciphertext })
    }
}

/// Binds the sealing to its purpose, to the recipient's identity, and to the whole public key, of which the key ID is only a
/// part.
fn info(recipient: &MachineId, hash: &[u8; 32]) -> Vec<u8> {
    [INFO, recipient.as_bytes(), hash].concat()
}

/// Binds the ciphertext to what the envelope says beside it.
fn associated(key_id: &KeyId) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.array(2).uint(u64::from(SUITE)).bytes(&key_id.0);
    writer.finish()
}

/// Hands out given randomness once; notes when more was asked for than there is.
struct Given<'a> {
    rest: &'a [u8],
    spent: bool,
}

impl TryRng for Given<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        match self.rest.split_at_checked(to.len()) {
            Some((taken, rest)) => {
                to.copy_from_slice(taken);
                self.rest = rest;
            }
            None => self.spent = true,
        }
        Ok(())
    }
}

impl TryCryptoRng for Given<'_> {}
