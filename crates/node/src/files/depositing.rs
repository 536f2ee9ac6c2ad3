//! Laying own files down at relays, for contacts that are away: sealed and put there once for all who are to have one, told to
//! each in its mailbox, and taken away when nobody needs it there any more.
//!
//! A relay is only a second place from which the receiver can fetch. What is complete, only the receiver says.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use link::blob::{BlobError, BlobRefusal, Source};
use proto::FileKey;
use proto::id::MachineId;
use proto::relay::{FilePass, RefusalCode, Refused, RelayAddress};
use store::attachments::Stored;
use store::deposits::{DepositKey, OwnDeposit};
use store::reach::Reach;
use store::{Reader, StoreError};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Running, content, desk, show};
use crate::core::Core;
use crate::mailbox::{self, AGAIN_MS};
use crate::relays::relays_of;

/// Files that are laid down at a time, and for one machine: its relay may take them as slowly as it likes.
const AT_A_TIME: usize = 3;
const AT_A_TIME_FOR_ONE: usize = 1;

/// Attachments of a machine that are looked at.
const LOOKED_AT: u32 = 256;

/// Deposits that are taken away between two looks at what is to be laid down.
const TAKEN_AWAY: usize = 16;

/// Pauses after failures: from the first to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_LONGEST: Duration = Duration::from_secs(10 * 60);

/// How often it is looked whether what lies there still does.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// After how many bytes it is noted that the relay takes it.
const NOTED_BYTES: u64 = 64 << 20;

/// Between two looks at how far it is.
const SHOWN: Duration = Duration::from_millis(500);

/// For how long an upload that breaks is gone on with at its relay only, since the last of it was taken.
const STAYS_MS: u64 = 6 * 60 * 60 * 1_000;

/// What does not become whole is removed by the relay itself; that long is waited until one can be reached to be told so.
const GIVEN_UP_MS: u64 = 4 * 24 * 60 * 60 * 1_000;

/// Where a file for a machine can lie.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    relay: RelayAddress,
    pass: FilePass,
}

/// A file to be laid down.
struct Due {
    stored: Stored,
    places: Vec<Place>,
}

/// A machine is away, and has all in its mailbox that is to be there: its files follow.
pub(crate) fn away(core: &Core, machine: MachineId) {
    let mut state = core.files.state();
    // It may have come meanwhile.
    if !state.peers.contains_key(&machine) {
        state.away.insert(machine);
        drop(state);
        core.files.depositing.notify_one();
    }
}

/// Lays down, and takes away, until the store is closed.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        let next = match round(&core).await {
            Ok(next) => next,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "what is to be laid down at relays could not be read");
                Instant::now() + PAUSE_LONGEST
            }
        };
        tokio::select! {
            () = core.files.depositing.notified() => {}
            () = sleep_until(next) => {}
        }
    }
}

/// Starts what can be started; when to look again.
async fn round(core: &Arc<Core>) -> Result<Instant, StoreError> {
    let mut next = Instant::now() + LOOK;
    let away: Vec<MachineId> = core.files.state().away.iter().copied().collect();
    for machine in away {
        let Some(person) = core.people.get(&machine) else { continue };
        if person.online() || !person.accepted() {
            continue;
        }
        for due in due(core, machine).await? {
            let hash = due.stored.attachment.blob.hash;
            let mut state = core.files.state();
            if state.depositing.contains_key(&hash) || state.running.contains_key(&due.stored.id) {
                continue;
            }
            if let Some((_, at)) = state.refused.get(&hash).filter(|(_, at)| *at > Instant::now()) {
                next = next.min(*at);
                continue;
            }
            let for_one = state.depositing.values().filter(|of| **of == machine).count();
            let is_full = state.depositing.len() >= AT_A_TIME || for_one >= AT_A_TIME_FOR_ONE;
            if is_full || !state.away.contains(&machine) {
                // The one that ends wakes this.
                break;
            }
            let running = Running::without_link(machine, 0, false);
            state.depositing.insert(hash, machine);
            state.running.insert(due.stored.id, running.clone());
            drop(state);
            let core = core.clone();
            core.clone().spawner.spawn("lay a file down", async move { job(&core, due, running).await });
        }
    }
    take_away(core, &mut next).await?;
    Ok(next)
}

