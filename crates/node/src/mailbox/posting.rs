//! The task that puts into contacts' mailboxes what they do not have, while no link to them stands.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use link::{PutAs, PutError};
use proto::SignedPrekey;
use proto::id::{MachineId, SessionId};
use proto::relay::{RefusalCode, RelayAddress};
use proto::sealed::{self, RANDOMNESS_BYTES};
use store::StoreError;
use store::reach::Reach;
use tokio::time::{Instant, sleep_until};

use super::lock;
use super::parcel::{Packed, Packing};
use crate::centre;
use crate::core::Core;
use crate::files;
use crate::reads;
use crate::relays::relays_of;
use crate::view::Change;
use crate::views::Sides;

/// Machines whose mailboxes are served at the same time.
const AT_ONCE: usize = 16;

/// A machine that a relay says is there is linked within seconds; only then its mailbox is used all the same.
const TUNNEL_FIRST: Duration = Duration::from_secs(10);

/// When to try again after a relay was not reached.
const UNREACHED: Duration = Duration::from_secs(15);

/// When to try again what waits for the recipient: it lays down a fresh prekey, reads its mailbox, comes to its relay.
const RECIPIENT: Duration = Duration::from_secs(10 * 60);

/// The longest that a relay may ask to wait.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// What lies in a mailbox for so long and was not acknowledged is put again: the relay may have dropped it. Relays keep
/// items for three weeks, and copies are recognised by their recipient.
pub(crate) const AGAIN_MS: u64 = 3 * 24 * 60 * 60 * 1_000;

/// Why nothing more is put now.
enum Stop {
    /// All that is to be there is there, or it goes another way.
    Done,
    /// Until then.
    Until(Duration),
}

/// Serves mailboxes until the store is closed.
pub(crate) async fn run(core: Arc<Core>) {
    if begin(&core).await.is_err() {
        return;
    }
    let mut posting = FuturesUnordered::new();
    let mut under_way = BTreeSet::new();
    loop {
        let (due, next) = take_due(&core, &under_way, AT_ONCE.saturating_sub(under_way.len()));
        for machine in due {
            under_way.insert(machine);
            let core = core.clone();
            posting.push(async move { (machine, post(&core, machine).await) });
        }
        let next = next.unwrap_or_else(|| Instant::now() + LONGEST);
        tokio::select! {
            () = core.mailbox.wake.notified() => {}
            () = sleep_until(next) => {}
            Some((machine, outcome)) = posting.next() => {
                under_way.remove(&machine);
                match outcome {
                    Ok(Stop::Done) => {}
                    Ok(Stop::Until(pause)) => super::stir_at(&core, machine, Instant::now() + pause),
                    Err(StoreError::Closed) => return,
                    Err(error) => {
                        tracing::error!(%error, "a mailbox could not be served");
                        super::stir_at(&core, machine, Instant::now() + UNREACHED);
                    }
                }
            }
        }
    }
}

/// What an earlier run of the program left to be put.
async fn begin(core: &Core) -> Result<(), StoreError> {
    let waiting = core
        .store
        .read(|reader| {
            let mut waiting = Vec::new();
            for reach in store::reach::list(reader)? {
                if reach.owed > 0
                    || !store::outbox::sessions_waiting(reader, &reach.machine)?.is_empty()
                    || !store::attachments::open_to(reader, &reach.machine, 1)?.is_empty()
                {
                    waiting.push(reach.machine);
                }
            }
            Ok(waiting)
        })
        .await?;
    // Links come first.
    waiting.into_iter().for_each(|machine| super::stir_soon(core, machine));
    Ok(())
}

/// Takes the machines that are due, at most `room`, and says when the next is.
fn take_due(core: &Core, under_way: &BTreeSet<MachineId>, room: usize) -> (Vec<MachineId>, Option<Instant>) {
    let now = Instant::now();
    let mut stirred = lock(&core.mailbox.stirred);
    let free = |machine: &MachineId| !under_way.contains(machine);
    let due = stirred.iter().filter(|(machine, at)| **at <= now && free(machine)).map(|(machine, _)| *machine);
    let due: Vec<MachineId> = due.take(room).collect();
    for machine in &due {
        stirred.remove(machine);
    }
    // When there is no room, the end of one makes some.
    let next =
        stirred.iter().filter(|(machine, at)| free(machine) && (**at > now || room > 0)).map(|(_, at)| *at).min();
    (due, next)
}

