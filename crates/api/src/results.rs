//! What commands answer, where the node has no shape of its own for it.

use node::TokenRecord;
use node::view::{Presence, Session};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// What answers: `GET info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Always `Landline`.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Version of this API, in its paths.
    pub api_version: String,
    /// This machine's ID; only with a token.
    pub machine_id: Option<String>,
}

/// Whether a machine can be reached: `GET users/{id}/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserStatus {
    /// The machine ID.
    pub user_id: String,
    /// Online, away or offline.
    pub status: Presence,
    /// When a link last stood; absent when never.
    pub last_seen: Option<String>,
}

/// A session, and whether this call made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedSession {
    /// The session.
    pub session: Session,
    /// False when it was there.
    pub created: bool,
}

/// A count of unread messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreadCount {
    /// In all sessions together.
    pub total: u32,
}

/// A new token. It is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// The JWT, for `Authorization: Bearer`.
    pub token: String,
    /// What it is.
    pub info: TokenRecord,
}

impl std::fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedToken").field("info", &self.info).finish_non_exhaustive()
    }
}

/// The command was carried out and has nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Done {
    /// Always true.
    pub ok: bool,
}

impl Done {
    /// `{"ok":true}`.
    pub const DONE: Self = Self { ok: true };
}