/// What a machine is to find at a relay and is not there. What lies there for somebody else already serves it too.
async fn due(core: &Arc<Core>, machine: MachineId) -> Result<Vec<Due>, StoreError> {
    let (me, own) = (core.me, core.relays.addresses());
    let profile = core.people.relays(&machine);
    let now_ms = core.clock.wall_ms();
    let (due, serving) = core
        .store
        .read(move |reader| {
            let (mut due, mut serving) = (Vec::new(), Vec::new());
            let Some(reach) = store::reach::get(reader, &machine)? else { return Ok((due, serving)) };
            let places = places(reader, me, &own, &reach, profile)?;
            if places.is_empty() {
                return Ok((due, serving));
            }
            let before_ms = now_ms.saturating_sub(AGAIN_MS);
            let lacking =
                store::attachments::open_and_not_at_relay(reader, &machine, now_ms / 1_000, before_ms, LOOKED_AT)?;
            for stored in lacking {
                let deposits = store::deposits::of_hash(reader, &stored.attachment.blob.hash)?;
                let fits = |deposit: &&OwnDeposit| places.iter().any(|place| place.relay == deposit.relay);
                let whole = deposits.iter().filter(fits).find(|deposit| lies_there(deposit, now_ms));
                match (whole, &stored.deposit) {
                    (Some(whole), Some(serves)) if serves.key == whole.key => {}
                    (Some(whole), _) => serving.push((stored.id, whole.key)),
                    (None, _) => due.push(Due { places: begun_first(&places, &deposits), stored }),
                }
            }
            Ok((due, serving))
        })
        .await?;
    if !serving.is_empty() {
        let shown: Vec<_> = serving.iter().map(|(id, _)| *id).collect();
        let serve =
            move |tx: &store::Tx<'_>| serving.iter().try_for_each(|(id, key)| store::deposits::serve(tx, *id, *key));
        core.store.write(serve).await?;
        for id in shown {
            show::publish(core, id).await;
        }
        mailbox::stir(core, machine);
    }
    Ok(due)
}

fn lies_there(deposit: &OwnDeposit, now_ms: u64) -> bool {
    deposit.until_s > now_ms / 1_000 && now_ms < deposit.seen_ms.saturating_add(AGAIN_MS)
}

/// Where a file for a machine can lie: where both are; else where this machine is, so that it serves others too; else where
/// that machine is.
fn places(
    reader: &Reader<'_>,
    me: MachineId,
    own: &[RelayAddress],
    reach: &Reach,
    profile: Vec<RelayAddress>,
) -> Result<Vec<Place>, StoreError> {
    let theirs = relays_of(reach, profile);
    let Some(held) = &reach.held else { return Ok(Vec::new()) };
    let mut places = Vec::new();
    if let Some(given) = store::reach::get(reader, &me)?.and_then(|reach| reach.given) {
        let pass = |relay: &RelayAddress| FilePass { mailbox: me, token: given.at(relay) };
        places.extend(own.iter().map(|relay| Place { relay: relay.clone(), pass: pass(relay) }));
        places.sort_by_key(|place: &Place| !theirs.contains(&place.relay));
    }
    for relay in theirs.into_iter().filter(|relay| !own.contains(relay)) {
        let pass = FilePass { mailbox: reach.machine, token: held.grant().secret.at(&relay) };
        places.push(Place { relay, pass });
    }
    Ok(places)
}

/// What was begun is gone on with before anything is begun elsewhere.
fn begun_first(places: &[Place], deposits: &[OwnDeposit]) -> Vec<Place> {
    let mut places = places.to_vec();
    places.sort_by_key(|place| !deposits.iter().any(|deposit| deposit.relay == place.relay));
    places
}

/// How an attempt ended.
enum Laid {
    /// It lies there.
    Down,
    /// Another way is there, or it is not wanted any more.
    Ended,
    /// Again, not before so long.
    Later(Duration),
}

