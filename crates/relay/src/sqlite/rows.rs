//! What the mailboxes are asked, in SQL.
//!
//! Each mailbox's row counts what belongs to it, in the same transaction that changes it; so a quota costs no counting.

use bytes::Bytes;
use proto::id::MachineId;
use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use super::failed;
use crate::mailboxes::{Counts, Item, Kept, MailboxError, Page, Put, Quotas, Token, TokenChange, TokenHash};

/// How exactly it is known when an owner was last here, in seconds: a day, so that most logins write nothing.
const SEEN_STEP_S: u64 = 24 * 60 * 60;

/// Hashes remembered in a mailbox, for each item that it may hold. Beyond, the oldest are forgotten: what is put again so
/// late is kept twice, which its recipient sees through.
const REMEMBERED_PER_ITEM: u64 = 16;

/// Rows of a kind that one sweep removes at most, so that no put waits long behind it.
const SWEPT: u32 = 512;

/// Mailboxes that one sweep removes at most, with all that is in them.
const SWEPT_MAILBOXES: u32 = 4;

/// A mailbox's row.
struct Mailbox {
    id: i64,
    items: u64,
    bytes: u64,
    requests: u64,
    remembered: u64,
    tokens: u64,
}

pub(super) fn entered(db: &Connection, machine: &MachineId, now_s: u64) -> Result<Option<Vec<Token>>, MailboxError> {
    let found = one(db, "SELECT id, seen_s FROM mailboxes WHERE machine = ?1", [machine.as_bytes()], |row| {
        Ok((row.get::<_, i64>(0)?, number(row, 1)?))
    })?;
    match found {
        Some((id, seen_s)) if seen_s.saturating_add(SEEN_STEP_S) > now_s => tokens(db, id).map(Some),
        _ => Ok(None),
    }
}

pub(super) fn enter(
    db: &Connection,
    quotas: &Quotas,
    machine: &MachineId,
    now_s: u64,
) -> Result<Vec<Token>, MailboxError> {
    if mailbox(db, machine)?.is_none() {
        let mailboxes = one(db, "SELECT count(*) FROM mailboxes", [], |row| number(row, 0))?.unwrap_or(0);
        if mailboxes >= u64::from(quotas.mailboxes) {
            return Err(MailboxError::Exhausted { what: "mailboxes", limit: quotas.mailboxes.into() });
        }
    }
    run(
        db,
        "INSERT INTO mailboxes (machine, seen_s, items, bytes, requests, remembered, tokens) VALUES (?1, ?2, 0, 0, 0, 0, 0)
         ON CONFLICT (machine) DO UPDATE SET seen_s = excluded.seen_s",
        (machine.as_bytes(), signed(now_s)),
    )?;
    let mailbox = existing(db, machine)?;
    tokens(db, mailbox.id)
}

pub(super) fn put(db: &Connection, quotas: &Quotas, put: &Put) -> Result<Kept, MailboxError> {
    let mailbox = mailbox(db, &put.to)?.ok_or(MailboxError::NoMailbox)?;
    if let Some(hash) = &put.token
        && !is_valid(db, mailbox.id, hash, put.now_s)?
    {
        return Err(MailboxError::BadToken);
    }
    let is_request = put.token.is_none();
    let size = put.envelope.len() as u64;
    if is_request && size > u64::from(quotas.request_bytes) {
        return Err(MailboxError::TooLarge { limit: quotas.request_bytes.into() });
    }
    let hash = *blake3::hash(&put.envelope).as_bytes();
    let known = one(
        db,
        "SELECT 1 FROM remembered WHERE mailbox = ?1 AND hash = ?2 AND expires_s > ?3",
        (mailbox.id, &hash, signed(put.now_s)),
        |_| Ok(()),
    )?;
    if known.is_some() {
        return Ok(Kept::Known);
    }
    has_room(quotas, &mailbox, is_request, size)?;
    let ttl_s = if is_request { quotas.request_ttl_s } else { quotas.ttl_s };
    let expires_s = signed(put.now_s.saturating_add(ttl_s));
    run(
        db,
        "INSERT INTO items (mailbox, is_request, put_s, expires_s, envelope) VALUES (?1, ?2, ?3, ?4, ?5)",
        (mailbox.id, is_request, signed(put.now_s), expires_s, put.envelope.as_ref()),
    )?;
    remember(db, quotas, &mailbox, &hash, expires_s)?;
    run(
        db,
        if is_request {
            "UPDATE mailboxes SET requests = requests + 1 WHERE id = ?1 AND ?2 >= 0"
        } else {
            "UPDATE mailboxes SET items = items + 1, bytes = bytes + ?2 WHERE id = ?1"
        },
        (mailbox.id, signed(size)),
    )?;
    Ok(Kept::New)
}

