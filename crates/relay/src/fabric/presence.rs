//! Who is at which node: told to the others, and heard from them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::{self, UpdateErrorKind};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use proto::id::MachineId;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::kept::{self, RENEWAL};
use super::outbox::Todo;
use super::{Fabric, NodeId, wire};
use crate::hub::Report;
use crate::relay::Inner;

/// What arrived no longer ago than this, about, is told again when the connection comes back.
const LATELY: Duration = Duration::from_secs(5);

/// Entries that are written or read at the same time.
const AT_ONCE: usize = 64;

/// Pause before the bucket is followed again, or written, after something went wrong.
const PAUSE: Duration = Duration::from_millis(200);

/// Tells other nodes what changes here, and finds out what is to be known of them.
pub(super) async fn announce(fabric: Arc<Fabric>, relay: Arc<Inner>) {
    let stop = relay.tasks.stopping().clone();
    tokio::select! {
        () = announce_on(&fabric, &relay) => {}
        () = stop.cancelled() => {}
    }
}

async fn announce_on(fabric: &Fabric, relay: &Inner) {
    let mut changes = fabric.connection.changes();
    // Where the entries of this node's machines stand in the bucket.
    let mut announced: HashMap<MachineId, u64> = HashMap::new();
    let mut renewal = interval(RENEWAL);
    renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What arrived for whom lately, while the connection may have been about to be lost.
    let mut lately: HashSet<MachineId> = HashSet::new();
    let mut lately_since = Instant::now();
    loop {
        let todo = tokio::select! {
            todo = fabric.outbox.take() => todo,
            () = changes.changed() => {
                let Some(_) = changes.next().await else { return };
                // Anything may have been missed: on the way from here, and on the way to here. Who went meanwhile is not here any
                // more, and stands in the bucket still.
                relay.hub.arrived_for_all();
                let changed = relay.hub.all_here().into_iter().chain(announced.keys().copied()).collect();
                let wanted = relay.hub.all_watched().into_iter().collect();
                fabric.outbox.give(Todo { changed, wanted, arrived: lately.clone() });
                continue;
            }
            _ = renewal.tick() => {
                fabric.outbox.give(Todo { changed: announced.keys().copied().collect(), ..Todo::default() });
                continue;
            }
        };
        let Ok(store) = fabric.connection.is_ready() else {
            // All of it is done anew as soon as there is a connection. What arrived is told now as well as then.
            lately.extend(todo.arrived);
            continue;
        };
        wire::tell_arrived(fabric, todo.arrived.iter().copied()).await;
        if lately_since.elapsed() > LATELY {
            lately.clear();
            lately_since = Instant::now();
        }
        lately.extend(todo.arrived);
        let written = iter(todo.changed)
            .map(|machine| {
                let (before, store) = (announced.get(&machine).copied(), &store);
                async move { (machine, write(store, fabric, relay, &machine, before).await) }
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>();
        for (machine, written) in written.await {
            match written {
                Ok(Some(at)) => drop(announced.insert(machine, at)),
                Ok(None) => drop(announced.remove(&machine)),
                Err(Retry) => fabric.outbox.changed(machine),
            }
        }
        let found = iter(todo.wanted)
            .map(|machine| {
                let store = &store;
                async move { (machine, store.entry(kept::key(&machine)).await) }
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>();
        let mut failed = Vec::new();
        for (machine, entry) in found.await {
            match entry {
                Ok(Some(entry)) => hear(fabric, relay, &machine, &entry),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "could not find out where a machine is");
                    failed.push(machine);
                }
            }
        }
        if !failed.is_empty() {
            fabric.outbox.wanted(failed);
            sleep(PAUSE).await;
        }
    }
}

/// It did not work, and is worth trying again.
struct Retry;

/// Writes what the bucket is to have of a machine: where it stands then, none when it is not here.
async fn write(
    store: &kv::Store,
    fabric: &Fabric,
    relay: &Inner,
    machine: &MachineId,
    before: Option<u64>,
) -> Result<Option<u64>, Retry> {
    let key = kept::key(machine);
    let Some(card) = relay.hub.card(machine) else {
        let Some(before) = before else { return Ok(None) };
        return match store.delete_expect_revision(&key, Some(before)).await {
            Ok(()) => Ok(None),
            // It is at another node already.
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            Err(error) => {
                tracing::debug!(%error, "an entry was not removed");
                sleep(PAUSE).await;
                Err(Retry)
            }
        };
    };
    // A login, or a word about one that was told before, which must not get in front of a newer login at another node.
    let login = relay.hub.is_announced(machine, card.login).filter(|_| before.is_some());
    let Some(entry) = kept::encode(fabric.node, &card, login) else {
        tracing::error!("a machine has too many tokens to be told of at other nodes");
        return Ok(None);
    };
    let written = match (login, before) {
        (Some(login), Some(before)) => match store.update(&key, entry.into(), before).await {
            Ok(at) => return Ok(Some(at)),
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                return overtaken(store, fabric, relay, machine, login).await;
            }
            Err(error) => Err(error.to_string()),
        },
        _ => store.put(&key, entry.into()).await.map_err(|error| error.to_string()),
    };
    match written {
        Ok(at) => {
            relay.hub.announced(machine, card.login, at, relay.now_s());
            Ok(Some(at))
        }
        Err(error) => {
            tracing::debug!(%error, "an entry was not written");
            sleep(PAUSE).await;
            Err(Retry)
        }
    }
}

/// Finds out what stands in the place of an own entry: a newer login elsewhere; or an older one's late word, or nothing when
/// the bucket was lost. Then this one is told anew.
async fn overtaken(
    store: &kv::Store,
    fabric: &Fabric,
    relay: &Inner,
    machine: &MachineId,
    login: u64,
) -> Result<Option<u64>, Retry> {
    match store.entry(kept::key(machine)).await {
        Ok(Some(entry)) if is_newer(&kept::report(&entry, fabric.node), login) => {
            hear(fabric, relay, machine, &entry);
            Ok(None)
        }
        Ok(_) => {
            relay.hub.forget_announcement(machine);
            Err(Retry)
        }
        Err(_) => Err(Retry),
    }
}

fn is_newer(report: &Report, login: u64) -> bool {
    report.there.is_some() && report.login > login
}

fn hear(fabric: &Fabric, relay: &Inner, machine: &MachineId, entry: &kv::Entry) {
    let mut report = kept::report(entry, fabric.node);
    report.there = report.there.filter(|(node, _)| fabric.nodes.lives(*node));
    relay.hub.report(machine, &report, relay.now_s());
}

/// A node is gone, with all that was there.
pub(super) fn lose(fabric: &Fabric, relay: &Inner, node: NodeId) {
    relay.hub.lost(&node, relay.now_s());
    fabric.pipes.lose(node);
}

/// Follows what other nodes say.
pub(super) async fn follow(fabric: Arc<Fabric>, relay: Arc<Inner>) {
    let stop = relay.tasks.stopping().clone();
    tokio::select! {
        () = follow_on(&fabric, &relay) => {}
        () = stop.cancelled() => {}
    }
}

async fn follow_on(fabric: &Fabric, relay: &Inner) {
    // Which bucket it is, by when it was made, and what was heard of it last.
    let mut heard = None;
    let mut changes = fabric.connection.changes();
    loop {
        let Ok(store) = fabric.connection.ready().await else {
            sleep(PAUSE).await;
            continue;
        };
        let Ok(status) = store.status().await else {
            sleep(PAUSE).await;
            continue;
        };
        let (made, newest) = (status.info.created, status.info.state.last_sequence);
        let from = match heard {
            Some((of, last)) if of == made && last <= newest => last + 1,
            Some((of, _)) if of != made => {
                // It was lost: places in it begin again at the first.
                relay.hub.forget_others(relay.now_s());
                newest + 1
            }
            _ => newest + 1,
        };
        let Ok(mut entries) = store.watch_all_from_revision(from).await else {
            sleep(PAUSE).await;
            continue;
        };
        heard = Some((made, from - 1));
        // What came between finding out and following is found out again.
        fabric.outbox.wanted(relay.hub.all_watched());
        loop {
            let entry = tokio::select! {
                entry = entries.next() => entry,
                // The server that told of changes may be gone, or the bucket be another one.
                () = changes.changed() => break,
            };
            let Some(Ok(entry)) = entry else { break };
            heard = Some((made, entry.revision));
            if let Some(machine) = kept::machine(&entry.key) {
                hear(fabric, relay, &machine, &entry);
            }
        }
    }
}

/// Says again and again that this node lives, and notices who does not any more.
pub(super) async fn beat(fabric: Arc<Fabric>, relay: Arc<Inner>) {
    let stop = relay.tasks.stopping().clone();
    let mut ticks = interval(fabric.nodes.beat());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => break,
        }
        for node in fabric.nodes.silent() {
            tracing::warn!(%node, "another node of this relay is not heard any more; its machines count as away");
            lose(&fabric, &relay, node);
        }
        wire::tell_alive(&fabric, true).await;
    }
    // All its machines are away at once, rather than when it was not heard for some seconds.
    wire::tell_alive(&fabric, false).await;
}
