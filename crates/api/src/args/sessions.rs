//! Sessions: opened, marked, read, looked through.

use node::view::{MessageType, Notify};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::{UploadRef, given};

/// Names a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionArgs {
    /// Its ID.
    pub session_id: String,
}

/// Opens the direct session with a machine, or finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSessionArgs {
    /// The other machine's ID.
    pub receiver_user_id: String,
}

/// Changes a session on this machine only; what is not given stays, `null` clears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateSessionArgs {
    /// The session.
    pub session_id: String,
    /// Pins it on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub pinned: Option<bool>,
    /// Takes it out of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub archived: Option<bool>,
    /// Mutes it until then (RFC 3339); `null` unmutes.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string | null")]
    #[schema(value_type = Option<String>)]
    pub muted_until: Option<Option<String>>,
    /// Keeps an unsent text, up to 65,536 bytes; `null` forgets it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string | null")]
    #[schema(value_type = Option<String>)]
    pub draft: Option<Option<String>>,
    /// The message that the unsent text answers; `null` for none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string | null")]
    #[schema(value_type = Option<String>)]
    pub draft_reply_to: Option<Option<String>>,
    /// What the unsent message carries, in this order, at most 32; `null` for nothing.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(as = "Option<Vec<UploadRef>>", optional = nullable)]
    #[schema(value_type = Option<Vec<UploadRef>>)]
    pub draft_attachments: Option<Option<Vec<UploadRef>>>,
    /// Marks it as unread by hand, until it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub marked_unread: Option<bool>,
    /// Which messages raise a notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub notify: Option<Notify>,
    /// Days for which messages are kept on this machine, 1–3650; `null` for ever.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number | null")]
    #[schema(value_type = Option<u32>)]
    pub retention_days: Option<Option<u32>>,
}

/// Asks for a page of a session's messages. At most one of the cursors; without one, the newest page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct MessagesArgs {
    /// The session.
    pub session_id: String,
    /// Older than this cursor: `nextBefore` of a page, a message's `order`, or a message ID.
    pub before: Option<String>,
    /// Newer than this cursor: `nextAfter` of a page, a message's `order`, or a message ID.
    pub after: Option<String>,
    /// Half a page on either side of this message ID, or of the first unread message when it says `unread`.
    pub around: Option<String>,
    /// Half a page on either side of the first message shown at this time (RFC 3339) or later.
    pub date: Option<String>,
    /// Most messages, 1–200; 50 when not given.
    pub limit: Option<u32>,
}

/// Looks for messages. Everything that is given must hold; there must be words or a filter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct SearchArgs {
    /// Words, up to 512 bytes, that all occur, in any order and also inside of words; neither case nor accents count.
    /// What stands between quotation marks is one word.
    pub q: Option<String>,
    /// Written by this machine.
    pub from: Option<String>,
    /// In this session.
    #[serde(rename = "in")]
    pub session_id: Option<String>,
    /// `text`, `image` (pictures alone) or `file`.
    #[serde(rename = "type")]
    pub message_type: Option<MessageType>,
    /// Shown at this time (RFC 3339) or later.
    pub since: Option<String>,
    /// Shown at this time (RFC 3339) or earlier.
    pub until: Option<String>,
    /// Older than this cursor: `nextBefore` of a page.
    pub before: Option<String>,
    /// Most hits, 1–50; 20 when not given.
    pub limit: Option<u32>,
}

/// Marks a session as read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct MarkSessionReadArgs {
    /// The session.
    pub session_id: String,
    /// Up to and with this message; all of it when not given.
    pub message_id: Option<String>,
}

/// Says whether this person writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TypingArgs {
    /// The session.
    pub session_id: String,
    /// Whether they write. It ends by itself after 3 seconds.
    pub typing: bool,
}

/// Sets after how long new messages of a session disappear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetTimerArgs {
    /// The session.
    pub session_id: String,
    /// Seconds, 5 to 31,536,000 (a year); 0: they stay.
    pub seconds: u32,
}

/// Tells the node what is on a screen, so that it raises no notification for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct FocusArgs {
    /// Which window or page tells; a made-up name, the same for its whole life, up to 64 bytes.
    pub viewer: String,
    /// The session it shows, if any.
    pub session_id: Option<String>,
    /// Whether it has the keyboard focus and is visible.
    pub focused: bool,
}
