//! How machines are reached through relays, and by what they reach this one.

use proto::prekey::SignedPrekey;
use proto::relay::{GrantSecret, RelayAddress};
use proto::{MachineId, Signature, SignedGrant};
use rusqlite::Row;

use crate::columns::{Fixed, MachineKey, damaged, exact, machine_id, time, unsigned};
use crate::machines::Trust;
use crate::{Reader, StoreError, Tx, machines};

pub(crate) const DDL: &str = "\
CREATE TABLE reach (
    machine INTEGER PRIMARY KEY REFERENCES machines (key),
    given BLOB CHECK (length(given) = 32),
    given_version INTEGER NOT NULL DEFAULT 0,
    held BLOB,
    held_signature BLOB CHECK (length(held_signature) = 64),
    prekey BLOB,
    prekey_signature BLOB CHECK (length(prekey_signature) = 64),
    invited_to TEXT NOT NULL DEFAULT '',
    owed INTEGER NOT NULL DEFAULT 0
) STRICT;";

/// What is known of one machine.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Which machine.
    pub machine: MachineId,
    /// How far it is trusted.
    pub trust: Trust,
    /// What this machine gave it to reach it by; absent when nothing, or when that was taken back.
    pub given: Option<GrantSecret>,
    /// Version of the last grant that was made for it; 0 for none.
    pub given_version: u64,
    /// What it gave this machine.
    pub held: Option<SignedGrant>,
    /// What is sealed to.
    pub prekey: Option<SignedPrekey>,
    /// Relays that an invitation of it named. They serve until its own profile names some.
    pub invited_to: Vec<RelayAddress>,
    /// Counts up with each thing that it is to be told in its mailbox; 0 when it was told all.
    pub owed: u64,
}

const COLUMNS: &str = "m.id, m.trust, r.given, r.given_version, r.held, r.held_signature, r.prekey,
    r.prekey_signature, r.invited_to, r.owed FROM reach r CROSS JOIN machines m ON m.key = r.machine";

/// What is known of a machine.
///
/// # Errors
///
/// As any read.
pub fn get(reader: &Reader<'_>, machine: &MachineId) -> Result<Option<Reach>, StoreError> {
    reader.one(&format!("SELECT {COLUMNS} WHERE m.id = ?1"), [machine.as_bytes()], reach)
}

/// All of which something is known.
///
/// # Errors
///
/// As any read.
pub fn list(reader: &Reader<'_>) -> Result<Vec<Reach>, StoreError> {
    reader.all(&format!("SELECT {COLUMNS} ORDER BY r.machine"), [], reach)
}

/// Gives a machine another secret, or takes the last one back (`None`), in a grant of this version.
///
/// # Errors
///
/// As any write.
pub fn give(
    tx: &Tx<'_>,
    machine: &MachineId,
    secret: Option<&GrantSecret>,
    version: u64,
    wall_ms: u64,
) -> Result<(), StoreError> {
    let key = ensure(tx, machine, wall_ms)?;
    tx.erases();
    tx.execute(
        "UPDATE reach SET given = ?2, given_version = max(given_version, ?3) WHERE machine = ?1",
        (key, secret.map(GrantSecret::as_bytes), exact(version, "grant version")?),
    )?;
    Ok(())
}

/// Keeps what a machine gave, whose signature the caller has checked, if it is newer than what is there; whether it was.
///
/// # Errors
///
/// As any write.
pub fn hold(tx: &Tx<'_>, signed: &SignedGrant, wall_ms: u64) -> Result<bool, StoreError> {
    let grant = signed.grant();
    let key = ensure(tx, &grant.machine, wall_ms)?;
    let before = get(tx, &grant.machine)?.and_then(|reach| reach.held);
    if before.is_some_and(|before| before.grant().version >= grant.version) {
        return Ok(false);
    }
    tx.execute(
        "UPDATE reach SET held = ?2, held_signature = ?3 WHERE machine = ?1",
        (key, signed.bytes().as_ref(), signed.signature().as_bytes()),
    )?;
    Ok(true)
}

