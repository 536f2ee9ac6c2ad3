//! Version vectors: what a machine holds of a session, one number for each log.

use std::collections::BTreeMap;

use crate::cbor::{DecodeError, Problem, Reader, Writer};
use crate::id::{Epoch, MachineId};
use crate::limits;

const DIGEST_CONTEXT: &str = "landline/vector/1";

/// For each log (author, epoch) of a session the sequence number up to which a machine holds it without a gap. It names
/// ends of runs only, because runs are stored whole. A log that is not named is held up to 0: not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionVector {
    entries: BTreeMap<(MachineId, Epoch), u64>,
}

impl VersionVector {
    /// A vector that names nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of a log, 0 when it is not named.
    pub fn get(&self, author: &MachineId, epoch: Epoch) -> u64 {
        self.entries.get(&(*author, epoch)).copied().unwrap_or(0)
    }

    /// Raises a log's number to `seq`; a lower one changes nothing.
    pub fn set_max(&mut self, author: MachineId, epoch: Epoch, seq: u64) {
        if seq > 0 {
            let entry = self.entries.entry((author, epoch)).or_insert(0);
            *entry = seq.max(*entry);
        }
    }

    /// Whether the event at this place is held.
    pub fn covers(&self, author: &MachineId, epoch: Epoch, seq: u64) -> bool {
        seq <= self.get(author, epoch)
    }

    /// Whether everything that `other` names is held.
    pub fn covers_all(&self, other: &Self) -> bool {
        other.iter().all(|(author, epoch, seq)| self.covers(author, epoch, seq))
    }

    /// Raises each log to the greater number of both.
    pub fn merge(&mut self, other: &Self) {
        for (author, epoch, seq) in other.iter() {
            self.set_max(*author, epoch, seq);
        }
    }

    /// All named logs with their numbers, ascending by author, then epoch.
    pub fn iter(&self) -> impl Iterator<Item = (&MachineId, Epoch, u64)> {
        self.entries.iter().map(|((author, epoch), seq)| (author, *epoch, *seq))
    }

    /// How many logs are named.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no log is named.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// BLAKE3 (key derivation mode, context `landline/vector/1`) of the encoding: equal vectors have equal digests.
    pub fn digest(&self) -> [u8; 32] {
        blake3::derive_key(DIGEST_CONTEXT, &self.encode())
    }

    /// The deterministic CBOR: an array of `[author, epoch, seq]`.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads [`Self::encode`]'s form.
    ///
    /// # Errors
    /// What is wrong with it: its form, more than [`limits::VECTOR_ENTRIES`] entries, or entries out of order.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read(&mut Reader::new("vector", bytes, limits::RECEIPT_BYTES)?)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.array(self.entries.len());
        for ((author, epoch), seq) in &self.entries {
            writer.array(3).bytes(author.as_bytes()).uint(epoch.get()).uint(*seq);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.array("vector", limits::VECTOR_ENTRIES)?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            reader.tuple("vector entry", 3)?;
            let author = MachineId::from_bytes(reader.fixed("vector author")?);
            let epoch = Epoch::new(reader.uint("vector epoch", limits::INTEGER_MAX)?);
            let seq = reader.uint("vector seq", limits::INTEGER_MAX)?;
            if seq == 0 {
                return Err(Problem::Range.in_field("vector seq"));
            }
            let key = (author, epoch);
            if entries.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(Problem::Order.in_field("vector"));
            }
            entries.insert(key, seq);
        }
        Ok(Self { entries })
    }
}

impl FromIterator<(MachineId, Epoch, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (MachineId, Epoch, u64)>>(entries: I) -> Self {
        let mut vector = Self::new();
        for (author, epoch, seq) in entries {
            vector.set_max(author, epoch, seq);
        }
        vector
    }
}
