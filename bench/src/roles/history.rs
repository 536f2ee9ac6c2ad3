//! A profile with one long session: filled through the store, then opened, paged through and searched through the
//! handle that the window uses.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use node::view::{Message, SearchPage};
use node::{Node, PageRequest, SearchRequest};
use proto::id::{Epoch, SessionId};
use proto::identity::Identity;
use proto::log::{Head, Local, RunBuilder};
use proto::{Body, VerifiedRun};
use serde_json::json;
use store::machines::Trust;
use store::messages::{MessageKind, NewMessage};
use store::{SessionKey, Store, Tx};

use super::landline::{block_on, config};
use super::{History, say};

/// When the first message was written; the others follow a minute apart.
const BEGAN_MS: u64 = 1_700_000_000_000;
const APART_MS: u64 = 60_000;

/// Runs written in one transaction.
const RUNS: usize = 16;

/// How often each thing is done.
const TIMES: usize = 51;

/// Messages of a page, as the window asks for them.
const PAGE: u32 = 60;

/// A word that every tenth message holds, and one of a single message.
const COMMON: &str = "harbour";
const RARE: &str = "zyzzyva";

const WORDS: [&str; 20] = [
    "about", "bridge", "candle", "dinner", "evening", "friend", "garden", "honest", "island", "journey", "kitchen",
    "letter", "morning", "number", "orange", "paper", "question", "river", "summer", "ticket",
];

/// What number `number` says: eighteen words, as people write them in two lines.
fn text(number: usize) -> String {
    let mut text = String::with_capacity(130);
    let mut seed = number.wrapping_mul(2_654_435_761);
    for _ in 0..18 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS.get((seed >> 40) % WORDS.len()).copied().unwrap_or_default());
        text.push(' ');
    }
    if number.is_multiple_of(10) {
        text.push_str(COMMON);
    }
    if number == 7 {
        text.push_str(RARE);
    }
    text
}

pub(super) fn run(options: &History) -> Result<()> {
    block_on(async {
        let began = Instant::now();
        let node = Node::start(config(&options.dir, "reader")).await?;
        let me = node.machine_id();
        node.shutdown().await;
        let writer = Identity::from_seed([7; 32]);
        let session = SessionId::direct(&me, &writer.machine_id());
        fill(&options.dir.join(store::FILE_NAME), session, &writer, options.count).await?;
        let filled = began.elapsed();

        let node = Node::start(config(&options.dir, "reader")).await?;
        let began = Instant::now();
        until_indexed(&node, options.count).await?;
        let indexed = began.elapsed();
        let measured = measure(&node, &session.to_string(), &writer.machine_id().to_string()).await?;
        node.shutdown().await;
        let size = |name: &str| std::fs::metadata(options.dir.join(name)).map_or(0, |file| file.len());
        say(&json!({
            "history": measured,
            "filledSeconds": filled.as_secs_f64(),
            "indexedSeconds": indexed.as_secs_f64(),
            "databaseBytes": size(store::FILE_NAME),
            "indexBytes": size(store::search::FILE_NAME),
        }));
        Ok(())
    })
}

/// Writes a session of so many messages of one author, as if they had come in.
async fn fill(path: &std::path::Path, session: SessionId, writer: &Identity, count: usize) -> Result<()> {
    let store = Store::open(path)?;
    let peer = writer.machine_id();
    let key = store
        .write(move |tx| {
            let (key, _) = store::sessions::create_direct(tx, &session, &peer, BEGAN_MS)?;
            store::machines::set_trust(tx, &peer, Trust::Accepted)?;
            Ok(key)
        })
        .await?;
    let local = Local { machine: peer, epoch: Epoch::new(1) };
    let (mut head, mut number): (Option<Head>, usize) = (None, 0);
    while number < count {
        let mut runs = Vec::with_capacity(RUNS);
        while runs.len() < RUNS && number < count {
            let mut builder = RunBuilder::new(session, &local, head.as_ref(), [])?;
            while builder.len() < proto::limits::RUN_EVENTS && number < count {
                builder.push(wall_ms(number), &Body::message(text(number)))?;
                number += 1;
            }
            let (run, next) = builder.sign(writer)?;
            runs.push(run);
            head = Some(next);
        }
        store.write(move |tx| runs.iter().try_for_each(|run| write(tx, key, run))).await?;
        say(&json!({ "filled": number }));
    }
    store.write(move |tx| store::messages::mark_read(tx, key, None).map(drop)).await?;
    store.close().await?;
    Ok(())
}

