//! Messages whose text changed after they came: what the index has of them is to be made anew.

use crate::{EventKey, Reader, StoreError, Tx};

pub(crate) const DDL: &str = "\
CREATE TABLE search_queue (
    change INTEGER PRIMARY KEY,
    message INTEGER NOT NULL
) STRICT;";

/// Notes that a message's text was changed or taken away. The index follows.
///
/// # Errors
///
/// As any write.
pub fn changed(tx: &Tx<'_>, message: EventKey) -> Result<(), StoreError> {
    tx.execute("INSERT INTO search_queue (message) VALUES (?1)", [message]).map(drop)
}

/// The first that wait, with the number of the last among them.
pub(super) fn waiting(reader: &Reader<'_>, limit: u32) -> Result<Option<(i64, Vec<EventKey>)>, StoreError> {
    let sql = "SELECT change, message FROM search_queue ORDER BY change LIMIT ?1";
    let rows: Vec<(i64, EventKey)> = reader.all(sql, [limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.last().map(|(last, _)| (*last, rows.iter().map(|(_, message)| *message).collect())))
}

/// Takes off those that the index has.
pub(super) fn done(tx: &Tx<'_>, upto: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM search_queue WHERE change <= ?1", [upto]).map(drop)
}
