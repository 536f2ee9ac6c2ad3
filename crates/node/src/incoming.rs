//! What arrives over a link: checked, admitted, written in one transaction a batch, and only then acknowledged.
//!
//! While one batch is being committed, frames pile up (few: the link's queue is short, then TCP holds the peer back); the
//! next batch takes all of them. So under load one commit and one receipt serve many frames.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use link::Conn;
use proto::frame::{BlobState, ByeReason, Frame, HoldReason, RejectCode};
use proto::id::{MachineId, SessionId};
use proto::log::{Local, WaitingRoom};
use proto::register::{ReceiptKind, SignedProfile, SignedReceipt};
use proto::run::{Run, VerifiedRun};
use proto::{SignedDeposit, SignedGrant, SignedPrekey};
use store::machines::Trust;
use store::messages::Message;
use store::{StoreError, Tx};
use tokio::sync::{mpsc, oneshot};

use crate::core::Core;
use crate::dispatch::{Asked, Dispatch};
use crate::files::Telling;
use crate::intake::{By, Job, Took};
use crate::view::Change;
use crate::views::Sides;
use crate::{centre, files, invitations, mailbox, membership, outgoing, refusals, relays, signals, views};

/// Frames taken into one batch at most: what the link's queue holds, twice.
const BATCH_FRAMES: usize = 16;

/// Signatures that are checked in place; more go to a thread where blocking is allowed. Four take half a millisecond.
const CHECKED_IN_PLACE: usize = 4;

/// The peer broke the protocol: the link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Broken {
    #[error("events of a session that it does not share with this machine")]
    ForeignSession,
    #[error("a signature that does not fit")]
    Signature,
    #[error("another machine's profile or receipt")]
    ForeignRegister,
}

/// What a machine said, its signatures checked.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) runs: Vec<VerifiedRun>,
    pub(crate) receipts: Vec<SignedReceipt>,
}

/// What a batch of frames brought.
#[derive(Debug, Default)]
struct Arrived {
    runs: Vec<Run>,
    receipts: Vec<SignedReceipt>,
    profile: Option<SignedProfile>,
    refused: BTreeMap<SessionId, (RejectCode, String)>,
    wants: Vec<([u8; 32], u64)>,
    blobs: Vec<([u8; 32], BlobState)>,
    invited: Option<[u8; 32]>,
    prekey: Option<SignedPrekey>,
    grant: Option<SignedGrant>,
    deposits: Vec<SignedDeposit>,
}

/// Serves what one link brings, until it ends or the peer breaks the protocol.
pub(crate) async fn run(core: Arc<Core>, conn: Conn, mut frames: mpsc::Receiver<Frame>, dispatch: Arc<Dispatch>) {
    let peer = conn.peer();
    let mut rooms = BTreeMap::new();
    while let Some(first) = frames.recv().await {
        let mut arrived = Arrived::default();
        let mut outcome = arrived.take(&core, &peer, &dispatch, first);
        for _ in 1..BATCH_FRAMES {
            let Ok(next) = frames.try_recv() else { break };
            outcome = outcome.and_then(|()| arrived.take(&core, &peer, &dispatch, next));
        }
        if outcome.is_ok() {
            outcome = batch(&core, peer, &dispatch, &mut rooms, arrived).await;
        }
        if let Err(broken) = outcome {
            tracing::info!(peer = peer.short(), %broken, "link ended: the peer broke the protocol");
            conn.close(ByeReason::Protocol);
            break;
        }
    }
}

