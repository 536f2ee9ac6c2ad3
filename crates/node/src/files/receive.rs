//! Fetching what is wanted: a few at a time, over a link to its sender, or from the relay where the sender laid it down while
//! there is none; and again after every failure that may pass.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use link::blob::{BlobError, BlobRefusal, Sink, stream};
use proto::Deposit;
use proto::attachment::Blob;
use proto::frame::{BlobState, Frame};
use proto::id::MachineId;
use store::attachments::{Relayed, State, Stored};
use store::{StoreError, Tx};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::part::{Growing, Part};
use super::rate::Meter;
use super::{Expected, Running, Telling, Way, collecting, place, show, sweep};
use crate::core::Core;

/// Transfers to this machine at a time.
const AT_A_TIME: usize = 3;

/// Of these by way of relays, so that links always have room.
const RELAYED_AT_A_TIME: usize = 2;

/// Rows that are looked at for the next one.
const LOOKED_AT: u32 = 256;

/// How long it may take until what was asked for begins to come.
const ASKED: Duration = Duration::from_secs(10);

/// Pauses after failures: from the first to the longest, and to the longest with a relay, which may be out of reach for hours.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_LONGEST: Duration = Duration::from_secs(30);
const PAUSE_RELAY: Duration = Duration::from_secs(2 * 60);

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(500);

/// Longest time between two times that what arrived is made durable.
const SYNCED: Duration = Duration::from_secs(1);

/// Where a file comes from.
enum Supply {
    /// Its sender, over the link that stands.
    Link(Way),
    /// A relay where its sender laid it down.
    Relay(Deposit),
}

/// How an attempt ended.
enum Outcome {
    /// It is whole and in its place.
    Whole(PathBuf),
    /// Again later.
    Later(String),
    /// Not possible; what is said to the person, and to the other side.
    Failed(State, String, Option<BlobState>),
    /// Ended from here: the row says why.
    Ended,
}

/// Starts what is to be fetched, whenever something may have changed.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        sweep::doomed(&core).await;
        let next = match start(&core).await {
            Ok(next) => next,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "what is to be fetched could not be read");
                Some(Instant::now() + PAUSE_LONGEST)
            }
        };
        match next {
            Some(at) => tokio::select! {
                () = core.files.wake.notified() => {}
                () = tokio::time::sleep_until(at) => {}
            },
            None => core.files.wake.notified().await,
        }
    }
}

/// Starts what can be started; when to look again.
async fn start(core: &Arc<Core>) -> Result<Option<Instant>, StoreError> {
    super::desk::fetch_thumbnails(core).await?;
    end_forgotten(core).await?;
    let wanted = core
        .store
        .read(|reader| {
            let told = |stored: Stored| {
                let told = store::deposits::find_told(reader, &stored.peer, &stored.attachment.blob.hash)?;
                Ok((stored, told))
            };
            store::attachments::wanted(reader, LOOKED_AT)?.into_iter().map(told).collect::<Result<Vec<_>, StoreError>>()
        })
        .await?;
    let now = Instant::now();
    let mut next: Option<Instant> = None;
    let choices = wanted.into_iter().map(|(stored, told)| {
        let place = collecting::choose(core, &stored, told);
        (stored, place)
    });
    // Over links first: a relay may be slow, or out of reach.
    let linked = |(stored, _): &(Stored, Option<Deposit>)| core.files.way(&stored.peer).is_some();
    let (near, far): (Vec<_>, Vec<_>) = choices.partition(linked);
    for (stored, place) in near.into_iter().chain(far) {
        let mut state = core.files.state();
        let way = state.peers.get(&stored.peer).filter(|_| !(place.is_some() && state.from_relay.contains(&stored.id)));
        let (supply, running) = match (way, place) {
            (Some(way), _) => (Supply::Link(way.clone()), Running::over(way.stands.clone(), stored.done, true)),
            (None, Some(deposit)) => (Supply::Relay(deposit), Running::without_link(stored.peer, stored.done, true)),
            (None, None) => continue,
        };
        if state.running.contains_key(&stored.id) {
            continue;
        }
        let failures = match state.waiting.get(&stored.id) {
            Some((_, at)) if *at > now => {
                next = Some(next.map_or(*at, |next| next.min(*at)));
                continue;
            }
            Some((failures, _)) => *failures,
            None => 0,
        };
        let incoming = || state.running.values().filter(|running| running.incoming);
        if incoming().count() >= AT_A_TIME {
            // The one that ends wakes this.
            break;
        }
        let relayed = incoming().filter(|running| running.relayed.is_some()).count();
        if running.relayed.is_some() && relayed >= RELAYED_AT_A_TIME {
            break;
        }
        state.running.insert(stored.id, running.clone());
        drop(state);
        let core = core.clone();
        core.clone()
            .spawner
            .spawn("receive a file", async move { receive(&core, stored, supply, running, failures).await });
    }
    Ok(next)
}

