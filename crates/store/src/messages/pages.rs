//! Pages of a session: ranges of the one index, whose columns are the order that all machines share. So a page costs the same in a
//! session of a million messages.

use proto::SessionId;
use proto::event::Order;

use super::{END, Message, Place, message, message_columns, place};
use crate::columns::{exact, session_id};
use crate::{Reader, SessionKey, StoreError, extras};

/// Where a page lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// At the beginning of the session.
    First,
    /// At its end.
    Last,
    /// Directly before a place, which is not included.
    Before(Order),
    /// Directly after a place, which is not included.
    After(Order),
    /// Around a place, which is included: half the page before it, the rest from it on.
    Around(Order),
}

/// A page of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The messages, in their order, oldest first.
    pub messages: Vec<Message>,
    /// Whether there are earlier ones.
    pub more_before: bool,
    /// Whether there are later ones.
    pub more_after: bool,
}

/// Messages in a page at most.
pub const PAGE: u32 = 200;

pub(crate) const PAGE_BEFORE: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM messages m CROSS JOIN machines a ON a.key = m.author
      WHERE m.session = ?1 AND (m.lamport, m.author_rank, m.epoch, m.seq) < (?2, ?3, ?4, ?5)
      ORDER BY m.lamport DESC, m.author_rank DESC, m.epoch DESC, m.seq DESC LIMIT ?6"
);
pub(crate) const PAGE_FROM: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM messages m CROSS JOIN machines a ON a.key = m.author
      WHERE m.session = ?1 AND (m.lamport, m.author_rank, m.epoch, m.seq) >= (?2, ?3, ?4, ?5)
      ORDER BY m.lamport, m.author_rank, m.epoch, m.seq LIMIT ?6"
);
const BEGINNING: Place = (i64::MIN, i64::MIN, i64::MIN, i64::MIN);

/// The message at which a session comes to a time: shown at it or later, while the one before was shown earlier. Shown
/// times follow the order but for what was written at the same time on both sides, so it is found by halving the
/// order, without an index of its own. `None` when all are earlier.
///
/// # Errors
///
/// As any read.
pub fn at_time(reader: &Reader<'_>, session: SessionKey, shown_ms: u64) -> Result<Option<Message>, StoreError> {
    let sql = "SELECT id FROM sessions WHERE key = ?1";
    let Some(session_id) = reader.one(sql, [session], |row| session_id(row, 0))? else { return Ok(None) };
    let range = Range { reader, session, session_id };
    let first_from = |lamport: u64| -> Result<Option<Message>, StoreError> {
        let place = (exact(lamport, "lamport")?, i64::MIN, i64::MIN, i64::MIN);
        Ok(range.from(place, 1)?.0.pop())
    };
    let Some(last) = range.before(END, 1)?.0.pop() else { return Ok(None) };
    let (mut low, mut high) = (0, last.order.lamport.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        match first_from(middle)? {
            Some(message) if message.shown_ms < shown_ms => low = message.order.lamport + 1,
            _ => high = middle,
        }
    }
    // Neighbours with the same Lamport time, written at once on both sides.
    let mut found = match first_from(low)? {
        Some(message) => Some(message),
        None => Some(last).filter(|last| last.shown_ms >= shown_ms),
    };
    while let Some(message) = &found
        && let Some(earlier) = range.before(place(&message.order)?, 1)?.0.pop()
        && earlier.shown_ms >= shown_ms
        && earlier.order.lamport + 1 >= message.order.lamport
    {
        found = Some(earlier);
    }
    Ok(found)
}

/// A page of at most `limit` messages (cut at [`PAGE`]).
///
/// # Errors
///
/// As any read.
pub fn page(reader: &Reader<'_>, session: SessionKey, cursor: &Cursor, limit: u32) -> Result<Page, StoreError> {
    let limit = limit.clamp(1, PAGE);
    let sql = "SELECT id FROM sessions WHERE key = ?1";
    let Some(session_id) = reader.one(sql, [session], |row| session_id(row, 0))? else {
        return Ok(Page { messages: Vec::new(), more_before: false, more_after: false });
    };
    let range = Range { reader, session, session_id };
    match cursor {
        Cursor::First => {
            range.from(BEGINNING, limit).map(|(messages, more_after)| Page { messages, more_before: false, more_after })
        }
        Cursor::Last => {
            range.before(END, limit).map(|(messages, more_before)| Page { messages, more_before, more_after: false })
        }
        Cursor::Before(order) => {
            let place = place(order)?;
            let (messages, more_before) = range.before(place, limit)?;
            let (later, _) = range.from(place, 1)?;
            Ok(Page { messages, more_before, more_after: !later.is_empty() })
        }
        Cursor::After(order) => {
            let place = next(place(order)?);
            let (messages, more_after) = range.from(place, limit)?;
            let (earlier, _) = range.before(place, 1)?;
            Ok(Page { messages, more_before: !earlier.is_empty(), more_after })
        }
        Cursor::Around(order) => {
            let place = place(order)?;
            let (mut messages, more_before) = range.before(place, limit / 2)?;
            let rest = limit - u32::try_from(messages.len()).unwrap_or(limit);
            let (later, more_after) = range.from(place, rest)?;
            messages.extend(later);
            Ok(Page { messages, more_before, more_after })
        }
    }
}

/// The place directly after one: no event lies between two neighbouring numbers.
fn next((lamport, rank, epoch, seq): Place) -> Place {
    (lamport, rank, epoch, seq.saturating_add(1))
}

/// Reads along the index of one session.
struct Range<'a> {
    reader: &'a Reader<'a>,
    session: SessionKey,
    session_id: SessionId,
}

impl Range<'_> {
    /// Up to `limit` messages before a place, oldest first, and whether there are more.
    fn before(&self, place: Place, limit: u32) -> Result<(Vec<Message>, bool), StoreError> {
        let (mut messages, more) = self.read(PAGE_BEFORE, place, limit)?;
        messages.reverse();
        Ok((messages, more))
    }

    /// Up to `limit` messages from a place on, and whether there are more.
    fn from(&self, place: Place, limit: u32) -> Result<(Vec<Message>, bool), StoreError> {
        self.read(PAGE_FROM, place, limit)
    }

    fn read(&self, sql: &str, place: Place, limit: u32) -> Result<(Vec<Message>, bool), StoreError> {
        let (lamport, rank, epoch, seq) = place;
        // One more than asked for tells whether there is more.
        let params = (self.session, lamport, rank, epoch, seq, i64::from(limit) + 1);
        let mut messages = self.reader.all(sql, params, |row| message(row, 0, self.session_id))?;
        let more = messages.len() > limit as usize;
        messages.truncate(limit as usize);
        extras::fill(self.reader, messages.iter_mut())?;
        Ok((messages, more))
    }
}