pub(super) fn fetch(
    db: &Connection,
    machine: &MachineId,
    after: u64,
    count: usize,
    bytes: usize,
) -> Result<Page, MailboxError> {
    let Some(mailbox) = mailbox(db, machine)? else { return Ok(Page::default()) };
    let sql = "SELECT cursor, put_s, envelope FROM items WHERE mailbox = ?1 AND cursor > ?2 ORDER BY cursor";
    let read = (|| {
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query((mailbox.id, signed(after)))?;
        let (mut page, mut total) = (Page::default(), 0);
        while let Some(row) = rows.next()? {
            let envelope = row.get_ref(2)?.as_blob().unwrap_or_default();
            total += envelope.len();
            if page.items.len() >= count || (total > bytes && !page.items.is_empty()) {
                page.more = true;
                break;
            }
            let envelope = Bytes::copy_from_slice(envelope);
            page.items.push(Item { cursor: number(row, 0)?, put_s: number(row, 1)?, envelope });
        }
        Ok(page)
    })();
    read.map_err(|error| failed(&error))
}

pub(super) fn acknowledge(db: &Connection, machine: &MachineId, cursors: &[u64]) -> Result<(), MailboxError> {
    let Some(mailbox) = mailbox(db, machine)? else { return Ok(()) };
    for cursor in cursors {
        let item = one(
            db,
            "SELECT cursor, mailbox, is_request, length(envelope) FROM items WHERE cursor = ?1 AND mailbox = ?2",
            (signed(*cursor), mailbox.id),
            Gone::read,
        )?;
        if let Some(item) = item {
            item.remove(db)?;
        }
    }
    Ok(())
}

pub(super) fn change_tokens(
    db: &Connection,
    quotas: &Quotas,
    machine: &MachineId,
    change: &TokenChange,
    now_s: u64,
) -> Result<Vec<Token>, MailboxError> {
    let mailbox = existing(db, machine)?;
    let mut count = mailbox.tokens;
    if change.replace {
        run(db, "DELETE FROM tokens WHERE mailbox = ?1", [mailbox.id])?;
        count = 0;
    }
    for hash in &change.remove {
        count -= run(db, "DELETE FROM tokens WHERE mailbox = ?1 AND hash = ?2", (mailbox.id, hash))? as u64;
    }
    for token in change.add.iter().filter(|token| token.is_valid(now_s)) {
        let was_there = run(
            db,
            "UPDATE tokens SET expires_s = ?3 WHERE mailbox = ?1 AND hash = ?2",
            (mailbox.id, &token.hash, signed(token.expires_s)),
        )?;
        if was_there == 0 {
            if count >= u64::from(quotas.tokens) {
                return Err(MailboxError::Exhausted { what: "tokens", limit: quotas.tokens.into() });
            }
            run(
                db,
                "INSERT INTO tokens (mailbox, hash, expires_s) VALUES (?1, ?2, ?3)",
                (mailbox.id, &token.hash, signed(token.expires_s)),
            )?;
            count += 1;
        }
    }
    run(db, "UPDATE mailboxes SET tokens = ?2 WHERE id = ?1", (mailbox.id, signed(count)))?;
    tokens(db, mailbox.id)
}

pub(super) fn publish(
    db: &Connection,
    machine: &MachineId,
    version: u64,
    register: &[u8],
) -> Result<bool, MailboxError> {
    let mailbox = existing(db, machine)?;
    run(
        db,
        "INSERT INTO prekeys (mailbox, version, register) VALUES (?1, ?2, ?3)
         ON CONFLICT (mailbox) DO UPDATE SET version = excluded.version, register = excluded.register
         WHERE excluded.version > prekeys.version",
        (mailbox.id, signed(version), register),
    )?;
    Ok(prekey(db, machine)?.is_some_and(|kept| kept == register))
}