impl Arrived {
    fn take(&mut self, core: &Arc<Core>, peer: &MachineId, dispatch: &Dispatch, frame: Frame) -> Result<(), Broken> {
        let shared = |session: &SessionId| membership::shared(&core.me, peer, session);
        match frame {
            Frame::Events { session, runs } => {
                if !shared(&session) {
                    return Err(Broken::ForeignSession);
                }
                self.runs.extend(runs);
            }
            Frame::Receipts(receipts) => {
                let fits = |receipt: &SignedReceipt| {
                    let receipt = receipt.receipt();
                    receipt.member == *peer && shared(&receipt.session)
                };
                if !receipts.iter().all(fits) {
                    return Err(Broken::ForeignRegister);
                }
                self.receipts.extend(receipts);
            }
            Frame::Profile(profile) => {
                if profile.machine() != *peer {
                    return Err(Broken::ForeignRegister);
                }
                self.profile = Some(profile);
            }
            Frame::Digests(digests) => dispatch.with(|pending| {
                // Sessions that are not shared may be of a kind that a later version has; nothing is said of them.
                for (session, digest) in digests.into_iter().filter(|(session, _)| shared(session)) {
                    pending.theirs.insert(session, digest);
                }
            }),
            Frame::Vector { session, vector } if shared(&session) => {
                core.set_held(session, false);
                dispatch.set_refusal(session, None);
                dispatch.with(|pending| drop(pending.asked.insert(session, Asked::From(vector))));
            }
            Frame::Hold { session, .. } if shared(&session) => {
                core.set_held(session, true);
                dispatch.with(|pending| drop(pending.asked.insert(session, Asked::Stop)));
            }
            Frame::Reject { session, code, detail } if shared(&session) => {
                dispatch.with(|pending| drop(pending.asked.insert(session, Asked::Stop)));
                self.refused.insert(session, (code, detail));
            }
            Frame::Typing { session, on } if shared(&session) => signals::heard_typing(core, *peer, session, on),
            Frame::Presence { status } => signals::heard_presence(core, peer, status),
            Frame::Vector { .. } | Frame::Hold { .. } | Frame::Reject { .. } | Frame::Typing { .. } => {
                return Err(Broken::ForeignSession);
            }
            Frame::BlobWant { hash, from } => self.wants.push((hash, from)),
            Frame::BlobState { hash, state } => self.blobs.push((hash, state)),
            Frame::Invited { proof } => self.invited = Some(proof),
            Frame::Prekey(prekey) => {
                if prekey.prekey().machine != *peer {
                    return Err(Broken::ForeignRegister);
                }
                prekey.verify().map_err(|_| Broken::Signature)?;
                self.prekey = Some(prekey);
            }
            Frame::Grant(grant) => {
                if grant.grant().machine != *peer || grant.grant().holder != core.me {
                    return Err(Broken::ForeignRegister);
                }
                grant.verify().map_err(|_| Broken::Signature)?;
                self.grant = Some(grant);
            }
            Frame::Deposit(deposit) => {
                if deposit.deposit().machine != *peer {
                    return Err(Broken::ForeignRegister);
                }
                deposit.verify().map_err(|_| Broken::Signature)?;
                self.deposits.push(deposit);
            }
            // The link deals with these itself.
            Frame::Hello(_) | Frame::Bye { .. } | Frame::Ignored(_) => {}
        }
        Ok(())
    }
}

/// Checks and writes what a batch brought, and answers it.
async fn batch(
    core: &Arc<Core>,
    peer: MachineId,
    dispatch: &Arc<Dispatch>,
    rooms: &mut BTreeMap<SessionId, WaitingRoom>,
    arrived: Arrived,
) -> Result<(), Broken> {
    for (session, (code, detail)) in arrived.refused {
        tracing::info!(peer = peer.short(), ?code, detail, "the peer refused events");
        let reason = refusals::reason(code);
        dispatch.set_refusal(session, Some(reason));
        refusals::fail_waiting(core, peer, session, reason).await;
    }
    for (hash, from) in arrived.wants {
        files::wanted(core, peer, hash, from);
    }
    for (hash, state) in arrived.blobs {
        files::state_came(core, peer, hash, state).await;
    }
    if let Some(profile) = arrived.profile {
        take_profile(core, profile).await?;
    }
    if let Some(proof) = arrived.invited {
        invitations::heard(core, peer, proof).await;
    }
    if let (Some(_), _) | (_, Some(_)) = (&arrived.prekey, &arrived.grant)
        && let Err(error) = relays::heard(core, peer, arrived.prekey, arrived.grant).await
    {
        tracing::error!(%error, "how a contact is reached could not be stored");
    }
    if let Err(error) = files::told(core, peer, arrived.deposits).await {
        tracing::error!(%error, "where files lie could not be stored");
    }
    if arrived.runs.is_empty() && arrived.receipts.is_empty() {
        return Ok(());
    }
    let checked = check(core, arrived.runs, arrived.receipts).await?;
    let sessions: Vec<SessionId> = checked.runs.iter().map(|run| run.session()).collect();
    match write(core, peer, rooms, checked, By::Link).await {
        Ok(_) | Err(StoreError::Closed) => {}
        Err(error) => {
            // Nothing is acknowledged, so nothing is lost: the peer keeps all of it and is asked again later.
            let (code, detail) = match error {
                StoreError::Full => (RejectCode::StorageFull, "the disk is full".to_owned()),
                _ => (RejectCode::Internal, "the database failed".to_owned()),
            };
            tracing::error!(peer = peer.short(), %error, "what arrived could not be stored");
            let Some(link) = core.links.get(&peer) else { return Ok(()) };
            link.with(|pending| {
                for session in sessions {
                    pending.rejects.insert(session, (code, detail.clone()));
                }
            });
        }
    }
    Ok(())
}

