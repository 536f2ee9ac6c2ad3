//! What waits for a machine that is away.

use bytes::Bytes;
use proto::prekey::{Prekey, SignedPrekey};
use proto::relay::{FromRelay, RefusalCode, ToRelay, TokenEntry, TokenHash};

use crate::scene::{NOW_S, Scene, anna, bob, id, key};

#[tokio::test]
async fn what_is_put_is_fetched_in_order_and_acknowledged_away() {
    let scene = Scene::new().await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    assert!(annas.fetch(0).await.is_empty());
    drop(annas);

    let mut sender = scene.nobody().await;
    for envelope in [b"one".as_slice(), b"two", b"three", b"two"] {
        let put = sender.put(id(&anna()), Some(&key()), envelope);
        sender.done(put).await;
    }
    assert_eq!(scene.figure("puts_total").await, 3, "because one was put twice");

    let scene = scene.restart().await;
    let mut annas = scene.machine(&anna()).await;
    let items = annas.fetch(0).await;
    let envelopes: Vec<_> = items.iter().map(|item| item.envelope.clone()).collect();
    assert_eq!(envelopes, ["one", "two", "three"]);
    assert!(items.iter().all(|item| item.put_s == NOW_S));
    assert_eq!(annas.fetch(items[0].cursor).await.len(), 2);
    annas.ack(vec![items[0].cursor, items[1].cursor]).await;
    assert_eq!(annas.fetch(0).await, items[2..]);
    let mut sender = scene.nobody().await;
    let again = sender.put(id(&anna()), Some(&key()), b"one");
    sender.done(again).await;
    assert_eq!(annas.fetch(0).await, items[2..], "because she had it");
}

#[tokio::test]
async fn who_has_looked_is_told_what_arrives() {
    let scene = Scene::new().await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut sender = scene.nobody().await;
    let put = sender.put(id(&anna()), Some(&key()), b"before");
    sender.done(put).await;
    assert_eq!(annas.fetch(0).await.len(), 1);
    let put = sender.put(id(&anna()), Some(&key()), b"after");
    sender.done(put).await;
    assert_eq!(annas.next().await, Some(FromRelay::Arrived));
    assert_eq!(annas.fetch(0).await.len(), 2);
}

#[tokio::test]
async fn large_envelopes_come_in_several_frames() {
    let scene = Scene::with(|config| config.limits.puts_burst = 100).await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut sender = scene.nobody().await;
    let mut asked = Vec::new();
    for number in 0..8_u8 {
        let put = sender.put(id(&anna()), Some(&key()), &vec![number; proto::limits::ENVELOPE_BYTES]);
        asked.extend(put.request());
        // Without waiting: many are under way at once.
        sender.send(&put).await;
    }
    for request in asked {
        assert_eq!(sender.answer(request).await, FromRelay::Done { request });
    }
    let items = annas.fetch(0).await;
    let firsts: Vec<u8> = items.iter().map(|item| item.envelope[0]).collect();
    assert_eq!(firsts, (0..8).collect::<Vec<_>>(), "because one connection's puts keep their order");
    assert!(items.iter().all(|item| item.envelope.len() == proto::limits::ENVELOPE_BYTES));
}

#[tokio::test]
async fn refusals_name_what_was_met() {
    let scene = Scene::with(|config| {
        config.limits.items = 2;
        config.limits.puts_burst = 4;
        config.limits.tokens = 2;
    })
    .await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut sender = scene.nobody().await;
    for envelope in [b"one", b"two"] {
        let put = sender.put(id(&anna()), Some(&key()), envelope);
        sender.done(put).await;
    }
    let put = sender.put(id(&anna()), Some(&key()), b"three");
    let refused = sender.refused(put).await;
    assert_eq!((refused.code, refused.limit), (RefusalCode::MailboxFull, Some(2)), "{refused:?}");
    let put = sender.put(id(&anna()), Some(&key()), b"one");
    sender.done(put).await;
    let put = sender.put(id(&anna()), Some(&key()), b"five");
    let refused = sender.refused(put).await;
    assert_eq!((refused.code, refused.limit), (RefusalCode::RateLimited, Some(60)), "{refused:?}");
    assert!(refused.retry_after_s.is_some_and(|seconds| (1..=2).contains(&seconds)), "{refused:?}");
    let put = sender.put(id(&anna()), Some(&proto::relay::Token::from_bytes([9; 32])), b"one");
    assert_eq!(sender.refused(put).await.code, RefusalCode::BadToken);
    let put = sender.put(id(&bob()), Some(&key()), b"one");
    assert_eq!(sender.refused(put).await.code, RefusalCode::Unreachable, "because Bob has no mailbox here");

    let request = annas.number();
    let entry = |number: u8| TokenEntry { hash: TokenHash::from_bytes([number; 32]), lifetime_s: None };
    let tokens = ToRelay::Tokens { request, add: vec![entry(1), entry(2)], remove: vec![], replace: false };
    let refused = annas.refused(tokens).await;
    assert_eq!((refused.code, refused.limit), (RefusalCode::TooMany, Some(2)));

    for request in [ToRelay::Fetch { request: 90, after: 0, limit: 1 }, ToRelay::Ack { request: 91, cursors: vec![] }] {
        assert_eq!(sender.refused(request).await.code, RefusalCode::NotLoggedIn);
    }
}

