//! What the window, REST and Socket.IO show of a node: the shapes of `docs/api.md`, and the stream of changes.
//!
//! These types carry no behaviour. IDs and times cross as strings (times RFC 3339, UTC, milliseconds), counts as
//! integers below 2^53.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

mod message;
mod notification;
mod relay;
mod settings;
mod transfer;

pub use message::{Message, MessageState, MessageType, Quote, Reaction, Receipt, Receipts, SystemLine, Version};
pub use notification::{
    DayCount, FilesNotice, FilesOutcome, Notice, Notification, NotificationKind, NotificationStats,
};
pub use relay::{Relay, RelayFault, RelayFileLimits, RelayLimits, RelayState};
pub use settings::{Preview, Settings, Sound, Theme, Visibility};
pub use transfer::{
    Attachment, AttachmentKind, Direction, RelayCopy, RelayCopyState, Transfer, TransferState, Upload, UploadState,
};

/// How far a machine is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Seen, never written with.
    Unknown,
    /// It asked for contact; its owner has not been answered.
    Requested,
    /// Accepted, its key trusted on first use.
    Accepted,
    /// Accepted, and its key compared in person.
    Verified,
    /// Refused by its key.
    Blocked,
}

/// Whether a machine can be written to right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// A link stands.
    Online,
    /// A link stands, and its person is away.
    Away,
    /// No link stands.
    Offline,
}

/// The way to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// A link from machine to machine.
    Direct,
    /// Through a relay.
    Relay,
    /// None.
    None,
}

/// A link by which another machine adds this one. Whoever has it, while it counts, is taken for the one that was invited.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    /// `landline://add/…`
    pub link: String,
    /// When it ceases to count.
    pub expires_at: String,
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitation").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Another machine, or this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The machine ID; the same as `machine_id`, under the name that API clients know.
    pub user_id: String,
    /// The machine ID (bech32m).
    pub machine_id: String,
    /// The name that its owner chose; never an identity.
    pub name: String,
    /// The device's name.
    pub device: String,
    /// A line about its person, may be empty.
    pub status_text: String,
    /// Index into the avatar colours (0–11).
    pub colour: u8,
    /// Four characters of the key, to tell namesakes apart on screen.
    pub key_tag: String,
    /// Online, away or offline.
    pub status: Presence,
    /// When a link last stood; absent when never.
    pub last_seen: Option<String>,
    /// How far it is trusted.
    pub trust: Trust,
    /// The way to it.
    pub path: Path,
    /// Origin of the relay through which it is linked, when it is.
    pub via: Option<String>,
    /// Whether a relay says that it is there, also while no link stands yet.
    pub relayed: bool,
    /// Origins of the relays at which it is to be reached when it is not near.
    pub relays: Vec<String>,
    /// Whether it is on this network now (discovered or linked).
    pub nearby: bool,
    /// Whether another known machine carries the same name with another key.
    pub name_clash: bool,
    /// Seconds by which its clock is ahead of this one (negative: behind), when more than 60 s off.
    pub clock_skew_seconds: Option<i64>,
}

/// This machine's own profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The machine ID (bech32m).
    pub machine_id: String,
    /// Name shown to others.
    pub name: String,
    /// Device name.
    pub device: String,
    /// Status text.
    pub status_text: String,
    /// Index into the avatar colours (0–11).
    pub colour: u8,
    /// Four characters of the key.
    pub key_tag: String,
    /// Where the private key lies: `keyring` or `file`.
    pub key_storage: String,
    /// Whether the person has been through the first-run screen.
    pub welcomed: bool,
    /// Addresses of the relays where it is to be reached, as contacts learn them.
    pub relays: Vec<String>,
}

/// What kind of session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// Two machines.
    Direct,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// UUIDv8, the same on both sides.
    pub session_id: String,
    /// Kind.
    pub kind: SessionKind,
    /// The other's name for a direct session.
    pub title: String,
    /// Machine IDs of all members, this one included.
    pub participants: Vec<String>,
    /// The other machine of a direct session.
    pub peer: Option<User>,
    /// When it came to be here.
    pub created_at: String,
    /// The newest message.
    pub last_message: Option<Message>,
    /// Messages of others not read here.
    pub unread_count: u32,
    /// Own messages still waiting to be delivered.
    pub waiting_count: u32,
    /// Pinned on top.
    pub pinned: bool,
    /// Muted until then.
    pub muted_until: Option<String>,
    /// Out of the list.
    pub archived: bool,
    /// Unsent text.
    pub draft: Option<String>,
    /// First unread message, where the window opens.
    pub first_unread: Option<String>,
    /// True while this is a request of an unknown machine that waits for an answer.
    pub request: bool,
    /// True while the other side has not accepted yet and holds what exceeds a request.
    pub held: bool,
    /// Machine IDs of those who write right now.
    pub typing: Vec<String>,
    /// Seconds after which messages written now disappear; 0 when they stay.
    pub timer_seconds: u32,
    /// Days for which messages are kept on this machine; absent: for ever.
    pub retention_days: Option<u32>,
    /// Which messages raise a notification.
    pub notify: Notify,
    /// Marked as unread by hand, until it is read.
    pub marked_unread: bool,
    /// The message that the unsent text answers.
    pub draft_reply_to: Option<String>,
    /// What the unsent message carries, in its order.
    pub draft_attachments: Vec<Upload>,
    /// IDs of the pinned messages, the last pinned first.
    pub pinned_messages: Vec<String>,
}

