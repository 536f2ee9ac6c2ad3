//! The notification centre.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod scene;

use landline_store::notifications::{self, Filter, Kind, New, Notification, NotificationKey};
use landline_store::removal::Received;
use landline_store::{EventKey, SessionKey, Store, machines, messages, removal, sessions};
use scene::{NOW, Scene, machine, pair, write_run};

const DAY: u64 = 24 * 60 * 60 * 1000;

/// A session with two messages of another.
async fn heard() -> (Scene, SessionKey, Vec<EventKey>) {
    let scene = Scene::new();
    let (mut author, _) = pair();
    let (session, peer) = (author.session, author.id());
    let run = author.write(&["first", "second"], &[]);
    let (key, events) = scene
        .store
        .write(move |tx| {
            let (key, _) = sessions::create_direct(tx, &session, &peer, NOW)?;
            Ok((key, write_run(tx, key, &run, None)?))
        })
        .await
        .unwrap();
    (scene, key, events)
}

async fn listed(store: &Store, filter: Filter) -> Vec<Notification> {
    store.read(move |reader| notifications::list(reader, filter, None, 50)).await.unwrap().0
}

fn about(title: &str, subject: Option<&str>, created_ms: u64) -> New {
    New {
        kind: Kind::Network,
        session: None,
        message: None,
        sender: None,
        subject: subject.map(str::to_owned),
        title: title.to_owned(),
        body: String::new(),
        created_ms,
    }
}

#[tokio::test]
async fn what_stands_once_is_another_one_after_it_was_settled() {
    let scene = Scene::new();
    let once = async |subject: &'static str| {
        let new = about("away", Some(subject), NOW);
        scene.store.write(move |tx| notifications::add_once(tx, &new)).await.unwrap()
    };
    let settle = async |begin: &'static str| {
        scene.store.write(move |tx| notifications::settle(tx, Kind::Network, begin)).await.unwrap()
    };
    let first = once("relay a gone").await.unwrap();
    assert_eq!(once("relay a gone").await, None);
    scene.store.write(move |tx| notifications::mark_read(tx, first)).await.unwrap();
    assert_eq!(once("relay a gone").await, None, "because it was told, and lasts");
    let (second, other) = (once("relay a refused").await.unwrap(), once("relay ab gone").await.unwrap());
    assert_eq!(settle("relay a ").await, [first, second], "because the other one is of something else");
    let unread: Vec<_> = listed(&scene.store, Filter { unread: true, kind: None }).await;
    assert_eq!(unread.iter().map(|row| row.key).collect::<Vec<_>>(), [other]);
    assert!(once("relay a gone").await.is_some_and(|again| again != first), "because it happened again");
    assert!(settle("relay % ").await.is_empty(), "because a subject is no pattern");
}

async fn add(store: &Store, new: New) -> NotificationKey {
    store.write(move |tx| notifications::add(tx, &new)).await.unwrap()
}

#[tokio::test]
async fn one_unread_record_a_session_counts_up() {
    let (scene, session, events) = heard().await;
    let arrive = async |newest: EventKey, count, at| {
        scene
            .store
            .write(move |tx| notifications::arrived(tx, Kind::Message, session, newest, &machine(1), count, at))
            .await
            .unwrap()
    };
    let first = arrive(events[0], 1, NOW).await;
    let other = add(&scene.store, about("between", None, NOW)).await;
    assert_eq!(arrive(events[1], 3, NOW + 5).await, first, "because it is the same record");
    let rows = listed(&scene.store, Filter::default()).await;
    assert_eq!([rows[0].key, rows[1].key], [first, other], "because what is newer comes first");
    let row = &rows[0];
    assert_eq!((row.count, row.created_ms, row.text.as_deref()), (4, NOW + 5, Some("second")));
    assert_eq!((row.session.is_some(), row.sender), (true, Some(machine(1))));

    let read = scene.store.write(move |tx| notifications::read_session(tx, session)).await.unwrap();
    assert_eq!(read, [first], "what is about something else stays unread");
    assert_ne!(arrive(events[1], 1, NOW + 9).await, first, "because what was read is not counted up");
    let unread = listed(&scene.store, Filter { unread: true, kind: Some(Kind::Message) }).await;
    assert_eq!((unread.len(), unread[0].count), (1, 1));
}

#[tokio::test]
async fn the_text_goes_with_its_message() {
    let (scene, session, events) = heard().await;
    let newest = events[1];
    scene
        .store
        .write(move |tx| {
            notifications::arrived(tx, Kind::Message, session, newest, &machine(1), 2, NOW)?;
            messages::set_text(tx, newest, "", &[], NOW)
        })
        .await
        .unwrap();
    assert_eq!(listed(&scene.store, Filter::default()).await[0].text.as_deref(), Some(""));
}

