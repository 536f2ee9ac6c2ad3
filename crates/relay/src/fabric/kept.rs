//! The bucket that says where each machine is.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::jetstream::{Context, kv};
use minicbor::{Decode, Encode};
use proto::id::MachineId;

use super::NodeId;
use crate::hub::{Card, Report};
use crate::mailboxes::Token;
use crate::nats::NatsConfig;
use crate::nats::stream::{explain, hex, unhex};

/// Name of the bucket.
const BUCKET: &str = "landline_presence";

/// How long an entry stays that nobody writes again: those of nodes that are gone count for nothing, and take room until then.
pub(super) const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// How often a node writes its entries again.
pub(super) const RENEWAL: Duration = Duration::from_secs(20 * 60);

/// Bytes of an entry at most: of a machine with 4,096 tokens.
const ENTRY_BYTES: usize = 256 << 10;

/// Where a machine is.
#[derive(Debug, Encode, Decode)]
struct Entry {
    #[cbor(n(0), with = "minicbor::bytes")]
    node: [u8; NodeId::BYTES],
    #[n(1)]
    tokens: Vec<Row>,
    /// Where its login stands; 0 when this entry is the login.
    #[n(2)]
    login: u64,
}

#[derive(Debug, Encode, Decode)]
struct Row {
    #[cbor(n(0), with = "minicbor::bytes")]
    hash: [u8; 32],
    #[n(1)]
    expires_s: u64,
}

/// Finds the bucket, or makes it; says what is in the way.
pub(super) async fn set_up(client: &Client, jetstream: &Context, config: &NatsConfig) -> Result<kv::Store, String> {
    let replicas = config.replicas(client.server_info().cluster.is_some());
    if let Ok(found) = jetstream.get_key_value(BUCKET).await {
        return Ok(found);
    }
    // As the stream that a bucket is (NATS ADR-8): what the library does first for a bucket, servers of version 2.9 answer in a
    // form that it no longer reads.
    let bucket = Config {
        name: format!("KV_{BUCKET}"),
        description: Some("where the machines of a Landline relay are".to_owned()),
        subjects: vec![format!("$KV.{BUCKET}.>")],
        max_messages_per_subject: 1,
        max_age: MAX_AGE,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        storage: StorageType::File,
        num_replicas: replicas,
        ..Config::default()
    };
    jetstream.create_stream(bucket).await.map_err(|error| explain(&error, replicas))?;
    jetstream.get_key_value(BUCKET).await.map_err(|error| explain(&error, replicas))
}

/// The key of a machine's entry.
pub(super) fn key(machine: &MachineId) -> String {
    hex(machine.as_bytes())
}

/// The machine that a key names.
pub(super) fn machine(key: &str) -> Option<MachineId> {
    unhex(key).map(MachineId::from_bytes)
}

/// What the bucket is given of a machine at a node, at its login or with where that stands.
pub(super) fn encode(node: NodeId, card: &Card, login: Option<u64>) -> Option<Vec<u8>> {
    let row = |token: &Token| Row { hash: token.hash, expires_s: token.expires_s };
    let entry = Entry { node: node.0, tokens: card.tokens.iter().map(row).collect(), login: login.unwrap_or(0) };
    minicbor::to_vec(entry).ok().filter(|bytes| bytes.len() <= ENTRY_BYTES)
}

/// What an entry of the bucket says, to this node: its own machines are at no other.
pub(super) fn report(entry: &kv::Entry, own: NodeId) -> Report {
    let is_put = entry.operation == kv::Operation::Put && entry.value.len() <= ENTRY_BYTES;
    let decoded: Option<Entry> = is_put.then(|| minicbor::decode(&entry.value).ok()).flatten();
    let login = decoded.as_ref().map(|entry| entry.login).filter(|login| *login > 0).unwrap_or(entry.revision);
    let is_own = decoded.as_ref().is_some_and(|entry| entry.node == own.0);
    let there = decoded.filter(|_| !is_own).map(|entry| {
        let tokens = entry.tokens.iter().map(|row| Token { hash: row.hash, expires_s: row.expires_s });
        (NodeId(entry.node), tokens.collect())
    });
    Report { at: entry.revision, login, is_own, there }
}
