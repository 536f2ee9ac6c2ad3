//! Tunnels: two connections that are joined, and what one says passed on to the other unread.
//!
//! Where several nodes are one relay, a tunnel is at home at the node that gave out its tickets, whose name they begin with. Who
//! comes with one to another node is let in through a pipe between the two.
//!
//! Each way no more is in flight than a buffer takes, besides what sockets buffer: a message is read only when there is room for
//! it. So a side that reads slowly slows the other, and takes no memory. Messages that come at once go out at once: what was
//! written waits for the next only as long as that one is there already.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use proto::id::MachineId;
use proto::relay::Ticket;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::fabric::{NodeId, Pipe};
use crate::listener::Place;
use crate::metrics::Figures;
use crate::pace::Pace;

/// Most bytes of a message in a tunnel.
pub(crate) const MESSAGE_BYTES: usize = 64 << 10;

/// How long each side gets to take the end of a tunnel.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) per_machine: u32,
    pub(crate) total: u32,
    pub(crate) ticket: Duration,
    pub(crate) dead: Duration,
    pub(crate) bytes_per_second: u64,
}

/// All tunnels, and the tickets for those to come.
#[derive(Debug)]
pub(crate) struct Circuits {
    node: NodeId,
    bounds: Bounds,
    figures: Arc<Figures>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tickets: HashMap<[u8; 32], Admission>,
    by_machine: HashMap<MachineId, u32>,
    total: u32,
}

#[derive(Debug)]
struct Admission {
    circuit: Arc<Circuit>,
    until: Instant,
}

/// Why there is no tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoCircuit {
    /// Nobody is there for this token, or nobody who can take one more.
    Unreachable,
    /// Too many by this token: so many a minute, and how long to wait.
    TooOften(u32, Duration),
    /// The relay has as many as it may have.
    Relay(u32),
}

/// One tunnel, from its tickets on. It is counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Circuit {
    circuits: Arc<Circuits>,
    machine: MachineId,
    /// Where the side that came first waits for the other.
    meeting: Mutex<Option<oneshot::Sender<Side>>>,
}

/// One side of a tunnel.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) end: End,
    /// Its place among this node's connections, for as long as it lasts.
    pub(crate) place: Option<Place>,
}

/// Through what a side speaks.
#[derive(Debug)]
pub(crate) enum End {
    /// Its own connection.
    Socket(Box<WebSocket>),
    /// A pipe to the node to which it is connected, or in which its tunnel is at home.
    Pipe(Pipe),
}

/// What an end sends through.
enum Sink {
    Socket(SplitSink<WebSocket, Message>),
    Pipe(Arc<Pipe>),
}

/// What an end receives through.
enum Source {
    Socket(SplitStream<WebSocket>),
    Pipe(Arc<Pipe>),
}

impl End {
    fn split(self) -> (Sink, Source) {
        match self {
            Self::Socket(socket) => {
                let (sink, source) = (*socket).split();
                (Sink::Socket(sink), Source::Socket(source))
            }
            Self::Pipe(pipe) => {
                let pipe = Arc::new(pipe);
                (Sink::Pipe(pipe.clone()), Source::Pipe(pipe))
            }
        }
    }
}

impl Sink {
    /// Writes a message, which may wait for others to go out with; false when it could not.
    async fn feed(&mut self, bytes: Bytes) -> bool {
        match self {
            Self::Socket(socket) => socket.feed(Message::Binary(bytes)).await.is_ok(),
            Self::Pipe(pipe) => pipe.send(bytes).await,
        }
    }

    /// Sends what waits; false when it could not.
    async fn flush(&mut self) -> bool {
        match self {
            Self::Socket(socket) => socket.flush().await.is_ok(),
            Self::Pipe(_) => true,
        }
    }

    async fn close(&mut self) {
        match self {
            // Who does not take it finds the connection gone.
            Self::Socket(socket) => drop(socket.close().await),
            Self::Pipe(pipe) => pipe.close(),
        }
    }
}

