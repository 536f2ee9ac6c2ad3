//! Files at relays: what this machine laid down for contacts that are away, and what contacts laid down for this machine.
//!
//! An own attachment points to the deposit that serves it, and several may point to one. A deposit to which none points that
//! is still on its way is to be taken away from its relay; the row stays until that is done.

use proto::relay::{FilePass, RelayAddress, Token};
use proto::sealed_file::{FileId, FileKey};
use proto::{Deposit, MachineId};
use rusqlite::Row;

use crate::attachments::AttachmentId;
use crate::columns::{Fixed, damaged, machine_id, time, unsigned};
use crate::{Reader, StoreError, Tx, machines};

pub(crate) const DDL: &str = "\
CREATE TABLE deposits (
    key INTEGER PRIMARY KEY,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    relay TEXT NOT NULL,
    mailbox BLOB NOT NULL CHECK (length(mailbox) = 32),
    token BLOB NOT NULL CHECK (length(token) = 32),
    file BLOB NOT NULL CHECK (length(file) = 32),
    secret BLOB CHECK (length(secret) = 32),
    until_s INTEGER NOT NULL DEFAULT 0,
    begun INTEGER NOT NULL DEFAULT 0,
    seen_ms INTEGER NOT NULL,
    refusal TEXT
) STRICT;
CREATE INDEX deposits_hash ON deposits (hash);";

pub(crate) const TOLD_DDL: &str = "\
CREATE TABLE told_deposits (
    machine INTEGER NOT NULL REFERENCES machines (key),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    relay TEXT NOT NULL,
    secret BLOB NOT NULL CHECK (length(secret) = 32),
    until_s INTEGER NOT NULL,
    PRIMARY KEY (machine, hash, relay)
) STRICT, WITHOUT ROWID;";

/// Most deposits of one machine that are kept: as many as its relay lets it lay down, by far.
const TOLD: u32 = 4_096;

/// A relay may say a little more or less each time how long it keeps a file; only what is more than that counts, in seconds.
const LATER_S: u64 = 60 * 60;

/// Local number of an own deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DepositKey(i64);

/// A file that this machine lays down at a relay, or has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnDeposit {
    /// Its number.
    pub key: DepositKey,
    /// Where.
    pub relay: RelayAddress,
    /// By what right.
    pub pass: FilePass,
    /// What the relay knows it by.
    pub file: FileId,
    /// What opens it; absent when nothing names it any more, and it is only to be taken away.
    pub secret: Option<FileKey>,
    /// Until when the relay keeps it, in seconds since 1970; 0 while it is not whole.
    pub until_s: u64,
    /// Whether some of it is there.
    pub begun: bool,
    /// When the relay last took some of it, or said that all is there; milliseconds since 1970.
    pub seen_ms: u64,
}

/// How it stands with the deposit of an own attachment, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Which.
    pub key: DepositKey,
    /// Origin of its relay.
    pub origin: String,
    /// As [`OwnDeposit::until_s`].
    pub until_s: u64,
    /// Why it is not there, in words.
    pub refusal: Option<String>,
}

/// What a machine is to be told of a file that waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// The attachment.
    pub attachment: AttachmentId,
    /// Its deposit.
    pub deposit: DepositKey,
    /// Hash of the file.
    pub hash: [u8; 32],
    /// Where it lies.
    pub relay: RelayAddress,
    /// What opens it.
    pub secret: FileKey,
    /// Until when the relay keeps it, in seconds since 1970.
    pub until_s: u64,
}

const COLUMNS: &str = "key, relay, mailbox, token, file, secret, until_s, begun, seen_ms FROM deposits";

/// The deposits of a file, the newest first.
///
/// # Errors
///
/// As any read.
pub fn of_hash(reader: &Reader<'_>, hash: &[u8; 32]) -> Result<Vec<OwnDeposit>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE hash = ?1 AND secret IS NOT NULL ORDER BY key DESC");
    reader.all(&sql, [hash], own)
}

