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
use store::attachments::Stored;
use tokio_util::sync::CancellationToken;

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
    core.store
        .write(move |tx| {
            store::deposits::sweep_told(tx, now_s)?;
            kept.iter().try_for_each(|deposit| store::deposits::keep_told(tx, deposit))
        })
        .await?;
    core.files.retry_all();
    Ok(())
}

/// Whether this machine goes where a deposit says. Nobody can send it to a relay of a stranger.
pub(super) fn may_collect(core: &Core, deposit: &Deposit) -> bool {
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

/// Forgets where a file lies. What came from there is not relied on when it was `false_content`.
pub(super) async fn forget(core: &Core, stored: &Stored, false_content: bool) -> Result<(), StoreError> {
    let (id, peer, hash) = (stored.id, stored.peer, stored.attachment.blob.hash);
    core.store
        .write(move |tx| {
            store::deposits::drop_told(tx, &peer, &hash)?;
            if false_content {
                store::attachments::set_done(tx, id, 0)?;
            }
            Ok(())
        })
        .await
}
