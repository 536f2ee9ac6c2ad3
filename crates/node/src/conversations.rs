//! The commands about sessions and messages.

use proto::event::{MessageBody, Order as Place};
use proto::id::{MachineId, MessageId, SessionId};
use proto::limits;
use proto::text;
use store::messages::{Cursor, SendState};
use store::{Reader, SessionKey, StoreError};
use tokio::sync::oneshot;

use crate::error::text_error;
use crate::node::{Node, parse_machine};
use crate::outgoing::Order;
use crate::view::{Change, Message, Page, Session};
use crate::views::Sides;
use crate::{NodeError, PageRequest, SendRequest, files, reads, times, views};

/// Longest handle of a sender's own, in bytes.
const TEMP_ID_BYTES: usize = 128;

/// Rows of a page when the caller does not say.
const PAGE: u32 = 50;

/// Sessions read at once for the list.
const LIST_PART: u32 = 500;

impl Node {
    /// All sessions: pinned first, then by newest message.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sessions(&self) -> Result<Vec<Session>, NodeError> {
        let core = self.core();
        let files = core.files.dir.clone();
        let rows = core
            .store
            .read(move |reader| {
                let mut rows = Vec::new();
                let mut after = None;
                loop {
                    let part = store::sessions::list(reader, after.as_ref(), LIST_PART)?;
                    let ended = part.len() < LIST_PART as usize;
                    after = part.last().map(store::sessions::Listed::cursor);
                    for listed in part {
                        rows.push(views::Row::of(reader, &files, listed)?);
                    }
                    if ended {
                        return Ok(rows);
                    }
                }
            })
            .await?;
        Ok(rows.iter().map(|row| views::session(core, row)).collect())
    }

    /// One session.
    ///
    /// # Errors
    /// When the ID is malformed or not known here.
    pub async fn session(&self, session: &str) -> Result<Session, NodeError> {
        self.session_view(parse_session(session)?).await
    }

    /// The direct session with a machine, made when there is none; true when it was made. Accepts the machine then.
    ///
    /// # Errors
    /// When the ID is malformed, this machine's own, or blocked.
    pub async fn create_session(&self, user: &str) -> Result<(Session, bool), NodeError> {
        let peer = parse_machine(user)?;
        if peer == self.machine_id() {
            let message = "a session needs another machine than this one".to_owned();
            return Err(NodeError::Invalid { code: "own_machine", field: "receiverUserId", message });
        }
        let (reply, answer) = oneshot::channel();
        self.order(Order::Open { peer, reply }).await?;
        let made = answer.await.map_err(|_| shutting_down())??;
        let session = self.session_view(SessionId::direct(&self.machine_id(), &peer)).await?;
        Ok((session, made))
    }

    /// A page of a session's messages, oldest first. Cursors are those of a page, a message's `order`, or a message ID.
    ///
    /// # Errors
    /// When a cursor is malformed or the session or message is not known.
    pub async fn messages(&self, session: &str, page: PageRequest) -> Result<Page<Message>, NodeError> {
        let id = parse_session(session)?;
        let limit = page.limit.unwrap_or(PAGE);
        if !(1..=store::messages::PAGE).contains(&limit) {
            let message = format!("limit must be 1 to {}, not {limit}", store::messages::PAGE);
            return Err(NodeError::Invalid { code: "invalid_limit", field: "limit", message });
        }
        let around = page.around.as_deref();
        let asked = match (&page.before, &page.after, around, &page.date) {
            (None, None, None, None) => Asked::Newest,
            (Some(before), None, None, None) => Asked::Before(parse_place("before", before)?),
            (None, Some(after), None, None) => Asked::After(parse_place("after", after)?),
            (None, None, Some("unread"), None) => Asked::Unread,
            (None, None, Some(around), None) => Asked::Around(parse_place("around", around)?),
            (None, None, None, Some(date)) => Asked::Date(times::parse(date).ok_or_else(|| {
                let message = "date must be a time such as 2026-01-31T08:00:00Z".to_owned();
                NodeError::Invalid { code: "invalid_time", field: "date", message }
            })?),
            _ => {
                let message = "a page takes only one of before, after, around and date".to_owned();
                return Err(NodeError::Invalid { code: "invalid_cursor", field: "before", message });
            }
        };
        let found = self.core().store.read(move |reader| read_page(reader, &id, &asked, limit)).await?;
        let (peer, page) = found.ok_or_else(|| no_session(&id))?;
        let page = page.ok_or_else(|| NodeError::NotFound {
            code: "message_not_found",
            message: "the message that the page was asked around is not in this session".to_owned(),
        })?;
        let sides = Sides::of(self.core(), peer.as_ref());
        let cursor = |message: Option<&store::messages::Message>, more: bool| {
            message.filter(|_| more).map(|message| message.order.to_string())
        };
        Ok(Page {
            next_before: cursor(page.messages.first(), page.more_before),
            next_after: cursor(page.messages.last(), page.more_after),
            items: page.messages.iter().map(|row| sides.message(row)).collect(),
        })
    }

    /// One message.
    ///
    /// # Errors
    /// When the ID is malformed or not known here.
    pub async fn message(&self, message: &str) -> Result<Message, NodeError> {
        let (row, peer) = self.stored_message(message).await?;
        Ok(Sides::of(self.core(), peer.as_ref()).message(&row))
    }

    /// Judges a message without sending it, so that a caller can refuse it before it opens a session for it.
    ///
    /// # Errors
    /// When the text or the handle breaks a rule.
    pub fn check_message(message: &str, attachments: &[String], temp_id: Option<&str>) -> Result<(), NodeError> {
        parse_uploads("attachments", attachments)?;
        if message.is_empty() && !attachments.is_empty() {
            return temp_id.map_or(Ok(()), check_temp_id);
        }
        text::check_message(message).map_err(|error| match text_error("message", error) {
            NodeError::TooLarge { field, limit, actual, .. } => NodeError::TooLarge {
                code: "message_too_long",
                field,
                limit,
                actual,
                message: format!("A message can hold {limit} bytes; this one has {actual}."),
            },
            other => other,
        })?;
        temp_id.map_or(Ok(()), check_temp_id)
    }

    /// Writes a message to this disk and lets it go; it returns as `queued`. Accepts the other machine.
    ///
    /// # Errors
    /// When the text breaks a rule, the session is not known, its machine is blocked, or the disk is full.
    pub async fn send_message(&self, request: SendRequest) -> Result<Message, NodeError> {
        let session = parse_session(&request.session)?;
        Self::check_message(&request.message, &request.attachments, request.temp_id.as_deref())?;
        let uploads = parse_uploads("attachments", &request.attachments)?;
        let reply_to = request.reply_to.as_deref().map(|id| parse_message("replyTo", id)).transpose()?;
        let mentions = parse_mentions(&request.mentions)?;
        let message = MessageBody { text: request.message, reply_to, mentions, ..MessageBody::default() };
        let temp_id = request.temp_id.map(|temp_id| views::kept_temp_id(&request.caller, &temp_id));
        let (reply, answer) = oneshot::channel();
        self.order(Order::Send { session, message, uploads, temp_id, reply }).await?;
        answer.await.map_err(|_| shutting_down())?
    }

    /// Sends a failed message again, and whatever else waits for the same machine.
    ///
    /// # Errors
    /// When it is not known or has not failed.
    pub async fn retry_message(&self, message: &str) -> Result<Message, NodeError> {
        let (row, peer) = self.stored_message(message).await?;
        let SendState::Failed { .. } = row.state else {
            let message = "only a message that failed can be sent again".to_owned();
            return Err(NodeError::Conflict { code: "message_not_failed", message });
        };
        let (key, session, id) = (row.key, row.session, row.session_id);
        let rows = self
            .core()
            .store
            .write(move |tx| {
                let changed = store::messages::retry(tx, &[key])?;
                if let Some(peer) = peer {
                    store::outbox::set_failed(tx, &peer, session, &changed, None)?;
                }
                store::messages::by_keys(tx, &[key])
            })
            .await?;
        let row = rows.first().ok_or_else(|| no_message(message))?;
        let view = Sides::of(self.core(), peer.as_ref()).message(row);
        self.core().hub.publish(Change::MessageChanged { message: view.clone(), incoming: false });
        self.core().hub.mark(id);
        if let Some(link) = peer.and_then(|peer| self.core().links.get(&peer)) {
            // The peer compares, and asks for what it lacks.
            link.with(|pending| {
                pending.digests.insert(id);
            });
        }
        Ok(view)
    }

    /// Marks a message as read, with all before it in its session.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn mark_message_read(&self, message: &str) -> Result<Session, NodeError> {
        let (row, _) = self.stored_message(message).await?;
        self.mark_read(row.session_id, row.session, Some(row.order)).await
    }

    /// Marks a session as read, up to and with a message, or wholly.
    ///
    /// # Errors
    /// When session or message is not known.
    pub async fn mark_session_read(&self, session: &str, up_to: Option<&str>) -> Result<Session, NodeError> {
        let id = parse_session(session)?;
        let key = self.core().store.read(move |reader| store::sessions::find(reader, &id)).await?;
        let key = key.ok_or_else(|| no_session(&id))?;
        let up_to = match up_to {
            Some(message) => {
                let (row, _) = self.stored_message(message).await?;
                if row.session_id != id {
                    return Err(no_message(message));
                }
                Some(row.order)
            }
            None => None,
        };
        self.mark_read(id, key, up_to).await
    }

    /// Unread messages of all sessions.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unread_count(&self) -> Result<u32, NodeError> {
        Ok(self.core().store.read(store::sessions::totals).await?.unread)
    }

    async fn mark_read(&self, id: SessionId, key: SessionKey, up_to: Option<Place>) -> Result<Session, NodeError> {
        let core = self.core();
        let peer = core.store.read(move |reader| store::sessions::get(reader, key)).await?.and_then(|row| row.peer);
        let told = peer.filter(|peer| reads::shared_with(core, peer));
        let away = told.is_some_and(|peer| core.links.get(&peer).is_none());
        let (identity, now_ms) = (core.identity.clone(), core.clock.wall_ms());
        let (read, timed, receipt, noted) = core
            .store
            .write(move |tx| {
                let read = store::messages::mark_read(tx, key, up_to.as_ref())?;
                let timed = store::removal::start_timers(tx, key, up_to.as_ref(), now_ms)?;
                let receipt = match told {
                    Some(_) => reads::sign(tx, &identity, id, key, up_to.as_ref(), now_ms)?,
                    None => None,
                };
                if let (Some(peer), Some(_)) = (told.filter(|_| away), &receipt) {
                    store::reach::owe(tx, &peer)?;
                }
                let all = store::sessions::get(tx, key)?.is_none_or(|session| session.unread_count == 0);
                let noted = if all { store::notifications::read_session(tx, key)? } else { Vec::new() };
                Ok((read, store::messages::by_keys(tx, &timed)?, receipt, noted))
            })
            .await?;
        for key in noted {
            core.hub.note(key);
        }
        if let (Some(receipt), Some(peer)) = (receipt, told) {
            reads::tell(core, peer, id, receipt, away).await?;
        }
        if !timed.is_empty() {
            let sides = Sides::of(core, peer.as_ref());
            for row in &timed {
                core.hub.publish(Change::MessageChanged { message: sides.message(row), incoming: false });
            }
            core.expiry.notify_one();
        }
        let session = self.session_view(id).await?;
        if session.unread_count == 0 {
            core.notices.settle(core, id);
        }
        // Also when nothing was unread: the session may have been marked so by hand.
        if read > 0 || up_to.is_none() {
            core.hub.mark(id);
        }
        Ok(session)
    }

    pub(crate) async fn session_view(&self, id: SessionId) -> Result<Session, NodeError> {
        let core = self.core();
        let files = core.files.dir.clone();
        let found = core.store.read(move |reader| views::Row::read(reader, &files, &id)).await?;
        Ok(views::session(core, &found.ok_or_else(|| no_session(&id))?))
    }

    pub(crate) async fn stored_message(
        &self,
        id: &str,
    ) -> Result<(store::messages::Message, Option<MachineId>), NodeError> {
        let parsed = parse_message("messageId", id)?;
        let found = self
            .core()
            .store
            .read(move |reader| {
                let Some(row) = store::messages::get(reader, &parsed)? else { return Ok(None) };
                let peer = store::sessions::get(reader, row.session)?.and_then(|session| session.peer);
                Ok(Some((row, peer)))
            })
            .await?;
        found.ok_or_else(|| no_message(id))
    }

    pub(crate) async fn order(&self, order: Order) -> Result<(), NodeError> {
        self.core().outgoing.send(order).await.map_err(|_| shutting_down())
    }
}

