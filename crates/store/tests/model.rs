//! Random operations on the store and on a plain model of it: both must show the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod scene;

use std::collections::BTreeMap;

use landline_store::messages::{self, Cursor, SendState};
use landline_store::{EventKey, Reader, SessionKey, StoreError, logs, outbox, runs, sessions};
use proptest::prelude::*;
use proto::event::Order;
use proto::{Body, MachineId, MessageId, Run, SessionId, VersionVector};
use scene::{Author, NOW, Scene, machine, write_run};

/// Something that happens in one of the sessions.
#[derive(Debug, Clone)]
enum Step {
    /// This machine writes so many messages in one run, after all that it has.
    Write(usize),
    /// The other side writes, not knowing what came in the meantime unless `informed`.
    Receive {
        count: usize,
        informed: bool,
    },
    /// The other side opens the session again: an event that is no message.
    Open,
    /// The other side's receipt covers this share of this machine's runs.
    Receipt(prop::sample::Index),
    /// A queued message fails; a failed one is tried again.
    Fail(prop::sample::Index),
    Retry(prop::sample::Index),
    /// Read up to a message, or all.
    Read(prop::sample::Index),
    ReadAll,
    Pin(bool),
    /// The program ends and starts.
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        3 => (1..5_usize).prop_map(Step::Write),
        4 => (1..5_usize, any::<bool>()).prop_map(|(count, informed)| Step::Receive { count, informed }),
        1 => Just(Step::Open),
        2 => any::<prop::sample::Index>().prop_map(Step::Receipt),
        1 => any::<prop::sample::Index>().prop_map(Step::Fail),
        1 => any::<prop::sample::Index>().prop_map(Step::Retry),
        2 => any::<prop::sample::Index>().prop_map(Step::Read),
        1 => Just(Step::ReadAll),
        1 => any::<bool>().prop_map(Step::Pin),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec((0..2_usize, step), 1..40)
}

#[derive(Debug, Clone)]
struct Shown {
    key: EventKey,
    id: MessageId,
    own: bool,
    unread: bool,
    state: SendState,
}

/// What one session should be.
struct Model {
    key: SessionKey,
    id: SessionId,
    me: Author,
    other: Author,
    messages: BTreeMap<Order, Shown>,
    /// In the order of arrival, with the key of the last event.
    runs: Vec<(EventKey, Run)>,
    waiting: BTreeMap<EventKey, u64>,
    activity: EventKey,
    pinned: bool,
}

impl Model {
    fn vector(&self) -> VersionVector {
        self.runs.iter().map(|(_, run)| (run.author(), run.epoch(), run.last_seq())).collect()
    }

    fn unread(&self) -> usize {
        self.messages.values().filter(|message| message.unread).count()
    }

    fn queued(&self) -> usize {
        self.messages.values().filter(|message| message.state == SendState::Queued).count()
    }

    /// Picks an own message.
    fn own(&self, index: &prop::sample::Index, state: fn(&SendState) -> bool) -> Option<EventKey> {
        let keys: Vec<_> = self.messages.values().filter(|m| m.own && state(&m.state)).map(|m| m.key).collect();
        (!keys.is_empty()).then(|| *index.get(&keys))
    }

    fn set_state(&mut self, key: EventKey, state: SendState) {
        self.messages.values_mut().find(|message| message.key == key).unwrap().state = state;
    }

    fn written(&mut self, run: Run, keys: &[EventKey], own: bool) {
        for (event, key) in run.events().iter().zip(keys) {
            if own {
                self.waiting.insert(*key, event.header().seq);
            }
            if !matches!(event.decode_body(), Ok(Some(Body::Message(_)))) {
                continue;
            }
            let state = if own { SendState::Queued } else { SendState::Delivered };
            let shown = Shown { key: *key, id: event.message_id(), own, unread: !own, state };
            assert!(self.messages.insert(event.header().order(), shown).is_none());
            self.activity = *key;
        }
        self.runs.push((*keys.last().unwrap(), run));
    }
}