/// Puts all that a machine is to have into its mailbox.
async fn post(core: &Arc<Core>, machine: MachineId) -> Result<Stop, StoreError> {
    let Some(person) = core.people.get(&machine) else { return Ok(Stop::Done) };
    if person.online() || !person.accepted() {
        return Ok(Stop::Done);
    }
    let Some(mut reach) = core.store.read(move |reader| store::reach::get(reader, &machine)).await? else {
        return Ok(Stop::Done);
    };
    let relays = relays_of(&reach, core.people.relays(&machine));
    if relays.is_empty() {
        return Ok(Stop::Done);
    }
    if let Some(wait) = core.people.tunnel_expected(&machine, TUNNEL_FIRST, Instant::now()) {
        return Ok(Stop::Until(wait));
    }
    let mut stop = Stop::Done;
    loop {
        let Some(packed) = pack(core, &reach).await? else { break };
        if core.people.get(&machine).is_none_or(|person| person.online()) {
            break;
        }
        if !sealable(core, &reach) {
            match renew(core, &relays, machine).await? {
                Some(prekey) => reach.prekey = Some(prekey),
                None => return Ok(Stop::Until(RECIPIENT)),
            }
        }
        match put(core, &relays, &reach, &packed).await {
            Ok(relay) => lies_there(core, machine, &relay, packed).await?,
            Err(pause) => {
                stop = Stop::Until(pause);
                break;
            }
        }
    }
    match stop {
        Stop::Until(_) => Ok(stop),
        Stop::Done => Ok(all_there(core, machine).await?),
    }
}

/// A machine's mailbox has all that is to be there: its files follow, and in time all of it once more.
async fn all_there(core: &Core, machine: MachineId) -> Result<Stop, StoreError> {
    files::away(core, machine);
    Ok(match core.store.read(move |reader| store::outbox::held_since(reader, &machine)).await? {
        Some(since_ms) => Stop::Until(again_in(core.clock.wall_ms().saturating_sub(since_ms))),
        None => Stop::Done,
    })
}

/// When to look whether what has lain there for so long is to be put again. Some of it may not go now, and is not looked at
/// without end for that.
fn again_in(age_ms: u64) -> Duration {
    Duration::from_millis(AGAIN_MS.saturating_sub(age_ms)).max(RECIPIENT)
}

async fn pack(core: &Arc<Core>, reach: &Reach) -> Result<Option<Packed>, StoreError> {
    let (identity, profile, prekey) = (core.identity.clone(), core.profile.signed(), core.relays.prekey());
    let to = reach.machine;
    let said = lock(&core.mailbox.said).get(&to).copied().unwrap_or_default();
    let (stranger, reads) = (reach.held.is_none(), reads::shared_with(core, &to));
    let now_ms = core.clock.wall_ms();
    let (before_ms, now_s) = (now_ms.saturating_sub(AGAIN_MS), now_ms / 1_000);
    core.store
        .read(move |reader| {
            let (identity, profile, prekey) = (&*identity, &profile, prekey.as_ref());
            Packing { identity, to, profile, prekey, said, stranger, reads, before_ms, now_s }.pack(reader)
        })
        .await
}

fn sealable(core: &Core, reach: &Reach) -> bool {
    let now_s = core.clock.wall_ms() / 1_000;
    reach.prekey.as_ref().is_some_and(|prekey| prekey.prekey().is_valid_at(now_s))
}

/// Asks relays for a prekey that is valid now, and keeps it.
async fn renew(
    core: &Arc<Core>,
    relays: &[RelayAddress],
    machine: MachineId,
) -> Result<Option<SignedPrekey>, StoreError> {
    let Some(link) = core.link() else { return Ok(None) };
    let now_ms = core.clock.wall_ms();
    for relay in relays {
        let prekey = match link.prekey(relay, machine).await {
            Ok(Some(prekey)) => prekey,
            Ok(None) => continue,
            Err(error @ PutError::Lied(_)) => {
                tracing::warn!(relay = relay.origin(), peer = machine.short(), %error, "a prekey was swapped");
                centre::swapped(core, machine, relay);
                continue;
            }
            Err(error) => {
                tracing::debug!(relay = relay.origin(), %error, "no prekey came");
                continue;
            }
        };
        let kept = prekey.clone();
        // One that is older than another that was seen leads back to a secret that others may have found meanwhile.
        if prekey.prekey().is_valid_at(now_ms / 1_000)
            && core.store.write(move |tx| store::reach::set_prekey(tx, &kept, now_ms)).await?
        {
            return Ok(Some(prekey));
        }
    }
    Ok(None)
}

