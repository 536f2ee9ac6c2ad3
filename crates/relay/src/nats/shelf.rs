//! A mailbox as one node knows it, and how it is read from the stream.
//!
//! All that concerns a mailbox goes to one subject, and each message says after which other it counts: the last one that counted
//! as its writer knew it. The first that comes after a message and names it counts; others that name it came too late, and
//! count for nothing. So a mailbox has one history, whichever nodes write it, and every reader finds the same. The server
//! is told the condition, too (`Nats-Expected-Last-Subject-Sequence`), and refuses most of what comes too late; but in a
//! cluster it only looks before it asks the other servers, so two that come at once are both taken
//! (nats-server issue 4320, and up to its newest versions where a leader changes).
//!
//! A record says all that came before it: the newest that counts, and what follows it, is the mailbox. Only what such a record
//! replaced is removed, so the newest record that counts is always there, and so is all that counts after it.

use async_nats::HeaderMap;
use async_nats::jetstream::message::StreamMessage;

use super::record::{ItemRow, Mark, Record};
use super::stream::{Logs, Trouble};

/// Header of a record: the message after which it counts, and when its owner was last here.
pub(super) const RECORD: &str = "Landline-Record";

/// Header of an item: the message after which it counts, the newest record then, and what [`ItemRow`] says of it.
pub(super) const ITEM: &str = "Landline-Item";

/// Items after a record at most, before another one is written: so many messages a node reads that comes to a mailbox anew.
pub(super) const ITEMS_PER_RECORD: usize = 32;

/// Messages that are read in one go at most. A mailbox has fewer, with all that may have been left behind.
const READ: usize = 16_384;

/// How often a mailbox is read from its beginning that others change meanwhile.
const READS: usize = 16;

/// A mailbox at one point of its history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shelf {
    /// The last message that counts; where there is no mailbox, the last that is there. 0 when there is none.
    pub(super) last: u64,
    /// The last message that was looked at.
    pub(super) seen: u64,
    /// The last message of the subject, which the server is told: what came too late may be gone again.
    pub(super) expects: u64,
    /// Where the newest record lies.
    pub(super) record_at: u64,
    /// The newest record, with the items that came after it. None when there is no mailbox.
    pub(super) record: Option<Record>,
    /// Items that came after the record.
    pub(super) since: usize,
    /// Whether its last message says that the mailbox is gone, and all before it may go.
    pub(super) is_gone: bool,
}

/// A message of a mailbox.
#[derive(Debug, Clone)]
struct Message {
    place: u64,
    /// The message after which it counts.
    after: u64,
    what: What,
}

/// What a message says.
#[derive(Debug, Clone)]
enum What {
    Record(Record),
    Item { row: ItemRow, record_at: u64 },
}

impl Shelf {
    /// The newest, as the stream's leader knows it. What was known before spares reading it again.
    pub(super) async fn read(boxes: &Logs, subject: &str, known: Option<&Self>) -> Result<Self, Trouble> {
        if let Some(known) = known
            && known.record.is_some()
            && let Some(shelf) = Reading::of(known.clone(), known.seen).go_on(boxes, subject).await?
        {
            return Ok(shelf);
        }
        let Some(last) = boxes.last(subject).await? else { return Ok(Self::default()) };
        let last = parse(&last)?;
        let begin = match last.what {
            // All that could show that it does not count lies between it and what it names.
            What::Record(_) => Some(Reading::of(Self::default(), last.after)),
            What::Item { record_at, .. } => {
                match boxes.get(record_at).await?.map(|message| parse(&message)).transpose()? {
                    Some(Message { place, what: What::Record(record), .. }) => {
                        let mut shelf = Self::default();
                        shelf.replace(place, record);
                        Some(Reading::of(shelf, place))
                    }
                    _ => None,
                }
            }
        };
        if let Some(begin) = begin
            && let Some(shelf) = begin.go_on(boxes, subject).await?
            && shelf.record_at > 0
        {
            return Ok(shelf);
        }
        // Something came too late, or changes just now: all that there is tells.
        let mut end = 0;
        for _ in 0..READS {
            let all = Reading::of(Self::default(), 0);
            if let Some(shelf) = all.go_on(boxes, subject).await? {
                return Ok(shelf);
            }
            let Some(last) = boxes.last(subject).await? else { return Ok(Self::default()) };
            if last.sequence == end {
                // Nothing came meanwhile that could fill the gap.
                tracing::error!("NATS has lost the record of a mailbox; its owner finds it empty");
                return Ok(Self { last: end, seen: end, expects: end, ..Self::default() });
            }
            end = last.sequence;
        }
        Err(Trouble::Away("a mailbox changes too fast to be read".to_owned()))
    }

    /// Finds out what the server has to be told, after it refused. False when what is known here is gone: a message that counts is
    /// removed only when a later one counts, unless the whole mailbox was.
    pub(super) async fn expect(&mut self, boxes: &Logs, subject: &str) -> Result<bool, Trouble> {
        self.expects = boxes.last(subject).await?.map_or(0, |last| last.sequence);
        Ok(self.expects >= self.last)
    }

