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
}

impl Limits {
    /// The values in the order of their keys, from 0.
    const fn values(&self) -> [u64; 13] {
        [
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
        ]
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let values = self.values();
        writer.map(values.len());
        for (key, value) in (0..).zip(values) {
            writer.uint(key).uint(value);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut values = [None; 13];
        for _ in 0..reader.map("limits")? {
            let key = usize::try_from(reader.key("limits")?).unwrap_or(usize::MAX);
            match values.get_mut(key) {
                Some(value) => *value = Some(reader.uint("limits", limits::INTEGER_MAX)?),
                None => reader.skip("limits")?,
            }
        }
        let mut values = values.into_iter().flatten();
        // Keys ascend, so none is missing when the number is right.
        let mut next = || required(values.next(), "limits");
        Ok(Self {
            items: next()?,
            bytes: next()?,
            ttl_s: next()?,
            envelope_bytes: next()?,
            puts_per_minute: next()?,
            puts_burst: next()?,
            request_items: next()?,
            request_bytes: next()?,
            request_ttl_s: next()?,
            tokens: next()?,
            watches: next()?,
            circuits: next()?,
            circuit_bytes_per_s: next()?,
        })
    }
}
