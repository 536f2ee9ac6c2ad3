//! The files, and what is asked of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use futures_util::{FutureExt as _, StreamExt as _};
use proto::FileId;
use proto::clock::Clock;
use proto::id::MachineId;
use proto::sealed_file::sealed_size;
use tokio::sync::Mutex as AsyncMutex;

use super::config::{NatsConfig, NatsError};
use super::connection::Connection;
use super::file_log::{File, Log, NOW_OR_LATER, What};
use super::file_work::{Halt, Work};
use super::known::Slots;
use super::mailboxes::NatsMailboxes;
use super::record::FileRow;
use super::room::Room;
use super::stream::{FILES, Logs};
use crate::files::{Begin, FileAnswer, FileCounts, FileError, FileQuotas, Files, Upload, Whole};
use crate::mailboxes::TokenHash;

/// Messages that one sweep goes by.
const SWEPT: usize = 512;

/// Files that are looked for at the same time when room is short.
const LOOKS: usize = 16;

/// Files in a JetStream stream, which many relay nodes share. What is put and removed is answered after JetStream has acknowledged it.
pub struct NatsFiles {
    quotas: FileQuotas,
    mailboxes: Arc<NatsMailboxes>,
    connection: Arc<Connection<Logs>>,
    slots: Slots,
    /// Where the next sweep goes on.
    swept: AsyncMutex<u64>,
}