pub(super) fn prekey(db: &Connection, machine: &MachineId) -> Result<Option<Bytes>, MailboxError> {
    one(
        db,
        "SELECT register FROM prekeys JOIN mailboxes ON id = mailbox WHERE machine = ?1",
        [machine.as_bytes()],
        |row| Ok(Bytes::from(row.get::<_, Vec<u8>>(0)?)),
    )
}

pub(super) fn sweep(db: &Connection, quotas: &Quotas, now_s: u64) -> Result<bool, MailboxError> {
    let mut more = false;
    let expired = all(
        db,
        "SELECT cursor, mailbox, is_request, length(envelope) FROM items WHERE expires_s <= ?1 ORDER BY expires_s LIMIT ?2",
        (signed(now_s), SWEPT),
        Gone::read,
    )?;
    more |= expired.len() as u64 == u64::from(SWEPT);
    for item in expired {
        item.remove(db)?;
    }
    for (select, delete, count) in [
        (
            "SELECT mailbox, hash FROM remembered WHERE expires_s <= ?1 LIMIT ?2",
            "DELETE FROM remembered WHERE mailbox = ?1 AND hash = ?2",
            "UPDATE mailboxes SET remembered = remembered - 1 WHERE id = ?1",
        ),
        (
            "SELECT mailbox, hash FROM tokens WHERE expires_s > 0 AND expires_s <= ?1 LIMIT ?2",
            "DELETE FROM tokens WHERE mailbox = ?1 AND hash = ?2",
            "UPDATE mailboxes SET tokens = tokens - 1 WHERE id = ?1",
        ),
    ] {
        let expired: Vec<(i64, TokenHash)> =
            all(db, select, (signed(now_s), SWEPT), |row| Ok((row.get(0)?, row.get(1)?)))?;
        more |= expired.len() as u64 == u64::from(SWEPT);
        for (mailbox, hash) in expired {
            run(db, delete, (mailbox, hash))?;
            run(db, count, [mailbox])?;
        }
    }
    let seen_before = signed(now_s.saturating_sub(quotas.forget_after_s));
    let left: Vec<i64> = all(
        db,
        "SELECT id FROM mailboxes WHERE seen_s < ?1 ORDER BY seen_s LIMIT ?2",
        (seen_before, SWEPT_MAILBOXES),
        |row| row.get(0),
    )?;
    more |= left.len() as u64 == u64::from(SWEPT_MAILBOXES);
    for mailbox in left {
        run(db, "DELETE FROM mailboxes WHERE id = ?1", [mailbox])?;
    }
    Ok(more)
}

pub(super) fn count(db: &Connection) -> Result<Counts, MailboxError> {
    let sql = "SELECT count(*), ifnull(sum(items + requests), 0), ifnull(sum(bytes), 0) FROM mailboxes";
    let counts = one(db, sql, [], |row| {
        Ok(Counts { mailboxes: number(row, 0)?, items: number(row, 1)?, bytes: number(row, 2)? })
    });
    counts.map(Option::unwrap_or_default)
}

/// An item that is to go.
struct Gone {
    cursor: i64,
    mailbox: i64,
    is_request: bool,
    size: i64,
}

impl Gone {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { cursor: row.get(0)?, mailbox: row.get(1)?, is_request: row.get(2)?, size: row.get(3)? })
    }

    fn remove(&self, db: &Connection) -> Result<(), MailboxError> {
        run(db, "DELETE FROM items WHERE cursor = ?1", [self.cursor])?;
        let (items, bytes, requests) = if self.is_request { (0, 0, 1) } else { (1, self.size, 0) };
        run(
            db,
            "UPDATE mailboxes SET items = items - ?2, bytes = bytes - ?3, requests = requests - ?4 WHERE id = ?1",
            (self.mailbox, items, bytes, requests),
        )?;
        Ok(())
    }
}

fn has_room(quotas: &Quotas, mailbox: &Mailbox, is_request: bool, size: u64) -> Result<(), MailboxError> {
    let full = |what, limit| Err(MailboxError::Full { what, limit });
    if is_request {
        let limit = u64::from(quotas.request_items);
        return if mailbox.requests >= limit { full("items of strangers", limit) } else { Ok(()) };
    }
    if mailbox.items >= u64::from(quotas.items) {
        return full("items", quotas.items.into());
    }
    if mailbox.bytes.saturating_add(size) > quotas.bytes {
        return full("bytes", quotas.bytes);
    }
    Ok(())
}

