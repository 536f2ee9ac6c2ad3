//! Own writing: the one task that appends to this machine's logs.
//!
//! One task, because a log is a chain: who appends must know what came before. While one batch is being committed, further
//! orders queue up; the next batch takes all of them, so that a crowd of senders shares a commit and, per session, a
//! signature. A message exists once its event, its row and its outbox row are on the disk, in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::event::Body;
use proto::id::{Epoch, MachineId, SessionId};
use proto::identity::Identity;
use proto::log::{AppendError, Local, Parent, RunBuilder};
use proto::run::Run;
use store::machines::Trust;
use store::messages::Message;
use store::{EventKey, SessionKey, StoreError, Tx};
use tokio::sync::{mpsc, oneshot};

use crate::core::{Core, NOTHING};
use crate::people::Person;
use crate::views::Sides;
use crate::{NodeError, contacts, ledger, view};

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
        /// The text.
        text: String,
        /// The handle as it is stored, which tells a repeated order.
        temp_id: Option<String>,
        /// Who waits.
        reply: oneshot::Sender<Result<view::Message, NodeError>>,
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

/// What an order asks of the transaction.
enum Ask {
    Send { session: SessionId, text: String, temp_id: Option<String> },
    Open { peer: MachineId, person: Option<Box<Person>> },
}

/// What it came to.
enum Came {
    /// A message of this batch, by session and place among its pushed messages.
    New {
        session: SessionId,
        index: usize,
    },
    /// A message that was there before.
    Old(Box<Message>, Option<MachineId>),
    Opened(bool),
    Refused(NodeError),
}

/// Who waits for it.
enum Waiter {
    Send(oneshot::Sender<Result<view::Message, NodeError>>),
    Open(oneshot::Sender<Result<bool, NodeError>>),
}

/// What one transaction did.
struct Done {
    came: Vec<Came>,
    sessions: Vec<Wrote>,
}

impl Done {
    /// The first event that it wrote.
    fn first(&self) -> Option<EventKey> {
        self.sessions.iter().filter_map(|wrote| wrote.messages.first()).map(|message| message.key).min()
    }
}

/// What it wrote in one session.
struct Wrote {
    session: SessionId,
    peer: Option<MachineId>,
    runs: Vec<Run>,
    messages: Vec<Message>,
    accepted: bool,
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
            Order::Send { session, text, temp_id, reply } => {
                asks.push(Ask::Send { session, text, temp_id });
                waiters.push(Waiter::Send(reply));
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
    let mut views: BTreeMap<SessionId, Vec<view::Message>> = BTreeMap::new();
    for wrote in &done.sessions {
        if let (true, Some(peer)) = (wrote.accepted, wrote.peer) {
            contacts::accepted(core, peer, wrote.session);
        }
        let sides = Sides::of(&core.me, wrote.peer.as_ref());
        let rows: Vec<_> = wrote.messages.iter().map(|message| sides.message(message)).collect();
        for message in rows.iter().filter(|_| watched) {
            core.hub.publish(view::Change::MessageChanged { message: message.clone(), incoming: false });
        }
        core.hub.mark(wrote.session);
        views.insert(wrote.session, rows);
    }
    for (came, waiter) in done.came.into_iter().zip(waiters) {
        match (came, waiter) {
            (Came::Refused(error), waiter) => waiter.refuse(error),
            (Came::Opened(made), Waiter::Open(reply)) => drop(reply.send(Ok(made))),
            (Came::Old(message, peer), Waiter::Send(reply)) => {
                drop(reply.send(Ok(Sides::of(&core.me, peer.as_ref()).message(&message))));
            }
            (Came::New { session, index }, Waiter::Send(reply)) => {
                let view = views.get(&session).and_then(|rows| rows.get(index)).cloned();
                drop(reply.send(view.ok_or_else(|| internal("a message was lost on its way to the disk"))));
            }
            (_, waiter) => waiter.refuse(internal("an order got another's answer")),
        }
    }
    for wrote in &done.sessions {
        let link = wrote.peer.and_then(|peer| core.links.get(&peer));
        if let Some(link) = link
            && !wrote.runs.is_empty()
        {
            link.appended(wrote.session, &wrote.runs);
        }
    }
}

impl Waiter {
    fn refuse(self, error: NodeError) {
        // Who no longer waits needs no answer.
        match self {
            Self::Send(reply) => drop(reply.send(Err(error))),
            Self::Open(reply) => drop(reply.send(Err(error))),
        }
    }
}

/// The transaction of one batch.
struct Batch<'a> {
    identity: &'a Identity,
    local: Local,
    now_ms: u64,
    sessions: BTreeMap<SessionId, Open>,
}