/// Ends what is on its way although its message was deleted meanwhile.
async fn end_forgotten(core: &Core) -> Result<(), StoreError> {
    let running: Vec<_> = core.files.state().running.keys().copied().collect();
    if running.is_empty() {
        return Ok(());
    }
    let forgotten = core.store.read(move |reader| {
        let mut forgotten = Vec::new();
        for id in running {
            if store::attachments::get(reader, id)?.is_none() {
                forgotten.push(id);
            }
        }
        Ok(forgotten)
    });
    forgotten.await?.into_iter().for_each(|id| core.files.end(id));
    Ok(())
}

/// One attempt, and what follows from it.
async fn receive(core: &Arc<Core>, mut stored: Stored, supply: Supply, running: Running, failures: u32) {
    let id = stored.id;
    let longest = match &supply {
        Supply::Link(_) => PAUSE_LONGEST,
        Supply::Relay(_) => PAUSE_RELAY,
    };
    let outcome = attempt(core, &mut stored, supply, &running, failures).await;
    let telling = Telling::now(core);
    let written = match &outcome {
        Outcome::Whole(path) => {
            let path = path.to_string_lossy().into_owned();
            let complete = move |tx: &Tx<'_>| match store::attachments::complete(tx, id, &path)? {
                true => telling.keep(tx, id),
                false => Ok(None),
            };
            core.store.write(complete).await
        }
        Outcome::Failed(state, words, _) => {
            let (state, words) = (*state, words.clone());
            let fail = move |tx: &Tx<'_>| match store::attachments::settle(tx, id, state, Some(&words))? {
                true => telling.keep(tx, id),
                false => Ok(None),
            };
            core.store.write(fail).await
        }
        Outcome::Later(_) => {
            let wait = move |tx: &Tx<'_>| store::attachments::settle(tx, id, State::Queued, None);
            core.store.write(wait).await.map(|_| None)
        }
        Outcome::Ended => Ok(None),
    };
    let told = match written {
        Ok(told) => told,
        Err(StoreError::Closed) => None,
        Err(error) => {
            tracing::error!(%error, "how far a file has come could not be stored");
            None
        }
    };
    {
        let mut state = core.files.state();
        state.running.remove(&id);
        match &outcome {
            // The new way has not failed.
            Outcome::Later(_) if running.way.is_cancelled() => drop(state.waiting.remove(&id)),
            Outcome::Later(why) => {
                tracing::debug!(peer = stored.peer.short(), why, "a file is fetched again later");
                let pause = PAUSE_FIRST.saturating_mul(1 << failures.min(8)).min(longest);
                state.waiting.insert(id, (failures + 1, Instant::now() + pause));
            }
            _ => {
                state.waiting.remove(&id);
                state.from_relay.remove(&id);
            }
        }
    }
    let hash = stored.attachment.blob.hash;
    let tell = match outcome {
        Outcome::Whole(_) => Some(BlobState::Done),
        Outcome::Failed(_, _, tell) => tell,
        Outcome::Later(_) | Outcome::Ended => None,
    };
    if let Some(state) = tell {
        tell_peer(core, &stored, Frame::BlobState { hash, state });
    }
    show::publish(core, id).await;
    if let Some(told) = told {
        told.tell(core);
    }
    core.files.stir();
}

/// Queues a frame for an attachment's other side, if it is linked.
pub(crate) fn tell_peer(core: &Core, stored: &Stored, frame: Frame) {
    if let Some(link) = core.links.get(&stored.peer) {
        link.tell_of_blob(frame);
    }
}

