//! Edits, deletions, reactions, pins and timers: the same rows from the same events, in whatever order they come.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod scene;

use std::collections::BTreeMap;

use landline_store::messages::{self, Cursor, Message, SendState};
use landline_store::removal::Received;
use landline_store::{EventKey, SessionKey, Store, events, operations, reading, removal, sessions};
use proptest::prelude::*;
use proto::event::{EditBody, ReactionBody};
use proto::{Body, Event, MessageBody, MessageId, VerifiedRun, VersionVector, limits};
use scene::{Author, NOW, Scene, pair, write_run};

/// Two people who write into one session; this machine is the first one's.
struct Talk {
    scene: Scene,
    session: SessionKey,
    me: Author,
    other: Author,
}

impl Talk {
    async fn new() -> Self {
        let scene = Scene::new();
        let (me, other) = pair();
        let (id, peer, own) = (me.session, other.id(), me.id());
        let session = scene.store.write(move |tx| {
            landline_store::machines::upsert_seen(tx, &own, NOW)?;
            Ok(sessions::create_direct(tx, &id, &peer, NOW)?.0)
        });
        let session = session.await.unwrap();
        Self { scene, session, me, other }
    }

    fn store(&self) -> &Store {
        &self.scene.store
    }

    async fn take(&self, run: VerifiedRun, own: bool) -> Vec<EventKey> {
        let (session, peer) = (self.session, self.other.id());
        self.store().write(move |tx| write_run(tx, session, &run, own.then_some(&peer))).await.unwrap()
    }

    /// The other side writes.
    async fn hears(&mut self, bodies: &[Body]) -> Vec<MessageId> {
        let run = self.other.run(bodies, &[]);
        let ids = run.events().iter().map(Event::message_id).collect();
        self.take(run, false).await;
        ids
    }

    /// This side writes.
    async fn says(&mut self, bodies: &[Body]) -> Vec<MessageId> {
        let run = self.me.run(bodies, &[]);
        let ids = run.events().iter().map(Event::message_id).collect();
        self.take(run, true).await;
        ids
    }

    async fn message(&self, id: MessageId) -> Option<Message> {
        self.store().read(move |reader| messages::get(reader, &id)).await.unwrap()
    }
}

fn edit(target: MessageId, text: &str) -> Body {
    Body::Edit(EditBody { target, text: text.to_owned(), mentions: Vec::new() })
}

fn react(target: MessageId, emoji: &str, on: bool) -> Body {
    Body::Reaction(ReactionBody { target, emoji: emoji.to_owned(), on })
}

fn emoji(message: &Message) -> Vec<&str> {
    message.reactions.iter().map(|reaction| reaction.emoji.as_str()).collect()
}

#[tokio::test]
async fn an_edit_shows_and_its_history_is_kept() {
    let mut talk = Talk::new().await;
    let id = talk.hears(&[Body::message("frist")]).await[0];
    talk.hears(&[edit(id, "first"), edit(id, "first!")]).await;
    let message = talk.message(id).await.unwrap();
    assert_eq!((message.text.as_str(), message.edited_ms), ("first!", Some(NOW)));
    let (session, key) = (talk.session, message.key);
    let history = talk.store().read(move |reader| operations::history(reader, session, key)).await.unwrap();
    let texts: Vec<_> = history.iter().map(|version| (version.text.as_str(), version.edited_ms)).collect();
    assert_eq!(texts, [("frist", None), ("first", Some(NOW)), ("first!", Some(NOW))]);

    talk.says(&[edit(id, "not mine")]).await;
    assert_eq!(talk.message(id).await.unwrap().text, "first!", "because only its author edits a message");
}

