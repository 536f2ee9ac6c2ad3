//! Facts about this database itself, one row each, such as the own epoch.

use crate::{Reader, StoreError, Tx};

pub(crate) const DDL: &str = "\
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;";

const EPOCH: &str = "epoch";
const CREATED: &str = "created_ms";

/// The epoch of this machine's own logs; `None` before the first start has chosen one.
///
/// # Errors
///
/// As any read.
pub fn epoch(reader: &Reader<'_>) -> Result<Option<u64>, StoreError> {
    number(reader, EPOCH)
}

/// Sets the epoch of this machine's own logs: at the first start, and anew after a restore.
///
/// # Errors
///
/// As any write; [`StoreError::TooLarge`] beyond 63 bits.
pub fn set_epoch(tx: &Tx<'_>, epoch: u64) -> Result<(), StoreError> {
    set_number(tx, EPOCH, epoch)
}

/// When the database was made, as set by [`set_created`]; milliseconds since 1970.
///
/// # Errors
///
/// As any read.
pub fn created_ms(reader: &Reader<'_>) -> Result<Option<u64>, StoreError> {
    number(reader, CREATED)
}

/// Notes when the database was made.
///
/// # Errors
///
/// As any write.
pub fn set_created(tx: &Tx<'_>, wall_ms: u64) -> Result<(), StoreError> {
    set_number(tx, CREATED, wall_ms)
}

fn number(reader: &Reader<'_>, name: &str) -> Result<Option<u64>, StoreError> {
    reader.one("SELECT value FROM meta WHERE name = ?1", [name], |row| crate::columns::unsigned(row, 0))
}

fn set_number(tx: &Tx<'_>, name: &'static str, value: u64) -> Result<(), StoreError> {
    let value = crate::columns::exact(value, name)?;
    tx.execute(
        "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )?;
    Ok(())
}
