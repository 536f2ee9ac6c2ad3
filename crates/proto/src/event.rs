//! Events: what lasts. A header that is hashed and signed, and a body that its hash pins.

use std::fmt;

use bytes::Bytes;

pub use crate::body::{Body, EditBody, MessageBody, ReactionBody};
use crate::cbor::{DecodeError, Problem, Reader, Writer, required};
use crate::id::{Epoch, EventId, MachineId, MessageId, SessionId};
use crate::limits;

/// What an event means. Kinds that this version does not know are kept and passed on, and not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub u16);

impl Kind {
    /// The author opened the session. Its body is empty.
    pub const OPEN: Self = Self(0);
    /// A message.
    pub const MESSAGE: Self = Self(1);
    /// A new text for a message of the same author.
    pub const EDIT: Self = Self(2);
    /// The author took a message of theirs back.
    pub const DELETE: Self = Self(3);
    /// A reaction to a message, or its end.
    pub const REACTION: Self = Self(4);
    /// After how long messages of the session disappear.
    pub const TIMER: Self = Self(5);
    /// A message was pinned in the session, or no longer is.
    pub const PIN: Self = Self(6);
}

/// What is hashed and, through the last event of its run, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The session.
    pub session: SessionId,
    /// Who wrote it.
    pub author: MachineId,
    /// Which of the author's logs.
    pub epoch: Epoch,
    /// Place in that log, from 1, without gaps.
    pub seq: u64,
    /// The event at `seq - 1`; absent at the first.
    pub prev: Option<EventId>,
    /// Newest events of other logs that the author held, as far as `prev` does not cover them: ascending, each once, at
    /// most [`limits::PARENTS`].
    pub parents: Vec<EventId>,
    /// One more than the greatest Lamport time of `prev` and `parents`; 1 when there are none.
    pub lamport: u64,
    /// The author's wall clock, milliseconds since 1970. For showing only.
    pub wall_ms: u64,
    /// What it means.
    pub kind: Kind,
    /// BLAKE3 of the body's bytes.
    pub body_hash: [u8; 32],
}

/// An event's place in the one order that all machines show: Lamport time, then author, then log, then place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Lamport time.
    pub lamport: u64,
    /// Author.
    pub author: MachineId,
    /// The author's log.
    pub epoch: Epoch,
    /// Place in that log.
    pub seq: u64,
}

impl fmt::Display for Order {
    /// Fixed-width hexadecimal, so that texts compare as the orders do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.lamport)?;
        self.author.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "{}{:016x}", self.epoch, self.seq)
    }
}

impl Header {
    /// Place in the order that all machines show.
    pub fn order(&self) -> Order {
        Order { lamport: self.lamport, author: self.author, epoch: self.epoch, seq: self.seq }
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(if self.prev.is_some() { 10 } else { 9 });
        writer.uint(0).bytes(self.session.as_bytes());
        writer.uint(1).bytes(self.author.as_bytes());
        writer.uint(2).uint(self.epoch.get());
        writer.uint(3).uint(self.seq);
        if let Some(prev) = &self.prev {
            writer.uint(4).bytes(prev.as_bytes());
        }
        writer.uint(5).array(self.parents.len());
        for parent in &self.parents {
            writer.bytes(parent.as_bytes());
        }
        writer.uint(6).uint(self.lamport);
        writer.uint(7).uint(self.wall_ms);
        writer.uint(8).uint(u64::from(self.kind.0));
        writer.uint(9).bytes(&self.body_hash);
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("header", bytes, limits::HEADER_BYTES)?;
        let (mut session, mut author, mut epoch, mut seq, mut prev) = (None, None, None, None, None);
        let (mut parents, mut lamport, mut wall_ms, mut kind, mut body_hash) = (None, None, None, None, None);
        for _ in 0..reader.map("header")? {
            match reader.key("header")? {
                0 => session = Some(SessionId::from_bytes(reader.fixed("session")?)),
                1 => author = Some(MachineId::from_bytes(reader.fixed("author")?)),
                2 => epoch = Some(Epoch::new(reader.uint("epoch", limits::INTEGER_MAX)?)),
                3 => seq = Some(reader.uint("seq", limits::INTEGER_MAX)?),
                4 => prev = Some(EventId::from_bytes(reader.fixed("prev")?)),
                5 => parents = Some(read_parents(&mut reader)?),
                6 => lamport = Some(reader.uint("lamport", limits::INTEGER_MAX)?),
                7 => wall_ms = Some(reader.uint("wall_ms", limits::WALL_MS_MAX)?),
                8 => kind = Some(Kind(reader.u16("kind")?)),
                9 => body_hash = Some(reader.fixed("body_hash")?),
                _ => reader.skip("header")?,
            }
        }
        let header = Self {
            session: required(session, "session")?,
            author: required(author, "author")?,
            epoch: required(epoch, "epoch")?,
            seq: required(seq, "seq")?,
            prev,
            parents: required(parents, "parents")?,
            lamport: required(lamport, "lamport")?,
            wall_ms: required(wall_ms, "wall_ms")?,
            kind: required(kind, "kind")?,
            body_hash: required(body_hash, "body_hash")?,
        };
        header.check()?;
        Ok(header)
    }

