//! Frames: what two linked machines send each other, one in each binary WebSocket message.
//!
//! A frame is the CBOR array `[type, body]`, the body a map with integer keys. Unknown keys are ignored. It is all
//! right for a type to be odd: an unknown odd type is ignored, an unknown even one is refused.

use thiserror::Error;

use crate::cbor::{DecodeError, Reader, Writer, required};
use crate::deposit::SignedDeposit;
use crate::grant::SignedGrant;
use crate::id::SessionId;
use crate::limits;
use crate::prekey::SignedPrekey;
use crate::register::{ReceiptError, SignedProfile, SignedReceipt};
use crate::run::{Run, RunError};
use crate::text;
use crate::vector::VersionVector;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first frame of each side.
    Hello(Hello),
    /// Digests of the version vectors of sessions that both share.
    Digests(Vec<(SessionId, [u8; 32])>),
    /// What the sender holds of a session; asks for what it lacks.
    Vector {
        /// The session.
        session: SessionId,
        /// What the sender holds.
        vector: VersionVector,
    },
    /// Runs of one session, oldest first.
    Events {
        /// The session.
        session: SessionId,
        /// The runs. Their signatures are not checked yet.
        runs: Vec<Run>,
    },
    /// How far members have come. The signatures are not checked yet. Receipts of unknown kinds are left out.
    Receipts(Vec<SignedReceipt>),
    /// The sender's profile changed. The signature is not checked yet.
    Profile(SignedProfile),
    /// The receiver keeps no more of this session now; the sender waits for a `Vector`.
    Hold {
        /// The session.
        session: SessionId,
        /// Why.
        reason: HoldReason,
    },
    /// The receiver refused events of this session.
    Reject {
        /// The session.
        session: SessionId,
        /// Why.
        code: RejectCode,
        /// The same in words, for a log; made printable, at most [`limits::DETAIL_BYTES`] bytes.
        detail: String,
    },
    /// The sender closes the link.
    Bye {
        /// Why.
        reason: ByeReason,
    },
    /// The sender's person writes in a session, or stopped. A signal: not stored, not sent again.
    Typing {
        /// The session.
        session: SessionId,
        /// Whether the person writes.
        on: bool,
    },
    /// Whether the sender's person is there. A signal: it holds until the next one or the link's end.
    Presence {
        /// Online or away.
        status: PresenceStatus,
    },
    /// The sender wants a blob that a message in a shared session names, from this byte on, and cannot dial: the other side
    /// dials and brings it.
    BlobWant {
        /// Its hash.
        hash: [u8; 32],
        /// How much of it the sender has, in whole groups.
        from: u64,
    },
    /// How a blob's transfer between the two fares, as far as the other side cannot see it.
    BlobState {
        /// Its hash.
        hash: [u8; 32],
        /// What is to be known.
        state: BlobState,
    },
    /// What to seal to while the sender is away. The signature is not checked yet.
    Prekey(SignedPrekey),
    /// What the receiver may do at the sender's relays. The signature is not checked yet.
    Grant(SignedGrant),
    /// The sender follows an invitation of the receiver's.
    Invited {
        /// That it knows the invitation's token, by the rules of `docs/protocol.md`.
        proof: [u8; 32],
    },
    /// Where a file of the sender's lies at a relay. The signature is not checked yet.
    Deposit(SignedDeposit),
    /// A frame of this type, which this version does not know and may ignore.
    Ignored(u16),
}

/// The first frame of each side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Highest protocol version that the sender speaks; both then use the lower of the two.
    pub version: u16,
    /// Bits for optional abilities; version 1 has none.
    pub features: u64,
    /// TCP port on which the sender listens; 0 when it does not.
    pub listen_port: u16,
    /// The sender's wall clock, milliseconds since 1970, to tell its owner when it is off.
    pub wall_ms: u64,
    /// Random number of this start of the program.
    pub instance: u64,
    /// The sender's profile. Its signature is not checked yet, nor that it is the peer's.
    pub profile: SignedProfile,
}

