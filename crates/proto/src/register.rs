//! Signed registers: values of which only the newest counts. A machine's profile, and how far a member has come in a
//! session.

use bytes::Bytes;
use thiserror::Error;

use crate::cbor::{DecodeError, Problem, Reader, Writer, required};
use crate::frame::read_list;
use crate::id::{MachineId, SessionId};
use crate::identity::{Domain, Identity, Signature};
use crate::limits;
use crate::relay::RelayAddress;
use crate::text::{self, TextError};
use crate::vector::VersionVector;

/// What all signed registers have: the check of the signature, the signed bytes, and their form in a frame.
macro_rules! signed_parts {
    ($name:ident, $domain:expr, $($signer:ident).+) => {
        impl $name {
            /// Checks the signature.
            ///
            /// # Errors
            /// [`BadSignature`](crate::identity::BadSignature).
            pub fn verify(&self) -> Result<(), crate::identity::BadSignature> {
                crate::identity::verify(&self.$($signer).+, $domain, &self.bytes, &self.signature)
            }

            /// The exact bytes that were signed.
            pub fn bytes(&self) -> &Bytes {
                &self.bytes
            }

            /// The signature.
            pub fn signature(&self) -> &Signature {
                &self.signature
            }

            pub(crate) fn write(&self, writer: &mut Writer) {
                writer.array(2).bytes(&self.bytes).bytes(self.signature.as_bytes());
            }
        }
    };
}
pub(crate) use signed_parts;

/// What a machine's owner says about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// The person's name, by the rules of [`text::clean_name`]. Never an identity.
    pub name: String,
    /// The device's name, may be empty.
    pub device: String,
    /// A line about the person, may be empty.
    pub status_text: String,
    /// Index into the avatar colours, below [`limits::COLOURS`].
    pub colour: u8,
    /// Where the machine is to be reached when no direct way leads to it, at most [`limits::RELAYS`]. Addresses of a kind
    /// that this version does not know are left out.
    pub relays: Vec<RelayAddress>,
}

/// A profile with its version and its machine's signature. Of two the one with the higher version counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedProfile {
    machine: MachineId,
    version: u64,
    profile: Profile,
    bytes: Bytes,
    signature: Signature,
}

impl SignedProfile {
    /// Signs this machine's profile. `version` must be greater than that of every profile that it signed before.
    ///
    /// # Errors
    /// A text that others would refuse. Texts are cleaned first.
    pub fn sign(identity: &Identity, version: u64, profile: &Profile) -> Result<Self, DecodeError> {
        let profile = Profile {
            name: in_field("name", text::clean_name(&profile.name))?,
            device: in_field("device", text::clean_device(&profile.device))?,
            status_text: in_field("status_text", text::clean_status(&profile.status_text))?,
            colour: profile.colour % limits::COLOURS,
            relays: profile.relays.clone(),
        };
        if profile.relays.len() > limits::RELAYS {
            return Err(Problem::TooLong { limit: limits::RELAYS, actual: profile.relays.len() }.in_field("relays"));
        }
        let machine = identity.machine_id();
        let version = version.min(limits::INTEGER_MAX);
        let mut writer = Writer::new();
        writer.map(if profile.relays.is_empty() { 6 } else { 7 });
        writer.uint(0).bytes(machine.as_bytes());
        writer.uint(1).uint(version);
        writer.uint(2).text(&profile.name);
        writer.uint(3).text(&profile.device);
        writer.uint(4).text(&profile.status_text);
        writer.uint(5).uint(u64::from(profile.colour));
        if !profile.relays.is_empty() {
            writer.uint(6).array(profile.relays.len());
            for relay in &profile.relays {
                writer.text(&relay.to_string());
            }
        }
        let bytes = Bytes::from(writer.finish());
        let signature = identity.sign(Domain::Profile, &bytes);
        Ok(Self { machine, version, profile, bytes, signature })
    }

    /// Reads a profile of the wire or the store. Its signature is not checked: see [`Self::verify`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: Bytes, signature: Signature) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("profile", &bytes, limits::PROFILE_BYTES)?;
        let (mut machine, mut version, mut name, mut device, mut status_text, mut colour) =
            (None, None, None, None, None, None);
        let mut relays = Vec::new();
        for _ in 0..reader.map("profile")? {
            match reader.key("profile")? {
                0 => machine = Some(MachineId::from_bytes(reader.fixed("machine")?)),
                1 => version = Some(reader.uint("version", limits::INTEGER_MAX)?),
                2 => name = Some(read_text(&mut reader, "name", text::clean_name)?),
                3 => device = Some(read_text(&mut reader, "device", text::clean_device)?),
                4 => status_text = Some(read_text(&mut reader, "status_text", text::clean_status)?),
                5 => colour = Some(reader.uint("colour", u64::from(u8::MAX))?),
                6 => relays = read_relays(&mut reader)?,
                _ => reader.skip("profile")?,
            }
        }
        let colour = required(colour, "colour")? % u64::from(limits::COLOURS);
        let profile = Profile {
            name: required(name, "name")?,
            device: required(device, "device")?,
            status_text: required(status_text, "status_text")?,
            // A later version may have more colours; below the modulus it fits.
            colour: u8::try_from(colour).unwrap_or(0),
            relays,
        };
        let (machine, version) = (required(machine, "machine")?, required(version, "version")?);
        Ok(Self { machine, version, profile, bytes, signature })
    }

    /// Whose profile it is.
    pub fn machine(&self) -> MachineId {
        self.machine
    }

    /// Greater is newer.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What it says.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.tuple("profile", 2)?;
        let bytes = Bytes::copy_from_slice(reader.bytes("profile", limits::PROFILE_BYTES)?);
        Self::decode(bytes, Signature::from_bytes(reader.fixed("signature")?))
    }
}

