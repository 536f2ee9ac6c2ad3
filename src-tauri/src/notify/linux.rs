//! Notifications of Linux desktops: `org.freedesktop.Notifications`, spoken over one connection.
//!
//! Some servers send their signals only to the connection that asked for the notification, so asking and listening
//! share one. The listener hears clicks and closings, and the coming and going of the server itself: numbers of one
//! that has gone mean nothing to the next.
//!
//! Specification: <https://specifications.freedesktop.org/notification-spec/latest/>, version 1.3.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::{Mutex, mpsc};
use zbus::message::Type;
use zbus::zvariant::Value;
use zbus::{Connection, MatchRule, MessageStream};

use super::{Notification, Notifier, NotifyError, READ, REPLY, Response, escape, gnome};
use crate::APPLICATION_ID;
use crate::destination::Destination;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// How long a server may take to answer. Real ones take milliseconds; one that hangs must not hold up the next notice.
const PATIENCE: Duration = Duration::from_secs(5);

/// `expire_timeout` that leaves the time to the server.
const SERVER_DECIDES: i32 = -1;

/// What a click on the notification itself is called.
const OPEN: &str = "default";

/// Urgency "normal".
const URGENCY: u8 = 1;

/// The notification server of the session bus.
#[derive(Debug)]
pub struct LinuxNotifier {
    connection: Connection,
    icon: Icon,
    /// Whether the bus can start this program by its name, see [`gnome`].
    startable: bool,
    state: Arc<Mutex<State>>,
}

/// The picture beside the text.
#[derive(Debug, Clone)]
pub enum Icon {
    /// The name of an installed icon.
    Themed(&'static str),
    /// Pixels, for a program that runs without having been installed: width, height, RGBA.
    Pixels(i32, i32, Vec<u8>),
}

#[derive(Debug, Default)]
struct State {
    /// What stands on screen, by key.
    shown: HashMap<String, Shown>,
    /// What the running server can do; asked once a server.
    abilities: Option<Vec<String>>,
    /// The bus name of the server that all this is about.
    server: Option<String>,
    /// Keys of those that the desktop keeps for the application.
    kept: HashSet<String>,
}

#[derive(Debug)]
struct Shown {
    number: u32,
    destination: Option<Destination>,
    /// Arrives just before the click that it belongs to.
    token: Option<String>,
}

impl State {
    /// Forgets everything that is not about the server with this bus name.
    fn about(&mut self, server: Option<String>) {
        if self.server != server {
            *self = Self { server, kept: std::mem::take(&mut self.kept), ..Self::default() };
        }
    }

    fn by_number(&mut self, number: u32) -> Option<(&String, &mut Shown)> {
        self.shown.iter_mut().find(|(_, shown)| shown.number == number)
    }
}

impl LinuxNotifier {
    /// Begins to listen on the connection. What a person does with them goes to `responses` until its receiver is dropped. `startable` says that
    /// the application is installed, and that this is the program which the bus starts by its name.
    ///
    /// # Errors
    /// When the bus refuses the subscription, which means that it is no working bus.
    pub async fn start(
        connection: Connection,
        icon: Icon,
        startable: bool,
        responses: mpsc::Sender<Response>,
        tasks: &node::Spawner,
    ) -> zbus::Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        // One stream for each kind of news, but all three signals of the server in one: their order matters.
        let signals = MatchRule::builder().msg_type(Type::Signal).interface(NAME)?.path(PATH)?.build();
        let signals = MessageStream::for_match_rule(signals, &connection, None).await?;
        let owners = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")?
            .interface("org.freedesktop.DBus")?
            .member("NameOwnerChanged")?
            .arg(0, NAME)?
            .build();
        let owners = MessageStream::for_match_rule(owners, &connection, None).await?;
        let (stop, listening) = (tasks.stopping(), listen(signals, state.clone(), responses));
        tasks.spawn("notification clicks", async move {
            tokio::select! { () = stop => {} () = listening => {} }
        });
        let (stop, watching) = (tasks.stopping(), watch_server(owners, state.clone()));
        tasks.spawn("notification server", async move {
            tokio::select! { () = stop => {} () = watching => {} }
        });
        Ok(Self { connection, icon, startable, state })
    }

