//! Two nodes in one process, and what one pair of them carries: `cargo run --release -p landline-node --example pair [messages]`.
//!
//! Prints the latency of single messages from queued to delivered, and messages a second with 256 in flight. Both nodes are
//! real: databases in a temporary directory, TLS over the loopback, every message durable on both disks.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a program for measuring, not for people"
)]

use std::time::{Duration, Instant};

use landline_node as node;
use node::view::{Change, MessageState};
use node::{Changes, Config, KeyStore, Node, SendRequest};

/// Senders at once: what the goal for a pipelined pair is stated for.
const WINDOW: usize = 256;

/// Bytes of a message: the length that the published figures of other systems are for.
const BYTES: usize = 300;

#[tokio::main]
async fn main() {
    let count: usize = std::env::args().nth(1).map_or(20_000, |count| count.parse().expect("a number of messages"));
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let alice = start(dir.path(), "Alice").await;
    println!("start of a new node: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let bob = start(dir.path(), "Bob").await;
    let (session, _) = alice.create_session(&bob.machine_id().to_string()).await.unwrap();
    let mut at_bob = bob.changes();
    alice.add_address(&bob.listen_addr().to_string()).await.unwrap();
    loop {
        if let Some(Ok(Change::SessionChanged { opened: true, .. })) = at_bob.next().await {
            break;
        }
    }
    bob.accept(&alice.machine_id().to_string()).await.unwrap();
    drop(at_bob);

    let mut changes = alice.changes();
    let mut latencies = Vec::new();
    for _ in 0..300 {
        let started = Instant::now();
        let id = send(&alice, &session.session_id).await;
        delivered(&mut changes, &id).await;
        latencies.push(started.elapsed());
    }
    latencies.sort();
    let at = |part: f64| latencies[(latencies.len() as f64 * part) as usize].as_micros();
    println!("one at a time, queued to delivered: p50 {} µs, p99 {} µs", at(0.5), at(0.99));
    drop(changes);

    let started = Instant::now();
    let (next, session) = (&std::sync::atomic::AtomicUsize::new(0), &session.session_id);
    let sender = async |node: &Node| {
        while next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < count {
            send(node, session).await;
        }
    };
    futures_util::future::join_all((0..WINDOW).map(|_| sender(&alice))).await;
    let queued = started.elapsed();
    while alice.status().await.unwrap().waiting > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = started.elapsed();
    let rate = |took: Duration| count as f64 / took.as_secs_f64();
    println!(
        "{count} messages of {BYTES} bytes, {WINDOW} senders: queued {:.0}/s, delivered {:.0}/s",
        rate(queued),
        rate(took)
    );
    println!("resident memory, both nodes: {}", memory());
    bob.shutdown().await;
    alice.shutdown().await;
    let started = Instant::now();
    let alice = start(dir.path(), "Alice").await;
    println!("start with {count} messages: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    alice.shutdown().await;
}

async fn start(dir: &std::path::Path, name: &str) -> Node {
    let mut config = Config::new(dir.join(name));
    config.name = Some(name.to_owned());
    config.listen = ([127, 0, 0, 1], 0).into();
    config.mdns = false;
    config.beacon = false;
    config.key_store = KeyStore::File;
    Node::start(config).await.unwrap()
}

async fn send(node: &Node, session: &str) -> String {
    let request = SendRequest {
        session: session.to_owned(),
        message: "x".repeat(BYTES),
        attachments: Vec::new(),
        temp_id: None,
        caller: "pair".to_owned(),
        ..SendRequest::default()
    };
    node.send_message(request).await.unwrap().id
}

async fn delivered(changes: &mut Changes, id: &str) {
    loop {
        if let Some(Ok(Change::MessageChanged { message, .. })) = changes.next().await
            && message.id == id
            && message.state == MessageState::Delivered
        {
            return;
        }
    }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("unknown");
    line.trim_start_matches("VmRSS:").trim().to_owned()
}