/// A session that the batch writes in.
struct Open {
    key: SessionKey,
    peer: Option<MachineId>,
    builder: Option<RunBuilder>,
    /// The handles of the messages pushed so far, all runs together; `None` for events that are no message.
    pushed: Vec<Pushed>,
    /// How many of them are in runs that were written.
    written: usize,
    messages: usize,
    wrote: Wrote,
}

struct Pushed {
    temp_id: Option<String>,
    /// Place among the session's messages of this batch.
    message: Option<usize>,
}

impl<'a> Batch<'a> {
    fn new(identity: &'a Identity, local: Local, now_ms: u64) -> Self {
        Self { identity, local, now_ms, sessions: BTreeMap::new() }
    }

    fn write(mut self, tx: &Tx<'_>, asks: Vec<Ask>) -> Result<Done, StoreError> {
        let mut came = Vec::with_capacity(asks.len());
        for ask in asks {
            came.push(match ask {
                Ask::Send { session, text, temp_id } => self.send(tx, session, text, temp_id)?,
                Ask::Open { peer, person } => self.open(tx, peer, person.as_deref())?,
            });
        }
        let mut sessions = Vec::with_capacity(self.sessions.len());
        for (_, mut open) in std::mem::take(&mut self.sessions) {
            self.flush(tx, &mut open)?;
            sessions.push(open.wrote);
        }
        Ok(Done { came, sessions })
    }

    fn send(
        &mut self,
        tx: &Tx<'_>,
        session: SessionId,
        text: String,
        temp_id: Option<String>,
    ) -> Result<Came, StoreError> {
        let open = match self.sessions.remove(&session) {
            Some(open) => open,
            None => match self.begin(tx, session)? {
                Ok(open) => open,
                Err(refusal) => return Ok(Came::Refused(refusal)),
            },
        };
        let (came, open) = self.send_in(tx, open, text, temp_id)?;
        self.sessions.insert(session, open);
        Ok(came)
    }

    fn send_in(
        &self,
        tx: &Tx<'_>,
        mut open: Open,
        text: String,
        temp_id: Option<String>,
    ) -> Result<(Came, Open), StoreError> {
        if temp_id.is_some() {
            let same = open.pushed.iter().find(|pushed| pushed.temp_id == temp_id).and_then(|pushed| pushed.message);
            if let Some(index) = same {
                return Ok((Came::New { session: open.wrote.session, index }, open));
            }
            if let Some(id) = &temp_id
                && let Some(old) = store::messages::by_temp_id(tx, open.key, id)?
            {
                return Ok((Came::Old(Box::new(old), open.peer), open));
            }
        }
        let index = open.messages;
        self.push(tx, &mut open, &Body::message(text))?;
        open.pushed.push(Pushed { temp_id, message: Some(index) });
        open.messages += 1;
        Ok((Came::New { session: open.wrote.session, index }, open))
    }

    fn open(&mut self, tx: &Tx<'_>, peer: MachineId, person: Option<&Person>) -> Result<Came, StoreError> {
        let session = SessionId::direct(&self.local.machine, &peer);
        if self.sessions.contains_key(&session) {
            return Ok(Came::Opened(false));
        }
        if store::sessions::find(tx, &session)?.is_some() {
            return Ok(Came::Opened(false));
        }
        if let Some(machine) = store::machines::get(tx, &peer)?
            && machine.trust == Trust::Blocked
        {
            return Ok(Came::Refused(blocked()));
        }
        store::sessions::create_direct(tx, &session, &peer, self.now_ms)?;
        if let Some(profile) = person.and_then(|person| person.signed.as_ref()) {
            store::machines::set_profile(tx, profile)?;
        }
        let mut open = match self.begin(tx, session)? {
            Ok(open) => open,
            Err(refusal) => return Ok(Came::Refused(refusal)),
        };
        self.push(tx, &mut open, &Body::Open)?;
        open.pushed.push(Pushed { temp_id: None, message: None });
        self.sessions.insert(session, open);
        Ok(Came::Opened(true))
    }

