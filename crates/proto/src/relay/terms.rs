//! What a relay tells of its limits.

use crate::cbor::{DecodeError, Reader, Writer, required};
use crate::limits;

/// What a relay allows. None of it is a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most items in a mailbox.
    pub items: u64,
    /// Most bytes in a mailbox.
    pub bytes: u64,
    /// How long an item is kept, in seconds.
    pub ttl_s: u64,
    /// Longest envelope, in bytes.
    pub envelope_bytes: u64,
    /// Most puts a minute with one token.
    pub puts_per_minute: u64,
    /// Most puts at once with one token.
    pub puts_burst: u64,
    /// Most items in the request slot.
    pub request_items: u64,
    /// Longest envelope in the request slot, in bytes.
    pub request_bytes: u64,
    /// How long an item of the request slot is kept, in seconds.
    pub request_ttl_s: u64,
    /// Most tokens of a machine.
    pub tokens: u64,
    /// Most machines that a connection watches.
    pub watches: u64,
    /// Most tunnels to a machine at once.
    pub circuits: u64,
    /// Bytes a second through one tunnel; 0 when there is no bound.
    pub circuit_bytes_per_s: u64,
    /// What it allows of files; none when it takes none.
    pub files: Option<FileLimits>,
}

/// What a relay allows of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimits {
    /// Most bytes of one file, before it is padded and sealed.
    pub file_bytes: u64,
    /// How long a file is kept, in seconds.
    pub ttl_s: u64,
    /// Most bytes of files in a mailbox, as they are kept.
    pub bytes: u64,
    /// Most files in a mailbox.
    pub count: u64,
}

impl Limits {
    /// The values in the order of their keys, from 0.
    fn values(&self) -> impl Iterator<Item = u64> {
        let values = [
            self.items,
            self.bytes,
            self.ttl_s,
            self.envelope_bytes,
            self.puts_per_minute,
            self.puts_burst,
            self.request_items,
            self.request_bytes,
            self.request_ttl_s,
            self.tokens,
            self.watches,
            self.circuits,
            self.circuit_bytes_per_s,
        ];
        let files = self.files.map(|files| [files.file_bytes, files.ttl_s, files.bytes, files.count]);
        values.into_iter().chain(files.into_iter().flatten())
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.map(self.values().count());
        for (key, value) in (0..).zip(self.values()) {
            writer.uint(key).uint(value);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut values = [None; 17];
        for _ in 0..reader.map("limits")? {
            let key = usize::try_from(reader.key("limits")?).unwrap_or(usize::MAX);
            match values.get_mut(key) {
                Some(value) => *value = Some(reader.uint("limits", limits::INTEGER_MAX)?),
                None => reader.skip("limits")?,
            }
        }
        let mut values = values.into_iter();
        let mut next = || values.next().flatten();
        let mut known = || required(next(), "limits");
        Ok(Self {
            items: known()?,
            bytes: known()?,
            ttl_s: known()?,
            envelope_bytes: known()?,
            puts_per_minute: known()?,
            puts_burst: known()?,
            request_items: known()?,
            request_bytes: known()?,
            request_ttl_s: known()?,
            tokens: known()?,
            watches: known()?,
            circuits: known()?,
            circuit_bytes_per_s: known()?,
            files: match (next(), next(), next(), next()) {
                (Some(file_bytes), Some(ttl_s), Some(bytes), Some(count)) => {
                    Some(FileLimits { file_bytes, ttl_s, bytes, count })
                }
                // Whatever is missing, it can't be relied on.
                _ => None,
            },
        })
    }
}
