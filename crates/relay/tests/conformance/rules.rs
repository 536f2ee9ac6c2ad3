//! The rules, and the macro that makes tests of them for one kind of store.

use bytes::Bytes;
use futures_util::future::join_all;
use landline_relay::mailboxes::{Kept, MailboxError, Mailboxes as _, TokenChange};

use crate::scene::{KEY, Maker, NOW, ask, content, kept, machine, mailbox, put, put_at, quotas, token};

/// Tests of every rule, over what a [`Maker`] makes.
macro_rules! conforms {
    ($maker:ty: $($rule:ident)*) => {$(
        #[tokio::test]
        async fn $rule() {
            crate::rules::$rule(<$maker as crate::scene::Maker>::new()).await;
        }
    )*};
    ($maker:ty) => {
        crate::rules::conforms!($maker:
            items_come_in_the_order_in_which_they_were_put
            pages_hold_what_was_asked_for
            what_is_acknowledged_is_gone_and_the_rest_stays
            the_same_envelope_is_kept_once
            crowds_are_counted_exactly
            only_a_valid_token_puts
            tokens_are_changed_as_told
            quotas_are_exact
            strangers_have_a_slot_of_their_own
            what_is_too_old_goes
            the_newest_prekey_is_kept
            mailboxes_are_limited_and_forgotten
            all_of_it_outlives_the_program
        );
    };
}
pub(crate) use conforms;

pub(crate) async fn items_come_in_the_order_in_which_they_were_put(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let (anna, bob) = (mailbox(&store, 1).await, mailbox(&store, 2).await);
    for envelope in [b"a", b"b", b"c"] {
        assert_eq!(put(&store, anna, envelope).await, Ok(Kept::New));
        assert_eq!(put(&store, bob, envelope).await, Ok(Kept::New), "because each mailbox is its own");
    }
    let page = store.fetch(anna, 0, 64, 1_000).await.unwrap();
    let envelopes: Vec<&[u8]> = page.items.iter().map(|item| item.envelope.as_ref()).collect();
    assert_eq!(envelopes, [b"a", b"b", b"c"]);
    assert!(page.items.iter().all(|item| item.put_s == NOW));
    assert!(page.items.is_sorted_by(|one, next| one.cursor < next.cursor), "because a cursor is a place");
    let after = store.fetch(anna, page.items[0].cursor, 64, 1_000).await.unwrap();
    assert_eq!(after.items, page.items[1..]);
    assert_eq!(store.fetch(machine(9), 0, 64, 1_000).await.unwrap().items, [], "because nobody put anything there");
}

pub(crate) async fn pages_hold_what_was_asked_for(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    for number in 0..4_u8 {
        put(&store, anna, &[number; 100]).await.unwrap();
    }
    for (count, bytes, expected) in [(2, 1_000, 2), (64, 250, 2), (64, 300, 3), (64, 10, 1), (4, 400, 4)] {
        let page = store.fetch(anna, 0, count, bytes).await.unwrap();
        assert_eq!((page.items.len(), page.more), (expected, expected < 4), "{count} items of {bytes} bytes");
    }
}

pub(crate) async fn what_is_acknowledged_is_gone_and_the_rest_stays(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let (anna, bob) = (mailbox(&store, 1).await, mailbox(&store, 2).await);
    for envelope in [b"a", b"b", b"c"] {
        put(&store, anna, envelope).await.unwrap();
    }
    put(&store, bob, b"bob's").await.unwrap();
    let (_, cursors) = content(&store, anna).await;
    let (_, bobs) = content(&store, bob).await;
    store.acknowledge(anna, vec![cursors[1], cursors[1], bobs[0], u64::MAX]).await.unwrap();
    assert_eq!(content(&store, anna).await.0, [b"a", b"c"]);
    assert_eq!(content(&store, bob).await.0, [b"bob's"], "because Anna can't take away what is Bob's");
    store.acknowledge(anna, cursors).await.unwrap();
    assert_eq!(content(&store, anna).await.0, Vec::<Vec<u8>>::new());
    assert_eq!(kept(&store).await, (2, 1, 5));
}

pub(crate) async fn the_same_envelope_is_kept_once(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let (anna, bob) = (mailbox(&store, 1).await, mailbox(&store, 2).await);
    assert_eq!(put(&store, anna, b"a").await, Ok(Kept::New));
    assert_eq!(put(&store, anna, b"a").await, Ok(Kept::Known));
    assert_eq!(put(&store, bob, b"a").await, Ok(Kept::New), "because it is known by recipient");
    let (envelopes, cursors) = content(&store, anna).await;
    assert_eq!(envelopes, [b"a"]);
    store.acknowledge(anna, cursors.clone()).await.unwrap();
    assert_eq!(put(&store, anna, b"a").await, Ok(Kept::Known), "because its sender may have missed the answer");
    assert_eq!(content(&store, anna).await.0, Vec::<Vec<u8>>::new());

    assert_eq!(put_at(&store, anna, b"a", NOW + 1_000).await, Ok(Kept::New), "because it would have expired by now");
    let (_, later) = content(&store, anna).await;
    assert!(later[0] > cursors[0], "because no cursor is given twice");
}

