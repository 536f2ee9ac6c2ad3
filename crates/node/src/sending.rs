//! The sending side of a link: carries out what [`crate::sync`] decides, and says what this machine has.
//!
//! The only task that sends on its link. The receiving side never waits for it: what it has to say lies in the link's
//! [`Dispatch`], so two machines that send each other as fast as they can never wait for each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use link::{Conn, SendError};
use proto::frame::{ByeReason, Frame, HoldReason};
use proto::id::{MachineId, SessionId};
use proto::limits;
use proto::register::{ReceiptKind, SignedReceipt};
use proto::run::Run;
use proto::vector::VersionVector;
use store::StoreError;
use tokio::time::Instant;

use crate::core::Core;
use crate::dispatch::{Asked, Dispatch, Pending};
use crate::sync::{Live, Sync};
use crate::{invitations, mailbox, reads, refusals, relays, signals};

/// Why the sending side ends.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Link(#[from] SendError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One link's sending side.
struct Sending {
    core: Arc<Core>,
    peer: MachineId,
    conn: Conn,
    dispatch: Arc<Dispatch>,
    sync: Sync,
}

/// Serves one link until it ends. `redigest` is how often the digests are sent again, in case something was missed.
pub(crate) async fn run(core: Arc<Core>, conn: Conn, dispatch: Arc<Dispatch>, redigest: Duration) {
    let peer = conn.peer();
    let mut sending = Sending { core, peer, conn, dispatch, sync: Sync::default() };
    match sending.serve(redigest).await {
        Ok(()) | Err(Ended::Link(SendError::Closed) | Ended::Store(StoreError::Closed)) => {}
        Err(ended) => {
            tracing::error!(peer = peer.short(), error = %ended, "the sending side of a link failed");
            // Without it the link is of no use; the next one begins anew.
            sending.conn.close(ByeReason::ShuttingDown);
        }
    }
}

impl Sending {
    async fn serve(&mut self, redigest: Duration) -> Result<(), Ended> {
        self.say_digests(None).await?;
        let owed = self.say_receipts().await?;
        if let Some(status) = signals::presence_for(&self.core, &self.peer) {
            self.conn.send(Frame::Presence { status }).await?;
        }
        if let Some(proof) = invitations::proof_for(&self.core, &self.peer).await? {
            self.conn.send(Frame::Invited { proof }).await?;
        }
        mailbox::told(&self.core, &self.peer, owed).await?;
        self.say_reach().await?;
        let mut again = Instant::now() + redigest;
        loop {
            if let Some(pending) = self.dispatch.take() {
                if pending.ended {
                    return Ok(());
                }
                let hang_up = pending.hang_up;
                self.carry_out(pending).await?;
                if hang_up {
                    self.conn.close(ByeReason::ShuttingDown);
                    return Ok(());
                }
            } else if let Some((session, after)) = self.sync.next_load() {
                self.load(session, after).await?;
            } else {
                tokio::select! {
                    () = self.dispatch.changed() => {}
                    () = tokio::time::sleep_until(again) => {
                        self.say_digests(None).await?;
                        again = Instant::now() + redigest;
                    }
                }
            }
        }
    }

    /// Small things first: what the peer waits for, then what is new.
    async fn carry_out(&mut self, pending: Pending) -> Result<(), Ended> {
        self.send_receipts(pending.receipts.into_values().collect()).await?;
        for (session, (code, detail)) in pending.rejects {
            self.conn.send(Frame::Reject { session, code, detail }).await?;
        }
        for (session, reason) in pending.holds {
            self.conn.send(Frame::Hold { session, reason }).await?;
        }
        if let Some(profile) = pending.profile {
            self.conn.send(Frame::Profile(profile)).await?;
        }
        for (session, on) in pending.typing {
            self.conn.send(Frame::Typing { session, on }).await?;
        }
        if let Some(status) = pending.presence {
            self.conn.send(Frame::Presence { status }).await?;
        }
        if let Some(proof) = pending.invited {
            self.conn.send(Frame::Invited { proof }).await?;
        }
        if pending.reach {
            self.say_reach().await?;
        }
        for session in pending.vectors {
            let vector = self.vector(session).await?;
            self.conn.send(Frame::Vector { session, vector }).await?;
        }
        for frame in pending.blobs {
            self.conn.send(frame).await?;
        }
        for (session, asked) in pending.asked {
            match asked {
                Asked::From(vector) => self.sync.vector(session, vector),
                Asked::Stop => self.sync.hold(session),
            }
        }
        for (session, digest) in pending.theirs {
            self.compare(session, digest).await?;
        }
        let mut announce = pending.digests;
        let appended = pending.live.iter().map(|(session, _)| session).chain(&pending.skipped);
        let refused: BTreeMap<_, _> =
            appended.filter_map(|session| Some((*session, self.dispatch.refusal(session)?))).collect();
        for (session, reason) in refused {
            // What is written while the peer takes nothing shares the fate of what it refused.
            refusals::fail_waiting(&self.core, self.peer, session, reason).await;
        }
        for (session, runs) in pending.live {
            match self.sync.appended(session, runs) {
                Live::Send(runs) => self.send_runs(session, runs).await?,
                Live::Announce => drop(announce.insert(session)),
                Live::Nothing => {}
            }
        }
        for session in pending.skipped {
            if self.sync.skipped(session) == Live::Announce {
                announce.insert(session);
            }
        }
        if !announce.is_empty() {
            self.say_digests(Some(announce)).await?;
        }
        Ok(())
    }

