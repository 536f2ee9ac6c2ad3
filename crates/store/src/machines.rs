//! Machines: whoever was seen, their profiles, and how far they are trusted.

use proto::{MachineId, Signature, SignedProfile};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::columns::{Fixed, MachineKey, damaged, exact, machine_id, optional_unsigned, time, unsigned};
use crate::{Reader, StoreError, Tx};

pub(crate) const DDL: &str = "\
CREATE TABLE machines (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    trust INTEGER NOT NULL DEFAULT 0,
    initiated INTEGER NOT NULL DEFAULT 0,
    name TEXT NOT NULL DEFAULT '',
    device TEXT NOT NULL DEFAULT '',
    status_text TEXT NOT NULL DEFAULT '',
    colour INTEGER NOT NULL DEFAULT 0,
    profile_version INTEGER NOT NULL DEFAULT 0,
    profile BLOB,
    profile_signature BLOB CHECK (length(profile_signature) = 64),
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER
) STRICT;";

/// How far a machine is trusted. Stored as a number that is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Seen, never written with.
    Unknown = 0,
    /// It wrote to us and was not answered.
    Requested = 1,
    /// Accepted; its key is trusted on first use.
    Accepted = 2,
    /// Accepted, and its key compared in person.
    Verified = 3,
    /// Refused.
    Blocked = 4,
}

impl Trust {
    /// Whether it is a contact: accepted, or verified as well.
    #[must_use]
    pub const fn is_contact(self) -> bool {
        matches!(self, Self::Accepted | Self::Verified)
    }
}

impl ToSql for Trust {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(*self as i64))
    }
}

impl FromSql for Trust {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(match value.as_i64()? {
            0 => Self::Unknown,
            1 => Self::Requested,
            2 => Self::Accepted,
            3 => Self::Verified,
            4 => Self::Blocked,
            other => return Err(FromSqlError::OutOfRange(other)),
        })
    }
}

/// A machine. Texts are as its owner signed them, already cleaned by `proto`; empty until a profile came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its public key.
    pub id: MachineId,
    /// How far it is trusted.
    pub trust: Trust,
    /// Whether this side wrote first.
    pub initiated: bool,
    /// Name that its owner chose.
    pub name: String,
    /// Device name.
    pub device: String,
    /// Status text.
    pub status_text: String,
    /// Index into the avatar colours.
    pub colour: u8,
    /// Version of the profile register; 0 when none came.
    pub profile_version: u64,
    /// The profile register as it was signed, to be passed on.
    pub profile: Option<SignedProfile>,
    /// When it was first seen; milliseconds since 1970.
    pub first_seen_ms: u64,
    /// When it was last seen over a link or a hint; `None` when never (only named by another).
    pub last_seen_ms: Option<u64>,
}

const COLUMNS: &str = "id, trust, initiated, name, device, status_text, colour, profile_version, profile,
    profile_signature, first_seen_ms, last_seen_ms";

/// One machine.
///
/// # Errors
///
/// As any read.
pub fn get(reader: &Reader<'_>, id: &MachineId) -> Result<Option<Machine>, StoreError> {
    reader.one(&format!("SELECT {COLUMNS} FROM machines WHERE id = ?1"), [id.as_bytes()], machine)
}

/// All machines, in the order in which they were first seen.
///
/// # Errors
///
/// As any read.
pub fn list(reader: &Reader<'_>) -> Result<Vec<Machine>, StoreError> {
    reader.all(&format!("SELECT {COLUMNS} FROM machines ORDER BY key"), [], machine)
}

/// Notes that a machine is there. True when it is new. A clock that was set back does not take "last seen" back.
///
/// # Errors
///
/// As any write.
pub fn upsert_seen(tx: &Tx<'_>, id: &MachineId, wall_ms: u64) -> Result<bool, StoreError> {
    let now = time(wall_ms);
    let sql = "UPDATE machines SET last_seen_ms = max(coalesce(last_seen_ms, 0), ?2) WHERE id = ?1";
    if tx.execute(sql, (id.as_bytes(), now))? > 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO machines (id, first_seen_ms, last_seen_ms) VALUES (?1, ?2, ?2)";
    tx.execute(sql, (id.as_bytes(), now))?;
    Ok(true)
}