impl fmt::Debug for NatsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsFiles").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl NatsFiles {
    /// Begins to connect, for as long as the mailboxes are open whose room the files take. Over a connection of its own, so that no
    /// envelope waits behind a piece. Until NATS is there all is refused as [`FileError::Away`].
    ///
    /// # Errors
    /// [`NatsError`] when NATS can't be used as it was named.
    pub async fn open(
        config: &NatsConfig,
        mailboxes: Arc<NatsMailboxes>,
        quotas: FileQuotas,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NatsError> {
        let setup = Logs::setup(&FILES, config, clock);
        let connection = Connection::start(config, "the relay's store of files", setup, &mailboxes.tasks).await?;
        Ok(Self { quotas, mailboxes, connection, slots: Slots::default(), swept: AsyncMutex::new(1) })
    }

    async fn begin(&self, begin: Begin) -> Result<Upload, FileError> {
        self.mailboxes.admits(&begin.mailbox, &begin.token, begin.now_s).await?;
        if self.quotas.file_bytes == 0 || begin.size > sealed_size(self.quotas.file_bytes) {
            return Err(FileError::TooLarge(self.quotas.file_bytes));
        }
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| FileError::Failed(error.to_string()))?;
        let mut work = Work::on(&self.slots, &begin.id).await;
        loop {
            let logs = self.connection.ready().await?;
            let tried = self.try_begin(&logs, &mut work, &begin, u64::from_be_bytes(number)).await;
            if let Some(begun) = work.judge(tried).await {
                return begun;
            }
        }
    }

    async fn try_begin(
        &self,
        logs: &Arc<Logs>,
        work: &mut Work<'_>,
        begin: &Begin,
        number: u64,
    ) -> Result<Upload, Halt> {
        let Begin { id: _, mailbox, token, size, now_s } = *begin;
        let log = work.newest(logs).await?;
        let mut before = log.seen;
        if let Some(file) = log.file.as_ref().filter(|file| file.upload.expires_s > now_s) {
            if file.mailbox != mailbox || file.token != token {
                return Err(FileError::BadToken.into());
            }
            if file.upload.size != size {
                return Err(FileError::OtherSize.into());
            }
            let (begun, number, upload) = (file.begun, file.number, file.upload);
            if !file.is_crumbled() {
                // What is there stays, whether it finds its room taken or not.
                self.mailboxes.reserve(begin, number, &self.quotas).await?;
                return self.keep(logs, work, begun, upload, now_s).await;
            }
            before = work.write(logs, What::Gone { begun, by_s: NOW_OR_LATER }, Bytes::new()).await?.seen;
        }
        let (.., bytes) = logs.count().await?;
        if bytes.saturating_add(size) > self.quotas.all_bytes {
            return Err(FileError::Exhausted.into());
        }
        self.make_room(logs, begin, number).await?;
        let expires_s = self.quotas.expires_s(0, size, now_s);
        let what = What::Begin { now_s, expires_s, size, number, mailbox, token };
        work.write(logs, what, Bytes::new()).await?;
        // What was there before only takes room. If it is not removed now, a sweep will.
        let _ = logs.purge(&work.subject, before).await;
        Ok(Upload { received: 0, size, expires_s })
    }

    /// Keeps what has come of a file for who goes on with it. Said only when half of its time is over, so that asking costs nothing.
    async fn keep(
        &self,
        logs: &Arc<Logs>,
        work: &mut Work<'_>,
        begun: u64,
        upload: Upload,
        now_s: u64,
    ) -> Result<Upload, Halt> {
        let Upload { received, size, .. } = upload;
        let is_due = upload.expires_s.saturating_sub(now_s) < self.quotas.unfinished_s / 2;
        if !is_due || received == 0 || upload.is_whole() {
            return Ok(upload);
        }
        let expires_s = self.quotas.expires_s(received, size, now_s);
        work.write(logs, What::Piece { begun, at: received, end: received, expires_s }, Bytes::new()).await?;
        Ok(Upload { expires_s, ..upload })
    }

    /// Takes room in the mailbox, after a look at files that may have gone where it is short.
    async fn make_room(&self, logs: &Arc<Logs>, begin: &Begin, number: u64) -> Result<(), Halt> {
        let Room::Short { no, due } = self.mailboxes.reserve(begin, number, &self.quotas).await? else { return Ok(()) };
        if due.is_empty() {
            return Err(no.into());
        }
        let looks = due.into_iter().map(|row| self.look(logs, begin, row));
        let looked: Vec<Result<_, Halt>> = futures_util::stream::iter(looks).buffer_unordered(LOOKS).collect().await;
        let looked = looked.into_iter().collect::<Result<Vec<_>, Halt>>()?;
        self.mailboxes.settle(&begin.mailbox, &looked).await?;
        match self.mailboxes.reserve(begin, number, &self.quotas).await? {
            Room::Taken => Ok(()),
            Room::Short { no, .. } => Err(no.into()),
        }
    }

    /// A row, and what it is to be: none when its file is gone.
    async fn look(&self, logs: &Logs, begin: &Begin, row: FileRow) -> Result<(FileRow, Option<FileRow>), Halt> {
        let log = Log::read(logs, &FILES.subject(&row.id), None).await?;
        let file = log.file.filter(|file| file.mailbox == begin.mailbox && file.upload.expires_s > begin.now_s);
        Ok((row, file.map(|file| FileRow { number: file.number, look_s: file.upload.expires_s, ..row })))
    }

    async fn append(&self, id: FileId, mut at: u64, mut piece: Bytes, now_s: u64) -> Result<Upload, FileError> {
        let mut work = Work::on(&self.slots, &id).await;
        loop {
            self.mailboxes.open_still()?;
            let logs = self.connection.ready().await?;
            let tried = self.try_append(&logs, &mut work, at, &piece, now_s).await;
            if let Some(appended) = work.judge(tried).await {
                let upload = appended?;
                // More than fits into one message goes into several.
                piece.advance(usize::try_from(upload.received - at).unwrap_or(usize::MAX).min(piece.len()));
                at = upload.received;
                if piece.is_empty() {
                    return Ok(upload);
                }
            }
        }
    }

    /// Keeps as much of a piece as fits into a message.
    async fn try_append(
        &self,
        logs: &Arc<Logs>,
        work: &mut Work<'_>,
        at: u64,
        piece: &Bytes,
        now_s: u64,
    ) -> Result<Upload, Halt> {
        let is_unsure = work.is_unsure;
        let is_next = |log: &Log| log.file.as_ref().is_some_and(|file| file.upload.received == at);
        if !is_next(work.log(logs).await?) && !is_next(work.newest(logs).await?) {
            let file = work.log(logs).await?.file.as_ref().ok_or(FileError::NoFile)?;
            if is_unsure && let Some(end) = came(logs, file, at, piece).await? {
                return Ok(Upload { received: end, ..file.upload });
            }
            return Err(FileError::Offset(file.upload.received).into());
        }
        let file = work.log(logs).await?.file.as_ref().ok_or(FileError::NoFile)?;
        let (begun, size) = (file.begun, file.upload.size);
        if at.saturating_add(piece.len() as u64) > size {
            return Err(FileError::OtherSize.into());
        }
        let piece = piece.slice(..piece.len().min(logs.payload_bytes));
        let (.., bytes) = logs.count().await?;
        if bytes.saturating_add(piece.len() as u64) > self.quotas.all_bytes {
            return Err(FileError::Exhausted.into());
        }
        let end = at + piece.len() as u64;
        let expires_s = self.quotas.expires_s(end, size, now_s);
        work.write(logs, What::Piece { begun, at, end, expires_s }, piece).await?;
        Ok(Upload { received: end, size, expires_s })
    }

    async fn find(&self, id: FileId, now_s: u64) -> Result<Option<Whole>, FileError> {
        self.mailboxes.open_still()?;
        let mut work = Work::on(&self.slots, &id).await;
        loop {
            let logs = self.connection.ready().await?;
            let tried = work.newest(&logs).await.map(|log| log.file.as_ref().map(|file| file.upload));
            if let Some(found) = work.judge(tried.map_err(Halt::from)).await {
                let whole = found?.filter(|upload| upload.is_whole() && upload.expires_s > now_s);
                return Ok(whole.map(|Upload { size, expires_s, .. }| Whole { size, expires_s }));
            }
        }
    }

    async fn read(&self, id: FileId, at: u64, count: usize) -> Result<Bytes, FileError> {
        self.mailboxes.open_still()?;
        let mut work = Work::on(&self.slots, &id).await;
        loop {
            let logs = self.connection.ready().await?;
            let tried = try_read(&logs, &mut work, at).await;
            if let Some(read) = work.judge(tried).await {
                return read.map(|mut bytes| {
                    bytes.truncate(count);
                    bytes
                });
            }
        }
    }

    async fn remove(&self, id: FileId, mailbox: MachineId, token: TokenHash, now_s: u64) -> Result<(), FileError> {
        self.mailboxes.admits(&mailbox, &token, now_s).await?;
        let of = |file: &File| (file.mailbox == mailbox && file.token == token).then_some(NOW_OR_LATER);
        if self.end(&id, of).await? { Ok(()) } else { Err(FileError::BadToken) }
    }

    /// Takes a file away, and whatever is left of one, unless `when` keeps it: by when it must have expired to go. Whether there is
    /// none now.
    async fn end(&self, id: &FileId, when: impl Fn(&File) -> Option<u64>) -> Result<bool, FileError> {
        let mut work = Work::on(&self.slots, id).await;
        loop {
            let logs = self.connection.ready().await?;
            let tried = self.try_end(&logs, &mut work, id, &when).await;
            if let Some(ended) = work.judge(tried).await {
                return ended;
            }
        }
    }

    async fn try_end(
        &self,
        logs: &Arc<Logs>,
        work: &mut Work<'_>,
        id: &FileId,
        when: impl Fn(&File) -> Option<u64>,
    ) -> Result<bool, Halt> {
        let log = work.newest(logs).await?;
        let mut seen = log.seen;
        if let Some(file) = &log.file {
            let Some(by_s) = when(file) else { return Ok(false) };
            let (begun, number, mailbox) = (file.begun, file.number, file.mailbox);
            seen = work.write(logs, What::Gone { begun, by_s }, Bytes::new()).await?.seen;
            self.mailboxes.release(&mailbox, id.as_bytes(), number).await?;
        }
        logs.purge(&work.subject, seen).await?;
        // No condition holds that names what was there.
        work.forget();
        Ok(true)
    }

    /// Goes by some messages and takes away what has expired, and what counts no more. Without haste: it takes room, and does no harm.
    async fn sweep(&self, now_s: u64) -> Result<bool, FileError> {
        self.mailboxes.open_still()?;
        let logs = self.connection.is_ready()?;
        let mut forgotten = self.mailboxes.forgotten_files().into_iter();
        while let Some((machine, row)) = forgotten.next() {
            let of = |file: &File| (file.mailbox == machine && file.number == row.number).then_some(NOW_OR_LATER);
            if let Err(error) = self.end(&FileId::from_bytes(row.id), of).await {
                self.mailboxes.forget_files(forgotten.chain([(machine, row)]));
                return Err(error);
            }
        }
        let mut from = self.swept.lock().await;
        let passed = logs.walk(None, *from, SWEPT).await?;
        let is_all = passed.len() < SWEPT;
        *from = if is_all { 1 } else { passed.last().map_or(1, |last| last.place + 1) };
        // For each file its first message here, and when it goes by the last: earlier ones know less.
        let mut files: HashMap<[u8; 32], (u64, u64)> = HashMap::new();
        for message in passed {
            if let Some(what) = What::read(&message.headers) {
                files.entry(message.id).or_insert((message.place, 0)).1 = what.expires_s();
            }
        }
        files.retain(|_, (_, expires_s)| *expires_s <= now_s);
        let found_any = !files.is_empty();
        for (id, (first, _)) in files {
            self.sweep_file(&logs, &FileId::from_bytes(id), first, now_s).await?;
        }
        Ok(found_any && !is_all)
    }

    async fn sweep_file(&self, logs: &Arc<Logs>, id: &FileId, first: u64, now_s: u64) -> Result<(), FileError> {
        let stays = |file: &File| file.upload.expires_s > now_s;
        let begun = {
            let mut work = Work::on(&self.slots, id).await;
            let file = work.log(logs).await?.file.as_ref();
            file.filter(|file| stays(file)).map(|file| file.begun)
        };
        match begun {
            // Who began it anew died before what was there was removed.
            Some(begun) if first < begun => Ok(logs.purge(&FILES.subject(id.as_bytes()), begun - 1).await?),
            Some(_) => Ok(()),
            None => self.end(id, |file| (!stays(file)).then_some(now_s)).await.map(drop),
        }
    }

    async fn count(&self) -> Result<FileCounts, FileError> {
        self.mailboxes.open_still()?;
        let (files, _, bytes) = self.connection.is_ready()?.count().await?;
        Ok(FileCounts { files, bytes })
    }
}

