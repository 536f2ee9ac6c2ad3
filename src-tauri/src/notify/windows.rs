//! Notifications of Windows: toasts whose click opens a `landline://` link.
//!
//! Protocol activation reaches the program wherever the click happens: on the toast, later in the notification centre,
//! and also when the program has ended, because then Windows starts it with the link.

use windows::Data::Xml::Dom::XmlDocument;
use windows::UI::Notifications::{NotificationSetting, ToastNotification, ToastNotificationManager};
use windows::core::HSTRING;

use super::{Notification, Notifier, NotifyError, escape};
use crate::APPLICATION_ID;
use crate::destination::SCHEME;

/// All toasts of this program belong to one group; the tag tells them apart.
const GROUP: &str = "sessions";

/// The notification centre of Windows.
#[derive(Debug, Clone, Copy, Default)]
pub struct WindowsNotifier;

impl WindowsNotifier {
    /// It needs no preparation.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Notifier for WindowsNotifier {
    async fn show(&self, notification: Notification) -> Result<(), NotifyError> {
        show(&notification).map_err(|error| NotifyError::Refused(error.message()))
    }

    async fn withdraw(&self, key: &str) {
        let removed = ToastNotificationManager::History().and_then(|history| {
            history.RemoveGroupedTagWithId(&tag(key), &HSTRING::from(GROUP), &HSTRING::from(APPLICATION_ID))
        });
        if let Err(error) = removed {
            tracing::debug!(%error, "a notification was already gone");
        }
    }

    async fn available(&self) -> Result<(), NotifyError> {
        let setting = ToastNotificationManager::CreateToastNotifierWithId(&HSTRING::from(APPLICATION_ID))
            .and_then(|notifier| notifier.Setting())
            .map_err(|error| NotifyError::NoService(error.message()))?;
        match setting {
            NotificationSetting::Enabled => Ok(()),
            _ => Err(NotifyError::Refused("notifications are switched off in the settings of Windows".to_owned())),
        }
    }
}

fn show(notification: &Notification) -> windows::core::Result<()> {
    let xml = XmlDocument::new()?;
    xml.LoadXml(&HSTRING::from(toast_xml(notification)))?;
    let toast = ToastNotification::CreateToastNotification(&xml)?;
    toast.SetTag(&tag(&notification.key))?;
    toast.SetGroup(&HSTRING::from(GROUP))?;
    ToastNotificationManager::CreateToastNotifierWithId(&HSTRING::from(APPLICATION_ID))?.Show(&toast)
}

/// A tag holds at most 64 characters; a session's ID has 36.
fn tag(key: &str) -> HSTRING {
    HSTRING::from(key.chars().take(64).collect::<String>())
}

fn toast_xml(notification: &Notification) -> String {
    let link = notification.destination.as_ref().map_or_else(|| format!("{SCHEME}://"), ToString::to_string);
    format!(
        "<toast activationType=\"protocol\" launch=\"{}\"><visual><binding template=\"ToastGeneric\"><text>{}</text><text>{}</text></binding></visual></toast>",
        escape(&link),
        escape(&notification.title),
        escape(&notification.body),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_toast_carries_escaped_text_and_the_link() {
        let xml = toast_xml(&Notification {
            key: "k".into(),
            destination: crate::destination::Destination::session("6f2c1a84-0b1d-8f3e-9a77-0123456789ab").ok(),
            title: "<Anna>".into(),
            body: "a & b".into(),
            open_label: "Open".into(),
        });
        assert!(xml.contains("launch=\"landline://session/6f2c1a84-0b1d-8f3e-9a77-0123456789ab\""), "{xml}");
        assert!(xml.contains("&lt;Anna&gt;") && xml.contains("a &amp; b"), "{xml}");
    }
}
