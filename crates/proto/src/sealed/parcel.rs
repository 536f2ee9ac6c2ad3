//! What is in an envelope: frames, as over a link, and padding.

use thiserror::Error;
use zeroize::Zeroizing;

use crate::cbor::{DecodeError, Problem, Reader, Writer, required};
use crate::frame::{Frame, FrameError, Phase, read_list};
use crate::id::{MachineId, SessionId};
use crate::limits;
use crate::sealed::CLASSES;

/// Bytes of the length before the parcel.
const LENGTH_BYTES: usize = 4;

/// What one machine leaves for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Who left it. Proven by nothing but the signatures in it, all of which must be this machine's (in `Events` also
    /// the recipient's own, which come back to it).
    pub from: MachineId,
    /// What: `Events`, `Receipts`, `Profile`, `Prekey`, `Grant` and `Deposit` only, at most [`limits::PARCEL_FRAMES`].
    pub frames: Vec<Frame>,
}

/// Why a parcel is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParcelError {
    /// A frame of a type that is not for mailboxes.
    #[error("frame type {0} does not belong in a parcel")]
    NotForMailboxes(u16),
    /// A frame that says something of another machine or session than of sender and recipient.
    #[error("frame type {0} is not from the sender to the recipient")]
    Foreign(u16),
    /// More than fits the largest envelope.
    #[error("can hold {limit} bytes and has {actual}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// What it has.
        actual: usize,
    },
    /// The padding is not zeros, or the length before it is wrong.
    #[error("the padding is wrong")]
    Padding,
    /// It is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A frame in it is malformed.
    #[error("frame: {0}")]
    Frame(#[from] FrameError),
}

impl Parcel {
    /// How many bytes it takes in an envelope, at most [`limits::PARCEL_BYTES`].
    pub fn wire_size(&self) -> usize {
        self.encode().len()
    }

    /// The padded plaintext for a recipient.
    pub(super) fn to_plaintext(&self, recipient: &MachineId) -> Result<Zeroizing<Vec<u8>>, ParcelError> {
        self.check(recipient)?;
        let encoded = Zeroizing::new(self.encode());
        let (limit, actual) = (limits::PARCEL_BYTES, encoded.len());
        let too_large = ParcelError::TooLarge { limit, actual };
        let class = CLASSES.into_iter().find(|class| LENGTH_BYTES + actual <= *class).ok_or(too_large.clone())?;
        let length = u32::try_from(actual).map_err(|_| too_large)?;
        let mut plaintext = Zeroizing::new(Vec::with_capacity(class));
        plaintext.extend_from_slice(&length.to_be_bytes());
        plaintext.extend_from_slice(&encoded);
        plaintext.resize(class, 0);
        Ok(plaintext)
    }

    /// Reads a padded plaintext as its recipient.
    pub(super) fn from_plaintext(plaintext: &[u8], recipient: &MachineId) -> Result<Self, ParcelError> {
        let (length, rest) = plaintext.split_first_chunk::<LENGTH_BYTES>().ok_or(ParcelError::Padding)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (encoded, padding) = rest.split_at_checked(length).ok_or(ParcelError::Padding)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(ParcelError::Padding);
        }
        Self::decode(encoded, recipient)
    }

    /// The parcel as deterministic CBOR, without padding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(2).uint(0).bytes(self.from.as_bytes()).uint(1).array(self.frames.len());
        for frame in &self.frames {
            writer.bytes(&frame.encode());
        }
        writer.finish()
    }

    /// Reads [`Self::encode`]'s form as its recipient. Frames that this version may ignore are left out; the signatures are
    /// not checked yet.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn decode(bytes: &[u8], recipient: &MachineId) -> Result<Self, ParcelError> {
        let mut reader = Reader::new("parcel", bytes, limits::PARCEL_BYTES)?;
        let (mut from, mut frames) = (None, None);
        for _ in 0..reader.map("parcel")? {
            match reader.key("parcel")? {
                0 => from = Some(MachineId::from_bytes(reader.fixed("from")?)),
                1 => frames = Some(read_list(&mut reader, "frames", limits::PARCEL_FRAMES, read_frame)?),
                _ => reader.skip("parcel")?,
            }
        }
        let mut frames = required(frames, "frames")?;
        frames.retain(|frame| !matches!(frame, Frame::Ignored(_)));
        let parcel = Self { from: required(from, "from")?, frames };
        parcel.check(recipient)?;
        Ok(parcel)
    }

    /// Over a link the handshake says whose a frame is; here each frame must say it itself.
    fn check(&self, recipient: &MachineId) -> Result<(), ParcelError> {
        if self.frames.len() > limits::PARCEL_FRAMES {
            let problem = Problem::TooLong { limit: limits::PARCEL_FRAMES, actual: self.frames.len() };
            return Err(problem.in_field("frames").into());
        }
        if self.from == *recipient {
            return Err(Problem::Unexpected.in_field("from").into());
        }
        let direct = SessionId::direct(&self.from, recipient);
        for frame in &self.frames {
            let theirs = match frame {
                Frame::Events { session, runs } => {
                    let member = |author: MachineId| author == self.from || author == *recipient;
                    *session == direct && runs.iter().all(|run| member(run.author()))
                }
                Frame::Receipts(receipts) => receipts
                    .iter()
                    .map(|receipt| receipt.receipt())
                    .all(|receipt| receipt.session == direct && receipt.member == self.from),
                Frame::Profile(profile) => profile.machine() == self.from,
                Frame::Prekey(prekey) => prekey.prekey().machine == self.from,
                Frame::Grant(grant) => grant.grant().machine == self.from && grant.grant().holder == *recipient,
                Frame::Deposit(deposit) => deposit.deposit().machine == self.from,
                other => return Err(ParcelError::NotForMailboxes(other.number())),
            };
            if !theirs {
                return Err(ParcelError::Foreign(frame.number()));
            }
        }
        Ok(())
    }
}

fn read_frame(reader: &mut Reader<'_>) -> Result<Frame, ParcelError> {
    let bytes = reader.bytes("frame", limits::PARCEL_BYTES)?;
    Ok(Frame::decode(bytes, Phase::AfterHello)?)
}