/// Deposits that no attachment needs any more, at most `limit`. One that this machine can no longer give itself is needed for
/// as long as it is kept.
///
/// # Errors
///
/// As any read.
pub fn unneeded(reader: &Reader<'_>, now_s: u64, limit: u32) -> Result<Vec<OwnDeposit>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE NOT EXISTS
             (SELECT 1 FROM attachments a WHERE a.deposit = deposits.key
                 AND (a.state < 4 OR (a.state IN (5, 7) AND deposits.until_s > ?1)))
         ORDER BY key LIMIT ?2"
    );
    reader.all(&sql, (time(now_s), limit), own)
}

/// Notes that an attachment's file is being laid down at a relay, under a key that is used for nothing else.
///
/// # Errors
///
/// As any write.
pub fn begin(
    tx: &Tx<'_>,
    attachment: AttachmentId,
    relay: &RelayAddress,
    pass: &FilePass,
    secret: &FileKey,
    now_ms: u64,
) -> Result<Option<DepositKey>, StoreError> {
    let key = tx.one(
        "INSERT INTO deposits (hash, relay, mailbox, token, file, secret, seen_ms)
         SELECT hash, ?2, ?3, ?4, ?5, ?6, ?7 FROM attachments WHERE id = ?1 AND outgoing = 1 RETURNING key",
        (
            attachment.0,
            relay.to_string(),
            pass.mailbox.as_bytes(),
            pass.token.as_bytes(),
            secret.id().as_bytes(),
            secret.as_bytes(),
            time(now_ms),
        ),
        |row| Ok(DepositKey(row.get(0)?)),
    )?;
    if let Some(key) = key {
        serve(tx, attachment, key)?;
    }
    Ok(key)
}

/// Notes which deposit serves an own attachment. Its receiver is to be told of it anew.
///
/// # Errors
///
/// As any write.
pub fn serve(tx: &Tx<'_>, attachment: AttachmentId, deposit: DepositKey) -> Result<(), StoreError> {
    let sql = "UPDATE attachments SET deposit = ?2, told_s = 0
        WHERE id = ?1 AND outgoing = 1 AND deposit IS NOT ?2";
    tx.execute(sql, (attachment.0, deposit.0))?;
    Ok(())
}

/// Notes that all of it is at the relay, which keeps it until then.
///
/// # Errors
///
/// As any write.
pub fn laid_down(tx: &Tx<'_>, deposit: DepositKey, until_s: u64, now_ms: u64) -> Result<(), StoreError> {
    let sql = "UPDATE deposits SET refusal = NULL, begun = 1, seen_ms = ?3,
             until_s = CASE WHEN ?2 BETWEEN until_s - ?4 AND until_s + ?4 THEN until_s ELSE ?2 END
         WHERE key = ?1";
    tx.execute(sql, (deposit.0, time(until_s), time(now_ms), time(LATER_S)))?;
    Ok(())
}

/// Notes that the relay takes it, and has some of it.
///
/// # Errors
///
/// As any write.
pub fn is_taken(tx: &Tx<'_>, deposit: DepositKey, now_ms: u64) -> Result<(), StoreError> {
    let sql = "UPDATE deposits SET refusal = NULL, begun = 1, seen_ms = ?2 WHERE key = ?1";
    tx.execute(sql, (deposit.0, time(now_ms)))?;
    Ok(())
}

/// Notes why it is not at the relay, in words.
///
/// # Errors
///
/// As any write.
pub fn refused(tx: &Tx<'_>, deposit: DepositKey, words: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE deposits SET refusal = ?2, until_s = 0 WHERE key = ?1", (deposit.0, words))?;
    Ok(())
}

/// Notes that what is at the relay is not all of it.
///
/// # Errors
///
/// As any write.
pub fn incomplete(tx: &Tx<'_>, deposit: DepositKey) -> Result<(), StoreError> {
    tx.execute("UPDATE deposits SET until_s = 0 WHERE key = ?1", [deposit.0])?;
    Ok(())
}

