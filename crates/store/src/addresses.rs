//! Where machines were reached, and addresses that the person typed.

use std::net::SocketAddr;

use proto::id::MachineId;
use rusqlite::Row;

use crate::columns::{machine_id, time};
use crate::{Reader, StoreError, Tx, machines};

pub(crate) const DDL: &str = "\
CREATE TABLE addresses (
    machine INTEGER NOT NULL REFERENCES machines (key),
    address TEXT NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (machine, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX addresses_recent ON addresses (last_ms);";

pub(crate) const TYPED_DDL: &str = "\
CREATE TABLE typed_peers (
    address TEXT PRIMARY KEY,
    added_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;";

/// Addresses remembered for one machine. A laptop meets its peers in a handful of networks; older ones only cost
/// dialling.
const KEPT: u32 = 8;

/// Remembers that a machine was reached at an address. Keeps the newest eight a machine.
///
/// # Errors
///
/// As any write.
pub fn remember(tx: &Tx<'_>, machine: &MachineId, address: SocketAddr, wall_ms: u64) -> Result<(), StoreError> {
    let key = machines::ensure(tx, machine, wall_ms)?;
    tx.execute(
        "INSERT INTO addresses (machine, address, last_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (machine, address) DO UPDATE SET last_ms = excluded.last_ms",
        (key, address.to_string(), time(wall_ms)),
    )?;
    tx.execute(
        "DELETE FROM addresses WHERE machine = ?1 AND address NOT IN
             (SELECT address FROM addresses WHERE machine = ?1 ORDER BY last_ms DESC LIMIT ?2)",
        (key, KEPT),
    )?;
    Ok(())
}

/// Where a machine was reached, newest first.
///
/// # Errors
///
/// As any read.
pub fn of(reader: &Reader<'_>, machine: &MachineId) -> Result<Vec<SocketAddr>, StoreError> {
    let Some(key) = machines::key(reader, machine)? else { return Ok(Vec::new()) };
    let sql = "SELECT address FROM addresses WHERE machine = ?1 ORDER BY last_ms DESC";
    reader.all(sql, [key], |row| address(row, 0))
}

/// The addresses of all machines that are not blocked, newest first, at most `limit`.
///
/// # Errors
///
/// As any read.
pub fn all_recent(reader: &Reader<'_>, limit: u32) -> Result<Vec<(MachineId, SocketAddr)>, StoreError> {
    reader.all(
        "SELECT machines.id, addresses.address
         FROM addresses JOIN machines ON machines.key = addresses.machine
         WHERE machines.trust <> 4
         ORDER BY addresses.last_ms DESC LIMIT ?1",
        [limit],
        |row| Ok((machine_id(row, 0)?, address(row, 1)?)),
    )
}

/// Adds an address that the person typed (host name or IP, with port). False when it was there.
///
/// # Errors
///
/// As any write.
pub fn add_typed(tx: &Tx<'_>, address: &str, wall_ms: u64) -> Result<bool, StoreError> {
    let sql = "INSERT INTO typed_peers (address, added_ms) VALUES (?1, ?2) ON CONFLICT (address) DO NOTHING";
    Ok(tx.execute(sql, (address, time(wall_ms)))? > 0)
}

/// Typed addresses, oldest first.
///
/// # Errors
///
/// As any read.
pub fn typed(reader: &Reader<'_>) -> Result<Vec<String>, StoreError> {
    reader.all("SELECT address FROM typed_peers ORDER BY added_ms, address", [], |row| row.get(0))
}

/// Removes a typed address. False when it was not there.
///
/// # Errors
///
/// As any write.
pub fn remove_typed(tx: &Tx<'_>, address: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM typed_peers WHERE address = ?1", [address])? > 0)
}

fn address(row: &Row<'_>, index: usize) -> rusqlite::Result<SocketAddr> {
    row.get_ref(index)?
        .as_str()?
        .parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, Box::new(error)))
}