/// What is due on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `Hello` or `Bye`, at most [`limits::FRAME_BEFORE_HELLO`] bytes.
    BeforeHello,
    /// Any other frame, at most [`limits::FRAME_BYTES`] bytes.
    AfterHello,
}

/// Why a frame is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A type that this version does not know and that must be understood.
    #[error("unknown frame type {0}")]
    UnknownType(u16),
    /// A frame that is not due in this phase of the link.
    #[error("frame type {0} is not due now")]
    NotDue(u16),
    /// A run of another session than the frame's.
    #[error("a run belongs to another session than its frame")]
    OtherSession,
    /// It is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A run in it is malformed.
    #[error("run: {0}")]
    Run(RunError),
}

impl From<RunError> for FrameError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Decode(error) => Self::Decode(error),
            error => Self::Run(error),
        }
    }
}

/// An enumeration whose unknown numbers are kept, so that a later version's reason does not break a link.
macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
            /// One of a later version.
            Other(u16),
        }

        impl $name {
            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The value of a number.
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    number => Self::Other(number),
                }
            }
        }
    };
}

pub(crate) use codes;

codes! {
    /// Why a receiver keeps no more of a session for now.
    HoldReason {
        /// Its owner has not accepted the author yet, and the room for a request is full.
        NotAccepted = 1,
    }
}

codes! {
    /// Why a receiver refused events.
    RejectCode {
        /// Its disk is full. The sender tries again later.
        StorageFull = 1,
        /// The events break a rule; the same ones will be refused again.
        Invalid = 2,
        /// The log is frozen, because its author wrote two events at one place.
        Frozen = 3,
        /// More than the receiver takes.
        TooLarge = 4,
        /// Something went wrong at the receiver. The sender tries again later.
        Internal = 5,
    }
}

codes! {
    /// What one side tells the other about a blob. The first three come from who has it, the others from who fetches it.
    BlobState {
        /// It is not there any more, or was never shared with this machine.
        Gone = 1,
        /// The file is not what it was when it was offered.
        Changed = 2,
        /// It cannot be read at the moment.
        Unreadable = 3,
        /// All of it has arrived and is stored.
        Done = 4,
        /// Its fetching is paused.
        Paused = 5,
        /// It is not wanted, or not any more.
        Cancelled = 6,
        /// There is no room for it.
        NoRoom = 7,
        /// It cannot be stored for another reason.
        Failed = 8,
    }
}

codes! {
    /// Why a link ends.
    ByeReason {
        /// Another link between the same two machines stays.
        Duplicate = 1,
        /// Reserved: a blocked machine is told nothing.
        Blocked = 2,
        /// The program ends, or the machine goes to sleep.
        ShuttingDown = 3,
        /// The other side broke the protocol.
        Protocol = 4,
        /// The other side sent more than its share.
        Flood = 5,
        /// No common protocol version.
        Version = 6,
    }
}

codes! {
    /// Whether a person is at their machine.
    PresenceStatus {
        /// There, or not known.
        Online = 0,
        /// Away.
        Away = 1,
    }
}

const HELLO: u16 = 0;
const TYPING: u16 = 1;
const PRESENCE: u16 = 3;
const DIGESTS: u16 = 2;
const VECTOR: u16 = 4;
const EVENTS: u16 = 6;
const RECEIPTS: u16 = 8;
const PROFILE: u16 = 10;
const HOLD: u16 = 12;
const REJECT: u16 = 14;
const BYE: u16 = 16;
const BLOB_WANT: u16 = 5;
const BLOB_STATE: u16 = 7;
const PREKEY: u16 = 9;
const GRANT: u16 = 11;
const INVITED: u16 = 13;
const DEPOSIT: u16 = 15;