/// Notes why it is not at the relay, in words, and that nothing that is there can be gone on with.
///
/// # Errors
///
/// As any write.
pub fn renounce(tx: &Tx<'_>, deposit: DepositKey, words: &str) -> Result<(), StoreError> {
    refused(tx, deposit, words)?;
    tx.erases();
    tx.execute("UPDATE deposits SET secret = NULL WHERE key = ?1", [deposit.0])?;
    Ok(())
}

/// Forgets a deposit, with its key.
///
/// # Errors
///
/// As any write.
pub fn forget(tx: &Tx<'_>, deposit: DepositKey) -> Result<(), StoreError> {
    tx.erases();
    tx.execute("UPDATE attachments SET deposit = NULL, told_s = 0 WHERE deposit = ?1", [deposit.0])?;
    tx.execute("DELETE FROM deposits WHERE key = ?1", [deposit.0])?;
    Ok(())
}

/// Files that lie whole at relays for a machine, and of which it was not told yet; at most `limit`.
///
/// # Errors
///
/// As any read.
pub fn untold(reader: &Reader<'_>, peer: &MachineId, now_s: u64, limit: u32) -> Result<Vec<Untold>, StoreError> {
    let Some(peer) = machines::key(reader, peer)? else { return Ok(Vec::new()) };
    reader.all(
        "SELECT a.id, d.key, a.hash, d.relay, d.secret, d.until_s
         FROM attachments a CROSS JOIN deposits d ON d.key = a.deposit
         WHERE a.state < 4 AND a.peer = ?1 AND a.outgoing = 1 AND d.until_s > max(?2, a.told_s) AND d.secret IS NOT NULL
         ORDER BY a.key LIMIT ?3",
        (peer, time(now_s), limit),
        |row| {
            Ok(Untold {
                attachment: AttachmentId(row.get::<_, Fixed<16>>(0)?.0),
                deposit: DepositKey(row.get(1)?),
                hash: row.get::<_, Fixed<32>>(2)?.0,
                relay: relay(row, 3)?,
                secret: FileKey::from_bytes(row.get::<_, Fixed<32>>(4)?.0),
                until_s: unsigned(row, 5)?,
            })
        },
    )
}

/// Notes that the receiver of an attachment was told of its deposit, if that still serves it.
///
/// # Errors
///
/// As any write.
pub fn told(tx: &Tx<'_>, untold: &Untold) -> Result<(), StoreError> {
    let sql = "UPDATE attachments SET told_s = ?3 WHERE id = ?1 AND deposit = ?2";
    tx.execute(sql, (untold.attachment.0, untold.deposit.0, time(untold.until_s)))?;
    Ok(())
}

/// Destroys the keys of a file's deposits that serve no attachment any more. What is left is what takes them away from their
/// relays.
pub(crate) fn release(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<(), StoreError> {
    let sql = "UPDATE deposits SET secret = NULL
        WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM attachments WHERE deposit = deposits.key)";
    if tx.execute(sql, [hash])? > 0 {
        tx.erases();
    }
    Ok(())
}

/// Keeps what a machine said of files that it laid down, whose signatures the caller has checked. Of two for one file at one
/// relay the later one counts. When there are very many, those that end first go.
///
/// # Errors
///
/// As any write.
pub fn keep_told(tx: &Tx<'_>, peer: &MachineId, deposits: &[Deposit]) -> Result<(), StoreError> {
    let Some(machine) = machines::key(tx, peer)? else { return Ok(()) };
    for deposit in deposits {
        let Some(relay) = &deposit.relay else { continue };
        tx.execute(
            "INSERT INTO told_deposits (machine, hash, relay, secret, until_s) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (machine, hash, relay) DO UPDATE SET secret = excluded.secret, until_s = excluded.until_s
                 WHERE excluded.until_s > until_s",
            (machine, deposit.hash, relay.to_string(), deposit.key.as_bytes(), time(deposit.until_s)),
        )?;
    }
    tx.execute(
        "DELETE FROM told_deposits WHERE machine = ?1 AND (hash, relay) IN
             (SELECT hash, relay FROM told_deposits WHERE machine = ?1 ORDER BY until_s DESC LIMIT -1 OFFSET ?2)",
        (machine, TOLD),
    )?;
    Ok(())
}

