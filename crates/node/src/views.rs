//! From what is stored to what is shown.

use std::path::Path;

use proto::event::{Order, ReactionBody};
use proto::id::{Epoch, MachineId, SessionId};
use store::attachments::Stored;
use store::machines::Trust;
use store::messages::{MessageKind, SendState};
use store::search::Kind;
use store::sessions::{Listed, SessionKind};
use store::{Reader, StoreError};

use crate::core::Core;
use crate::view::{
    self, Change, Message, MessageState, MessageType, Notify, Quote, Reaction, Receipts, Session, SystemLine, Upload,
};
use crate::{files, times};

/// Between a caller and its own handle, so that the handles of two callers do not mix. No caller's name holds it.
const CALLER_END: char = '\u{1f}';

/// A sender's handle as it is stored.
pub(crate) fn kept_temp_id(caller: &str, temp_id: &str) -> String {
    format!("{caller}{CALLER_END}{temp_id}")
}

/// The two sides of a session, in the words in which they are shown. Made once for many messages: the text of a machine ID
/// takes longer than the rest of a row.
pub(crate) struct Sides {
    me: MachineId,
    my_id: String,
    /// The other machine of a direct session.
    peer_id: Option<String>,
    /// Whether it is shown what the other's person has seen.
    reads: bool,
}

impl Sides {
    pub(crate) fn of(core: &Core, peer: Option<&MachineId>) -> Self {
        let reads = core.kept().settings.read_receipts;
        Self { me: core.me, my_id: core.me.to_string(), peer_id: peer.map(ToString::to_string), reads }
    }

    /// A machine's ID as text.
    fn id(&self, machine: &MachineId) -> String {
        if *machine == self.me { self.my_id.clone() } else { machine.to_string() }
    }

    /// A message as it is shown.
    pub(crate) fn message(&self, message: &store::messages::Message) -> Message {
        let author = message.author();
        let own = *author == self.me;
        let receiver = if own { self.peer_id.clone() } else { Some(self.my_id.clone()) };
        let sender = match &self.peer_id {
            _ if own => self.my_id.clone(),
            Some(peer) => peer.clone(),
            None => author.to_string(),
        };
        let (state, failure) = match &message.state {
            SendState::Queued => (MessageState::Queued, None),
            SendState::Read if self.reads => (MessageState::Read, None),
            SendState::Delivered | SendState::Read => (MessageState::Delivered, None),
            SendState::Failed { reason } => (MessageState::Failed, Some(reason.clone())),
        };
        let temp_id = message.temp_id.as_deref().and_then(|kept| kept.split_once(CALLER_END));
        Message {
            id: message.id.to_string(),
            session_id: message.session_id.to_string(),
            sender_user_id: sender,
            receiver_user_id: receiver,
            message: message.text.clone(),
            message_type: message_type(message.kind, &message.attachments),
            timestamp: times::text(message.shown_ms),
            state,
            failure,
            held_by: message.held_by.clone().filter(|_| state == MessageState::Queued),
            temp_id: temp_id.map(|(_, temp_id)| temp_id.to_owned()),
            delivered_at: message.delivered_ms.map(times::text),
            order: message.order.to_string(),
            read_at: message.read_ms.filter(|_| self.reads).map(times::text),
            edited_at: message.edited_ms.map(times::text),
            deleted_at: message.deleted_ms.map(times::text),
            reply_to: message.reply_to.map(|id| id.to_string()),
            quote: message.quote.as_deref().map(|quote| self.quote(quote)),
            reactions: message.reactions.iter().map(|reaction| self.reaction(reaction)).collect(),
            pinned: message.pinned,
            forwarded: message.forwarded,
            expires_at: message.expires_ms.map(times::text),
            attachments: message.attachments.iter().map(files::view).collect(),
            mentions: message.mentions.iter().map(|machine| self.id(machine)).collect(),
            receipts: Receipts {
                delivered: u32::from(own && matches!(state, MessageState::Delivered | MessageState::Read)),
                read: u32::from(own && state == MessageState::Read),
                of: 1,
            },
            system: match message.kind {
                MessageKind::Text => None,
                MessageKind::Timer => Some(SystemLine::Timer { seconds: seconds(message.timer_seconds.unwrap_or(0)) }),
            },
        }
    }

    fn quote(&self, quote: &store::messages::Quote) -> Quote {
        Quote {
            id: quote.id.to_string(),
            sender_user_id: self.id(&quote.author),
            message: quote.text.clone(),
            message_type: message_type(quote.kind, &quote.attachments),
            deleted: quote.deleted,
            attachment: quote.attachments.first().map(|stored| stored.attachment.name.clone()),
        }
    }

    fn reaction(&self, reaction: &store::messages::Reaction) -> Reaction {
        Reaction {
            emoji: reaction.emoji.clone(),
            user_id: self.id(&reaction.author),
            at: times::text(reaction.shown_ms),
        }
    }
}

/// What the stream is told of a reaction.
pub(crate) fn reaction(session: SessionId, author: &MachineId, reaction: &ReactionBody) -> Change {
    Change::Reaction {
        session_id: session.to_string(),
        message_id: reaction.target.to_string(),
        user_id: author.to_string(),
        emoji: reaction.emoji.clone(),
        on: reaction.on,
    }
}