/// Whether a piece is there that was written without an answer, or one that says the same: up to which byte.
async fn came(logs: &Logs, file: &File, at: u64, piece: &Bytes) -> Result<Option<u64>, Halt> {
    let Some(there) = file.piece(at).filter(|there| there.at == at) else { return Ok(None) };
    let message = logs.get(there.place).await?;
    let same = message.filter(|message| !message.payload.is_empty() && piece.starts_with(&message.payload));
    Ok(same.map(|message| at + message.payload.len() as u64))
}

/// The rest of the piece in which a byte is.
async fn try_read(logs: &Arc<Logs>, work: &mut Work<'_>, at: u64) -> Result<Bytes, Halt> {
    let piece = |log: &Log| log.file.as_ref().and_then(|file| file.piece(at));
    if let Some(piece) = piece(work.log(logs).await?)
        && let Some(bytes) = rest(logs, piece.place, at - piece.at).await?
    {
        return Ok(bytes);
    }
    // What was known may be gone, or begun anew; or the leader does not know all yet.
    logs.knows_all().await?;
    if let Some(piece) = piece(work.newest(logs).await?)
        && let Some(bytes) = rest(logs, piece.place, at - piece.at).await?
    {
        return Ok(bytes);
    }
    Err(FileError::NoFile.into())
}