fn remember(
    db: &Connection,
    quotas: &Quotas,
    mailbox: &Mailbox,
    hash: &[u8; 32],
    expires_s: i64,
) -> Result<(), MailboxError> {
    // Expired and not swept yet it may stand there.
    let forgotten = run(db, "DELETE FROM remembered WHERE mailbox = ?1 AND hash = ?2", (mailbox.id, hash))?;
    run(db, "INSERT INTO remembered (mailbox, hash, expires_s) VALUES (?1, ?2, ?3)", (mailbox.id, hash, expires_s))?;
    let mut count = mailbox.remembered + 1 - forgotten as u64;
    if count > u64::from(quotas.items).saturating_add(u64::from(quotas.request_items)) * REMEMBERED_PER_ITEM {
        count -= run(
            db,
            "DELETE FROM remembered WHERE mailbox = ?1 AND hash =
             (SELECT hash FROM remembered WHERE mailbox = ?1 ORDER BY expires_s LIMIT 1)",
            [mailbox.id],
        )? as u64;
    }
    run(db, "UPDATE mailboxes SET remembered = ?2 WHERE id = ?1", (mailbox.id, signed(count)))?;
    Ok(())
}

/// The number of a machine's mailbox.
pub(super) fn mailbox_id(db: &Connection, machine: &MachineId) -> Result<Option<i64>, MailboxError> {
    Ok(mailbox(db, machine)?.map(|mailbox| mailbox.id))
}

fn mailbox(db: &Connection, machine: &MachineId) -> Result<Option<Mailbox>, MailboxError> {
    one(
        db,
        "SELECT id, items, bytes, requests, remembered, tokens FROM mailboxes WHERE machine = ?1",
        [machine.as_bytes()],
        |row| {
            Ok(Mailbox {
                id: row.get(0)?,
                items: number(row, 1)?,
                bytes: number(row, 2)?,
                requests: number(row, 3)?,
                remembered: number(row, 4)?,
                tokens: number(row, 5)?,
            })
        },
    )
}

/// The mailbox of a machine that has entered.
fn existing(db: &Connection, machine: &MachineId) -> Result<Mailbox, MailboxError> {
    mailbox(db, machine)?.ok_or(MailboxError::NoMailbox)
}

fn tokens(db: &Connection, mailbox: i64) -> Result<Vec<Token>, MailboxError> {
    all(db, "SELECT hash, expires_s FROM tokens WHERE mailbox = ?1", [mailbox], |row| {
        Ok(Token { hash: row.get(0)?, expires_s: number(row, 1)? })
    })
}

/// Whether a token may be used for a mailbox.
pub(super) fn is_valid(db: &Connection, mailbox: i64, hash: &TokenHash, now_s: u64) -> Result<bool, MailboxError> {
    let expires_s = one(db, "SELECT expires_s FROM tokens WHERE mailbox = ?1 AND hash = ?2", (mailbox, hash), |row| {
        number(row, 0)
    })?;
    Ok(expires_s.is_some_and(|expires_s| Token { hash: *hash, expires_s }.is_valid(now_s)))
}

pub(super) fn run<P: Params>(db: &Connection, sql: &str, params: P) -> Result<usize, MailboxError> {
    let changed = db.prepare_cached(sql).and_then(|mut statement| statement.execute(params));
    changed.map_err(|error| failed(&error))
}

pub(super) fn one<T, P: Params>(
    db: &Connection,
    sql: &str,
    params: P,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, MailboxError> {
    let row = db.prepare_cached(sql).and_then(|mut statement| statement.query_row(params, read).optional());
    row.map_err(|error| failed(&error))
}

pub(super) fn all<T, P: Params>(
    db: &Connection,
    sql: &str,
    params: P,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, MailboxError> {
    let rows = db.prepare_cached(sql).and_then(|mut statement| statement.query_map(params, read)?.collect());
    rows.map_err(|error| failed(&error))
}

/// SQLite's integers have a sign; what is larger than they are is as good as the largest.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0).cast_unsigned())
}
