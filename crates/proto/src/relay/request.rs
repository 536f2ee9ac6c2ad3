//! What a client sends a relay.

use bytes::Bytes;

use crate::cbor::{DecodeError, Problem, Reader, Writer, required};
use crate::frame::read_list;
use crate::id::MachineId;
use crate::limits;
use crate::prekey::SignedPrekey;
use crate::relay::{Login, RelayFrameError, Request, Token, TokenHash, open, read_request, read_with_request, unknown};

/// One frame from a client to a relay.
///
/// What concerns the own mailbox (`Tokens`, `Publish`, `Fetch`, `Ack`) needs a login. The rest needs none: who has a
/// token may use it, and a client does so on a connection without a login, so that the relay is not told who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToRelay {
    /// Proves who the client is.
    Login(Login),
    /// Which tokens open this machine's mailbox.
    Tokens {
        /// The client's number for it.
        request: Request,
        /// These do, from now on, at most [`limits::RELAY_TOKENS`]. One that is there already gets the new lifetime.
        add: Vec<TokenEntry>,
        /// These no longer do, at most [`limits::RELAY_TOKENS_REMOVED`].
        remove: Vec<TokenHash>,
        /// No others do.
        replace: bool,
    },
    /// Wants to know when these machines come and go.
    Watch {
        /// The client's number for it.
        request: Request,
        /// The machines, each with a token of it; at most [`limits::RELAY_WATCHES_PER_FRAME`].
        items: Vec<(MachineId, Token)>,
        /// No others any more.
        replace: bool,
    },
    /// Wants a tunnel.
    Open {
        /// The client's number for it.
        request: Request,
        /// To whom.
        machine: MachineId,
        /// One of that machine's tokens.
        token: Token,
    },
    /// Leaves an envelope for another machine.
    Put {
        /// The client's number for it.
        request: Request,
        /// For whom.
        to: MachineId,
        /// One of that machine's tokens. Without one it goes into the request slot.
        token: Option<Token>,
        /// The sealed bytes, at most [`limits::ENVELOPE_BYTES`].
        envelope: Bytes,
    },
    /// Wants what lies in the own mailbox.
    Fetch {
        /// The client's number for it.
        request: Request,
        /// What comes after this cursor; 0 is the beginning.
        after: u64,
        /// At most so many, from 1 to [`limits::RELAY_ITEMS`].
        limit: u16,
    },
    /// Has these durably; the relay deletes them.
    Ack {
        /// The client's number for it.
        request: Request,
        /// Their cursors, at most [`limits::RELAY_ACKS`].
        cursors: Vec<u64>,
    },
    /// Lays down the own prekey, in the place of an older one.
    Publish {
        /// The client's number for it.
        request: Request,
        /// The prekey. Its signature is not checked yet, nor that it is the client's.
        prekey: SignedPrekey,
    },
    /// Wants another machine's prekey.
    GetPrekey {
        /// The client's number for it.
        request: Request,
        /// Whose.
        machine: MachineId,
    },
    /// A frame of this type, which this version does not know and may ignore.
    Ignored(u16),
}

/// A token as its owner makes it known to a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenEntry {
    /// The token's hash.
    pub hash: TokenHash,
    /// For how many seconds from now it counts, at least one; absent: until it is removed. No moment, because a relay's
    /// clock may be wrong.
    pub lifetime_s: Option<u32>,
}

const LOGIN: u16 = 0;
const TOKENS: u16 = 2;
const WATCH: u16 = 4;
const OPEN: u16 = 6;
const PUT: u16 = 8;
const FETCH: u16 = 10;
const ACK: u16 = 12;
const PUBLISH: u16 = 14;
const GET_PREKEY: u16 = 16;

impl ToRelay {
    /// The number of its type on the wire.
    pub const fn number(&self) -> u16 {
        match self {
            Self::Login(_) => LOGIN,
            Self::Tokens { .. } => TOKENS,
            Self::Watch { .. } => WATCH,
            Self::Open { .. } => OPEN,
            Self::Put { .. } => PUT,
            Self::Fetch { .. } => FETCH,
            Self::Ack { .. } => ACK,
            Self::Publish { .. } => PUBLISH,
            Self::GetPrekey { .. } => GET_PREKEY,
            Self::Ignored(number) => *number,
        }
    }

