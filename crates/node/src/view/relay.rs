//! Relays, as their state is shown.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// A relay where this machine is to be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Relay {
    /// `wss://HOST[:PORT][/#KEY]`, as it was added and as contacts learn it.
    pub address: String,
    /// `scheme://host:port`, to be shown.
    pub origin: String,
    /// How it stands.
    pub state: RelayState,
    /// Why it is not connected, when it failed.
    pub error: Option<RelayFault>,
    /// Whether it is shown a membership.
    pub member: bool,
    /// Whether its address names its key: no authority is needed then.
    pub key_pinned: bool,
    /// What it allows, as it said when it was last connected; absent until then since the start.
    pub limits: Option<RelayLimits>,
}

/// What a relay allows in this machine's mailbox. It promises none of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RelayLimits {
    /// Most items that wait. One holds a message, or several that were written together.
    pub items: u64,
    /// Most bytes of these.
    pub bytes: u64,
    /// How long an item is kept, in seconds.
    pub kept_seconds: u64,
    /// What it allows of files; absent when it takes none.
    pub files: Option<RelayFileLimits>,
}

/// What a relay allows of files in this machine's mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RelayFileLimits {
    /// Most bytes of one file.
    pub file_bytes: u64,
    /// Most files that wait.
    pub count: u64,
    /// Most bytes of these, as they are kept: padded and sealed.
    pub bytes: u64,
    /// How long a file is kept, in seconds.
    pub kept_seconds: u64,
}

/// How it stands with a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RelayState {
    /// It is being reached.
    Connecting,
    /// This machine can be reached there.
    Connected,
    /// Not now; it is tried again.
    Failed,
}

/// Why a relay is not connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RelayFault {
    /// Stable code: `unreachable`, `other_key`, `untrusted`, `not_relay`, `not_member`, `bad_proof`, `full`, `refused`,
    /// `replaced`, `closed`, `silent`, `broken` or `protocol`.
    pub code: String,
    /// Cause and remedy in words.
    pub message: String,
}
