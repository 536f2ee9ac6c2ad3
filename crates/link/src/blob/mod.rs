//! Blobs: the bytes of files, carried on connections of their own so that no chat frame waits behind them.
//!
//! Whoever dialled the link dials these connections too, so a firewall at one side is in nobody's way: the fetching side
//! asks by `GET`, or the other side brings by `PUT`. Either body is a *verified stream* (see [`stream`]): hashes from the
//! root of the BLAKE3 tree down, each before what it covers, so every group of bytes is checked before it is kept.

mod dial;
mod pieces;
mod serve;
pub mod stream;

use std::{fmt, io, sync::Arc};

use axum::http::StatusCode;
use proto::{attachment::Blob, id::MachineId, relay::Refused};
use tokio::sync::oneshot;

use crate::{error::DialError, relay::RelayError};

pub(crate) use dial::{Dialler, data};
pub(crate) use pieces::{Pieces, Writer, made, taken};
pub(crate) use serve::routes;

/// Asked when another machine wants a blob or brings one. Must return at once; the answer goes through the call.
pub type BlobDesk = Arc<dyn Fn(BlobCall) + Send + Sync>;

/// What another machine asks for.
#[derive(Debug)]
pub enum BlobCall {
    /// It fetches a blob.
    Get {
        /// The machine, as proven.
        peer: MachineId,
        /// The blob.
        hash: [u8; 32],
        /// Where it goes on.
        from: u64,
        /// For the answer.
        reply: oneshot::Sender<Result<Content, BlobRefusal>>,
    },
    /// It brings a blob that it was asked for.
    Put {
        /// The machine, as proven.
        peer: MachineId,
        /// The blob.
        hash: [u8; 32],
        /// Where it goes on.
        from: u64,
        /// For the answer.
        reply: oneshot::Sender<Result<Intake, BlobRefusal>>,
    },
}

/// Reads bytes at any place. Blocks.
pub trait Source: Send {
    /// Fills `into` with what is at `offset`.
    ///
    /// # Errors
    /// When it is not all there.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()>;
}

/// Keeps what has been checked. Blocks. Dropped when nothing more comes.
pub trait Sink: Send {
    /// Keeps the bytes at `offset`, which follow those of the call before.
    ///
    /// # Errors
    /// When they can't be kept; the transfer ends.
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// All of it was written.
    ///
    /// # Errors
    /// When it can't be kept.
    fn finish(&mut self) -> io::Result<()>;
}

/// A blob to be sent.
pub struct Content {
    /// Which.
    pub blob: Blob,
    /// Its bytes.
    pub data: Box<dyn Source>,
    /// Its hashes, as [`stream::hash`] wrote them.
    pub hashes: Box<dyn Source>,
}

/// Where a blob that is brought goes to.
pub struct Intake {
    /// Which.
    pub blob: Blob,
    /// What keeps it.
    pub sink: Box<dyn Sink>,
    /// Ends it early when it is cancelled.
    pub cancel: tokio_util::sync::CancellationToken,
    /// Told how it ended.
    pub ended: oneshot::Sender<Result<(), BlobError>>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("blob", &self.blob).finish_non_exhaustive()
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("blob", &self.blob).finish_non_exhaustive()
    }
}

/// Why the other machine does not give or take a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlobRefusal {
    /// There is none here that this machine may have.
    #[error("it is not there")]
    Gone,
    /// The file is no longer what it was.
    #[error("the file was changed")]
    Changed,
    /// It cannot be read or written now.
    #[error("it cannot be read at the moment")]
    Unreadable,
    /// Too much goes on; later there is room.
    #[error("too many transfers at a time")]
    Busy,
    /// It was not asked for, or not from there.
    #[error("it was not asked for")]
    Unasked,
    /// There is no room on the disk.
    #[error("the disk is full")]
    NoRoom,
    /// The bytes did not fit the hash.
    #[error("the content does not fit its hash")]
    Mismatch,
}

impl BlobRefusal {
    const ALL: [Self; 7] =
        [Self::Gone, Self::Changed, Self::Unreadable, Self::Busy, Self::Unasked, Self::NoRoom, Self::Mismatch];

    fn status(self) -> StatusCode {
        match self {
            Self::Gone => StatusCode::NOT_FOUND,
            Self::Changed => StatusCode::GONE,
            Self::Unreadable => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unasked => StatusCode::CONFLICT,
            Self::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
            Self::Mismatch => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    fn from_status(status: StatusCode) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.status() == status)
    }
}

/// Why a transfer ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The other machine could not be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The other machine said no.
    #[error("the other machine says: {0}")]
    Refused(BlobRefusal),
    /// The relay could not be reached, or is none.
    #[error("the relay: {0}")]
    Relay(#[from] RelayError),
    /// The relay said no.
    #[error("the relay says: {} ({:?})", .0.detail, .0.code)]
    RelayRefused(Refused),
    /// What the relay gave is not what was laid down there under this key.
    #[error("the relay gave something else than was laid down there")]
    Altered,
    /// The connection broke, or fell silent.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// What came is not what the hash names.
    #[error("the content does not fit its hash")]
    Mismatch,
    /// What came cannot be kept here.
    #[error("it cannot be stored: {0}")]
    Sink(io::Error),
    /// What is to be sent cannot be read here.
    #[error("it cannot be read: {0}")]
    Source(io::Error),
    /// Ended from this side.
    #[error("it was ended")]
    Cancelled,
}
