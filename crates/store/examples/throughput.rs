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

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use landline_store as store;
use proto::{Body, VerifiedRun};
use scene::{NOW, Scene, pair, write_run};
use store::messages::{self, Cursor};
use store::{Store, runs, sessions};

// One thread: tasks send in the order in which they were made, so runs reach the store in their order.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::args().nth(1).is_some_and(|argument| argument == "resident") {
        return resident(&PathBuf::from(std::env::args_os().nth(2).unwrap())).await;
    }
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
    let largest = std::env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    grown(largest).await;
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
async fn grown(largest: usize) {
    let scene = Scene::new();
    let (mut alice, bob) = pair();
    let (peer, session) = (bob.id(), alice.session);
    let key = scene.store.write(move |tx| Ok(sessions::create_direct(tx, &session, &peer, NOW)?.0)).await.unwrap();
    let mut count = 0_usize;
    for size in [largest / 100, largest / 10, largest] {
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
            vector = [(author, epoch, seq.saturating_sub(512))].into_iter().collect();
            figures[3].push(timed(store.read(move |r| runs::after(r, key, &vector, 256 << 10).map(drop))).await);
        }
        let [list, last, next, batch] = figures.map(median);
        println!("  session list {list:?}, last page {last:?}, next page {next:?}, batch of 512 to send {batch:?}");
    }
    let started = Instant::now();
    let scene = scene.reopened().await;
    println!("  close and open {:?}", started.elapsed());
    // Another process, whose memory holds nothing but the store.
    let path = scene.path();
    let scene = {
        scene.store.close().await.unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        assert!(child.arg("resident").arg(&path).status().unwrap().success());
        Scene { store: Store::open(&path).unwrap(), folder: scene.folder }
    };
    let started = Instant::now();
    scene.store.write(move |tx| messages::mark_read(tx, key, None).map(drop)).await.unwrap();
    println!("  mark all read {:?}", started.elapsed());
}

/// Opens a filled store, goes through pages and writes, and says what memory that took.
async fn resident(path: &Path) {
    let memory = |when: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().replace('\t', " ");
        println!("  memory {when}: {}, {}", field("RssAnon"), field("VmRSS"));
    };
    memory("at start");
    let store = Store::open(path).unwrap();
    memory("open");
    let (mut alice, _) = pair();
    let session = alice.session;
    let key = store.read(move |r| Ok(sessions::find(r, &session)?.unwrap())).await.unwrap();
    let mut cursor = Cursor::First;
    for _ in 0..20 {
        let page = store.read(move |r| messages::page(r, key, &cursor, 200)).await.unwrap();
        cursor = Cursor::After(page.messages.last().unwrap().order);
    }
    alice.local.epoch = proto::Epoch::new(99);
    for _ in 0..2_000 {
        let run = alice.write(&["hello"], &[]);
        store.write(move |tx| write_run(tx, key, &run, None)).await.unwrap();
    }
    memory("after 20 pages and 2,000 writes");
    store.close().await.unwrap();
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