/// Which page was asked for.
enum Asked {
    Newest,
    Before(At),
    After(At),
    Around(At),
    /// Around the first message shown at this time or later.
    Date(u64),
    Unread,
}

/// A place, or the message that stands there.
enum At {
    Place(Place),
    Message(MessageId),
}

type Found = Option<(Option<MachineId>, Option<store::messages::Page>)>;

/// The page, with the session's peer; the page is absent when the message that was named is not in the session.
fn read_page(reader: &Reader<'_>, id: &SessionId, asked: &Asked, limit: u32) -> Result<Found, StoreError> {
    let Some(session) = store::sessions::get_by_id(reader, id)? else { return Ok(None) };
    let place = |at: &At| match at {
        At::Place(place) => Ok(Some(*place)),
        At::Message(message) => {
            let row = store::messages::get(reader, message)?;
            Ok::<_, StoreError>(row.filter(|row| row.session == session.key).map(|row| row.order))
        }
    };
    let cursor = match asked {
        Asked::Newest => Some(Cursor::Last),
        Asked::Before(at) => place(at)?.map(Cursor::Before),
        Asked::After(at) => place(at)?.map(Cursor::After),
        Asked::Around(at) => place(at)?.map(Cursor::Around),
        Asked::Date(shown_ms) => {
            let first = store::messages::at_time(reader, session.key, *shown_ms)?;
            Some(first.map_or(Cursor::Last, |first| Cursor::Around(first.order)))
        }
        Asked::Unread => {
            let first = store::messages::first_unread(reader, session.key)?;
            Some(first.map_or(Cursor::Last, |first| Cursor::Around(first.order)))
        }
    };
    let page = match cursor {
        Some(cursor) => Some(store::messages::page(reader, session.key, &cursor, limit)?),
        None => None,
    };
    Ok(Some((session.peer, page)))
}