    /// An item that counts lies at a place now.
    pub(super) fn add(&mut self, row: ItemRow) {
        self.pass(row.place);
        self.last = row.place;
        self.since += 1;
        if let Some(record) = &mut self.record {
            record.items.push(row);
        }
    }

    /// A record that counts lies at a place now.
    pub(super) fn replace(&mut self, place: u64, record: Record) {
        let is_gone = record.is_gone;
        let record = (!is_gone).then_some(record);
        *self = Self { last: place, seen: place, expects: place, record_at: place, record, since: 0, is_gone };
    }

    fn pass(&mut self, place: u64) {
        (self.seen, self.expects) = (place, place);
    }
}

/// Reading on from a point of the history.
struct Reading {
    shelf: Shelf,
    /// Behind which message it begins.
    begin: u64,
    /// What was passed, each with the message that it names.
    passed: Vec<(u64, u64)>,
    /// Whether messages were missing before one of those passed: then a record must come that replaces them.
    has_gap: bool,
}

impl Reading {
    fn of(shelf: Shelf, seen: u64) -> Self {
        Self { shelf: Shelf { seen, ..shelf }, begin: seen, passed: Vec::new(), has_gap: false }
    }

    /// Reads to the end. Not only to where the end was: what is removed meanwhile, a record replaces that comes later. None when
    /// there is a gap.
    async fn go_on(mut self, boxes: &Logs, subject: &str) -> Result<Option<Shelf>, Trouble> {
        for _ in 0..READ {
            match boxes.next(subject, self.shelf.seen + 1).await? {
                Some(message) => self.take(parse(&message)?),
                None => {
                    if self.shelf.record_at == 0 {
                        self.shelf.last = self.shelf.seen;
                    }
                    return Ok((!self.has_gap).then_some(self.shelf));
                }
            }
        }
        Err(Trouble::Failed("a mailbox has more messages than it can have".to_owned()))
    }

    fn take(&mut self, message: Message) {
        let Message { place, after, what } = message;
        let follows = after == self.shelf.last;
        match what {
            What::Item { row, .. } if follows && self.shelf.record.is_some() => self.shelf.add(row),
            What::Item { .. } => self.has_gap |= after > self.shelf.last,
            // A record needs nothing of what was before it, which may be gone. It counts unless one that counts came between.
            What::Record(record) if follows || self.replaces(after) => {
                self.shelf.replace(place, record);
                self.has_gap = false;
            }
            // It names one that was passed before and seemed not to count; or none, as one does that begins a mailbox anew of which
            // all that is known here is gone.
            What::Record(_) => {
                self.has_gap |= (after > self.shelf.last && after < self.begin) || (after == 0 && self.begin > 0);
            }
        }
        self.shelf.pass(place);
        self.passed.push((place, after));
    }

    /// Whether a record counts that names a message which counted and is gone: when none that counts was passed behind that
    /// one. Such a one names it, or a later one; one that came too late names an earlier one.
    fn replaces(&self, named: u64) -> bool {
        named >= self.begin && !self.passed.iter().any(|(place, after)| *place > named && *after >= named)
    }
}

fn parse(message: &StreamMessage) -> Result<Message, Trouble> {
    let place = message.sequence;
    let record = record_after(&message.headers).and_then(|after| {
        Record::from_message(&message.payload).map(|record| Message { place, after, what: What::Record(record) })
    });
    let parsed = record.or_else(|| {
        item(&message.headers, place).map(|(row, after, record_at)| Message {
            place,
            after,
            what: What::Item { row, record_at },
        })
    });
    parsed.ok_or_else(|| Trouble::Failed(format!("message {place} of the stream is no relay's")))
}

/// The message after which a record counts.
fn record_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RECORD)?.as_str().split(' ').next()?.parse().ok()
}

/// When the owner of a record's mailbox was last here.
pub(super) fn seen_s(headers: &HeaderMap) -> Option<u64> {
    headers.get(RECORD)?.as_str().split(' ').nth(1)?.parse().ok()
}

/// The header of a record.
pub(super) fn record_header(record: &Record, after: u64) -> String {
    format!("{after} {}", record.seen_s)
}

/// What an item's header says: the item, the message after which it counts, and the newest record then.
pub(super) fn item(headers: &HeaderMap, place: u64) -> Option<(ItemRow, u64, u64)> {
    let mut words = headers.get(ITEM)?.as_str().split(' ');
    let mut number = || words.next()?.parse::<u64>().ok();
    let (after, record_at) = (number()?, number()?);
    let (put_s, expires_s, size, is_request) = (number()?, number()?, number()?, number()? != 0);
    let mark = u128::from_str_radix(words.next()?, 16).ok()?.to_be_bytes();
    Some((ItemRow { place, put_s, expires_s, size, is_request, mark }, after, record_at))
}

/// The header of an item that is to follow on a shelf.
pub(super) fn item_header(row: &ItemRow, shelf: &Shelf) -> String {
    let ItemRow { put_s, expires_s, size, is_request, mark, .. } = row;
    let (after, record_at) = (shelf.last, shelf.record_at);
    let mark = u128::from_be_bytes(*mark);
    format!("{after} {record_at} {put_s} {expires_s} {size} {} {mark:032x}", u8::from(*is_request))
}