/// Which messages of a session raise a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// All.
    All,
    /// Those that mention this machine.
    Mentions,
    /// None.
    None,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The rows, oldest first for messages.
    pub items: Vec<T>,
    /// Cursor for what is before, absent at the beginning.
    pub next_before: Option<String>,
    /// Cursor for what is after, absent at the end.
    pub next_after: Option<String>,
}

/// A message that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    /// The message.
    pub message: Message,
    /// Where it stands.
    pub session: FoundIn,
    /// Where its text has what was looked for: beginnings and ends in UTF-16 code units, in order.
    pub ranges: Vec<[u32; 2]>,
}

/// The session of a hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundIn {
    /// Its ID.
    pub session_id: String,
    /// Its title.
    pub title: String,
}

/// A page of hits, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchPage {
    /// The hits.
    pub items: Vec<SearchHit>,
    /// Cursor for older ones, absent at the end.
    pub next_before: Option<String>,
    /// How many there are in all, counted up to 1,000.
    pub total: u32,
    /// Whether older messages are still being taken into the index, so that there may be more.
    pub indexing: bool,
}

/// State of the network side, for settings and diagnosis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Where peers reach this node.
    pub listen: String,
    /// Usable interfaces with their addresses.
    pub interfaces: Vec<Interface>,
    /// Whether multicast discovery runs; if not, why.
    pub mdns: Availability,
    /// Whether the broadcast beacon runs; if not, why.
    pub beacon: Availability,
    /// Machines discovered now.
    pub discovered: u32,
    /// Links that stand now.
    pub links: u32,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<String>,
}

/// Whether a part works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Availability {
    /// It does.
    pub ok: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// Node-wide counts, `GET status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Always `running`.
    pub status: String,
    /// Links that stand.
    pub active_connections: u32,
    /// Other machines online.
    pub active_users: u32,
    /// Sessions.
    pub sessions: u32,
    /// Messages waiting to be delivered.
    pub waiting: u32,
    /// Unread messages.
    pub unread: u32,
    /// Version of the program.
    pub version: String,
    /// Seconds since start.
    pub uptime_seconds: u32,
}

/// One change. Everything that shows something of the node lives on this stream and applies it; nothing is fetched again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[expect(clippy::large_enum_variant, reason = "changes are kept behind an Arc; those who apply them want plain fields")]
pub enum Change {
    /// A message is new or changed.
    MessageChanged {
        /// The row.
        message: Message,
        /// True when another machine wrote it and it is new here.
        incoming: bool,
    },
    /// A session is new or changed (unread, draft, pin, request …).
    SessionChanged {
        /// The row.
        session: Session,
        /// True when another machine opened it just now.
        opened: bool,
    },
    /// A machine is new or changed (presence, profile, trust, nearby).
    UserChanged {
        /// The row.
        user: User,
    },
    /// Own profile changed.
    MeChanged {
        /// The profile.
        me: Me,
    },
    /// Settings changed.
    SettingsChanged {
        /// The settings.
        settings: Settings,
    },
    /// Total of unread messages changed.
    UnreadChanged {
        /// The total.
        total: u32,
    },
    /// The network side changed.
    NetworkChanged {
        /// Its state.
        network: Network,
    },
    /// Relays were added, removed, reached or lost.
    RelaysChanged {
        /// All of them.
        relays: Vec<Relay>,
    },
    /// The system should show (or replace) one notification for a session.
    NoticeRaised {
        /// What to show.
        notice: Notice,
    },
    /// The notification of a session is no longer needed.
    NoticeWithdrawn {
        /// The session.
        session_id: String,
    },
    /// Somebody writes, or stopped.
    Typing {
        /// Where.
        session_id: String,
        /// Who.
        user_id: String,
        /// Whether they write.
        typing: bool,
    },
    /// Somebody reacted to a message, or no longer does. The message comes beside it, as changed.
    Reaction {
        /// Its session.
        session_id: String,
        /// The message.
        message_id: String,
        /// Who.
        user_id: String,
        /// The emoji.
        emoji: String,
        /// Whether they react so from now on.
        on: bool,
    },
    /// A message is no longer on this machine: deleted for this side, or disappeared.
    MessageRemoved {
        /// Its session.
        session_id: String,
        /// The message.
        message_id: String,
    },
    /// An attachment on its way is new or changed.
    TransferChanged {
        /// The row.
        transfer: Transfer,
    },
    /// A record of the notification centre is new or changed.
    NotificationChanged {
        /// The row.
        notification: Notification,
    },
    /// Records of the notification centre are gone.
    NotificationRemoved {
        /// Which.
        ids: Vec<String>,
    },
    /// The number of unread records of the notification centre changed.
    NotificationsUnread {
        /// The total.
        total: u32,
    },
}
