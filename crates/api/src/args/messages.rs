//! Messages: written, and what is done with them afterwards.

use node::view::MessageType;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::UploadRef;

/// Names a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageArgs {
    /// Its ID.
    pub message_id: String,
}

/// Sends a message. Exactly one of `sessionId` and `receiverUserId`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct SendMessageArgs {
    /// The session to write to.
    pub session_id: Option<String>,
    /// Or the machine to write to; its session is opened when there is none.
    pub receiver_user_id: Option<String>,
    /// The text: 1–65,536 bytes, not blank, without NUL; may be empty beside attachments.
    pub message: String,
    /// What is attached, at most 32.
    pub attachments: Option<Vec<UploadRef>>,
    /// `text` (the default), `image` or `file`; what is shown follows from the attachments.
    pub message_type: Option<MessageType>,
    /// The caller's own handle, up to 128 bytes, echoed with the message and its changes on this machine.
    pub temp_id: Option<String>,
    /// The message of the same session that it answers.
    pub reply_to: Option<String>,
    /// Machine IDs of those that it mentions, at most 32.
    pub mentions: Option<Vec<String>>,
}

/// Gives an own message another text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct EditMessageArgs {
    /// The message.
    pub message_id: String,
    /// The text: 1–65,536 bytes, not blank, without NUL.
    pub message: String,
    /// Machine IDs of those that it mentions, at most 32; as before when not given.
    pub mentions: Option<Vec<String>>,
}

/// From whom a message is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeleteFor {
    /// From everyone who has it; only an own one.
    All,
    /// From this machine only.
    Me,
}

/// Deletes a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteMessageArgs {
    /// The message.
    pub message_id: String,
    /// From everyone, or from this machine only.
    pub r#for: DeleteFor,
}

/// Reacts to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ReactArgs {
    /// The message.
    pub message_id: String,
    /// One emoji, up to 64 bytes.
    pub emoji: String,
    /// Whether to react so, or no longer; true when not given.
    pub on: Option<bool>,
}

/// Pins a message in its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PinMessageArgs {
    /// The message.
    pub message_id: String,
    /// Whether it is pinned from now on.
    pub on: bool,
}

/// Sends messages again into other sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForwardMessageArgs {
    /// The messages in the order in which they are sent, 1–100.
    pub message_ids: Vec<String>,
    /// The sessions, 1–20.
    pub session_ids: Vec<String>,
}