    /// Says by what a contact reaches this machine through relays.
    async fn say_reach(&self) -> Result<(), Ended> {
        for frame in relays::registers(&self.core, &self.peer).await? {
            self.conn.send(frame).await?;
        }
        Ok(())
    }

    /// The peer's digest of a session, beside ours.
    async fn compare(&mut self, session: SessionId, digest: [u8; 32]) -> Result<(), Ended> {
        let vector = self.vector(session).await?;
        if vector.digest() == digest {
            self.sync.equal(session, vector);
        } else if self.dispatch.is_holding(&session) {
            // A vector would ask for what is not taken.
            self.conn.send(Frame::Hold { session, reason: HoldReason::NotAccepted }).await?;
        } else {
            self.conn.send(Frame::Vector { session, vector }).await?;
        }
        Ok(())
    }

    async fn vector(&self, session: SessionId) -> Result<VersionVector, StoreError> {
        self.core
            .store
            .read(move |reader| match store::sessions::find(reader, &session)? {
                Some(key) => store::logs::vector(reader, key),
                None => Ok(VersionVector::new()),
            })
            .await
    }

    /// Says the digests of the shared sessions, or of some of them.
    async fn say_digests(&self, only: Option<BTreeSet<SessionId>>) -> Result<(), Ended> {
        let peer = self.peer;
        let mut digests = self.core.store.read(move |reader| store::logs::digests(reader, &peer)).await?;
        if let Some(only) = only {
            digests.retain(|(session, _)| only.contains(session));
        }
        for part in digests.chunks(limits::DIGESTS_PER_FRAME) {
            self.conn.send(Frame::Digests(part.to_vec())).await?;
        }
        Ok(())
    }

    /// Says of each shared session what is on this disk, and what was seen of it: a receipt may have been lost with an
    /// earlier link. Gives what was owed to the peer when that was read.
    async fn say_receipts(&self) -> Result<u64, Ended> {
        let (peer, me) = (self.peer, self.core.me);
        let reads = reads::shared_with(&self.core, &peer);
        let (state, seen, owed) = self
            .core
            .store
            .read(move |reader| {
                let (mut state, mut seen) = (Vec::new(), Vec::new());
                for (key, session) in store::sessions::with_peer(reader, &peer)? {
                    let version = store::logs::last_event(reader, key)?.as_u64();
                    state.push((session, version, store::logs::vector(reader, key)?));
                    if reads {
                        seen.extend(store::registers::get(reader, key, &me, ReceiptKind::Read)?);
                    }
                }
                let owed = store::reach::get(reader, &peer)?.map_or(0, |reach| reach.owed);
                Ok((state, seen, owed))
            })
            .await?;
        let delivered = state
            .into_iter()
            .filter(|(_, _, vector)| vector.iter().any(|(author, _, _)| *author == peer))
            .map(|(session, version, vector)| {
                SignedReceipt::sign(&self.core.identity, session, ReceiptKind::Delivered, version, vector, None)
            });
        self.send_receipts(delivered.chain(seen).collect()).await?;
        Ok(owed)
    }

    async fn send_receipts(&self, receipts: Vec<SignedReceipt>) -> Result<(), Ended> {
        let mut part = Vec::new();
        let mut bytes = 0;
        for receipt in receipts {
            if bytes + receipt.wire_size() > limits::BATCH_BYTES || part.len() == limits::RECEIPTS_PER_FRAME {
                self.conn.send(Frame::Receipts(std::mem::take(&mut part))).await?;
                bytes = 0;
            }
            bytes += receipt.wire_size();
            part.push(receipt);
        }
        if !part.is_empty() {
            self.conn.send(Frame::Receipts(part)).await?;
        }
        Ok(())
    }

    /// Sends what the store holds beyond `after`, one frame of it.
    async fn load(&mut self, session: SessionId, after: VersionVector) -> Result<(), Ended> {
        let asked = after.clone();
        let runs = self
            .core
            .store
            .read(move |reader| match store::sessions::find(reader, &session)? {
                Some(key) => Ok(store::runs::after(reader, key, &asked, limits::BATCH_BYTES)?.runs),
                None => Ok(Vec::new()),
            })
            .await?;
        let runs = self.sync.loaded(session, &after, runs);
        self.send_runs(session, runs).await
    }

    /// Sends runs in frames that a receiver takes.
    async fn send_runs(&self, session: SessionId, runs: Vec<Run>) -> Result<(), Ended> {
        let mut part = Vec::new();
        let mut bytes = 0;
        for run in runs {
            if !part.is_empty()
                && (bytes + run.wire_size() > limits::BATCH_BYTES || part.len() == limits::RUNS_PER_FRAME)
            {
                self.conn.send(Frame::Events { session, runs: std::mem::take(&mut part) }).await?;
                bytes = 0;
            }
            bytes += run.wire_size();
            part.push(run);
        }
        if !part.is_empty() {
            self.conn.send(Frame::Events { session, runs: part }).await?;
        }
        Ok(())
    }
}
