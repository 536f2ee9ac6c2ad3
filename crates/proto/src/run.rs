//! Signed runs: what one commit of an author appends to one log, under one signature.
//!
//! An Ed25519 check takes 125 µs of a core, so a signature for each event would bound a link at 8,000 messages a second.
//! The hash chain through `prev` makes the signature over the last header cover all events before it.

use std::ops::Deref;

use bytes::Bytes;
use thiserror::Error;

use crate::cbor::{DecodeError, Reader, Writer, required};
use crate::event::{Event, Header};
use crate::id::{Epoch, MachineId, SessionId};
use crate::identity::{self, BadSignature, Domain, Identity, Signature};
use crate::limits;

/// At most what an event takes beside header and body: array head 1, two string heads of up to 5.
const EVENT_OVERHEAD: usize = 11;
/// At most what a run takes beside its events: map head 1, keys 2, array head 5, signature 66.
const RUN_OVERHEAD: usize = 74;

/// Why events are not a run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RunError {
    /// No event, or more than [`limits::RUN_EVENTS`].
    #[error("a run holds 1 to {max} events, not {0}", max = limits::RUN_EVENTS)]
    Count(usize),
    /// More bytes than [`limits::RUN_BYTES`].
    #[error("a run holds {max} bytes, not {0}", max = limits::RUN_BYTES)]
    TooLarge(usize),
    /// Events of several sessions, authors or epochs.
    #[error("a run belongs to one log")]
    SeveralLogs,
    /// The sequence numbers or the chain of `prev` do not continue.
    #[error("the chain breaks at seq {0}")]
    Chain(u64),
    /// A Lamport time that does not rise.
    #[error("lamport does not rise at seq {0}")]
    Lamport(u64),
    /// Signed by another than the author.
    #[error("only its author can sign a run")]
    NotTheAuthor,
    /// The signature does not fit.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// An event cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// 1 to [`limits::RUN_EVENTS`] events that follow each other in one log, with the author's signature over the last.
/// The chain was checked when it was made; the signature was not: see [`Run::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    events: Vec<Event>,
    last: Header,
    signature: Signature,
}

/// A run whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRun(Run);

impl Run {
    /// Puts a run of the wire or the store together and checks its chain, not its signature.
    ///
    /// # Errors
    /// Why the events are not a run.
    pub fn from_parts(events: Vec<Event>, signature: Signature) -> Result<Self, RunError> {
        let last = check_chain(&events)?.clone();
        Ok(Self { events, last, signature })
    }

    /// Signs events of one's own.
    ///
    /// # Errors
    /// Why the events are not a run of this machine.
    pub fn sign(identity: &Identity, events: Vec<Event>) -> Result<VerifiedRun, RunError> {
        check_chain(&events)?;
        let last = events.last().ok_or(RunError::Count(0))?;
        if last.header().author != identity.machine_id() {
            return Err(RunError::NotTheAuthor);
        }
        let signature = identity.sign(Domain::Event, last.header_bytes());
        let last = last.header().clone();
        Ok(VerifiedRun(Self { events, last, signature }))
    }

    /// The same events as several runs of at most `bytes` ([`Self::wire_size`]) each, signed anew, for ways that take no
    /// more at once. An event that is larger alone has a run to itself. Who holds the whole run already sees duplicates.
    ///
    /// # Errors
    /// [`RunError::NotTheAuthor`]: only its author can.
    pub fn cut(&self, identity: &Identity, bytes: usize) -> Result<Vec<VerifiedRun>, RunError> {
        let (mut runs, mut events) = (Vec::new(), Vec::new());
        let mut size = RUN_OVERHEAD;
        for event in &self.events {
            let more = event.size() + EVENT_OVERHEAD;
            if size + more > bytes && !events.is_empty() {
                runs.push(Self::sign(identity, std::mem::take(&mut events))?);
                size = RUN_OVERHEAD;
            }
            size += more;
            events.push(event.clone());
        }
        runs.push(Self::sign(identity, events)?);
        Ok(runs)
    }