async fn attempt(core: &Arc<Core>, stored: &mut Stored, supply: Supply, running: &Running, failures: u32) -> Outcome {
    let id = stored.id;
    // It was read before this was the one that brings it: another may have ended since then, and what that one put in its place
    // is nobody else's.
    match core.store.read(move |reader| store::attachments::get(reader, id)).await {
        Ok(Some(now)) if matches!(now.state, State::Queued | State::Transferring) => *stored = now,
        Ok(_) | Err(StoreError::Closed) => return Outcome::Ended,
        Err(error) => return Outcome::Later(error.to_string()),
    }
    if let Some(path) = placed(stored) {
        return Outcome::Whole(path);
    }
    let set = core.kept().settings.download_folder.clone();
    let default = core.files.downloads.clone();
    let (part, growing) = {
        let (stored, meter) = (stored.clone(), running.meter.clone());
        let opened = core.spawner.spawn_blocking("open a file", move || open(&stored, &set, &default, meter)).await;
        match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return disk_failed(&error),
            Err(_) => return Outcome::Ended,
        }
    };
    let (path, sink, from) = part;
    let at = path.to_string_lossy().into_owned();
    let relayed = matches!(supply, Supply::Relay(_));
    match core.store.write(move |tx| store::attachments::begin(tx, id, &at, from, relayed)).await {
        Ok(true) => {}
        // Deleted or given up before there was anything of it: no row would ever name this file.
        Ok(false) if from == 0 => {
            let left = path.clone();
            drop(core.spawner.spawn_blocking("remove what is not wanted", move || std::fs::remove_file(left)).await);
            return Outcome::Ended;
        }
        Ok(false) | Err(StoreError::Closed) => return Outcome::Ended,
        Err(error) => return Outcome::Later(error.to_string()),
    }
    show::publish(core, id).await;
    let (blob, sink, cancel) = (stored.attachment.blob, Box::new(sink), &running.cancel);
    let get = async {
        match &supply {
            _ if from == blob.size => all_came(core, sink).await?,
            Supply::Link(way) => {
                transfer(core, Wanted { peer: stored.peer, blob, from, failures }, way, sink, cancel).await?;
            }
            // Checks the whole.
            Supply::Relay(deposit) => return collecting::fetch(core, deposit, blob, from, &path, sink, cancel).await,
        }
        match stored.relayed {
            Relayed::Yes if from > 0 => collecting::prove(core, &path, blob).await,
            _ => Ok(()),
        }
    };
    let ended = follow(core, stored, running, growing, get).await;
    match (ended, &supply) {
        (Ok(()), _) => finish(core, stored, &path).await,
        (Err(BlobError::Cancelled), _) if running.way.is_cancelled() => {
            Outcome::Later("another way is there".to_owned())
        }
        (Err(error), Supply::Relay(deposit)) if collecting::is_not_there(&error) => {
            match collecting::forget(core, stored, deposit, &error).await {
                Ok(()) => Outcome::Later(error.to_string()),
                Err(_) => Outcome::Ended,
            }
        }
        // What came from a relay before was something else.
        (Err(error @ BlobError::Mismatch), Supply::Link(_)) if stored.relayed == Relayed::Yes && from > 0 => {
            match core.store.write(move |tx| store::attachments::came_falsely(tx, id)).await {
                Ok(()) => Outcome::Later(error.to_string()),
                Err(_) => Outcome::Ended,
            }
        }
        (Err(BlobError::Refused(BlobRefusal::Gone | BlobRefusal::Changed | BlobRefusal::Unreadable)), _)
            if collecting::instead(core, stored).await =>
        {
            Outcome::Later("it is to be had from a relay".to_owned())
        }
        (Err(error), _) => failed(core, error, &path, failures).await,
    }
}

/// What follows from an attempt that failed.
async fn failed(core: &Core, error: BlobError, part: &Path, failures: u32) -> Outcome {
    match error {
        BlobError::Cancelled => Outcome::Ended,
        BlobError::Sink(error) => {
            if is_full(&error) {
                // Chat needs the room more than half a file does.
                let part = part.to_owned();
                let removed = core.spawner.spawn_blocking("make room", move || std::fs::remove_file(part)).await;
                if let Ok(Err(error)) = removed {
                    tracing::warn!(%error, "a file that found no room could not be removed");
                }
            }
            disk_failed(&error)
        }
        BlobError::Mismatch if failures == 0 => Outcome::Later("the content did not fit its hash".to_owned()),
        BlobError::Mismatch => Outcome::Failed(
            State::Failed,
            "what the other machine sent is not the file that it offered".to_owned(),
            Some(BlobState::Failed),
        ),
        BlobError::Refused(refusal) => match refused(refusal) {
            Some((state, words)) => Outcome::Failed(state, words.to_owned(), None),
            None => Outcome::Later(refusal.to_string()),
        },
        error => Outcome::Later(error.to_string()),
    }
}