pub(crate) async fn crowds_are_counted_exactly(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    let envelopes: Vec<[u8; 2]> = (0..50_u8).map(|number| [number, 0]).collect();
    let outcomes = join_all(envelopes.iter().map(|envelope| put(&store, anna, envelope))).await;
    let new = outcomes.iter().filter(|outcome| **outcome == Ok(Kept::New)).count();
    assert_eq!(new, 4, "because four is the quota, whoever comes at once");
    let full = Err(MailboxError::Full { what: "items", limit: 4 });
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == full).count(), 46);
    assert_eq!(content(&store, anna).await.0.len(), 4);
    assert_eq!(kept(&store).await, (1, 4, 8));
}

pub(crate) async fn only_a_valid_token_puts(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    assert_eq!(put(&store, machine(1), b"a").await, Err(MailboxError::NoMailbox));
    assert_eq!(ask(&store, machine(1), b"a").await, Err(MailboxError::NoMailbox));
    store.enter(machine(1), NOW).await.unwrap();
    assert_eq!(put(&store, machine(1), b"a").await, Err(MailboxError::BadToken), "because it was given to nobody");
    let anna = mailbox(&store, 1).await;
    assert_eq!(put(&store, anna, b"a").await, Ok(Kept::New));
    let revoked = TokenChange { remove: vec![KEY], ..TokenChange::default() };
    assert_eq!(store.change_tokens(anna, revoked, NOW).await.unwrap(), []);
    assert_eq!(put(&store, anna, b"b").await, Err(MailboxError::BadToken), "because it was revoked");
    assert_eq!(put(&store, anna, b"a").await, Err(MailboxError::BadToken), "because a known envelope is no way around");
    let mut short = token(KEY[0]);
    short.expires_s = NOW + 10;
    store.change_tokens(anna, TokenChange { add: vec![short], ..TokenChange::default() }, NOW).await.unwrap();
    assert_eq!(put_at(&store, anna, b"b", NOW + 9).await, Ok(Kept::New));
    assert_eq!(put_at(&store, anna, b"c", NOW + 10).await, Err(MailboxError::BadToken), "because it has expired");
}

pub(crate) async fn tokens_are_changed_as_told(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let anna = machine(1);
    assert_eq!(store.enter(anna, NOW).await.unwrap(), []);
    let add = |numbers: &[u8]| TokenChange {
        add: numbers.iter().map(|number| token(*number)).collect(),
        ..TokenChange::default()
    };
    let sorted = |mut tokens: Vec<landline_relay::mailboxes::Token>| {
        tokens.sort_by_key(|token| token.hash);
        tokens
    };
    store.change_tokens(anna, add(&[1, 2]), NOW).await.unwrap();
    let now =
        store.change_tokens(anna, TokenChange { remove: vec![[1; 32], [9; 32]], ..add(&[3]) }, NOW).await.unwrap();
    assert_eq!(sorted(now), [token(2), token(3)]);
    assert_eq!(sorted(store.enter(anna, NOW).await.unwrap()), [token(2), token(3)]);
    let exhausted = Err(MailboxError::Exhausted { what: "tokens", limit: 3 });
    assert_eq!(store.change_tokens(anna, add(&[4, 5]), NOW).await, exhausted);
    assert_eq!(sorted(store.enter(anna, NOW).await.unwrap()), [token(2), token(3)], "because all or nothing is done");
    assert_eq!(store.change_tokens(anna, add(&[2, 3, 4]), NOW).await.unwrap().len(), 3, "because two were there");
    let replaced = store.change_tokens(anna, TokenChange { replace: true, ..add(&[6]) }, NOW).await.unwrap();
    assert_eq!(replaced, [token(6)]);
    let both = TokenChange { remove: vec![[6; 32]], ..add(&[6]) };
    assert_eq!(store.change_tokens(anna, both, NOW).await.unwrap(), [token(6)], "because adding comes last");
    assert_eq!(store.change_tokens(anna, add(&[7, 8]), NOW).await.unwrap().len(), 3);
}

pub(crate) async fn quotas_are_exact(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    assert_eq!(put(&store, anna, &[1; 999]).await, Ok(Kept::New));
    assert_eq!(put(&store, anna, &[2; 2]).await, Err(MailboxError::Full { what: "bytes", limit: 1_000 }));
    assert_eq!(put(&store, anna, &[3; 1]).await, Ok(Kept::New), "because it fits to the byte");
    assert_eq!(put(&store, anna, &[1; 999]).await, Ok(Kept::Known), "because what is there needs no room");
    let (_, cursors) = content(&store, anna).await;
    store.acknowledge(anna, vec![cursors[0]]).await.unwrap();
    for number in 4..7_u8 {
        assert_eq!(put(&store, anna, &[number; 10]).await, Ok(Kept::New));
    }
    assert_eq!(put(&store, anna, &[7; 1]).await, Err(MailboxError::Full { what: "items", limit: 4 }));
}

