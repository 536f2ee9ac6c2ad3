//! What makes one relay of many nodes: each is told who is at the others, and joins tunnels whose ends are at two of them.
//!
//! Where a machine is stands in a key-value bucket, with its valid tokens. The bucket's revisions put all logins into one order, and
//! each node follows it. An entry counts while its node lives, which each says every few seconds. Everything else are
//! messages that nobody keeps: a node asks another to open a tunnel or to let a ticket in, tells all that something arrived, and
//! passes on what goes through tunnels ([`pipe`]).

mod kept;
mod nodes;
mod outbox;
mod pipe;
mod presence;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv;
use futures_util::FutureExt as _;

pub(crate) use outbox::Outbox;
pub(crate) use pipe::{Pipe, Pipes};

use crate::mailboxes::MailboxError;
use crate::nats::connection::{Connection, Setup};
use crate::nats::{NatsConfig, NatsError};
use crate::relay::Inner;
use crate::tasks::Tasks;
use nodes::Nodes;

/// Names a node for as long as it runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(crate) [u8; NodeId::BYTES]);

impl NodeId {
    /// Its bytes. Tickets begin with them.
    pub(crate) const BYTES: usize = 16;

    /// A new one.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; Self::BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

/// This node's part of the fabric.
#[derive(Debug)]
pub(crate) struct Fabric {
    pub(crate) node: NodeId,
    pub(crate) pipes: Arc<Pipes>,
    outbox: Arc<Outbox>,
    connection: Arc<Connection<kv::Store>>,
    nodes: Nodes,
}

impl Fabric {
    /// Begins to connect. It does nothing until [`Fabric::run`]. `lease` is the silence after which a node is taken for gone.
    pub(crate) async fn start(
        config: &NatsConfig,
        node: NodeId,
        outbox: Arc<Outbox>,
        lease: Duration,
        tasks: &Tasks,
    ) -> Result<Self, NatsError> {
        let named = Arc::new(config.clone());
        let setup: Setup<kv::Store> = Box::new(move |client, jetstream| {
            let config = named.clone();
            async move { kept::set_up(&client, &jetstream, &config).await }.boxed()
        });
        let connection = Connection::start(config, "what connects this relay's nodes", setup, tasks).await?;
        let pipes = Pipes::new(node, connection.client.clone());
        Ok(Self { node, pipes, outbox, connection, nodes: Nodes::new(lease) })
    }

    /// Whether the connection to them stands.
    pub(crate) fn works(&self) -> Result<(), MailboxError> {
        self.connection.is_ready().map(drop)
    }

    /// Does its part until the relay stops.
    pub(crate) fn run(self: &Arc<Self>, relay: &Arc<Inner>) {
        let tasks = &relay.tasks;
        tasks.spawn("presence", presence::announce(self.clone(), relay.clone()));
        tasks.spawn("presence of others", presence::follow(self.clone(), relay.clone()));
        tasks.spawn("heartbeat", presence::beat(self.clone(), relay.clone()));
        tasks.spawn("messages of nodes", wire::listen(self.clone(), relay.clone()));
        tasks.spawn("pipes", pipe::tend(self.pipes.clone(), tasks.stopping().clone()));
    }
}
