//! Deposits: a file that its sender laid down at a relay, for those who cannot fetch it from the sender itself.

use std::fmt;

use bytes::Bytes;

use crate::cbor::{DecodeError, Reader, Writer, required};
use crate::id::MachineId;
use crate::identity::{Domain, Identity, Signature};
use crate::limits;
use crate::register::signed_parts;
use crate::relay::RelayAddress;
use crate::sealed_file::FileKey;

/// Where a file lies, and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deposit {
    /// Who laid it down.
    pub machine: MachineId,
    /// Hash of the file, as messages name it.
    pub hash: [u8; 32],
    /// Where; none when the address is of a kind that this version cannot read.
    pub relay: Option<RelayAddress>,
    /// What opens it.
    pub key: FileKey,
    /// Until when the relay means to keep it, in seconds since 1970 by the sender's clock. Of two deposits of a file the
    /// later one counts.
    pub until_s: u64,
}

/// A deposit with the signature of who laid it down. It holds a secret: it travels over links and in sealed envelopes only.
/// Without the signature anybody who puts an envelope could send its recipient to a relay of their own.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedDeposit {
    deposit: Deposit,
    bytes: Bytes,
    signature: Signature,
}

impl SignedDeposit {
    /// Signs a deposit of this machine. `until_s` is cut at [`limits::INTEGER_MAX`].
    pub fn sign(identity: &Identity, hash: [u8; 32], relay: RelayAddress, key: FileKey, until_s: u64) -> Self {
        let (machine, until_s) = (identity.machine_id(), until_s.min(limits::INTEGER_MAX));
        let mut writer = Writer::new();
        writer.map(5);
        writer.uint(0).bytes(machine.as_bytes());
        writer.uint(1).bytes(&hash);
        writer.uint(2).text(&relay.to_string());
        writer.uint(3).bytes(key.as_bytes());
        writer.uint(4).uint(until_s);
        let bytes = Bytes::from(writer.finish());
        let signature = identity.sign(Domain::Deposit, &bytes);
        Self { deposit: Deposit { machine, hash, relay: Some(relay), key, until_s }, bytes, signature }
    }

    /// Reads a deposit of the wire or the store. Its signature is not checked: see [`Self::verify`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: Bytes, signature: Signature) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("deposit", &bytes, limits::DEPOSIT_BYTES)?;
        let (mut machine, mut hash, mut relay, mut key, mut until_s) = (None, None, None, None, None);
        for _ in 0..reader.map("deposit")? {
            match reader.key("deposit")? {
                0 => machine = Some(MachineId::from_bytes(reader.fixed("machine")?)),
                1 => hash = Some(reader.fixed("hash")?),
                2 => relay = Some(reader.text("relay", limits::RELAY_ADDRESS_BYTES)?.parse().ok()),
                3 => key = Some(FileKey::from_bytes(reader.fixed("key")?)),
                4 => until_s = Some(reader.uint("until", limits::INTEGER_MAX)?),
                _ => reader.skip("deposit")?,
            }
        }
        let deposit = Deposit {
            machine: required(machine, "machine")?,
            hash: required(hash, "hash")?,
            relay: required(relay, "relay")?,
            key: required(key, "key")?,
            until_s: required(until_s, "until")?,
        };
        Ok(Self { deposit, bytes, signature })
    }

    /// What it says.
    pub fn deposit(&self) -> &Deposit {
        &self.deposit
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.tuple("deposit", 2)?;
        let bytes = Bytes::copy_from_slice(reader.bytes("deposit", limits::DEPOSIT_BYTES)?);
        Self::decode(bytes, Signature::from_bytes(reader.fixed("signature")?))
    }
}

signed_parts!(SignedDeposit, Domain::Deposit, deposit.machine);

impl fmt::Debug for SignedDeposit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedDeposit").field("deposit", &self.deposit).finish_non_exhaustive()
    }
}
