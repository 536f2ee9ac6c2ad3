//! Full-text search: what is found, what is not, and what becomes of a missing or damaged index.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod scene;

use std::fs;

use landline_store::search::{self, Hits, Query, Search, Terms};
use landline_store::{EventKey, SessionKey, Store, events, messages, sessions};
use proptest::prelude::*;
use proto::{MachineId, SessionId};
use scene::{Author, NOW, Scene, machine, pair, write_run};

/// A store with a direct session, whose other side writes, and the index of it.
struct Searched {
    scene: Scene,
    search: Search,
    author: Author,
    session: SessionKey,
}

impl Searched {
    async fn new() -> Self {
        Self::at(Scene::new()).await
    }

    async fn at(scene: Scene) -> Self {
        let (author, other) = pair();
        let (session, peer, me) = (author.session, author.id(), other.id());
        let key = scene
            .store
            .write(move |tx| {
                landline_store::machines::upsert_seen(tx, &me, NOW)?;
                Ok(sessions::create_direct(tx, &session, &peer, NOW)?.0)
            })
            .await
            .unwrap();
        let search = Search::at(&scene.folder.path().join(search::FILE_NAME));
        Self { scene, search, author, session: key }
    }

    /// Writes messages, in their order.
    async fn write(&mut self, texts: &[&str]) -> Vec<EventKey> {
        let mut keys = Vec::new();
        for texts in texts.chunks(200) {
            let run = self.author.write(texts, &[]);
            let session = self.session;
            keys.extend(self.scene.store.write(move |tx| write_run(tx, session, &run, None)).await.unwrap());
        }
        keys
    }

    async fn index(&self) {
        while self.search.follow(&self.scene.store).await.unwrap() {}
    }

    async fn find(&self, text: &str) -> Vec<String> {
        texts(&self.hits(query(text)).await)
    }

    async fn hits(&self, query: Query) -> Hits {
        self.search.find(&self.scene.store, query).await.unwrap()
    }
}

fn query(text: &str) -> Query {
    Query { terms: Terms::parse(text), limit: 20, ..Query::default() }
}

fn texts(hits: &Hits) -> Vec<String> {
    hits.hits.iter().map(|hit| hit.message.text.clone()).collect()
}

#[tokio::test]
async fn words_parts_and_single_characters_are_found_newest_first() {
    let mut all = Searched::new().await;
    all.write(&["Crème brûlée for lunch", "今日は日本語を話します", "a+b=c", "LUNCH at noon?", "ok"]).await;
    for indexed in [false, true] {
        if indexed {
            all.index().await;
        }
        assert_eq!(all.find("lunch").await, ["LUNCH at noon?", "Crème brûlée for lunch"], "indexed: {indexed}");
        assert_eq!(all.find("BRULEE").await, ["Crème brûlée for lunch"]);
        assert_eq!(all.find("日本").await, ["今日は日本語を話します"]);
        assert_eq!(all.find("語").await, ["今日は日本語を話します"]);
        assert_eq!(all.find("+b=").await, ["a+b=c"]);
        assert_eq!(all.find("=").await, ["a+b=c"]);
        assert_eq!(all.find("k").await, ["ok"], "because the last character begins a token too");
        assert_eq!(all.find("noon lunch").await, ["LUNCH at noon?"]);
        assert_eq!(all.find("\"lunch at\"").await, ["LUNCH at noon?"]);
        assert!(all.find("\"noon lunch\"").await.is_empty());
        assert!(all.find("dinner").await.is_empty());
    }
    let hits = all.hits(query("noon")).await;
    assert_eq!((hits.hits[0].ranges.as_slice(), hits.total, hits.indexing), (&[(9, 13)][..], 1, false));
}

#[tokio::test]
async fn pages_go_back_through_all_hits() {
    let mut all = Searched::new().await;
    let written: Vec<String> = (0..700).map(|number| format!("message number {number}")).collect();
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    all.write(&written[..300]).await;
    all.index().await;
    all.write(&written[300..]).await;
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let page = all.hits(Query { before, limit: 50, ..query("number") }).await;
        assert_eq!(page.total, 700, "whether the index has them or not");
        found.extend(texts(&page));
        before = page.next_before;
        if before.is_none() {
            break;
        }
    }
    found.reverse();
    assert_eq!(found, written);
}

