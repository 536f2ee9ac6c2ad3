//! How runs enter the database: what admission asks of it, and the writing of events with their messages.

use proto::event::{Body, Event, MessageBody};
use proto::id::{Epoch, EventId, MachineId, SessionId};
use proto::log::{Head, Known, shown_ms};
use proto::run::VerifiedRun;
use store::messages::{Message, NewMessage, SendState};
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

/// What was written of a run.
pub(crate) struct Written {
    /// The local numbers of all its events.
    pub(crate) keys: Vec<EventKey>,
    /// The messages among them, as they are stored.
    pub(crate) messages: Vec<Message>,
}

/// Writes a run that was admitted or made here, with the messages in it. `temp_id` gives the sender's handle of an own
/// event by its place in the run.
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
    let (mut rows, mut attached) = (Vec::new(), Vec::new());
    for (index, (event, key)) in run.events().iter().zip(&keys).enumerate() {
        let shown = shown_ms(event.header().wall_ms, follows, now_ms);
        follows = Some(shown);
        if let Some(message) = message(event) {
            attached.push((*key, event.message_id(), message.attachments));
            let text = message.text;
            rows.push(NewMessage {
                key: *key,
                id: event.message_id(),
                order: event.header().order(),
                text,
                wall_ms: event.header().wall_ms,
                shown_ms: shown,
                arrived_ms: now_ms,
                temp_id: temp_id(index),
                own,
            });
        }
    }
    if !rows.is_empty() {
        store::messages::insert(tx, session, &rows)?;
    }
    let state = if own { SendState::Queued } else { SendState::Delivered };
    let mut messages: Vec<Message> =
        rows.into_iter().map(|row| stored(row, session, run.session(), state.clone())).collect();
    for ((key, id, attachments), message) in attached.into_iter().zip(&mut messages) {
        if !attachments.is_empty() {
            files::attach(tx, (key, &id), &attachments, own, sharing)?;
            message.attachments = store::attachments::of_message(tx, key)?;
        }
    }
    Ok(Written { keys, messages })
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

/// What a message says; `None` for events of other kinds.
fn message(event: &Event) -> Option<MessageBody> {
    match event.decode_body() {
        Ok(Some(Body::Message(message))) => Some(message),
        _ => None,
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
        attachments: Vec::new(),
    }
}