#[tokio::test]
async fn strangers_reach_the_request_slot_only() {
    let scene = Scene::with(|config| config.limits.request_items = 2).await;
    let mut annas = scene.machine(&anna()).await;
    let mut stranger = scene.nobody().await;
    let put = stranger.put(id(&anna()), None, &[0; 18_433]);
    let refused = stranger.refused(put).await;
    assert_eq!((refused.code, refused.limit), (RefusalCode::TooLarge, Some(18_432)));
    let put = stranger.put(id(&anna()), None, b"hello?");
    stranger.done(put).await;
    assert_eq!(stranger.open(id(&anna()), &key()).await, Err(RefusalCode::Unreachable));
    assert!(!stranger.watch(id(&anna()), &key()).await);
    // Another connection of the same source has no other budget.
    let mut again = scene.nobody().await;
    let put = again.put(id(&anna()), None, b"hello!");
    again.done(put).await;
    let put = again.put(id(&anna()), None, b"hello!!");
    let refused = again.refused(put).await;
    assert_eq!((refused.code, refused.limit), (RefusalCode::RateLimited, Some(3)));
    assert_eq!(annas.fetch(0).await.len(), 2);
}

#[tokio::test]
async fn a_prekey_lies_there_for_everybody() {
    let scene = Scene::new().await;
    let mut annas = scene.machine(&anna()).await;
    let mut anybody = scene.nobody().await;
    let request = anybody.number();
    let get = |request| ToRelay::GetPrekey { request, machine: id(&anna()) };
    assert_eq!(anybody.ask(get(request)).await, FromRelay::Prekey { request, prekey: None });
    let prekey = |version| Prekey {
        machine: id(&anna()),
        version,
        suite: proto::prekey::SUITE,
        public: Bytes::from(vec![3; proto::prekey::PUBLIC_BYTES]),
        not_before_s: NOW_S,
        not_after_s: NOW_S + 1_000,
    };
    let signed = SignedPrekey::sign(&anna(), prekey(5)).unwrap();
    let request = annas.number();
    annas.done(ToRelay::Publish { request, prekey: signed.clone() }).await;
    let request = anybody.number();
    assert_eq!(anybody.ask(get(request)).await, FromRelay::Prekey { request, prekey: Some(signed.clone()) });

    let older = SignedPrekey::sign(&anna(), prekey(4)).unwrap();
    let forged = SignedPrekey::decode(older.bytes().clone(), *signed.signature()).unwrap();
    let bobs = SignedPrekey::sign(&bob(), prekey(6)).unwrap();
    for refused in [older, forged, bobs] {
        let request = annas.number();
        let refused = annas.refused(ToRelay::Publish { request, prekey: refused }).await;
        assert_eq!(refused.code, RefusalCode::Invalid, "{refused:?}");
    }
    let request = anybody.number();
    assert_eq!(anybody.ask(get(request)).await, FromRelay::Prekey { request, prekey: Some(signed) });
}

#[tokio::test]
async fn what_nobody_fetches_goes() {
    let scene = Scene::new().await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut sender = scene.nobody().await;
    let put = ToRelay::Put { request: 1, to: id(&anna()), token: Some(key()), envelope: Bytes::from_static(b"one") };
    sender.done(put).await;
    scene.clock.advance(std::time::Duration::from_secs(21 * 24 * 60 * 60));
    // The sweeper comes by itself.
    while scene.figure("items").await > 0 {
        tokio::task::yield_now().await;
    }
    assert!(annas.fetch(0).await.is_empty());
}
