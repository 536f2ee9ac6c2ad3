//! The relays at which this machine is to be reached, as its person added them.

use proto::relay::RelayAddress;
use rusqlite::Row;

use crate::columns::{damaged, time};
use crate::{Reader, StoreError, Tx};

pub(crate) const DDL: &str = "\
CREATE TABLE relays (
    address TEXT PRIMARY KEY,
    membership TEXT,
    added_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;";

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRelay {
    /// Where it is.
    pub address: RelayAddress,
    /// What shows it that this machine is a member, where it asks for that.
    pub membership: Option<String>,
}

/// All of them, in the order in which they were added.
///
/// # Errors
///
/// As any read.
pub fn list(reader: &Reader<'_>) -> Result<Vec<OwnRelay>, StoreError> {
    reader.all("SELECT address, membership FROM relays ORDER BY added_ms, address", [], row)
}

/// Adds a relay, or gives one that is there another membership.
///
/// # Errors
///
/// As any write.
pub fn put(tx: &Tx<'_>, relay: &OwnRelay, wall_ms: u64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO relays (address, membership, added_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (address) DO UPDATE SET membership = excluded.membership",
        (relay.address.to_string(), &relay.membership, time(wall_ms)),
    )?;
    Ok(())
}

/// Takes a relay away; whether it was there.
///
/// # Errors
///
/// As any write.
pub fn remove(tx: &Tx<'_>, address: &RelayAddress) -> Result<bool, StoreError> {
    tx.erases();
    Ok(tx.execute("DELETE FROM relays WHERE address = ?1", [address.to_string()])? > 0)
}

fn row(row: &Row<'_>) -> rusqlite::Result<OwnRelay> {
    let address: String = row.get(0)?;
    Ok(OwnRelay { address: address.parse().map_err(|error| damaged(0, error))?, membership: row.get(1)? })
}