/// Takes what a machine left in this machine's mailbox. Gives the sessions in which something of it is refused for good.
///
/// # Errors
/// When it could not be stored; it is asked for again then.
pub(crate) async fn take_mail(
    core: &Arc<Core>,
    peer: MachineId,
    checked: Checked,
) -> Result<BTreeSet<SessionId>, StoreError> {
    write(core, peer, &mut BTreeMap::new(), checked, By::Mail).await
}

/// Writes what was checked, answers the peer over the link that stands then, and tells the stream. Gives the sessions in which
/// something is refused for good.
async fn write(
    core: &Arc<Core>,
    peer: MachineId,
    rooms: &mut BTreeMap<SessionId, WaitingRoom>,
    Checked { runs, receipts }: Checked,
    by: By,
) -> Result<BTreeSet<SessionId>, StoreError> {
    let reads = core.kept().settings.read_receipts;
    let job = Job {
        peer,
        local: core.local(),
        now_ms: core.clock.wall_ms(),
        rooms: std::mem::take(rooms),
        profile: core.people.get(&peer).and_then(|person| person.signed),
        watched: core.hub.watched(),
        telling: Telling::now(core),
        reads,
        by,
        linked: core.links.get(&peer).is_some(),
    };
    let local = job.local;
    // Receipts are told again on each link, so what they clear need not survive a power cut.
    let only_receipts = runs.is_empty();
    let work = move |tx: &Tx<'_>| job.write(tx, runs, &receipts);
    let written = if only_receipts { core.store.note(work).await } else { core.store.write(work).await };
    let outcome = written?;
    let lost = outcome.sessions.iter().find(|(_, took)| took.lost_own).map(|(session, _)| *session);
    let is_refused = |(session, took): (&SessionId, &Took)| took.reject.is_some().then_some(*session);
    let refused = outcome.sessions.iter().filter_map(is_refused).collect();
    *rooms = outcome.rooms;
    if let Some(at) = outcome.expires {
        core.expires(at);
    }
    // Looked for only now: a link that has come up meanwhile has perhaps said already what was here before.
    let dispatch = &core.links.get(&peer).unwrap_or_default();
    publish(core, peer, dispatch, outcome.sessions);
    delivered(core, peer, outcome.delivered).await;
    if let Some(session) = lost {
        lost_own(core, local, dispatch, session).await;
    }
    Ok(refused)
}

/// Checks all signatures.
async fn check(core: &Core, runs: Vec<Run>, receipts: Vec<SignedReceipt>) -> Result<Checked, Broken> {
    let count = runs.len() + receipts.len();
    let check = move || {
        let runs: Result<Vec<VerifiedRun>, _> = runs.into_iter().map(Run::verify).collect();
        let runs = runs.map_err(|_| Broken::Signature)?;
        receipts.iter().try_for_each(|receipt| receipt.verify().map_err(|_| Broken::Signature))?;
        Ok(Checked { runs, receipts })
    };
    if count <= CHECKED_IN_PLACE {
        return check();
    }
    // A group that is shut down has no use for the result.
    core.spawner.spawn_blocking("check signatures", check).await.unwrap_or_else(|_| Ok(Checked::default()))
}