/// Lays a file down, and sees what follows.
async fn job(core: &Arc<Core>, Due { stored, places }: Due, running: Running) {
    let (id, hash) = (stored.id, stored.attachment.blob.hash);
    let outcome = lay_down(core, &stored, places, &running).await.unwrap_or_else(|error| {
        if !matches!(error, StoreError::Closed) {
            tracing::error!(%error, "what was laid down at a relay could not be noted");
        }
        Laid::Later(Duration::ZERO)
    });
    {
        let mut state = core.files.state();
        state.depositing.remove(&hash);
        if state.running.get(&id).is_some_and(|current| Arc::ptr_eq(&current.meter, &running.meter)) {
            state.running.remove(&id);
        }
        match outcome {
            Laid::Later(least) => {
                let moved = running.meter.done() > 0;
                let failures = state.refused.get(&hash).map_or(0, |(failures, _)| *failures);
                let failures = if moved { 0 } else { failures };
                let pause = PAUSE_FIRST.saturating_mul(1 << failures.min(8)).min(PAUSE_LONGEST).max(least);
                state.refused.insert(hash, (failures + 1, Instant::now() + pause));
            }
            Laid::Down | Laid::Ended => drop(state.refused.remove(&hash)),
        }
    }
    show::publish(core, id).await;
    core.files.depositing.notify_one();
}

/// Lays a file down at the first place that takes it. What was begun at one is gone on with there: elsewhere all of it would
/// have to go once more.
async fn lay_down(
    core: &Arc<Core>,
    stored: &Stored,
    places: Vec<Place>,
    running: &Running,
) -> Result<Laid, StoreError> {
    let mut least: Option<Duration> = None;
    for place in places {
        let Some(begun) = begin(core, stored, &place).await? else { return Ok(Laid::Ended) };
        show::publish(core, stored.id).await;
        let error = match put(core, stored, &place, &begun, running).await {
            Ok(lifetime) => {
                let (deposit, now_ms) = (begun.deposit, core.clock.wall_ms());
                let until_s = (now_ms / 1_000).saturating_add(lifetime.as_secs());
                core.store.write(move |tx| store::deposits::laid_down(tx, deposit, until_s, now_ms)).await?;
                // For the others it is found to be there when they are looked at.
                mailbox::stir(core, stored.peer);
                return Ok(Laid::Down);
            }
            Err(Unput::Ended) if running.cancel.is_cancelled() => return Ok(Laid::Ended),
            Err(Unput::Ended) => return Ok(Laid::Later(Duration::ZERO)),
            Err(Unput::CannotGive(refusal)) => {
                // It was to be read because the relay does not have all of it, or has something else by now.
                let deposit = begun.deposit;
                core.store.write(move |tx| store::deposits::incomplete(tx, deposit)).await?;
                desk::cannot_give(core, stored, refusal).await;
                return Ok(Laid::Later(Duration::ZERO));
            }
            Err(Unput::Relay(error)) => error,
        };
        tracing::debug!(relay = place.relay.origin(), %error, "a file was not laid down");
        let Refusal { words, pause, lasting } = refusal(&place.relay, &error);
        if begun.held {
            // Who has it there can still fetch it. It is looked at again until that time is over.
            return Ok(Laid::Later(pause));
        }
        let deposit = begun.deposit;
        let lost = matches!(&error, BlobError::RelayRefused(Refused { code: RefusalCode::BadToken, .. }));
        core.store
            .write(move |tx| match lost {
                // The token by which it was begun counts no longer: what is there is of no use, and goes by itself.
                true => store::deposits::renounce(tx, deposit, &words),
                false => store::deposits::refused(tx, deposit, &words),
            })
            .await?;
        if !lasting && (begun.recently || running.meter.done() > 0) {
            return Ok(Laid::Later(pause));
        }
        least = Some(least.map_or(pause, |other| other.min(pause)));
    }
    Ok(Laid::Later(least.unwrap_or_default()))
}

/// A deposit that can be gone on with.
struct Begun {
    deposit: DepositKey,
    pass: FilePass,
    secret: FileKey,
    /// All of it was there, when that was last looked at.
    held: bool,
    /// Some of it was taken not long ago.
    recently: bool,
}

