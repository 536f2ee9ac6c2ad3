//! What a relay sends a client.

use bytes::Bytes;

use crate::cbor::{DecodeError, Reader, Writer, required};
use crate::frame::read_list;
use crate::id::MachineId;
use crate::limits;
use crate::prekey::SignedPrekey;
use crate::relay::{
    Limits, RefusalCode, RelayBye, RelayFrameError, Request, Ticket, open, read_request, read_with_request, unknown,
};
use crate::text;

/// One frame from a relay to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromRelay {
    /// The first frame on each connection.
    Challenge {
        /// Highest version of the relay protocol that the relay speaks.
        version: u16,
        /// Random, for this connection only.
        nonce: [u8; 32],
    },
    /// The login counts.
    Welcome {
        /// What this relay allows.
        limits: Limits,
        /// The relay's clock, milliseconds since 1970, to tell an owner that one is off.
        wall_ms: u64,
    },
    /// A request was refused, or the login.
    Refused(Refused),
    /// A request was done, and what it changed is durable.
    Done {
        /// The client's number for it.
        request: Request,
    },
    /// A tunnel's near end waits.
    Opened {
        /// The client's number for it.
        request: Request,
        /// Opens the near end.
        ticket: Ticket,
    },
    /// Somebody with one of this machine's tokens wants a tunnel. Who, the handshake inside tells.
    Incoming {
        /// Opens the far end.
        ticket: Ticket,
    },
    /// Who of the watched is there: after `Watch` for each, then for those that come and go.
    Presence {
        /// The machines; at most [`limits::RELAY_WATCHES_PER_FRAME`].
        items: Vec<(MachineId, bool)>,
    },
    /// What lies in the mailbox, in the order in which it was committed.
    Items {
        /// The client's number for it.
        request: Request,
        /// At most [`limits::RELAY_ITEMS`].
        items: Vec<Item>,
        /// Whether there is more behind the last one.
        more: bool,
    },
    /// A machine's prekey.
    Prekey {
        /// The client's number for it.
        request: Request,
        /// The prekey, when the relay has one. Its signature is not checked yet, nor whose it is.
        prekey: Option<SignedPrekey>,
    },
    /// The relay ends the connection.
    Bye {
        /// Why.
        code: RelayBye,
        /// How many seconds the client does well to wait before it comes back.
        after_s: u32,
    },
    /// Something new lies in the mailbox. A hint: it may be lost.
    Arrived,
    /// A frame of this type, which this version does not know and may ignore.
    Ignored(u16),
}

/// Why a relay did not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The client's number for it; absent when it is the login that is refused.
    pub request: Option<Request>,
    /// Why.
    pub code: RefusalCode,
    /// The same in words, for a log; made printable, at most [`limits::DETAIL_BYTES`] bytes.
    pub detail: String,
    /// The limit that was met, in its own unit.
    pub limit: Option<u64>,
    /// After how many seconds it may be tried again, when time helps.
    pub retry_after_s: Option<u32>,
}

/// Something in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place in the mailbox, greater than that of all that were committed before it.
    pub cursor: u64,
    /// The relay's clock when it was put, in seconds since 1970. For showing only.
    pub put_s: u64,
    /// The sealed bytes.
    pub envelope: Bytes,
}

impl Item {
    /// At most how many bytes it takes in an `Items` frame, whose other parts take at most 32.
    pub fn wire_size(&self) -> usize {
        self.envelope.len() + 24
    }
}

const CHALLENGE: u16 = 0;
const WELCOME: u16 = 2;
const REFUSED: u16 = 4;
const DONE: u16 = 6;
const OPENED: u16 = 8;
const INCOMING: u16 = 10;
const PRESENCE: u16 = 12;
const ITEMS: u16 = 14;
const PREKEY: u16 = 16;
const BYE: u16 = 18;
const ARRIVED: u16 = 1;

impl FromRelay {
    /// The number of its type on the wire.
    pub const fn number(&self) -> u16 {
        match self {
            Self::Challenge { .. } => CHALLENGE,
            Self::Welcome { .. } => WELCOME,
            Self::Refused(_) => REFUSED,
            Self::Done { .. } => DONE,
            Self::Opened { .. } => OPENED,
            Self::Incoming { .. } => INCOMING,
            Self::Presence { .. } => PRESENCE,
            Self::Items { .. } => ITEMS,
            Self::Prekey { .. } => PREKEY,
            Self::Bye { .. } => BYE,
            Self::Arrived => ARRIVED,
            Self::Ignored(number) => *number,
        }
    }

