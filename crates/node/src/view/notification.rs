//! What is kept in the notification centre, and what the system is asked to show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// A record of the notification centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Its ID: digits, of this machine only.
    pub id: String,
    /// What it is about.
    pub kind: NotificationKind,
    /// The session that it opens.
    pub session_id: Option<String>,
    /// The message that it is about, the newest of several.
    pub message_id: Option<String>,
    /// Who caused it.
    pub from_user_id: Option<String>,
    /// A line.
    pub title: String,
    /// A text, may be empty.
    pub body: String,
    /// When it was made, or last counted up.
    pub created_at: String,
    /// Whether it was read.
    pub read: bool,
    /// How many things it stands for.
    pub count: u32,
}

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotificationKind {
    /// New messages of a session.
    Message,
    /// A message that mentions this machine.
    Mention,
    /// A machine that asks for contact.
    Request,
    /// A transfer that ended or failed.
    Transfer,
    /// A key or a contact that needs a look.
    Security,
    /// The network side.
    Network,
}

/// Counts of the notification centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationStats {
    /// Records.
    pub total: u32,
    /// Of these not read.
    pub unread: u32,
    /// Records of each kind that there are any of.
    pub by_kind: BTreeMap<NotificationKind, u32>,
    /// Records of each day that there are any of, newest first.
    pub by_day: Vec<DayCount>,
}

/// Records of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DayCount {
    /// The day, in UTC: `2026-01-31`.
    pub day: String,
    /// How many.
    pub count: u32,
}

/// One notification for one session, already reduced to what the person lets it tell. Empty texts mean "hidden".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The session it opens.
    pub session_id: String,
    /// Sender's name, empty when hidden.
    pub title: String,
    /// Newest text, empty when hidden.
    pub body: String,
    /// How many unread messages it stands for.
    pub count: u32,
    /// True for a message request.
    pub request: bool,
    /// Whether the system plays its sound.
    pub sound: bool,
    /// What it tells of files, beside or instead of a message.
    pub files: Option<FilesNotice>,
}

/// What a notification tells of the files of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesNotice {
    /// What they came to.
    pub outcome: FilesOutcome,
    /// Whether they go from this machine to the other.
    pub outgoing: bool,
    /// The name of the first, empty when hidden.
    pub name: String,
    /// How many.
    pub files: u32,
}

/// What files came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FilesOutcome {
    /// They come with a message that has no words.
    Attached,
    /// They wait until they are accepted.
    Waiting,
    /// They are all there.
    Came,
    /// They cannot be had.
    Failed,
}

impl FilesOutcome {
    /// Whether it is told after the message, which was told of before.
    #[must_use]
    pub fn is_later(self) -> bool {
        matches!(self, Self::Came | Self::Failed)
    }
}