fn parse_place(field: &'static str, text: &str) -> Result<At, NodeError> {
    if let Some(place) = views::parse_order(text) {
        return Ok(At::Place(place));
    }
    text.parse().map(At::Message).map_err(|_| {
        let message = format!("{field} must be a cursor from a page or a message ID");
        NodeError::Invalid { code: "invalid_cursor", field, message }
    })
}

pub(crate) fn parse_session(text: &str) -> Result<SessionId, NodeError> {
    text.parse().map_err(|error| {
        let message = format!("sessionId {error}");
        NodeError::Invalid { code: "invalid_id", field: "sessionId", message }
    })
}

pub(crate) fn parse_message(field: &'static str, text: &str) -> Result<MessageId, NodeError> {
    text.parse().map_err(|error| {
        let message = format!("{field} {error}");
        NodeError::Invalid { code: "invalid_id", field, message }
    })
}

pub(crate) fn parse_mentions(mentions: &[String]) -> Result<Vec<MachineId>, NodeError> {
    if mentions.len() > limits::MENTIONS {
        let (limit, actual) = (limits::MENTIONS as u64, mentions.len() as u64);
        let message = format!("a message can mention {limit} machines; this one has {actual}");
        return Err(NodeError::TooLarge { code: "too_many_mentions", field: "mentions", limit, actual, message });
    }
    let parse = |text: &String| {
        text.parse().map_err(|error| {
            let message = format!("mentions: {error}");
            NodeError::Invalid { code: "invalid_id", field: "mentions", message }
        })
    };
    mentions.iter().map(parse).collect()
}

