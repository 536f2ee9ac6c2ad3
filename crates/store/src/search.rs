//! Full-text search: a file of its own beside the database, that follows it.
//!
//! Indexing a message costs several times what storing it does. So a message's commit never waits for it: the index is
//! another file, written in the background ([`Search::follow`]), and without any promise of its own. When it is missing, damaged,
//! of another version or of another database, it is made anew from the messages.
//!
//! What a search finds is compared with the messages as they are now, and the newest messages, that the index may not have yet,
//! are looked through; so it never shows what was deleted, and misses nothing that has just come.

mod file;
mod fold;
mod queue;
mod terms;
mod tokens;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use proto::{MachineId, SessionId};
use rusqlite::Connection;
use tokio::sync::RwLock;

pub(crate) use queue::DDL as QUEUE_DDL;
pub use queue::changed;
pub use terms::Terms;

use self::file::{Part, State};
use crate::attachments::{self, Stored};
use crate::columns::{MachineKey, unsigned};
use crate::messages::{self, Message};
use crate::readers::Readers;
use crate::{EventKey, Reader, SessionKey, Store, StoreError, machines, sessions};

/// Name of the index file inside a data directory.
pub const FILE_NAME: &str = "search.db";

/// Messages taken into the index at once: some tens of milliseconds of one core.
const PART: u32 = 128;

/// The newest messages, not in the index yet, that a search looks through itself.
const TAIL: u32 = 512;

/// Hits that are counted; beyond, a search says only that there are more.
pub const COUNTED: usize = 1_000;

/// Hits in a page at most.
pub const PAGE: u32 = 50;

/// What a message is. Stored in the index as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Text alone.
    Text = 0,
    /// With pictures and nothing else.
    Image = 1,
    /// With files or folders.
    File = 2,
}

impl Kind {
    /// What attachments make of a message.
    #[must_use]
    pub fn of(attachments: &[Stored]) -> Self {
        let image = |stored: &Stored| stored.attachment.picture.is_some() && stored.attachment.files.is_none();
        match attachments {
            [] => Self::Text,
            all if all.iter().all(image) => Self::Image,
            _ => Self::File,
        }
    }
}

/// A message as the index takes it.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    key: EventKey,
    session: SessionKey,
    author: MachineKey,
    kind: i64,
    shown_ms: u64,
    /// Text and names of files, folded.
    text: String,
}

impl Document {
    /// A line that the session itself wrote, or what is left of a message that was deleted.
    fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// What a hit must be, by local numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    session: Option<SessionKey>,
    author: Option<MachineKey>,
    kind: Option<i64>,
    since_ms: Option<u64>,
    until_ms: Option<u64>,
}

impl Filter {
    fn spans(&self, shown_ms: u64) -> bool {
        self.since_ms.is_none_or(|since| shown_ms >= since) && self.until_ms.is_none_or(|until| shown_ms <= until)
    }

    fn takes(&self, document: &Document) -> bool {
        self.spans(document.shown_ms)
            && self.session.is_none_or(|session| session == document.session)
            && self.author.is_none_or(|author| author == document.author)
            && self.kind.is_none_or(|kind| kind == document.kind)
    }
}

/// What to look for. Everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The words.
    pub terms: Terms,
    /// Who wrote it.
    pub author: Option<MachineId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// What it is.
    pub kind: Option<Kind>,
    /// Shown at this time or later, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Shown at this time or earlier.
    pub until_ms: Option<u64>,
    /// Only what came before this one: `next_before` of an earlier page.
    pub before: Option<EventKey>,
    /// Hits at most, up to [`PAGE`].
    pub limit: u32,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The message.
    pub message: Message,
    /// Where its text has what was looked for, in UTF-16 code units; none when only the name of a file has.
    pub ranges: Vec<(u32, u32)>,
}

/// A page of hits, newest first by arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// They.
    pub hits: Vec<Hit>,
    /// Where the next page begins, when there is one.
    pub next_before: Option<EventKey>,
    /// How many there are, counted up to [`COUNTED`].
    pub total: usize,
    /// Whether older messages are still being taken into the index.
    pub indexing: bool,
}

/// The index. Clones share it.
#[derive(Debug, Clone)]
pub struct Search {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Absent until the first use, and after damage was found.
    opened: RwLock<Option<Opened>>,
}

#[derive(Debug, Clone)]
struct Opened {
    writer: Arc<Mutex<Connection>>,
    readers: Arc<Readers>,
}

