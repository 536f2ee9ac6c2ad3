//! Notifications that outlive the program: `org.gtk.Notifications`, which GNOME's shell offers beside the freedesktop
//! interface.
//!
//! There the shell keeps a notification for the *application*, not for a connection. A click calls the application's
//! own name on the bus ([`crate::instance::linux`]); when nobody owns it, the bus starts the program first. So this
//! way is taken where the application is installed under that name, and the freedesktop one everywhere else.

use std::collections::HashMap;

use zbus::Connection;
use zbus::zvariant::Value;

use super::Notification;
use crate::APPLICATION_ID;
use crate::destination::Destination;
use crate::instance::linux::{ACTIVATE, MARK_READ, OPEN_SESSION};

const NAME: &str = "org.gtk.Notifications";
const PATH: &str = "/org/gtk/Notifications";

/// Whether the desktop offers it now.
pub(super) async fn is_offered(connection: &Connection) -> bool {
    let answer = connection
        .call_method(
            Some("org.freedesktop.DBus"),
            "/org/freedesktop/DBus",
            Some("org.freedesktop.DBus"),
            "NameHasOwner",
            &NAME,
        )
        .await;
    answer.is_ok_and(|answer| answer.body().deserialize().unwrap_or(false))
}

/// Shows a notification in place of an earlier one with the same key.
pub(super) async fn add(connection: &Connection, notification: &Notification) -> zbus::Result<()> {
    let mut content: HashMap<&str, Value<'_>> = HashMap::from([
        ("title", Value::from(notification.title.as_str())),
        ("body", Value::from(notification.body.as_str())),
        ("priority", Value::from("normal")),
    ]);
    match &notification.destination {
        Some(Destination::Session(id)) => {
            content.insert("default-action", Value::from(format!("app.{OPEN_SESSION}")));
            content.insert("default-action-target", Value::from(id.as_str()));
        }
        Some(Destination::Invitation(_)) | None => {
            content.insert("default-action", Value::from(format!("app.{ACTIVATE}")));
        }
    }
    if let (Some(Destination::Session(id)), Some(answer)) = (&notification.destination, &notification.answer) {
        // This interface has buttons, and no field to write into.
        let button: HashMap<&str, Value<'_>> = HashMap::from([
            ("label", Value::from(answer.read.as_str())),
            ("action", Value::from(format!("app.{MARK_READ}"))),
            ("target", Value::from(id.as_str())),
        ]);
        content.insert("buttons", Value::from(vec![button]));
    }
    let arguments = (APPLICATION_ID, notification.key.as_str(), content);
    connection.call_method(Some(NAME), PATH, Some(NAME), "AddNotification", &arguments).await.map(drop)
}

/// Takes a notification back.
pub(super) async fn remove(connection: &Connection, key: &str) -> zbus::Result<()> {
    connection.call_method(Some(NAME), PATH, Some(NAME), "RemoveNotification", &(APPLICATION_ID, key)).await.map(drop)
}