async fn step(scene: &Scene, model: &mut Model, step: &Step) {
    let (session, peer) = (model.key, model.other.id());
    match step {
        Step::Write(count) => {
            let parents: Vec<_> = model.other.head.is_some().then(|| model.other.parent()).into_iter().collect();
            let run = model.me.write(&vec!["mine"; *count], &parents);
            let copy = run.clone();
            let keys = scene.store.write(move |tx| write_run(tx, session, &copy, Some(&peer))).await.unwrap();
            model.written(run.into_run(), &keys, true);
        }
        Step::Receive { count, informed } => {
            let parents: Vec<_> =
                (*informed && model.me.head.is_some()).then(|| model.me.parent()).into_iter().collect();
            let run = model.other.write(&vec!["theirs"; *count], &parents);
            let copy = run.clone();
            let keys = scene.store.write(move |tx| write_run(tx, session, &copy, None)).await.unwrap();
            model.written(run.into_run(), &keys, false);
        }
        Step::Open => {
            let run = model.other.run(&[Body::Open], &[]);
            let copy = run.clone();
            let keys = scene.store.write(move |tx| write_run(tx, session, &copy, None)).await.unwrap();
            model.written(run.into_run(), &keys, false);
        }
        Step::Receipt(index) => {
            let me = model.me.id();
            let ends: Vec<_> = model.runs.iter().filter(|(_, run)| run.author() == me).collect();
            if ends.is_empty() {
                return;
            }
            let (_, run) = index.get(&ends);
            let seq = run.last_seq();
            let vector: VersionVector = [(me, run.epoch(), seq)].into_iter().collect();
            let cleared = scene.store.write(move |tx| {
                let cleared = outbox::covered_by(tx, &peer, session, &vector)?;
                messages::mark_delivered(tx, &cleared, NOW)?;
                Ok(cleared)
            });
            let cleared = cleared.await.unwrap();
            let expected: Vec<_> = model.waiting.iter().filter(|(_, at)| **at <= seq).map(|(key, _)| *key).collect();
            assert_eq!(cleared, expected, "a receipt clears what it covers and was not cleared");
            for key in cleared {
                model.waiting.remove(&key);
                model.set_state(key, SendState::Delivered);
            }
        }
        Step::Fail(index) => {
            let Some(key) = model.own(index, |state| *state == SendState::Queued) else { return };
            let changed = scene.store.write(move |tx| messages::fail(tx, &[key, key], "refused")).await.unwrap();
            assert_eq!(changed, [key], "it fails once");
            model.set_state(key, SendState::Failed { reason: "refused".into() });
        }
        Step::Retry(index) => {
            let Some(key) = model.own(index, |state| matches!(state, SendState::Failed { .. })) else { return };
            assert_eq!(scene.store.write(move |tx| messages::retry(tx, &[key])).await.unwrap(), [key]);
            model.set_state(key, SendState::Queued);
        }
        Step::Read(index) => {
            let orders: Vec<Order> = model.messages.keys().copied().collect();
            if orders.is_empty() {
                return;
            }
            read(scene, model, Some(*index.get(&orders))).await;
        }
        Step::ReadAll => read(scene, model, None).await,
        Step::Pin(pinned) => {
            let pinned = *pinned;
            scene.store.write(move |tx| sessions::set_pinned(tx, session, pinned)).await.unwrap();
            model.pinned = pinned;
        }
        Step::Reopen => {}
    }
}

async fn read(scene: &Scene, model: &mut Model, upto: Option<Order>) {
    let session = model.key;
    let count = scene.store.write(move |tx| messages::mark_read(tx, session, upto.as_ref())).await.unwrap();
    let mut expected = 0;
    for (order, message) in &mut model.messages {
        if upto.is_none_or(|upto| *order <= upto) && std::mem::take(&mut message.unread) {
            expected += 1;
        }
    }
    assert_eq!(count, expected, "what was unread until then is counted");
}

/// Compares all that can be seen.
fn compare(reader: &Reader<'_>, models: &[Model]) -> Result<(), StoreError> {
    let totals = sessions::totals(reader)?;
    assert_eq!(totals.unread as usize, models.iter().map(Model::unread).sum::<usize>());
    assert_eq!(totals.waiting as usize, models.iter().map(Model::queued).sum::<usize>());
    let mut expected: Vec<&Model> = models.iter().collect();
    expected.sort_by_key(|model| std::cmp::Reverse((model.pinned, model.activity, model.key)));
    let mut listed = Vec::new();
    while let Some(row) = sessions::list(reader, listed.last().map(sessions::Listed::cursor).as_ref(), 1)?.pop() {
        listed.push(row);
    }
    assert_eq!(listed, sessions::list(reader, None, 100)?, "the list by pages is the list");
    assert_eq!(listed.len(), expected.len());
    for (row, model) in listed.iter().zip(expected) {
        let session = &row.session;
        assert_eq!((session.key, session.id), (model.key, model.id), "the list is in its order");
        assert_eq!(sessions::get(reader, model.key)?.as_ref(), Some(session));
        assert_eq!(session.peer, Some(model.other.id()));
        assert_eq!(session.unread_count as usize, model.unread());
        assert_eq!(session.waiting_count as usize, model.queued());
        let first_unread = model.messages.values().find(|message| message.unread).map(|message| message.id);
        assert_eq!(session.first_unread, first_unread);
        assert_eq!(messages::first_unread(reader, model.key)?.map(|message| message.id), first_unread);
        assert_eq!(row.last_message.as_ref().map(|m| m.order), model.messages.keys().next_back().copied());
        compare_session(reader, model)?;
    }
    Ok(())
}

