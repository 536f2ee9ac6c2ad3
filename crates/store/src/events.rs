//! Events: the exact bytes that were hashed and signed, in the order of their arrival.
//!
//! An event's local number is its place in that order. Only the last event of a run carries a signature, and only it
//! is found by its ID: logs are taken over run by run, so nobody's head, and hence nobody's parent, lies within a run. That
//! keeps the one index over random bytes small.

use proto::{Epoch, Event, EventId, MachineId, VerifiedRun};

use crate::columns::{LogKey, exact, time, unsigned};
use crate::logs::{self, Head};
use crate::{EventKey, Reader, SessionKey, StoreError, Tx, machines};

// No foreign keys on the tables that grow with each message: logs and sessions are never deleted before their events,
// and each would cost a look-up a row.
pub(crate) const DDL: &str = "\
CREATE TABLE events (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    arrived_ms INTEGER NOT NULL,
    run_id BLOB CHECK (length(run_id) = 32),
    signature BLOB CHECK (length(signature) = 64),
    header BLOB NOT NULL,
    body BLOB
) STRICT;
CREATE UNIQUE INDEX events_place ON events (log, seq);
CREATE UNIQUE INDEX events_run ON events (run_id) WHERE run_id IS NOT NULL;";

pub(crate) const FORKS_DDL: &str = "\
CREATE TABLE forks (
    log INTEGER NOT NULL REFERENCES logs (key),
    seq INTEGER NOT NULL,
    noticed_ms INTEGER NOT NULL,
    run BLOB NOT NULL,
    PRIMARY KEY (log)
) STRICT, WITHOUT ROWID;";

/// The proof that an author wrote two events at one place: the one is in the log, the other in this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// Whose log.
    pub author: MachineId,
    /// Which of the author's logs.
    pub epoch: Epoch,
    /// The place.
    pub seq: u64,
    /// When it was noticed; milliseconds since 1970.
    pub noticed_ms: u64,
    /// The run that does not fit, signed by the author, in its wire form ([`proto::Run::decode`]).
    pub run: Vec<u8>,
}

