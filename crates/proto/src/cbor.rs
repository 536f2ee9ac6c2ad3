//! The one encoding: CBOR (RFC 8949) in its deterministic form, and nothing else.
//!
//! A decoder first walks the whole input once ([`Reader::new`]) and refuses what is truncated, what trails, what is
//! nested too deep, and every second way of writing the same: then one value has one encoding, and a hash over bytes
//! names a value. What remains for the typed part is to ask for fields.

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use thiserror::Error;

use crate::limits;
use crate::text::TextError;

/// A field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {problem}")]
pub struct DecodeError {
    /// The field by the name that `docs/protocol.md` gives it, or that of the whole item.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// The bytes end before the item does.
    #[error("ends too early")]
    Truncated,
    /// Bytes follow after the end.
    #[error("has bytes after its end")]
    TrailingBytes,
    /// A length or number is not in its shortest form, or a length is indefinite.
    #[error("is not in the deterministic form")]
    NotDeterministic,
    /// Map keys are not ascending integers, each once.
    #[error("has map keys out of order, twice, or of another type than integers")]
    Keys,
    /// A tag, a floating-point number or a simple value other than true, false and null.
    #[error("holds a CBOR type that Landline does not use")]
    Unsupported,
    /// Text that is not UTF-8.
    #[error("holds text that is not UTF-8")]
    Utf8,
    /// Nested deeper than [`limits::NESTING`].
    #[error("is nested too deep")]
    TooDeep,
    /// A required field is not there.
    #[error("is missing")]
    Missing,
    /// A field that must not be there here.
    #[error("must not be there")]
    Unexpected,
    /// Another CBOR type than the field has.
    #[error("has the wrong type")]
    Type,
    /// Another length than the field has.
    #[error("must have length {expected} and has {actual}")]
    Length {
        /// The length that it must have.
        expected: usize,
        /// The length that it has.
        actual: usize,
    },
    /// Longer than allowed.
    #[error("can hold {limit} and has {actual}")]
    TooLong {
        /// The limit: bytes, or elements of an array.
        limit: usize,
        /// What it has.
        actual: usize,
    },
    /// A number outside its range.
    #[error("is out of range")]
    Range,
    /// List elements not ascending, or one twice.
    #[error("is not in ascending order")]
    Order,
    /// A body that does not have the hash that its header names.
    #[error("does not fit its hash")]
    Hash,
    /// A text breaks a rule.
    #[error("{0}")]
    Text(#[from] TextError),
}

impl Problem {
    pub(crate) fn in_field(self, field: &'static str) -> DecodeError {
        DecodeError { field, problem: self }
    }
}

/// Reads fields of an input that is already known to be well-formed and deterministic.
#[derive(Debug)]
pub(crate) struct Reader<'b> {
    decoder: Decoder<'b>,
}

impl<'b> Reader<'b> {
    /// Checks the form of the whole input, which `item` names in errors, and that it is no longer than `limit`.
    pub(crate) fn new(item: &'static str, bytes: &'b [u8], limit: usize) -> Result<Self, DecodeError> {
        if bytes.len() > limit {
            return Err(Problem::TooLong { limit, actual: bytes.len() }.in_field(item));
        }
        let mut form = Form { rest: bytes };
        form.item(limits::NESTING).and_then(|()| form.end()).map_err(|problem| problem.in_field(item))?;
        Ok(Self { decoder: Decoder::new(bytes) })
    }

    /// A map's number of entries.
    pub(crate) fn map(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.decoder.map().ok().flatten().ok_or_else(|| Problem::Type.in_field(field))
    }

    /// A map's next key.
    pub(crate) fn key(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.decoder.u64().map_err(|_| Problem::Keys.in_field(field))
    }

    /// Passes over a value of a key that this version does not know.
    pub(crate) fn skip(&mut self, field: &'static str) -> Result<(), DecodeError> {
        self.decoder.skip().map_err(|_| Problem::Type.in_field(field))
    }

    /// An array's number of elements, at most `limit`.
    pub(crate) fn array(&mut self, field: &'static str, limit: usize) -> Result<usize, DecodeError> {
        let count = self.decoder.array().ok().flatten().ok_or_else(|| Problem::Type.in_field(field))?;
        let actual = usize::try_from(count).unwrap_or(usize::MAX);
        if actual > limit { Err(Problem::TooLong { limit, actual }.in_field(field)) } else { Ok(actual) }
    }

    /// An array of exactly `expected` elements.
    pub(crate) fn tuple(&mut self, field: &'static str, expected: usize) -> Result<(), DecodeError> {
        let actual = self.array(field, usize::MAX)?;
        if actual == expected { Ok(()) } else { Err(Problem::Length { expected, actual }.in_field(field)) }
    }

