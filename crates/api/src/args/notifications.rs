//! The notification centre.

use node::view::NotificationKind;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// Which records of the notification centre to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct NotificationsArgs {
    /// Only those not read.
    pub unread: Option<bool>,
    /// Only those of this kind.
    pub kind: Option<NotificationKind>,
    /// Older than this cursor: `nextBefore` of a page.
    pub before: Option<String>,
    /// Most records, 1–200; 50 when not given.
    pub limit: Option<u32>,
}

/// Makes a record in the notification centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct CreateNotificationArgs {
    /// What it is about; `message` when not given.
    pub kind: Option<NotificationKind>,
    /// A line, 1–256 bytes.
    pub title: String,
    /// A text, up to 4,096 bytes.
    pub body: Option<String>,
    /// The session that it opens.
    pub session_id: Option<String>,
}

/// Names a record of the notification centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotificationArgs {
    /// Its ID.
    pub notification_id: String,
}

/// Takes old records out of the notification centre.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct CleanupArgs {
    /// Those older than so many days, 0–3650; 30 when not given.
    pub days_old: Option<u32>,
}