/// The deposit that an attachment has at a place, or a new one; none when the attachment is gone.
async fn begin(core: &Core, stored: &Stored, place: &Place) -> Result<Option<Begun>, StoreError> {
    let (id, hash, place, now_ms) = (stored.id, stored.attachment.blob.hash, place.clone(), core.clock.wall_ms());
    let mut fresh = [0; 32];
    if let Err(error) = getrandom::fill(&mut fresh) {
        tracing::error!(%error, "the system gives no randomness");
        return Ok(None);
    }
    let fresh = FileKey::from_bytes(fresh);
    core.store
        .write(move |tx| {
            let before = store::deposits::of_hash(tx, &hash)?.into_iter();
            // By another token it could not be gone on with; what is whole serves all the same.
            let mut before = before.filter(|deposit| {
                deposit.relay == place.relay && (deposit.pass == place.pass || deposit.until_s > now_ms / 1_000)
            });
            if let Some(OwnDeposit { key, pass, secret: Some(secret), until_s, begun, seen_ms, .. }) = before.next() {
                store::deposits::serve(tx, id, key)?;
                let recently = begun && now_ms < seen_ms.saturating_add(STAYS_MS);
                return Ok(Some(Begun { deposit: key, pass, secret, held: until_s > now_ms / 1_000, recently }));
            }
            let begun = store::deposits::begin(tx, id, &place.relay, &place.pass, &fresh, now_ms)?;
            Ok(begun.map(|deposit| Begun { deposit, pass: place.pass, secret: fresh, held: false, recently: false }))
        })
        .await
}

/// Why a file was not laid down.
enum Unput {
    /// It is not to be, now.
    Ended,
    /// It cannot be read here.
    CannotGive(BlobRefusal),
    /// The relay.
    Relay(BlobError),
}

/// Seals a file, puts it there, and shows how far it is.
async fn put(
    core: &Arc<Core>,
    stored: &Stored,
    place: &Place,
    begun: &Begun,
    running: &Running,
) -> Result<Duration, Unput> {
    let hash = stored.attachment.blob.hash;
    let source = core.store.read(move |reader| store::sources::get(reader, &hash)).await;
    let source = source.map_err(|_| Unput::Ended)?;
    let data = match open(core, source.clone(), running).await? {
        Ok(data) => data,
        // What lies there already needs nothing from here.
        Err(refusal) if begun.held => Box::new(Missing(refusal)),
        Err(refusal) => return Err(Unput::CannotGive(refusal)),
    };
    let Some(link) = core.link() else { return Err(Unput::Ended) };
    let (size, deposit) = (stored.attachment.blob.size, begun.deposit);
    let mut putting =
        std::pin::pin!(link.deposit(&place.relay, &begun.pass, &begun.secret, size, data, &running.cancel));
    let mut taken = 0;
    let outcome = loop {
        tokio::select! {
            outcome = &mut putting => break outcome,
            () = sleep(SHOWN) => {}
        }
        let done = running.meter.done();
        if done >= taken + NOTED_BYTES || (taken == 0 && done > 0) {
            taken = done;
            let now_ms = core.clock.wall_ms();
            // A store that fails shows what the relay said before, until all is there.
            let _ = core.store.write(move |tx| store::deposits::is_taken(tx, deposit, now_ms)).await;
            show::publish(core, stored.id).await;
        }
        show::sending(core, stored, running);
    };
    match outcome {
        Ok(deposited) if running.meter.done() > 0 => {
            // What was changed while it was read is not what was offered.
            let Some(source) = source else { return Err(Unput::CannotGive(BlobRefusal::Gone)) };
            let dir = core.files.dir.clone();
            let looking = core.spawner.spawn_blocking("look at a file", move || content::look(&dir, &source));
            looking.await.map_err(|_| Unput::Ended)?.map_err(Unput::CannotGive)?;
            Ok(deposited.lifetime)
        }
        Ok(deposited) => Ok(deposited.lifetime),
        Err(_) if running.cancel.is_cancelled() => Err(Unput::Ended),
        Err(BlobError::Source(error)) => Err(Unput::CannotGive(content::refusal(&error))),
        Err(error) => Err(Unput::Relay(error)),
    }
}

/// Opens an own file, to be read as far as `running` says.
async fn open(
    core: &Core,
    source: Option<store::sources::Source>,
    running: &Running,
) -> Result<Result<Box<dyn Source>, BlobRefusal>, Unput> {
    let Some(source) = source else { return Ok(Err(BlobRefusal::Gone)) };
    let dir = core.files.dir.clone();
    let opening = core.spawner.spawn_blocking("open a file", move || content::open(&dir, &source));
    let opened = opening.await.map_err(|_| Unput::Ended)?;
    // How long it is read is known by the end of the job.
    Ok(opened.map(|opened| content::metered(opened, running).0.data))
}

/// Stands for a file that cannot be opened.
struct Missing(BlobRefusal);

