//! What other machines ask of blobs: to give one, to bring one, to take one; and what they say about them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use link::blob::{BlobCall, BlobDesk, BlobError, BlobRefusal, Content, Intake};
use proto::attachment::Blob;
use proto::frame::{BlobState, Frame};
use proto::id::MachineId;
use store::StoreError;
use store::attachments::{State, Stored};
use tokio::sync::oneshot;

use super::receive::{refused, tell_peer};
use super::{Expected, Running, Telling, collecting, content, picture, show};
use crate::core::Core;

/// Blobs that one machine may fetch at a time.
const PER_MACHINE: usize = 4;

/// Thumbnails that are fetched at once.
const THUMBNAILS: u32 = 16;

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(500);

/// Answers the link's calls. The link must not keep the node alive: it is a part of it.
pub(crate) fn desk(core: Weak<Core>) -> BlobDesk {
    Arc::new(move |call| {
        // Without a node the call is dropped, which refuses it.
        let Some(core) = core.upgrade() else { return };
        match call {
            BlobCall::Get { peer, hash, from, reply } => {
                core.clone().spawner.spawn("give a blob", async move {
                    drop(reply.send(give(&core, peer, hash, from).await));
                });
            }
            BlobCall::Put { peer, hash, from, reply } => drop(reply.send(take(&core, peer, hash, from))),
        }
    })
}

/// Takes a blob that was asked for, and only as it was asked for.
fn take(core: &Core, peer: MachineId, hash: [u8; 32], from: u64) -> Result<Intake, BlobRefusal> {
    let mut state = core.files.state();
    let key = (peer, hash);
    if state.expected.get(&key).is_none_or(|expected| expected.from != from) {
        return Err(BlobRefusal::Unasked);
    }
    let Some(Expected { blob, sink, cancel, ended, .. }) = state.expected.remove(&key) else {
        return Err(BlobRefusal::Unasked);
    };
    Ok(Intake { blob, sink, cancel, ended })
}

/// Opens a blob for a machine that a message shared it with.
async fn give(core: &Arc<Core>, peer: MachineId, hash: [u8; 32], from: u64) -> Result<Content, BlobRefusal> {
    let found = core.store.read(move |reader| {
        let shared = store::attachments::of_blob(reader, &peer, &hash, true)?;
        let thumbnail = match store::attachments::shows_thumbnail(reader, &peer, &hash)? {
            true => store::attachments::thumbnail(reader, &hash)?,
            false => None,
        };
        Ok((shared, thumbnail, store::sources::get(reader, &hash)?))
    });
    let (shared, thumbnail, source) = found.await.map_err(|error| {
        tracing::error!(%error, "a blob could not be looked up");
        BlobRefusal::Unreadable
    })?;
    if let Some(bytes) = thumbnail {
        return Ok(content::small(Blob { hash, size: bytes.len() as u64 }, bytes));
    }
    let Some(stored) = shared.into_iter().find(|stored| !stored.is_withdrawn()) else {
        return Err(BlobRefusal::Gone);
    };
    let opened = match source {
        Some(source) => {
            let dir = core.files.dir.clone();
            let opening = core.spawner.spawn_blocking("open a file", move || content::open(&dir, &source));
            opening.await.unwrap_or(Err(BlobRefusal::Busy))
        }
        None => Err(BlobRefusal::Gone),
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(refusal) => {
            cannot_give(core, &stored, refusal).await;
            return Err(refusal);
        }
    };
    let running = begin(core, &stored, from)?;
    let (content, left) = content::metered(opened, &running);
    let core = core.clone();
    core.clone().spawner.spawn("watch a file that is sent", async move { watch(&core, stored, running, left).await });
    Ok(content)
}

/// Says here, and later there, why a file can't be given.
pub(super) async fn cannot_give(core: &Arc<Core>, stored: &Stored, refusal: BlobRefusal) {
    let words = match refusal {
        BlobRefusal::Gone => "the file is no longer where it was",
        BlobRefusal::Changed => "the file has changed since it was offered",
        _ => "the file cannot be read",
    };
    let Some((state, _)) = refused(refusal) else { return };
    let (id, before, telling) = (stored.id, stored.state, Telling::now(core));
    // A file that a later look finds again is given again.
    let written = core.store.write(move |tx| {
        store::attachments::set_state(tx, id, state, Some(words))?;
        // It may be asked for again and again.
        if before == state { Ok(None) } else { telling.keep(tx, id) }
    });
    if let Ok(told) = written.await {
        show::publish(core, id).await;
        if let Some(told) = told {
            told.tell(core);
        }
    }
}

