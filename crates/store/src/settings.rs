//! What the person set: one JSON value a key.

use serde_json::Value;

use crate::{Reader, StoreError, Tx};

pub(crate) const DDL: &str = "\
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;";

/// One setting; `None` when it was never set.
///
/// # Errors
///
/// As any read; [`StoreError::Damaged`] when the row is not JSON.
pub fn get(reader: &Reader<'_>, name: &str) -> Result<Option<Value>, StoreError> {
    let text: Option<String> = reader.one("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0))?;
    text.map(|text| parse(name, &text)).transpose()
}

/// All settings, by name.
///
/// # Errors
///
/// As [`get`].
pub fn all(reader: &Reader<'_>) -> Result<Vec<(String, Value)>, StoreError> {
    reader
        .all("SELECT name, value FROM settings ORDER BY name", [], |row| Ok((row.get(0)?, row.get(1)?)))?
        .into_iter()
        .map(|(name, text): (String, String)| parse(&name, &text).map(|value| (name, value)))
        .collect()
}

/// Sets one.
///
/// # Errors
///
/// As any write.
pub fn set(tx: &Tx<'_>, name: &str, value: &Value) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value.to_string()),
    )?;
    Ok(())
}

/// Forgets one, so that its default holds again.
///
/// # Errors
///
/// As any write.
pub fn unset(tx: &Tx<'_>, name: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM settings WHERE name = ?1", [name])?;
    Ok(())
}

fn parse(name: &str, text: &str) -> Result<Value, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("setting {name}: {error}")))
}
