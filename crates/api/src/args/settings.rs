//! Settings.

use node::view::{Preview, Sound, Theme, Visibility};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::given;

/// Changes settings; what is not given stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpdateSettingsArgs {
    /// Whether this machine asks the system to show notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub notifications: Option<bool>,
    /// How much a notification tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub preview: Option<Preview>,
    /// Appearance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub theme: Option<Theme>,
    /// Interface language tag; empty follows the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub language: Option<String>,
    /// Text size in percent, 80–160.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub zoom: Option<u16>,
    /// Who sees this machine under Nearby.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub visibility: Option<Visibility>,
    /// Enter sends (else Mod+Enter).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub enter_sends: Option<bool>,
    /// What closing the window does where there is no tray; `null` asks again.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "boolean | null")]
    #[schema(value_type = Option<bool>)]
    pub close_keeps_running: Option<Option<bool>>,
    /// Start with the system session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub autostart: Option<bool>,
    /// Tell others what was read, and show what they read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub read_receipts: Option<bool>,
    /// Tell others that this person writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub send_typing: Option<bool>,
    /// Tell others whether this person is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub share_presence: Option<bool>,
    /// Minutes without input after which this person counts as away, 1–240.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub away_after_minutes: Option<u16>,
    /// Whether notifications are silent between two hours of the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quiet_enabled: Option<bool>,
    /// From when, local time: `22:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quiet_from: Option<String>,
    /// To when, local time: `07:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quiet_to: Option<String>,
    /// The sound of a notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub sound: Option<Sound>,
    /// Days for which records of the notification centre are kept, 1–3650.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub notification_days: Option<u16>,
    /// Files of accepted machines up to this many bytes are fetched without asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub auto_accept_bytes: Option<u64>,
    /// Folder for received files, up to 4,096 bytes; empty: the system's download folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub download_folder: Option<String>,
}