impl Source {
    /// The next message; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Pipe(pipe) => pipe.receive().await,
            Self::Socket(socket) => loop {
                match socket.next().await?.ok()? {
                    Message::Binary(bytes) => return Some(bytes),
                    // Answered by the protocol machine.
                    Message::Ping(_) | Message::Pong(_) => {}
                    Message::Text(_) | Message::Close(_) => return None,
                }
            },
        }
    }
}

impl Drop for Circuit {
    fn drop(&mut self) {
        let mut state = self.circuits.state();
        state.total -= 1;
        if let Some(count) = state.by_machine.get_mut(&self.machine) {
            *count -= 1;
            if *count == 0 {
                state.by_machine.remove(&self.machine);
            }
        }
    }
}

impl Circuits {
    pub(crate) fn new(node: NodeId, bounds: Bounds, figures: Arc<Figures>) -> Arc<Self> {
        Arc::new(Self { node, bounds, figures, state: Mutex::default() })
    }

    /// A tunnel to a machine: a ticket for each side.
    pub(crate) fn open(self: &Arc<Self>, machine: MachineId) -> Result<(Ticket, Ticket), NoCircuit> {
        let mut tickets = [[0; 32]; 2];
        for ticket in &mut tickets {
            let (home, secret) = ticket.split_at_mut(NodeId::BYTES);
            home.copy_from_slice(&self.node.0);
            getrandom::fill(secret).map_err(|_| NoCircuit::Unreachable)?;
        }
        let mut state = self.state();
        if state.total >= self.bounds.total {
            return Err(NoCircuit::Relay(self.bounds.total));
        }
        let count = state.by_machine.entry(machine).or_default();
        if *count >= self.bounds.per_machine {
            return Err(NoCircuit::Unreachable);
        }
        *count += 1;
        state.total += 1;
        let circuit = Arc::new(Circuit { circuits: self.clone(), machine, meeting: Mutex::default() });
        let until = Instant::now() + self.bounds.ticket;
        for ticket in tickets {
            state.tickets.insert(ticket, Admission { circuit: circuit.clone(), until });
        }
        drop(state);
        let [near, far] = tickets;
        Ok((Ticket::from_bytes(near), Ticket::from_bytes(far)))
    }

    /// Takes a ticket. It counts once.
    pub(crate) fn redeem(&self, ticket: &[u8; 32]) -> Option<Arc<Circuit>> {
        let admission = self.state().tickets.remove(ticket)?;
        (Instant::now() < admission.until).then_some(admission.circuit)
    }

