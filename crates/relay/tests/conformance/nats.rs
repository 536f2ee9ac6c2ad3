//! The rules over NATS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use landline_relay::mailboxes::{Kept, MailboxError, Mailboxes as _, Quotas, TokenChange};
use landline_relay::{NatsConfig, NatsLogin, NatsMailboxes};
use proto::clock::ManualClock;

use crate::nats_server::{NatsServer, cluster};
use crate::rules::conforms;
use crate::scene::{KEY, Maker, NOW, content, kept, machine, mailbox, put, put_at, quotas};

impl Maker for NatsServer {
    type Store = NatsMailboxes;

    fn new() -> Self {
        Self::start()
    }

    async fn open(&self, quotas: Quotas) -> NatsMailboxes {
        open(self, quotas, NOW).await
    }
}

conforms!(NatsServer);

/// Mailboxes that can be used, however long NATS takes to begin.
pub(crate) async fn open(server: &NatsServer, quotas: Quotas, now_s: u64) -> NatsMailboxes {
    let store = begin_to_open(server, quotas, now_s).await;
    // Each waits for a while.
    while let Err(MailboxError::Away(_)) = store.prekey(machine(9)).await {}
    store
}

async fn begin_to_open(server: &NatsServer, quotas: Quotas, now_s: u64) -> NatsMailboxes {
    let clock = Arc::new(ManualClock::new(now_s * 1_000));
    NatsMailboxes::open(&NatsConfig::new(&server.url()).unwrap(), quotas, clock).await.unwrap()
}

/// Every rule over a cluster, whose servers keep conditions only mostly.
pub(crate) mod cluster {
    use super::*;

    pub(crate) struct Cluster(pub(crate) [NatsServer; 3]);

    impl Maker for Cluster {
        type Store = NatsMailboxes;

        fn new() -> Self {
            Self(cluster())
        }

        async fn open(&self, quotas: Quotas) -> NatsMailboxes {
            open(&self.0[0], quotas, NOW).await
        }
    }

    conforms!(Cluster);

    #[tokio::test]
    async fn two_nodes_keep_one_mailbox() {
        let cluster = Cluster::new();
        two_nodes(&cluster.open(quotas()).await, &open(&cluster.0[1], quotas(), NOW).await).await;
    }

    #[tokio::test]
    async fn quotas_are_exact_over_two_nodes() {
        let cluster = Cluster::new();
        exact_quotas(&cluster.open(quotas()).await, &open(&cluster.0[1], quotas(), NOW).await).await;
    }

    /// One node knows a mailbox that another forgets.
    #[tokio::test]
    async fn a_mailbox_that_is_forgotten_is_forgotten_everywhere() {
        let cluster = Cluster::new();
        forgotten_everywhere(&cluster.open(quotas()).await, &open(&cluster.0[1], quotas(), NOW).await).await;
    }

    /// A server whose machine loses its power closes no connection: it says nothing more.
    #[tokio::test]
    async fn a_server_that_falls_silent_is_left() {
        let cluster = Cluster::new();
        let store = cluster.open(quotas()).await;
        let anna = mailbox(&store, 1).await;
        for (number, server) in cluster.0.iter().enumerate() {
            server.freeze();
            // With the word that it passes it may be refused meanwhile, where the silent one led the stream as well.
            let put = async { while put(&store, anna, &[u8::try_from(number).unwrap()]).await.is_err() {} };
            let put = tokio::time::timeout(Duration::from_secs(40), put).await;
            assert!(put.is_ok(), "server {number} was not left");
            server.thaw();
            cluster.0.iter().for_each(NatsServer::catches_up);
        }
        assert_eq!(content(&store, anna).await.0, [[0_u8], [1], [2]]);
    }

    /// Both put the same: what came too late is removed, and nothing that counts is lost with it.
    #[tokio::test]
    async fn what_came_too_late_hides_nothing() {
        let cluster = Cluster::new();
        let many = Quotas { items: 1_000, bytes: 1 << 20, ..quotas() };
        let (one, two) = (cluster.open(many.clone()).await, open(&cluster.0[1], many.clone(), NOW).await);
        let anna = mailbox(&one, 1).await;
        for number in 0..60_u8 {
            let envelope = [number];
            let (first, second) = tokio::join!(put(&one, anna, &envelope), put(&two, anna, &envelope));
            assert!(first.is_ok() && second.is_ok(), "{first:?}, {second:?}");
            // Who comes anew knows nothing but what the stream says.
            let anew = open(&cluster.0[2], many.clone(), NOW).await;
            let (envelopes, _) = content(&anew, anna).await;
            assert_eq!(envelopes.len(), usize::from(number) + 1, "after {first:?}, {second:?}");
        }
    }

