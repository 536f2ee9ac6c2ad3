//! Invitations made here, and those followed whose inviter has not yet said that they count. Both are short-lived.

use proto::{InvitationToken, MachineId};

use crate::columns::{Fixed, machine_id, time, unsigned};
use crate::{Reader, StoreError, Tx, machines};

pub(crate) const DDL: &str = "\
CREATE TABLE invitations (
    token BLOB PRIMARY KEY CHECK (length(token) = 16),
    expires_ms INTEGER NOT NULL,
    used_by INTEGER REFERENCES machines (key)
) STRICT, WITHOUT ROWID;";

pub(crate) const FOLLOWED_DDL: &str = "\
CREATE TABLE followed_invitations (
    machine INTEGER PRIMARY KEY REFERENCES machines (key),
    token BLOB NOT NULL CHECK (length(token) = 16),
    expires_ms INTEGER NOT NULL
) STRICT;";

/// Invitations that count at the same time. Whoever makes more has no use for the oldest.
const KEPT: u32 = 16;

/// Keeps an invitation that was made here. Beyond sixteen the oldest goes.
///
/// # Errors
///
/// As any write.
pub fn add(tx: &Tx<'_>, token: &InvitationToken, expires_ms: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO invitations (token, expires_ms) VALUES (?1, ?2)";
    tx.execute(sql, (token.as_bytes(), time(expires_ms)))?;
    tx.execute(
        "DELETE FROM invitations WHERE token NOT IN
             (SELECT token FROM invitations ORDER BY expires_ms DESC, token LIMIT ?1)",
        [KEPT],
    )?;
    Ok(())
}

/// Invitations made here that count, or counted for somebody and are not yet forgotten, and until when.
///
/// # Errors
///
/// As any read.
pub fn made(reader: &Reader<'_>, wall_ms: u64) -> Result<Vec<(InvitationToken, u64)>, StoreError> {
    let sql = "SELECT token, expires_ms FROM invitations WHERE expires_ms > ?1";
    reader.all(sql, [time(wall_ms)], |row| Ok((token(row, 0)?, unsigned(row, 1)?)))
}

/// Uses an invitation up for a machine. True when it counts: it is there, fresh, and no other machine has used it. The
/// machine that used it may prove it again, because it may not have heard that it counted.
///
/// # Errors
///
/// As any write.
pub fn use_up(tx: &Tx<'_>, token: &InvitationToken, by: &MachineId, wall_ms: u64) -> Result<bool, StoreError> {
    let by = machines::ensure(tx, by, wall_ms)?;
    let sql = "UPDATE invitations SET used_by = ?2
               WHERE token = ?1 AND expires_ms > ?3 AND (used_by IS NULL OR used_by = ?2)";
    Ok(tx.execute(sql, (token.as_bytes(), by, time(wall_ms)))? > 0)
}

/// Keeps the token of an invitation that was followed, to be proved to the inviter. The newest of a machine counts.
///
/// # Errors
///
/// As any write.
pub fn follow(
    tx: &Tx<'_>,
    inviter: &MachineId,
    token: &InvitationToken,
    expires_ms: u64,
    wall_ms: u64,
) -> Result<(), StoreError> {
    let inviter = machines::ensure(tx, inviter, wall_ms)?;
    tx.execute(
        "INSERT INTO followed_invitations (machine, token, expires_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (machine) DO UPDATE SET token = excluded.token, expires_ms = excluded.expires_ms",
        (inviter, token.as_bytes(), time(expires_ms)),
    )?;
    Ok(())
}

/// The token that a machine is still to be shown the proof of.
///
/// # Errors
///
/// As any read.
pub fn followed(reader: &Reader<'_>, inviter: &MachineId, wall_ms: u64) -> Result<Option<InvitationToken>, StoreError> {
    let sql = "SELECT token FROM followed_invitations JOIN machines ON machines.key = followed_invitations.machine
               WHERE machines.id = ?1 AND expires_ms > ?2";
    reader.one(sql, (inviter.as_bytes(), time(wall_ms)), |row| token(row, 0))
}

/// All tokens that are still to be proved, with who invited.
///
/// # Errors
///
/// As any read.
pub fn all_followed(reader: &Reader<'_>, wall_ms: u64) -> Result<Vec<(MachineId, InvitationToken)>, StoreError> {
    let sql = "SELECT machines.id, token FROM followed_invitations
               JOIN machines ON machines.key = followed_invitations.machine WHERE expires_ms > ?1";
    reader.all(sql, [time(wall_ms)], |row| Ok((machine_id(row, 0)?, token(row, 1)?)))
}

fn token(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<InvitationToken> {
    row.get::<_, Fixed<16>>(index).map(|bytes| InvitationToken::from_bytes(bytes.0))
}

/// Forgets the invitation of a machine that was followed: the inviter has said that it counts. False when there was none.
///
/// # Errors
///
/// As any write.
pub fn confirmed(tx: &Tx<'_>, inviter: &MachineId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM followed_invitations WHERE machine = (SELECT key FROM machines WHERE id = ?1)";
    Ok(tx.execute(sql, [inviter.as_bytes()])? > 0)
}

/// Forgets what counts no longer.
///
/// # Errors
///
/// As any write.
pub fn sweep(tx: &Tx<'_>, wall_ms: u64) -> Result<(), StoreError> {
    let now = time(wall_ms);
    tx.execute("DELETE FROM invitations WHERE expires_ms <= ?1", [now])?;
    tx.execute("DELETE FROM followed_invitations WHERE expires_ms <= ?1", [now])?;
    Ok(())
}
