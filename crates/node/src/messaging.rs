//! The commands about messages that were written before, and the signals beside them.

use proto::{emoji, limits};
use store::messages::SendState;
use store::removal::Received;
use tokio::sync::oneshot;

use crate::conversations::{no_message, no_session, parse_mentions, parse_message, parse_session, shutting_down};
use crate::node::Node;
use crate::operating::Operation;
use crate::outgoing::Order;
use crate::view::{Message, Receipt, Session, Version};
use crate::views::Sides;
use crate::{DeleteFor, NodeError, expiring, signals, times};

impl Node {
    /// Gives an own message another text. Who has it sees the new one, and that it was edited.
    ///
    /// # Errors
    /// When the text breaks a rule, or the message is not known, another's, deleted or older than a day.
    pub async fn edit_message(
        &self,
        message: &str,
        new_text: &str,
        mentions: Option<&[String]>,
    ) -> Result<Message, NodeError> {
        Self::check_message(new_text, &[], None)?;
        let mentions = match mentions {
            Some(mentions) => parse_mentions(mentions)?,
            None => self.stored_message(message).await?.0.mentions,
        };
        self.operate(message, Operation::Edit { text: new_text.to_owned(), mentions }).await
    }

    /// Deletes a message from this machine, or an own one from everyone who has it. Gives it as it is then, or was last.
    ///
    /// # Errors
    /// When it is not known; for everyone: another's; for this machine only: own and still queued.
    pub async fn delete_message(&self, message: &str, from: DeleteFor) -> Result<Message, NodeError> {
        if from == DeleteFor::All {
            return self.operate(message, Operation::Delete).await;
        }
        let (row, peer) = self.stored_message(message).await?;
        if row.state == SendState::Queued {
            let message = "this message is still on its way; delete it for everyone instead".to_owned();
            return Err(NodeError::Conflict { code: "message_queued", message });
        }
        let view = Sides::of(self.core(), peer.as_ref()).message(&row);
        let key = row.key;
        let removed = self.core().store.write(move |tx| store::removal::remove(tx, &[key], Received::Kept)).await?;
        if removed.is_empty() {
            return Err(no_message(message));
        }
        expiring::tell(self.core(), &removed);
        Ok(view)
    }

    /// Reacts to a message with an emoji, or no longer.
    ///
    /// # Errors
    /// When it is not one emoji, or the message is not known or deleted.
    pub async fn react(&self, message: &str, reaction: &str, on: bool) -> Result<Message, NodeError> {
        if !emoji::is_emoji(reaction) {
            let message = format!("emoji must be one emoji of at most {} bytes", limits::EMOJI_BYTES);
            return Err(NodeError::Invalid { code: "invalid_emoji", field: "emoji", message });
        }
        self.operate(message, Operation::React { emoji: reaction.to_owned(), on }).await
    }

    /// Pins a message in its session for all members, or no longer.
    ///
    /// # Errors
    /// When it is not known or deleted.
    pub async fn pin_message(&self, message: &str, on: bool) -> Result<Message, NodeError> {
        self.operate(message, Operation::Pin { on }).await
    }

    /// All versions of a message's text, the first one first.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn message_history(&self, message: &str) -> Result<Vec<Version>, NodeError> {
        let (row, _) = self.stored_message(message).await?;
        let read = move |reader: &store::Reader<'_>| store::operations::history(reader, row.session, row.key);
        let versions = self.core().store.read(read).await?;
        let view = |version: store::operations::Version| Version {
            message: version.text,
            edited_at: version.edited_ms.map(times::text),
        };
        Ok(versions.into_iter().map(view).collect())
    }

    /// Who of the others has a message, and who has seen it.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn message_receipts(&self, message: &str) -> Result<Vec<Receipt>, NodeError> {
        let (row, peer) = self.stored_message(message).await?;
        let own = *row.author() == self.machine_id();
        let view = Sides::of(self.core(), peer.as_ref()).message(&row);
        Ok(peer
            .filter(|_| own)
            .map(|peer| Receipt { user_id: peer.to_string(), delivered_at: view.delivered_at, read_at: view.read_at })
            .into_iter()
            .collect())
    }

    /// Tells the others of a session that this person writes, or stopped. Nothing of it is kept.
    ///
    /// # Errors
    /// When the session is not known.
    pub async fn set_typing(&self, session: &str, typing: bool) -> Result<(), NodeError> {
        let id = parse_session(session)?;
        let row = self.core().store.read(move |reader| store::sessions::get_by_id(reader, &id)).await?;
        let row = row.ok_or_else(|| no_session(&id))?;
        if let Some(peer) = row.peer {
            signals::say_typing(self.core(), id, &peer, typing);
        }
        Ok(())
    }

    /// Says whether this person is at the machine.
    pub fn set_away(&self, away: bool) {
        signals::set_away(self.core(), away);
    }

    /// Sets after how many seconds new messages of a session disappear on both sides; 0: they stay.
    ///
    /// # Errors
    /// When the time is out of bounds or the session is not known.
    pub async fn set_timer(&self, session: &str, seconds: u32) -> Result<Session, NodeError> {
        let id = parse_session(session)?;
        let (least, most) = (limits::TIMER_SECONDS_MIN, limits::TIMER_SECONDS_MAX);
        let seconds = u64::from(seconds);
        if seconds != 0 && !(least..=most).contains(&seconds) {
            let message = format!("seconds must be 0 or {least} to {most}");
            return Err(NodeError::Invalid { code: "invalid_timer", field: "seconds", message });
        }
        let (reply, answer) = oneshot::channel();
        self.order(Order::Timer { session: id, seconds, reply }).await?;
        answer.await.map_err(|_| shutting_down())??;
        self.session_view(id).await
    }

    async fn operate(&self, message: &str, operation: Operation) -> Result<Message, NodeError> {
        let message = parse_message("messageId", message)?;
        let (reply, answer) = oneshot::channel();
        self.order(Order::Operate { message, operation, reply }).await?;
        answer.await.map_err(|_| shutting_down())?
    }
}
