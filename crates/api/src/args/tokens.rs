//! Tokens of programs, and what they allow.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look: sessions, messages, machines, status.
    Read,
    /// Write: open sessions, send, mark as read.
    Send,
    /// Change the node: profile, settings, trust, tokens.
    Admin,
}

/// Makes a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct CreateTokenArgs {
    /// What it is for, 1–64 bytes.
    pub name: String,
    /// What it allows; at least one.
    pub scopes: Vec<Scope>,
    /// Seconds until it expires, 1 to 31,536,000 (a year); 7 days when not given.
    pub expires_in_seconds: Option<u32>,
}

/// Names a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenArgs {
    /// Its ID, as listed.
    pub token_id: String,
}
