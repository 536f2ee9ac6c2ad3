//! The handle.

use std::net::SocketAddr;
use std::path::Path;

use proto::id::MachineId;

use crate::view::{Me, Message, Network, Notice, Page, Session, Settings, Status, User};
use crate::{
    Changes, Config, FocusState, KeyStorage, MePatch, NewToken, NodeError, PageRequest, SendRequest, SessionPatch, StartError,
    TokenRecord, UserFilter,
};

/// A running node. Cheap to clone; the node ends by [`Node::shutdown`].
#[derive(Debug, Clone)]
pub struct Node {}

fn later<T>() -> Result<T, NodeError> {
    Err(NodeError::Internal { message: "not built yet".to_owned() })
}

#[expect(clippy::unused_async, clippy::needless_pass_by_value, reason = "signatures first")]
impl Node {
    /// Opens the profile (made when absent), the database and the network side.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way; nothing of an existing profile is changed then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Err(StartError::Network(format!("not built yet: {config:?}")))
    }

    /// Ends everything; returns after the last commit. Other clones answer `Unavailable` from then on.
    pub async fn shutdown(&self) {}

    /// This machine's ID.
    #[must_use]
    pub fn machine_id(&self) -> MachineId {
        unreachable!("signatures first")
    }

    /// Where peers reach this node.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        unreachable!("signatures first")
    }

    /// Where the private key lies.
    #[must_use]
    pub fn key_storage(&self) -> KeyStorage {
        unreachable!("signatures first")
    }

    /// The profile directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        unreachable!("signatures first")
    }

    /// A secret of 32 bytes for `purpose`, derived from the private key: the same at each start, and it tells nothing of the key.
    #[must_use]
    pub fn derived_secret(&self, purpose: &'static str) -> [u8; 32] {
        let _ = purpose;
        unreachable!("signatures first")
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        unreachable!("signatures first")
    }

    /// Counts of the whole node.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn status(&self) -> Result<Status, NodeError> {
        later()
    }

    /// The own profile.
    #[must_use]
    pub fn me(&self) -> Me {
        unreachable!("signatures first")
    }

    /// Changes the own profile and tells every linked machine.
    ///
    /// # Errors
    /// When a text breaks a rule or the database cannot be written.
    pub async fn update_me(&self, patch: MePatch) -> Result<Me, NodeError> {
        let _ = patch;
        later()
    }

    /// The machines that are known here, by name.
    #[must_use]
    pub fn users(&self, filter: UserFilter) -> Vec<User> {
        let _ = filter;
        Vec::new()
    }

    /// One machine.
    ///
    /// # Errors
    /// When the ID is malformed or not known here.
    pub fn user(&self, user: &str) -> Result<User, NodeError> {
        let _ = user;
        later()
    }

    /// Accepts a machine: what it held back arrives, requests become sessions.
    ///
    /// # Errors
    /// When it is not known or blocked.
    pub async fn accept(&self, user: &str) -> Result<User, NodeError> {
        let _ = user;
        later()
    }

    /// Blocks a machine by its key: the link ends, later ones are refused, its requests are dropped in silence.
    ///
    /// # Errors
    /// When the ID is malformed or the database cannot be written.
    pub async fn block(&self, user: &str) -> Result<User, NodeError> {
        let _ = user;
        later()
    }

    /// Ends a block: accepted again when there had been a conversation, else unknown.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn unblock(&self, user: &str) -> Result<User, NodeError> {
        let _ = user;
        later()
    }

    /// Dials a typed address (`host`, `host:port`, `[v6]:port`), keeps it for later starts, and gives the machine that answered.
    ///
    /// # Errors
    /// With the cause: refused, timed out, not Landline, this machine itself, blocked.
    pub async fn add_address(&self, address: &str) -> Result<User, NodeError> {
        let _ = address;
        later()
    }

    /// All sessions: pinned first, then by newest message.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sessions(&self) -> Result<Vec<Session>, NodeError> {
        later()
    }

    /// One session.
    ///
    /// # Errors
    /// When the ID is malformed or not known here.
    pub async fn session(&self, session: &str) -> Result<Session, NodeError> {
        let _ = session;
        later()
    }

    /// The direct session with a machine, made when there is none; true when it was made. Accepts the machine.
    ///
    /// # Errors
    /// When the ID is malformed, this machine's own, or blocked.
    pub async fn create_session(&self, user: &str) -> Result<(Session, bool), NodeError> {
        let _ = user;
        later()
    }

    /// Changes a session's own marks.
    ///
    /// # Errors
    /// When a value cannot be accepted or the session is not known.
    pub async fn update_session(&self, session: &str, patch: SessionPatch) -> Result<Session, NodeError> {
        let _ = (session, patch);
        later()
    }

    /// A page of a session's messages, oldest first.
    ///
    /// # Errors
    /// When a cursor is malformed or the session or message is not known.
    pub async fn messages(&self, session: &str, page: PageRequest) -> Result<Page<Message>, NodeError> {
        let _ = (session, page);
        later()
    }

    /// Writes a message to this disk and lets it go; it returns as `queued`.
    ///
    /// # Errors
    /// When the text breaks a rule, the session is not known, its machine is blocked, or the disk is full.
    pub async fn send_message(&self, request: SendRequest) -> Result<Message, NodeError> {
        let _ = request;
        later()
    }

    /// Sends a failed message again.
    ///
    /// # Errors
    /// When it is not known or has not failed.
    pub async fn retry_message(&self, message: &str) -> Result<Message, NodeError> {
        let _ = message;
        later()
    }

    /// One message.
    ///
    /// # Errors
    /// When the ID is malformed or not known here.
    pub async fn message(&self, message: &str) -> Result<Message, NodeError> {
        let _ = message;
        later()
    }

    /// Marks a message as read, with all before it in its session.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn mark_message_read(&self, message: &str) -> Result<Session, NodeError> {
        let _ = message;
        later()
    }

    /// Marks a session as read, up to and with a message, or wholly.
    ///
    /// # Errors
    /// When session or message is not known.
    pub async fn mark_session_read(&self, session: &str, up_to: Option<&str>) -> Result<Session, NodeError> {
        let _ = (session, up_to);
        later()
    }

    /// Unread messages of all sessions that are neither archived nor muted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unread_count(&self) -> Result<u32, NodeError> {
        later()
    }

    /// What the person set.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings::default()
    }

    /// Merges an object of settings into those that are kept; unknown keys are kept as they are.
    ///
    /// # Errors
    /// When it is no object, or a value has the wrong type or range.
    pub async fn update_settings(&self, patch: serde_json::Value) -> Result<Settings, NodeError> {
        let _ = patch;
        later()
    }

    /// State of the network side.
    #[must_use]
    pub fn network(&self) -> Network {
        unreachable!("signatures first")
    }

    /// Says what a viewer shows now, so that nothing is notified that is on screen.
    pub fn focus(&self, state: FocusState) {
        let _ = state;
    }

    /// The computer woke up or its network changed: links are probed at once.
    pub fn wake(&self) {}

    /// The notices that stand now, one a session.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        Vec::new()
    }

    /// The remembered tokens of the local API.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>, NodeError> {
        later()
    }

    /// Remembers a token and gives it its ID.
    ///
    /// # Errors
    /// When a value cannot be accepted or the database cannot be written.
    pub async fn create_token_record(&self, token: NewToken) -> Result<TokenRecord, NodeError> {
        let _ = token;
        later()
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn revoke_token(&self, token: &str) -> Result<TokenRecord, NodeError> {
        let _ = token;
        later()
    }
}