#[tokio::test]
async fn so_many_edits_count_and_no_more() {
    let mut talk = Talk::new().await;
    let id = talk.hears(&[Body::message("0")]).await[0];
    let edits: Vec<Body> = (1..=limits::EDITS + 20).map(|number| edit(id, &number.to_string())).collect();
    talk.hears(&edits).await;
    assert_eq!(talk.message(id).await.unwrap().text, limits::EDITS.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_is_final_and_leaves_no_text_on_the_disk() {
    let mut talk = Talk::new().await;
    let id = talk.hears(&[Body::message("a xylophone secret")]).await[0];
    talk.hears(&[edit(id, "a marimba secret")]).await;
    talk.says(&[react(id, "👍", true), Body::Pin { target: id, on: true }]).await;
    let before = talk.message(id).await.unwrap();
    assert_eq!((emoji(&before), before.pinned), (vec!["👍"], true));
    talk.says(&[Body::Delete { target: id }]).await;
    assert_eq!(talk.message(id).await.unwrap(), before, "because only its author takes it back");

    talk.hears(&[Body::Delete { target: id }, edit(id, "a glockenspiel secret")]).await;
    talk.says(&[react(id, "🎉", true), Body::Pin { target: id, on: true }]).await;
    let after = talk.message(id).await.unwrap();
    assert_eq!((after.text.as_str(), after.deleted_ms, after.edited_ms), ("", Some(NOW), None));
    assert_eq!((emoji(&after), after.pinned), (vec![], false));
    let session = talk.session;
    let row = talk.store().read(move |reader| sessions::get(reader, session)).await.unwrap().unwrap();
    assert_eq!((row.unread_count, row.first_unread, row.pinned_messages), (0, None, vec![]));

    // The store is told to hurry by those words themselves, and goes on.
    talk.store().erased().await;
    let (folder, store) = (talk.scene.folder, talk.scene.store);
    let (begun, is_begun) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let held = store.read(move |reader| {
        reader_sees(reader)?;
        begun.send(()).unwrap();
        wait.recv().ok();
        Ok(())
    });
    let carried = async {
        tokio::task::block_in_place(|| is_begun.recv().unwrap());
        store.write(|tx| landline_store::meta::set_created(tx, NOW)).await.unwrap();
        let carried = store.carry_over().await;
        go.send(()).unwrap();
        carried
    };
    let (held, carried) = tokio::join!(held, carried);
    held.unwrap();
    assert_eq!(carried, Ok(false), "because somebody reads in it, and nobody waits for that");
    assert_eq!(store.carry_over().await, Ok(true));
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for word in ["xylophone", "marimba", "glockenspiel"] {
            assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word} is still on the disk");
        }
    }
    store.close().await.unwrap();
}

/// Takes the snapshot that a read goes on with.
fn reader_sees(reader: &landline_store::Reader<'_>) -> Result<(), landline_store::StoreError> {
    landline_store::meta::epoch(reader).map(drop)
}

#[tokio::test]
async fn reactions_count_once_a_person_and_emoji_and_only_emoji_do() {
    let mut talk = Talk::new().await;
    let id = talk.says(&[Body::message("party?")]).await[0];
    talk.hears(&[react(id, "👍", true), react(id, "🎉", true)]).await;
    talk.says(&[react(id, "🎉", true)]).await;
    talk.hears(&[react(id, "👍", false), react(id, "👍", false), react(id, "👍", true), react(id, "🎉", false)]).await;
    let message = talk.message(id).await.unwrap();
    let shown: Vec<_> = message.reactions.iter().map(|r| (r.emoji.as_str(), r.author)).collect();
    assert_eq!(shown, [("🎉", talk.me.id()), ("👍", talk.other.id())]);
}

#[tokio::test]
async fn a_message_without_its_body_is_shown_as_deleted() {
    let mut talk = Talk::new().await;
    let run = talk.other.run(&[Body::message("gone before it came")], &[]);
    let session = talk.session;
    let event = Event::decode(run.events()[0].header_bytes().clone(), None).unwrap();
    let new = messages::NewMessage {
        key: EventKey(0),
        id: event.message_id(),
        order: event.header().order(),
        text: String::new(),
        wall_ms: NOW,
        shown_ms: NOW,
        arrived_ms: NOW,
        temp_id: None,
        own: false,
        kind: messages::MessageKind::Text,
        reply_to: None,
        forwarded: false,
        mentions: Vec::new(),
        timer_seconds: None,
        deleted: true,
    };
    let id = new.id;
    talk.store()
        .write(move |tx| {
            let keys = events::append(tx, session, &run, NOW)?;
            messages::insert(tx, session, &[messages::NewMessage { key: keys[0], ..new }]).map(drop)
        })
        .await
        .unwrap();
    let message = talk.message(id).await.unwrap();
    assert_eq!((message.text.as_str(), message.deleted_ms), ("", Some(NOW)));
    let row = talk.store().read(move |reader| sessions::get(reader, session)).await.unwrap().unwrap();
    assert_eq!(row.unread_count, 0, "because there is nothing to read");
}

