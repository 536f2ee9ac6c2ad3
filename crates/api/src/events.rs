//! What programs are told, made from the node's one stream of changes: the events of Socket.IO and of `GET events`.

use std::collections::HashMap;

use node::Node;
use node::view::{Change, MessageState, Presence};
use serde_json::{Value, json};

/// An event: its name and what it carries.
pub(crate) type Event = (&'static str, Value);

/// Turns changes into events for one client.
pub(crate) struct Teller {
    own: String,
    /// Last told presence of each machine: a change of a name or of trust is no change of presence.
    presence: HashMap<String, Presence>,
}

impl Teller {
    pub(crate) fn new(node: &Node) -> Self {
        let presence = node.users(node::UserFilter::All).into_iter().map(|user| (user.user_id, user.status)).collect();
        Self { own: node.machine_id().to_string(), presence }
    }

    /// The events that a change means; often none.
    pub(crate) fn tell(&mut self, change: &Change) -> Vec<Event> {
        match change {
            Change::MessageChanged { message, incoming: true } => vec![("new_message", json!(message))],
            Change::MessageChanged { message, incoming: false } => {
                let mut events = vec![("message_updated", json!({ "message": message }))];
                if message.sender_user_id == self.own && message.state == MessageState::Delivered {
                    events.push((
                        "message_delivered",
                        json!({
                            "messageId": message.id,
                            "sessionId": message.session_id,
                            "userId": message.receiver_user_id,
                            "deliveredAt": message.delivered_at,
                            "tempId": message.temp_id,
                        }),
                    ));
                }
                events
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
            Change::UnreadChanged { total } => vec![("unread_count", json!({ "total": total }))],
            Change::NotificationChanged { notification } if !notification.read => {
                vec![("notification", json!(notification))]
            }
            Change::NotificationRemoved { ids } => vec![("notifications_removed", json!({ "ids": ids }))],
            Change::NotificationsUnread { total } => vec![("notifications_unread", json!({ "total": total }))],
            Change::SessionChanged { opened: false, .. }
            | Change::MeChanged { .. }
            | Change::SettingsChanged { .. }
            | Change::NetworkChanged { .. }
            | Change::NoticeRaised { .. }
            | Change::NoticeWithdrawn { .. }
            | Change::MessageRemoved { .. }
            | Change::TransferChanged { .. }
            | Change::NotificationChanged { .. } => Vec::new(),
        }
    }
}