impl Source for Missing {
    fn read_at(&mut self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(match self.0 {
            BlobRefusal::Gone => io::ErrorKind::NotFound,
            BlobRefusal::Changed => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        }
        .into())
    }
}

/// What a relay's no means.
struct Refusal {
    /// As it is said to the sender.
    words: String,
    /// For how long at least it is not tried again.
    pause: Duration,
    /// Whether it will be the same for long.
    lasting: bool,
}

fn refusal(relay: &RelayAddress, error: &BlobError) -> Refusal {
    let BlobError::RelayRefused(refused) = error else {
        return Refusal { words: error.to_string(), pause: Duration::ZERO, lasting: false };
    };
    let limit = refused.limit.unwrap_or(0);
    let words = match refused.code {
        RefusalCode::TooLarge if limit == 0 => "it takes no files".to_owned(),
        RefusalCode::TooLarge => format!("it takes files of at most {}", mib(limit)),
        RefusalCode::MailboxFull => format!("the {} that it has for files are used up", mib(limit)),
        RefusalCode::TooMany => format!("it keeps {limit} files, and as many are there"),
        RefusalCode::Full => "it has no room for files now".to_owned(),
        RefusalCode::Storage if refused.retry_after_s.is_some() => "it can't reach what it keeps files in".to_owned(),
        RefusalCode::Storage => "its disk fails or is full".to_owned(),
        _ => refused.detail.clone(),
    };
    let (usual, lasting) = match refused.code {
        RefusalCode::TooLarge => (LOOK, true),
        RefusalCode::MailboxFull | RefusalCode::TooMany | RefusalCode::Invalid => (PAUSE_LONGEST, true),
        RefusalCode::BadToken | RefusalCode::Unreachable => (Duration::ZERO, true),
        _ => (Duration::ZERO, false),
    };
    tracing::info!(relay = relay.origin(), code = ?refused.code, "a relay does not take a file");
    Refusal { words, pause: wait(refused, usual), lasting }
}

/// For how long a relay asks to wait, within bounds.
fn wait(refused: &Refused, usual: Duration) -> Duration {
    refused.retry_after_s.map_or(usual, |seconds| Duration::from_secs(seconds.into())).min(LOOK)
}

/// A limit of a relay, as people read it.
fn mib(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes.div_ceil(1 << 10) {
        kib if bytes < MIB => format!("{kib} KiB"),
        _ => format!("{} MiB", bytes / MIB),
    }
}

/// Takes away from relays what nobody needs there any more. What cannot be told to a relay, it removes in its time.
async fn take_away(core: &Arc<Core>, next: &mut Instant) -> Result<(), StoreError> {
    let now_ms = core.clock.wall_ms();
    let unneeded = core.store.read(move |reader| store::deposits::unneeded(reader, now_ms / 1_000, LOOKED_AT)).await?;
    let mut taken = 0;
    for deposit in unneeded {
        let Some(link) = core.link() else { return Ok(()) };
        if let Some(at) = core.files.state().unreached.get(&deposit.relay).filter(|at| **at > Instant::now()) {
            *next = (*at).min(*next);
            continue;
        }
        if taken >= TAKEN_AWAY {
            core.files.depositing.notify_one();
            break;
        }
        taken += 1;
        let ended_ms = deposit.until_s.saturating_mul(1_000).max(deposit.seen_ms.saturating_add(GIVEN_UP_MS));
        let pause = match link.withdraw(&deposit.relay, &deposit.pass, &deposit.file).await {
            Ok(()) => None,
            Err(BlobError::RelayRefused(refused)) => match refused.code {
                RefusalCode::RateLimited | RefusalCode::Full | RefusalCode::Storage => {
                    Some(wait(&refused, PAUSE_FIRST))
                }
                // Who is refused for good has nothing there that it could take away.
                _ => None,
            },
            Err(error) => {
                tracing::debug!(relay = deposit.relay.origin(), %error, "a file could not be taken away");
                Some(PAUSE_LONGEST)
            }
        };
        match pause {
            Some(pause) if now_ms <= ended_ms => {
                let at = Instant::now() + pause;
                core.files.state().unreached.insert(deposit.relay, at);
                *next = at.min(*next);
            }
            _ => core.store.write(move |tx| store::deposits::forget(tx, deposit.key)).await?,
        }
    }
    Ok(())
}
