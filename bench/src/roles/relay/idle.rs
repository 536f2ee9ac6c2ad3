//! Clients that are logged in and say nothing: each with an identity of its own.

use anyhow::{Context, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use proto::Identity;
use proto::relay::RelayAddress;
use serde_json::json;
use tokio::task::JoinSet;

use super::wire::{Door, Wire, random};
use crate::roles::landline::{block_on, input_closes};
use crate::roles::say;

/// Logins at a time: enough to keep the relay busy, few enough that none waits until it is sent away.
const AT_ONCE: usize = 64;

pub(in crate::roles) fn run(relay: RelayAddress, count: usize) -> Result<()> {
    raise_descriptors();
    block_on(async {
        let door = Door::new(relay)?;
        let logins = stream::iter(0..count).map(|_| log_in(&door)).buffer_unordered(AT_ONCE);
        let clients: Vec<_> = logins.try_collect().await?;
        let mut answering = JoinSet::new();
        for mut client in clients {
            // To read is to answer: the relay asks from time to time whether a client is there.
            answering.spawn(async move { while client.socket.next().await.is_some_and(|read| read.is_ok()) {} });
        }
        say(&json!({ "connected": count }));
        tokio::select! {
            closed = input_closes() => closed,
            ended = answering.join_next(), if count > 0 => {
                Err(anyhow::anyhow!("the relay ended a connection: {ended:?}"))
            }
        }
    })
}

async fn log_in(door: &Door) -> Result<Wire> {
    Wire::log_in(door, &Identity::from_seed(random()?)).await.context("a client could not log in")
}

/// Each client takes a descriptor, and many systems allow a program 1,024 unless it asks.
fn raise_descriptors() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        // What is not allowed shows as connections that cannot be opened.
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
    }
}