/// The uploads that a message is to carry.
pub(crate) fn parse_uploads(field: &'static str, ids: &[String]) -> Result<Vec<[u8; 16]>, NodeError> {
    if ids.len() > limits::ATTACHMENTS {
        let (limit, actual) = (limits::ATTACHMENTS as u64, ids.len() as u64);
        let message = format!("a message can carry {limit} attachments; this one has {actual}");
        return Err(NodeError::TooLarge { code: "too_many_attachments", field, limit, actual, message });
    }
    ids.iter().map(|id| files::parse_uuid(field, id)).collect()
}

fn check_temp_id(temp_id: &str) -> Result<(), NodeError> {
    if temp_id.len() > TEMP_ID_BYTES {
        let (limit, actual) = (TEMP_ID_BYTES as u64, temp_id.len() as u64);
        let message = format!("tempId can hold {limit} bytes; this one has {actual}");
        return Err(NodeError::TooLarge { code: "temp_id_too_long", field: "tempId", limit, actual, message });
    }
    if temp_id.is_empty() || temp_id.chars().any(char::is_control) {
        let message = "tempId must not be empty or hold control characters".to_owned();
        return Err(NodeError::Invalid { code: "invalid_temp_id", field: "tempId", message });
    }
    Ok(())
}

pub(crate) fn no_session(id: &SessionId) -> NodeError {
    NodeError::NotFound { code: "session_not_found", message: format!("there is no session {id} here") }
}

pub(crate) fn no_message(id: &str) -> NodeError {
    NodeError::NotFound { code: "message_not_found", message: format!("there is no message {id} here") }
}

pub(crate) fn shutting_down() -> NodeError {
    NodeError::Unavailable { code: "shutting_down", message: "the node is shutting down".to_owned() }
}