    /// The client's number for the request that this answers.
    pub const fn request(&self) -> Option<Request> {
        match self {
            Self::Done { request }
            | Self::Opened { request, .. }
            | Self::Items { request, .. }
            | Self::Prekey { request, .. } => Some(*request),
            Self::Refused(refused) => refused.request,
            _ => None,
        }
    }

    /// The deterministic CBOR. The caller keeps lists within [`limits`], or the client will refuse the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(2).uint(u64::from(self.number()));
        match self {
            Self::Challenge { version, nonce } => {
                writer.map(2).uint(0).uint(u64::from(*version)).uint(1).bytes(nonce);
            }
            Self::Welcome { limits, wall_ms } => {
                writer.map(2).uint(0);
                limits.write(&mut writer);
                writer.uint(1).uint(*wall_ms);
            }
            Self::Refused(refused) => refused.write(&mut writer),
            Self::Done { request } => {
                writer.map(1).uint(0).uint(u64::from(*request));
            }
            Self::Opened { request, ticket } => {
                writer.map(2).uint(0).uint(u64::from(*request)).uint(1).bytes(ticket.as_bytes());
            }
            Self::Incoming { ticket } => {
                writer.map(1).uint(0).bytes(ticket.as_bytes());
            }
            Self::Presence { items } => {
                writer.map(1).uint(0).array(items.len());
                for (machine, online) in items {
                    writer.array(2).bytes(machine.as_bytes()).bool(*online);
                }
            }
            Self::Items { request, items, more } => {
                writer.map(3).uint(0).uint(u64::from(*request)).uint(1).array(items.len());
                for item in items {
                    writer.array(3).uint(item.cursor).uint(item.put_s).bytes(&item.envelope);
                }
                writer.uint(2).bool(*more);
            }
            Self::Prekey { request, prekey } => {
                writer.map(2).uint(0).uint(u64::from(*request)).uint(1);
                match prekey {
                    Some(prekey) => prekey.write(&mut writer),
                    None => {
                        writer.null();
                    }
                }
            }
            Self::Bye { code, after_s } => {
                writer.map(2).uint(0).uint(u64::from(code.number())).uint(1).uint(u64::from(*after_s));
            }
            Self::Arrived | Self::Ignored(_) => {
                writer.map(0);
            }
        }
        writer.finish()
    }

    /// Reads one frame of at most [`limits::RELAY_FRAME_BYTES`].
    ///
    /// # Errors
    /// Why it is refused. The client then closes the connection.
    pub fn decode(bytes: &[u8]) -> Result<Self, RelayFrameError> {
        let (number, mut reader) = open(bytes)?;
        let reader = &mut reader;
        match number {
            CHALLENGE => Ok(read_challenge(reader)?),
            WELCOME => Ok(read_welcome(reader)?),
            REFUSED => Ok(Self::Refused(Refused::read(reader)?)),
            DONE => Ok(read_done(reader)?),
            OPENED => Ok(read_with_request(reader, "ticket", read_ticket)
                .map(|(request, ticket)| Self::Opened { request, ticket })?),
            INCOMING => Ok(read_incoming(reader)?),
            PRESENCE => Ok(read_presence(reader)?),
            ITEMS => Ok(read_items(reader)?),
            PREKEY => Ok(read_with_request(reader, "prekey", SignedPrekey::read_or_null)
                .map(|(request, prekey)| Self::Prekey { request, prekey })?),
            BYE => Ok(read_bye(reader)?),
            ARRIVED => Ok(Self::Arrived),
            number => unknown(number, Self::Ignored),
        }
    }
}