signed_parts!(SignedProfile, Domain::Profile, machine);

/// What a receipt says of the events that its vector names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReceiptKind {
    /// They are on the member's disk.
    Delivered,
    /// The member has seen them.
    Read,
}

impl ReceiptKind {
    /// The number on the wire and in the store.
    pub const fn number(self) -> u16 {
        match self {
            Self::Delivered => 1,
            Self::Read => 2,
        }
    }

    /// The kind of a number.
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Delivered),
            2 => Some(Self::Read),
            _ => None,
        }
    }
}

/// How far a member has come in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The session.
    pub session: SessionId,
    /// The member.
    pub member: MachineId,
    /// What it says.
    pub kind: ReceiptKind,
    /// Greater is newer; counts up for each (session, member, kind). The member's own count, no clock.
    pub version: u64,
    /// The events.
    pub vector: VersionVector,
    /// The member's clock as it signed, when it says so: milliseconds since 1970. For showing only.
    pub wall_ms: Option<u64>,
}

/// A receipt with its member's signature. Of two of the same session, member and kind the one with the higher version
/// counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    receipt: Receipt,
    bytes: Bytes,
    signature: Signature,
}

/// Why a receipt cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// A kind of a later version, which may be ignored.
    #[error("unknown kind {0}")]
    UnknownKind(u16),
    /// It is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl SignedReceipt {
    /// Signs how far this machine has come. `version` is cut at [`limits::INTEGER_MAX`], `wall_ms` at
    /// [`limits::WALL_MS_MAX`].
    pub fn sign(
        identity: &Identity,
        session: SessionId,
        kind: ReceiptKind,
        version: u64,
        vector: VersionVector,
        wall_ms: Option<u64>,
    ) -> Self {
        let version = version.min(limits::INTEGER_MAX);
        let wall_ms = wall_ms.map(|wall_ms| wall_ms.min(limits::WALL_MS_MAX));
        let receipt = Receipt { session, member: identity.machine_id(), kind, version, vector, wall_ms };
        let mut writer = Writer::new();
        writer.map(if wall_ms.is_some() { 6 } else { 5 });
        writer.uint(0).bytes(receipt.session.as_bytes());
        writer.uint(1).bytes(receipt.member.as_bytes());
        writer.uint(2).uint(u64::from(kind.number()));
        writer.uint(3).uint(receipt.version);
        writer.uint(4);
        receipt.vector.write(&mut writer);
        if let Some(wall_ms) = wall_ms {
            writer.uint(5).uint(wall_ms);
        }
        let bytes = Bytes::from(writer.finish());
        let signature = identity.sign(Domain::Receipt, &bytes);
        Self { receipt, bytes, signature }
    }

    /// Reads a receipt of the wire or the store. Its signature is not checked: see [`Self::verify`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: Bytes, signature: Signature) -> Result<Self, ReceiptError> {
        let mut reader = Reader::new("receipt", &bytes, limits::RECEIPT_BYTES)?;
        let (mut session, mut member, mut kind, mut version, mut vector) = (None, None, None, None, None);
        let mut wall_ms = None;
        for _ in 0..reader.map("receipt")? {
            match reader.key("receipt")? {
                0 => session = Some(SessionId::from_bytes(reader.fixed("session")?)),
                1 => member = Some(MachineId::from_bytes(reader.fixed("member")?)),
                2 => kind = Some(reader.u16("kind")?),
                3 => version = Some(reader.uint("version", limits::INTEGER_MAX)?),
                4 => vector = Some(VersionVector::read(&mut reader)?),
                5 => wall_ms = Some(reader.uint("wall_ms", limits::WALL_MS_MAX)?),
                _ => reader.skip("receipt")?,
            }
        }
        let number = required(kind, "kind")?;
        let receipt = Receipt {
            session: required(session, "session")?,
            member: required(member, "member")?,
            kind: ReceiptKind::from_number(number).ok_or(ReceiptError::UnknownKind(number))?,
            version: required(version, "version")?,
            vector: required(vector, "vector")?,
            wall_ms,
        };
        Ok(Self { receipt, bytes, signature })
    }

    /// What it says.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// At most how many bytes it takes in a `Receipts` frame.
    pub fn wire_size(&self) -> usize {
        self.bytes.len() + 72
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, ReceiptError> {
        reader.tuple("receipt", 2)?;
        let bytes = Bytes::copy_from_slice(reader.bytes("receipt", limits::RECEIPT_BYTES)?);
        Self::decode(bytes, Signature::from_bytes(reader.fixed("signature")?))
    }
}

signed_parts!(SignedReceipt, Domain::Receipt, receipt.member);

fn in_field<T>(field: &'static str, result: Result<T, TextError>) -> Result<T, DecodeError> {
    result.map_err(|error| Problem::Text(error).in_field(field))
}

fn read_relays(reader: &mut Reader<'_>) -> Result<Vec<RelayAddress>, DecodeError> {
    let address = |reader: &mut Reader<'_>| reader.text("relays", limits::RELAY_ADDRESS_BYTES).map(str::parse);
    let relays = read_list(reader, "relays", limits::RELAYS, address)?;
    Ok(relays.into_iter().filter_map(Result::ok).collect())
}

/// Reads a text and demands that it is clean already: a peer that sends another breaks the rules on purpose.
fn read_text(
    reader: &mut Reader<'_>,
    field: &'static str,
    clean: fn(&str) -> Result<String, TextError>,
) -> Result<String, DecodeError> {
    let arrived = reader.text(field, limits::PROFILE_BYTES)?;
    let cleaned = in_field(field, clean(arrived))?;
    in_field(field, text::already_clean(&cleaned, arrived))?;
    Ok(cleaned)
}
