//! Measures mailboxes: what is put, fetched and taken away in a second, durable as far as the store makes it.
//!
//! ```sh
//! cargo run --release -p landline-relay --example mailboxes -- sqlite FOLDER
//! cargo run --release -p landline-relay --example mailboxes -- nats://HOST[,…] [REPLICAS]
//! ```
//! An envelope has 2,177 bytes, the smallest that clients make. Each of some rounds puts 10 of them into each of 1,000 mailboxes, so many
//! at once, fetches them, and acknowledges them ten at a time. The median of the rounds is printed, with the least and the
//! greatest.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a program that measures prints what it found, and ends when something is in the way"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use landline_relay::mailboxes::{Mailboxes, Put, Quotas, Token, TokenChange};
use landline_relay::{Limits, NatsConfig, NatsMailboxes, SqliteMailboxes};
use proto::clock::ManualClock;
use proto::id::MachineId;

const NOW_S: u64 = 1_800_000_000;
const MAILBOXES: u32 = 1_000;
const ITEMS: u32 = 10;
const ENVELOPE_BYTES: usize = 2_177;
const ROUNDS: u32 = 5;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quotas = Quotas { mailboxes: 1_000_000, ..Quotas::from(&Limits::default()) };
    let store: Arc<dyn Mailboxes> = match arguments.as_slice() {
        [kind, folder] if kind == "sqlite" => {
            std::fs::create_dir_all(folder).unwrap();
            Arc::new(SqliteMailboxes::open(Path::new(folder), quotas, NOW_S * 1_000).unwrap())
        }
        [servers, more @ ..] => {
            let mut config = NatsConfig::new(servers).unwrap();
            config.replicas = more.first().map(|replicas| replicas.parse().unwrap());
            let clock = Arc::new(ManualClock::new(NOW_S * 1_000));
            Arc::new(NatsMailboxes::open(&config, quotas, clock).await.unwrap())
        }
        [] => panic!("say where: sqlite FOLDER, or nats://HOST [REPLICAS]"),
    };
    for number in 0..MAILBOXES {
        let machine = machine(number);
        store.enter(machine, NOW_S).await.unwrap();
        let add = vec![Token { hash: [7; 32], expires_s: 0 }];
        store.change_tokens(machine, TokenChange { add, ..TokenChange::default() }, NOW_S).await.unwrap();
    }
    for at_once in [1, 16, 256] {
        let (mut puts, mut fetches, mut acknowledgements) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let rate = |begun: Instant, count: u32| f64::from(count) / begun.elapsed().as_secs_f64();
            // One at a time takes long: fewer are enough.
            let mailboxes = if at_once == 1 { MAILBOXES / 10 } else { MAILBOXES };
            let items = (0..ITEMS * mailboxes).map(|item| {
                let mut envelope = vec![0; ENVELOPE_BYTES];
                let name = [round, item, at_once].map(u32::to_be_bytes).concat();
                envelope[..name.len()].copy_from_slice(&name);
                let to = machine(item % mailboxes);
                Put { to, token: Some([7; 32]), envelope: Bytes::from(envelope), now_s: NOW_S }
            });
            let begun = Instant::now();
            let putting = stream::iter(items)
                .for_each_concurrent(at_once as usize, |put| async { _ = store.put(put).await.unwrap() });
            putting.await;
            puts.push(rate(begun, ITEMS * mailboxes));
            let begun = Instant::now();
            let fetching = stream::iter(0..mailboxes).map(|number| store.fetch(machine(number), 0, 64, 1 << 20));
            let pages: Vec<_> = fetching.buffered(at_once as usize).collect().await;
            fetches.push(rate(begun, ITEMS * mailboxes));
            let begun = Instant::now();
            let taking = stream::iter((0..).zip(pages)).for_each_concurrent(at_once as usize, |(number, page)| {
                let cursors: Vec<u64> = page.unwrap().items.iter().map(|item| item.cursor).collect();
                assert_eq!(cursors.len(), ITEMS as usize);
                let store = &store;
                async move { store.acknowledge(machine(number), cursors).await.unwrap() }
            });
            taking.await;
            acknowledgements.push(rate(begun, ITEMS * mailboxes));
        }
        let all = [("put", puts), ("fetched", fetches), ("taken away", acknowledgements)];
        for (what, mut rates) in all {
            rates.sort_by(f64::total_cmp);
            let (least, median, most) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
            println!("{at_once:>4} at once: {what:<10} {median:>9.0} items/s ({least:.0}–{most:.0})");
        }
    }
    let counting = tokio::time::timeout(Duration::from_secs(5), store.count()).await;
    println!("kept: {:?}", counting.unwrap().unwrap());
    store.close().await.unwrap();
}

fn machine(number: u32) -> MachineId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    MachineId::from_bytes(bytes)
}