impl Frame {
    /// The number of its type on the wire.
    pub const fn number(&self) -> u16 {
        match self {
            Self::Hello(_) => HELLO,
            Self::Digests(_) => DIGESTS,
            Self::Vector { .. } => VECTOR,
            Self::Events { .. } => EVENTS,
            Self::Receipts(_) => RECEIPTS,
            Self::Profile(_) => PROFILE,
            Self::Hold { .. } => HOLD,
            Self::Reject { .. } => REJECT,
            Self::Bye { .. } => BYE,
            Self::Typing { .. } => TYPING,
            Self::Presence { .. } => PRESENCE,
            Self::BlobWant { .. } => BLOB_WANT,
            Self::BlobState { .. } => BLOB_STATE,
            Self::Prekey(_) => PREKEY,
            Self::Grant(_) => GRANT,
            Self::Invited { .. } => INVITED,
            Self::Deposit(_) => DEPOSIT,
            Self::Ignored(number) => *number,
        }
    }

    /// The deterministic CBOR. The caller keeps lists within [`limits`], or the peer will refuse the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(2).uint(u64::from(self.number()));
        match self {
            Self::Hello(hello) => hello.write(&mut writer),
            Self::Digests(digests) => {
                writer.map(1).uint(0).array(digests.len());
                for (session, digest) in digests {
                    writer.array(2).bytes(session.as_bytes()).bytes(digest);
                }
            }
            Self::Vector { session, vector } => {
                writer.map(2).uint(0).bytes(session.as_bytes()).uint(1);
                vector.write(&mut writer);
            }
            Self::Events { session, runs } => {
                writer.map(2).uint(0).bytes(session.as_bytes()).uint(1).array(runs.len());
                runs.iter().for_each(|run| run.write(&mut writer));
            }
            Self::Receipts(receipts) => {
                writer.map(1).uint(0).array(receipts.len());
                receipts.iter().for_each(|receipt| receipt.write(&mut writer));
            }
            Self::Profile(profile) => {
                writer.map(1).uint(0);
                profile.write(&mut writer);
            }
            Self::Hold { session, reason } => {
                writer.map(2).uint(0).bytes(session.as_bytes()).uint(1).uint(u64::from(reason.number()));
            }
            Self::Reject { session, code, detail } => {
                writer.map(3).uint(0).bytes(session.as_bytes()).uint(1).uint(u64::from(code.number()));
                writer.uint(2).text(&text::printable(detail, limits::DETAIL_BYTES));
            }
            Self::Bye { reason } => {
                writer.map(1).uint(0).uint(u64::from(reason.number()));
            }
            Self::Typing { session, on } => {
                writer.map(2).uint(0).bytes(session.as_bytes()).uint(1).bool(*on);
            }
            Self::Presence { status } => {
                writer.map(1).uint(0).uint(u64::from(status.number()));
            }
            Self::BlobWant { hash, from } => {
                writer.map(2).uint(0).bytes(hash).uint(1).uint(*from);
            }
            Self::BlobState { hash, state } => {
                writer.map(2).uint(0).bytes(hash).uint(1).uint(u64::from(state.number()));
            }
            Self::Prekey(prekey) => {
                writer.map(1).uint(0);
                prekey.write(&mut writer);
            }
            Self::Grant(grant) => {
                writer.map(1).uint(0);
                grant.write(&mut writer);
            }
            Self::Invited { proof } => {
                writer.map(1).uint(0).bytes(proof);
            }
            Self::Deposit(deposit) => {
                writer.map(1).uint(0);
                deposit.write(&mut writer);
            }
            Self::Ignored(_) => {
                writer.map(0);
            }
        }
        writer.finish()
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// Why it is refused. The link then ends with [`ByeReason::Protocol`].
    pub fn decode(bytes: &[u8], phase: Phase) -> Result<Self, FrameError> {
        let limit = match phase {
            Phase::BeforeHello => limits::FRAME_BEFORE_HELLO,
            Phase::AfterHello => limits::FRAME_BYTES,
        };
        let mut reader = Reader::new("frame", bytes, limit)?;
        reader.tuple("frame", 2)?;
        let number = reader.u16("frame type")?;
        match (phase, number) {
            (Phase::BeforeHello, HELLO | BYE) => {}
            (Phase::AfterHello, HELLO) | (Phase::BeforeHello, _) => return Err(FrameError::NotDue(number)),
            (Phase::AfterHello, _) => {}
        }
        match number {
            HELLO => Hello::read(&mut reader).map(Self::Hello),
            DIGESTS => read_one(&mut reader, "digests", read_digests).map(Self::Digests),
            VECTOR => read_in_session(&mut reader, "vector", |reader| Ok(VersionVector::read(reader)?))
                .map(|(session, vector)| Self::Vector { session, vector }),
            EVENTS => read_events(&mut reader),
            RECEIPTS => read_one(&mut reader, "receipts", read_receipts).map(Self::Receipts),
            PROFILE => read_one(&mut reader, "profile", |reader| Ok(SignedProfile::read(reader)?)).map(Self::Profile),
            HOLD => read_in_session(&mut reader, "reason", |reader| Ok(reader.u16("reason")?))
                .map(|(session, reason)| Self::Hold { session, reason: HoldReason::from_number(reason) }),
            REJECT => read_reject(&mut reader),
            BYE => read_one(&mut reader, "reason", |reader| Ok(reader.u16("reason")?))
                .map(|reason| Self::Bye { reason: ByeReason::from_number(reason) }),
            TYPING => read_in_session(&mut reader, "on", |reader| Ok(reader.bool("on")?))
                .map(|(session, on)| Self::Typing { session, on }),
            PRESENCE => read_one(&mut reader, "status", |reader| Ok(reader.u16("status")?))
                .map(|status| Self::Presence { status: PresenceStatus::from_number(status) }),
            BLOB_WANT => {
                read_of_blob(&mut reader, "from", limits::BLOB_BYTES).map(|(hash, from)| Self::BlobWant { hash, from })
            }
            BLOB_STATE => read_of_blob(&mut reader, "state", u64::from(u16::MAX)).map(|(hash, state)| {
                let state = BlobState::from_number(u16::try_from(state).unwrap_or(u16::MAX));
                Self::BlobState { hash, state }
            }),
            PREKEY => read_one(&mut reader, "prekey", |reader| Ok(SignedPrekey::read(reader)?)).map(Self::Prekey),
            GRANT => read_one(&mut reader, "grant", |reader| Ok(SignedGrant::read(reader)?)).map(Self::Grant),
            INVITED => {
                read_one(&mut reader, "proof", |reader| Ok(reader.fixed("proof")?)).map(|proof| Self::Invited { proof })
            }
            DEPOSIT => read_one(&mut reader, "deposit", |reader| Ok(SignedDeposit::read(reader)?)).map(Self::Deposit),
            odd if odd % 2 == 1 => Ok(Self::Ignored(odd)),
            even => Err(FrameError::UnknownType(even)),
        }
    }
}