    /// One node adds, another takes away, both as fast as they can.
    #[tokio::test]
    async fn nothing_is_lost_between_two_nodes() {
        let cluster = Cluster::new();
        let many = Quotas { items: 1_000, bytes: 1 << 20, ..quotas() };
        let (one, two) = (cluster.open(many.clone()).await, open(&cluster.0[1], many, NOW).await);
        let anna = mailbox(&one, 1).await;
        let puts = async {
            for number in 0..200_u8 {
                assert_eq!(put(&one, anna, &[number]).await, Ok(Kept::New));
            }
        };
        let takes = async {
            let mut came = Vec::new();
            while came.len() < 200 {
                let page = two.fetch(anna, 0, 64, 1_000).await.unwrap();
                came.extend(page.items.iter().map(|item| item.envelope[0]));
                two.acknowledge(anna, page.items.iter().map(|item| item.cursor).collect()).await.unwrap();
            }
            came
        };
        let ((), came) = tokio::join!(puts, takes);
        assert_eq!(came, (0..200).collect::<Vec<_>>());
        assert_eq!(content(&one, anna).await.0, Vec::<Vec<u8>>::new());
    }
}

#[tokio::test]
async fn two_nodes_keep_one_mailbox() {
    let server = NatsServer::start();
    two_nodes(&server.open(quotas()).await, &server.open(quotas()).await).await;
}

async fn two_nodes(one: &NatsMailboxes, two: &NatsMailboxes) {
    let anna = mailbox(one, 1).await;
    assert_eq!(put(one, anna, b"a").await, Ok(Kept::New));
    assert_eq!(put(two, anna, b"a").await, Ok(Kept::Known), "because the other node has it");
    assert_eq!(put(two, anna, b"b").await, Ok(Kept::New));
    assert_eq!(put(one, anna, b"c").await, Ok(Kept::New), "because what it knew was behind, and is read again");
    let (envelopes, cursors) = content(one, anna).await;
    assert_eq!((envelopes.clone(), cursors.clone()), content(two, anna).await);
    assert_eq!(envelopes, [b"a", b"b", b"c"]);
    two.acknowledge(anna, cursors[..2].to_vec()).await.unwrap();
    assert_eq!(content(one, anna).await.0, [b"c"]);
    assert_eq!(put(one, anna, b"b").await, Ok(Kept::Known), "because it was taken at the other node");
    let revoked = TokenChange { remove: vec![KEY], ..TokenChange::default() };
    two.change_tokens(anna, revoked, NOW).await.unwrap();
    assert_eq!(put(one, anna, b"d").await, Err(MailboxError::BadToken), "because a token ends everywhere at once");
}

#[tokio::test]
async fn quotas_are_exact_over_two_nodes() {
    let server = NatsServer::start();
    exact_quotas(&server.open(quotas()).await, &server.open(quotas()).await).await;
}

async fn exact_quotas(one: &NatsMailboxes, two: &NatsMailboxes) {
    let anna = mailbox(one, 1).await;
    let envelopes: Vec<[u8; 2]> = (0..40_u8).map(|number| [number, 0]).collect();
    let outcomes = join_all(envelopes.iter().enumerate().map(|(number, envelope)| {
        let store = if number % 2 == 0 { one } else { two };
        put(store, anna, envelope)
    }));
    let outcomes = outcomes.await;
    let full = Err(MailboxError::Full { what: "items", limit: 4 });
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Ok(Kept::New)).count(), 4, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == full).count(), 36);
    assert_eq!(content(one, anna).await, content(two, anna).await);
}

#[tokio::test]
async fn a_mailbox_that_is_forgotten_is_forgotten_everywhere() {
    let server = NatsServer::start();
    forgotten_everywhere(&server.open(quotas()).await, &server.open(quotas()).await).await;
}

