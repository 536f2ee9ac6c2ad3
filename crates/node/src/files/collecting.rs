//! Files that contacts laid down at relays for this machine: where they lie, and fetching one.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use link::blob::{BlobError, Sink};
use proto::attachment::Blob;
use proto::id::MachineId;
use proto::relay::{RefusalCode, RelayAddress};
use proto::{Deposit, SignedDeposit};
use store::StoreError;
use store::attachments::{Relayed, State, Stored};
use tokio_util::sync::CancellationToken;

use super::show;
use crate::core::Core;

/// Takes what a machine said of files that it laid down, the signatures checked. Only contacts can, and only relays count
/// that this machine or the contact is known to be at.
pub(crate) async fn told(core: &Arc<Core>, peer: MachineId, deposits: Vec<SignedDeposit>) -> Result<(), StoreError> {
    let now_s = core.clock.wall_ms() / 1_000;
    let kept = deposits
        .iter()
        .map(SignedDeposit::deposit)
        .filter(|deposit| deposit.machine == peer && deposit.until_s > now_s && may_collect(core, deposit));
    let kept: Vec<Deposit> = kept.cloned().collect();
    if kept.is_empty() {
        return Ok(());
    }
    let (wanted, revived) = core
        .store
        .write(move |tx| {
            store::deposits::sweep_told(tx, now_s)?;
            store::deposits::keep_told(tx, &peer, &kept)?;
            let (mut wanted, mut revived) = (Vec::new(), Vec::new());
            for deposit in kept {
                for stored in store::attachments::of_blob(tx, &peer, &deposit.hash, false)? {
                    wanted.push(stored.id);
                    // Its sender said over a link that it can't give it, before this was known.
                    if stored.state == State::Gone && stored.relayed != Relayed::Falsely {
                        store::attachments::set_state(tx, stored.id, State::Queued, None)?;
                        revived.push(stored.id);
                    }
                }
            }
            Ok((wanted, revived))
        })
        .await?;
    for id in revived {
        show::publish(core, id).await;
    }
    wanted.into_iter().for_each(|id| core.files.retry(id));
    Ok(())
}

/// The first of some places at which a file may be fetched.
pub(super) fn choose(core: &Core, stored: &Stored, told: Vec<Deposit>) -> Option<Deposit> {
    if stored.relayed == Relayed::Falsely {
        return None;
    }
    told.into_iter().find(|deposit| may_collect(core, deposit))
}

/// Whether a file that its sender can no longer give is to be had from a relay: then it is fetched from there, though a link
/// stands.
pub(super) async fn instead(core: &Core, stored: &Stored) -> bool {
    let (peer, hash) = (stored.peer, stored.attachment.blob.hash);
    let told = core.store.read(move |reader| store::deposits::find_told(reader, &peer, &hash)).await;
    let is_there = told.is_ok_and(|told| choose(core, stored, told).is_some());
    if is_there {
        core.files.state().from_relay.insert(stored.id);
    }
    is_there
}

/// Whether this machine goes where a deposit says. Nobody can send it to a relay of a stranger.
fn may_collect(core: &Core, deposit: &Deposit) -> bool {
    let known = |relay: &RelayAddress| {
        core.relays.addresses().contains(relay) || core.people.relays(&deposit.machine).contains(relay)
    };
    core.people.get(&deposit.machine).is_some_and(|person| person.accepted())
        && deposit.relay.as_ref().is_some_and(known)
}

/// Gets the bytes from a relay, from `from` on. What came before lies in `part`.
pub(super) async fn fetch(
    core: &Arc<Core>,
    deposit: &Deposit,
    blob: Blob,
    from: u64,
    part: &Path,
    sink: Box<dyn Sink>,
    cancel: &CancellationToken,
) -> Result<(), BlobError> {
    let (Some(link), Some(relay)) = (core.link(), &deposit.relay) else { return Err(BlobError::Cancelled) };
    let part = part.to_owned();
    let opening = core.spawner.spawn_blocking("read what has come", move || File::open(part));
    let Ok(before) = opening.await else { return Err(BlobError::Cancelled) };
    let before = Box::new(before.map_err(BlobError::Sink)?);
    link.collect(relay, &deposit.key, blob, from, before, sink, cancel).await
}

/// Whether a relay does not have what was said to lie there, or something else. Nothing more is asked of it then, until the
/// sender says anew where it lies; and it goes over a link.
pub(super) fn is_not_there(error: &BlobError) -> bool {
    match error {
        BlobError::Altered | BlobError::Mismatch => true,
        BlobError::RelayRefused(refused) => refused.code == RefusalCode::NoFile,
        _ => false,
    }
}

/// Forgets where a file lies. Nothing that came from there is relied on when it was something else.
pub(super) async fn forget(
    core: &Core,
    stored: &Stored,
    deposit: &Deposit,
    error: &BlobError,
) -> Result<(), StoreError> {
    let (id, deposit, falsely) = (stored.id, deposit.clone(), matches!(error, BlobError::Mismatch));
    core.store
        .write(move |tx| {
            store::deposits::drop_told(tx, &deposit)?;
            if falsely { store::attachments::came_falsely(tx, id) } else { Ok(()) }
        })
        .await
}

/// Checks the whole of what has come, when some of it came from a relay and the rest did not prove it.
pub(super) async fn prove(core: &Core, part: &Path, blob: Blob) -> Result<(), BlobError> {
    let part = part.to_owned();
    let proving = core.spawner.spawn_background("check a file", move || {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(part)?)?;
        Ok::<_, std::io::Error>(hasher.finalize())
    });
    match proving.await.map_err(|_| BlobError::Cancelled)?.map_err(BlobError::Sink)? {
        hash if *hash.as_bytes() == blob.hash => Ok(()),
        _ => Err(BlobError::Mismatch),
    }
}