#[tokio::test]
async fn the_latest_timer_counts_and_messages_disappear_by_theirs() {
    let mut talk = Talk::new().await;
    talk.hears(&[Body::Open]).await;
    let timed = |text: &str| {
        Body::Message(MessageBody { text: text.to_owned(), expires_after: Some(60), ..MessageBody::default() })
    };
    let theirs = talk.hears(&[timed("theirs")]).await[0];
    let mine = talk.says(&[timed("mine"), Body::message("stays")]).await[0];
    let session = talk.session;
    let next = talk.store().read(removal::next_expiry).await.unwrap();
    assert_eq!(next, None, "because nobody read the one and the other is still queued");
    let key = talk.message(mine).await.unwrap().key;
    let started = talk.store().write(move |tx| {
        messages::mark_delivered(tx, &[key], NOW)?;
        removal::start_timers(tx, session, None, NOW + 5_000)
    });
    let started = started.await.unwrap();
    assert_eq!(started, [talk.message(theirs).await.unwrap().key]);
    let expired = talk.store().read(|reader| removal::expired(reader, NOW + 60_000, 10)).await.unwrap();
    assert_eq!(expired, [key]);
    let removed = talk.store().write(move |tx| removal::remove(tx, &expired, Received::Removed)).await.unwrap();
    assert_eq!(removed[0].message, mine);
    assert_eq!(talk.message(mine).await, None);
    assert_eq!(talk.store().read(removal::next_expiry).await.unwrap(), Some(NOW + 65_000));
    // What is said of it later leaves nothing.
    talk.says(&[edit(mine, "still here?")]).await;
    assert_eq!(talk.message(mine).await, None);
}

#[tokio::test]
async fn a_queued_message_is_not_removed() {
    let mut talk = Talk::new().await;
    let id = talk.says(&[Body::message("on its way")]).await[0];
    let key = talk.message(id).await.unwrap().key;
    assert!(talk.store().write(move |tx| removal::remove(tx, &[key], Received::Kept)).await.unwrap().is_empty());
    let session = talk.session;
    let outdated = talk.store().read(move |reader| removal::outdated(reader, session, NOW + 1, 10)).await.unwrap();
    assert!(outdated.is_empty());
    talk.hears(&[Body::message("old")]).await;
    let outdated = talk.store().read(move |reader| removal::outdated(reader, session, NOW + 1, 10)).await.unwrap();
    assert_eq!(outdated.len(), 1);
    talk.store().write(move |tx| removal::remove(tx, &outdated, Received::Kept).map(drop)).await.unwrap();
    let row = talk.store().read(move |reader| sessions::get(reader, session)).await.unwrap().unwrap();
    assert_eq!((row.last_message, row.unread_count, row.waiting_count), (Some(key), 0, 1));
}

#[tokio::test]
async fn what_was_read_is_a_vector_and_marks_messages_there() {
    let mut talk = Talk::new().await;
    let ids = talk.hears(&[Body::message("1"), Body::message("2"), Body::message("3"), Body::message("4")]).await;
    let second = talk.message(ids[1]).await.unwrap();
    let (session, me, other) = (talk.session, talk.me.id(), talk.other.id());
    let vector = talk.store().read(move |reader| reading::upto(reader, session, &me, &second.order)).await.unwrap();
    assert_eq!(vector.iter().collect::<Vec<_>>(), [(&other, talk.other.local.epoch, 2)]);

    let mine = talk.says(&[Body::message("a"), Body::message("b"), Body::message("c")]).await;
    let epoch = talk.me.local.epoch;
    let keys: Vec<_> = [mine[0], mine[1], mine[2]].to_vec();
    let seen: VersionVector = [(me, epoch, 2)].into_iter().collect();
    let changed = talk.store().write(move |tx| {
        let mut all = Vec::new();
        for id in keys {
            all.push(messages::get(tx, &id)?.unwrap().key);
        }
        messages::mark_delivered(tx, &all, NOW)?;
        reading::mark_read_by_other(tx, session, &me, &seen, None, NOW - 50, NOW + 9)
    });
    assert_eq!(changed.await.unwrap().len(), 2);
    let message = talk.message(mine[0]).await.unwrap();
    assert_eq!((message.state, message.read_ms), (SendState::Read, Some(NOW)), "not before it was shown");
    assert_eq!(talk.message(mine[2]).await.unwrap().state, SendState::Delivered);
}