/// By what an envelope is known again.
pub(super) fn mark(envelope: &[u8]) -> Mark {
    let mut mark = Mark::default();
    mark.copy_from_slice(blake3::hash(envelope).as_bytes().split_at(size_of::<Mark>()).0);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(place: u64) -> ItemRow {
        ItemRow { place, put_s: 1, expires_s: 2, size: 3, is_request: true, mark: mark(&place.to_be_bytes()) }
    }

    fn item_at(place: u64, after: u64) -> Message {
        Message { place, after, what: What::Item { row: row(place), record_at: 1 } }
    }

    fn record_at(place: u64, after: u64, items: &[u64]) -> Message {
        let items = items.iter().map(|place| row(*place)).collect();
        Message { place, after, what: What::Record(Record { items, ..Record::default() }) }
    }

    /// What is known after some messages: the last that counts, the record, and the items. None with a gap.
    fn read(messages: Vec<Message>) -> Option<(u64, u64, Vec<u64>)> {
        let mut reading = Reading::of(Shelf::default(), 0);
        messages.into_iter().for_each(|message| reading.take(message));
        let items = reading.shelf.record.iter().flat_map(|record| &record.items).map(|row| row.place).collect();
        (!reading.has_gap).then_some((reading.shelf.last, reading.shelf.record_at, items))
    }

    #[test]
    fn a_header_says_all_of_an_item() {
        let shelf = Shelf { last: 8, record_at: 7, ..Shelf::default() };
        let mut headers = HeaderMap::new();
        headers.insert(ITEM, item_header(&row(9), &shelf));
        assert_eq!(item(&headers, 9), Some((row(9), 8, 7)));
        for wrong in ["", "8", "8 7 1 2 3 1", "8 7 1 2 3 1 xyz", "8 7 -1 2 3 1 00"] {
            let mut headers = HeaderMap::new();
            headers.insert(ITEM, wrong);
            assert_eq!(item(&headers, 9), None, "{wrong:?}");
        }
        headers.insert(RECORD, record_header(&Record { seen_s: 5, ..Record::default() }, 8));
        assert_eq!((record_after(&headers), seen_s(&headers)), (Some(8), Some(5)));
    }

    #[test]
    fn of_two_that_name_the_same_the_first_counts() {
        let both = vec![record_at(1, 0, &[]), item_at(2, 1), item_at(3, 1), item_at(4, 2)];
        assert_eq!(read(both), Some((4, 1, vec![2, 4])));
        let created_twice = vec![record_at(1, 0, &[]), record_at(2, 0, &[]), item_at(3, 1)];
        assert_eq!(read(created_twice), Some((3, 1, vec![3])));
        // One node takes 2 away while another adds: the record does not know of 3, so it must not count.
        let late_record = vec![record_at(1, 0, &[]), item_at(2, 1), item_at(3, 2), record_at(4, 2, &[]), item_at(5, 3)];
        assert_eq!(read(late_record), Some((5, 1, vec![2, 3, 5])));
        let late_item = vec![record_at(1, 0, &[]), item_at(2, 1), record_at(3, 2, &[2]), item_at(4, 2), item_at(5, 3)];
        assert_eq!(read(late_item), Some((5, 3, vec![2, 5])));
    }

    #[test]
    fn what_a_record_replaced_may_be_gone() {
        // 1 and 3 are gone: 4 took 3 away.
        assert_eq!(read(vec![item_at(2, 1), record_at(4, 3, &[2]), item_at(5, 4)]), Some((5, 4, vec![2, 5])));
        // The same, with one between that came too late for 3.
        let late = vec![item_at(2, 1), item_at(4, 2), record_at(5, 3, &[2])];
        assert_eq!(read(late), Some((5, 5, vec![2])));
        // 3 counted and is gone, and 4 looks as if it counted; but the record that replaced 3 is always there.
        let hidden = vec![record_at(1, 0, &[]), item_at(2, 1), item_at(4, 2), record_at(5, 3, &[2])];
        assert_eq!(read(hidden), Some((5, 5, vec![2])));
        // A record that came too late for one that is still there does not count, whatever is gone.
        let stray = vec![item_at(2, 1), record_at(4, 3, &[2]), item_at(5, 4), record_at(6, 4, &[])];
        assert_eq!(read(stray), Some((5, 4, vec![2, 5])));
        assert_eq!(read(vec![record_at(1, 0, &[]), item_at(4, 3)]), None, "because a record must be on its way");
    }

    #[test]
    fn a_mailbox_that_was_forgotten_and_begins_anew_is_read_from_its_beginning() {
        let mut known = Shelf::default();
        known.replace(5, Record::default());
        let mut reading = Reading::of(known, 5);
        reading.take(record_at(9, 0, &[]));
        assert!(reading.has_gap, "because 5 may be gone");
        reading.take(record_at(11, 9, &[]));
        assert!(!reading.has_gap && reading.shelf.last == 11, "because this one needs nothing before it");
    }
}
