//! What nodes say to each other directly. Nothing of it is kept: who gets no answer says that nobody is there.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use bytes::Bytes;
use futures_util::StreamExt as _;
use minicbor::{Decode, Encode};
use proto::id::MachineId;
use tokio::time::{sleep, timeout};

use super::kept;
use super::pipe::{Pipe, PipeId};
use super::{Fabric, NodeId, presence};
use crate::circuits::{End, NoCircuit, Side};
use crate::mailboxes::TokenHash;
use crate::relay::Inner;

/// Where a node is asked something; its ID follows.
const ASK: &str = "landline.ask.";

/// Where a node gets what goes through tunnels; its ID follows.
pub(super) const PIPE: &str = "landline.pipe.";

/// Where a node tells all for whom something has arrived: its ID, and those of the machines.
const ARRIVED: &str = "landline.arrived";

/// Where each node tells all that it lives, or that it ends. Not in the bucket: that cannot be written while its servers choose
/// a leader, which must not look like the death of all nodes.
const ALIVE: &str = "landline.alive";

/// How long another node may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// Machines in one message about arrivals.
const ARRIVED_AT_ONCE: usize = 1_024;

/// Pause before the subjects are subscribed to again.
const PAUSE: Duration = Duration::from_millis(200);

/// What a node is asked.
#[derive(Debug, Encode, Decode)]
enum Ask {
    /// To open a tunnel to a machine that is there.
    #[n(0)]
    Open {
        #[cbor(n(0), with = "minicbor::bytes")]
        machine: [u8; 32],
        #[cbor(n(1), with = "minicbor::bytes")]
        token: TokenHash,
    },
    /// To let somebody with a ticket into a tunnel, over a pipe.
    #[n(1)]
    Enter {
        #[cbor(n(0), with = "minicbor::bytes")]
        ticket: [u8; 32],
        #[cbor(n(1), with = "minicbor::bytes")]
        pipe: PipeId,
        #[cbor(n(2), with = "minicbor::bytes")]
        from: [u8; NodeId::BYTES],
    },
}

/// What it answers.
#[derive(Debug, Encode, Decode)]
enum Told {
    /// The ticket for who asked.
    #[n(0)]
    Opened {
        #[cbor(n(0), with = "minicbor::bytes")]
        ticket: [u8; 32],
    },
    /// Nobody is there for this token.
    #[n(1)]
    Unreachable,
    /// Too many tunnels by this token.
    #[n(2)]
    TooOften {
        #[n(0)]
        per_minute: u32,
        #[n(1)]
        wait_ms: u64,
    },
    /// That node has as many tunnels as it may have.
    #[n(3)]
    Full {
        #[n(0)]
        limit: u32,
    },
    /// The pipe leads into the tunnel.
    #[n(4)]
    Entered,
    /// There is no such ticket.
    #[n(5)]
    NoTicket,
}

impl Fabric {
    /// Opens a tunnel to a machine that may be at another node.
    pub(crate) async fn open(&self, machine: &MachineId, token: &TokenHash) -> Result<[u8; 32], NoCircuit> {
        let Ok(store) = self.connection.is_ready() else { return Err(NoCircuit::Unreachable) };
        let entry = store.entry(kept::key(machine)).await;
        let Ok(Some(entry)) = entry else { return Err(NoCircuit::Unreachable) };
        let there = kept::report(&entry, self.node).there.filter(|(node, _)| self.nodes.lives(*node));
        let Some((node, _)) = there else { return Err(NoCircuit::Unreachable) };
        match self.ask(node, &Ask::Open { machine: *machine.as_bytes(), token: *token }).await {
            Some(Told::Opened { ticket }) => Ok(ticket),
            Some(Told::TooOften { per_minute, wait_ms }) => {
                Err(NoCircuit::TooOften(per_minute, Duration::from_millis(wait_ms)))
            }
            Some(Told::Full { limit }) => Err(NoCircuit::Relay(limit)),
            _ => Err(NoCircuit::Unreachable),
        }
    }

    /// Enters a tunnel at the node that gave out its ticket.
    pub(crate) async fn enter(&self, ticket: &[u8; 32]) -> Option<Pipe> {
        let (home, _) = ticket.split_first_chunk().map(|(home, rest)| (NodeId(*home), rest))?;
        // A client may name any home: one that nobody has is asked in vain.
        if home == self.node || self.nodes.is_lost(home) {
            return None;
        }
        let pipe = self.pipes.open(None, home)?;
        let ask = Ask::Enter { ticket: *ticket, pipe: pipe.id(), from: self.node.0 };
        match self.ask(home, &ask).await {
            Some(Told::Entered) => Some(pipe),
            _ => {
                pipe.give_up();
                None
            }
        }
    }

    async fn ask(&self, node: NodeId, ask: &Ask) -> Option<Told> {
        let bytes = minicbor::to_vec(ask).ok()?;
        let asked = self.connection.client.request(format!("{ASK}{node}"), bytes.into());
        let answer = timeout(ANSWER, asked).await.ok()?.ok()?;
        minicbor::decode(&answer.payload).ok()
    }
}

