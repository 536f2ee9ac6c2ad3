//! How runs enter the database: what admission asks of it, and the writing of events with their messages.

use std::collections::BTreeMap;

use proto::attachment::Attachment;
use proto::event::{Body, Event, Kind, MessageBody, ReactionBody};
use proto::id::{Epoch, EventId, MachineId, MessageId, SessionId};
use proto::log::{Head, Known, shown_ms};
use proto::run::VerifiedRun;
use store::messages::{Message, MessageKind, NewMessage, SendState};
use store::notifications::NotificationKey;
use store::{EventKey, Reader, SessionKey, StoreError, Tx};

use crate::files::{self, Sharing};

/// What admission asks, answered from the database.
pub(crate) struct Held<'a> {
    reader: &'a Reader<'a>,
    /// `None` while the session is not known here: nothing of it is held.
    session: Option<SessionKey>,
}

impl<'a> Held<'a> {
    /// Of one session.
    pub(crate) fn new(reader: &'a Reader<'a>, session: Option<SessionKey>) -> Self {
        Self { reader, session }
    }
}

/// A log's head as `proto` has it.
pub(crate) fn head(head: &store::logs::Head) -> Head {
    Head { seq: head.seq, id: head.id, lamport: head.lamport, frozen: head.frozen }
}

impl Known for Held<'_> {
    type Error = StoreError;

    fn head(&self, _: SessionId, author: &MachineId, epoch: Epoch) -> Result<Option<Head>, StoreError> {
        let Some(session) = self.session else { return Ok(None) };
        Ok(store::logs::head(self.reader, session, author, epoch)?.as_ref().map(head))
    }

    fn id_at(&self, _: SessionId, author: &MachineId, epoch: Epoch, seq: u64) -> Result<Option<EventId>, StoreError> {
        let Some(session) = self.session else { return Ok(None) };
        store::events::id_at(self.reader, session, author, epoch, seq)
    }

    fn lamport(&self, _: SessionId, id: &EventId) -> Result<Option<u64>, StoreError> {
        let Some(session) = self.session else { return Ok(None) };
        store::events::known(self.reader, session, id)
    }

    fn epochs(&self, _: SessionId, author: &MachineId) -> Result<u64, StoreError> {
        let Some(session) = self.session else { return Ok(0) };
        let heads = store::logs::heads(self.reader, session)?;
        Ok(heads.iter().filter(|head| head.author == *author).count() as u64)
    }
}

/// Whom messages mentioned.
pub(crate) type Mentioned = BTreeMap<EventKey, Vec<MachineId>>;

/// What was written of a run.
pub(crate) struct Written {
    /// The local numbers of all its events.
    pub(crate) keys: Vec<EventKey>,
    /// The messages among them, as they are stored.
    pub(crate) messages: Vec<Message>,
    /// Earlier messages of which it says something.
    pub(crate) changed: Vec<EventKey>,
    /// Reactions that count, with who reacted.
    pub(crate) reactions: Vec<(MachineId, ReactionBody)>,
    /// Earlier messages that were edited, with those whom they mentioned before.
    pub(crate) mentioned: Mentioned,
    /// Records of the notification centre that went with deleted messages.
    pub(crate) noted: Vec<NotificationKey>,
}

