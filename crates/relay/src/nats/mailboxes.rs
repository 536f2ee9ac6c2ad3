//! The mailboxes, and what is asked of them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use proto::clock::Clock;
use proto::id::MachineId;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, sleep};

use super::config::{NatsConfig, NatsError};
use super::connection::{Changes, Connection, PATIENCE};
use super::record::{FileRow, ItemRow, PrekeyRow, REMEMBERED_PER_ITEM, Record};
use super::shelf::{self, ITEM, ITEMS_PER_RECORD, RECORD, Shelf};
use super::stream::{Logs, MAILBOXES, Trouble};
use crate::mailboxes::{Answer, Counts, Kept, MailboxError, Mailboxes, Page, Put, Quotas, Token, TokenChange};
use crate::tasks::Tasks;

/// How exactly it is known when an owner was last here, in seconds: a day, so that most logins write nothing.
const SEEN_STEP_S: u64 = 24 * 60 * 60;

/// How long a mailbox that nobody asks for is known here. All of it can be read again.
const KNOWN: Duration = Duration::from_secs(60);

/// How often a change is tried that others get ahead of.
const TRIES: usize = 64;

/// Pause before something is tried again that NATS did not answer.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Messages that one sweep goes by.
const SWEPT: usize = 512;

/// How long the end waits for what was begun.
const GRACE: Duration = Duration::from_secs(3);

/// Mailboxes in a JetStream stream. What is put, acknowledged and changed is answered after JetStream has acknowledged it.
pub struct NatsMailboxes {
    quotas: Quotas,
    connection: Arc<Connection<Logs>>,
    pub(super) tasks: Tasks,
    slots: Mutex<HashMap<MachineId, Arc<Slot>>>,
    /// Files of mailboxes that were forgotten here: they are to go.
    pub(super) forgotten: Mutex<Vec<(MachineId, FileRow)>>,
    /// Where the next sweep goes on.
    swept: AsyncMutex<u64>,
}

/// What is known of a mailbox. Who changes it holds it, so that one node's changes do not get in each other's way, and
/// keep their order.
#[derive(Debug)]
struct Slot {
    known: AsyncMutex<Option<Known>>,
    used: Mutex<Instant>,
}

/// A mailbox as it was known over one connection. After another connection it is read again: the stream may have lost some
/// of it, or be another one.
#[derive(Debug)]
struct Known {
    boxes: Arc<Logs>,
    shelf: Shelf,
}

impl Known {
    fn is_mailbox(&self) -> bool {
        self.shelf.record.is_some()
    }
}

/// What is to be done to a mailbox.
pub(super) enum Step<T> {
    /// Nothing: this is the answer.
    Answer(Result<T, MailboxError>),
    /// Its record is to become this.
    Record(Record, T),
    /// The same, and then it is asked again.
    First(Record),
    /// An item is to be added.
    Item(ItemRow, Bytes, T),
}

