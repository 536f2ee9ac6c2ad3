//! Attachments and their way from machine to machine.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// A file or folder of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Its ID on this machine, a UUID.
    pub attachment_id: String,
    /// Its place among the message's attachments.
    pub index: u32,
    /// BLAKE3 of the content, hexadecimal.
    pub hash: String,
    /// Its name, made safe.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Media type, such as `image/png`.
    pub mime: String,
    /// File or folder.
    pub kind: AttachmentKind,
    /// Files in a folder.
    pub files: Option<u32>,
    /// Width of an image in pixels.
    pub width: Option<u32>,
    /// Height of an image in pixels.
    pub height: Option<u32>,
    /// Whether an image moves.
    pub animated: bool,
    /// Whether `GET attachments/{attachmentId}/thumbnail` answers.
    pub thumbnail: bool,
    /// How far it has come.
    pub state: TransferState,
    /// Why it failed, in words.
    pub failure: Option<String>,
    /// Bytes that are here (or there) and verified.
    pub bytes_done: u64,
    /// Where it lies on this machine; only for callers with admin scope.
    pub path: Option<String>,
    /// The copy that waits at a relay for a receiver who is away; of own attachments that have not arrived. One that is held can be
    /// fetched though the state is *gone* or *failed*.
    pub relay_copy: Option<RelayCopy>,
}

/// An own attachment at a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RelayCopy {
    /// Origin of the relay.
    pub relay: String,
    /// How it stands with the copy.
    pub state: RelayCopyState,
    /// Until when the relay keeps it, RFC 3339 in UTC; present when it is held.
    pub until: Option<String>,
    /// Why the relay does not have it, in words. It is tried again, and goes directly when both are online.
    pub failure: Option<String>,
}

/// How it stands with a copy at a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RelayCopyState {
    /// Not all there yet: on its way, or to go on. `bytesDone` of the transfer says how far.
    Sending,
    /// All there.
    Held,
    /// The relay did not take it, or cannot be reached; see `failure`.
    Refused,
}

/// What an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttachmentKind {
    /// One file.
    File,
    /// A folder with all in it.
    Folder,
}

/// How far an attachment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TransferState {
    /// Offered; not accepted here (or there) yet.
    Offered,
    /// Accepted, waiting for its turn or a link.
    Queued,
    /// On its way.
    Transferring,
    /// Stopped by a person.
    Paused,
    /// All here and verified.
    Complete,
    /// Not possible; see `failure`.
    Failed,
    /// Given up by a person.
    Cancelled,
    /// No longer where it was.
    Gone,
}

/// An attachment on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Its ID on this machine, a UUID.
    pub transfer_id: String,
    /// The session.
    pub session_id: String,
    /// The message.
    pub message_id: String,
    /// The attachment.
    pub attachment_id: String,
    /// The other machine.
    pub user_id: String,
    /// To this machine or from it.
    pub direction: Direction,
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Bytes that are there and verified.
    pub bytes_done: u64,
    /// Bytes a second, while it runs.
    pub bytes_per_second: Option<u64>,
    /// Seconds that it will take, while it runs.
    pub seconds_left: Option<u64>,
    /// How far it has come.
    pub state: TransferState,
    /// Why it failed, in words.
    pub failure: Option<String>,
    /// The copy that waits at a relay for a receiver who is away; of own attachments that have not arrived. As long as it is
    /// being sent there, `bytesDone` and what follows say how that goes.
    pub relay_copy: Option<RelayCopy>,
}

/// Which way a transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To this machine.
    Incoming,
    /// From this machine.
    Outgoing,
}

/// A file or folder that was added to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// Its ID, which a message names. It lives for a day, or as long as a draft has it.
    pub upload_id: String,
    /// BLAKE3 of the content, hexadecimal.
    pub hash: String,
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Media type, such as `image/png`.
    pub mime: String,
    /// File or folder.
    pub kind: AttachmentKind,
    /// Files in a folder.
    pub files: Option<u32>,
    /// Width of an image in pixels.
    pub width: Option<u32>,
    /// Height of an image in pixels.
    pub height: Option<u32>,
    /// Whether an image moves.
    pub animated: bool,
    /// Whether `GET attachments/{uploadId}/thumbnail` answers.
    pub thumbnail: bool,
    /// Whether it can still be sent.
    pub state: UploadState,
    /// Where it lies on this machine when it is sent from there; only for callers with admin scope.
    pub path: Option<String>,
}

/// Whether what was added to be sent is still what it was. A folder is looked at from outside only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UploadState {
    /// It is.
    Ready,
    /// It is no longer where it was.
    Gone,
    /// It was changed since.
    Changed,
}