#[tokio::test]
async fn a_mention_is_noted_once_and_goes_with_its_message() {
    let (scene, session, events) = heard().await;
    let message = events[0];
    let mention = async || {
        let note = move |tx: &landline_store::Tx<'_>| notifications::mentioned(tx, session, message, &machine(1), NOW);
        scene.store.write(note).await.unwrap()
    };
    let first = mention().await.unwrap();
    assert!(scene.store.write(move |tx| notifications::mark_read(tx, first)).await.unwrap());
    assert_eq!(mention().await, None, "because it was noted, and even read");
    let row = scene.store.read(move |reader| notifications::get(reader, first)).await.unwrap().unwrap();
    assert_eq!((row.kind, row.text.as_deref()), (Kind::Mention, Some("first")));
    assert_eq!(scene.store.write(move |tx| notifications::unmentioned(tx, message)).await.unwrap(), [first]);
    let again = mention().await.unwrap();
    let removed = scene.store.write(move |tx| removal::remove(tx, &[message], Received::Kept)).await.unwrap();
    assert_eq!(removed[0].noted, [again]);
    assert!(listed(&scene.store, Filter::default()).await.is_empty());
}

#[tokio::test]
async fn records_about_a_message_are_replaced_or_read_by_their_subject() {
    let (scene, session, events) = heard().await;
    let message = events[1];
    let about = |title: &str| New {
        kind: Kind::Transfer,
        session: Some(session),
        message: Some(message),
        ..about(title, Some("complete"), NOW)
    };
    let replace = async |title: &str, count| {
        let new = about(title);
        scene.store.write(move |tx| notifications::replace(tx, &new, count)).await.unwrap()
    };
    let first = replace("one file", 1).await;
    assert_eq!(replace("five files", 5).await, first);
    let row = scene.store.read(move |reader| notifications::get(reader, first)).await.unwrap().unwrap();
    assert_eq!((row.title.as_str(), row.count), ("five files", 5));
    let read = async |subject: &'static str| {
        scene.store.write(move |tx| notifications::read_subject(tx, message, subject)).await.unwrap()
    };
    assert!(read("failed").await.is_empty(), "because it is about something else");
    assert_eq!(read("complete").await, [first]);
    assert_ne!(replace("another", 1).await, first, "because the one before was read");
    assert_eq!(scene.store.write(move |tx| notifications::forget(tx, message)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn records_of_one_subject_are_one_until_it_is_read() {
    let (scene, ..) = heard().await;
    let first = add(&scene.store, about("no network", Some("mdns"), NOW)).await;
    assert_eq!(add(&scene.store, about("still none", Some("mdns"), NOW + 1)).await, first);
    assert_ne!(add(&scene.store, about("another", Some("beacon"), NOW)).await, first);
    let row = scene.store.read(move |reader| notifications::get(reader, first)).await.unwrap().unwrap();
    assert_eq!((row.title.as_str(), row.count), ("still none", 2));
    assert!(scene.store.write(move |tx| notifications::mark_read(tx, first)).await.unwrap());
    assert_ne!(add(&scene.store, about("again", Some("mdns"), NOW)).await, first);
    assert_eq!(scene.store.write(notifications::mark_all_read).await.unwrap().len(), 2);
    assert_eq!(scene.store.read(notifications::unread).await.unwrap(), 0);
}

#[tokio::test]
async fn pages_counts_and_cleaning() {
    let (scene, ..) = heard().await;
    for day in 0..5 {
        add(&scene.store, about(&format!("day {day}"), None, NOW - (4 - day) * DAY)).await;
    }
    let (page, more) =
        scene.store.read(|reader| notifications::list(reader, Filter::default(), None, 2)).await.unwrap();
    assert_eq!((page[0].title.as_str(), page[1].title.as_str(), more), ("day 4", "day 3", true));
    let place = page[1].place;
    let (page, more) =
        scene.store.read(move |reader| notifications::list(reader, Filter::default(), Some(place), 3)).await.unwrap();
    assert_eq!((page.len(), page[2].title.as_str(), more), (3, "day 0", false));

    let stats = scene.store.read(notifications::stats).await.unwrap();
    assert_eq!((stats.total, stats.unread, stats.by_kind), (5, 5, vec![(Kind::Network, 5)]));
    assert_eq!((stats.by_day.len(), stats.by_day[0]), (5, (NOW / DAY * DAY, 1)));

    let gone = scene.store.write(|tx| notifications::cleanup(tx, NOW - 2 * DAY)).await.unwrap();
    assert_eq!(gone.len(), 2);
    let last = listed(&scene.store, Filter::default()).await[0].key;
    assert!(scene.store.write(move |tx| notifications::delete(tx, last)).await.unwrap());
    assert!(!scene.store.write(move |tx| notifications::delete(tx, last)).await.unwrap());
    assert_eq!(listed(&scene.store, Filter::default()).await.len(), 2);
    let again = add(&scene.store, about("new", None, NOW)).await;
    assert!(again > last, "because a number is never used twice");
}

#[tokio::test]
async fn a_flood_is_bounded() {
    let (scene, ..) = heard().await;
    scene
        .store
        .write(|tx| {
            machines::upsert_seen(tx, &machine(3), NOW)?;
            for number in 0..notifications::KEPT + 7 {
                notifications::add(tx, &about(&number.to_string(), None, NOW))?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let gone = scene.store.write(|tx| notifications::cleanup(tx, 0)).await.unwrap();
    assert_eq!(gone.len(), 7);
    let stats = scene.store.read(notifications::stats).await.unwrap();
    assert_eq!(stats.total, notifications::KEPT);
}
