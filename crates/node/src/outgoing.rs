//! Own writing: the one task that appends to this machine's logs.
//!
//! One task, because a log is a chain: who appends must know what came before. While one batch is being committed, further
//! orders queue up; the next batch takes all of them, so that a crowd of senders shares a commit and, per session, a
//! signature. A message exists once its event, its row and its outbox row are on the disk, in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::event::MessageBody;
use proto::id::{Epoch, MachineId, MessageId, SessionId};
use tokio::sync::{mpsc, oneshot};

use crate::appending::{Ask, Batch, Came, Done};
use crate::core::{Core, NOTHING};
use crate::operating::Operation;
use crate::views::{self, Sides};
use crate::{NodeError, contacts, mailbox, view};

/// Orders that may wait; a caller beyond that waits itself. Two batches.
pub(crate) const QUEUE: usize = 2 * BATCH;

/// Orders in one batch: what one run can hold.
const BATCH: usize = proto::limits::RUN_EVENTS;

/// Something to be written.
#[derive(Debug)]
pub(crate) enum Order {
    /// A message, its text already checked.
    Send {
        /// The session.
        session: SessionId,
        /// What it says. Its timer is filled in as it is written.
        message: MessageBody,
        /// What is attached.
        uploads: Vec<[u8; 16]>,
        /// The handle as it is stored, which tells a repeated order.
        temp_id: Option<String>,
        /// Who waits.
        reply: oneshot::Sender<Result<view::Message, NodeError>>,
    },
    /// Something to be said of a message, already checked as far as the message is not needed for that.
    Operate {
        /// The message.
        message: MessageId,
        /// What.
        operation: Operation,
        /// Who waits: the message as it is then.
        reply: oneshot::Sender<Result<view::Message, NodeError>>,
    },
    /// After how long messages of a session disappear.
    Timer {
        /// The session.
        session: SessionId,
        /// Seconds; 0 when they stay.
        seconds: u64,
        /// Who waits.
        reply: oneshot::Sender<Result<(), NodeError>>,
    },
    /// The direct session with a machine.
    Open {
        /// The machine.
        peer: MachineId,
        /// Who waits: whether it was made.
        reply: oneshot::Sender<Result<bool, NodeError>>,
    },
    /// The own log is longer elsewhere than on this disk: go on in a new epoch.
    NewEpoch {
        /// The epoch that was in use when that was found; an order about a former one comes late and does nothing.
        found_in: Epoch,
        /// Told when it is done.
        done: oneshot::Sender<()>,
    },
    /// Write what was ordered before, and end.
    End,
}

/// Who waits for it.
enum Waiter {
    Message(oneshot::Sender<Result<view::Message, NodeError>>),
    Timer(oneshot::Sender<Result<(), NodeError>>),
    Open(oneshot::Sender<Result<bool, NodeError>>),
}

/// Serves orders until it is told to end, or nobody can give any.
pub(crate) async fn run(core: Arc<Core>, mut orders: mpsc::Receiver<Order>) {
    let mut ended = false;
    while !ended {
        let Some(first) = orders.recv().await else { return };
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = orders.try_recv()
        {
            batch.push(next);
        }
        ended = serve(&core, batch).await;
    }
    orders.close();
    let mut rest = Vec::new();
    while let Some(order) = orders.recv().await {
        rest.push(order);
    }
    serve(&core, rest).await;
}

/// Serves a batch. True when it is the last.
async fn serve(core: &Arc<Core>, batch: Vec<Order>) -> bool {
    let mut ended = false;
    let (mut asks, mut waiters) = (Vec::new(), Vec::new());
    for order in batch {
        match order {
            Order::Send { session, message, uploads, temp_id, reply } => {
                asks.push(Ask::Send { session, message, uploads, temp_id });
                waiters.push(Waiter::Message(reply));
            }
            Order::Operate { message, operation, reply } => {
                asks.push(Ask::Operate { message, operation });
                waiters.push(Waiter::Message(reply));
            }
            Order::Timer { session, seconds, reply } => {
                asks.push(Ask::Timer { session, seconds });
                waiters.push(Waiter::Timer(reply));
            }
            Order::Open { peer, reply } => {
                let person = core.people.get(&peer).map(Box::new);
                asks.push(Ask::Open { peer, person });
                waiters.push(Waiter::Open(reply));
            }
            Order::NewEpoch { found_in, done } => {
                renew(core, found_in).await;
                let _ = done.send(());
            }
            Order::End => ended = true,
        }
    }
    if !asks.is_empty() {
        commit(core, asks, waiters).await;
    }
    ended
}

