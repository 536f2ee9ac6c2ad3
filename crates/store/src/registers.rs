//! Signed latest-wins registers of a session's members: how far each has received and read.

use proto::{MachineId, ReceiptKind, Signature, SignedReceipt};
use rusqlite::Row;

use crate::columns::{Fixed, damaged, exact};
use crate::{Reader, SessionKey, StoreError, Tx, machines};

pub(crate) const DDL: &str = "\
CREATE TABLE registers (
    session INTEGER NOT NULL REFERENCES sessions (key),
    member INTEGER NOT NULL REFERENCES machines (key),
    kind INTEGER NOT NULL,
    version INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (session, member, kind)
) STRICT, WITHOUT ROWID;";

/// Stores a receipt, whose signature the caller has checked, if it is newer than what is there; whether it was.
///
/// # Errors
///
/// As any write; [`StoreError::Missing`] for an unknown member.
pub fn put_latest(tx: &Tx<'_>, session: SessionKey, signed: &SignedReceipt) -> Result<bool, StoreError> {
    let receipt = signed.receipt();
    let member = machines::key(tx, &receipt.member)?.ok_or(StoreError::Missing("the receipt's member"))?;
    let changed = tx.execute(
        "INSERT INTO registers (session, member, kind, version, bytes, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (session, member, kind) DO UPDATE
             SET version = excluded.version, bytes = excluded.bytes, signature = excluded.signature
             WHERE excluded.version > registers.version",
        (
            session,
            member,
            receipt.kind.number(),
            exact(receipt.version, "receipt version")?,
            signed.bytes().as_ref(),
            signed.signature().as_bytes(),
        ),
    )?;
    Ok(changed > 0)
}

/// A member's newest receipt.
///
/// # Errors
///
/// As any read.
pub fn get(
    reader: &Reader<'_>,
    session: SessionKey,
    member: &MachineId,
    kind: ReceiptKind,
) -> Result<Option<SignedReceipt>, StoreError> {
    let Some(member) = machines::key(reader, member)? else { return Ok(None) };
    let sql = "SELECT bytes, signature FROM registers WHERE session = ?1 AND member = ?2 AND kind = ?3";
    reader.one(sql, (session, member, kind.number()), receipt)
}

/// All receipts of a session's members.
///
/// # Errors
///
/// As any read.
pub fn of_session(reader: &Reader<'_>, session: SessionKey) -> Result<Vec<SignedReceipt>, StoreError> {
    let sql = "SELECT bytes, signature FROM registers WHERE session = ?1 ORDER BY member, kind";
    reader.all(sql, [session], receipt)
}

fn receipt(row: &Row<'_>) -> rusqlite::Result<SignedReceipt> {
    let bytes: Vec<u8> = row.get(0)?;
    let signature: Fixed<64> = row.get(1)?;
    SignedReceipt::decode(bytes.into(), Signature::from_bytes(signature.0)).map_err(|error| damaged(0, error))
}
