//! Rows a second that the store takes and gives. `cargo run --release -p landline-store --example throughput`
//!
//! A message is three rows: event, message, outbox. Signing and encoding are done before the clock starts.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a measurement, not the program"
)]

#[path = "../tests/scene/mod.rs"]
mod scene;

use std::time::{Duration, Instant};

use landline_store as store;
use proto::{Body, VerifiedRun};
use scene::{NOW, Scene, pair, write_run};
use store::messages::{self, Cursor};
use store::{runs, sessions};

// One thread: tasks send in the order in which they were made, so runs reach the store in their order.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let total: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(50_000);
    println!("sync of one page: {:?}", median((0..9).map(|_| sync()).collect()));
    for (run, window) in [(1, 1), (1, 64), (1, 256), (256, 1), (256, 4)] {
        let total = if (run, window) == (1, 1) { total.min(2_000) } else { total };
        for own in [true, false] {
            let rates: Vec<f64> = {
                let mut rates = Vec::new();
                for _ in 0..3 {
                    rates.push(write(total, run, window, own).await);
                }
                rates
            };
            let who = if own { "own, with outbox" } else { "received, unread" };
            println!("{total} messages, {run} a run, {window} jobs at once, {who}: {rates:.0?} messages/s");
        }
    }
    grown().await;
}

fn texts(count: usize) -> Vec<Body> {
    (0..count).map(|number| Body::message(format!("{number:0300}"))).collect()
}

async fn write(total: usize, run: usize, window: usize, own: bool) -> f64 {
    let scene = Scene::new();
    let (mut alice, bob) = pair();
    let all: Vec<VerifiedRun> = texts(total).chunks(run).map(|bodies| alice.run(bodies, &[])).collect();
    let (peer, session) = (bob.id(), alice.session);
    let key = scene.store.write(move |tx| Ok(sessions::create_direct(tx, &session, &peer, NOW)?.0)).await.unwrap();
    let started = Instant::now();
    let mut all = all.into_iter();
    let mut queued = tokio::task::JoinSet::new();
    loop {
        while queued.len() < window {
            let Some(run) = all.next() else { break };
            let store = scene.store.clone();
            queued.spawn(async move { store.write(move |tx| write_run(tx, key, &run, own.then_some(&peer))).await });
        }
        match queued.join_next().await {
            Some(done) => drop(done.unwrap().unwrap()),
            None => break,
        }
    }
    let rate = total as f64 / started.elapsed().as_secs_f64();
    scene.store.close().await.unwrap();
    rate
}

/// Reads at three sizes: what grows with the number of messages shows here.
async fn grown() {
    let scene = Scene::new();
    let (mut alice, bob) = pair();
    let (peer, session) = (bob.id(), alice.session);
    let key = scene.store.write(move |tx| Ok(sessions::create_direct(tx, &session, &peer, NOW)?.0)).await.unwrap();
    let mut count = 0_usize;
    for size in [10_000, 100_000, 1_000_000] {
        let started = Instant::now();
        let before = count;
        while count < size {
            let mut runs = Vec::new();
            for _ in 0..16_usize.min((size - count).div_ceil(256)) {
                let bodies = texts(256.min(size - count));
                count += bodies.len();
                runs.push(alice.run(&bodies, &[]));
            }
            scene
                .store
                .write(move |tx| runs.iter().try_for_each(|run| write_run(tx, key, run, None).map(drop)))
                .await
                .unwrap();
        }
        let rate = (count - before) as f64 / started.elapsed().as_secs_f64();
        let bytes = std::fs::metadata(scene.path()).unwrap().len();
        println!("{count} messages ({} MB; {rate:.0}/s with signing):", bytes >> 20);
        let mut figures = [const { Vec::new() }; 4];
        for _ in 0..101 {
            let store = &scene.store;
            figures[0].push(timed(store.read(move |r| sessions::list(r, None, 50).map(drop))).await);
            figures[1].push(timed(store.read(move |r| messages::page(r, key, &Cursor::Last, 50).map(drop))).await);
            let middle = store.read(move |r| messages::page(r, key, &Cursor::Last, 200)).await.unwrap();
            let order = middle.messages[0].order;
            figures[2]
                .push(timed(store.read(move |r| messages::page(r, key, &Cursor::Before(order), 50).map(drop))).await);
            let mut vector = store.read(move |r| store::logs::vector(r, key)).await.unwrap();
            let (author, epoch, seq) = vector.iter().map(|(a, e, s)| (*a, e, s)).next().unwrap();
            vector = [(author, epoch, seq - 512)].into_iter().collect();
            figures[3].push(timed(store.read(move |r| runs::after(r, key, &vector, 256 << 10).map(drop))).await);
        }
        let [list, last, next, batch] = figures.map(median);
        println!("  session list {list:?}, last page {last:?}, next page {next:?}, batch of 512 to send {batch:?}");
    }
    let started = Instant::now();
    let scene = scene.reopened().await;
    println!("  close and open {:?}", started.elapsed());
    scene.store.read(move |r| messages::page(r, key, &Cursor::Last, 200)).await.unwrap();
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        println!("  {}", status.lines().find(|line| line.starts_with("RssAnon")).unwrap_or_default());
    }
    let started = Instant::now();
    scene.store.write(move |tx| messages::mark_read(tx, key, None).map(drop)).await.unwrap();
    println!("  mark a million read {:?}", started.elapsed());
}

async fn timed(job: impl Future<Output = Result<(), store::StoreError>>) -> Duration {
    let started = Instant::now();
    job.await.unwrap();
    started.elapsed()
}

fn sync() -> Duration {
    use std::io::Write;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let started = Instant::now();
    file.write_all(&[1; 4096]).unwrap();
    file.as_file().sync_data().unwrap();
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