fn wall_ms(number: usize) -> u64 {
    BEGAN_MS + u64::try_from(number).unwrap_or_default() * APART_MS
}

fn write(tx: &Tx<'_>, session: SessionKey, run: &VerifiedRun) -> Result<(), store::StoreError> {
    let keys = store::events::append(tx, session, run, BEGAN_MS)?;
    let mut rows = Vec::with_capacity(keys.len());
    for (event, key) in run.events().iter().zip(keys) {
        let Ok(Some(Body::Message(body))) = event.decode_body() else { continue };
        let wall_ms = event.header().wall_ms;
        rows.push(NewMessage {
            key,
            id: event.message_id(),
            order: event.header().order(),
            text: body.text,
            wall_ms,
            shown_ms: wall_ms,
            arrived_ms: wall_ms,
            temp_id: None,
            own: false,
            kind: MessageKind::Text,
            reply_to: None,
            forwarded: false,
            mentions: Vec::new(),
            timer_seconds: None,
            deleted: false,
        });
    }
    store::messages::insert(tx, session, &rows).map(drop)
}

/// Waits until the index has the oldest message, which it takes in first, and all others.
async fn until_indexed(node: &Node, count: usize) -> Result<()> {
    loop {
        let oldest = find(node, RARE, |_| {}).await?;
        if !oldest.indexing && (count <= 7 || oldest.total == 1) {
            return Ok(());
        }
        say(&json!({ "indexing": true }));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn find(node: &Node, text: &str, narrow: impl FnOnce(&mut SearchRequest)) -> Result<SearchPage> {
    let mut request = SearchRequest { text: text.to_owned(), ..SearchRequest::default() };
    narrow(&mut request);
    Ok(node.search(request).await?)
}

async fn page(node: &Node, session: &str, before: Option<String>) -> Result<Vec<Message>> {
    let request = PageRequest { before, limit: Some(PAGE), ..PageRequest::default() };
    Ok(node.messages(session, request).await?.items)
}

/// How long each thing took each time, in milliseconds, by name.
async fn measure(node: &Node, session: &str, writer: &str) -> Result<serde_json::Value> {
    let newest = page(node, session, None).await?;
    let oldest = PageRequest { date: Some("1970-01-01T00:00:00Z".to_owned()), ..PageRequest::default() };
    let oldest = node.messages(session, oldest).await?.items;
    let first = newest.first().context("there are messages")?.order.clone();
    // Far back, where nothing was read lately.
    let middle = oldest.last().context("there are messages")?.order.clone();
    let (around, date) = (oldest.last().context("there are messages")?.id.clone(), "2023-11-20T00:00:00Z");
    let mut result = serde_json::Map::new();
    macro_rules! time {
        ($name:literal, $what:expr) => {{
            let mut times = Vec::with_capacity(TIMES);
            for _ in 0..TIMES {
                let began = Instant::now();
                $what.await?;
                times.push(began.elapsed());
            }
            let times: Vec<_> = times.iter().map(|time: &Duration| time.as_secs_f64() * 1e3).collect();
            result.insert($name.to_owned(), json!(times));
        }};
    }
    time!("open the session at its end", page(node, session, None));
    time!("next page", page(node, session, Some(first.clone())));
    time!("a page far back", page(node, session, Some(middle.clone())));
    time!("around a message far back", async {
        let request = PageRequest { around: Some(around.clone()), limit: Some(PAGE), ..PageRequest::default() };
        node.messages(session, request).await
    });
    time!("jump to a day", async {
        let request = PageRequest { date: Some(date.to_owned()), limit: Some(PAGE), ..PageRequest::default() };
        node.messages(session, request).await
    });
    time!("search a common word", find(node, COMMON, |_| {}));
    time!("search a rare word", find(node, RARE, |_| {}));
    time!("search three words", find(node, "garden river letter", |_| {}));
    time!("search two letters", find(node, "ha", |_| {}));
    time!("search one letter", find(node, "e", |_| {}));
    time!("search what is not there", find(node, "qwertzuiop", |_| {}));
    time!(
        "search with all filters",
        find(node, COMMON, |request| {
            request.session = Some(session.to_owned());
            request.from = Some(writer.to_owned());
            request.since = Some("2023-11-15T00:00:00Z".to_owned());
            request.until = Some("2023-11-18T12:00:00Z".to_owned());
        })
    );
    Ok(result.into())
}
