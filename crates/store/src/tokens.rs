//! Tokens of the local API: what is needed to list and revoke them. The tokens themselves are signed by the node and
//! not kept.

use rusqlite::Row;

use crate::columns::{optional_unsigned, time, unsigned};
use crate::{Reader, StoreError, Tx};

pub(crate) const DDL: &str = "\
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER,
    last_used_ms INTEGER
) STRICT, WITHOUT ROWID;";

/// A token. Times in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its ID, as in the token's `jti`.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Scopes, comma-separated.
    pub scopes: String,
    /// When it was made.
    pub created_ms: u64,
    /// When it ends by itself; `None` is never.
    pub expires_ms: Option<u64>,
    /// When it was revoked.
    pub revoked_ms: Option<u64>,
    /// When it was last used, as noted by [`touch`].
    pub last_used_ms: Option<u64>,
}

const COLUMNS: &str = "id, name, scopes, created_ms, expires_ms, revoked_ms, last_used_ms";

/// One token.
///
/// # Errors
///
/// As any read.
pub fn get(reader: &Reader<'_>, id: &str) -> Result<Option<Token>, StoreError> {
    reader.one(&format!("SELECT {COLUMNS} FROM tokens WHERE id = ?1"), [id], token)
}

/// All tokens, revoked ones too, newest first.
///
/// # Errors
///
/// As any read.
pub fn list(reader: &Reader<'_>) -> Result<Vec<Token>, StoreError> {
    reader.all(&format!("SELECT {COLUMNS} FROM tokens ORDER BY created_ms DESC, id"), [], token)
}

/// Adds a token.
///
/// # Errors
///
/// As any write; [`StoreError::Conflict`] when the ID is taken.
pub fn add(tx: &Tx<'_>, token: &Token) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO tokens (id, name, scopes, created_ms, expires_ms, revoked_ms, last_used_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (
            &token.id,
            &token.name,
            &token.scopes,
            time(token.created_ms),
            token.expires_ms.map(time),
            token.revoked_ms.map(time),
            token.last_used_ms.map(time),
        ),
    )?;
    Ok(())
}

/// Revokes a token. False when there is none of that ID, or it was revoked before.
///
/// # Errors
///
/// As any write.
pub fn revoke(tx: &Tx<'_>, id: &str, wall_ms: u64) -> Result<bool, StoreError> {
    let sql = "UPDATE tokens SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL";
    Ok(tx.execute(sql, (id, time(wall_ms)))? > 0)
}

/// Forgets the oldest token that holds no more, revoked or expired. False when all hold.
///
/// # Errors
///
/// As any write.
pub fn forget_dead(tx: &Tx<'_>, wall_ms: u64) -> Result<bool, StoreError> {
    let sql = "DELETE FROM tokens WHERE id = (SELECT id FROM tokens WHERE revoked_ms IS NOT NULL OR expires_ms <= ?1
                   ORDER BY created_ms, id LIMIT 1)";
    Ok(tx.execute(sql, [time(wall_ms)])? > 0)
}

/// Notes that a token was used.
///
/// # Errors
///
/// As any write.
pub fn touch(tx: &Tx<'_>, id: &str, wall_ms: u64) -> Result<(), StoreError> {
    tx.execute("UPDATE tokens SET last_used_ms = ?2 WHERE id = ?1", (id, time(wall_ms)))?;
    Ok(())
}

fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        scopes: row.get(2)?,
        created_ms: unsigned(row, 3)?,
        expires_ms: optional_unsigned(row, 4)?,
        revoked_ms: optional_unsigned(row, 5)?,
        last_used_ms: optional_unsigned(row, 6)?,
    })
}