impl fmt::Debug for NatsMailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsMailboxes").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl NatsMailboxes {
    /// Begins to connect. Until NATS is there all is refused as [`MailboxError::Away`]. The clock counts only where there are no
    /// mailboxes yet.
    ///
    /// # Errors
    /// [`NatsError`] when NATS can't be used as it was named.
    pub async fn open(config: &NatsConfig, quotas: Quotas, clock: Arc<dyn Clock>) -> Result<Self, NatsError> {
        let setup = Logs::setup(&MAILBOXES, config, clock);
        let tasks = Tasks::default();
        let connection = Connection::start(config, "the relay's store", setup, &tasks).await?;
        let (slots, forgotten) = (Mutex::default(), Mutex::default());
        Ok(Self { quotas, connection, tasks, slots, forgotten, swept: AsyncMutex::new(1) })
    }

    /// Follows the mailboxes: see [`Renewals::next`].
    pub(crate) fn renewals(&self) -> Renewals {
        Renewals { changes: self.connection.changes(), base: None }
    }

    fn slot(&self, machine: &MachineId) -> Arc<Slot> {
        let mut slots = self.slots();
        let slot = slots
            .entry(*machine)
            .or_insert_with(|| Arc::new(Slot { known: AsyncMutex::default(), used: Mutex::new(Instant::now()) }));
        *slot.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        slot.clone()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<MachineId, Arc<Slot>>> {
        // Entries come and go whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses what comes after the end.
    pub(super) fn open_still(&self) -> Result<(), MailboxError> {
        if self.tasks.stopping().is_cancelled() { Err(MailboxError::Closed) } else { Ok(()) }
    }

    /// A mailbox as it is now.
    pub(super) async fn look(&self, machine: &MachineId) -> Result<(Arc<Logs>, Shelf), MailboxError> {
        self.open_still()?;
        let (slot, subject) = (self.slot(machine), MAILBOXES.subject(machine.as_bytes()));
        let deadline = Instant::now() + PATIENCE;
        let mut known = slot.known.lock().await;
        loop {
            let boxes = self.connection.ready().await?;
            match Shelf::read(&boxes, &subject, of(known.as_ref(), &boxes)).await {
                Ok(shelf) => {
                    *known = Some(Known { boxes: boxes.clone(), shelf: shelf.clone() });
                    return Ok((boxes, shelf));
                }
                Err(Trouble::Away(_)) if Instant::now() < deadline => sleep(PAUSE).await,
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }

    /// Changes a mailbox, as its newest state asks for. `decide` is told whether an attempt before may have been done:
    /// there was no answer to it.
    pub(super) async fn change<T>(
        &self,
        machine: &MachineId,
        mut decide: impl FnMut(&Logs, &Shelf, bool) -> Step<T>,
    ) -> Result<T, MailboxError> {
        self.open_still()?;
        let (slot, subject) = (self.slot(machine), MAILBOXES.subject(machine.as_bytes()));
        // From before others were waited for, so that a crowd does not wait for each other's patience.
        let deadline = Instant::now() + PATIENCE;
        let mut known = slot.known.lock().await;
        // Messages that count no more since what was written here.
        let mut garbage = BTreeSet::new();
        let (mut is_newest, mut is_unsure, mut tries) = (false, false, 0);
        let done = loop {
            let boxes = self.connection.ready().await?;
            let attempt = async {
                if of(known.as_ref(), &boxes).is_none() || (tries > 0 && !is_newest) {
                    let shelf = Shelf::read(&boxes, &subject, of(known.as_ref(), &boxes)).await?;
                    (*known, is_newest) = (Some(Known { boxes: boxes.clone(), shelf }), true);
                }
                let Some(Known { shelf, .. }) = known.as_mut() else { return Err(Trouble::Conflict) };
                let mut step = decide(&boxes, shelf, is_unsure);
                let first = match (&step, &shelf.record) {
                    (Step::First(record), _) => Some(record.clone()),
                    // So that nobody has to read more than so many items to know this mailbox.
                    (Step::Item(..), Some(record)) if shelf.since >= ITEMS_PER_RECORD => Some(record.clone()),
                    _ => None,
                };
                if let Some(record) = first {
                    write(&boxes, &subject, shelf, record, &mut garbage).await?;
                    step = decide(&boxes, shelf, is_unsure);
                }
                match step {
                    Step::Answer(answer) => Ok(answer),
                    Step::First(_) => Err(Trouble::Conflict),
                    Step::Record(record, value) => {
                        write(&boxes, &subject, shelf, record, &mut garbage).await?;
                        is_newest = true;
                        Ok(Ok(value))
                    }
                    Step::Item(row, envelope, value) => {
                        add(&boxes, &subject, shelf, row, envelope, &mut garbage).await?;
                        is_newest = true;
                        Ok(Ok(value))
                    }
                }
            };
            match attempt.await {
                // What is said of a state that is not known to be the newest may be wrong by now.
                Ok(_) if !is_newest => {}
                Ok(answer) => break Ok((boxes, answer)),
                Err(Trouble::Conflict) if tries < TRIES => {
                    is_newest = false;
                    if let Some(Known { shelf, .. }) = known.as_mut()
                        && !matches!(shelf.expect(&boxes, &subject).await, Ok(true))
                    {
                        *known = None;
                    }
                }
                Err(Trouble::Away(_)) if Instant::now() < deadline => {
                    (is_newest, is_unsure) = (false, true);
                    sleep(PAUSE).await;
                }
                Err(trouble) => {
                    // Read from the beginning next time, whatever was wrong.
                    *known = None;
                    break Err(trouble);
                }
            }
            tries += 1;
        };
        let (boxes, answer) = done?;
        // One that came too late and is the last of all stays until it expires.
        garbage.retain(|place| known.as_ref().is_some_and(|known| *place < known.shelf.seen));
        drop(known);
        boxes.remove(garbage).await;
        answer
    }

    async fn put(&self, put: Put) -> Result<Kept, MailboxError> {
        let Put { to, token, envelope, now_s } = put;
        let (mark, size, is_request) = (shelf::mark(&envelope), envelope.len() as u64, token.is_none());
        let (quotas, remembered) = (&self.quotas, self.remembered());
        self.change(&to, |boxes, shelf, is_unsure| {
            let Some(record) = &shelf.record else { return Step::Answer(Err(MailboxError::NoMailbox)) };
            if token.is_some_and(|token| !record.knows(&token, now_s)) {
                return Step::Answer(Err(MailboxError::BadToken));
            }
            if is_request && size > u64::from(quotas.request_bytes) {
                return Step::Answer(Err(MailboxError::TooLarge { limit: quotas.request_bytes.into() }));
            }
            if record.remembers(&mark, now_s) {
                // After an attempt without an answer it may be this very item.
                return Step::Answer(Ok(if is_unsure { Kept::New } else { Kept::Known }));
            }
            if let Err(full) = has_room(quotas, record, is_request, size) {
                // What has expired is in nobody's way, though a sweep may not come by for hours.
                let mut record = record.clone();
                if record.take(|row| row.expires_s <= now_s).is_empty() {
                    return Step::Answer(Err(full));
                }
                record.forget(remembered, now_s);
                return Step::First(record);
            }
            if !record.has_room(boxes.payload_bytes) {
                // The quota is larger than what NATS takes.
                let limit = record.items.len() as u64;
                return Step::Answer(Err(MailboxError::Full { what: "items", limit }));
            }
            let ttl_s = if is_request { quotas.request_ttl_s } else { quotas.ttl_s };
            let row =
                ItemRow { place: 0, put_s: now_s, expires_s: now_s.saturating_add(ttl_s), size, is_request, mark };
            Step::Item(row, envelope.clone(), Kept::New)
        })
        .await
    }

    async fn enter(&self, machine: MachineId, now_s: u64) -> Result<Vec<Token>, MailboxError> {
        let (boxes, shelf) = self.look(&machine).await?;
        let is_recent = |record: &Record| record.seen_s.saturating_add(SEEN_STEP_S) > now_s;
        // Most logins are of machines that were here today: they write nothing.
        if let Some(record) = shelf.record.as_ref().filter(|record| is_recent(record)) {
            return Ok(record.tokens());
        }
        if shelf.record.is_none() {
            let (mailboxes, ..) = boxes.count().await.map_err(MailboxError::from)?;
            if mailboxes >= u64::from(self.quotas.mailboxes) {
                return Err(MailboxError::Exhausted { what: "mailboxes", limit: self.quotas.mailboxes.into() });
            }
        }
        let remembered = self.remembered();
        self.change(&machine, |_, shelf, _| match &shelf.record {
            Some(record) if is_recent(record) => Step::Answer(Ok(record.tokens())),
            record => {
                let mut record = record.clone().unwrap_or_default();
                record.seen_s = now_s;
                record.forget(remembered, now_s);
                let tokens = record.tokens();
                Step::Record(record, tokens)
            }
        })
        .await
    }

    async fn acknowledge(&self, machine: MachineId, cursors: Vec<u64>) -> Result<(), MailboxError> {
        let remembered = self.remembered();
        self.change(&machine, |boxes, shelf, _| {
            let Some(record) = &shelf.record else { return Step::Answer(Ok(())) };
            let places: BTreeSet<u64> = cursors.iter().filter_map(|cursor| cursor.checked_sub(boxes.base)).collect();
            if !record.items.iter().any(|row| places.contains(&row.place)) {
                return Step::Answer(Ok(()));
            }
            let mut record = record.clone();
            record.take(|row| places.contains(&row.place));
            record.forget(remembered, 0);
            Step::Record(record, ())
        })
        .await
    }

    async fn change_tokens(
        &self,
        machine: MachineId,
        change: TokenChange,
        now_s: u64,
    ) -> Result<Vec<Token>, MailboxError> {
        let most = self.quotas.tokens;
        self.change(&machine, |_, shelf, _| {
            let Some(record) = &shelf.record else { return Step::Answer(Err(MailboxError::NoMailbox)) };
            let mut changed = record.clone();
            if !changed.change(&change, most as usize, now_s) {
                return Step::Answer(Err(MailboxError::Exhausted { what: "tokens", limit: most.into() }));
            }
            let tokens = changed.tokens();
            if changed.tokens == record.tokens {
                return Step::Answer(Ok(tokens));
            }
            Step::Record(changed, tokens)
        })
        .await
    }

    async fn publish(&self, machine: MachineId, version: u64, register: Bytes) -> Result<bool, MailboxError> {
        self.change(&machine, |_, shelf, _| {
            let Some(record) = &shelf.record else { return Step::Answer(Err(MailboxError::NoMailbox)) };
            if let Some(kept) = record.prekey.as_ref().filter(|kept| kept.version >= version) {
                return Step::Answer(Ok(kept.register == register));
            }
            let mut record = record.clone();
            record.prekey = Some(PrekeyRow { version, register: register.to_vec() });
            Step::Record(record, true)
        })
        .await
    }

    /// Goes by some messages and takes away what has expired. Without haste: what has expired takes room, and does no harm.
    async fn sweep(&self, now_s: u64) -> Result<bool, MailboxError> {
        self.open_still()?;
        self.slots().retain(|_, slot| {
            let used = *slot.used.lock().unwrap_or_else(PoisonError::into_inner);
            // Who asks for mailboxes that there are not gets no room for them here.
            let is_one = || slot.known.try_lock().is_ok_and(|known| known.as_ref().is_some_and(Known::is_mailbox));
            Arc::strong_count(slot) > 1 || (used.elapsed() < KNOWN && is_one())
        });
        let boxes = self.connection.is_ready()?;
        let mut from = self.swept.lock().await;
        let passed = boxes.walk(None, *from, SWEPT).await?;
        let is_all = passed.len() < SWEPT;
        *from = if is_all { 1 } else { passed.last().map_or(1, |last| last.place + 1) };
        let forget_before = now_s.saturating_sub(self.quotas.forget_after_s);
        let mut expired: HashMap<MachineId, BTreeSet<u64>> = HashMap::new();
        for message in passed {
            let is_due = match shelf::item(&message.headers, message.place) {
                Some((row, ..)) => row.expires_s <= now_s,
                None => shelf::seen_s(&message.headers).is_some_and(|seen_s| seen_s < forget_before),
            };
            if is_due {
                expired.entry(MachineId::from_bytes(message.id)).or_default().insert(message.place);
            }
        }
        let found_any = !expired.is_empty();
        for (machine, mut places) in expired {
            let (record_at, seen) = self.sweep_mailbox(&boxes, &machine, now_s).await?;
            places.retain(|place| *place < seen && *place != record_at);
            // Also those that a node left behind that died between a record and the removal of what it no longer counts.
            boxes.remove(places).await;
        }
        Ok(found_any && !is_all)
    }

    /// Takes out of a mailbox what has expired, or all of it: gives where its record and its last message lie then.
    async fn sweep_mailbox(&self, boxes: &Logs, machine: &MachineId, now_s: u64) -> Result<(u64, u64), MailboxError> {
        let forget_before = now_s.saturating_sub(self.quotas.forget_after_s);
        let remembered = self.remembered();
        let changed = self.change(machine, |_, shelf, _| {
            let Some(record) = &shelf.record else { return Step::Answer(Ok(Vec::new())) };
            if record.seen_s < forget_before {
                return Step::Record(Record { is_gone: true, ..Record::default() }, record.files.clone());
            }
            if !record.items.iter().any(|row| row.expires_s <= now_s) {
                return Step::Answer(Ok(Vec::new()));
            }
            let mut record = record.clone();
            record.take(|row| row.expires_s <= now_s);
            record.forget(remembered, now_s);
            Step::Record(record, Vec::new())
        });
        self.forget_files(changed.await?.into_iter().map(|row| (*machine, row)));
        let slot = self.slot(machine);
        let mut known = slot.known.lock().await;
        let Some(Known { shelf, .. }) = known.as_ref() else { return Ok((0, 0)) };
        let lies = (shelf.record_at, shelf.seen);
        if shelf.is_gone {
            boxes.purge(&MAILBOXES.subject(machine.as_bytes()), shelf.last).await?;
            *known = None;
        }
        Ok(lies)
    }

    fn remembered(&self) -> usize {
        let items = self.quotas.items.saturating_add(self.quotas.request_items);
        usize::try_from(items).unwrap_or(usize::MAX).saturating_mul(REMEMBERED_PER_ITEM)
    }

    async fn count(&self) -> Result<Counts, MailboxError> {
        self.open_still()?;
        let boxes = self.connection.is_ready()?;
        let (mailboxes, messages, bytes) = boxes.count().await?;
        Ok(Counts { mailboxes, items: messages.saturating_sub(mailboxes), bytes })
    }
}

/// What is known over this very connection.
fn of<'known>(known: Option<&'known Known>, boxes: &Arc<Logs>) -> Option<&'known Shelf> {
    known.filter(|known| Arc::ptr_eq(&known.boxes, boxes)).map(|known| &known.shelf)
}

/// Writes a record in the place of the one before.
async fn write(
    boxes: &Logs,
    subject: &str,
    shelf: &mut Shelf,
    mut record: Record,
    garbage: &mut BTreeSet<u64>,
) -> Result<(), Trouble> {
    record.before = shelf.record_at;
    let too_large = || Trouble::Failed("a mailbox's record is larger than NATS' max_payload".to_owned());
    let bytes = record.fit(boxes.payload_bytes).ok_or_else(too_large)?;
    let header = (RECORD, shelf::record_header(&record, shelf.last));
    let place = boxes.publish(subject, header, bytes, shelf.expects).await?;
    let before = shelf.clone();
    if boxes.is_exact() {
        shelf.replace(place, record);
    } else {
        *shelf = beyond(boxes, subject, &before, place).await?;
        if shelf.record_at != place {
            // Another came first, or has come since: either way this one counts no more.
            garbage.insert(place);
            return Err(Trouble::Conflict);
        }
    }
    let stays = |place: u64| shelf.record.iter().flat_map(|record| &record.items).any(|row| row.place == place);
    let gone =
        before.record.iter().flat_map(|before| &before.items).map(|row| row.place).filter(|place| !stays(*place));
    // What the record before had replaced is there still if its writer died in between.
    let replaced = before.record.as_ref().map_or(0, |before| before.before);
    garbage.extend(gone.chain([before.record_at, replaced]).filter(|place| *place > 0));
    Ok(())
}

/// Adds an item.
async fn add(
    boxes: &Logs,
    subject: &str,
    shelf: &mut Shelf,
    mut row: ItemRow,
    envelope: Bytes,
    garbage: &mut BTreeSet<u64>,
) -> Result<(), Trouble> {
    let header = (ITEM, shelf::item_header(&row, shelf));
    row.place = boxes.publish(subject, header, envelope, shelf.expects).await?;
    if boxes.is_exact() {
        shelf.add(row);
        return Ok(());
    }
    *shelf = beyond(boxes, subject, shelf, row.place).await?;
    let counts = shelf.record.as_ref().is_some_and(|record| {
        let was_taken = record.taken.iter().any(|taken| taken.mark == row.mark && taken.expires_s == row.expires_s);
        was_taken || record.items.iter().any(|item| item.place == row.place)
    });
    if !counts {
        garbage.insert(row.place);
        return Err(Trouble::Conflict);
    }
    Ok(())
}

/// A mailbox as it is behind a message that was just written: in a cluster only this tells whether it counts.
async fn beyond(boxes: &Logs, subject: &str, before: &Shelf, place: u64) -> Result<Shelf, Trouble> {
    let shelf = Shelf::read(boxes, subject, Some(before)).await?;
    if shelf.seen < place {
        // A leader that was just chosen does not know all yet.
        return Err(Trouble::Away("the servers just changed their leader".to_owned()));
    }
    Ok(shelf)
}

fn has_room(quotas: &Quotas, record: &Record, is_request: bool, size: u64) -> Result<(), MailboxError> {
    let full = |what, limit| Err(MailboxError::Full { what, limit });
    let alike = record.items.iter().filter(|row| row.is_request == is_request);
    let (count, bytes) = alike.fold((0_u64, 0_u64), |(count, bytes), row| (count + 1, bytes + row.size));
    if is_request {
        let limit = quotas.request_items.into();
        return if count >= limit { full("items of strangers", limit) } else { Ok(()) };
    }
    if count >= u64::from(quotas.items) {
        return full("items", quotas.items.into());
    }
    if bytes.saturating_add(size) > quotas.bytes {
        return full("bytes", quotas.bytes);
    }
    Ok(())
}

impl Drop for NatsMailboxes {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

impl Mailboxes for NatsMailboxes {
    fn enter(&self, machine: MachineId, now_s: u64) -> Answer<'_, Vec<Token>> {
        self.enter(machine, now_s).boxed()
    }

    fn put(&self, put: Put) -> Answer<'_, Kept> {
        self.put(put).boxed()
    }

    fn fetch(&self, machine: MachineId, after: u64, count: usize, bytes: usize) -> Answer<'_, Page> {
        self.fetch(machine, after, count, bytes).boxed()
    }

    fn acknowledge(&self, machine: MachineId, cursors: Vec<u64>) -> Answer<'_, ()> {
        self.acknowledge(machine, cursors).boxed()
    }

    fn change_tokens(&self, machine: MachineId, change: TokenChange, now_s: u64) -> Answer<'_, Vec<Token>> {
        self.change_tokens(machine, change, now_s).boxed()
    }

    fn publish(&self, machine: MachineId, version: u64, register: Bytes) -> Answer<'_, bool> {
        self.publish(machine, version, register).boxed()
    }

    fn prekey(&self, machine: MachineId) -> Answer<'_, Option<Bytes>> {
        async move {
            let (_, shelf) = self.look(&machine).await?;
            Ok(shelf.record.and_then(|record| record.prekey).map(|kept| kept.register.into()))
        }
        .boxed()
    }

    fn sweep(&self, now_s: u64) -> Answer<'_, bool> {
        self.sweep(now_s).boxed()
    }

    fn count(&self) -> Answer<'_, Counts> {
        self.count().boxed()
    }

    fn close(&self) -> Answer<'_, ()> {
        async move {
            self.tasks.shutdown(GRACE).await;
            // Nothing waits to be written: each answer came after its message was kept.
            Ok(())
        }
        .boxed()
    }
}

/// Follows the stream of mailboxes.
#[derive(Debug)]
pub(crate) struct Renewals {
    changes: Changes<Logs>,
    base: Option<u64>,
}

impl Renewals {
    /// Returns when the mailboxes were lost and begun anew: whoever is logged in then has none. Never, when they are not.
    pub(crate) async fn next(&mut self) {
        loop {
            let Some(boxes) = self.changes.next().await else { return std::future::pending().await };
            if self.base.replace(boxes.base).is_some_and(|base| base != boxes.base) {
                return;
            }
            self.changes.changed().await;
        }
    }
}
