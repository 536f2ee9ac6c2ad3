//! What a person has begun to write in a session and not sent: text, the message that it answers, and what it carries.

use proto::MessageId;
use rusqlite::params;

use crate::columns::time;
use crate::uploads::{self, Upload, upload_columns};
use crate::{Reader, SessionKey, StoreError, Tx};

pub(crate) const DDL: &str = "\
CREATE TABLE draft_attachments (
    session INTEGER NOT NULL,
    place INTEGER NOT NULL,
    upload BLOB NOT NULL CHECK (length(upload) = 16),
    PRIMARY KEY (session, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX draft_attachments_upload ON draft_attachments (upload);";

/// Keeps an unsent text; an empty one is none.
///
/// # Errors
///
/// As any write.
pub fn set_text(tx: &Tx<'_>, key: SessionKey, draft: Option<&str>, wall_ms: u64) -> Result<(), StoreError> {
    let draft = draft.filter(|text| !text.is_empty());
    let sql = "UPDATE sessions SET draft = ?2, draft_ms = ?3 WHERE key = ?1";
    tx.execute(sql, params![key, draft, draft.map(|_| time(wall_ms))])?;
    Ok(())
}

/// Keeps which message the unsent text answers.
///
/// # Errors
///
/// As any write.
pub fn set_reply_to(tx: &Tx<'_>, key: SessionKey, message: Option<&MessageId>) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET draft_reply_to = ?2 WHERE key = ?1";
    tx.execute(sql, (key, message.map(MessageId::as_bytes)))?;
    Ok(())
}

/// Keeps what the unsent message carries, in this order. It is not cleaned away as long as it stands here.
///
/// # Errors
///
/// As any write.
pub fn set_attachments(tx: &Tx<'_>, key: SessionKey, uploads: &[[u8; 16]]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM draft_attachments WHERE session = ?1", [key])?;
    for (place, upload) in (0_i64..).zip(uploads) {
        let sql = "INSERT INTO draft_attachments (session, place, upload) VALUES (?1, ?2, ?3)";
        tx.execute(sql, (key, place, upload))?;
    }
    Ok(())
}

/// What the unsent message carries, in its order.
///
/// # Errors
///
/// As any read.
pub fn attachments(reader: &Reader<'_>, key: SessionKey) -> Result<Vec<Upload>, StoreError> {
    let sql = concat!(
        "SELECT ",
        upload_columns!(),
        " FROM draft_attachments d CROSS JOIN uploads u ON u.id = d.upload WHERE d.session = ?1 ORDER BY d.place"
    );
    reader.all(sql, [key], uploads::read)
}

/// Takes out of a session's draft what was sent.
///
/// # Errors
///
/// As any write.
pub fn sent(tx: &Tx<'_>, key: SessionKey, uploads: &[[u8; 16]]) -> Result<(), StoreError> {
    for upload in uploads {
        tx.execute("DELETE FROM draft_attachments WHERE session = ?1 AND upload = ?2", (key, upload))?;
    }
    Ok(())
}