/// Keeps a machine's prekey, whose signature the caller has checked, if it is newer than what is there; whether it was.
///
/// # Errors
///
/// As any write.
pub fn set_prekey(tx: &Tx<'_>, signed: &SignedPrekey, wall_ms: u64) -> Result<bool, StoreError> {
    let prekey = signed.prekey();
    let key = ensure(tx, &prekey.machine, wall_ms)?;
    let before = get(tx, &prekey.machine)?.and_then(|reach| reach.prekey);
    if before.is_some_and(|before| before.prekey().version >= prekey.version) {
        return Ok(false);
    }
    tx.execute(
        "UPDATE reach SET prekey = ?2, prekey_signature = ?3 WHERE machine = ?1",
        (key, signed.bytes().as_ref(), signed.signature().as_bytes()),
    )?;
    Ok(true)
}

/// Notes the relays that an invitation named.
///
/// # Errors
///
/// As any write.
pub fn invited_to(tx: &Tx<'_>, machine: &MachineId, relays: &[RelayAddress], wall_ms: u64) -> Result<(), StoreError> {
    let key = ensure(tx, machine, wall_ms)?;
    let addresses: Vec<String> = relays.iter().map(ToString::to_string).collect();
    tx.execute("UPDATE reach SET invited_to = ?2 WHERE machine = ?1", (key, addresses.join("\n")))?;
    Ok(())
}

/// Notes that a machine is to be told in its mailbox what has come here. Machines of which nothing is known are left out;
/// whether this one was not.
///
/// # Errors
///
/// As any write.
pub fn owe(tx: &Tx<'_>, machine: &MachineId) -> Result<bool, StoreError> {
    let sql = "UPDATE reach SET owed = owed + 1 WHERE machine = (SELECT key FROM machines WHERE id = ?1)";
    Ok(tx.execute(sql, [machine.as_bytes()])? > 0)
}

/// Notes that a machine was told all that was owed to it when `owed` was read.
///
/// # Errors
///
/// As any write.
pub fn paid(tx: &Tx<'_>, machine: &MachineId, owed: u64) -> Result<(), StoreError> {
    let sql = "UPDATE reach SET owed = 0
               WHERE machine = (SELECT key FROM machines WHERE id = ?1) AND owed > 0 AND owed <= ?2";
    tx.execute(sql, (machine.as_bytes(), time(owed)))?;
    Ok(())
}

fn ensure(tx: &Tx<'_>, machine: &MachineId, wall_ms: u64) -> Result<MachineKey, StoreError> {
    let key = machines::ensure(tx, machine, wall_ms)?;
    tx.execute("INSERT INTO reach (machine) VALUES (?1) ON CONFLICT (machine) DO NOTHING", [key])?;
    Ok(key)
}

fn reach(row: &Row<'_>) -> rusqlite::Result<Reach> {
    let signed = |at: usize| -> rusqlite::Result<Option<(Vec<u8>, Signature)>> {
        let (bytes, signature): (Option<Vec<u8>>, Option<Fixed<64>>) = (row.get(at)?, row.get(at + 1)?);
        Ok(bytes.zip(signature.map(|signature| Signature::from_bytes(signature.0))))
    };
    let held = signed(4)?.map(|(bytes, signature)| SignedGrant::decode(bytes.into(), signature));
    let prekey = signed(6)?.map(|(bytes, signature)| SignedPrekey::decode(bytes.into(), signature));
    let invited_to: String = row.get(8)?;
    Ok(Reach {
        machine: machine_id(row, 0)?,
        trust: row.get(1)?,
        given: row.get::<_, Option<Fixed<32>>>(2)?.map(|bytes| GrantSecret::from_bytes(bytes.0)),
        given_version: unsigned(row, 3)?,
        held: held.transpose().map_err(|error| damaged(4, error))?,
        prekey: prekey.transpose().map_err(|error| damaged(6, error))?,
        // One that this version cannot read is of no use to it.
        invited_to: invited_to.lines().filter_map(|line| line.parse().ok()).collect(),
        owed: unsigned(row, 9)?,
    })
}