    /// The rules that a header can be held to by itself.
    fn check(&self) -> Result<(), DecodeError> {
        if self.seq == 0 || self.seq > limits::INTEGER_MAX {
            return Err(Problem::Range.in_field("seq"));
        }
        if self.lamport < self.seq || self.lamport > limits::INTEGER_MAX {
            return Err(Problem::Range.in_field("lamport"));
        }
        if self.wall_ms > limits::WALL_MS_MAX {
            return Err(Problem::Range.in_field("wall_ms"));
        }
        match (self.seq, &self.prev) {
            (1, Some(_)) => return Err(Problem::Unexpected.in_field("prev")),
            (2.., None) => return Err(Problem::Missing.in_field("prev")),
            _ => {}
        }
        if self.parents.len() > limits::PARENTS {
            return Err(Problem::TooLong { limit: limits::PARENTS, actual: self.parents.len() }.in_field("parents"));
        }
        if !self.parents.is_sorted_by(|a, b| a < b) {
            return Err(Problem::Order.in_field("parents"));
        }
        Ok(())
    }
}

fn read_parents(reader: &mut Reader<'_>) -> Result<Vec<EventId>, DecodeError> {
    let count = reader.array("parents", limits::PARENTS)?;
    (0..count).map(|_| reader.fixed("parents").map(EventId::from_bytes)).collect()
}

/// A header with the exact bytes that were hashed and signed, its ID, and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    header: Header,
    header_bytes: Bytes,
    id: EventId,
    body: Option<Bytes>,
}

impl Event {
    /// Makes an event of one's own. `header.body_hash` is set here.
    ///
    /// # Errors
    /// A header or body that others would refuse.
    pub fn new(mut header: Header, body: Bytes) -> Result<Self, DecodeError> {
        check_body_length(&body)?;
        header.body_hash = hash_body(&body);
        header.check()?;
        let header_bytes = Bytes::from(header.encode());
        let id = EventId::of(&header_bytes);
        Ok(Self { header, header_bytes, id, body: Some(body) })
    }

    /// Reads an event of the wire or the store. A body that was deleted is absent.
    ///
    /// # Errors
    /// What is wrong with the header, or that the body does not fit its hash.
    pub fn decode(header_bytes: Bytes, body: Option<Bytes>) -> Result<Self, DecodeError> {
        let header = Header::decode(&header_bytes)?;
        if let Some(body) = &body {
            check_body_length(body)?;
            if hash_body(body) != header.body_hash {
                return Err(Problem::Hash.in_field("body"));
            }
        }
        let id = EventId::of(&header_bytes);
        Ok(Self { header, header_bytes, id, body })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The exact bytes of the header.
    pub fn header_bytes(&self) -> &Bytes {
        &self.header_bytes
    }

    /// BLAKE3 of the header bytes.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The bytes of the body; absent once it was deleted.
    pub fn body(&self) -> Option<&Bytes> {
        self.body.as_ref()
    }

    /// What the body means; absent once it was deleted.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn decode_body(&self) -> Result<Option<Body>, DecodeError> {
        self.body.as_deref().map(|body| Body::decode(self.header.kind, body)).transpose()
    }

    /// The ID under which a message in this event is known.
    pub fn message_id(&self) -> MessageId {
        MessageId::for_event(self.header.wall_ms, &self.id)
    }

    /// Bytes of header and body, which count against [`limits::RUN_BYTES`] and [`limits::REQUEST_BYTES`].
    pub fn size(&self) -> usize {
        self.header_bytes.len() + self.body.as_ref().map_or(0, Bytes::len)
    }
}

fn hash_body(body: &[u8]) -> [u8; 32] {
    *blake3::hash(body).as_bytes()
}

pub(crate) fn check_body_length(body: &[u8]) -> Result<(), DecodeError> {
    if body.len() > limits::BODY_BYTES {
        return Err(Problem::TooLong { limit: limits::BODY_BYTES, actual: body.len() }.in_field("body"));
    }
    Ok(())
}