    /// The client's number for the request, when it is one that is answered.
    pub const fn request(&self) -> Option<Request> {
        match self {
            Self::Tokens { request, .. }
            | Self::Watch { request, .. }
            | Self::Open { request, .. }
            | Self::Put { request, .. }
            | Self::Fetch { request, .. }
            | Self::Ack { request, .. }
            | Self::Publish { request, .. }
            | Self::GetPrekey { request, .. } => Some(*request),
            Self::Login(_) | Self::Ignored(_) => None,
        }
    }

    /// The deterministic CBOR. The caller keeps lists and envelopes within [`limits`], or the relay will refuse the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(2).uint(u64::from(self.number()));
        match self {
            Self::Login(login) => login.write(&mut writer),
            Self::Tokens { request, add, remove, replace } => {
                writer.map(4).uint(0).uint(u64::from(*request)).uint(1).array(add.len());
                for entry in add {
                    writer.array(2).bytes(entry.hash.as_bytes());
                    match entry.lifetime_s {
                        Some(seconds) => writer.uint(u64::from(seconds)),
                        None => writer.null(),
                    };
                }
                writer.uint(2).array(remove.len());
                for hash in remove {
                    writer.bytes(hash.as_bytes());
                }
                writer.uint(3).bool(*replace);
            }
            Self::Watch { request, items, replace } => {
                writer.map(3).uint(0).uint(u64::from(*request)).uint(1).array(items.len());
                for (machine, token) in items {
                    writer.array(2).bytes(machine.as_bytes()).bytes(token.as_bytes());
                }
                writer.uint(2).bool(*replace);
            }
            Self::Open { request, machine, token } => {
                writer.map(3).uint(0).uint(u64::from(*request)).uint(1).bytes(machine.as_bytes());
                writer.uint(2).bytes(token.as_bytes());
            }
            Self::Put { request, to, token, envelope } => {
                writer.map(if token.is_some() { 4 } else { 3 });
                writer.uint(0).uint(u64::from(*request)).uint(1).bytes(to.as_bytes());
                if let Some(token) = token {
                    writer.uint(2).bytes(token.as_bytes());
                }
                writer.uint(3).bytes(envelope);
            }
            Self::Fetch { request, after, limit } => {
                writer.map(3).uint(0).uint(u64::from(*request)).uint(1).uint(*after).uint(2).uint(u64::from(*limit));
            }
            Self::Ack { request, cursors } => {
                writer.map(2).uint(0).uint(u64::from(*request)).uint(1).array(cursors.len());
                for cursor in cursors {
                    writer.uint(*cursor);
                }
            }
            Self::Publish { request, prekey } => {
                writer.map(2).uint(0).uint(u64::from(*request)).uint(1);
                prekey.write(&mut writer);
            }
            Self::GetPrekey { request, machine } => {
                writer.map(2).uint(0).uint(u64::from(*request)).uint(1).bytes(machine.as_bytes());
            }
            Self::Ignored(_) => {
                writer.map(0);
            }
        }
        writer.finish()
    }

    /// Reads one frame of at most [`limits::RELAY_FRAME_BYTES`].
    ///
    /// # Errors
    /// Why it is refused. The relay then ends the connection with [`RelayBye::Protocol`](super::RelayBye::Protocol).
    pub fn decode(bytes: &[u8]) -> Result<Self, RelayFrameError> {
        let (number, mut reader) = open(bytes)?;
        let reader = &mut reader;
        match number {
            LOGIN => Ok(Self::Login(Login::read(reader)?)),
            TOKENS => Ok(read_tokens(reader)?),
            WATCH => Ok(read_watch(reader)?),
            OPEN => Ok(read_open(reader)?),
            PUT => Ok(read_put(reader)?),
            FETCH => Ok(read_fetch(reader)?),
            ACK => Ok(read_with_request(reader, "cursors", read_cursors)
                .map(|(request, cursors)| Self::Ack { request, cursors })?),
            PUBLISH => Ok(read_with_request(reader, "prekey", SignedPrekey::read)
                .map(|(request, prekey)| Self::Publish { request, prekey })?),
            GET_PREKEY => Ok(read_with_request(reader, "machine", read_machine)
                .map(|(request, machine)| Self::GetPrekey { request, machine })?),
            number => unknown(number, Self::Ignored),
        }
    }
}

