//! What was acknowledged is there after the program was killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod scene;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use landline_store::{FILE_NAME, Store, logs, messages, outbox, sessions};
use proto::VersionVector;
use scene::{NOW, pair, write_run};
use tokio::task::JoinSet;

/// Where the child writes; set only in the child.
const CHILD: &str = "LANDLINE_STORE_TEST_CHILD";

/// The child: writes as fast as it can, 64 jobs at once, and says on its standard output what was acknowledged.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    // On one thread tasks send in the order in which they were made, so runs reach the store in their order.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&path).unwrap();
        let (mut alice, bob) = pair();
        let (session, peer) = (alice.session, bob.id());
        let key = store.write(move |tx| Ok(sessions::create_direct(tx, &session, &peer, NOW)?.0)).await.unwrap();
        let mut jobs = JoinSet::new();
        loop {
            while jobs.len() < 64 {
                let run = alice.write(&["one", "two", "three"], &[]);
                let store = store.clone();
                jobs.spawn(async move {
                    let last = run.last_seq();
                    store.write(move |tx| write_run(tx, key, &run, Some(&peer))).await.unwrap();
                    last
                });
            }
            let last = jobs.join_next().await.unwrap().unwrap();
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nacknowledged {last}").unwrap();
            out.flush().unwrap();
        }
    });
}

/// Starts the child, lets it get `count` acknowledgements out, kills it, and gives the highest that it said.
fn kill_after(path: &Path, count: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut acknowledged = Vec::new();
    while acknowledged.len() < count {
        let line = lines.next().expect("the child writes until it is killed");
        acknowledged.extend(line.strip_prefix("acknowledged ").map(|seq| seq.parse::<u64>().unwrap()));
    }
    child.kill().unwrap();
    // What it said before the signal reached it counts too.
    for line in lines {
        acknowledged.extend(line.strip_prefix("acknowledged ").and_then(|seq| seq.parse::<u64>().ok()));
    }
    child.wait().unwrap();
    acknowledged.into_iter().max().unwrap()
}

#[tokio::test]
async fn killed_in_the_middle() {
    for count in [1, 20, 400, 3_000] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let said = kill_after(&path, count);

        let store = Store::open(&path).expect("the file opens after a kill");
        let (alice, bob) = pair();
        let (session, author, peer) = (alice.session, alice.id(), bob.id());
        let check = store.read(move |r| {
            let key = sessions::find(r, &session)?.unwrap();
            let head = logs::heads(r, key)?.remove(0);
            assert!(head.seq >= said, "event {said} was acknowledged; the log ends at {}", head.seq);
            assert_eq!(head.seq % 3, 0, "a run is there whole or not at all");

            let mut seqs = Vec::new();
            let mut cursor = messages::Cursor::First;
            loop {
                let page = messages::page(r, key, &cursor, 200)?;
                seqs.extend(page.messages.iter().map(|message| message.order.seq));
                match page.messages.last() {
                    Some(last) if page.more_after => cursor = messages::Cursor::After(last.order),
                    _ => break,
                }
            }
            assert_eq!(seqs, (1..=head.seq).collect::<Vec<_>>(), "each event has its message");
            assert_eq!(outbox::count(r, &peer)?, head.seq, "and its outbox row");
            assert_eq!(u64::from(sessions::totals(r)?.waiting), head.seq, "and is counted");

            let mut held = VersionVector::new();
            loop {
                let batch = landline_store::runs::after(r, key, &held, 1 << 20)?;
                for run in batch.runs {
                    let run = run.verify().expect("each run verifies");
                    held.set_max(author, run.epoch(), run.last_seq());
                }
                if !batch.more {
                    break;
                }
            }
            assert_eq!(held, logs::vector(r, key)?, "all runs are there to be sent");
            Ok(())
        });
        check.await.unwrap();
        store.close().await.unwrap();
    }
}