impl Refused {
    fn write(&self, writer: &mut Writer) {
        let optional = [self.request.is_some(), self.limit.is_some(), self.retry_after_s.is_some()];
        writer.map(2 + optional.into_iter().filter(|given| *given).count());
        if let Some(request) = self.request {
            writer.uint(0).uint(u64::from(request));
        }
        writer.uint(1).uint(u64::from(self.code.number()));
        writer.uint(2).text(&text::printable(&self.detail, limits::DETAIL_BYTES));
        if let Some(limit) = self.limit {
            writer.uint(3).uint(limit);
        }
        if let Some(seconds) = self.retry_after_s {
            writer.uint(4).uint(u64::from(seconds));
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (mut request, mut code, mut detail) = (None, None, String::new());
        let (mut limit, mut retry_after_s) = (None, None);
        for _ in 0..reader.map("frame body")? {
            match reader.key("frame body")? {
                0 => request = Some(read_request(reader)?),
                1 => code = Some(RefusalCode::from_number(reader.u16("code")?)),
                2 => detail = text::printable(reader.text("detail", limits::DETAIL_BYTES)?, limits::DETAIL_BYTES),
                3 => limit = Some(reader.uint("limit", limits::INTEGER_MAX)?),
                4 => retry_after_s = Some(reader.u32("retry_after", u64::from(u32::MAX))?),
                _ => reader.skip("frame body")?,
            }
        }
        Ok(Self { request, code: required(code, "code")?, detail, limit, retry_after_s })
    }
}

fn read_challenge(reader: &mut Reader<'_>) -> Result<FromRelay, DecodeError> {
    let (mut version, mut nonce) = (None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => version = Some(reader.u16("version")?),
            1 => nonce = Some(reader.fixed("nonce")?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(FromRelay::Challenge { version: required(version, "version")?, nonce: required(nonce, "nonce")? })
}

fn read_welcome(reader: &mut Reader<'_>) -> Result<FromRelay, DecodeError> {
    let (mut limits, mut wall_ms) = (None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => limits = Some(Limits::read(reader)?),
            1 => wall_ms = Some(reader.uint("wall_ms", u64::MAX)?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(FromRelay::Welcome { limits: required(limits, "limits")?, wall_ms: required(wall_ms, "wall_ms")? })
}

fn read_done(reader: &mut Reader<'_>) -> Result<FromRelay, DecodeError> {
    let mut request = None;
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => request = Some(read_request(reader)?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(FromRelay::Done { request: required(request, "request")? })
}

fn read_ticket(reader: &mut Reader<'_>) -> Result<Ticket, DecodeError> {
    reader.fixed("ticket").map(Ticket::from_bytes)
}

fn read_incoming(reader: &mut Reader<'_>) -> Result<FromRelay, DecodeError> {
    let mut ticket = None;
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => ticket = Some(read_ticket(reader)?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(FromRelay::Incoming { ticket: required(ticket, "ticket")? })
}

fn read_presence(reader: &mut Reader<'_>) -> Result<FromRelay, DecodeError> {
    let mut items = None;
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => {
                items = Some(read_list(reader, "items", limits::RELAY_WATCHES_PER_FRAME, |reader| {
                    reader.tuple("item", 2)?;
                    let machine = MachineId::from_bytes(reader.fixed("machine")?);
                    Ok::<_, DecodeError>((machine, reader.bool("online")?))
                })?);
            }
            _ => reader.skip("frame body")?,
        }
    }
    Ok(FromRelay::Presence { items: required(items, "items")? })
}

fn read_items(reader: &mut Reader<'_>) -> Result<FromRelay, DecodeError> {
    let (mut request, mut items, mut more) = (None, None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => request = Some(read_request(reader)?),
            1 => items = Some(read_list(reader, "items", limits::RELAY_ITEMS, read_item)?),
            2 => more = Some(reader.bool("more")?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(FromRelay::Items {
        request: required(request, "request")?,
        items: required(items, "items")?,
        more: required(more, "more")?,
    })
}

fn read_item(reader: &mut Reader<'_>) -> Result<Item, DecodeError> {
    reader.tuple("item", 3)?;
    Ok(Item {
        cursor: reader.uint("cursor", limits::INTEGER_MAX)?,
        put_s: reader.uint("put", limits::INTEGER_MAX)?,
        envelope: Bytes::copy_from_slice(reader.bytes("envelope", limits::ENVELOPE_BYTES)?),
    })
}

fn read_bye(reader: &mut Reader<'_>) -> Result<FromRelay, DecodeError> {
    let (mut code, mut after_s) = (None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => code = Some(RelayBye::from_number(reader.u16("code")?)),
            1 => after_s = Some(reader.u32("after", u64::from(u32::MAX))?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(FromRelay::Bye { code: required(code, "code")?, after_s: required(after_s, "after")? })
}