/// Puts a parcel at the first relay that takes it, or at all of them when its events were put before: the relay that took
/// those perhaps drops all that it takes. Gives the first, or says when to try again.
async fn put(
    core: &Arc<Core>,
    relays: &[RelayAddress],
    reach: &Reach,
    packed: &Packed,
) -> Result<RelayAddress, Duration> {
    let (Some(link), Some(prekey)) = (core.link(), &reach.prekey) else { return Err(UNREACHED) };
    let mut randomness = [0; RANDOMNESS_BYTES];
    getrandom::fill(&mut randomness).map_err(|_| RECIPIENT)?;
    let now_s = core.clock.wall_ms() / 1_000;
    let envelope = match sealed::seal(&packed.parcel, prekey, now_s, &randomness) {
        Ok(envelope) => envelope,
        Err(error) => {
            tracing::warn!(peer = reach.machine.short(), %error, "a parcel could not be sealed");
            return Err(RECIPIENT);
        }
    };
    let how = if reach.held.is_some() { PutAs::Contact } else { PutAs::Stranger };
    let (mut taken, mut soonest): (Option<RelayAddress>, Option<Duration>) = (None, None);
    for relay in relays {
        if taken.is_some() && !packed.again {
            break;
        }
        let error = match link.put(relay, reach.machine, how, envelope.clone()).await {
            Ok(()) => {
                taken.get_or_insert_with(|| relay.clone());
                continue;
            }
            Err(error) => error,
        };
        tracing::debug!(relay = relay.origin(), peer = reach.machine.short(), %error, "a parcel was not taken");
        let pause = pause(&error);
        soonest = Some(soonest.map_or(pause, |other| other.min(pause)));
    }
    taken.ok_or(soonest.unwrap_or(RECIPIENT))
}

fn pause(error: &PutError) -> Duration {
    match error {
        PutError::Refused { code, retry_after, .. } => {
            let usual = match code {
                RefusalCode::RateLimited | RefusalCode::Storage => UNREACHED,
                _ => RECIPIENT,
            };
            retry_after.unwrap_or(usual).min(LONGEST)
        }
        _ => UNREACHED,
    }
}

/// Notes what lies in a machine's mailbox now, and shows it.
async fn lies_there(
    core: &Arc<Core>,
    machine: MachineId,
    relay: &RelayAddress,
    packed: Packed,
) -> Result<(), StoreError> {
    let Packed { held, paid, said, deposits, .. } = packed;
    lock(&core.mailbox.said).insert(machine, said);
    let (me, origin, now_ms) = (core.me, relay.origin(), core.clock.wall_ms());
    let rows = core
        .store
        .write(move |tx| {
            let mut keys = Vec::new();
            for held in held {
                let log = (&me, held.epoch);
                keys.extend(store::outbox::hold(tx, &machine, held.session, log, held.seqs, now_ms)?);
            }
            store::reach::paid(tx, &machine, paid)?;
            deposits.iter().try_for_each(|untold| store::deposits::told(tx, untold))?;
            let changed = store::messages::mark_held(tx, &keys, &origin)?;
            store::messages::by_keys(tx, &changed)
        })
        .await?;
    let Some(newest) = rows.iter().map(|row| row.key).max() else { return Ok(()) };
    // After the stream heard that they were written. The sender lives as long as the core.
    let _ = core.untold.subscribe().wait_for(|untold| newest < *untold).await;
    let sides = Sides::of(core, Some(&machine));
    for row in &rows {
        core.hub.publish(Change::MessageChanged { message: sides.message(row), incoming: false });
    }
    core.hub.mark(SessionId::direct(&core.me, &machine));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_overdue_and_cannot_go_is_not_tried_all_the_time() {
        assert_eq!(again_in(0), Duration::from_millis(AGAIN_MS));
        assert_eq!(again_in(AGAIN_MS / 2), Duration::from_millis(AGAIN_MS / 2));
        assert_eq!(again_in(AGAIN_MS + 1), RECIPIENT);
    }
}