impl Hello {
    fn write(&self, writer: &mut Writer) {
        writer.map(6);
        writer.uint(0).uint(u64::from(self.version));
        writer.uint(1).uint(self.features);
        writer.uint(2).uint(u64::from(self.listen_port));
        writer.uint(3).uint(self.wall_ms);
        writer.uint(4).uint(self.instance);
        writer.uint(5);
        self.profile.write(writer);
        // Key 6 is reserved for the prekey register.
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FrameError> {
        let (mut version, mut features, mut listen_port) = (None, None, None);
        let (mut wall_ms, mut instance, mut profile) = (None, None, None);
        for _ in 0..reader.map("hello")? {
            match reader.key("hello")? {
                0 => version = Some(reader.u16("version")?),
                1 => features = Some(reader.uint("features", u64::MAX)?),
                2 => listen_port = Some(reader.u16("listen_port")?),
                3 => wall_ms = Some(reader.uint("wall_ms", u64::MAX)?),
                4 => instance = Some(reader.uint("instance", u64::MAX)?),
                5 => profile = Some(SignedProfile::read(reader)?),
                _ => reader.skip("hello")?,
            }
        }
        Ok(Self {
            version: required(version, "version")?,
            features: required(features, "features")?,
            listen_port: required(listen_port, "listen_port")?,
            wall_ms: required(wall_ms, "wall_ms")?,
            instance: required(instance, "instance")?,
            profile: required(profile, "profile")?,
        })
    }
}

/// A body with one required value under key 0.
fn read_one<'b, T>(
    reader: &mut Reader<'b>,
    field: &'static str,
    read: impl Fn(&mut Reader<'b>) -> Result<T, FrameError>,
) -> Result<T, FrameError> {
    let mut value = None;
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => value = Some(read(reader)?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(required(value, field)?)
}

/// A body with a session under key 0 and a required value under key 1.
fn read_in_session<'b, T>(
    reader: &mut Reader<'b>,
    field: &'static str,
    read: impl Fn(&mut Reader<'b>) -> Result<T, FrameError>,
) -> Result<(SessionId, T), FrameError> {
    let (mut session, mut value) = (None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => session = Some(SessionId::from_bytes(reader.fixed("session")?)),
            1 => value = Some(read(reader)?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok((required(session, "session")?, required(value, field)?))
}

/// A body with a blob's hash under key 0 and a required number under key 1.
fn read_of_blob(reader: &mut Reader<'_>, field: &'static str, max: u64) -> Result<([u8; 32], u64), FrameError> {
    let (mut hash, mut number) = (None, None);
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => hash = Some(reader.fixed("hash")?),
            1 => number = Some(reader.uint(field, max)?),
            _ => reader.skip("frame body")?,
        }
    }
    Ok((required(hash, "hash")?, required(number, field)?))
}

/// An array of at most `limit` elements.
pub(crate) fn read_list<'b, T, E: From<DecodeError>>(
    reader: &mut Reader<'b>,
    field: &'static str,
    limit: usize,
    read: impl Fn(&mut Reader<'b>) -> Result<T, E>,
) -> Result<Vec<T>, E> {
    let count = reader.array(field, limit)?;
    (0..count).map(|_| read(reader)).collect()
}

fn read_digests(reader: &mut Reader<'_>) -> Result<Vec<(SessionId, [u8; 32])>, FrameError> {
    let count = reader.array("digests", limits::DIGESTS_PER_FRAME)?;
    let mut digests = Vec::with_capacity(count);
    for _ in 0..count {
        reader.tuple("digest entry", 2)?;
        digests.push((SessionId::from_bytes(reader.fixed("session")?), reader.fixed("digest")?));
    }
    Ok(digests)
}

fn read_events(reader: &mut Reader<'_>) -> Result<Frame, FrameError> {
    let (session, runs) = read_in_session(reader, "runs", |reader| {
        let count = reader.array("runs", limits::RUNS_PER_FRAME)?;
        (0..count).map(|_| Ok(Run::read(reader)?)).collect::<Result<Vec<_>, FrameError>>()
    })?;
    if runs.iter().any(|run| run.session() != session) {
        return Err(FrameError::OtherSession);
    }
    Ok(Frame::Events { session, runs })
}

fn read_receipts(reader: &mut Reader<'_>) -> Result<Vec<SignedReceipt>, FrameError> {
    let count = reader.array("receipts", limits::RECEIPTS_PER_FRAME)?;
    let mut receipts = Vec::with_capacity(count);
    for _ in 0..count {
        match SignedReceipt::read(reader) {
            Ok(receipt) => receipts.push(receipt),
            Err(ReceiptError::UnknownKind(_)) => {}
            Err(ReceiptError::Decode(error)) => return Err(error.into()),
        }
    }
    Ok(receipts)
}

fn read_reject(reader: &mut Reader<'_>) -> Result<Frame, FrameError> {
    let (mut session, mut code, mut detail) = (None, None, String::new());
    for _ in 0..reader.map("frame body")? {
        match reader.key("frame body")? {
            0 => session = Some(SessionId::from_bytes(reader.fixed("session")?)),
            1 => code = Some(RejectCode::from_number(reader.u16("code")?)),
            2 => detail = text::printable(reader.text("detail", limits::DETAIL_BYTES)?, limits::DETAIL_BYTES),
            _ => reader.skip("frame body")?,
        }
    }
    Ok(Frame::Reject { session: required(session, "session")?, code: required(code, "code")?, detail })
}
