//! The own prekeys with their secrets: what others seal to while this machine is away.

use proto::Signature;
use proto::prekey::SignedPrekey;
use proto::sealed::PrekeySecret;
use rusqlite::Row;

use crate::columns::{Fixed, damaged, exact, time};
use crate::{Reader, StoreError, Tx};

pub(crate) const DDL: &str = "\
CREATE TABLE prekeys (
    version INTEGER PRIMARY KEY,
    secret BLOB NOT NULL CHECK (length(secret) = 32),
    register BLOB NOT NULL,
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    destroy_s INTEGER NOT NULL
) STRICT;";

/// One of them.
#[derive(Debug, Clone)]
pub struct OwnPrekey {
    /// As others get it.
    pub signed: SignedPrekey,
    /// What opens.
    pub secret: PrekeySecret,
}

/// Those that are kept, the newest first.
///
/// # Errors
///
/// As any read.
pub fn list(reader: &Reader<'_>) -> Result<Vec<OwnPrekey>, StoreError> {
    reader.all("SELECT register, signature, secret FROM prekeys ORDER BY version DESC", [], row)
}

/// Keeps a new one. `destroy_s`: when its secret is to be destroyed, in seconds since 1970.
///
/// # Errors
///
/// As any write.
pub fn add(tx: &Tx<'_>, prekey: &OwnPrekey, destroy_s: u64) -> Result<(), StoreError> {
    let signed = &prekey.signed;
    tx.execute(
        "INSERT INTO prekeys (version, secret, register, signature, destroy_s) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            exact(signed.prekey().version, "prekey version")?,
            prekey.secret.seed(),
            signed.bytes().as_ref(),
            signed.signature().as_bytes(),
            time(destroy_s),
        ),
    )?;
    Ok(())
}

/// Destroys the secrets whose time has come, but that of the newest.
///
/// # Errors
///
/// As any write.
pub fn sweep(tx: &Tx<'_>, now_s: u64) -> Result<(), StoreError> {
    let sql = "DELETE FROM prekeys WHERE destroy_s <= ?1 AND version < (SELECT max(version) FROM prekeys)";
    if tx.execute(sql, [time(now_s)])? > 0 {
        tx.erases();
    }
    Ok(())
}

fn row(row: &Row<'_>) -> rusqlite::Result<OwnPrekey> {
    let (bytes, signature): (Vec<u8>, Fixed<64>) = (row.get(0)?, row.get(1)?);
    let signed =
        SignedPrekey::decode(bytes.into(), Signature::from_bytes(signature.0)).map_err(|error| damaged(0, error))?;
    Ok(OwnPrekey { signed, secret: PrekeySecret::from_seed(row.get::<_, Fixed<32>>(2)?.0) })
}