    /// Checks the signature. Costs about 0.13 ms.
    ///
    /// # Errors
    /// [`RunError::Signature`].
    pub fn verify(self) -> Result<VerifiedRun, RunError> {
        let last = self.events.last().ok_or(RunError::Count(0))?;
        identity::verify(&self.last.author, Domain::Event, last.header_bytes(), &self.signature)?;
        Ok(VerifiedRun(self))
    }

    /// The events, ascending by `seq`; at least one.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The signature over the last event's header.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        self.last.session
    }

    /// The author.
    pub fn author(&self) -> MachineId {
        self.last.author
    }

    /// The author's log.
    pub fn epoch(&self) -> Epoch {
        self.last.epoch
    }

    /// `seq` of the first event.
    pub fn first_seq(&self) -> u64 {
        self.last.seq + 1 - self.events.len() as u64
    }

    /// `seq` of the last event: what a version vector names.
    pub fn last_seq(&self) -> u64 {
        self.last.seq
    }

    /// Bytes of all headers and bodies, which count against [`limits::RUN_BYTES`] and [`limits::REQUEST_BYTES`].
    pub fn size(&self) -> usize {
        self.events.iter().map(Event::size).sum()
    }

    /// At most how many bytes the run takes in an `Events` frame.
    pub fn wire_size(&self) -> usize {
        self.size() + EVENT_OVERHEAD * self.events.len() + RUN_OVERHEAD
    }

    /// The run as deterministic CBOR, as it stands in an `Events` frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads [`Self::encode`]'s form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, RunError> {
        Self::read(&mut Reader::new("run", bytes, limits::FRAME_BYTES)?)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.map(2).uint(0).array(self.events.len());
        for event in &self.events {
            writer.array(2).bytes(event.header_bytes());
            match event.body() {
                Some(body) => writer.bytes(body),
                None => writer.null(),
            };
        }
        writer.uint(1).bytes(self.signature.as_bytes());
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, RunError> {
        let (mut events, mut signature) = (None, None);
        for _ in 0..reader.map("run")? {
            match reader.key("run")? {
                0 => events = Some(read_events(reader)?),
                1 => signature = Some(Signature::from_bytes(reader.fixed("signature")?)),
                _ => reader.skip("run")?,
            }
        }
        Self::from_parts(required(events, "events")?, required(signature, "signature")?)
    }
}

impl VerifiedRun {
    /// The run.
    pub fn into_run(self) -> Run {
        self.0
    }

    /// The run without its first `count` events. The signature still covers the rest.
    pub(crate) fn without_first(mut self, count: usize) -> Self {
        debug_assert!(count < self.0.events.len(), "a run keeps its last event");
        self.0.events.drain(..count);
        self
    }
}

impl Deref for VerifiedRun {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.0
    }
}

fn read_events(reader: &mut Reader<'_>) -> Result<Vec<Event>, RunError> {
    let count = reader.array("events", limits::RUN_EVENTS)?;
    let mut events = Vec::with_capacity(count);
    for _ in 0..count {
        reader.tuple("event", 2)?;
        let header = Bytes::copy_from_slice(reader.bytes("header", limits::HEADER_BYTES)?);
        let body = reader.bytes_or_null("body", limits::BODY_BYTES)?.map(Bytes::copy_from_slice);
        events.push(Event::decode(header, body)?);
    }
    Ok(events)
}

/// Checks that events follow each other in one log, and gives the last one's header.
fn check_chain(events: &[Event]) -> Result<&Header, RunError> {
    let last = match events {
        [.., last] if events.len() <= limits::RUN_EVENTS => last.header(),
        _ => return Err(RunError::Count(events.len())),
    };
    let size: usize = events.iter().map(Event::size).sum();
    if size > limits::RUN_BYTES {
        return Err(RunError::TooLarge(size));
    }
    for (before, event) in events.iter().zip(events.iter().skip(1)) {
        let (a, b) = (before.header(), event.header());
        if (a.session, a.author, a.epoch) != (b.session, b.author, b.epoch) {
            return Err(RunError::SeveralLogs);
        }
        if b.seq != a.seq + 1 || b.prev != Some(before.id()) {
            return Err(RunError::Chain(b.seq));
        }
        if b.lamport <= a.lamport {
            return Err(RunError::Lamport(b.seq));
        }
    }
    Ok(last)
}
