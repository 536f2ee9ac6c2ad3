//! A person: a node with a name, and what it shows.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use node::view::{Change, Message, MessageState, Notice, Presence, Session, User};
use node::{Changes, Config, Node, NodeError, PageRequest, SendRequest};
use proto::id::SessionId;

use crate::transcript::Transcript;

/// How long anything that a test waits for may take. Long, because machines that run tests are busy; a passing test never
/// waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Cheap to clone; all clones are the same person.
#[derive(Clone)]
pub struct Person {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    config: Mutex<Config>,
    node: Mutex<Option<Node>>,
    changes: tokio::sync::Mutex<Watched>,
    transcript: Transcript,
}

/// The stream, and what was seen on it so far.
struct Watched {
    stream: Changes,
    seen: VecDeque<Change>,
}

/// Between two looks at the disk.
const LOOK: Duration = Duration::from_millis(20);

/// Changes kept for those who look back.
const SEEN: usize = 20_000;

impl Person {
    pub(crate) async fn start(name: &str, mut config: Config, transcript: Transcript) -> Self {
        let node = Node::start(config.clone()).await.unwrap_or_else(|error| panic!("{name} cannot start: {error}"));
        transcript.add(&format!("{name} starts"));
        // A restarted node is found where it was.
        config.listen = node.listen_addr();
        let changes = Watched { stream: node.changes(), seen: VecDeque::new() };
        Self {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                config: Mutex::new(config),
                node: Mutex::new(Some(node)),
                changes: tokio::sync::Mutex::new(changes),
                transcript,
            }),
        }
    }

    /// The person's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The running node.
    ///
    /// # Panics
    /// When it was stopped.
    #[must_use]
    pub fn node(&self) -> Node {
        self.inner.node.lock().unwrap_or_else(PoisonError::into_inner).clone().expect("the node runs")
    }

    /// The machine ID, as text.
    #[must_use]
    pub fn id(&self) -> String {
        self.node().machine_id().to_string()
    }

    /// Ends the node in order. Nothing happens when it was ended before.
    pub async fn stop(&self) {
        let node = self.inner.node.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(node) = node {
            self.say_in_transcript("stops");
            node.shutdown().await;
        }
    }

    /// Starts the node again, from the same directory and on the same port.
    pub async fn start_again(&self) {
        let config = self.inner.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let node = Node::start(config).await.unwrap_or_else(|error| panic!("{} cannot restart: {error}", self.name()));
        self.say_in_transcript("starts again");
        let mut watched = self.inner.changes.lock().await;
        watched.stream = node.changes();
        *self.inner.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
    }

    /// Starts the node again from the same directory, on another port.
    pub async fn start_elsewhere(&self) {
        self.inner.config.lock().unwrap_or_else(PoisonError::into_inner).listen.set_port(0);
        self.start_again().await;
        let listen = self.node().listen_addr();
        self.inner.config.lock().unwrap_or_else(PoisonError::into_inner).listen = listen;
    }

    /// The configuration with which the node starts again.
    #[must_use]
    pub fn config(&self) -> Config {
        self.inner.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a change that fits, from the oldest not yet waited past. What it passes by is gone for later waits.
    pub async fn wait_for<T>(&self, what: &str, mut fits: impl FnMut(&Change) -> Option<T>) -> T {
        let mut watched = self.inner.changes.lock().await;
        while let Some(seen) = watched.seen.pop_front() {
            if let Some(found) = fits(&seen) {
                return found;
            }
        }
        let waiting = async {
            loop {
                let change = self.next(&mut watched).await;
                if let Some(found) = change.as_ref().and_then(&mut fits) {
                    return found;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => self.give_up(what),
        }
    }

    /// Waits until a condition holds, looking again whenever something changed. What it passes by is kept for later waits.
    pub async fn until<T>(&self, what: &str, mut condition: impl AsyncFnMut(Node) -> Option<T>) -> T {
        let mut watched = self.inner.changes.lock().await;
        let waiting = async {
            loop {
                if let Some(found) = condition(self.node()).await {
                    return found;
                }
                let change = self.next(&mut watched).await;
                watched.seen.extend(change);
                // Everything that is there already, before the next look.
                while let Ok(change) = tokio::time::timeout(Duration::ZERO, self.next(&mut watched)).await {
                    watched.seen.extend(change);
                }
                let surplus = watched.seen.len().saturating_sub(SEEN);
                watched.seen.drain(..surplus);
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => self.give_up(what),
        }
    }

    /// Waits until the disk looks so. The stream does not tell of every file, so the disk is looked at again and again.
    pub async fn until_disk(&self, what: &str, condition: impl Fn() -> bool) {
        let looking = async {
            while !condition() {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, looking).await.is_err() {
            self.give_up(what);
        }
    }

    /// The next change; `None` when some were missed.
    async fn next(&self, watched: &mut Watched) -> Option<Change> {
        match watched.stream.next().await {
            Some(Ok(change)) => {
                self.inner.transcript.add(&format!("{}: {}", self.name(), summary(&change)));
                Some(change)
            }
            Some(Err(lagged)) => {
                self.inner.transcript.add(&format!("{}: {lagged}", self.name()));
                None
            }
            None => panic!("{}'s node ended while something was awaited of it", self.name()),
        }
    }

    /// All changes that were seen and not waited past, and those that are there now.
    pub async fn seen(&self) -> Vec<Change> {
        let mut watched = self.inner.changes.lock().await;
        while let Ok(change) = tokio::time::timeout(Duration::ZERO, self.next(&mut watched)).await {
            watched.seen.extend(change);
        }
        watched.seen.drain(..).collect()
    }

    /// Opens the session with another, or finds it.
    pub async fn open(&self, other: &Self) -> Session {
        let (session, _) = self.node().create_session(&other.id()).await.expect("a session can be opened");
        session
    }

    /// The ID of the direct session with another.
    #[must_use]
    pub fn session_with(&self, other: &Self) -> String {
        SessionId::direct(&self.node().machine_id(), &other.node().machine_id()).to_string()
    }

    /// Sends a text.
    pub async fn say(&self, session: &Session, text: &str) -> Message {
        self.try_say(&session.session_id, text)
            .await
            .unwrap_or_else(|error| panic!("{} cannot say: {error}", self.name()))
    }

    /// Sends a text, or says why not.
    ///
    /// # Errors
    /// As [`Node::send_message`].
    pub async fn try_say(&self, session: &str, text: &str) -> Result<Message, NodeError> {
        self.node()
            .send_message(SendRequest {
                session: session.to_owned(),
                message: text.to_owned(),
                attachments: Vec::new(),
                temp_id: None,
                caller: "test".to_owned(),
                ..SendRequest::default()
            })
            .await
    }

    /// Waits for a message of another with this text.
    pub async fn hears(&self, text: &str) -> Message {
        self.wait_for(&format!("{} to hear {text:?}", self.name()), |change| match change {
            Change::MessageChanged { message, incoming: true } if message.message == text => Some(message.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until an own message has come so far.
    pub async fn sees_state(&self, message: &Message, state: MessageState) -> Message {
        let id = message.id.clone();
        self.until(&format!("{:?} to be {state:?}", message.message), async |node| {
            node.message(&id).await.ok().filter(|message| message.state == state)
        })
        .await
    }

    /// Waits until another is online.
    pub async fn sees_online(&self, other: &Self) -> User {
        // Whose person is away is linked all the same.
        self.sees_user(other, "online", |user| user.status != Presence::Offline).await
    }

    /// Waits until another is offline.
    pub async fn sees_offline(&self, other: &Self) -> User {
        self.sees_user(other, "offline", |user| user.status == Presence::Offline).await
    }

    /// Waits until another looks so.
    pub async fn sees_user(&self, other: &Self, how: &str, fits: impl Fn(&User) -> bool) -> User {
        let id = other.id();
        self.until(&format!("{} to see {} {how}", self.name(), other.name()), async |node| {
            match node.user(&id) {
                Ok(user) => Some(user).filter(|user| fits(user)),
                // A stranger that is gone is not known any more.
                Err(_) if how == "offline" => Some(nobody(&id)),
                Err(_) => None,
            }
        })
        .await
    }

    /// Waits until a session looks so.
    pub async fn sees_session(&self, session: &str, how: &str, fits: impl Fn(&Session) -> bool) -> Session {
        self.until(&format!("{} to see the session {how}", self.name()), async |node| {
            node.session(session).await.ok().filter(|session| fits(session))
        })
        .await
    }

    /// Waits until the session holds so many messages.
    pub async fn has_messages(&self, session: &str, count: usize) {
        self.until(&format!("{} to have {count} messages", self.name()), async |node| {
            (all_texts(&node, session).await.len() >= count).then_some(())
        })
        .await;
    }

    /// Waits for the next notice.
    pub async fn is_notified(&self) -> Notice {
        self.wait_for(&format!("{} to be notified", self.name()), |change| match change {
            Change::NoticeRaised { notice } => Some(notice.clone()),
            _ => None,
        })
        .await
    }

    /// Who wrote what in a session, in the order in which it is shown, read page by page.
    pub async fn reads(&self, session: &str) -> Vec<(String, String)> {
        all_texts(&self.node(), session).await
    }

    fn say_in_transcript(&self, what: &str) {
        self.inner.transcript.add(&format!("{} {what}", self.name()));
    }

    fn give_up(&self, what: &str) -> ! {
        panic!("waited {} s for {what}\n{}", PATIENCE.as_secs(), self.inner.transcript.text())
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

async fn all_texts(node: &Node, session: &str) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut before = None;
    loop {
        let request = PageRequest { before, limit: Some(200), ..PageRequest::default() };
        let Ok(page) = node.messages(session, request).await else { return texts };
        let part: Vec<_> = page.items.into_iter().map(|message| (message.sender_user_id, message.message)).collect();
        texts.splice(0..0, part);
        before = page.next_before;
        if before.is_none() {
            return texts;
        }
    }
}

fn nobody(id: &str) -> User {
    User {
        user_id: id.to_owned(),
        machine_id: id.to_owned(),
        name: String::new(),
        device: String::new(),
        status_text: String::new(),
        colour: 0,
        key_tag: String::new(),
        status: Presence::Offline,
        last_seen: None,
        trust: node::view::Trust::Unknown,
        path: node::view::Path::None,
        via: None,
        relayed: false,
        relays: Vec::new(),
        nearby: false,
        name_clash: false,
        clock_skew_seconds: None,
    }
}

/// A change in a line, without IDs and times.
fn summary(change: &Change) -> String {
    match change {
        Change::MessageChanged { message, incoming } => {
            let text: String = message.message.chars().take(40).collect();
            let reactions: Vec<&str> = message.reactions.iter().map(|reaction| reaction.emoji.as_str()).collect();
            format!(
                "message {text:?} {:?}{}{}{}{}{}{}",
                message.state,
                if message.held_by.is_some() { ", held by a relay" } else { "" },
                if *incoming { ", incoming" } else { "" },
                if message.edited_at.is_some() { ", edited" } else { "" },
                if message.deleted_at.is_some() { ", deleted" } else { "" },
                if message.pinned { ", pinned" } else { "" },
                if reactions.is_empty() { String::new() } else { format!(", {}", reactions.join("")) },
            )
        }
        Change::SessionChanged { session, opened } => format!(
            "session with {}{}: {} unread, {} waiting{}{}",
            session.title,
            if *opened { ", opened" } else { "" },
            session.unread_count,
            session.waiting_count,
            if session.request { ", request" } else { "" },
            if session.held { ", held" } else { "" },
        ),
        Change::UserChanged { user } => {
            let way = match user.path {
                node::view::Path::Relay => ", by relay",
                _ if user.nearby => ", nearby",
                _ => "",
            };
            format!("{} is {:?}, {:?}{way}", user.name, user.status, user.trust)
        }
        Change::MeChanged { me } => format!("own profile: {}", me.name),
        Change::SettingsChanged { .. } => "settings".to_owned(),
        Change::UnreadChanged { total } => format!("{total} unread"),
        Change::NetworkChanged { .. } => "network".to_owned(),
        Change::RelaysChanged { relays } => {
            let states: Vec<String> = relays.iter().map(|relay| format!("{:?}", relay.state)).collect();
            format!("relays: {}", states.join(", "))
        }
        Change::NoticeRaised { notice } => format!(
            "notice {:?} {:?}, {} unread{}",
            notice.title,
            notice.body.chars().take(40).collect::<String>(),
            notice.count,
            if notice.request { ", request" } else { "" }
        ),
        Change::NoticeWithdrawn { .. } => "notice withdrawn".to_owned(),
        Change::Typing { typing, .. } => format!("somebody {}", if *typing { "writes" } else { "stopped writing" }),
        Change::Reaction { emoji, on, .. } => format!("reaction {emoji}{}", if *on { "" } else { " taken back" }),
        Change::MessageRemoved { .. } => "message removed".to_owned(),
        Change::TransferChanged { transfer } => format!("transfer {:?} {:?}", transfer.name, transfer.state),
        Change::NotificationChanged { notification } => format!("notification {:?}", notification.title),
        Change::NotificationRemoved { ids } => format!("{} notifications removed", ids.len()),
        Change::NotificationsUnread { total } => format!("{total} unread notifications"),
    }
}

impl Person {
    /// What was seen and not waited past, as lines without IDs and times: messages, notices and opened sessions. For golden
    /// transcripts; other changes come in an order that depends on timing.
    pub async fn lines(&self) -> Vec<String> {
        let telling = |change: &Change| {
            matches!(
                change,
                Change::MessageChanged { .. }
                    | Change::NoticeRaised { .. }
                    | Change::NoticeWithdrawn { .. }
                    | Change::SessionChanged { opened: true, .. }
            )
        };
        self.seen().await.iter().filter(|change| telling(change)).map(summary).collect()
    }
}