fn begin(core: &Core, stored: &Stored, from: u64) -> Result<Running, BlobRefusal> {
    let mut state = core.files.state();
    let stands = state.peers.get(&stored.peer).map(|way| way.stands.clone());
    let Some(stands) = stands else { return Err(BlobRefusal::Busy) };
    if let Some(former) = state.running.remove(&stored.id) {
        // It asks again: the former connection is lost.
        former.cancel.cancel();
    }
    let outgoing = state.running.values().filter(|running| !running.incoming).count();
    if outgoing >= PER_MACHINE * 4 {
        return Err(BlobRefusal::Busy);
    }
    let running = Running::over(stands, from, false);
    state.running.insert(stored.id, running.clone());
    Ok(running)
}

/// Shows how far a file is that is being sent, until it is no longer read.
async fn watch(core: &Arc<Core>, stored: Stored, running: Running, mut left: oneshot::Receiver<()>) {
    let id = stored.id;
    let begun = core.store.write(move |tx| store::attachments::set_state(tx, id, State::Transferring, None)).await;
    if begun.is_ok() {
        show::publish(core, id).await;
    }
    loop {
        tokio::select! {
            _ = &mut left => break,
            () = tokio::time::sleep(LOOK) => show::progress(core, &stored, &running),
        }
    }
    {
        let mut state = core.files.state();
        if state.running.get(&id).is_some_and(|current| Arc::ptr_eq(&current.meter, &running.meter)) {
            state.running.remove(&id);
        }
    }
    // What was read may not have arrived. The other side says when all has; until then it waits to be asked on.
    let done = running.meter.done();
    let noted = core.store.write(move |tx| store::attachments::pause_sending(tx, id, done)).await;
    if noted.is_ok() {
        show::publish(core, id).await;
    }
    // It may be to be laid down now.
    core.files.stir();
}

/// The other machine wants a blob brought.
pub(crate) fn wanted(core: &Arc<Core>, peer: MachineId, hash: [u8; 32], from: u64) {
    let Some(way) = core.files.way(&peer) else { return };
    {
        let mut state = core.files.state();
        let busy = state.bringing.iter().filter(|(machine, _)| *machine == peer).count();
        // More than it may ask for is not answered; it asks again.
        if busy >= PER_MACHINE || !state.bringing.insert((peer, hash)) {
            return;
        }
    }
    let core = core.clone();
    core.clone().spawner.spawn("bring a file", async move {
        let outcome = match give(&core, peer, hash, from).await {
            Ok(content) => match core.link() {
                Some(link) => link.bring_blob(peer, &way.path, content, from, &way.stands).await,
                None => Err(BlobError::Cancelled),
            },
            Err(refusal) => {
                let state = match refusal {
                    BlobRefusal::Gone => Some(BlobState::Gone),
                    BlobRefusal::Changed => Some(BlobState::Changed),
                    BlobRefusal::Unreadable => Some(BlobState::Unreadable),
                    _ => None,
                };
                if let (Some(state), Some(link)) = (state, core.links.get(&peer)) {
                    link.tell_of_blob(Frame::BlobState { hash, state });
                }
                Err(BlobError::Refused(refusal))
            }
        };
        core.files.state().bringing.remove(&(peer, hash));
        if let Err(error) = outcome {
            tracing::debug!(peer = peer.short(), %error, "a file was not brought");
        }
    });
}

/// What the other machine says of a blob.
pub(crate) async fn state_came(core: &Arc<Core>, peer: MachineId, hash: [u8; 32], said: BlobState) {
    let outgoing = !matches!(said, BlobState::Gone | BlobState::Changed | BlobState::Unreadable | BlobState::Other(_));
    let (state, words) = match said {
        BlobState::Gone => (State::Gone, Some("the file is no longer on the other machine")),
        BlobState::Changed => (State::Gone, Some("the file on the other machine has changed since it was offered")),
        BlobState::Unreadable => (State::Failed, Some("the other machine cannot read the file")),
        BlobState::Done => (State::Complete, None),
        BlobState::Paused => (State::Paused, None),
        BlobState::Cancelled => (State::Cancelled, None),
        BlobState::NoRoom => (State::Failed, Some("the other machine's disk is full")),
        BlobState::Failed => (State::Failed, Some("the other machine could not store the file")),
        BlobState::Other(_) => return,
    };
    if !outgoing && from_relay_instead(core, &peer, hash).await {
        return;
    }
    let telling = Telling::now(core);
    let changed = core
        .store
        .write(move |tx| {
            let mut changed = Vec::new();
            for stored in store::attachments::of_blob(tx, &peer, &hash, outgoing)? {
                let applies = if outgoing {
                    // Complete is the end: the same blob may be fetched for another message.
                    stored.state != State::Complete && stored.state != state && !stored.is_withdrawn()
                } else {
                    matches!(stored.state, State::Queued | State::Transferring)
                };
                if !applies {
                    continue;
                }
                store::attachments::set_state(tx, stored.id, state, words)?;
                if state == State::Complete {
                    store::attachments::set_done(tx, stored.id, stored.attachment.blob.size)?;
                }
                changed.push((stored.id, telling.keep(tx, stored.id)?));
            }
            Ok(changed)
        })
        .await;
    match changed {
        Ok(changed) => {
            for (id, told) in changed {
                if !outgoing {
                    core.files.end(id);
                }
                show::publish(core, id).await;
                if let Some(told) = told {
                    told.tell(core);
                }
            }
            // What has arrived is not needed at a relay.
            core.files.stir();
        }
        Err(StoreError::Closed) => {}
        Err(error) => tracing::error!(%error, "what became of a file could not be stored"),
    }
}