/// Answers the peer, then tells the stream.
fn publish(core: &Arc<Core>, peer: MachineId, dispatch: &Dispatch, sessions: BTreeMap<SessionId, Took>) {
    for (session, took) in sessions {
        let receipt = took.receipt.map(|(version, vector)| {
            SignedReceipt::sign(&core.identity, session, ReceiptKind::Delivered, version, vector, None)
        });
        if took.hold {
            dispatch.start_holding(session);
        }
        dispatch.with(|pending| {
            if let Some(receipt) = receipt {
                pending.receipts.insert((session, ReceiptKind::Delivered), receipt);
            }
            if let Some(reject) = took.reject {
                pending.rejects.insert(session, reject);
            }
            if took.hold {
                pending.holds.insert(session, HoldReason::NotAccepted);
            } else if took.ask {
                pending.vectors.insert(session);
            }
        });
        if took.requested || took.opened.is_some() {
            core.people.stored(&peer, took.requested.then_some(Trust::Requested));
            core.show_user(&peer);
        }
        if let Some(session) = took.opened {
            // Before its messages, and with the newest of them.
            let row = views::Row { session, last: took.messages.last().cloned(), drafted: Vec::new() };
            let session = views::session(core, &row);
            core.hub.publish(Change::SessionChanged { session, opened: true });
        }
        let watched = core.hub.watched();
        let sides = Sides::of(core, Some(&peer));
        if took.messages.iter().any(|message| *message.author() == peer) {
            core.signals.stopped_typing(core, &session);
        }
        let mut news = false;
        for message in &took.messages {
            let incoming = *message.author() != core.me;
            news |= incoming && message.is_news();
            if !message.attachments.is_empty() {
                core.files.stir();
            }
            if watched {
                let message = sides.message(message);
                core.hub.publish(Change::MessageChanged { message, incoming });
            }
        }
        for message in took.changed.iter().filter(|message| message.deleted_ms.is_some()) {
            core.files.gone(&message.id);
        }
        for message in took.changed.iter().filter(|_| watched) {
            let message = sides.message(message);
            core.hub.publish(Change::MessageChanged { message, incoming: false });
        }
        for (author, reaction) in took.reactions.iter().filter(|_| watched) {
            core.hub.publish(views::reaction(session, author, reaction));
        }
        if took.acknowledge {
            mailbox::moved(core, &session);
        }
        if took.requested || !took.messages.is_empty() || !took.changed.is_empty() {
            core.hub.mark(session);
        }
        if !took.changed.is_empty() {
            core.notices.changed(session);
        }
        if news {
            core.notices.arrived(session);
        }
        for key in took.noted {
            core.hub.note(key);
        }
        took.told.into_iter().for_each(|told| told.tell(core));
        if took.requested {
            centre::namesake(core, peer);
        }
    }
}

/// Tells the stream what is on the other disk now, after it heard that it was written.
async fn delivered(core: &Core, peer: MachineId, delivered: BTreeMap<SessionId, Vec<Message>>) {
    let newest = delivered.values().flatten().map(|message| message.key).max();
    if let Some(newest) = newest {
        // The sender lives as long as the core.
        let _ = core.untold.subscribe().wait_for(|untold| newest < *untold).await;
    }
    let sides = Sides::of(core, Some(&peer));
    for (session, rows) in delivered {
        for message in &rows {
            let message = sides.message(message);
            core.hub.publish(Change::MessageChanged { message, incoming: false });
        }
        core.hub.mark(session);
    }
}

/// Takes a machine's own profile.
async fn take_profile(core: &Arc<Core>, profile: SignedProfile) -> Result<(), Broken> {
    profile.verify().map_err(|_| Broken::Signature)?;
    keep_profile(core, profile).await;
    Ok(())
}

/// Keeps a profile whose signature was checked.
pub(crate) async fn keep_profile(core: &Arc<Core>, profile: SignedProfile) {
    let machine = profile.machine();
    let before = core.people.relays(&machine);
    let changed = core.people.set_profile(profile.clone());
    let stored = core.people.get(&machine).is_some_and(|person| person.stored);
    if stored
        && !changed.is_empty()
        && let Err(error) = core.store.write(move |tx| store::machines::set_profile(tx, &profile)).await
    {
        tracing::error!(%error, "a profile could not be stored");
    }
    if core.people.relays(&machine) != before {
        core.relays.stir();
        mailbox::stir_soon(core, machine);
    }
    for machine in &changed {
        core.show_user(machine);
    }
}

/// The own log is longer at the peer than here: this disk lost data. A new epoch begins, and what was lost is asked for.
async fn lost_own(core: &Core, local: Local, dispatch: &Dispatch, session: SessionId) {
    let (done, is_done) = oneshot::channel();
    let order = outgoing::Order::NewEpoch { found_in: local.epoch, done };
    if core.outgoing.send(order).await.is_ok() && is_done.await.is_ok() {
        dispatch.with(|pending| {
            pending.vectors.insert(session);
        });
    }
}