async fn commit(core: &Arc<Core>, asks: Vec<Ask>, waiters: Vec<Waiter>) {
    let (identity, local, now_ms) = (core.identity.clone(), core.local(), core.clock.wall_ms());
    let untold = core.untold.clone();
    let done = core.store.write(move |tx| {
        let done = Batch::new(&identity, local, now_ms).write(tx, asks)?;
        untold.send_replace(done.first().unwrap_or(NOTHING));
        Ok(done)
    });
    match done.await {
        Ok(done) => publish(core, done, waiters),
        Err(error) => {
            let error = NodeError::from(error);
            for waiter in waiters {
                waiter.refuse(error.clone());
            }
        }
    }
    core.untold.send_replace(NOTHING);
}

/// Tells the stream, the callers and the links.
fn publish(core: &Arc<Core>, done: Done, waiters: Vec<Waiter>) {
    let watched = core.hub.watched();
    let mut rows_of: BTreeMap<SessionId, Vec<view::Message>> = BTreeMap::new();
    let mut changed: BTreeMap<String, view::Message> = BTreeMap::new();
    for wrote in &done.sessions {
        if let (true, Some(peer)) = (wrote.accepted, wrote.peer) {
            contacts::accepted(core, peer, wrote.session);
        }
        let sides = Sides::of(core, wrote.peer.as_ref());
        let rows: Vec<_> = wrote.messages.iter().map(|message| sides.message(message)).collect();
        for message in rows.iter().filter(|_| watched) {
            core.hub.publish(view::Change::MessageChanged { message: message.clone(), incoming: false });
        }
        for message in &wrote.changed {
            if message.deleted_ms.is_some() {
                core.files.gone(&message.id);
            }
            let message = sides.message(message);
            if watched {
                core.hub.publish(view::Change::MessageChanged { message: message.clone(), incoming: false });
            }
            changed.insert(message.id.clone(), message);
        }
        wrote.noted.iter().for_each(|key| core.hub.note(*key));
        for (author, reaction) in wrote.reactions.iter().filter(|_| watched) {
            core.hub.publish(views::reaction(wrote.session, author, reaction));
        }
        core.hub.mark(wrote.session);
        rows_of.insert(wrote.session, rows);
    }
    for (came, waiter) in done.came.into_iter().zip(waiters) {
        match (came, waiter) {
            (Came::Refused(error), waiter) => waiter.refuse(error),
            (Came::Opened(made), Waiter::Open(reply)) => drop(reply.send(Ok(made))),
            (Came::New { .. } | Came::Unchanged, Waiter::Timer(reply)) => drop(reply.send(Ok(()))),
            (Came::Changed { session, key }, Waiter::Message(reply)) => {
                let wrote = done.sessions.iter().find(|wrote| wrote.session == session);
                let row = wrote.and_then(|wrote| wrote.changed.iter().find(|message| message.key == key));
                let view = row.and_then(|row| changed.get(&row.id.to_string())).cloned();
                drop(reply.send(view.ok_or_else(|| internal("a message was lost on its way from the disk"))));
            }
            (Came::Old(message, peer), Waiter::Message(reply)) => {
                drop(reply.send(Ok(Sides::of(core, peer.as_ref()).message(&message))));
            }
            (Came::New { session, index }, Waiter::Message(reply)) => {
                let view = rows_of.get(&session).and_then(|rows| rows.get(index)).cloned();
                drop(reply.send(view.ok_or_else(|| internal("a message was lost on its way to the disk"))));
            }
            (_, waiter) => waiter.refuse(internal("an order got another's answer")),
        }
    }
    for wrote in &done.sessions {
        let Some(peer) = wrote.peer.filter(|_| !wrote.runs.is_empty()) else { continue };
        match core.links.get(&peer) {
            Some(link) => link.appended(wrote.session, &wrote.runs),
            None => mailbox::stir(core, peer),
        }
    }
}

impl Waiter {
    fn refuse(self, error: NodeError) {
        // Who no longer waits needs no answer.
        match self {
            Self::Message(reply) => drop(reply.send(Err(error))),
            Self::Timer(reply) => drop(reply.send(Err(error))),
            Self::Open(reply) => drop(reply.send(Err(error))),
        }
    }
}

/// Begins a new epoch, unless that was done meanwhile.
async fn renew(core: &Arc<Core>, found_in: Epoch) {
    if core.local().epoch != found_in {
        return;
    }
    let epoch = match new_epoch() {
        Ok(epoch) => epoch,
        Err(error) => {
            tracing::error!(%error, "no new epoch could be begun");
            return;
        }
    };
    match core.store.write(move |tx| store::meta::set_epoch(tx, epoch.get())).await {
        Ok(()) => {
            tracing::info!("this profile's database lost data or is a copy: its logs go on in a new epoch");
            core.set_epoch(epoch);
        }
        Err(error) => tracing::error!(%error, "no new epoch could be begun"),
    }
}

/// A random epoch.
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn new_epoch() -> Result<Epoch, getrandom::Error> {
    getrandom::u64().map(Epoch::new)
}

fn internal(message: &str) -> NodeError {
    NodeError::Internal { message: message.to_owned() }
}
