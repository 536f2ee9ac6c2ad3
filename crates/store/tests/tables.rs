//! The smaller tables, and what the rules of `proto` ask of the store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod scene;

use std::net::SocketAddr;

use landline_store::machines::Trust;
use landline_store::tokens::Token;
use landline_store::{
    EventKey, StoreError, addresses, drafts, events, logs, machines, messages, meta, outbox, registers, runs, sessions,
    settings, tokens,
};
use proto::log::{Admission, Missing, admit};
use proto::{Epoch, Profile, ReceiptKind, SignedProfile, SignedReceipt, VersionVector};
use scene::{Author, NOW, Scene, identity, machine, pair, write_run};

fn profile(version: u64, name: &str) -> SignedProfile {
    let profile = Profile {
        name: name.into(),
        device: "laptop".into(),
        status_text: "here".into(),
        colour: 3,
        relays: Vec::new(),
    };
    SignedProfile::sign(&identity(2), version, &profile).unwrap()
}

#[tokio::test]
async fn machines_are_seen_trusted_and_named() {
    let scene = Scene::new();
    let bob = machine(2);
    let (new, again) = scene
        .store
        .write(move |tx| Ok((machines::upsert_seen(tx, &bob, NOW)?, machines::upsert_seen(tx, &bob, NOW - 5_000)?)))
        .await
        .unwrap();
    assert!(new && !again);
    let signed = profile(7, "Bob");
    let copy = signed.clone();
    scene
        .store
        .write(move |tx| {
            assert!(machines::set_profile(tx, &copy)?);
            assert!(!machines::set_profile(tx, &profile(7, "Robert"))?, "the same version is not newer");
            assert!(!machines::set_profile(tx, &profile(6, "Old Bob"))?, "an older version changes nothing");
            assert!(machines::set_trust(tx, &bob, Trust::Accepted)?);
            assert!(!machines::set_trust(tx, &bob, Trust::Accepted)?, "nothing changed");
            machines::set_initiated(tx, &bob)
        })
        .await
        .unwrap();
    let scene = scene.reopened().await;
    let stored = scene.store.read(move |r| machines::get(r, &bob)).await.unwrap().unwrap();
    assert_eq!((stored.name.as_str(), stored.device.as_str(), stored.colour), ("Bob", "laptop", 3));
    assert_eq!(stored.profile, Some(signed), "the register is kept as it was signed");
    assert_eq!((stored.trust, stored.initiated), (Trust::Accepted, true));
    assert_eq!(stored.last_seen_ms, Some(NOW), "a clock that went back does not take the last sight back");
    assert_eq!(scene.store.read(machines::list).await.unwrap(), [stored]);
    assert_eq!(scene.store.read(|r| machines::get(r, &machine(9))).await.unwrap(), None);
}