async fn forgotten_everywhere(one: &NatsMailboxes, two: &NatsMailboxes) {
    const LATER: u64 = NOW + 100_001;
    let anna = mailbox(one, 1).await;
    assert_eq!(put(one, anna, b"a").await, Ok(Kept::New));
    two.sweep(LATER).await.unwrap();
    assert_eq!(put_at(one, anna, b"b", LATER).await, Err(MailboxError::NoMailbox), "whatever it knew");
    // She comes back, while the other node knows what there was before.
    let anna = mailbox(one, 1).await;
    two.sweep(LATER).await.unwrap();
    let anna_again = mailbox(two, 1).await;
    assert_eq!(put_at(one, anna, b"c", LATER).await, Ok(Kept::New));
    assert_eq!(content(two, anna_again).await.0, [b"c"]);
    assert_eq!(content(one, anna).await, content(two, anna).await);
}

#[tokio::test]
async fn what_was_lost_hides_nothing_behind_it() {
    let server = NatsServer::start();
    let store = server.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    for envelope in [b"a", b"b", b"c"] {
        put(&store, anna, envelope).await.unwrap();
    }
    let jetstream = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let stream = jetstream.get_stream("LANDLINE_MAILBOXES").await.unwrap();
    let items = stream.cached_info().state.last_sequence;
    stream.delete_message(items - 2).await.unwrap();
    stream.delete_message(items - 1).await.unwrap();
    let page = store.fetch(anna, 0, 2, 1_000).await.unwrap();
    assert_eq!(page.items.iter().map(|item| item.envelope.as_ref()).collect::<Vec<_>>(), [b"c"]);
    assert!(!page.more);
    assert_eq!(put(&store, anna, b"c").await, Ok(Kept::Known));
    assert_eq!(put(&store, anna, b"a").await, Ok(Kept::New), "because it is not there any more");
    assert_eq!(content(&store, anna).await.0, [b"c", b"a"]);
}

#[tokio::test]
async fn what_has_expired_is_in_nobodys_way() {
    let server = NatsServer::start();
    let store = server.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    for number in 0..3_u8 {
        assert_eq!(put(&store, anna, &[number]).await, Ok(Kept::New));
    }
    assert_eq!(put_at(&store, anna, &[3], NOW + 1).await, Ok(Kept::New));
    let full = MailboxError::Full { what: "items", limit: 4 };
    assert_eq!(put_at(&store, anna, &[4], NOW + 999).await, Err(full));
    assert_eq!(
        put_at(&store, anna, &[4], NOW + 1_000).await,
        Ok(Kept::New),
        "because a sweep may take hours to come by"
    );
    assert_eq!(content(&store, anna).await.0, [[3_u8], [4]]);
    assert_eq!(kept(&store).await, (1, 2, 2), "because nothing is left behind in the stream");
}

#[tokio::test]
async fn a_mailbox_has_no_more_than_nats_takes() {
    // So much that a record of some hundred items is the most.
    let server = NatsServer::with("max_payload: 101000");
    let generous = Quotas { items: 100_000, bytes: 1 << 30, tokens: 4_000, ..quotas() };
    let store = server.open(generous).await;
    let anna = mailbox(&store, 1).await;
    let token = |number: u32| {
        let hash = *blake3::hash(&number.to_be_bytes()).as_bytes();
        landline_relay::mailboxes::Token { hash, expires_s: 0 }
    };
    let tokens = TokenChange { add: (0..2_000).map(token).collect(), ..TokenChange::default() };
    store.change_tokens(anna, tokens, NOW).await.unwrap();
    let (mut kept, mut number) = (0_u64, 0_u32);
    let full = loop {
        match put(&store, anna, &number.to_be_bytes()).await {
            Ok(kept_as) => assert_eq!(kept_as, Kept::New),
            Err(full) => break full,
        }
        (kept, number) = (kept + 1, number + 1);
    };
    assert_eq!(full, MailboxError::Full { what: "items", limit: kept }, "because its record must fit into a message");
    assert!(kept > 100);
    let page = store.fetch(anna, 0, 1, 1_000).await.unwrap();
    store.acknowledge(anna, vec![page.items[0].cursor]).await.unwrap();
    assert_eq!(put(&store, anna, b"there is room again").await, Ok(Kept::New));
}