/// Appends a run to its log and gives the local numbers of its events, in their order. The session must be the run's; its
/// author is made known if it is not.
///
/// # Errors
///
/// [`StoreError::Conflict`] when the run does not follow its log's head, or the log is frozen: the caller's admission
/// has to find that out first.
pub fn append(
    tx: &Tx<'_>,
    session: SessionKey,
    run: &VerifiedRun,
    arrived_ms: u64,
) -> Result<Vec<EventKey>, StoreError> {
    let log = ready_log(tx, session, run, arrived_ms)?;
    let mut statement = tx.prepare(
        "INSERT INTO events (log, seq, lamport, arrived_ms, run_id, signature, header, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let mut keys = Vec::with_capacity(run.events().len());
    for event in run.events() {
        let header = event.header();
        let id = event.id();
        let ends_run = header.seq == run.last_seq();
        statement.execute((
            log,
            exact(header.seq, "seq")?,
            exact(header.lamport, "lamport")?,
            time(arrived_ms),
            ends_run.then(|| id.as_bytes()),
            ends_run.then(|| run.signature().as_bytes()),
            event.header_bytes().as_ref(),
            event.body().map(AsRef::as_ref),
        ))?;
        keys.push(EventKey(tx.last_insert()));
    }
    let (Some(last), Some(last_key)) = (run.events().last(), keys.last()) else { return Ok(keys) };
    tx.execute(
        "UPDATE logs SET seq = ?2, head = ?3, lamport = ?4, last_event = ?5, bytes = bytes + ?6 WHERE key = ?1",
        (
            log,
            exact(run.last_seq(), "seq")?,
            last.id().as_bytes(),
            exact(last.header().lamport, "lamport")?,
            last_key,
            exact(run.size() as u64, "run size")?,
        ),
    )?;
    Ok(keys)
}

/// The log that a run belongs to, made if it is the first; refused if the run does not follow.
fn ready_log(tx: &Tx<'_>, session: SessionKey, run: &VerifiedRun, arrived_ms: u64) -> Result<LogKey, StoreError> {
    let (author, epoch) = (run.author(), run.epoch());
    let head = logs::head(tx, session, &author, epoch)?;
    let next = head.as_ref().map_or(1, |head| head.seq + 1);
    if run.first_seq() != next {
        return Err(StoreError::Conflict(format!(
            "the log continues at {next}, the run begins at {}",
            run.first_seq()
        )));
    }
    match head {
        Some(Head { frozen: true, .. }) => Err(StoreError::Conflict("the log is frozen".into())),
        Some(head) => {
            let prev = run.events().first().and_then(|event| event.header().prev);
            if prev == Some(head.id) {
                Ok(head.key)
            } else {
                Err(StoreError::Conflict("the run continues another event than the log's head".into()))
            }
        }
        None => {
            let author = machines::ensure(tx, &author, arrived_ms)?;
            tx.execute(
                "INSERT INTO logs (session, author, epoch, seq, head, lamport, last_event, bytes)
                 VALUES (?1, ?2, ?3, 0, zeroblob(32), 0, 0, 0)",
                (session, author, exact(epoch.get(), "epoch")?),
            )?;
            Ok(LogKey(tx.last_insert()))
        }
    }
}

/// The Lamport time of a run's last event in a session; `None` when there is no such event, or it is within a run, where
/// no parent lies.
///
/// # Errors
///
/// As any read.
pub fn known(reader: &Reader<'_>, session: SessionKey, id: &EventId) -> Result<Option<u64>, StoreError> {
    reader.one(
        "SELECT e.lamport FROM events e CROSS JOIN logs l ON l.key = e.log WHERE e.run_id = ?1 AND l.session = ?2",
        (id.as_bytes(), session),
        |row| unsigned(row, 0),
    )
}

/// The local number of a run's last event in a session, found as by [`known`].
///
/// # Errors
///
/// As any read.
pub fn find(reader: &Reader<'_>, session: SessionKey, id: &EventId) -> Result<Option<EventKey>, StoreError> {
    reader.one(
        "SELECT e.key FROM events e CROSS JOIN logs l ON l.key = e.log WHERE e.run_id = ?1 AND l.session = ?2",
        (id.as_bytes(), session),
        |row| row.get(0),
    )
}

/// The ID of the event at a place, if it is there.
///
/// # Errors
///
/// As any read.
pub fn id_at(
    reader: &Reader<'_>,
    session: SessionKey,
    author: &MachineId,
    epoch: Epoch,
    seq: u64,
) -> Result<Option<EventId>, StoreError> {
    let Some(head) = logs::head(reader, session, author, epoch)? else { return Ok(None) };
    let sql = "SELECT header FROM events WHERE log = ?1 AND seq = ?2";
    reader.one(sql, (head.key, exact(seq, "seq")?), |row| Ok(EventId::of(row.get_ref(0)?.as_blob()?)))
}

/// An event of a session by its local number, with when it came.
///
/// # Errors
///
/// As any read; [`StoreError::Damaged`] when its bytes are not what this program wrote.
pub fn read(reader: &Reader<'_>, session: SessionKey, key: EventKey) -> Result<Option<(Event, u64)>, StoreError> {
    let row = reader.one(
        "SELECT e.header, e.body, e.arrived_ms FROM events e CROSS JOIN logs l ON l.key = e.log
         WHERE e.key = ?1 AND l.session = ?2",
        (key, session),
        |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?, unsigned(row, 2)?)),
    )?;
    let Some((header, body, arrived_ms)) = row else { return Ok(None) };
    let event =
        Event::decode(header.into(), body.map(Into::into)).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Some((event, arrived_ms)))
}

/// Takes an event's body away, for good. The header stays, so the log's chain stays valid.
///
/// # Errors
///
/// As any write.
pub fn delete_body(tx: &Tx<'_>, key: EventKey) -> Result<(), StoreError> {
    tx.erases();
    tx.execute("UPDATE events SET body = NULL WHERE key = ?1", [key])?;
    Ok(())
}

/// Keeps the proof of a fork at a place and freezes the log. The first proof of a log is kept: one suffices, and an author
/// could make any number.
///
/// # Errors
///
/// As any write; [`StoreError::Missing`] when there is no such log.
pub fn keep_fork(
    tx: &Tx<'_>,
    session: SessionKey,
    run: &VerifiedRun,
    seq: u64,
    wall_ms: u64,
) -> Result<(), StoreError> {
    let head = logs::head(tx, session, &run.author(), run.epoch())?.ok_or(StoreError::Missing("the forked log"))?;
    tx.execute(
        "INSERT INTO forks (log, seq, noticed_ms, run) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (log) DO NOTHING",
        (head.key, exact(seq, "seq")?, time(wall_ms), run.encode()),
    )?;
    logs::freeze(tx, session, &run.author(), run.epoch())
}

/// The proven forks of a session.
///
/// # Errors
///
/// As any read.
pub fn forks(reader: &Reader<'_>, session: SessionKey) -> Result<Vec<Fork>, StoreError> {
    reader.all(
        "SELECT a.id, l.epoch, f.seq, f.noticed_ms, f.run
         FROM logs l CROSS JOIN forks f ON f.log = l.key CROSS JOIN machines a ON a.key = l.author
         WHERE l.session = ?1",
        [session],
        |row| {
            Ok(Fork {
                author: crate::columns::machine_id(row, 0)?,
                epoch: Epoch::new(unsigned(row, 1)?),
                seq: unsigned(row, 2)?,
                noticed_ms: unsigned(row, 3)?,
                run: row.get(4)?,
            })
        },
    )
}