#[tokio::test]
async fn a_reply_quotes_within_its_session() {
    let mut talk = Talk::new().await;
    let asked = talk.hears(&[Body::message(&*"Are you there? ".repeat(40))]).await[0];
    let reply =
        |to| Body::Message(MessageBody { text: "Yes".to_owned(), reply_to: Some(to), ..MessageBody::default() });
    let answer = talk.says(&[reply(asked)]).await[0];
    let lost = talk.says(&[reply(MessageId::from_bytes([7; 16]))]).await[0];
    let quote = talk.message(answer).await.unwrap().quote.unwrap();
    assert_eq!((quote.id, quote.text.chars().count(), quote.deleted), (asked, 200, false));
    assert_eq!(talk.message(lost).await.unwrap().quote, None);
    talk.hears(&[Body::Delete { target: asked }]).await;
    assert!(talk.message(answer).await.unwrap().quote.unwrap().deleted);
    let session = talk.session;
    let page = talk.store().read(move |reader| messages::page(reader, session, &Cursor::Last, 10)).await.unwrap();
    assert!(page.messages[1].quote.is_some(), "in a page too");
}

/// What can be seen of all messages, by their IDs.
type Seen = BTreeMap<MessageId, (String, bool, Vec<String>, bool)>;

/// Takes runs of two authors, each author's in their order, mixed as `turns` says.
async fn play(runs: [Vec<VerifiedRun>; 2], turns: &[bool]) -> Seen {
    let talk = Talk::new().await;
    let [mut first, mut second] = runs.map(Vec::into_iter);
    for turn in turns {
        if let Some(run) = if *turn { first.next() } else { second.next() } {
            talk.take(run, false).await;
        }
    }
    for run in first.chain(second) {
        talk.take(run, false).await;
    }
    let session = talk.session;
    let page = talk.store().read(move |reader| messages::page(reader, session, &Cursor::First, 200)).await.unwrap();
    let seen = |message: &Message| {
        let reactions = message.reactions.iter().map(|r| format!("{} {}", r.emoji, r.author.short())).collect();
        (message.text.clone(), message.deleted_ms.is_some(), reactions, message.pinned)
    };
    page.messages.iter().map(|message| (message.id, seen(message))).collect()
}

fn operation(kind: u8, target: MessageId, number: usize) -> Body {
    match kind {
        0 => edit(target, &format!("edit {number}")),
        1 => react(target, ["👍", "🎉"][number % 2], true),
        2 => react(target, ["👍", "🎉"][number % 2], false),
        3 => Body::Pin { target, on: number.is_multiple_of(2) },
        _ => Body::Delete { target },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_arrival_does_not_matter(
        steps in prop::collection::vec((any::<bool>(), 0..9_u8, any::<prop::sample::Index>()), 1..25),
        turns in prop::collection::vec(any::<bool>(), 25),
    ) {
        let (mut one, mut two) = pair();
        let mut runs = [Vec::new(), Vec::new()];
        let mut ids = Vec::new();
        for (number, (of_one, kind, index)) in steps.into_iter().enumerate() {
            let body = match kind.checked_sub(4) {
                Some(_) if !ids.is_empty() => operation(kind - 4, *index.get(&ids), number),
                _ => Body::message(format!("message {number}")),
            };
            let (author, place) = if of_one { (&mut one, 0) } else { (&mut two, 1) };
            let run = author.run(std::slice::from_ref(&body), &[]);
            if matches!(body, Body::Message(_)) {
                ids.push(run.events()[0].message_id());
            }
            runs[place].push(run);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let in_turn = runtime.block_on(play(runs.clone(), &turns));
        let one_after_the_other = runtime.block_on(play(runs.clone(), &[]));
        let [first, second] = runs;
        let the_other_way = runtime.block_on(play([second, first], &[]));
        prop_assert_eq!(&in_turn, &one_after_the_other);
        prop_assert_eq!(&in_turn, &the_other_way);
    }
}
