//! What the commands take. IDs and times cross as text and are checked here, in one place.

use crate::view::{MessageType, NotificationKind, Notify};

/// A message to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendRequest {
    /// The session.
    pub session: String,
    /// The text, at most 64 KiB; may be empty beside attachments.
    pub message: String,
    /// IDs of uploads, at most [`proto::limits::ATTACHMENTS`].
    pub attachments: Vec<String>,
    /// The caller's own handle for this message, at most 128 bytes. The same handle from the same caller in the same
    /// session sent twice gives the first message back.
    pub temp_id: Option<String>,
    /// Who calls (`window`, a token's ID), so that the handles of two programs do not mix.
    pub caller: String,
    /// The message of the same session that it answers.
    pub reply_to: Option<String>,
    /// The machines that it mentions, at most 32.
    pub mentions: Vec<String>,
}

/// From whom a message is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteFor {
    /// From everyone who has it.
    All,
    /// From this machine only.
    Me,
}

/// Which page of a session. At most one of `before`, `after`, `around` and `date`; none gives the newest page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// A cursor: the page that ends just before it.
    pub before: Option<String>,
    /// A cursor: the page that begins just after it.
    pub after: Option<String>,
    /// A message ID, or `unread` for the first unread message: the page around it.
    pub around: Option<String>,
    /// A time (RFC 3339): the page around the first message shown then or later, else the newest page.
    pub date: Option<String>,
    /// How many rows, 1–200; 50 when absent.
    pub limit: Option<u32>,
}

/// What to look for. Everything that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchRequest {
    /// Words, at most 512 bytes; what stands between quotation marks is one. May be empty when a filter is given.
    pub text: String,
    /// Who wrote it.
    pub from: Option<String>,
    /// In which session.
    pub session: Option<String>,
    /// What it is.
    pub kind: Option<MessageType>,
    /// Shown then or later (RFC 3339).
    pub since: Option<String>,
    /// Shown then or earlier (RFC 3339).
    pub until: Option<String>,
    /// A cursor: the page behind an earlier one.
    pub before: Option<String>,
    /// How many hits, 1–50; 20 when absent.
    pub limit: Option<u32>,
}

/// Which records of the notification centre.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationsRequest {
    /// Only those not read.
    pub unread: bool,
    /// Only those of this kind.
    pub kind: Option<NotificationKind>,
    /// A cursor: the page behind an earlier one.
    pub before: Option<String>,
    /// How many rows, 1–200; 50 when absent.
    pub limit: Option<u32>,
}

/// A record that a program makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    /// What it is about.
    pub kind: NotificationKind,
    /// A line, 1–256 bytes.
    pub title: String,
    /// A text, at most 4,096 bytes.
    pub body: String,
    /// The session that it opens.
    pub session: Option<String>,
}

/// Changes of the own profile; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MePatch {
    /// Name shown to others, 1–64 bytes.
    pub name: Option<String>,
    /// Device name, at most 64 bytes.
    pub device: Option<String>,
    /// Status text, at most 140 bytes; empty clears it.
    pub status_text: Option<String>,
    /// Index into the avatar colours, 0–11.
    pub colour: Option<u8>,
    /// That the person has been through the first-run screen.
    pub welcomed: Option<bool>,
}

/// Changes of a session's own marks; what is absent stays, `null` clears.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionPatch {
    /// Pinned on top.
    pub pinned: Option<bool>,
    /// Out of the list.
    pub archived: Option<bool>,
    /// Muted until then (RFC 3339); `null` ends it.
    pub muted_until: Option<Option<String>>,
    /// Unsent text, at most 64 KiB; `null` or empty clears it.
    pub draft: Option<Option<String>>,
    /// The message that the unsent text answers; `null` for none.
    pub draft_reply_to: Option<Option<String>>,
    /// IDs of the uploads that the unsent message carries, at most [`proto::limits::ATTACHMENTS`]; `null` for none.
    pub draft_attachments: Option<Option<Vec<String>>>,
    /// Marked as unread by hand.
    pub marked_unread: Option<bool>,
    /// Which messages raise a notification.
    pub notify: Option<Notify>,
    /// Days for which messages are kept on this machine, 1–3650; `null` for ever.
    pub retention_days: Option<Option<u32>>,
}

/// What one viewer (a window, a browser page) shows now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FocusState {
    /// The viewer's own name, such as `window`.
    pub viewer: String,
    /// The session that it shows.
    pub session: Option<String>,
    /// Whether a person can be looking at it: in front and visible.
    pub focused: bool,
}

/// Which machines to list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UserFilter {
    /// All that are known.
    #[default]
    All,
    /// Those with a link.
    Online,
    /// Those on this network now.
    Nearby,
}

/// Where the private key lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStorage {
    /// In the system's key ring.
    KeyRing,
    /// In a file of mode 0600 in the profile directory.
    File,
}

impl KeyStorage {
    /// `keyring` or `file`, as [`crate::view::Me::key_storage`] says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyRing => "keyring",
            Self::File => "file",
        }
    }
}

/// A token of the local API to remember; its secret is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What its owner calls it, 1–64 bytes.
    pub name: String,
    /// What it may do, as the API names it.
    pub scopes: Vec<String>,
    /// Unix milliseconds after which it is void; `None` for never.
    pub expires_ms: Option<u64>,
}

/// A remembered token of the local API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its ID, a UUID.
    pub token_id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// When it ends by itself.
    pub expires_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
}
