//! Runs as they go to another machine: read back from the events, whole, in the order of their arrival.
//!
//! Each log lies in its own order behind one index, so a batch is a merge of the logs from where the other side stands.
//! What it costs depends on what is sent, not on what is stored.

use proto::{Event, MachineId, Run, Signature, VersionVector, limits};
use rusqlite::Row;

use crate::columns::{Fixed, LogKey, damaged, exact, unsigned};
use crate::logs;
use crate::{EventKey, Reader, SessionKey, StoreError};

/// What fits into one frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The runs, in the order of their arrival here.
    pub runs: Vec<Run>,
    /// The local number of the last event among them: where [`since`] goes on.
    pub last: Option<EventKey>,
    /// Whether there is more.
    pub more: bool,
}

/// What another machine lacks of a session, given its vector: about `byte_limit` bytes on the wire, but at least one run.
///
/// # Errors
///
/// As any read; [`StoreError::Damaged`] when stored bytes are not an event.
pub fn after(
    reader: &Reader<'_>,
    session: SessionKey,
    vector: &VersionVector,
    byte_limit: usize,
) -> Result<Batch, StoreError> {
    let mut sources = Vec::new();
    for head in logs::heads(reader, session)? {
        let held = vector.get(&head.author, head.epoch);
        if held < head.seq {
            sources.push(Source::at(reader, head.key, held + 1)?);
        }
    }
    merge(reader, sources, byte_limit)
}

/// What came into a session after an event, without what `except` wrote (who is to get it): for sending as it comes. The
/// other side must hold everything up to `after`.
///
/// # Errors
///
/// As [`after`](fn@after).
pub fn since(
    reader: &Reader<'_>,
    session: SessionKey,
    after: EventKey,
    except: Option<&MachineId>,
    byte_limit: usize,
) -> Result<Batch, StoreError> {
    let mut sources = Vec::new();
    for head in logs::heads(reader, session)? {
        if head.last_event > after && except != Some(&head.author) {
            let seq = first_after(reader, head.key, head.seq, after)?;
            sources.push(Source::at(reader, head.key, seq)?);
        }
    }
    merge(reader, sources, byte_limit)
}

/// A log from which runs are still to be taken.
struct Source {
    log: LogKey,
    seq: u64,
    /// Local number of the event at `seq`.
    key: EventKey,
}

impl Source {
    fn at(reader: &Reader<'_>, log: LogKey, seq: u64) -> Result<Self, StoreError> {
        let key = key_at(reader, log, seq)?.ok_or_else(|| StoreError::Damaged(format!("a log lacks event {seq}")))?;
        Ok(Self { log, seq, key })
    }
}

fn key_at(reader: &Reader<'_>, log: LogKey, seq: u64) -> Result<Option<EventKey>, StoreError> {
    let sql = "SELECT key FROM events WHERE log = ?1 AND seq = ?2";
    reader.one(sql, (log, exact(seq, "seq")?), |row| row.get(0))
}

/// The first place of a log whose event arrived later than `after`. Within a log local numbers rise with `seq`, so a
/// binary search finds it in a few look-ups.
fn first_after(reader: &Reader<'_>, log: LogKey, head: u64, after: EventKey) -> Result<u64, StoreError> {
    // The event at `head` is later; the one at `low` (or the beginning) is not.
    let (mut low, mut high) = (0, head);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match key_at(reader, log, middle)? {
            Some(key) if key <= after => low = middle,
            _ => high = middle,
        }
    }
    Ok(high)
}

/// Takes runs in the order of their arrival until the limit.
fn merge(reader: &Reader<'_>, mut sources: Vec<Source>, byte_limit: usize) -> Result<Batch, StoreError> {
    let mut batch = Batch::default();
    let mut bytes = 0;
    while !sources.is_empty() && !batch.more {
        sources.sort_unstable_by_key(|source| source.key);
        // Runs of the first log come next until the second one's turn.
        let turn = sources.get(1).map_or(EventKey(i64::MAX), |source| source.key);
        let Some(first) = sources.first_mut() else { break };
        if !take(reader, first, turn, byte_limit, &mut bytes, &mut batch)? {
            sources.swap_remove(0);
        }
    }
    Ok(batch)
}

/// Takes runs of one log until `turn` or the limit. False when the log has no more.
fn take(
    reader: &Reader<'_>,
    source: &mut Source,
    turn: EventKey,
    byte_limit: usize,
    bytes: &mut usize,
    batch: &mut Batch,
) -> Result<bool, StoreError> {
    let mut statement = reader.prepare(EVENTS)?;
    let mut rows = statement.query((source.log, exact(source.seq, "seq")?))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let key: EventKey = row.get(0)?;
        if events.is_empty() {
            (source.key, source.seq) = (key, unsigned(row, 1)?);
            if key > turn {
                return Ok(true);
            }
        }
        events.push(event(row)?);
        let Some(signature) = row.get::<_, Option<Fixed<64>>>(4)? else { continue };
        let run = Run::from_parts(std::mem::take(&mut events), Signature::from_bytes(signature.0))
            .map_err(|error| StoreError::Damaged(error.to_string()))?;
        *bytes += run.wire_size();
        if !batch.runs.is_empty() && (*bytes > byte_limit || batch.runs.len() == limits::RUNS_PER_FRAME) {
            batch.more = true;
            return Ok(true);
        }
        batch.runs.push(run);
        batch.last = batch.last.max(Some(key));
    }
    if events.is_empty() { Ok(false) } else { Err(StoreError::Damaged("a run without its last event".into())) }
}

pub(crate) const EVENTS: &str =
    "SELECT key, seq, header, body, signature FROM events WHERE log = ?1 AND seq >= ?2 ORDER BY seq";

fn event(row: &Row<'_>) -> Result<Event, StoreError> {
    let header: Vec<u8> = row.get(2)?;
    let body: Option<Vec<u8>> = row.get(3)?;
    Ok(Event::decode(header.into(), body.map(Into::into)).map_err(|error| damaged(2, error))?)
}