/// The payload of a message from a byte on; none where there is no such message.
async fn rest(logs: &Logs, place: u64, skip: u64) -> Result<Option<Bytes>, Halt> {
    let Some(message) = logs.get(place).await? else { return Ok(None) };
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    Ok((skip < message.payload.len()).then(|| message.payload.slice(skip..)))
}

impl Files for NatsFiles {
    fn begin(&self, begin: Begin) -> FileAnswer<'_, Upload> {
        self.begin(begin).boxed()
    }

    fn append(&self, id: FileId, at: u64, piece: Bytes, now_s: u64) -> FileAnswer<'_, Upload> {
        self.append(id, at, piece, now_s).boxed()
    }

    fn find(&self, id: FileId, now_s: u64) -> FileAnswer<'_, Option<Whole>> {
        self.find(id, now_s).boxed()
    }

    fn read(&self, id: FileId, at: u64, count: usize) -> FileAnswer<'_, Bytes> {
        self.read(id, at, count).boxed()
    }

    fn remove(&self, id: FileId, mailbox: MachineId, token: TokenHash, now_s: u64) -> FileAnswer<'_, ()> {
        self.remove(id, mailbox, token, now_s).boxed()
    }

    fn sweep(&self, now_s: u64) -> FileAnswer<'_, bool> {
        self.sweep(now_s).boxed()
    }

    fn count(&self) -> FileAnswer<'_, FileCounts> {
        self.count().boxed()
    }
}