impl Search {
    /// The index at a path. Nothing is opened yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { inner: Arc::new(Inner { path: path.to_path_buf(), opened: RwLock::default() }) }
    }

    /// Takes the next messages into the index, and what changed. True when there may be more to do.
    ///
    /// # Errors
    ///
    /// As any read or write. After damage the next call begins anew.
    pub async fn follow(&self, store: &Store) -> Result<bool, StoreError> {
        let outcome = self.take_part(store).await;
        self.unless_damaged(outcome).await
    }

    /// Looks for messages.
    ///
    /// # Errors
    ///
    /// As any read.
    pub async fn find(&self, store: &Store, query: Query) -> Result<Hits, StoreError> {
        let outcome = self.look(store, query).await;
        self.unless_damaged(outcome).await
    }

    /// Closes the file. It opens again when it is used.
    pub async fn close(&self) {
        let Some(opened) = self.inner.opened.write().await.take() else { return };
        opened.readers.close().await;
    }

    async fn unless_damaged<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        // What SQLite says of a damaged index depends on where the damage is met.
        if let Err(error @ (StoreError::Damaged(_) | StoreError::Sql(_))) = &outcome {
            tracing::warn!(%error, "the search index is made anew");
            self.close().await;
            file::remove(&self.inner.path)?;
        }
        outcome
    }

    async fn opened(&self, store: &Store) -> Result<Opened, StoreError> {
        if let Some(opened) = self.inner.opened.read().await.as_ref() {
            return Ok(opened.clone());
        }
        let mut slot = self.inner.opened.write().await;
        if let Some(opened) = slot.as_ref() {
            return Ok(opened.clone());
        }
        let path = self.inner.path.clone();
        let (mut connection, state) = blocking(move || {
            let connection = file::open(&path)?;
            let state = file::state(&connection)?;
            Ok((connection, state))
        })
        .await?;
        if !store.read(move |reader| is_of(reader, &state)).await? {
            // The database was replaced by another, such as an older copy of itself.
            let path = self.inner.path.clone();
            connection = blocking(move || {
                drop(connection);
                file::remove(&path)?;
                file::open(&path)
            })
            .await?;
        }
        let readers = Arc::new(Readers::new(self.inner.path.clone()));
        Ok(slot.insert(Opened { writer: Arc::new(Mutex::new(connection)), readers }).clone())
    }

    async fn take_part(&self, store: &Store) -> Result<bool, StoreError> {
        let opened = self.opened(store).await?;
        let writer = opened.writer.clone();
        let state = blocking(move || file::state(&lock(&writer))).await?;
        let (part, changed, more) = store.read(move |reader| next_part(reader, &state)).await?;
        if part.gone.is_empty() && part.documents.is_empty() {
            blocking(move || file::rest(&lock(&opened.writer))).await?;
            return Ok(false);
        }
        blocking(move || file::write(&mut lock(&opened.writer), &part)).await?;
        if let Some(upto) = changed {
            store.write(move |tx| queue::done(tx, upto)).await?;
        }
        Ok(more)
    }

    async fn look(&self, store: &Store, query: Query) -> Result<Hits, StoreError> {
        let opened = self.opened(store).await?;
        let (author, session) = (query.author, query.session);
        let known = store.read(move |reader| filter_keys(reader, author.as_ref(), session.as_ref())).await?;
        let Some((author, session)) = known else { return Ok(Hits::default()) };
        let kind = query.kind.map(|kind| kind as i64);
        let filter = Filter { session, author, kind, since_ms: query.since_ms, until_ms: query.until_ms };
        let before = query.before.unwrap_or(EventKey(i64::MAX));
        let limit = query.limit.clamp(1, PAGE) as usize;
        let (terms, asked) = (query.terms.clone(), filter.clone());
        let found = opened
            .readers
            .read(move |reader| file::find(reader.connection(), &terms, &asked, before, limit, COUNTED))
            .await?;
        store.read(move |reader| resolve(reader, &query.terms, &filter, found, before, limit)).await
    }
}

/// Runs what waits for the disk where waiting is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // Only a runtime that is shutting down drops a blocking task.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Closed))
}

fn lock(connection: &Mutex<Connection>) -> std::sync::MutexGuard<'_, Connection> {
    // A transaction that a panic left is rolled back when it is dropped.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an index that came so far was made of this database.
fn is_of(reader: &Reader<'_>, state: &State) -> Result<bool, StoreError> {
    if state.indexed == EventKey::NONE {
        return Ok(true);
    }
    let header = reader.one("SELECT header FROM events WHERE key = ?1", [state.indexed], |row| row.get(0))?;
    Ok(header == state.header)
}