/// What a refusal means here; `None` when it may pass.
pub(crate) fn refused(refusal: BlobRefusal) -> Option<(State, &'static str)> {
    match refusal {
        BlobRefusal::Gone => Some((State::Gone, "the file is no longer on the other machine")),
        BlobRefusal::Changed => Some((State::Gone, "the file on the other machine has changed since it was offered")),
        BlobRefusal::Unreadable => Some((State::Failed, "the other machine cannot read the file")),
        BlobRefusal::Busy | BlobRefusal::Unasked | BlobRefusal::NoRoom | BlobRefusal::Mismatch => None,
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn disk_failed(error: &io::Error) -> Outcome {
    if is_full(error) {
        return Outcome::Failed(State::Failed, "the disk is full".to_owned(), Some(BlobState::NoRoom));
    }
    Outcome::Failed(State::Failed, format!("it cannot be stored: {error}"), Some(BlobState::Failed))
}

/// Where it lies already: the program was killed after it was put there, and before that was noted.
fn placed(stored: &Stored) -> Option<PathBuf> {
    let size = stored.attachment.blob.size;
    let path = stored.path.as_ref().map(PathBuf::from).filter(|_| stored.done == size)?;
    if stored.part.as_ref().is_some_and(|part| Path::new(part).exists()) {
        return None;
    }
    let metadata = path.metadata().ok()?;
    (metadata.is_dir() || metadata.len() == size).then_some(path)
}

type Opened = ((PathBuf, Part, u64), Growing);

/// Opens the growing file where it was, or begins one.
fn open(stored: &Stored, set: &str, default: &Path, meter: Arc<Meter>) -> io::Result<Opened> {
    let whole = stored.done == stored.attachment.blob.size;
    let verified = if whole { stored.done } else { stream::whole_groups(stored.done) };
    // Also where the person wants it before there is anything.
    let before = stored.part.as_ref().map(PathBuf::from);
    let path = match before.filter(|part| part.parent().is_some_and(Path::is_dir)) {
        Some(path) => path,
        None => place::part_of(stored, &place::downloads(set, default)?),
    };
    let length = path.metadata().map_or(0, |metadata| metadata.len());
    let from = if length >= verified { verified } else { 0 };
    meter.set(from);
    let (part, growing) = Part::open(&path, from, meter)?;
    Ok(((path, part, from), growing))
}

/// What is to be fetched, from whom.
#[derive(Clone, Copy)]
struct Wanted {
    peer: MachineId,
    blob: Blob,
    from: u64,
    /// How often it has failed: every second time the other way is taken.
    failures: u32,
}

/// All was there before.
async fn all_came(core: &Core, mut sink: Box<dyn Sink>) -> Result<(), BlobError> {
    let finish = move || sink.finish().map_err(BlobError::Sink);
    core.spawner.spawn_blocking("finish a file", finish).await.unwrap_or(Err(BlobError::Cancelled))
}

/// Gets the bytes: by dialling, or, when this side was dialled, by asking to be brought them.
async fn transfer(
    core: &Arc<Core>,
    wanted: Wanted,
    way: &Way,
    sink: Box<dyn Sink>,
    cancel: &CancellationToken,
) -> Result<(), BlobError> {
    let Wanted { peer, blob, from, failures } = wanted;
    if way.inbound == (failures % 2 == 1) {
        let Some(link) = core.link() else { return Err(BlobError::Cancelled) };
        return link.fetch_blob(peer, &way.path, blob, from, sink, cancel).await;
    }
    let (ended, mut end) = oneshot::channel();
    let expected = Expected { blob, from, sink, cancel: cancel.clone(), ended };
    core.files.state().expected.insert((peer, blob.hash), expected);
    if let Some(link) = core.links.get(&peer) {
        link.tell_of_blob(Frame::BlobWant { hash: blob.hash, from });
    }
    let broken = |why: &str| Err(BlobError::Broken(why.to_owned()));
    tokio::select! {
        ended = &mut end => return ended.unwrap_or_else(|_| broken("the connection broke")),
        () = tokio::time::sleep(ASKED) => {}
        () = cancel.cancelled() => {}
    }
    // Whoever brings it takes this out; then it goes on until that ends.
    if core.files.state().expected.remove(&(peer, blob.hash)).is_some() {
        return if cancel.is_cancelled() { Err(BlobError::Cancelled) } else { broken("it was not brought") };
    }
    end.await.unwrap_or_else(|_| broken("the connection broke"))
}

/// Fetches a small blob into memory.
pub(crate) async fn small(core: &Arc<Core>, peer: MachineId, blob: Blob, way: &Way) -> Result<Vec<u8>, BlobError> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let mut outcome = Ok(());
    for failures in 0..2 {
        let wanted = Wanted { peer, blob, from: 0, failures };
        kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
        outcome = transfer(core, wanted, way, Box::new(InMemory(kept.clone())), &way.stands).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map(|()| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Keeps a small blob. Its size was checked when its message was read.
struct InMemory(Arc<Mutex<Vec<u8>>>);

impl Sink for InMemory {
    fn write(&mut self, _: u64, data: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for the transfer, and meanwhile makes durable and says what has arrived. Returns when nothing is written any more.
async fn follow(
    core: &Arc<Core>,
    stored: &Stored,
    running: &Running,
    growing: Growing,
    transfer: impl Future<Output = Result<(), BlobError>>,
) -> Result<(), BlobError> {
    let Growing { file, grown, left } = growing;
    let file = Arc::new(file);
    let mut transfer = std::pin::pin!(transfer);
    let mut synced = (running.meter.done(), Instant::now());
    let mut shown = (running.meter.done(), None);
    let ended = loop {
        let due = tokio::select! {
            ended = &mut transfer => break ended,
            () = grown.notified() => true,
            () = tokio::time::sleep(LOOK) => synced.1.elapsed() >= SYNCED,
        };
        let done = running.meter.done();
        if due && done > synced.0 {
            sync(core, stored, &file, done).await;
            synced = (done, Instant::now());
        }
        if done > shown.0 && shown.1.is_none_or(|at: Instant| at.elapsed() >= LOOK) {
            shown = (done, Some(Instant::now()));
            show::progress(core, stored, running);
        }
    };
    // Whoever writes lets go of the file at the end, in this or another task.
    let _ = left.await;
    let done = running.meter.done();
    if done > synced.0 || ended.is_ok() {
        sync(core, stored, &file, done).await;
    }
    ended
}

/// Makes what was written durable, and then says so in the row.
async fn sync(core: &Arc<Core>, stored: &Stored, file: &Arc<std::fs::File>, done: u64) {
    let file = file.clone();
    let id = stored.id;
    match core.spawner.spawn_blocking("sync a file", move || file.sync_data()).await {
        Ok(Ok(())) => {
            // A row that is gone needs no progress; a store that fails keeps the progress that it has.
            let _ = core.store.write(move |tx| store::attachments::set_done(tx, id, done)).await;
        }
        Ok(Err(error)) => tracing::warn!(%error, "a received file could not be made durable"),
        Err(_) => {}
    }
}

/// Puts what is whole in its place.
async fn finish(core: &Arc<Core>, stored: &Stored, part: &Path) -> Outcome {
    let id = stored.id;
    let dir = part.parent().unwrap_or(part).to_owned();
    let reserved = {
        let stored = stored.clone();
        let before = stored.path.clone().map(PathBuf::from).filter(|path| path.exists());
        let reserve = move || before.map_or_else(|| place::target(&stored, &dir), Ok);
        core.spawner.spawn_blocking("name a file", reserve).await
    };
    let target = match reserved {
        Ok(Ok(target)) => target,
        Ok(Err(error)) => return disk_failed(&error),
        Err(_) => return Outcome::Ended,
    };
    let (from, to) = (part.to_string_lossy().into_owned(), target.to_string_lossy().into_owned());
    // Noted first: a program that is killed after the rename finds the file by it.
    match core.store.write(move |tx| store::attachments::set_place(tx, id, Some(&from), Some(&to))).await {
        Ok(true) => {}
        Ok(false) => {
            place::give_back(&target);
            return Outcome::Ended;
        }
        Err(StoreError::Closed) => return Outcome::Ended,
        Err(error) => return Outcome::Later(error.to_string()),
    }
    let put = {
        let (stored, part, target) = (stored.clone(), part.to_owned(), target.clone());
        core.spawner.spawn_blocking("place a file", move || place::put(&stored, &part, &target)).await
    };
    match put {
        Ok(Ok(())) => Outcome::Whole(target),
        Ok(Err(error)) => {
            place::give_back(&target);
            disk_failed(&error)
        }
        Err(_) => Outcome::Ended,
    }
}