/// Stores a profile, whose signature the caller has checked, if it is newer than what is there; whether it was. The
/// machine must be known.
///
/// # Errors
///
/// As any write.
pub fn set_profile(tx: &Tx<'_>, signed: &SignedProfile) -> Result<bool, StoreError> {
    let profile = signed.profile();
    let changed = tx.execute(
        "UPDATE machines SET profile_version = ?2, name = ?3, device = ?4, status_text = ?5, colour = ?6, profile = ?7,
             profile_signature = ?8
         WHERE id = ?1 AND (profile_version < ?2 OR profile IS NULL)",
        (
            signed.machine().as_bytes(),
            exact(signed.version(), "profile version")?,
            &profile.name,
            &profile.device,
            &profile.status_text,
            profile.colour,
            signed.bytes().as_ref(),
            signed.signature().as_bytes(),
        ),
    )?;
    Ok(changed > 0)
}

/// Sets how far a machine is trusted; whether that changed anything. The machine must be known.
///
/// # Errors
///
/// As any write.
pub fn set_trust(tx: &Tx<'_>, id: &MachineId, trust: Trust) -> Result<bool, StoreError> {
    Ok(tx.execute("UPDATE machines SET trust = ?2 WHERE id = ?1 AND trust <> ?2", (id.as_bytes(), trust))? > 0)
}

/// Notes that this side wrote first.
///
/// # Errors
///
/// As any write.
pub fn set_initiated(tx: &Tx<'_>, id: &MachineId) -> Result<(), StoreError> {
    tx.execute("UPDATE machines SET initiated = 1 WHERE id = ?1 AND initiated = 0", [id.as_bytes()])?;
    Ok(())
}

/// Notes a machine that another named, and what it is said to be called, until its own profile says it.
///
/// # Errors
///
/// As any write.
pub fn introduce(tx: &Tx<'_>, id: &MachineId, name: Option<&str>, wall_ms: u64) -> Result<(), StoreError> {
    let key = ensure(tx, id, wall_ms)?;
    if let Some(name) = name {
        tx.execute("UPDATE machines SET name = ?2 WHERE key = ?1 AND profile_version = 0", (key, name))?;
    }
    Ok(())
}

/// The local number of a machine, if it is known.
pub(crate) fn key(reader: &Reader<'_>, id: &MachineId) -> Result<Option<MachineKey>, StoreError> {
    reader.one("SELECT key FROM machines WHERE id = ?1", [id.as_bytes()], |row| row.get(0))
}

/// The local number of a machine, which is made known (as first seen then) if it is not.
pub(crate) fn ensure(tx: &Tx<'_>, id: &MachineId, wall_ms: u64) -> Result<MachineKey, StoreError> {
    if let Some(key) = key(tx, id)? {
        return Ok(key);
    }
    tx.execute("INSERT INTO machines (id, first_seen_ms) VALUES (?1, ?2)", (id.as_bytes(), time(wall_ms)))?;
    Ok(MachineKey(tx.last_insert()))
}

fn machine(row: &Row<'_>) -> rusqlite::Result<Machine> {
    let bytes: Option<Vec<u8>> = row.get(8)?;
    let signature: Option<Fixed<64>> = row.get(9)?;
    let profile = bytes.zip(signature).map(|(bytes, signature)| {
        SignedProfile::decode(bytes.into(), Signature::from_bytes(signature.0)).map_err(|error| damaged(8, error))
    });
    Ok(Machine {
        id: machine_id(row, 0)?,
        trust: row.get(1)?,
        initiated: row.get(2)?,
        name: row.get(3)?,
        device: row.get(4)?,
        status_text: row.get(5)?,
        colour: row.get(6)?,
        profile_version: unsigned(row, 7)?,
        profile: profile.transpose()?,
        first_seen_ms: unsigned(row, 10)?,
        last_seen_ms: optional_unsigned(row, 11)?,
    })
}
