//! What a machine and a relay say to each other: addresses, tokens, the proof of a login, and the frames of both ways.
//!
//! A relay is a stranger that machines which cannot reach each other meet at. It keeps sealed envelopes it cannot open,
//! and passes on the bytes of links it cannot read. What it must know it is told; nothing here tells it more.

mod address;
mod files;
mod login;
mod reply;
mod request;
mod terms;
mod token;

use thiserror::Error;

pub use self::address::{AddressError, DEFAULT_PORT, RelayAddress};
pub use self::files::{FILE_LIFETIME, FILES_PATH, FilePass, FilePassError, UPLOAD_LENGTH, UPLOAD_OFFSET, file_path};
pub use self::login::{Expected, Login, LoginError};
pub use self::reply::{FromRelay, Item, Refused};
pub use self::request::{ToRelay, TokenEntry};
pub use self::terms::{FileLimits, Limits};
pub use self::token::{GrantSecret, Ticket, Token, TokenHash};
use crate::cbor::{DecodeError, Reader, required};
use crate::frame::codes;
use crate::limits;

/// Name of the WebSocket subprotocol on both of a relay's paths.
pub const SUBPROTOCOL: &str = "landline-relay.1";

/// Where a relay takes frames.
pub const PATH: &str = "/relay/1";

/// Where a relay joins the two ends of a tunnel.
pub const CIRCUIT_PATH: &str = "/relay/1/circuit";

/// Number that a client gives a request, so that it knows the answer. Its own affair: the relay only repeats it.
pub type Request = u32;

codes! {
    /// Why a relay refuses.
    RefusalCode {
        /// The login's signature does not fit, or was made for another relay.
        BadProof = 1,
        /// The relay is for members, and this machine is none.
        NotMember = 2,
        /// No common version of the relay protocol.
        Version = 3,
        /// The relay takes no more machines, connections or circuits.
        Full = 4,
        /// Too much in too short a time.
        RateLimited = 5,
        /// This needs a login.
        NotLoggedIn = 6,
        /// The token is none of the recipient's, or no longer.
        BadToken = 7,
        /// No tunnel to this machine: it is offline, or the token is none of its. Which of the two is not said.
        Unreachable = 8,
        /// The mailbox, its request slot, or its room for files is full.
        MailboxFull = 9,
        /// More bytes than the relay takes, in an envelope or of one file.
        TooLarge = 10,
        /// More than the relay keeps for one machine: tokens, watches, circuits, files.
        TooMany = 11,
        /// The register is of another machine, is older than what is held, or its signature does not fit.
        Invalid = 12,
        /// The relay cannot write at the moment.
        Storage = 13,
        /// There is no such file, or not all of it yet.
        NoFile = 14,
        /// The file goes on elsewhere: the limit says at which byte.
        Offset = 15,
    }
}

codes! {
    /// Why a relay ends a connection.
    RelayBye {
        /// It shuts down.
        ShuttingDown = 1,
        /// The same machine logged in again; the newer login counts.
        Replaced = 2,
        /// The client sent more than its share.
        Flood = 3,
        /// The client broke the protocol.
        Protocol = 4,
        /// The client did not log in, or ask for anything, in time.
        Idle = 5,
    }
}

/// Why a frame between machine and relay is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RelayFrameError {
    /// A type that this version does not know and that must be understood.
    #[error("unknown frame type {0}")]
    UnknownType(u16),
    /// It is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Opens a frame: its type, and a reader that stands before its body.
fn open(bytes: &[u8]) -> Result<(u16, Reader<'_>), DecodeError> {
    let mut reader = Reader::new("frame", bytes, limits::RELAY_FRAME_BYTES)?;
    reader.tuple("frame", 2)?;
    let number = reader.u16("frame type")?;
    Ok((number, reader))
}

fn read_request(reader: &mut Reader<'_>) -> Result<Request, DecodeError> {
    reader.u32("request", u64::from(u32::MAX))
}

/// A body with a request under key 0 and a required value under key 1.
fn read_with_request<'b, T>(
    reader: &mut Reader<'b>,
    field: &'static str,
    read: impl Fn(&mut Reader<'b>) -> Result<T, DecodeError>,
) -> Result<(Request, T), DecodeError> {
    let (mut request, mut value) = (None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => request = Some(read_request(reader)?),
            1 => value = Some(read(reader)?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok((required(request, "request")?, required(value, field)?))
}

/// What becomes of a type that this version does not know: an odd one is ignored, an even one refused.
fn unknown<T>(number: u16, ignored: impl FnOnce(u16) -> T) -> Result<T, RelayFrameError> {
    if number % 2 == 1 { Ok(ignored(number)) } else { Err(RelayFrameError::UnknownType(number)) }
}