/// Tells all nodes for whom something has arrived.
pub(super) async fn tell_arrived(fabric: &Fabric, machines: impl Iterator<Item = MachineId>) {
    let machines: Vec<MachineId> = machines.collect();
    for some in machines.chunks(ARRIVED_AT_ONCE) {
        let mut bytes = fabric.node.0.to_vec();
        bytes.extend(some.iter().flat_map(|machine| *machine.as_bytes()));
        if let Err(error) = fabric.connection.client.publish(ARRIVED, bytes.into()).await {
            tracing::debug!(%error, "other nodes were not told what arrived");
        }
    }
}

/// Tells all nodes that this one lives, or that it ends.
pub(super) async fn tell_alive(fabric: &Fabric, is_alive: bool) {
    // What is said while there is no connection would be said late.
    if fabric.connection.is_ready().is_err() {
        return;
    }
    let mut bytes = fabric.node.0.to_vec();
    bytes.push(u8::from(is_alive));
    if let Err(error) = fabric.connection.client.publish(ALIVE, bytes.into()).await {
        tracing::debug!(%error, "this node could not say that it lives");
    }
}

fn hear_arrived(fabric: &Fabric, relay: &Inner, bytes: &[u8]) {
    let Some((from, machines)) = bytes.split_first_chunk() else { return };
    // Who is here was told already.
    if NodeId(*from) == fabric.node {
        return;
    }
    let (ids, _) = machines.as_chunks::<32>();
    for id in ids {
        relay.hub.arrived(&MachineId::from_bytes(*id));
    }
}

fn hear_alive(fabric: &Fabric, relay: &Inner, bytes: &[u8]) {
    let Some((node, [is_alive])) = bytes.split_first_chunk() else { return };
    let node = NodeId(*node);
    if node == fabric.node {
        return;
    }
    if *is_alive == 0 {
        fabric.nodes.lose(node);
        presence::lose(fabric, relay, node);
    } else if fabric.nodes.hear(node) {
        // Thought lost, it lives after all: so do its machines.
        fabric.outbox.wanted(relay.hub.all_watched());
    }
}

/// Listens to the other nodes until the relay stops.
pub(super) async fn listen(fabric: Arc<Fabric>, relay: Arc<Inner>) {
    let stop = relay.tasks.stopping().clone();
    loop {
        tokio::select! {
            () = listen_on(&fabric, &relay) => {}
            () = stop.cancelled() => return,
        }
        sleep(PAUSE).await;
    }
}

async fn listen_on(fabric: &Arc<Fabric>, relay: &Arc<Inner>) {
    let client = &fabric.connection.client;
    let asked = client.subscribe(format!("{ASK}{}", fabric.node)).await;
    let piped = client.subscribe(format!("{PIPE}{}", fabric.node)).await;
    let arrived = client.subscribe(ARRIVED).await;
    let alive = client.subscribe(ALIVE).await;
    // Subscriptions outlive lost connections; they only end with the client.
    let (Ok(mut asked), Ok(mut piped), Ok(mut arrived), Ok(mut alive)) = (asked, piped, arrived, alive) else { return };
    loop {
        tokio::select! {
            ask = asked.next() => {
                let Some(ask) = ask else { return };
                answer(fabric, relay, &ask).await;
            }
            frame = piped.next() => {
                let Some(frame) = frame else { return };
                fabric.pipes.receive(frame.payload);
            }
            alive = alive.next() => {
                let Some(alive) = alive else { return };
                hear_alive(fabric, relay, &alive.payload);
            }
            machines = arrived.next() => {
                let Some(machines) = machines else { return };
                hear_arrived(fabric, relay, &machines.payload);
            }
        }
    }
}

async fn answer(fabric: &Arc<Fabric>, relay: &Arc<Inner>, message: &Message) {
    let Some(reply) = message.reply.clone() else { return };
    let told = match minicbor::decode(&message.payload) {
        Ok(Ask::Open { machine, token }) => open(relay, &MachineId::from_bytes(machine), &token),
        Ok(Ask::Enter { ticket, pipe, from }) => enter(fabric, relay, &ticket, pipe, NodeId(from)),
        Err(error) => {
            tracing::debug!(%error, "another node asked something that this one does not know");
            return;
        }
    };
    let Ok(bytes) = minicbor::to_vec(&told) else { return };
    if let Err(error) = fabric.connection.client.publish(reply, Bytes::from(bytes)).await {
        tracing::debug!(%error, "another node was not answered");
    }
}

fn open(relay: &Inner, machine: &MachineId, token: &TokenHash) -> Told {
    match relay.open(machine, token) {
        Ok(ticket) => Told::Opened { ticket: *ticket.as_bytes() },
        Err(NoCircuit::TooOften(per_minute, wait)) => {
            Told::TooOften { per_minute, wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) }
        }
        Err(NoCircuit::Relay(limit)) => Told::Full { limit },
        Err(NoCircuit::Unreachable) => Told::Unreachable,
    }
}

fn enter(fabric: &Fabric, relay: &Arc<Inner>, ticket: &[u8; 32], pipe: PipeId, from: NodeId) -> Told {
    let Some(circuit) = relay.circuits.redeem(ticket) else { return Told::NoTicket };
    let Some(pipe) = fabric.pipes.open(Some(pipe), from) else { return Told::NoTicket };
    let side = Side { end: End::Pipe(pipe), place: None };
    relay.tasks.spawn("circuit", circuit.join(side, relay.tasks.stopping().clone()));
    Told::Entered
}