#[tokio::test]
async fn a_mailbox_of_many_is_known_anew() {
    let server = NatsServer::start();
    let many = Quotas { items: 1_000, bytes: 1 << 20, ..quotas() };
    let one = server.open(many.clone()).await;
    let anna = mailbox(&one, 1).await;
    for number in 0..100_u8 {
        assert_eq!(put(&one, anna, &[number]).await, Ok(Kept::New));
    }
    // More than one record has come in between; who comes anew reads the last one, and what follows.
    let two = server.open(many).await;
    assert_eq!(put(&two, anna, &[17]).await, Ok(Kept::Known));
    let page = two.fetch(anna, 0, 1_000, 1 << 20).await.unwrap();
    let envelopes: Vec<u8> = page.items.iter().map(|item| item.envelope[0]).collect();
    assert_eq!(envelopes, (0..100).collect::<Vec<_>>());
    two.acknowledge(anna, page.items.iter().map(|item| item.cursor).collect()).await.unwrap();
    let counts = one.count().await.unwrap();
    assert_eq!((counts.mailboxes, counts.items), (1, 0), "because nothing is left behind in the stream");
}

#[tokio::test]
async fn while_nats_is_away_nothing_is_accepted_and_nothing_is_lost() {
    let mut server = NatsServer::start();
    let store = server.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    assert_eq!(put(&store, anna, b"a").await, Ok(Kept::New));
    server.kill();
    let (waited, ()) = tokio::join!(put(&store, anna, b"b"), async { server.run() });
    assert_eq!(waited, Ok(Kept::New), "because it waits for what comes back in time");
    server.kill();
    let refused = put(&store, anna, b"c").await;
    assert!(matches!(refused, Err(MailboxError::Away(_))), "{refused:?}");
    assert!(matches!(store.count().await, Err(MailboxError::Away(_))), "because it says so at once");
    server.run();
    while store.count().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(put(&store, anna, b"d").await, Ok(Kept::New));
    assert_eq!(content(&store, anna).await.0, [b"a", b"b", b"d"]);
}

#[tokio::test]
async fn a_relay_may_start_before_nats() {
    let mut server = NatsServer::start();
    server.kill();
    let store = begin_to_open(&server, quotas(), NOW).await;
    assert!(matches!(store.count().await, Err(MailboxError::Away(_))));
    let (entered, ()) = tokio::join!(store.enter(machine(1), NOW), async { server.run() });
    assert_eq!(entered, Ok(vec![]));
}

#[tokio::test]
async fn a_stream_that_was_lost_begins_behind_all_cursors() {
    let mut server = NatsServer::start();
    let store = server.open(quotas()).await;
    let anna = mailbox(&store, 1).await;
    put(&store, anna, b"a").await.unwrap();
    let (_, before) = content(&store, anna).await;
    store.close().await.unwrap();
    drop(store);
    server.wipe();
    let store = open(&server, quotas(), NOW + 60).await;
    let anna = mailbox(&store, 1).await;
    assert_eq!(put_at(&store, anna, b"b", NOW + 60).await, Ok(Kept::New));
    let page = store.fetch(anna, before[0], 64, 1_000).await.unwrap();
    assert_eq!(page.items.len(), 1, "because who remembers a cursor of the lost stream must find what comes then");
}

#[tokio::test]
async fn who_is_not_let_in_hears_why() {
    let server = NatsServer::with("authorization { user: relay, password: secret }");
    let open = async |login: NatsLogin| {
        let config = NatsConfig { login, ..NatsConfig::new(&server.url()).unwrap() };
        NatsMailboxes::open(&config, quotas(), Arc::new(ManualClock::new(NOW * 1_000))).await.unwrap()
    };
    let password = |password: &str| NatsLogin::Password { user: "relay".into(), password: password.into() };
    assert_eq!(open(password("secret")).await.enter(machine(1), NOW).await, Ok(vec![]));
    let store = open(password("guessed")).await;
    let refused = store.enter(machine(1), NOW).await.unwrap_err().to_string();
    assert!(refused.to_lowercase().contains("authorization"), "{refused}");
}

#[tokio::test]
async fn tls_needs_the_named_authority() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", cert.display(), key.display());
    let server = NatsServer::with(&tls);
    let url = server.url().replace("nats://127.0.0.1", "tls://localhost");
    let open = async |ca: Option<PathBuf>| {
        let config = NatsConfig { ca, ..NatsConfig::new(&url).unwrap() };
        NatsMailboxes::open(&config, quotas(), Arc::new(ManualClock::new(NOW * 1_000))).await.unwrap()
    };
    assert_eq!(open(Some(cert)).await.enter(machine(1), NOW).await, Ok(vec![]));
    let stranger = open(None).await.enter(machine(1), NOW).await;
    assert!(
        matches!(stranger, Err(MailboxError::Away(_))),
        "because nobody the system knows has signed it: {stranger:?}"
    );
}