#[tokio::test]
async fn a_long_tail_is_told() {
    let mut all = Searched::new().await;
    let written: Vec<String> = (0..600).map(|number| format!("line {number}")).collect();
    all.write(&written.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let hits = all.hits(query("line")).await;
    assert!(hits.indexing && hits.total == 512, "{}", hits.total);
    all.index().await;
    let hits = all.hits(query("line")).await;
    assert!(!hits.indexing && hits.total == 600);
}

#[tokio::test]
async fn filters_narrow_it() {
    let mut all = Searched::new().await;
    all.write(&["one apple", "two apples"]).await;
    all.index().await;
    all.write(&["three apples"]).await;
    let author = all.author.id();
    let here = all.author.session;
    let of = |author: MachineId| Query { author: Some(author), ..query("apple") };
    assert_eq!(all.hits(of(author)).await.total, 3);
    assert_eq!(all.hits(of(machine(2))).await.total, 0, "who wrote nothing");
    assert_eq!(all.hits(of(machine(9))).await.total, 0, "who is not known here");
    let within = |session: SessionId| Query { session: Some(session), ..query("apple") };
    assert_eq!(all.hits(within(here)).await.total, 3);
    assert_eq!(all.hits(within(SessionId::direct(&machine(1), &machine(9)))).await.total, 0);
    let span = |since_ms, until_ms| Query { since_ms, until_ms, ..query("apple") };
    assert_eq!(all.hits(span(Some(NOW), Some(NOW))).await.total, 3, "because both ends belong to it");
    assert_eq!(all.hits(span(Some(NOW + 1), None)).await.total, 0);
    assert_eq!(all.hits(span(None, Some(NOW - 1))).await.total, 0);
    assert_eq!(all.hits(span(Some(NOW), Some(NOW - 1))).await.total, 0);
    let only_filters = Query { terms: Terms::default(), ..within(here) };
    let hits = all.hits(only_filters).await;
    assert_eq!((hits.total, hits.hits[0].ranges.len()), (3, 0), "a filter alone lists messages");
}

#[tokio::test]
async fn what_changed_is_followed_and_what_was_deleted_is_gone_from_the_file() {
    let mut all = Searched::new().await;
    let keys = all.write(&["the secret word is xylophone", "nothing here"]).await;
    all.index().await;
    let key = keys[0];
    change(&all.scene.store, key, "the public word is marimba").await;
    assert!(all.find("xylophone").await.is_empty(), "before the index follows too");
    all.index().await;
    assert_eq!(all.find("marimba").await.len(), 1);
    assert!(all.find("xylophone").await.is_empty());
    change(&all.scene.store, key, "").await;
    all.index().await;
    assert!(all.find("marimba").await.is_empty());
    all.search.close().await;
    let folder = all.scene.folder.path();
    for name in ["search.db", "search.db-wal"] {
        let bytes = fs::read(folder.join(name)).unwrap_or_default();
        for part in ["xylophone", "marimba", "xyl", "yloph", "arimb"] {
            let here = bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!here, "{name} still has {part:?}");
        }
    }
}

/// Gives a message another text, as an edit does.
async fn change(store: &Store, key: EventKey, text: &'static str) {
    store.write(move |tx| messages::set_text(tx, key, text, &[], NOW)).await.unwrap();
}

#[tokio::test]
async fn a_missing_damaged_or_foreign_index_is_made_anew() {
    let mut all = Searched::new().await;
    all.write(&["find me"]).await;
    all.index().await;
    all.search.close().await;
    let path = all.scene.folder.path().join(search::FILE_NAME);

    fs::remove_file(&path).unwrap();
    all.index().await;
    assert_eq!(all.find("find").await.len(), 1, "after it was missing");

    all.search.close().await;
    fs::write(&path, b"this was never a database, and it is long enough to be taken for a header of one ....").unwrap();
    assert!(all.search.follow(&all.scene.store).await.is_err(), "the damage is told once");
    all.index().await;
    assert_eq!(all.find("find").await.len(), 1, "after it was damaged");
    all.search.close().await;

    // An index of a database that went on after this copy of it was made.
    let mut other = Searched::at(Scene::new()).await;
    other.write(&["another text", "and more of it"]).await;
    let elsewhere = Search::at(&path);
    while elsewhere.follow(&other.scene.store).await.unwrap() {}
    elsewhere.close().await;
    all.index().await;
    assert_eq!(all.find("find").await.len(), 1, "after it was another database's");
    assert!(all.find("another").await.is_empty());
}

#[tokio::test]
async fn an_event_without_a_message_does_not_stop_it() {
    let mut all = Searched::new().await;
    all.write(&["before"]).await;
    let run = all.author.run(&[proto::Body::Open], &[]);
    let session = all.session;
    all.scene.store.write(move |tx| events::append(tx, session, &run, NOW).map(drop)).await.unwrap();
    all.write(&["after"]).await;
    all.index().await;
    assert_eq!(all.find("after").await, ["after"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The index finds what looking at every text finds.
    #[test]
    fn it_finds_what_comparing_all_finds(
        written in proptest::collection::vec("[aábB ß日本한é.]{0,11}[ab日]", 1..30),
        words in proptest::collection::vec("[aAb日한é. ]{1,4}", 1..8),
        indexed in 0usize..30,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut all = Searched::new().await;
            let written: Vec<&str> = written.iter().map(String::as_str).collect();
            let (first, rest) = written.split_at(indexed.min(written.len()));
            if !first.is_empty() {
                all.write(first).await;
            }
            all.index().await;
            if !rest.is_empty() {
                all.write(rest).await;
            }
            for word in &words {
                let terms = Terms::parse(word);
                if terms.is_empty() {
                    continue;
                }
                let mut expected: Vec<&str> =
                    written.iter().copied().filter(|text| terms.occur_in(text)).collect();
                expected.reverse();
                let found = texts(&all.hits(Query { limit: 50, ..query(word) }).await);
                assert_eq!(found, expected, "{word:?}");
            }
        });
    }
}