fn message_type(kind: MessageKind, attachments: &[Stored]) -> MessageType {
    match kind {
        MessageKind::Text => type_of(attachments),
        MessageKind::Timer => MessageType::System,
    }
}

/// Seconds of a timer, which are at most a year.
fn seconds(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn type_of(attachments: &[Stored]) -> MessageType {
    match Kind::of(attachments) {
        Kind::Text => MessageType::Text,
        Kind::Image => MessageType::Image,
        Kind::File => MessageType::File,
    }
}

/// A session's row, with what is shown of it beside that.
pub(crate) struct Row {
    pub(crate) session: store::sessions::Session,
    pub(crate) last: Option<store::messages::Message>,
    /// What its draft carries.
    pub(crate) drafted: Vec<Upload>,
}

impl Row {
    /// Of one session. `files` is the folder of the program's own copies.
    pub(crate) fn read(reader: &Reader<'_>, files: &Path, id: &SessionId) -> Result<Option<Self>, StoreError> {
        let Some(session) = store::sessions::get_by_id(reader, id)? else { return Ok(None) };
        let last_message = store::messages::by_keys(reader, session.last_message.as_slice())?.pop();
        Self::of(reader, files, Listed { session, last_message }).map(Some)
    }

    /// Of a row of the list.
    pub(crate) fn of(reader: &Reader<'_>, files: &Path, listed: Listed) -> Result<Self, StoreError> {
        let Listed { session, last_message } = listed;
        let drafted = files::drafted(reader, files, session.key)?;
        Ok(Self { session, last: last_message, drafted })
    }
}

/// A session as it is shown.
pub(crate) fn session(core: &Core, row: &Row) -> Session {
    let Row { session, last, drafted } = row;
    let peer = session.peer.as_ref();
    let user = peer.and_then(|peer| core.people.user(peer));
    let mut participants = vec![core.me];
    participants.extend(peer);
    participants.sort();
    let request = peer.and_then(|peer| core.people.get(peer)).is_some_and(|person| person.trust == Trust::Requested);
    Session {
        session_id: session.id.to_string(),
        kind: match session.kind {
            SessionKind::Direct => view::SessionKind::Direct,
        },
        title: user.as_ref().map(|user| user.name.clone()).unwrap_or_default(),
        participants: participants.iter().map(ToString::to_string).collect(),
        peer: user,
        created_at: times::text(session.created_ms),
        last_message: last.as_ref().map(|last| Sides::of(core, peer).message(last)),
        unread_count: session.unread_count,
        waiting_count: session.waiting_count,
        pinned: session.pinned,
        muted_until: session.muted_until_ms.map(times::text),
        archived: session.archived,
        draft: session.draft.clone(),
        first_unread: session.first_unread.map(|id| id.to_string()),
        request,
        held: core.is_held(&session.id),
        typing: core.signals.typing_in(&session.id).iter().map(ToString::to_string).collect(),
        timer_seconds: seconds(session.timer_seconds),
        retention_days: session.retention_days,
        notify: match session.notify {
            store::sessions::Notify::All => Notify::All,
            store::sessions::Notify::Mentions => Notify::Mentions,
            store::sessions::Notify::None => Notify::None,
        },
        marked_unread: session.marked_unread,
        draft_reply_to: session.draft_reply_to.map(|id| id.to_string()),
        draft_attachments: drafted.clone(),
        pinned_messages: session.pinned_messages.iter().map(ToString::to_string).collect(),
    }
}

/// The place that a message's `order` says: the fixed-width hexadecimal of [`Order`]'s text. `None` when it is none.
pub(crate) fn parse_order(text: &str) -> Option<Order> {
    const NUMBER: usize = 16;
    const AUTHOR: usize = 64;
    if text.len() != 3 * NUMBER + AUTHOR || !text.is_ascii() {
        return None;
    }
    let (lamport, rest) = text.split_at_checked(NUMBER)?;
    let (author, rest) = rest.split_at_checked(AUTHOR)?;
    let (epoch, seq) = rest.split_at_checked(NUMBER)?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok().filter(|value| *value <= proto::limits::INTEGER_MAX);
    // An event ID's text is the same 64 digits.
    let author: proto::id::EventId = author.parse().ok()?;
    Some(Order {
        lamport: number(lamport)?,
        author: MachineId::from_bytes(*author.as_bytes()),
        epoch: Epoch::new(number(epoch)?),
        seq: number(seq)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_there_and_back() {
        let order = Order {
            lamport: 17,
            author: MachineId::from_bytes([0xa5; 32]),
            epoch: Epoch::new(3),
            seq: u64::from(u32::MAX),
        };
        assert_eq!(parse_order(&order.to_string()), Some(order));
        for bad in ["", "zz", &"0".repeat(111), &"x".repeat(112), &"ä".repeat(56), &"f".repeat(112)] {
            assert_eq!(parse_order(bad), None, "{bad}");
        }
    }
}