fn compare_session(reader: &Reader<'_>, model: &Model) -> Result<(), StoreError> {
    let orders: Vec<Order> = model.messages.keys().copied().collect();
    for limit in [1, 3, 200] {
        let size = limit as usize;
        let check = |cursor: Cursor, from: usize, to: usize| {
            let page = messages::page(reader, model.key, &cursor, limit).unwrap();
            let found: Vec<Order> = page.messages.iter().map(|message| message.order).collect();
            assert_eq!(found, orders[from..to], "{cursor:?}, {limit}");
            assert_eq!((page.more_before, page.more_after), (from > 0, to < orders.len()), "{cursor:?}, {limit}");
            for message in page.messages {
                let shown = &model.messages[&message.order];
                assert_eq!((message.key, message.id, &message.state), (shown.key, shown.id, &shown.state));
                assert_eq!(messages::get(reader, &message.id).unwrap(), Some(message));
            }
        };
        let length = orders.len();
        check(Cursor::First, 0, size.min(length));
        check(Cursor::Last, length.saturating_sub(size), length);
        for (place, order) in orders.iter().enumerate() {
            check(Cursor::Before(*order), place.saturating_sub(size), place);
            check(Cursor::After(*order), place + 1, (place + 1 + size).min(length));
            let from = place.saturating_sub(size / 2);
            check(Cursor::Around(*order), from, (from + size).min(length));
        }
    }

    assert_eq!(logs::vector(reader, model.key)?, model.vector());
    let last = model.runs.last().map_or(EventKey::NONE, |(key, _)| *key);
    assert_eq!(logs::last_event(reader, model.key)?, last);
    let peer = model.other.id();
    assert_eq!(logs::digests(reader, &peer)?, [(model.id, model.vector().digest())]);
    let bytes: usize = model.runs.iter().filter(|(_, run)| run.author() == peer).map(|(_, run)| run.size()).sum();
    assert_eq!(logs::bytes_from(reader, model.key, &peer)?, bytes as u64);
    assert_eq!(outbox::count(reader, &peer)?, model.waiting.len() as u64);
    let waiting: Vec<_> = outbox::waiting(reader, &peer, model.key, 10_000)?.into_iter().map(|row| row.event).collect();
    assert_eq!(waiting, model.waiting.keys().copied().collect::<Vec<_>>());

    // From wherever the other side stands: what it lacks, in the order of arrival, in batches of any size.
    for held in 0..=model.runs.len() {
        let vector: VersionVector =
            model.runs[..held].iter().map(|(_, run)| (run.author(), run.epoch(), run.last_seq())).collect();
        let rest: Vec<&Run> = model.runs[held..].iter().map(|(_, run)| run).collect();
        for limit in [1, 700, 1 << 20] {
            let batch = runs::after(reader, model.key, &vector, limit)?;
            assert_eq!(batch.runs.iter().collect::<Vec<_>>(), rest[..batch.runs.len()]);
            assert_eq!(batch.more, batch.runs.len() < rest.len());
            assert!(rest.is_empty() || !batch.runs.is_empty(), "at least one run, however large");
            let size: usize = batch.runs.iter().map(Run::wire_size).sum();
            assert!(batch.runs.len() <= 1 || size <= limit);
        }
        let after = held.checked_sub(1).map_or(EventKey::NONE, |index| model.runs[index].0);
        let me: MachineId = model.me.id();
        let mine: Vec<&Run> = rest.iter().filter(|run| run.author() == me).copied().collect();
        let (mut found, mut from) = (Vec::new(), after);
        loop {
            let batch = runs::since(reader, model.key, from, Some(&peer), 700)?;
            found.extend(batch.runs);
            from = batch.last.unwrap_or(from);
            if !batch.more {
                break;
            }
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), mine, "what came since, without what its recipient wrote");
        assert_eq!(runs::since(reader, model.key, after, None, 1 << 20)?.runs.len(), rest.len());
    }
    Ok(())
}

async fn play(steps: Vec<(usize, Step)>) {
    let mut scene = Scene::new();
    let mut models = Vec::new();
    // This machine's key and the first peer's begin above the middle, the second peer's below: an order that takes
    // keys for signed numbers would show.
    let low = (3..).find(|number| machine(*number).as_bytes()[0] < 0x80).unwrap();
    assert!(machine(1).as_bytes()[0] >= 0x80);
    for number in [2, low] {
        let id = SessionId::direct(&machine(1), &machine(number));
        let peer = machine(number);
        let (key, new) = scene.store.write(move |tx| sessions::create_direct(tx, &id, &peer, NOW)).await.unwrap();
        assert!(new);
        models.push(Model {
            key,
            id,
            me: Author::new(1, id),
            other: Author::new(number, id),
            messages: BTreeMap::new(),
            runs: Vec::new(),
            waiting: BTreeMap::new(),
            activity: EventKey::NONE,
            pinned: false,
        });
    }
    let me = machine(1);
    scene.store.write(move |tx| landline_store::machines::upsert_seen(tx, &me, NOW)).await.unwrap();
    for (index, next) in steps {
        if matches!(next, Step::Reopen) {
            scene = scene.reopened().await;
        }
        step(&scene, &mut models[index], &next).await;
    }
    scene.store.read(move |reader| compare(reader, &models)).await.unwrap();
    scene.store.close().await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_as_its_model(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(play(steps));
    }
}
