//! Notifications of Windows: toasts whose click opens a `landline://` link.
//!
//! Protocol activation reaches the program wherever the click happens: on the toast, later in the notification centre,
//! and also when the program has ended, because then Windows starts it with the link. A link may only show something;
//! replying and marking as read come back as events of the toast, to the program that showed it, while it runs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;
use windows::Data::Xml::Dom::XmlDocument;
use windows::Foundation::{IPropertyValue, TypedEventHandler};
use windows::UI::Notifications::{
    NotificationSetting, ToastActivatedEventArgs, ToastNotification, ToastNotificationManager,
};
use windows::core::{HSTRING, IInspectable, Interface as _};

use super::{Answer, Notification, Notifier, NotifyError, READ, REPLY, Response, escape};
use crate::APPLICATION_ID;
use crate::destination::{Destination, SCHEME};

/// All toasts of this program belong to one group; the tag tells them apart.
const GROUP: &str = "sessions";

/// The notification centre of Windows.
#[derive(Debug)]
pub struct WindowsNotifier {
    responses: mpsc::Sender<Response>,
    /// Those that were shown, by key: their events end with them.
    shown: Mutex<HashMap<String, ToastNotification>>,
}

impl WindowsNotifier {
    /// What a person does with them, but for clicks, goes to `responses`.
    #[must_use]
    pub fn new(responses: mpsc::Sender<Response>) -> Self {
        Self { responses, shown: Mutex::default() }
    }
}

impl Notifier for WindowsNotifier {
    async fn show(&self, notification: Notification) -> Result<(), NotifyError> {
        let toast =
            show(&notification, self.responses.clone()).map_err(|error| NotifyError::Refused(error.message()))?;
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(notification.key, toast);
        Ok(())
    }

    async fn withdraw(&self, key: &str) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
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

fn show(notification: &Notification, responses: mpsc::Sender<Response>) -> windows::core::Result<ToastNotification> {
    let xml = XmlDocument::new()?;
    xml.LoadXml(&HSTRING::from(toast_xml(notification)))?;
    let toast = ToastNotification::CreateToastNotification(&xml)?;
    toast.SetTag(&tag(&notification.key))?;
    toast.SetGroup(&HSTRING::from(GROUP))?;
    let destination = notification.destination.clone();
    toast.Activated(&TypedEventHandler::<ToastNotification, IInspectable>::new(move |_, event| {
        if let Some(event) = event.as_ref()
            && let Some(response) = response(event, destination.clone())
        {
            // A full queue means that nobody has looked at sixteen clicks.
            let _ = responses.try_send(response);
        }
        Ok(())
    }))?;
    ToastNotificationManager::CreateToastNotifierWithId(&HSTRING::from(APPLICATION_ID))?.Show(&toast)?;
    Ok(toast)
}

/// What an event of a toast means; `None` for a click on the toast itself, which comes as a link.
fn response(event: &IInspectable, destination: Option<Destination>) -> Option<Response> {
    let event: ToastActivatedEventArgs = event.cast().ok()?;
    let action = event.Arguments().ok()?.to_string();
    let written = || {
        let value = event.UserInput().ok()?.Lookup(&HSTRING::from(REPLY)).ok()?;
        Some(value.cast::<IPropertyValue>().ok()?.GetString().ok()?.to_string())
    };
    let text = if action == REPLY { written() } else { None };
    (action == REPLY || action == READ).then(|| Response::of(&action, destination, text, None))
}

/// A tag holds at most 64 characters; a session's ID has 36.
fn tag(key: &str) -> HSTRING {
    HSTRING::from(key.chars().take(64).collect::<String>())
}

fn toast_xml(notification: &Notification) -> String {
    let link = notification.destination.as_ref().map_or_else(|| format!("{SCHEME}://"), ToString::to_string);
    let actions = notification.answer.as_ref().map(actions_xml).unwrap_or_default();
    let audio = if notification.sound { "" } else { "<audio silent=\"true\"/>" };
    format!(
        "<toast activationType=\"protocol\" launch=\"{}\"><visual><binding template=\"ToastGeneric\"><text>{}</text><text>{}</text></binding></visual>{actions}{audio}</toast>",
        escape(&link),
        escape(&notification.title),
        escape(&notification.body),
    )
}

fn actions_xml(answer: &Answer) -> String {
    let (reply, send, read) = (escape(&answer.reply), escape(&answer.send), escape(&answer.read));
    format!(
        "<actions><input id=\"{REPLY}\" type=\"text\" placeHolderContent=\"{reply}\"/><action content=\"{send}\" arguments=\"{REPLY}\" hint-inputId=\"{REPLY}\"/><action content=\"{read}\" arguments=\"{READ}\"/></actions>"
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
            answer: Some(Answer { reply: "Reply \"now\"".into(), send: "Send".into(), read: "Mark as read".into() }),
            sound: false,
        });
        assert!(xml.contains("launch=\"landline://session/6f2c1a84-0b1d-8f3e-9a77-0123456789ab\""), "{xml}");
        assert!(xml.contains("&lt;Anna&gt;") && xml.contains("a &amp; b"), "{xml}");
        assert!(xml.contains("placeHolderContent=\"Reply &quot;now&quot;\"") && xml.contains("silent"), "{xml}");
    }
}
