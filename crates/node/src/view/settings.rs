//! What the person set.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// What the person set. Unknown keys of newer versions are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Whether this machine asks the system to show notifications.
    pub notifications: bool,
    /// How much a notification tells.
    pub preview: Preview,
    /// `system`, `light`, `dark`.
    pub theme: Theme,
    /// Interface language tag; empty follows the system.
    pub language: String,
    /// Text size in percent, 80–160.
    pub zoom: u16,
    /// Who sees this machine under Nearby.
    pub visibility: Visibility,
    /// Enter sends (else Mod+Enter).
    pub enter_sends: bool,
    /// What closing the window does where there is no tray: absent = ask.
    pub close_keeps_running: Option<bool>,
    /// Start with the system session.
    pub autostart: bool,
    /// Tell others what was read, and show what they read.
    pub read_receipts: bool,
    /// Tell others that this person writes.
    pub send_typing: bool,
    /// Tell others whether this person is away.
    pub share_presence: bool,
    /// Minutes without input after which this person counts as away, 1–240.
    pub away_after_minutes: u16,
    /// Whether notifications are silent between two hours of the day.
    pub quiet_enabled: bool,
    /// From when, local time: `22:00`.
    pub quiet_from: String,
    /// To when, local time: `07:00`.
    pub quiet_to: String,
    /// The sound of a notification.
    pub sound: Sound,
    /// Days for which records of the notification centre are kept, 1–3650.
    pub notification_days: u16,
    /// Files of accepted machines up to this many bytes are fetched without asking.
    pub auto_accept_bytes: u64,
    /// Folder for received files; empty: the system's download folder.
    pub download_folder: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            notifications: true,
            preview: Preview::Full,
            theme: Theme::System,
            language: String::new(),
            zoom: 100,
            visibility: Visibility::Everyone,
            enter_sends: true,
            close_keeps_running: None,
            autostart: false,
            read_receipts: true,
            send_typing: true,
            share_presence: true,
            away_after_minutes: 5,
            quiet_enabled: false,
            quiet_from: "22:00".to_owned(),
            quiet_to: "07:00".to_owned(),
            sound: Sound::Default,
            notification_days: 30,
            auto_accept_bytes: 10 * 1024 * 1024,
            download_folder: String::new(),
        }
    }
}

/// How much a notification tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preview {
    /// Name and text.
    Full,
    /// Name only.
    Name,
    /// Neither.
    Hidden,
}

/// The sound of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sound {
    /// The system's.
    Default,
    /// None.
    None,
}

/// Appearance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the system.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Who sees this machine under Nearby.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everyone on the network, with the name.
    Everyone,
    /// Announced without the name.
    Contacts,
    /// Not announced.
    Hidden,
}