    /// Lets tickets go that nobody came with in time.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut expired = Vec::new();
        self.state().tickets.retain(|_, admission| {
            let stays = now < admission.until;
            if !stays {
                expired.push(admission.circuit.clone());
            }
            stays
        });
        // Dropped only now: a circuit counts itself out in the state that was locked.
        drop(expired);
    }

    /// How many there are, those to come included.
    pub(crate) fn count(&self) -> u32 {
        self.state().total
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counts and tickets change together without anything between that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Circuit {
    /// Lets a side in: waits for the other, or joins the one that waits. Returns when the tunnel has ended (for who came
    /// first), or when it was handed over.
    pub(crate) async fn join(self: Arc<Self>, side: Side, stop: CancellationToken) {
        let other = {
            // Held over both, so that of two that come at once one is the first.
            let mut meeting = self.meeting.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(first) = meeting.take() {
                // It may have given up meanwhile: then this side's connection ends as well.
                return drop(first.send(side));
            }
            let (sender, other) = oneshot::channel();
            *meeting = Some(sender);
            other
        };
        let other = tokio::select! {
            other = timeout(self.circuits.bounds.ticket, other) => other,
            () = stop.cancelled() => return,
        };
        if let Ok(Ok(other)) = other {
            self.pass(side, other, stop).await;
        }
    }

    async fn pass(&self, near: Side, far: Side, stop: CancellationToken) {
        let _places = (near.place, far.place);
        let ((mut to_near, from_near), (mut to_far, from_far)) = (near.end.split(), far.end.split());
        for side in [&mut to_near, &mut to_far] {
            if !side.feed(Bytes::new()).await || !side.flush().await {
                return;
            }
        }
        self.circuits.join((to_near, from_near), (to_far, from_far), true, stop).await;
    }
}

impl Circuits {
    /// Passes on between a side that came to this node and the pipe to where its tunnel is at home. What goes through is counted
    /// and paced there.
    pub(crate) async fn carry(&self, side: Side, pipe: Pipe, stop: CancellationToken) {
        let _place = side.place;
        self.join(side.end.split(), End::Pipe(pipe).split(), false, stop).await;
    }

    async fn join(
        &self,
        (mut to_near, from_near): (Sink, Source),
        (mut to_far, from_far): (Sink, Source),
        is_home: bool,
        stop: CancellationToken,
    ) {
        let passed = AtomicU64::new(0);
        let idle = async {
            let mut before = u64::MAX;
            loop {
                let now = passed.load(Ordering::Relaxed);
                if now == before {
                    return;
                }
                before = now;
                sleep(self.bounds.dead).await;
            }
        };
        tokio::select! {
            () = self.one_way(from_near, &mut to_far, &passed, is_home) => {}
            () = self.one_way(from_far, &mut to_near, &passed, is_home) => {}
            () = idle => {}
            () = stop.cancelled() => {}
        }
        let farewell = async { tokio::join!(to_near.close(), to_far.close()) };
        // Who does not take it finds the connection gone.
        let _ = timeout(FAREWELL, farewell).await;
    }

    async fn one_way(&self, mut from: Source, to: &mut Sink, passed: &AtomicU64, is_home: bool) {
        let mut pace = Pace::new(if is_home { self.bounds.bytes_per_second } else { 0 });
        loop {
            let next = match from.next().now_or_never() {
                Some(next) => next,
                None if !to.flush().await => return,
                None => from.next().await,
            };
            let Some(bytes) = next else { return };
            let size = bytes.len() as u64;
            if let Some(wait) = pace.count(size) {
                if !to.flush().await {
                    return;
                }
                wait.await;
            }
            passed.fetch_add(1, Ordering::Relaxed);
            if is_home {
                self.figures.passed_on(size);
            }
            if !to.feed(bytes).await {
                return;
            }
            passed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circuits(ticket: Duration) -> Arc<Circuits> {
        let bounds = Bounds { per_machine: 2, total: 3, ticket, dead: Duration::from_secs(90), bytes_per_second: 0 };
        Circuits::new(NodeId([9; 16]), bounds, Arc::default())
    }

    fn machine(number: u8) -> MachineId {
        MachineId::from_bytes([number; 32])
    }

    #[test]
    fn a_ticket_counts_once_and_not_for_long() {
        let lasting = circuits(Duration::from_secs(900));
        let (near, far) = lasting.open(machine(1)).unwrap();
        assert_ne!(near, far);
        assert!(lasting.redeem(near.as_bytes()).is_some());
        assert!(lasting.redeem(near.as_bytes()).is_none(), "because it counts once");
        assert!(lasting.redeem(&[0; 32]).is_none());
        let short = circuits(Duration::ZERO);
        let (near, far) = short.open(machine(1)).unwrap();
        assert!(short.redeem(near.as_bytes()).is_none() && short.redeem(far.as_bytes()).is_none());
        assert_eq!(short.count(), 0, "because nobody can come any more");
    }

    #[test]
    fn they_are_counted_until_they_end() {
        let circuits = circuits(Duration::from_secs(900));
        let first = circuits.open(machine(1)).unwrap();
        circuits.open(machine(1)).unwrap();
        assert_eq!(circuits.open(machine(1)).unwrap_err(), NoCircuit::Unreachable);
        let last = circuits.open(machine(2)).unwrap();
        assert_eq!(circuits.open(machine(3)).unwrap_err(), NoCircuit::Relay(3));
        let held = circuits.redeem(first.0.as_bytes()).unwrap();
        circuits.redeem(last.0.as_bytes());
        circuits.sweep();
        assert_eq!(circuits.count(), 3, "because all may still come");
        for admission in circuits.state().tickets.values_mut() {
            admission.until = Instant::now();
        }
        circuits.sweep();
        assert_eq!(circuits.count(), 1, "because one side of one came");
        drop(held);
        assert_eq!(circuits.count(), 0);
        assert!(circuits.state().by_machine.is_empty());
    }
}
