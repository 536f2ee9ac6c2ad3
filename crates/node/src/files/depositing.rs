//! Laying own files down at relays, for contacts that are away: sealed and put there once for all who are to have one, told to
//! each in its mailbox, and taken away when nobody needs it there any more.
//!
//! A relay is only a second place from which the receiver can fetch. What is complete, only the receiver says.

use std::sync::Arc;
use std::time::Duration;

use link::blob::{BlobError, BlobRefusal};
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

/// Files that are laid down at a time.
const AT_A_TIME: usize = 2;

/// Attachments of a machine that are looked at.
const LOOKED_AT: u32 = 256;

/// Deposits that are taken away between two looks at what is to be laid down.
const TAKEN_AWAY: u32 = 16;

/// Pauses after failures: from the first to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_LONGEST: Duration = Duration::from_secs(10 * 60);

/// How often it is looked whether what lies there still does.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// Between two looks at how far it is.
const SHOWN: Duration = Duration::from_millis(500);

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
    core.files.state().away.insert(machine);
    core.files.depositing.notify_one();
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
            if state.depositing.contains(&hash) || state.running.contains_key(&due.stored.id) {
                continue;
            }
            if let Some((_, at)) = state.refused.get(&hash).filter(|(_, at)| *at > Instant::now()) {
                next = next.min(*at);
                continue;
            }
            if state.depositing.len() >= AT_A_TIME || !state.away.contains(&machine) {
                // The one that ends wakes this.
                break;
            }
            let running = Running::without_link(machine, 0, false);
            state.depositing.insert(hash);
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
            for stored in store::attachments::open_to(reader, &machine, LOOKED_AT)? {
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

/// Lays a file down, and sees what follows.
async fn job(core: &Arc<Core>, Due { stored, places }: Due, running: Running) {
    let (id, hash) = (stored.id, stored.attachment.blob.hash);
    let outcome = lay_down(core, &stored, places, &running).await;
    {
        let mut state = core.files.state();
        state.depositing.remove(&hash);
        if state.running.get(&id).is_some_and(|current| Arc::ptr_eq(&current.meter, &running.meter)) {
            state.running.remove(&id);
        }
        match outcome {
            Ok(Some(least)) => {
                let failures = state.refused.get(&hash).map_or(0, |(failures, _)| *failures);
                let pause = PAUSE_FIRST.saturating_mul(1 << failures.min(8)).min(PAUSE_LONGEST).max(least);
                state.refused.insert(hash, (failures + 1, Instant::now() + pause));
            }
            Ok(None) | Err(_) => drop(state.refused.remove(&hash)),
        }
    }
    match outcome {
        Ok(_) | Err(StoreError::Closed) => {}
        Err(error) => tracing::error!(%error, "what was laid down at a relay could not be noted"),
    }
    show::publish(core, id).await;
    core.files.depositing.notify_one();
}

/// Lays a file down at the first place that takes it. When none does, says for how long at least it is not tried again.
async fn lay_down(
    core: &Arc<Core>,
    stored: &Stored,
    places: Vec<Place>,
    running: &Running,
) -> Result<Option<Duration>, StoreError> {
    let mut least: Option<Duration> = None;
    for place in places {
        let Some(Begun { deposit, secret, held }) = begin(core, stored, &place).await? else { return Ok(None) };
        show::publish(core, stored.id).await;
        let error = match put(core, stored, &place, deposit, &secret, running).await {
            Ok(lifetime) => {
                let now_ms = core.clock.wall_ms();
                let until_s = (now_ms / 1_000).saturating_add(lifetime.as_secs());
                core.store.write(move |tx| store::deposits::laid_down(tx, deposit, until_s, now_ms)).await?;
                // For the others it is found to be there when they are looked at.
                mailbox::stir(core, stored.peer);
                return Ok(None);
            }
            Err(Unput::Ended) => return Ok(None),
            Err(Unput::CannotGive(refusal)) => {
                desk::cannot_give(core, stored, refusal).await;
                return Ok(None);
            }
            Err(Unput::Relay(error)) => error,
        };
        tracing::debug!(relay = place.relay.origin(), %error, "a file was not laid down");
        let (words, pause) = refusal(&place.relay, &error);
        match &error {
            // The token by which it was begun counts no longer: what is there is of no use, and goes by itself.
            BlobError::RelayRefused(Refused { code: RefusalCode::BadToken, .. }) => {
                core.store.write(move |tx| store::deposits::renounce(tx, deposit, &words)).await?;
            }
            BlobError::RelayRefused(_) => {
                core.store.write(move |tx| store::deposits::refused(tx, deposit, &words)).await?;
            }
            // Whether it still lies there is not known.
            _ if held => {}
            _ => core.store.write(move |tx| store::deposits::refused(tx, deposit, &words)).await?,
        }
        least = Some(least.map_or(pause, |other| other.min(pause)));
    }
    Ok(least)
}

/// A deposit that can be gone on with.
struct Begun {
    deposit: DepositKey,
    secret: FileKey,
    /// All of it was there, when that was last looked at.
    held: bool,
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
            // By another token it could not be gone on with.
            let mut before = before.filter(|deposit| deposit.relay == place.relay && deposit.pass == place.pass);
            if let Some(OwnDeposit { key: deposit, secret: Some(secret), until_s, .. }) = before.next() {
                store::deposits::serve(tx, id, deposit)?;
                return Ok(Some(Begun { deposit, secret, held: until_s > 0 }));
            }
            let begun = store::deposits::begin(tx, id, &place.relay, &place.pass, &fresh, now_ms)?;
            Ok(begun.map(|deposit| Begun { deposit, secret: fresh, held: false }))
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
    deposit: DepositKey,
    secret: &FileKey,
    running: &Running,
) -> Result<Duration, Unput> {
    let hash = stored.attachment.blob.hash;
    let source = core.store.read(move |reader| store::sources::get(reader, &hash)).await;
    let source = source.map_err(|_| Unput::Ended)?.ok_or(Unput::CannotGive(BlobRefusal::Gone))?;
    let dir = core.files.dir.clone();
    let opening = core.spawner.spawn_blocking("open a file", move || content::open(&dir, &source));
    let opened = opening.await.map_err(|_| Unput::Ended)?.map_err(Unput::CannotGive)?;
    let (content, _left) = content::metered(opened, running);
    let Some(link) = core.link() else { return Err(Unput::Ended) };
    let size = stored.attachment.blob.size;
    let mut putting =
        std::pin::pin!(link.deposit(&place.relay, &place.pass, secret, size, content.data, &running.cancel));
    let mut taken = false;
    let outcome = loop {
        tokio::select! {
            outcome = &mut putting => break outcome,
            () = sleep(SHOWN) => {}
        }
        if running.meter.done() > 0 && !std::mem::replace(&mut taken, true) {
            // What the relay said before counts no longer. A store that fails shows it until all is there.
            let _ = core.store.write(move |tx| store::deposits::is_taken(tx, deposit)).await;
            show::publish(core, stored.id).await;
        }
        show::sending(core, stored, running);
    };
    match outcome {
        Ok(deposited) => Ok(deposited.lifetime),
        Err(_) if running.cancel.is_cancelled() => Err(Unput::Ended),
        Err(BlobError::Source(error)) => Err(Unput::CannotGive(content::refusal(&error))),
        Err(error) => Err(Unput::Relay(error)),
    }
}

/// What is said to the sender, and for how long at least it is not tried again.
fn refusal(relay: &RelayAddress, error: &BlobError) -> (String, Duration) {
    let BlobError::RelayRefused(refused) = error else {
        return (error.to_string(), Duration::ZERO);
    };
    let limit = refused.limit.unwrap_or(0);
    let words = match refused.code {
        RefusalCode::TooLarge if limit == 0 => "it takes no files".to_owned(),
        RefusalCode::TooLarge => format!("it takes files of at most {}", mib(limit)),
        RefusalCode::MailboxFull => format!("the {} that it has for files are used up", mib(limit)),
        RefusalCode::TooMany => format!("it keeps {limit} files, and as many are there"),
        RefusalCode::Full => "it has no room for files now".to_owned(),
        RefusalCode::Storage => "its disk fails or is full".to_owned(),
        _ => refused.detail.clone(),
    };
    let usual = match refused.code {
        RefusalCode::TooLarge => LOOK,
        RefusalCode::MailboxFull | RefusalCode::TooMany => PAUSE_LONGEST,
        _ => Duration::ZERO,
    };
    tracing::info!(relay = relay.origin(), code = ?refused.code, "a relay does not take a file");
    (words, refused.retry_after_s.map_or(usual, |seconds| Duration::from_secs(seconds.into())).min(LOOK))
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
    if core.files.state().not_before.is_some_and(|at| at > Instant::now()) {
        return Ok(());
    }
    let now_ms = core.clock.wall_ms();
    let unneeded = core.store.read(|reader| store::deposits::unneeded(reader, TAKEN_AWAY)).await?;
    let more = unneeded.len() == usize::try_from(TAKEN_AWAY).unwrap_or(usize::MAX);
    for deposit in unneeded {
        let Some(link) = core.link() else { return Ok(()) };
        let ended_ms = deposit.until_s.saturating_mul(1_000).max(deposit.seen_ms.saturating_add(GIVEN_UP_MS));
        match link.withdraw(&deposit.relay, &deposit.pass, &deposit.file).await {
            // Who is refused has nothing there that it could take away.
            Ok(()) | Err(BlobError::RelayRefused(_)) => {}
            Err(_) if now_ms > ended_ms => {}
            Err(error) => {
                tracing::debug!(relay = deposit.relay.origin(), %error, "a file could not be taken away");
                let at = Instant::now() + PAUSE_LONGEST;
                core.files.state().not_before = Some(at);
                *next = at.min(*next);
                return Ok(());
            }
        }
        let key = deposit.key;
        core.store.write(move |tx| store::deposits::forget(tx, key)).await?;
    }
    if more {
        core.files.depositing.notify_one();
    }
    Ok(())
}
