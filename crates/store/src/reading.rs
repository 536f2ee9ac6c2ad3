//! How far the members of a session have read.

use proto::event::Order;
use proto::{MachineId, SignedReceipt, VersionVector};

use crate::columns::{LogKey, exact, time};
use crate::messages::{self, Place, READ};
use crate::{EventKey, Reader, SessionKey, StoreError, Tx, logs, machines, registers};

/// The events of others up to a place of the session's order (included), as a vector: for each of their logs the last one.
///
/// # Errors
///
/// As any read.
pub fn upto(
    reader: &Reader<'_>,
    session: SessionKey,
    me: &MachineId,
    order: &Order,
) -> Result<VersionVector, StoreError> {
    let place = messages::place(order)?;
    let mut vector = VersionVector::new();
    for head in logs::heads(reader, session)? {
        if head.author == *me {
            continue;
        }
        let end = Order { lamport: head.lamport, author: head.author, epoch: head.epoch, seq: head.seq };
        let seq = if messages::place(&end)? <= place { head.seq } else { last_upto(reader, head.key, &end, place)? };
        vector.set_max(head.author, head.epoch, seq);
    }
    Ok(vector)
}

/// Keeps this machine's own receipt of what was read here.
///
/// # Errors
///
/// As any write.
pub fn put_own(tx: &Tx<'_>, session: SessionKey, signed: &SignedReceipt, now_ms: u64) -> Result<(), StoreError> {
    machines::ensure(tx, &signed.receipt().member, now_ms)?;
    registers::put_latest(tx, session, signed).map(drop)
}

/// The last event of a log up to a place. Lamport times rise along a log, so it is found by halving.
fn last_upto(reader: &Reader<'_>, log: LogKey, end: &Order, place: Place) -> Result<u64, StoreError> {
    let (mut low, mut high) = (0, end.seq);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let lamport: Option<i64> = reader.one(
            "SELECT lamport FROM events WHERE log = ?1 AND seq = ?2",
            (log, exact(middle, "seq")?),
            |row| row.get(0),
        )?;
        let (_, rank, epoch, _) = messages::place(end)?;
        let at = (lamport.unwrap_or(i64::MAX), rank, epoch, exact(middle, "seq")?);
        if at <= place { low = middle } else { high = middle }
    }
    Ok(low)
}

/// Notes that another's person saw what a vector names, at a time of their clock; the messages of this machine that nobody had
/// seen before. `before` is what they had seen so far.
///
/// # Errors
///
/// As any write.
pub fn mark_read_by_other(
    tx: &Tx<'_>,
    session: SessionKey,
    me: &MachineId,
    vector: &VersionVector,
    before: Option<&VersionVector>,
    read_ms: u64,
    now_ms: u64,
) -> Result<Vec<EventKey>, StoreError> {
    let mut changed = Vec::new();
    for head in logs::heads(tx, session)?.iter().filter(|head| head.author == *me) {
        let from = before.map_or(0, |before| before.get(me, head.epoch));
        let to = vector.get(me, head.epoch).min(head.seq);
        if to > from {
            let params = (head.key, exact(from, "seq")?, exact(to, "seq")?, time(read_ms.min(now_ms)), READ);
            changed.extend(tx.all(MARK, params, |row| row.get::<_, EventKey>(0))?);
        }
    }
    changed.sort_unstable();
    Ok(changed)
}

pub(crate) const MARK: &str = "UPDATE messages SET state = ?5, read_ms = max(shown_ms, ?4)
    WHERE key IN (SELECT key FROM events WHERE log = ?1 AND seq > ?2 AND seq <= ?3) AND state = 1 RETURNING key";
