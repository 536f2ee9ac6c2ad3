//! What commands answer, where the node has no shape of its own for it.

use node::TokenRecord;
use node::view::{Presence, Receipt, Session, Version};
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

/// How many were concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// So many.
    pub count: u32,
}

/// How far the others have come with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageReceipts {
    /// One of each; none for a message of another.
    pub items: Vec<Receipt>,
}

/// All versions of a message's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageHistory {
    /// The first one first; none of a deleted message.
    pub items: Vec<Version>,
}

/// A token of this node, without its secret part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenInfo {
    /// Its ID, a UUID.
    pub token_id: String,
    /// What it is for.
    pub name: String,
    /// What it allows: `read`, `send`, `admin`.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// When it ends by itself.
    pub expires_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
}

impl From<TokenRecord> for TokenInfo {
    fn from(record: TokenRecord) -> Self {
        let TokenRecord { token_id, name, scopes, created_at, expires_at, revoked_at } = record;
        Self { token_id, name, scopes, created_at, expires_at, revoked_at }
    }
}

/// A new token. It is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// The JWT, for `Authorization: Bearer`.
    pub token: String,
    /// What it is.
    pub info: TokenInfo,
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

/// A link that opens the web page as its owner. It works once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginLink {
    /// `http://127.0.0.1:4280/#login=…`
    pub url: String,
    /// Seconds for which it works.
    pub expires_in_seconds: u32,
}

impl std::fmt::Debug for LoginLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginLink").field("expires_in_seconds", &self.expires_in_seconds).finish_non_exhaustive()
    }
}

/// What the page sends to `POST login`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginArgs {
    /// The code behind `#login=`.
    pub code: String,
}

impl std::fmt::Debug for LoginArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginArgs").finish_non_exhaustive()
    }
}

impl Info {
    /// About this program.
    #[must_use]
    pub fn of(machine_id: Option<String>) -> Self {
        Self {
            name: "Landline".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_version: "v1".to_owned(),
            machine_id,
        }
    }
}
