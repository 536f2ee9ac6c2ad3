//! The application on the session bus: `org.freedesktop.Application`, as the Desktop Entry Specification 1.5 describes
//! it in "D-Bus Activation".
//!
//! The owner of the name is the one running program of its profile. Launchers, the handler of `landline://` links and
//! notification servers that know the desktop entry call it; when nobody owns the name, the bus starts the program
//! first. Only the profile that a plain start opens can be started so; others have names of their own.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use zbus::Connection;
use zbus::connection::Builder;
use zbus::fdo::RequestNameFlags;
use zbus::names::WellKnownName;
use zbus::zvariant::{OwnedValue, Value};

use super::Wish;
use crate::APPLICATION_ID;
use crate::destination::Destination;

const INTERFACE: &str = "org.freedesktop.Application";

/// How long the running program may take to answer a second start. It only notes the wish.
const PATIENCE: Duration = Duration::from_secs(10);

/// The action that shows a session; its parameter is the session's ID.
pub const OPEN_SESSION: &str = "open-session";

/// The action that marks a session as read; its parameter is the session's ID.
pub const MARK_READ: &str = "mark-read";

/// The action that only shows the window.
pub const ACTIVATE: &str = "activate";

/// What came of asking for the name.
#[derive(Debug)]
pub enum Claim {
    /// This is the first: wishes of later ones come here.
    First(mpsc::Receiver<Wish>),
    /// Another one runs, and has been told.
    HandedOver,
    /// The bus gave the name neither to this program nor to another, and says why.
    Refused(zbus::Error),
}

/// The bus name for a profile: the application's own for the one that a plain start opens, else with a mark that is
/// the same for the same directory.
#[must_use]
pub fn bus_name(default_profile: bool, data_dir: &Path) -> String {
    if default_profile {
        return APPLICATION_ID.to_owned();
    }
    format!("{APPLICATION_ID}.Profile{:016x}", fingerprint(data_dir.as_os_str().as_encoded_bytes()))
}

/// Connects, and becomes the one program of this name or passes `wish` on to it.
///
/// # Errors
/// When there is no bus.
pub async fn claim(bus: Builder<'_>, name: &str, wish: &Wish) -> zbus::Result<(Connection, Claim)> {
    let (calls, wishes) = mpsc::channel(16);
    let path = object_path(name);
    // Served from the first moment: the bus delivers what waits for the name as soon as it is owned, and a call that
    // comes before there is an object to take it would never be answered.
    let connection = bus.serve_at(path.as_str(), Application { calls })?.build().await?;
    let name = WellKnownName::try_from(name)?;
    let claim = match connection.request_name_with_flags(&name, RequestNameFlags::DoNotQueue.into()).await {
        Ok(_) => Claim::First(wishes),
        Err(zbus::Error::NameTaken) => {
            match tokio::time::timeout(PATIENCE, hand_over(&connection, &name, &path, wish)).await {
                Ok(Ok(())) => Claim::HandedOver,
                Ok(Err(error)) => Claim::Refused(error),
                Err(_) => Claim::Refused(zbus::Error::Failure("the running program does not answer".to_owned())),
            }
        }
        Err(error) => Claim::Refused(error),
    };
    Ok((connection, claim))
}

async fn hand_over(connection: &Connection, name: &WellKnownName<'_>, path: &str, wish: &Wish) -> zbus::Result<()> {
    let mut platform: HashMap<&str, Value<'_>> = HashMap::new();
    if let Some(token) = &wish.activation_token {
        platform.insert("activation-token", Value::from(token));
    }
    match &wish.destination {
        Some(destination) => {
            let links = vec![destination.to_string()];
            connection.call_method(Some(name.as_str()), path, Some(INTERFACE), "Open", &(links, platform)).await?;
        }
        None => {
            connection.call_method(Some(name.as_str()), path, Some(INTERFACE), "Activate", &platform).await?;
        }
    }
    Ok(())
}

/// The path that belongs to a name: its dots as slashes.
fn object_path(name: &str) -> String {
    format!("/{}", name.replace('.', "/").replace('-', "_"))
}

/// FNV-1a, 64 bit: a name for a directory, not a secret.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[derive(Debug)]
struct Application {
    calls: mpsc::Sender<Wish>,
}

impl Application {
    async fn wish(&self, destination: Option<Destination>, platform: &HashMap<String, OwnedValue>) {
        let token = ["activation-token", "desktop-startup-id"]
            .into_iter()
            .find_map(|key| <&str>::try_from(platform.get(key)?).ok().filter(|token| !token.is_empty()))
            .map(str::to_owned);
        // The receiver only goes when the program ends; then there is nothing left to raise.
        let _ = self.calls.send(Wish { destination, activation_token: token, read: None }).await;
    }
}

#[zbus::interface(name = "org.freedesktop.Application")]
impl Application {
    async fn activate(&self, platform_data: HashMap<String, OwnedValue>) {
        self.wish(None, &platform_data).await;
    }

    async fn open(&self, uris: Vec<String>, platform_data: HashMap<String, OwnedValue>) {
        self.wish(Destination::among(uris), &platform_data).await;
    }

    async fn activate_action(
        &self,
        action_name: String,
        parameter: Vec<OwnedValue>,
        platform_data: HashMap<String, OwnedValue>,
    ) -> zbus::fdo::Result<()> {
        let refused = |words: &str| Err(zbus::fdo::Error::InvalidArgs(words.to_owned()));
        let session = parameter.first().and_then(|value| <&str>::try_from(value).ok());
        let session = session.and_then(|id| Destination::session(id).ok());
        match (action_name.as_str(), session) {
            (ACTIVATE, _) => self.wish(None, &platform_data).await,
            (OPEN_SESSION, Some(session)) => self.wish(Some(session), &platform_data).await,
            (MARK_READ, Some(session)) => {
                let _ = self.calls.send(Wish { read: Some(session), ..Wish::default() }).await;
            }
            (OPEN_SESSION | MARK_READ, None) => return refused("the parameter is a session's ID"),
            _ => return refused("no action has this name"),
        }
        Ok(())
    }
}