/// What comes next: changed messages first, then those after what is indexed.
fn next_part(reader: &Reader<'_>, state: &State) -> Result<(Part, Option<i64>, bool), StoreError> {
    let mut part = Part::default();
    let waiting = queue::waiting(reader, PART)?;
    let upto = waiting.as_ref().map(|(upto, _)| *upto);
    for key in waiting.iter().flat_map(|(_, keys)| keys) {
        part.gone.push(*key);
        // A later one comes in its turn.
        if *key <= state.indexed {
            part.documents.extend(documents(reader, DOCUMENT, [key])?);
        }
    }
    part.documents.sort_by_key(|document| document.key);
    part.documents.dedup_by_key(|document| document.key);
    let after = documents(reader, DOCUMENTS_AFTER, (state.indexed, PART))?;
    let more = after.len() >= PART as usize || part.gone.len() >= PART as usize;
    if let Some(last) = after.last() {
        let header = reader.one("SELECT header FROM events WHERE key = ?1", [last.key], |row| row.get(0))?;
        part.state = Some(State { indexed: last.key, header });
    }
    part.documents.extend(after);
    Ok((part, upto, more))
}

const DOCUMENT: &str = "SELECT key, session, author, shown_ms, text FROM messages WHERE key = ?1";
const DOCUMENTS_AFTER: &str =
    "SELECT key, session, author, shown_ms, text FROM messages WHERE key > ?1 ORDER BY key LIMIT ?2";
const DOCUMENTS_BETWEEN: &str = "SELECT key, session, author, shown_ms, text FROM messages
    WHERE key > ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3";

fn documents<P: rusqlite::Params>(reader: &Reader<'_>, sql: &str, params: P) -> Result<Vec<Document>, StoreError> {
    let mut statement = reader.prepare(sql)?;
    let mut rows = statement.query(params)?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        let key = row.get(0)?;
        let attachments = attachments::of_message(reader, key)?;
        let text = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?;
        documents.push(Document {
            key,
            session: row.get(1)?,
            author: row.get(2)?,
            kind: Kind::of(&attachments) as i64,
            shown_ms: unsigned(row, 3)?,
            text: searched(text, &attachments),
        });
    }
    Ok(documents)
}

/// What of a message is searched, folded: its text, and the names of its files.
fn searched(text: &str, attachments: &[Stored]) -> String {
    let mut folded = fold::fold(text);
    for stored in attachments {
        folded.push(' ');
        folded.push_str(&fold::fold(&stored.attachment.name));
    }
    folded
}

type Keys = (Option<MachineKey>, Option<SessionKey>);

/// The local numbers of what is filtered by; `None` when one is not known here.
fn filter_keys(
    reader: &Reader<'_>,
    author: Option<&MachineId>,
    session: Option<&SessionId>,
) -> Result<Option<Keys>, StoreError> {
    let author = match author {
        Some(id) => match machines::key(reader, id)? {
            Some(key) => Some(key),
            None => return Ok(None),
        },
        None => None,
    };
    let session = match session {
        Some(id) => match sessions::find(reader, id)? {
            Some(key) => Some(key),
            None => return Ok(None),
        },
        None => None,
    };
    Ok(Some((author, session)))
}

/// The messages behind what the index found, as they are now, and before them those that it does not have yet.
fn resolve(
    reader: &Reader<'_>,
    terms: &Terms,
    filter: &Filter,
    found: file::Found,
    before: EventKey,
    limit: usize,
) -> Result<Hits, StoreError> {
    let tail = documents(reader, DOCUMENTS_BETWEEN, (found.indexed, EventKey(i64::MAX), TAIL))?;
    let indexing = tail.len() >= TAIL as usize;
    let mut keys: Vec<EventKey> = tail
        .iter()
        .filter(|document| !document.is_empty() && filter.takes(document) && terms.are_in(&document.text))
        .map(|document| document.key)
        .collect();
    let total = (found.total + keys.len()).min(COUNTED);
    keys.retain(|key| *key < before);
    keys.extend(found.keys);
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next_before = keys.last().copied().filter(|_| more);
    let mut hits = Vec::with_capacity(keys.len());
    for message in messages::by_keys(reader, &keys)? {
        let searched = searched(&message.text, &message.attachments);
        if !searched.is_empty() && terms.are_in(&searched) {
            let ranges = terms.ranges(&message.text);
            hits.push(Hit { message, ranges });
        }
    }
    Ok(Hits { hits, next_before, total, indexing })
}