#[tokio::test]
async fn addresses_are_remembered_newest_first_and_few() {
    let scene = Scene::new();
    let (bob, carol) = (machine(2), machine(3));
    let address = |number: u16| SocketAddr::from(([10, 0, 0, 1], number));
    scene
        .store
        .write(move |tx| {
            for number in 1..=12 {
                addresses::remember(tx, &bob, address(number), NOW + u64::from(number))?;
            }
            addresses::remember(tx, &bob, address(6), NOW + 50)?;
            addresses::remember(tx, &carol, "[fe80::1]:4281".parse().unwrap(), NOW + 40)?;
            machines::set_trust(tx, &carol, Trust::Blocked).map(drop)
        })
        .await
        .unwrap();
    let of_bob = scene.store.read(move |r| addresses::of(r, &bob)).await.unwrap();
    assert_eq!(of_bob, [6, 12, 11, 10, 9, 8, 7, 5].map(address));
    let recent = scene.store.read(|r| addresses::all_recent(r, 2)).await.unwrap();
    assert_eq!(recent, [(bob, address(6)), (bob, address(12))], "blocked machines are not dialled");

    scene
        .store
        .write(|tx| {
            assert!(addresses::add_typed(tx, "bob.local:4281", NOW)?);
            assert!(!addresses::add_typed(tx, "bob.local:4281", NOW + 1)?);
            addresses::add_typed(tx, "10.0.0.9:1", NOW + 2)?;
            assert_eq!(addresses::typed(tx)?, ["bob.local:4281", "10.0.0.9:1"]);
            assert!(addresses::remove_typed(tx, "bob.local:4281")?);
            assert!(!addresses::remove_typed(tx, "bob.local:4281")?);
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn tokens_settings_and_facts() {
    let scene = Scene::new();
    let token = Token {
        id: "a".into(),
        name: "script".into(),
        scopes: "read,send".into(),
        created_ms: NOW,
        expires_ms: Some(NOW + 1),
        revoked_ms: None,
        last_used_ms: None,
    };
    let copy = token.clone();
    scene
        .store
        .write(move |tx| {
            tokens::add(tx, &copy)?;
            assert!(matches!(tokens::add(tx, &copy), Err(StoreError::Conflict(_))), "an ID is taken once");
            tokens::touch(tx, "a", NOW + 5)?;
            assert!(tokens::revoke(tx, "a", NOW + 6)?);
            assert!(!tokens::revoke(tx, "a", NOW + 7)?);
            settings::set(tx, "theme", &"dark".into())?;
            settings::set(tx, "theme", &"light".into())?;
            settings::set(tx, "zoom", &100.into())?;
            settings::unset(tx, "zoom")?;
            meta::set_epoch(tx, 5)?;
            meta::set_epoch(tx, 6)?;
            meta::set_created(tx, NOW)?;
            assert_eq!(meta::set_epoch(tx, u64::MAX), Err(StoreError::TooLarge("epoch")));
            Ok(())
        })
        .await
        .unwrap();
    let expected = Token { revoked_ms: Some(NOW + 6), last_used_ms: Some(NOW + 5), ..token };
    scene
        .store
        .read(move |r| {
            assert_eq!(tokens::get(r, "a")?.as_ref(), Some(&expected));
            assert_eq!(tokens::list(r)?, [expected]);
            assert_eq!(settings::all(r)?, [("theme".to_owned(), "light".into())]);
            assert_eq!((meta::epoch(r)?, meta::created_ms(r)?), (Some(6), Some(NOW)));
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_register_keeps_its_newest_version() {
    let scene = Scene::new();
    let (mut alice, bob) = pair();
    let (session, peer) = (alice.session, bob.id());
    let run = alice.write(&["hello"], &[]);
    let vector: VersionVector = [(run.author(), run.epoch(), run.last_seq())].into_iter().collect();
    let receipt =
        |version| SignedReceipt::sign(&identity(2), session, ReceiptKind::Delivered, version, vector.clone(), None);
    let (old, new) = (receipt(3), receipt(4));
    let expected = new.clone();
    scene
        .store
        .write(move |tx| {
            let (key, _) = sessions::create_direct(tx, &session, &peer, NOW)?;
            assert!(registers::put_latest(tx, key, &old)?);
            assert!(registers::put_latest(tx, key, &new)?);
            assert!(!registers::put_latest(tx, key, &new)?);
            assert!(!registers::put_latest(tx, key, &old)?);
            assert_eq!(registers::get(tx, key, &peer, ReceiptKind::Delivered)?, Some(expected.clone()));
            assert_eq!(registers::of_session(tx, key)?, [expected]);
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn runs_are_admitted_by_what_is_held() {
    let scene = Scene::new();
    let (alice, mut bob) = pair();
    let (session, local, peer) = (alice.session, alice.local, bob.id());
    let first = bob.write(&["one", "two"], &[]);
    let second = bob.write(&["three"], &[]);
    // Bob's disk is restored from before his second run, and he writes another in its place.
    let mut restored = Author::new(2, session);
    restored.write(&["one", "two"], &[]);
    let other = restored.write(&["three, otherwise", "four"], &[]);
    scene
        .store
        .write(move |tx| {
            let judge = |run| admit(run, &peer, &local, &**tx);
            let waits = judge(second.clone())?;
            assert!(matches!(waits, Admission::Waiting { missing: Missing::From(1), .. }), "{waits:?}");
            let Admission::Append { run, head } = judge(first.clone())? else {
                panic!("the first run follows nothing")
            };
            let (key, _) = sessions::create_direct(tx, &session, &peer, NOW)?;
            let early = events::append(tx, key, &second, NOW);
            assert!(matches!(early, Err(StoreError::Conflict(_))), "a log begins at 1: {early:?}");
            write_run(tx, key, &run, None)?;
            assert_eq!(logs::heads(tx, key)?.iter().map(proto::log::Head::from).collect::<Vec<_>>(), [head]);
            assert_eq!(judge(first.clone())?, Admission::Duplicate);
            let gap = events::append(tx, key, &first, NOW);
            assert!(matches!(gap, Err(StoreError::Conflict(_))), "a run is appended once: {gap:?}");

            let last = first.events()[1].id();
            assert_eq!(events::known(tx, key, &last)?, Some(2));
            assert_eq!(events::known(tx, key, &first.events()[0].id())?, None, "no parent lies within a run");
            assert_eq!(events::id_at(tx, key, &peer, first.epoch(), 1)?, Some(first.events()[0].id()));
            assert_eq!(messages::latest_shown(tx, [&last])?, Some(NOW));

            write_run(tx, key, &second, None)?;
            let Admission::Fork { run, seq, .. } = judge(other)? else { panic!("two events at one place are a fork") };
            assert_eq!(seq, 3);
            events::keep_fork(tx, key, &run, seq, NOW)?;
            events::keep_fork(tx, key, &run, seq, NOW + 1)?;
            let forks = events::forks(tx, key)?;
            assert_eq!(forks.len(), 1, "one proof suffices");
            assert_eq!((forks[0].seq, forks[0].noticed_ms), (3, NOW));
            assert_eq!(proto::Run::decode(&forks[0].run).unwrap().verify().unwrap(), run);
            assert!(logs::head(tx, key, &peer, run.epoch())?.unwrap().frozen);
            let third = bob.write(&["five"], &[]);
            let refused = events::append(tx, key, &third, NOW);
            assert!(matches!(refused, Err(StoreError::Conflict(_))), "a frozen log takes nothing: {refused:?}");
            assert_eq!(logs::epochs(tx, key, &peer)?, 1);
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_deleted_body_leaves_its_run_valid() {
    let scene = Scene::new();
    let (mut alice, bob) = pair();
    let (session, peer) = (alice.session, bob.id());
    let run = alice.write(&["one", "two", "three"], &[]);
    let batch = scene
        .store
        .write(move |tx| {
            let (key, _) = sessions::create_direct(tx, &session, &peer, NOW)?;
            let keys = write_run(tx, key, &run, None)?;
            events::delete_body(tx, keys[1])?;
            runs::after(tx, key, &VersionVector::new(), 1 << 20)
        })
        .await
        .unwrap();
    let run = batch.runs[0].clone().verify().expect("header and signature are untouched");
    assert_eq!(run.events().iter().map(|event| event.body().is_some()).collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn drafts_mutes_and_what_waits() {
    let scene = Scene::new();
    let (mut alice, bob) = pair();
    let (session, peer) = (alice.session, bob.id());
    let run = alice.write(&["one", "two"], &[]);
    scene
        .store
        .write(move |tx| {
            let (key, new) = sessions::create_direct(tx, &session, &peer, NOW)?;
            assert!(new);
            assert_eq!(sessions::create_direct(tx, &session, &peer, NOW)?, (key, false), "it is found the second time");
            drafts::set_text(tx, key, Some("half a"), NOW)?;
            sessions::set_archived(tx, key, true)?;
            sessions::set_muted_until(tx, key, Some(NOW + 1))?;
            let stored = sessions::get_by_id(tx, &session)?.unwrap();
            assert_eq!((stored.draft.as_deref(), stored.draft_ms), (Some("half a"), Some(NOW)));
            assert_eq!((stored.archived, stored.muted_until_ms), (true, Some(NOW + 1)));
            drafts::set_text(tx, key, Some(""), NOW)?;
            assert_eq!(sessions::get(tx, key)?.unwrap().draft, None, "an empty draft is none");
            assert_eq!(sessions::with_peer(tx, &peer)?, [(key, session)]);
            assert_eq!(logs::digests(tx, &peer)?, [(session, VersionVector::new().digest())], "an empty session too");

            machines::upsert_seen(tx, &run.author(), NOW)?;
            assert_eq!(outbox::sessions_waiting(tx, &peer)?, []);
            let keys = write_run(tx, key, &run, Some(&peer))?;
            assert_eq!(outbox::sessions_waiting(tx, &peer)?, [(key, session)]);
            outbox::set_failed(tx, &peer, key, &keys[1..], Some("too large"))?;
            let reasons: Vec<_> =
                outbox::waiting(tx, &peer, key, 9)?.into_iter().map(|row| row.failed_reason).collect();
            assert_eq!(reasons, [None, Some("too large".to_owned())]);
            // Receipts that cover nothing of this log clear nothing.
            let elsewhere: VersionVector =
                [(run.author(), Epoch::new(77), 9), (peer, run.epoch(), 9)].into_iter().collect();
            assert_eq!(outbox::covered_by(tx, &peer, key, &elsewhere)?, []);
            let all: VersionVector = [(run.author(), run.epoch(), 2)].into_iter().collect();
            assert_eq!(outbox::covered_by(tx, &peer, key, &all)?, keys);
            assert_eq!(messages::mark_delivered(tx, &keys, NOW)?, keys);
            assert_eq!(messages::mark_delivered(tx, &keys, NOW)?, [], "once");
            assert_eq!(messages::mark_delivered(tx, &[EventKey(99)], NOW)?, []);
            assert_eq!(messages::by_keys(tx, &keys)?.len(), 2);
            Ok(())
        })
        .await
        .unwrap();
}
