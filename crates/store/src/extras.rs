//! What belongs to a message and stands elsewhere: its reactions, and the message that it answers. Looked up for those
//! messages only that have some.

use proto::{MachineId, MessageId, limits};

use crate::attachments::Stored;
use crate::columns::{machine_id, unsigned};
use crate::messages::{Message, MessageKind};
use crate::{EventKey, Reader, StoreError, attachments};

/// Characters of a message that its answer quotes.
const QUOTE_CHARS: usize = 200;

/// A message in short, as its answer shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Its local number.
    pub key: EventKey,
    /// Its ID.
    pub id: MessageId,
    /// Who wrote it.
    pub author: MachineId,
    /// The first characters of its text.
    pub text: String,
    /// What it is.
    pub kind: MessageKind,
    /// Whether it was deleted for everyone.
    pub deleted: bool,
    /// Its files and folders.
    pub attachments: Vec<Stored>,
}

/// A reaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// Who reacted.
    pub author: MachineId,
    /// When, as shown.
    pub shown_ms: u64,
}

impl Reaction {
    /// Stands where reactions are to be filled in.
    pub(crate) const PLACE: Self = Self { emoji: String::new(), author: MachineId::from_bytes([0; 32]), shown_ms: 0 };
}

/// Fills in what stands beside the rows of messages.
pub(crate) fn fill<'m>(reader: &Reader<'_>, messages: impl Iterator<Item = &'m mut Message>) -> Result<(), StoreError> {
    let mut messages: Vec<&mut Message> = messages.collect();
    attachments::fill(reader, messages.iter_mut().map(|message| &mut **message))?;
    messages.into_iter().try_for_each(|message| fill_one(reader, message))
}

fn fill_one(reader: &Reader<'_>, message: &mut Message) -> Result<(), StoreError> {
    if !message.reactions.is_empty() {
        message.reactions = reactions(reader, message.key)?;
    }
    if let Some(answered) = &message.reply_to {
        message.quote = quote(reader, message, answered)?.map(Box::new);
    }
    Ok(())
}

fn reactions(reader: &Reader<'_>, message: EventKey) -> Result<Vec<Reaction>, StoreError> {
    reader.all(
        "SELECT r.emoji, a.id, r.shown_ms FROM reactions r CROSS JOIN machines a ON a.key = r.author
         WHERE r.message = ?1 AND r.active ORDER BY r.lamport, r.author_rank, r.epoch, r.seq LIMIT ?2",
        (message, limits::REACTIONS as i64),
        |row| Ok(Reaction { emoji: row.get(0)?, author: machine_id(row, 1)?, shown_ms: unsigned(row, 2)? }),
    )
}

/// The message that another answers, if it is in the same session.
fn quote(reader: &Reader<'_>, message: &Message, answered: &MessageId) -> Result<Option<Quote>, StoreError> {
    let quote = reader.one(
        "SELECT m.key, a.id, m.text, m.kind, m.deleted_ms IS NOT NULL
         FROM messages m CROSS JOIN machines a ON a.key = m.author WHERE m.id = ?1 AND m.session = ?2",
        (answered.as_bytes(), message.session),
        |row| {
            Ok(Quote {
                key: row.get(0)?,
                id: *answered,
                author: machine_id(row, 1)?,
                text: row.get_ref(2)?.as_str()?.chars().take(QUOTE_CHARS).collect(),
                kind: row.get(3)?,
                deleted: row.get(4)?,
                attachments: Vec::new(),
            })
        },
    )?;
    let Some(mut quote) = quote else { return Ok(None) };
    quote.attachments = attachments::of_message(reader, quote.key)?;
    Ok(Some(quote))
}
