//! What a person may say of a message: by which rules it is refused, before an event of it is written.
//!
//! Other machines judge events by the rules of the protocol; these here are the same, and some more that only help the
//! person: nothing is written that would be void.

use proto::event::{Body, EditBody, ReactionBody};
use proto::id::{MachineId, MessageId};
use proto::limits;
use store::messages::{Message, MessageKind};
use store::{StoreError, Tx};

use crate::NodeError;

/// Something to be said of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A new text.
    Edit { text: String, mentions: Vec<MachineId> },
    /// It is taken back, for everyone.
    Delete,
    /// A reaction, or its end.
    React { emoji: String, on: bool },
    /// It is pinned, or no longer.
    Pin { on: bool },
}

impl Operation {
    /// As an event says it.
    pub(crate) fn body(&self, target: MessageId) -> Body {
        match self {
            Self::Edit { text, mentions } => {
                Body::Edit(EditBody { target, text: text.clone(), mentions: mentions.clone() })
            }
            Self::Delete => Body::Delete { target },
            Self::React { emoji, on } => Body::Reaction(ReactionBody { target, emoji: emoji.clone(), on: *on }),
            Self::Pin { on } => Body::Pin { target, on: *on },
        }
    }
}

/// What is to be done.
pub(crate) enum Judged {
    /// Write the event.
    Say,
    /// Nothing, because it would change nothing.
    SoAlready,
    /// Nothing, because a rule forbids it.
    Refused(NodeError),
}

/// Judges what is to be said of a message, as it is now.
pub(crate) fn judge(
    tx: &Tx<'_>,
    me: &MachineId,
    message: &Message,
    operation: &Operation,
    now_ms: u64,
) -> Result<Judged, StoreError> {
    let conflict = |code, words: &str| Ok(Judged::Refused(NodeError::Conflict { code, message: words.to_owned() }));
    if message.kind != MessageKind::Text {
        return conflict("system_message", "this line is the session's own, not a message");
    }
    let own = message.author() == me;
    if message.deleted_ms.is_some() {
        return match operation {
            Operation::Delete if own => Ok(Judged::SoAlready),
            _ => conflict("message_deleted", "this message was deleted"),
        };
    }
    match operation {
        Operation::Edit { .. } | Operation::Delete if !own => Ok(Judged::Refused(NodeError::Forbidden {
            code: "not_your_message",
            message: "only who wrote a message edits it or deletes it for everyone".to_owned(),
        })),
        Operation::Edit { text, mentions } if *text == message.text && *mentions == message.mentions => {
            Ok(Judged::SoAlready)
        }
        Operation::Edit { .. } if now_ms.saturating_sub(message.wall_ms) > limits::EDIT_WINDOW_MS => {
            conflict("edit_window_over", "a message can be edited for 24 hours")
        }
        Operation::Edit { .. } if store::operations::edits(tx, message.key)? >= limits::EDITS => {
            conflict("too_many_edits", "this message was edited 100 times already")
        }
        Operation::React { emoji, on } => {
            let reacts = message.reactions.iter().any(|given| given.author == *me && given.emoji == *emoji);
            if reacts == *on {
                return Ok(Judged::SoAlready);
            }
            if *on && message.reactions.len() >= limits::REACTIONS {
                return conflict("too_many_reactions", "this message has 64 reactions already");
            }
            Ok(Judged::Say)
        }
        Operation::Pin { on } if *on == message.pinned => Ok(Judged::SoAlready),
        Operation::Edit { .. } | Operation::Delete | Operation::Pin { .. } => Ok(Judged::Say),
    }
}

/// There is no such message.
pub(crate) fn no_message(id: &MessageId) -> NodeError {
    NodeError::NotFound { code: "message_not_found", message: format!("there is no message {id} here") }
}

/// The message to be answered is not in the session.
pub(crate) fn no_answered(id: &MessageId) -> NodeError {
    NodeError::NotFound {
        code: "message_not_found",
        message: format!("replyTo: there is no message {id} in this session"),
    }
}