    /// Takes back what nobody could answer for after the program has ended. What the desktop keeps for the application
    /// stays: a click on it starts the program again.
    pub async fn withdraw_unreachable(&self) {
        let shown = std::mem::take(&mut self.state.lock().await.shown);
        for shown in shown.into_values() {
            self.close(shown.number).await;
        }
    }

    async fn close(&self, number: u32) {
        if let Err(error) = self.call("CloseNotification", &number).await {
            // Servers answer with an error when the person closed it just now.
            tracing::debug!(%error, "a notification was already gone");
        }
    }

    async fn call<B>(&self, method: &str, body: &B) -> Result<zbus::Message, NotifyError>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType + Sync,
    {
        let call = self.connection.call_method(Some(NAME), PATH, Some(NAME), method, body);
        match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err(NotifyError::Refused(format!("no answer within {} seconds", PATIENCE.as_secs()))),
        }
    }

    async fn abilities(&self, state: &mut State) -> Result<Vec<String>, NotifyError> {
        if let Some(abilities) = &state.abilities {
            return Ok(abilities.clone());
        }
        let answer = self.call("GetCapabilities", &()).await?;
        state.about(sender(&answer));
        let abilities: Vec<String> =
            answer.body().deserialize().map_err(|error| NotifyError::Refused(error.to_string()))?;
        state.abilities = Some(abilities.clone());
        Ok(abilities)
    }
}

impl Notifier for LinuxNotifier {
    async fn show(&self, notification: Notification) -> Result<(), NotifyError> {
        // Held until the answer's number is written down, so that no click on it can come too early.
        let mut state = self.state.lock().await;
        if self.startable && gnome::is_offered(&self.connection).await {
            gnome::add(&self.connection, &notification).await.map_err(|error| describe(&error))?;
            state.kept.insert(notification.key);
            return Ok(());
        }
        let abilities = self.abilities(&mut state).await?;
        let can = |ability: &str| abilities.iter().any(|known| known == ability);

        let replaces = state.shown.get(&notification.key).map_or(0, |shown| shown.number);
        let (summary, body) = if can("body") {
            (notification.title.clone(), escape(&notification.body))
        } else {
            (format!("{}: {}", notification.title, notification.body.replace('\n', " ")), String::new())
        };
        let mut actions: Vec<&str> = Vec::new();
        if can("actions") {
            actions.extend([OPEN, notification.open_label.as_str()]);
        }
        let mut hints: HashMap<&str, Value<'_>> = HashMap::from([
            ("desktop-entry", Value::from(APPLICATION_ID)),
            ("category", Value::from("im.received")),
            ("urgency", Value::from(URGENCY)),
        ]);
        if let Some(answer) = notification.answer.as_ref().filter(|_| can("actions")) {
            // Not in the specification: KDE's, and offered by others after it.
            if can("inline-reply") {
                actions.extend([REPLY, answer.reply.as_str()]);
                hints.insert("x-kde-reply-placeholder-text", Value::from(answer.reply.as_str()));
                hints.insert("x-kde-reply-submit-button-text", Value::from(answer.send.as_str()));
            }
            actions.extend([READ, answer.read.as_str()]);
        }
        if !notification.sound {
            hints.insert("suppress-sound", Value::from(true));
        } else if can("sound") {
            hints.insert("sound-name", Value::from("message-new-instant"));
        }
        let icon_name = match &self.icon {
            Icon::Themed(name) => *name,
            Icon::Pixels(width, height, rgba) => {
                // width, height, bytes a row, has alpha, bits a sample, samples a pixel, bytes
                let image = (*width, *height, *width * 4, true, 8_i32, 4_i32, rgba.clone());
                hints.insert("image-data", Value::from(image));
                ""
            }
        };

        let arguments = (APPLICATION_NAME, replaces, icon_name, summary, body, actions, hints, SERVER_DECIDES);
        let answer = self.call("Notify", &arguments).await?;
        let number: u32 = answer.body().deserialize().map_err(|error| NotifyError::Refused(error.to_string()))?;
        state.about(sender(&answer));
        state.shown.insert(notification.key, Shown { number, destination: notification.destination, token: None });
        Ok(())
    }

    async fn withdraw(&self, key: &str) {
        let mut state = self.state.lock().await;
        if state.kept.remove(key)
            && let Err(error) = gnome::remove(&self.connection, key).await
        {
            tracing::debug!(%error, "a notification was already gone");
        }
        let shown = state.shown.remove(key);
        drop(state);
        if let Some(shown) = shown {
            self.close(shown.number).await;
        }
    }

    async fn available(&self) -> Result<(), NotifyError> {
        if self.startable && gnome::is_offered(&self.connection).await {
            return Ok(());
        }
        self.call("GetServerInformation", &()).await.map(drop)
    }
}