/// The other machine can't give a blob. Whether all that is to come of it comes from a relay instead.
async fn from_relay_instead(core: &Core, peer: &MachineId, hash: [u8; 32]) -> bool {
    let asked = *peer;
    let found = core.store.read(move |reader| store::attachments::of_blob(reader, &asked, &hash, false)).await;
    let wanted = |stored: &Stored| matches!(stored.state, State::Queued | State::Transferring);
    let wanted: Vec<Stored> = found.unwrap_or_default().into_iter().filter(wanted).collect();
    for stored in &wanted {
        if !collecting::instead(core, stored).await {
            return false;
        }
        // The attempt over the link, which waits to be brought it, ends by itself.
        core.files.retry(stored.id);
    }
    !wanted.is_empty()
}

/// Tells a machine that has just come back what became of its files: what was said before may have been lost.
pub(crate) async fn tell_ended(core: &Arc<Core>, peer: MachineId) {
    /// The newest are enough: all others were told at an earlier link. What came while there was none, from a relay, may be more.
    const TOLD: u32 = 64;
    const CAME: u32 = 1_024;
    let ended = core.store.read(move |reader| {
        let mut ended = store::attachments::ended(reader, &peer, TOLD)?;
        ended.extend(store::attachments::ended_by_relay(reader, &peer, CAME)?);
        ended.sort_by_key(|stored| stored.id);
        ended.dedup_by_key(|stored| stored.id);
        Ok(ended)
    });
    let ended = ended.await;
    for stored in ended.unwrap_or_default() {
        let state = match stored.state {
            State::Complete => BlobState::Done,
            State::Paused => BlobState::Paused,
            State::Cancelled => BlobState::Cancelled,
            _ => continue,
        };
        tell_peer(core, &stored, Frame::BlobState { hash: stored.attachment.blob.hash, state });
    }
}

/// Fetches thumbnails that are missing, from accepted machines, whichever way there is.
pub(crate) async fn fetch_thumbnails(core: &Arc<Core>) -> Result<(), StoreError> {
    let missing = core.store.read(|reader| store::attachments::without_thumbnail(reader, THUMBNAILS)).await?;
    for stored in missing {
        let (Some(blob), Some(way)) = (stored.attachment.thumbnail, core.files.way(&stored.peer)) else { continue };
        if !core.files.state().thumbnails.insert(blob.hash) {
            continue;
        }
        let core = core.clone();
        core.clone().spawner.spawn("fetch a thumbnail", async move {
            let outcome = super::receive::small(&core, stored.peer, blob, &way).await;
            core.files.state().thumbnails.remove(&blob.hash);
            match outcome {
                Ok(bytes) => keep_thumbnail(&core, &stored, blob, bytes).await,
                Err(error) => {
                    tracing::debug!(peer = stored.peer.short(), %error, "a thumbnail did not come");
                    // Again with the next link, or when something else is to be fetched.
                }
            }
        });
    }
    Ok(())
}

async fn keep_thumbnail(core: &Arc<Core>, stored: &Stored, blob: Blob, bytes: Vec<u8>) {
    let id = stored.id;
    let checked = core.spawner.spawn_blocking("check a thumbnail", move || {
        let good = picture::check_thumbnail(&bytes).is_some();
        (bytes, good)
    });
    let Ok((bytes, good)) = checked.await else { return };
    let written = core.store.write(move |tx| {
        if good {
            store::attachments::put_thumbnail(tx, &blob.hash, &bytes)
        } else {
            store::attachments::drop_thumbnail(tx, &blob.hash)
        }
    });
    if written.await.is_ok() {
        show::publish(core, id).await;
        core.files.stir();
    }
}
