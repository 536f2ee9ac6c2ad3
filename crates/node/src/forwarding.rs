//! The command that sends messages again into other sessions, with what they carry.

use proto::event::MessageBody;
use proto::id::SessionId;
use store::messages::MessageKind;
use tokio::sync::oneshot;

use crate::appending::blocked;
use crate::conversations::{parse_session, shutting_down};
use crate::node::Node;
use crate::outgoing::Order;
use crate::view::{Message, Trust};
use crate::{NodeError, files};

/// Messages that can be forwarded at once.
const MESSAGES: usize = 100;

/// Sessions into which can be forwarded at once.
const INTO: usize = 20;

impl Node {
    /// Sends messages again into other sessions, in the order in which they are named, with their files.
    ///
    /// # Errors
    /// When one of the messages or sessions is not known, there is nothing in a message to be sent again, or a file of one
    /// is not on this machine. Then nothing is sent.
    pub async fn forward_messages(&self, messages: &[String], sessions: &[String]) -> Result<Vec<Message>, NodeError> {
        in_bounds("messageIds", messages.len(), MESSAGES)?;
        in_bounds("sessionIds", sessions.len(), INTO)?;
        let into = self.open_for_writing(sessions).await?;
        let mut rows = Vec::with_capacity(messages.len());
        for message in messages {
            let (row, _) = self.stored_message(message).await?;
            if row.kind != MessageKind::Text || (row.text.is_empty() && row.attachments.is_empty()) {
                let message = format!("there is nothing in message {message} to be forwarded");
                return Err(NodeError::Conflict { code: "nothing_to_forward", message });
            }
            rows.push(row);
        }
        // All of it is ready before anything is sent.
        let mut ready = Vec::with_capacity(rows.len());
        for row in rows {
            let mut uploads = Vec::with_capacity(row.attachments.len());
            for stored in &row.attachments {
                uploads.push(files::again(self.core(), stored).await?);
            }
            ready.push((MessageBody { text: row.text, forwarded: true, ..MessageBody::default() }, uploads));
        }
        let mut answers = Vec::with_capacity(into.len() * ready.len());
        for session in into {
            for (message, uploads) in ready.clone() {
                let (reply, answer) = oneshot::channel();
                self.order(Order::Send { session, message, uploads, temp_id: None, reply }).await?;
                answers.push(answer);
            }
        }
        let mut sent = Vec::with_capacity(answers.len());
        for answer in answers {
            sent.push(answer.await.map_err(|_| shutting_down())??);
        }
        Ok(sent)
    }

    /// The sessions that are named, all of them known and none blocked.
    async fn open_for_writing(&self, sessions: &[String]) -> Result<Vec<SessionId>, NodeError> {
        let mut open = Vec::with_capacity(sessions.len());
        for session in sessions {
            let id = parse_session(session)?;
            if self.session_view(id).await?.peer.is_some_and(|peer| peer.trust == Trust::Blocked) {
                return Err(blocked());
            }
            open.push(id);
        }
        Ok(open)
    }
}

fn in_bounds(field: &'static str, count: usize, limit: usize) -> Result<(), NodeError> {
    if count == 0 {
        let message = format!("{field} must not be empty");
        return Err(NodeError::Invalid { code: "nothing_named", field, message });
    }
    if count > limit {
        let message = format!("{field} can name {limit}; this names {count}");
        let (limit, actual) = (limit as u64, count as u64);
        return Err(NodeError::TooLarge { code: "too_many", field, limit, actual, message });
    }
    Ok(())
}