/// Writes a run that was admitted or made here, with the messages in it and what it says of others. `temp_id` gives the
/// sender's handle of an own event by its place in the run.
pub(crate) fn write(
    tx: &Tx<'_>,
    session: SessionKey,
    run: &VerifiedRun,
    own: bool,
    now_ms: u64,
    sharing: &Sharing,
    mut temp_id: impl FnMut(usize) -> Option<String>,
) -> Result<Written, StoreError> {
    let mut follows = shown_before(tx, session, run)?;
    let keys = store::events::append(tx, session, run, now_ms)?;
    // Whether the rows are as they were put together here, and need not be read back.
    let mut settled = true;
    let (mut rows, mut operations) = (Vec::new(), Vec::new());
    for (index, (event, key)) in run.events().iter().zip(&keys).enumerate() {
        let shown = shown_ms(event.header().wall_ms, follows, now_ms);
        follows = Some(shown);
        match read(event) {
            Said::Row(said) => {
                if !said.attachments.is_empty() {
                    files::attach(tx, (*key, &event.message_id()), &said.attachments, own, sharing)?;
                    settled = false;
                }
                rows.push(NewMessage {
                    key: *key,
                    id: event.message_id(),
                    order: event.header().order(),
                    text: said.text,
                    wall_ms: event.header().wall_ms,
                    shown_ms: shown,
                    arrived_ms: now_ms,
                    temp_id: temp_id(index),
                    own,
                    kind: said.kind,
                    reply_to: said.reply_to,
                    forwarded: said.forwarded,
                    mentions: said.mentions,
                    timer_seconds: said.timer_seconds,
                    deleted: said.deleted,
                });
            }
            Said::Operation => operations.push((*key, event)),
            Said::Nothing => {}
        }
    }
    settled &= rows.iter().all(|row| row.reply_to.is_none());
    if !rows.is_empty() {
        settled &= !store::messages::insert(tx, session, &rows)?;
    }
    let mut changed = Vec::new();
    let (mut reactions, mut noted, mut mentioned) = (Vec::new(), Vec::new(), Mentioned::new());
    for (key, event) in operations {
        let body = event.decode_body();
        let before = match &body {
            Ok(Some(Body::Edit(edit))) => store::messages::get(tx, &edit.target)?,
            _ => None,
        };
        let Some(of) = store::operations::apply(tx, session, key, event, now_ms)? else { continue };
        changed.push(of);
        if let Some(before) = before {
            mentioned.entry(of).or_insert(before.mentions);
        }
        match body {
            Ok(Some(Body::Reaction(reaction))) => reactions.push((event.header().author, reaction)),
            Ok(Some(Body::Delete { .. })) => noted.extend(store::notifications::forget(tx, of)?),
            _ => {}
        }
    }
    let new: Vec<EventKey> = rows.iter().map(|row| row.key).collect();
    settled &= changed.iter().all(|key| !new.contains(key));
    changed.retain(|key| !new.contains(key));
    let messages = if settled {
        let state = if own { SendState::Queued } else { SendState::Delivered };
        rows.into_iter().map(|row| stored(row, session, run.session(), state.clone())).collect()
    } else {
        store::messages::by_keys(tx, &new)?
    };
    changed.sort_unstable();
    changed.dedup();
    Ok(Written { keys, messages, changed, reactions, mentioned, noted })
}

/// The latest shown time of what a run follows: the event before it, and its parents.
fn shown_before(tx: &Tx<'_>, session: SessionKey, run: &VerifiedRun) -> Result<Option<u64>, StoreError> {
    let mut keys = Vec::new();
    if let Some(head) = store::logs::head(tx, session, &run.author(), run.epoch())? {
        keys.push(head.last_event);
    }
    for parent in run.events().iter().flat_map(|event| &event.header().parents) {
        keys.extend(store::events::find(tx, session, parent)?);
    }
    let messages = store::messages::by_keys(tx, &keys)?;
    Ok(messages.iter().map(|message| message.shown_ms).max())
}

/// What an event says, for the conversation.
enum Said {
    /// A row of it.
    Row(Row),
    /// Something of a row.
    Operation,
    /// Nothing that is shown.
    Nothing,
}

#[derive(Default)]
struct Row {
    text: String,
    kind: MessageKind,
    reply_to: Option<MessageId>,
    attachments: Vec<Attachment>,
    forwarded: bool,
    mentions: Vec<MachineId>,
    timer_seconds: Option<u64>,
    deleted: bool,
}

fn read(event: &Event) -> Said {
    match event.decode_body() {
        Ok(Some(Body::Message(body))) => {
            let MessageBody { text, reply_to, attachments, forwarded, expires_after, mentions } = body;
            let timer_seconds = expires_after;
            Said::Row(Row { text, reply_to, attachments, forwarded, mentions, timer_seconds, ..Row::default() })
        }
        Ok(Some(Body::Timer { seconds })) => {
            Said::Row(Row { kind: MessageKind::Timer, timer_seconds: Some(seconds), ..Row::default() })
        }
        Ok(Some(Body::Edit(_) | Body::Delete { .. } | Body::Reaction(_) | Body::Pin { .. })) => Said::Operation,
        // Whoever had it has deleted it.
        Ok(None) if event.header().kind == Kind::MESSAGE => Said::Row(Row { deleted: true, ..Row::default() }),
        _ => Said::Nothing,
    }
}

/// A row as reading it back would give it.
fn stored(row: NewMessage, session: SessionKey, session_id: SessionId, state: SendState) -> Message {
    Message {
        key: row.key,
        id: row.id,
        session,
        session_id,
        order: row.order,
        text: row.text,
        wall_ms: row.wall_ms,
        shown_ms: row.shown_ms,
        arrived_ms: row.arrived_ms,
        temp_id: row.temp_id,
        state,
        delivered_ms: None,
        held_by: None,
        attachments: Vec::new(),
        kind: row.kind,
        read_ms: None,
        edited_ms: None,
        deleted_ms: row.deleted.then_some(row.shown_ms),
        reply_to: row.reply_to,
        quote: None,
        reactions: Vec::new(),
        pinned: false,
        forwarded: row.forwarded,
        mentions: row.mentions,
        timer_seconds: row.timer_seconds,
        expires_ms: None,
    }
}