    /// An unsigned integer of at most `max`.
    pub(crate) fn uint(&mut self, field: &'static str, max: u64) -> Result<u64, DecodeError> {
        match self.decoder.datatype() {
            Ok(Type::U8 | Type::U16 | Type::U32 | Type::U64) => {}
            _ => return Err(Problem::Type.in_field(field)),
        }
        let value = self.decoder.u64().map_err(|_| Problem::Type.in_field(field))?;
        if value > max { Err(Problem::Range.in_field(field)) } else { Ok(value) }
    }

    /// An unsigned integer of at most `max`, or null.
    pub(crate) fn uint_or_null(&mut self, field: &'static str, max: u64) -> Result<Option<u64>, DecodeError> {
        if self.null() {
            return Ok(None);
        }
        self.uint(field, max).map(Some)
    }

    /// An unsigned integer of 16 bits.
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        u16::try_from(self.uint(field, u64::MAX)?).map_err(|_| Problem::Range.in_field(field))
    }

    /// An unsigned integer of 32 bits, of at most `max`.
    pub(crate) fn u32(&mut self, field: &'static str, max: u64) -> Result<u32, DecodeError> {
        u32::try_from(self.uint(field, max)?).map_err(|_| Problem::Range.in_field(field))
    }

    /// Passes over a null, if one is next.
    pub(crate) fn null(&mut self) -> bool {
        matches!(self.decoder.datatype(), Ok(Type::Null)) && self.decoder.skip().is_ok()
    }

    /// True or false.
    pub(crate) fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        self.decoder.bool().map_err(|_| Problem::Type.in_field(field))
    }

    /// A byte string of at most `limit` bytes.
    pub(crate) fn bytes(&mut self, field: &'static str, limit: usize) -> Result<&'b [u8], DecodeError> {
        let bytes = self.decoder.bytes().map_err(|_| Problem::Type.in_field(field))?;
        if bytes.len() > limit {
            return Err(Problem::TooLong { limit, actual: bytes.len() }.in_field(field));
        }
        Ok(bytes)
    }

    /// A byte string of at most `limit` bytes, or null.
    pub(crate) fn bytes_or_null(&mut self, field: &'static str, limit: usize) -> Result<Option<&'b [u8]>, DecodeError> {
        if self.null() {
            return Ok(None);
        }
        self.bytes(field, limit).map(Some)
    }

    /// A byte string of exactly `N` bytes.
    pub(crate) fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let bytes = self.bytes(field, usize::MAX)?;
        bytes.try_into().map_err(|_| Problem::Length { expected: N, actual: bytes.len() }.in_field(field))
    }

    /// A text of at most `limit` bytes.
    pub(crate) fn text(&mut self, field: &'static str, limit: usize) -> Result<&'b str, DecodeError> {
        let text = self.decoder.str().map_err(|_| Problem::Type.in_field(field))?;
        if text.len() > limit {
            return Err(Problem::TooLong { limit, actual: text.len() }.in_field(field));
        }
        Ok(text)
    }
}

/// Unwraps a required field.
pub(crate) fn required<T>(value: Option<T>, field: &'static str) -> Result<T, DecodeError> {
    value.ok_or_else(|| Problem::Missing.in_field(field))
}

/// Walks over one item and checks its form.
struct Form<'b> {
    rest: &'b [u8],
}