fn read_tokens(reader: &mut Reader<'_>) -> Result<ToRelay, DecodeError> {
    let (mut request, mut add, mut remove, mut replace) = (None, None, None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => request = Some(read_request(reader)?),
            1 => add = Some(read_list(reader, "add", limits::RELAY_TOKENS, read_entry)?),
            2 => remove = Some(read_list(reader, "remove", limits::RELAY_TOKENS_REMOVED, read_hash)?),
            3 => replace = Some(reader.bool("replace")?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(ToRelay::Tokens {
        request: required(request, "request")?,
        add: required(add, "add")?,
        remove: required(remove, "remove")?,
        replace: required(replace, "replace")?,
    })
}

fn read_entry(reader: &mut Reader<'_>) -> Result<TokenEntry, DecodeError> {
    reader.tuple("token entry", 2)?;
    let hash = read_hash(reader)?;
    let lifetime = reader.uint_or_null("lifetime", u64::from(u32::MAX))?;
    if lifetime == Some(0) {
        return Err(Problem::Range.in_field("lifetime"));
    }
    Ok(TokenEntry { hash, lifetime_s: lifetime.and_then(|seconds| u32::try_from(seconds).ok()) })
}

fn read_hash(reader: &mut Reader<'_>) -> Result<TokenHash, DecodeError> {
    reader.fixed("token hash").map(TokenHash::from_bytes)
}

fn read_machine(reader: &mut Reader<'_>) -> Result<MachineId, DecodeError> {
    reader.fixed("machine").map(MachineId::from_bytes)
}

fn read_token(reader: &mut Reader<'_>) -> Result<Token, DecodeError> {
    reader.fixed("token").map(Token::from_bytes)
}

fn read_watch(reader: &mut Reader<'_>) -> Result<ToRelay, DecodeError> {
    let (mut request, mut items, mut replace) = (None, None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => request = Some(read_request(reader)?),
            1 => {
                items = Some(read_list(reader, "items", limits::RELAY_WATCHES_PER_FRAME, |reader| {
                    reader.tuple("item", 2)?;
                    Ok::<_, DecodeError>((read_machine(reader)?, read_token(reader)?))
                })?);
            }
            2 => replace = Some(reader.bool("replace")?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(ToRelay::Watch {
        request: required(request, "request")?,
        items: required(items, "items")?,
        replace: required(replace, "replace")?,
    })
}

fn read_open(reader: &mut Reader<'_>) -> Result<ToRelay, DecodeError> {
    let (mut request, mut machine, mut token) = (None, None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => request = Some(read_request(reader)?),
            1 => machine = Some(read_machine(reader)?),
            2 => token = Some(read_token(reader)?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(ToRelay::Open {
        request: required(request, "request")?,
        machine: required(machine, "machine")?,
        token: required(token, "token")?,
    })
}

fn read_put(reader: &mut Reader<'_>) -> Result<ToRelay, DecodeError> {
    let (mut request, mut to, mut token, mut envelope) = (None, None, None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => request = Some(read_request(reader)?),
            1 => to = Some(MachineId::from_bytes(reader.fixed("to")?)),
            2 => token = Some(read_token(reader)?),
            3 => envelope = Some(Bytes::copy_from_slice(reader.bytes("envelope", limits::ENVELOPE_BYTES)?)),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(ToRelay::Put {
        request: required(request, "request")?,
        to: required(to, "to")?,
        token,
        envelope: required(envelope, "envelope")?,
    })
}

fn read_fetch(reader: &mut Reader<'_>) -> Result<ToRelay, DecodeError> {
    let (mut request, mut after, mut limit) = (None, None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => request = Some(read_request(reader)?),
            1 => after = Some(reader.uint("after", limits::INTEGER_MAX)?),
            2 => limit = Some(reader.u16("limit")?),
            _ => reader.skip("frame body")?,
        }
    }
    let limit = required(limit, "limit")?;
    if limit == 0 || usize::from(limit) > limits::RELAY_ITEMS {
        return Err(Problem::Range.in_field("limit"));
    }
    Ok(ToRelay::Fetch { request: required(request, "request")?, after: required(after, "after")?, limit })
}

fn read_cursors(reader: &mut Reader<'_>) -> Result<Vec<u64>, DecodeError> {
    read_list(reader, "cursors", limits::RELAY_ACKS, |reader| reader.uint("cursor", limits::INTEGER_MAX))
}