/// Where a machine laid a file down, as far as it said; where it is kept longest first.
///
/// # Errors
///
/// As any read.
pub fn find_told(reader: &Reader<'_>, peer: &MachineId, hash: &[u8; 32]) -> Result<Vec<Deposit>, StoreError> {
    let sql = "SELECT m.id, t.hash, t.relay, t.secret, t.until_s
        FROM told_deposits t CROSS JOIN machines m ON m.key = t.machine
        WHERE t.machine = (SELECT key FROM machines WHERE id = ?1) AND t.hash = ?2 ORDER BY t.until_s DESC";
    reader.all(sql, (peer.as_bytes(), hash), |row| {
        Ok(Deposit {
            machine: machine_id(row, 0)?,
            hash: row.get::<_, Fixed<32>>(1)?.0,
            relay: Some(relay(row, 2)?),
            key: FileKey::from_bytes(row.get::<_, Fixed<32>>(3)?.0),
            until_s: unsigned(row, 4)?,
        })
    })
}

/// Forgets a place where a machine laid a file down: it is not there, or not what was meant.
///
/// # Errors
///
/// As any write.
pub fn drop_told(tx: &Tx<'_>, deposit: &Deposit) -> Result<(), StoreError> {
    tx.erases();
    let sql = "DELETE FROM told_deposits
        WHERE machine = (SELECT key FROM machines WHERE id = ?1) AND hash = ?2 AND relay = ?3";
    let relay = deposit.relay.as_ref().map(ToString::to_string);
    tx.execute(sql, (deposit.machine.as_bytes(), deposit.hash, relay))?;
    Ok(())
}

/// Forgets where a machine laid a file down, unless an attachment from it is still to be fetched.
pub(crate) fn release_told(tx: &Tx<'_>, peer: &MachineId, hash: &[u8; 32]) -> Result<(), StoreError> {
    let sql = "DELETE FROM told_deposits WHERE hash = ?2 AND machine = (SELECT key FROM machines WHERE id = ?1)
        AND NOT EXISTS (SELECT 1 FROM attachments a
            WHERE a.hash = ?2 AND a.outgoing = 0 AND a.state <> 4 AND a.peer = told_deposits.machine)";
    if tx.execute(sql, (peer.as_bytes(), hash))? > 0 {
        tx.erases();
    }
    Ok(())
}

/// Forgets what relays keep no longer.
///
/// # Errors
///
/// As any write.
pub fn sweep_told(tx: &Tx<'_>, now_s: u64) -> Result<(), StoreError> {
    if tx.execute("DELETE FROM told_deposits WHERE until_s <= ?1", [time(now_s)])? > 0 {
        tx.erases();
    }
    Ok(())
}

/// How an attachment's deposit stands, from four columns from `at` on: `key`, `relay`, `until_s`, `refusal`.
pub(crate) fn shown(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Shown>> {
    let Some(key) = row.get::<_, Option<i64>>(at)? else { return Ok(None) };
    Ok(Some(Shown {
        key: DepositKey(key),
        origin: relay(row, at + 1)?.origin(),
        until_s: unsigned(row, at + 2)?,
        refusal: row.get(at + 3)?,
    }))
}

fn own(row: &Row<'_>) -> rusqlite::Result<OwnDeposit> {
    let bytes = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Fixed<32>>(at)?.0);
    Ok(OwnDeposit {
        key: DepositKey(row.get(0)?),
        relay: relay(row, 1)?,
        pass: FilePass { mailbox: MachineId::from_bytes(bytes(2)?), token: Token::from_bytes(bytes(3)?) },
        file: FileId::from_bytes(bytes(4)?),
        secret: row.get::<_, Option<Fixed<32>>>(5)?.map(|secret| FileKey::from_bytes(secret.0)),
        until_s: unsigned(row, 6)?,
        begun: row.get(7)?,
        seen_ms: unsigned(row, 8)?,
    })
}

fn relay(row: &Row<'_>, at: usize) -> rusqlite::Result<RelayAddress> {
    row.get::<_, String>(at)?.parse().map_err(|error| damaged(at, error))
}