pub(crate) async fn strangers_have_a_slot_of_their_own(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    assert_eq!(ask(&store, anna, &[1; 51]).await, Err(MailboxError::TooLarge { limit: 50 }));
    assert_eq!(ask(&store, anna, &[1; 50]).await, Ok(Kept::New));
    assert_eq!(ask(&store, anna, &[1; 50]).await, Ok(Kept::Known));
    assert_eq!(ask(&store, anna, &[2; 50]).await, Ok(Kept::New));
    let full = Err(MailboxError::Full { what: "items of strangers", limit: 2 });
    assert_eq!(ask(&store, anna, &[3; 50]).await, full);
    for number in 4..8_u8 {
        assert_eq!(put(&store, anna, &[number]).await, Ok(Kept::New), "because strangers take nobody's room");
    }
    let (envelopes, cursors) = content(&store, anna).await;
    assert_eq!(envelopes.len(), 6, "because both kinds are fetched alike");
    store.acknowledge(anna, cursors[..1].to_vec()).await.unwrap();
    assert_eq!(ask(&store, anna, &[3; 50]).await, Ok(Kept::New));
}

pub(crate) async fn what_is_too_old_goes(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    put(&store, anna, b"a").await.unwrap();
    ask(&store, anna, b"b").await.unwrap();
    put_at(&store, anna, b"c", NOW + 1).await.unwrap();
    assert_eq!(store.sweep(NOW + 99).await, Ok(false));
    assert_eq!(content(&store, anna).await.0.len(), 3);
    assert_eq!(store.sweep(NOW + 100).await, Ok(false));
    assert_eq!(content(&store, anna).await.0, [b"a", b"c"], "because strangers' items live less long");
    store.sweep(NOW + 1_000).await.unwrap();
    assert_eq!(content(&store, anna).await.0, [b"c"]);
    assert_eq!(kept(&store).await, (1, 1, 1), "because counts follow");
    assert_eq!(put_at(&store, anna, b"a", NOW + 1_000).await, Ok(Kept::New), "because it is no longer remembered");
    store.sweep(0).await.unwrap();
    assert_eq!(content(&store, anna).await.0.len(), 2, "because a clock that goes back takes nothing away");
}

pub(crate) async fn the_newest_prekey_is_kept(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    assert_eq!(store.prekey(anna).await, Ok(None));
    assert_eq!(store.prekey(machine(9)).await, Ok(None));
    assert_eq!(store.publish(anna, 2, Bytes::from_static(b"two")).await, Ok(true));
    assert_eq!(store.publish(anna, 1, Bytes::from_static(b"one")).await, Ok(false));
    assert_eq!(store.publish(anna, 2, Bytes::from_static(b"other")).await, Ok(false));
    assert_eq!(store.publish(anna, 2, Bytes::from_static(b"two")).await, Ok(true), "because it may be said again");
    assert_eq!(store.prekey(anna).await.unwrap().unwrap(), "two", "because the greater version wins");
    store.publish(anna, 3, Bytes::from_static(b"three")).await.unwrap();
    assert_eq!(store.prekey(anna).await.unwrap().unwrap(), "three");
}

pub(crate) async fn mailboxes_are_limited_and_forgotten(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    for number in 1..=3 {
        store.enter(machine(number), NOW).await.unwrap();
    }
    let exhausted = Err(MailboxError::Exhausted { what: "mailboxes", limit: 3 });
    assert_eq!(store.enter(machine(4), NOW).await, exhausted);
    assert_eq!(store.enter(machine(1), NOW + 90_000).await, Ok(vec![]), "because it has one");
    mailbox(&store, 2).await;
    put_at(&store, machine(2), b"a", NOW).await.unwrap();
    store.sweep(NOW + 100_001).await.unwrap();
    assert_eq!(kept(&store).await, (1, 0, 0), "because two never came back");
    assert_eq!(store.enter(machine(4), NOW).await, Ok(vec![]));
}

pub(crate) async fn all_of_it_outlives_the_program(maker: impl Maker) {
    let store = maker.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    put(&store, anna, b"a").await.unwrap();
    put(&store, anna, b"b").await.unwrap();
    store.publish(anna, 2, Bytes::from_static(b"two")).await.unwrap();
    let (_, cursors) = content(&store, anna).await;
    store.acknowledge(anna, vec![cursors[0]]).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(put(&store, anna, b"c").await, Err(MailboxError::Closed));
    drop(store);

    let store = maker.open(quotas()).await;
    assert_eq!(content(&store, anna).await, (vec![b"b".to_vec()], cursors[1..].to_vec()));
    assert_eq!(put(&store, anna, b"a").await, Ok(Kept::Known));
    assert_eq!(store.enter(anna, NOW).await.unwrap(), [token(KEY[0])]);
    assert_eq!(store.prekey(anna).await.unwrap().unwrap(), "two");
    assert_eq!(put(&store, anna, b"d").await, Ok(Kept::New));
    assert!(content(&store, anna).await.1[1] > cursors[1]);
}
