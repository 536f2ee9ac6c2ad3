//! Messages with all that belongs to them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::view::Attachment;

/// Kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    /// Text.
    Text,
    /// Images, perhaps with a text.
    Image,
    /// Files, perhaps with a text.
    File,
    /// A line that the session itself says; see `system`.
    System,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    /// On this disk, not yet on the other.
    Queued,
    /// On the other's disk (or received here).
    Delivered,
    /// Seen by the other's person.
    Read,
    /// Refused by the other side; can be retried.
    Failed,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// UUIDv7.
    pub id: String,
    /// Its session.
    pub session_id: String,
    /// Who wrote it.
    pub sender_user_id: String,
    /// The other machine of a direct session.
    pub receiver_user_id: Option<String>,
    /// The text.
    pub message: String,
    /// Kind.
    pub message_type: MessageType,
    /// Shown time.
    pub timestamp: String,
    /// How far it has come.
    pub state: MessageState,
    /// Why it failed, in words.
    pub failure: Option<String>,
    /// While it is queued: origin of the relay that holds it for the other machine, which does not have it yet.
    pub held_by: Option<String>,
    /// The sender's own handle, echoed.
    pub temp_id: Option<String>,
    /// When the other side's disk had it.
    pub delivered_at: Option<String>,
    /// Place in the session's order, comparable as text: greater is later. The same on every machine.
    pub order: String,
    /// When the other's person saw it, by their clock.
    pub read_at: Option<String>,
    /// When its text was last changed; absent when never.
    pub edited_at: Option<String>,
    /// When it was deleted for everyone; text and attachments are empty then.
    pub deleted_at: Option<String>,
    /// The message that it answers.
    pub reply_to: Option<String>,
    /// That message in short, when it is known here.
    pub quote: Option<Quote>,
    /// Reactions, in the order of first use.
    pub reactions: Vec<Reaction>,
    /// Pinned in its session.
    pub pinned: bool,
    /// Written elsewhere first.
    pub forwarded: bool,
    /// When it disappears from this machine; absent when it stays, or as long as nobody has seen it.
    pub expires_at: Option<String>,
    /// Files and folders.
    pub attachments: Vec<Attachment>,
    /// Machine IDs of those that it mentions.
    pub mentions: Vec<String>,
    /// How many of the others have it.
    pub receipts: Receipts,
    /// What a line of the session itself says; absent for what a person wrote.
    pub system: Option<SystemLine>,
}

/// A message in short, as its answer shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// Its ID.
    pub id: String,
    /// Who wrote it.
    pub sender_user_id: String,
    /// Its first 200 characters.
    pub message: String,
    /// Kind.
    pub message_type: MessageType,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Name of its first attachment.
    pub attachment: Option<String>,
}

/// A reaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// Who reacted.
    pub user_id: String,
    /// When.
    pub at: String,
}

/// How many of a message's readers have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipts {
    /// On whose disk it is.
    pub delivered: u32,
    /// Who has seen it.
    pub read: u32,
    /// Members beside its author.
    pub of: u32,
}

/// What a session itself says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SystemLine {
    /// Messages disappear from now on.
    Timer {
        /// After how many seconds; 0 when they stay.
        seconds: u32,
    },
}

/// One version of a message's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The text.
    pub message: String,
    /// When it was written; absent for the first one.
    pub edited_at: Option<String>,
}

/// How far one of the others has come with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Who.
    pub user_id: String,
    /// When their disk had it.
    pub delivered_at: Option<String>,
    /// When they saw it.
    pub read_at: Option<String>,
}
