//! What Landline machines say to each other: identities, events, registers, frames, and the rules by which an event
//! enters a log.
//!
//! This crate does no I/O, reads no clock and makes no randomness: bytes and time come in, values and decisions go
//! out. Every decoder checks each length against [`limits`] before it allocates, refuses trailing bytes and any
//! encoding but the deterministic one, and never panics. `docs/protocol.md` says the same in words.

pub mod attachment;
pub mod beacon;
mod body;
mod cbor;
pub mod clock;
pub mod deposit;
pub mod emoji;
pub mod endpoint;
pub mod event;
pub mod frame;
pub mod grant;
pub mod id;
pub mod identity;
pub mod invitation;
pub mod limits;
pub mod log;
pub mod prekey;
pub mod register;
pub mod relay;
pub mod run;
pub mod safety;
pub mod sealed;
pub mod sealed_file;
mod secret;
pub mod text;
pub mod vector;

pub use attachment::{Attachment, Blob, Manifest, Picture};
pub use body::{Body, EditBody, MessageBody, ReactionBody};
pub use cbor::{DecodeError, Problem};
pub use deposit::{Deposit, SignedDeposit};
pub use endpoint::Endpoint;
pub use event::{Event, Header, Kind, Order};
pub use frame::{Frame, Hello, Phase};
pub use grant::{Grant, SignedGrant};
pub use id::{Epoch, EventId, MachineId, MessageId, SessionId};
pub use identity::{Identity, Signature};
pub use invitation::{Invitation, InvitationToken};
pub use prekey::{KeyId, Prekey, SignedPrekey};
pub use register::{Profile, Receipt, ReceiptKind, SignedProfile, SignedReceipt};
pub use run::{Run, VerifiedRun};
pub use sealed_file::{FileId, FileKey};
pub use vector::VersionVector;