const APPLICATION_NAME: &str = "Landline";

async fn listen(mut signals: MessageStream, state: Arc<Mutex<State>>, responses: mpsc::Sender<Response>) {
    while let Some(signal) = signals.next().await {
        let Ok(signal) = signal else { continue };
        let header = signal.header();
        let Some(member) = header.member() else { continue };
        let body = signal.body();
        match member.as_str() {
            "ActivationToken" => {
                let Ok((number, token)) = body.deserialize::<(u32, String)>() else { continue };
                if let Some((_, shown)) = state.lock().await.by_number(number) {
                    shown.token = Some(token);
                }
            }
            "ActionInvoked" => {
                let Ok((number, action)) = body.deserialize::<(u32, String)>() else { continue };
                let response = state
                    .lock()
                    .await
                    .by_number(number)
                    .map(|(_, shown)| Response::of(&action, shown.destination.clone(), None, shown.token.take()));
                if let Some(response) = response
                    && responses.send(response).await.is_err()
                {
                    return;
                }
            }
            "NotificationReplied" => {
                let Ok((number, text)) = body.deserialize::<(u32, String)>() else { continue };
                let response =
                    state.lock().await.by_number(number).map(|(_, shown)| {
                        Response::of(REPLY, shown.destination.clone(), Some(text), shown.token.take())
                    });
                if let Some(response) = response
                    && responses.send(response).await.is_err()
                {
                    return;
                }
            }
            "NotificationClosed" => {
                let Ok((number, _reason)) = body.deserialize::<(u32, u32)>() else { continue };
                let mut state = state.lock().await;
                let key = state.by_number(number).map(|(key, _)| key.clone());
                if let Some(key) = key {
                    state.shown.remove(&key);
                }
            }
            _ => {}
        }
    }
}

/// Forgets what an earlier server showed and could do, whenever another takes its place or none does.
async fn watch_server(mut owners: MessageStream, state: Arc<Mutex<State>>) {
    while let Some(change) = owners.next().await {
        let Ok(change) = change else { continue };
        let Ok((_name, _old, new)) = change.body().deserialize::<(String, String, String)>() else { continue };
        // A server that the bus starts for our own call may have answered before this news is read: then it is known.
        state.lock().await.about(Some(new).filter(|new| !new.is_empty()));
    }
}

fn sender(answer: &zbus::Message) -> Option<String> {
    answer.header().sender().map(ToString::to_string)
}

fn describe(error: &zbus::Error) -> NotifyError {
    match error {
        zbus::Error::MethodError(name, message, _) => {
            let words = message.clone().unwrap_or_else(|| name.to_string());
            match name.as_str() {
                "org.freedesktop.DBus.Error.ServiceUnknown" | "org.freedesktop.DBus.Error.NameHasNoOwner" => {
                    NotifyError::NoService("no notification daemon is running in this desktop session".to_owned())
                }
                name if name.starts_with("org.freedesktop.DBus.Error.Spawn") => NotifyError::NoService(words),
                _ => NotifyError::Refused(words),
            }
        }
        error => NotifyError::NoService(error.to_string()),
    }
}