impl Form<'_> {
    fn item(&mut self, depth: usize) -> Result<(), Problem> {
        let initial = self.byte()?;
        let (major, info) = (initial >> 5, initial & 0x1f);
        if major == 7 {
            return if matches!(info, 20..=22) { Ok(()) } else { Err(Problem::Unsupported) };
        }
        let argument = self.argument(info)?;
        match major {
            0 | 1 => Ok(()),
            2 => self.take(argument).map(|_| ()),
            3 => std::str::from_utf8(self.take(argument)?).map(|_| ()).map_err(|_| Problem::Utf8),
            4 => self.items(argument, depth),
            5 => self.entries(argument, depth),
            _ => Err(Problem::Unsupported),
        }
    }

    fn items(&mut self, count: u64, depth: usize) -> Result<(), Problem> {
        let depth = depth.checked_sub(1).ok_or(Problem::TooDeep)?;
        // Each element takes at least a byte, so the count cannot make this loop longer than the input.
        for _ in 0..count {
            self.item(depth)?;
        }
        Ok(())
    }

    fn entries(&mut self, count: u64, depth: usize) -> Result<(), Problem> {
        let depth = depth.checked_sub(1).ok_or(Problem::TooDeep)?;
        let mut before = None;
        for _ in 0..count {
            let initial = self.byte()?;
            if initial >> 5 != 0 {
                return Err(Problem::Keys);
            }
            let key = self.argument(initial & 0x1f)?;
            if before.is_some_and(|before| key <= before) {
                return Err(Problem::Keys);
            }
            before = Some(key);
            self.item(depth)?;
        }
        Ok(())
    }

    /// The number behind an initial byte, in its shortest form.
    fn argument(&mut self, info: u8) -> Result<u64, Problem> {
        let (width, least) = match info {
            0..=23 => return Ok(u64::from(info)),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            31 => return Err(Problem::NotDeterministic),
            _ => return Err(Problem::Unsupported),
        };
        let value = self.take(width)?.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        if value < least { Err(Problem::NotDeterministic) } else { Ok(value) }
    }

    fn byte(&mut self) -> Result<u8, Problem> {
        let (first, rest) = self.rest.split_first().ok_or(Problem::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, count: u64) -> Result<&[u8], Problem> {
        let count = usize::try_from(count).map_err(|_| Problem::Truncated)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Problem::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn end(&self) -> Result<(), Problem> {
        if self.rest.is_empty() { Ok(()) } else { Err(Problem::TrailingBytes) }
    }
}

/// Writes the deterministic form. The caller writes map keys in ascending order.
#[derive(Debug)]
pub(crate) struct Writer {
    encoder: Encoder<Vec<u8>>,
}

// Writing into a `Vec` cannot fail, so the encoder's results say nothing.
impl Writer {
    pub(crate) fn new() -> Self {
        Self { encoder: Encoder::new(Vec::new()) }
    }

    pub(crate) fn map(&mut self, count: usize) -> &mut Self {
        let _ = self.encoder.map(count as u64);
        self
    }

    pub(crate) fn array(&mut self, count: usize) -> &mut Self {
        let _ = self.encoder.array(count as u64);
        self
    }

    pub(crate) fn uint(&mut self, value: u64) -> &mut Self {
        let _ = self.encoder.u64(value);
        self
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        let _ = self.encoder.bool(value);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.encoder.bytes(bytes);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let _ = self.encoder.str(text);
        self
    }

    pub(crate) fn null(&mut self) -> &mut Self {
        let _ = self.encoder.null();
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.encoder.into_writer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(bytes: &[u8]) -> Result<(), Problem> {
        Reader::new("item", bytes, 1_000).map(|_| ()).map_err(|error| error.problem)
    }

    #[test]
    fn the_deterministic_form_passes() {
        for bytes in [
            &[0x00][..],
            &[0x18, 24],
            &[0x20],
            &[0x42, 1, 2],
            &[0x62, b'h', b'i'],
            &[0xa2, 0x00, 0xf6, 0x01, 0x81, 0xf5],
            &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0],
        ] {
            assert_eq!(form(bytes), Ok(()), "{bytes:02x?}");
        }
    }

    #[test]
    fn every_other_form_is_refused() {
        for (bytes, problem) in [
            (&[][..], Problem::Truncated),
            (&[0x18], Problem::Truncated),
            (&[0x42, 1], Problem::Truncated),
            (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Problem::Truncated),
            (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Problem::Truncated),
            (&[0x00, 0x00], Problem::TrailingBytes),
            (&[0x18, 23], Problem::NotDeterministic),
            (&[0x19, 0, 255], Problem::NotDeterministic),
            (&[0x1b, 0, 0, 0, 0, 255, 255, 255, 255], Problem::NotDeterministic),
            (&[0x5f, 0xff], Problem::NotDeterministic),
            (&[0x9f, 0xff], Problem::NotDeterministic),
            (&[0xbf, 0xff], Problem::NotDeterministic),
            (&[0x1c], Problem::Unsupported),
            (&[0xc0, 0x00], Problem::Unsupported),
            (&[0xf9, 0, 0], Problem::Unsupported),
            (&[0xf7], Problem::Unsupported),
            (&[0xf8, 32], Problem::Unsupported),
            (&[0x61, 0xff], Problem::Utf8),
            (&[0xa2, 0x01, 0x00, 0x00, 0x00], Problem::Keys),
            (&[0xa2, 0x01, 0x00, 0x01, 0x00], Problem::Keys),
            (&[0xa1, 0x61, b'a', 0x00], Problem::Keys),
            (&[0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x00], Problem::TooDeep),
        ] {
            assert_eq!(form(bytes), Err(problem), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_negative_number_is_no_unsigned_one() {
        let mut reader = Reader::new("item", &[0x20], 10).unwrap();
        assert_eq!(reader.uint("n", 10), Err(Problem::Type.in_field("n")));
    }
}
