//! What programs are told, made from the node's one stream of changes: the events of Socket.IO and of `GET events`.

use std::collections::{HashMap, HashSet};

use node::Node;
use node::view::{Change, Message, MessageState, Presence};
use serde_json::{Value, json};

use crate::door::Caller;
use crate::private::hide_paths;
use crate::requests::deletion;

/// An event: its name and what it carries.
pub(crate) type Event = (&'static str, Value);

/// Turns changes into events for one client.
pub(crate) struct Teller {
    own: String,
    /// Last told presence of each machine: a change of a name or of trust is no change of presence.
    presence: HashMap<String, Presence>,
    /// Whether the client learns where files lie on this machine.
    sees_paths: bool,
    /// Own messages of which it was told how far they have come: reactions, edits and attachments change them again.
    told: HashSet<(String, MessageState)>,
}

/// So many are remembered; beyond, one may be told twice.
const TOLD: usize = 4096;

impl Teller {
    pub(crate) fn new(node: &Node, caller: &Caller) -> Self {
        let presence = node.users(node::UserFilter::All).into_iter().map(|user| (user.user_id, user.status)).collect();
        let own = node.machine_id().to_string();
        Self { own, presence, sees_paths: caller.sees_paths(), told: HashSet::new() }
    }

    /// The events that a change means; often none.
    pub(crate) fn tell(&mut self, change: &Change) -> Vec<Event> {
        let mut events = self.events(change);
        if !self.sees_paths {
            events.iter_mut().for_each(|(_, value)| hide_paths(value));
        }
        events
    }

    fn events(&mut self, change: &Change) -> Vec<Event> {
        match change {
            Change::MessageChanged { message, incoming: true } => vec![("new_message", json!(message))],
            Change::MessageChanged { message, incoming: false } => {
                let value = json!(message);
                let mut events = vec![("message_updated", json!({ "message": value }))];
                if message.deleted_at.is_some() {
                    events.push(("message_deleted", deletion(&value)));
                }
                if message.sender_user_id == self.own {
                    let name = match message.state {
                        MessageState::Delivered => "message_delivered",
                        MessageState::Read => "message_read",
                        MessageState::Queued | MessageState::Failed => return events,
                    };
                    let receipt = json!({
                        "messageId": message.id,
                        "sessionId": message.session_id,
                        "userId": message.receiver_user_id,
                        "deliveredAt": message.delivered_at,
                        "readAt": message.read_at,
                        "tempId": message.temp_id,
                    });
                    if self.is_news(message) {
                        events.push((name, receipt));
                    }
                }
                events
            }
            Change::Reaction { session_id, message_id, user_id, emoji, on } => {
                let told = json!({
                    "messageId": message_id, "sessionId": session_id, "userId": user_id, "emoji": emoji, "on": on,
                });
                vec![("reaction", told)]
            }
            Change::MessageRemoved { session_id, message_id } => {
                vec![("message_removed", json!({ "messageId": message_id, "sessionId": session_id }))]
            }
            Change::SessionChanged { session, opened: true } => vec![("new_chat_session", json!(session))],
            Change::UserChanged { user } => {
                let before = self.presence.insert(user.user_id.clone(), user.status);
                if before.unwrap_or(Presence::Offline) == user.status {
                    return Vec::new();
                }
                let status = json!({ "userId": user.user_id, "status": user.status, "lastSeen": user.last_seen });
                vec![("user_status", status)]
            }
            Change::Typing { session_id, user_id, typing } => {
                vec![("user_typing", json!({ "sessionId": session_id, "userId": user_id, "isTyping": typing }))]
            }
            Change::TransferChanged { transfer } => vec![("transfer_progress", json!({ "transfer": transfer }))],
            Change::UnreadChanged { total } => vec![("unread_count", json!({ "total": total }))],
            Change::NotificationChanged { notification } if !notification.read => {
                vec![("notification", json!(notification))]
            }
            Change::NotificationRemoved { ids } => vec![("notifications_removed", json!({ "ids": ids }))],
            Change::NotificationsUnread { total } => vec![("notifications_unread", json!({ "total": total }))],
            Change::SessionChanged { opened: false, .. }
            | Change::MeChanged { .. }
            | Change::SettingsChanged { .. }
            | Change::RelaysChanged { .. }
            | Change::NetworkChanged { .. }
            | Change::NoticeRaised { .. }
            | Change::NoticeWithdrawn { .. }
            | Change::NotificationChanged { .. } => Vec::new(),
        }
    }

    /// Whether it has not been told how far a message has come.
    fn is_news(&mut self, message: &Message) -> bool {
        if self.told.len() >= TOLD {
            self.told.clear();
        }
        self.told.insert((message.id.clone(), message.state))
    }
}