    /// Looks a session up and accepts its peer: whoever writes to a machine accepts it.
    fn begin(&self, tx: &Tx<'_>, session: SessionId) -> Result<Result<Open, NodeError>, StoreError> {
        let Some(row) = store::sessions::get_by_id(tx, &session)? else {
            let message = format!("there is no session {session} here");
            return Ok(Err(NodeError::NotFound { code: "session_not_found", message }));
        };
        let mut accepted = false;
        if let Some(peer) = row.peer {
            let trust = store::machines::get(tx, &peer)?.map(|machine| machine.trust);
            match trust {
                Some(Trust::Blocked) => return Ok(Err(blocked())),
                Some(Trust::Accepted | Trust::Verified) => {}
                Some(Trust::Unknown | Trust::Requested) | None => {
                    store::machines::set_trust(tx, &peer, Trust::Accepted)?;
                    accepted = true;
                }
            }
            store::machines::set_initiated(tx, &peer)?;
        }
        let wrote = Wrote { session, peer: row.peer, runs: Vec::new(), messages: Vec::new(), accepted };
        Ok(Ok(Open { key: row.key, peer: row.peer, builder: None, pushed: Vec::new(), written: 0, messages: 0, wrote }))
    }

    fn push(&self, tx: &Tx<'_>, open: &mut Open, body: &Body) -> Result<(), StoreError> {
        if open.builder.is_none() {
            open.builder = Some(self.builder(tx, open)?);
        }
        let Some(builder) = &mut open.builder else { return Ok(()) };
        match builder.push(self.now_ms, body) {
            Ok(_) => Ok(()),
            Err(AppendError::Full) => {
                self.flush(tx, open)?;
                let mut builder = self.builder(tx, open)?;
                builder.push(self.now_ms, body).map_err(|error| conflict(&error))?;
                open.builder = Some(builder);
                Ok(())
            }
            Err(error) => Err(conflict(&error)),
        }
    }

    /// Begins a run after the own log's head, naming what came from others since.
    fn builder(&self, tx: &Tx<'_>, open: &Open) -> Result<RunBuilder, StoreError> {
        let heads = store::logs::heads(tx, open.key)?;
        let is_own = |head: &&store::logs::Head| head.author == self.local.machine && head.epoch == self.local.epoch;
        let own = heads.iter().find(is_own);
        let since = own.map_or(EventKey::NONE, |own| own.last_event);
        let parents = heads
            .iter()
            .filter(|head| !is_own(head) && head.last_event > since)
            .map(|head| Parent { id: head.id, lamport: head.lamport });
        RunBuilder::new(open.wrote.session, &self.local, own.map(ledger::head).as_ref(), parents)
            .map_err(|error| conflict(&error))
    }

    /// Signs and writes the run that is being built.
    fn flush(&self, tx: &Tx<'_>, open: &mut Open) -> Result<(), StoreError> {
        let Some(builder) = open.builder.take() else { return Ok(()) };
        let count = builder.len();
        let (run, _) = builder.sign(self.identity).map_err(|error| conflict(&error))?;
        let first = open.written;
        let pushed = &open.pushed;
        let written = ledger::write(tx, open.key, &run, true, self.now_ms, |index| {
            pushed.get(first + index).and_then(|pushed| pushed.temp_id.clone())
        })?;
        if let Some(peer) = &open.peer {
            store::outbox::add(tx, peer, open.key, &written.keys, self.now_ms)?;
        }
        open.written += count;
        open.wrote.messages.extend(written.messages);
        open.wrote.runs.push(run.into_run());
        Ok(())
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

fn blocked() -> NodeError {
    NodeError::Forbidden { code: "user_blocked", message: "this machine is blocked; unblock it first".to_owned() }
}

fn internal(message: &str) -> NodeError {
    NodeError::Internal { message: message.to_owned() }
}

fn conflict(error: &AppendError) -> StoreError {
    StoreError::Conflict(error.to_string())
}
