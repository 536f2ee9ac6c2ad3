//! The rules of files over NATS, and what is beyond them: several nodes, and servers that die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use landline_relay::files::{Begin, FileCounts, FileError, FileQuotas, Files as _, Upload};
use landline_relay::mailboxes::{Mailboxes as _, Token, TokenChange};
use landline_relay::{NatsConfig, NatsFiles, NatsMailboxes};
use proto::FileId;
use proto::clock::ManualClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::files::{FilesMaker, SIZE, begin, bytes, file, files_conform, kept, put, read, small};
use crate::nats::cluster::Cluster;
use crate::nats::open as open_mailboxes;
use crate::nats_server::NatsServer;
use crate::scene::{KEY, Maker, NOW, mailbox, quotas};

/// A node's mailboxes and files.
type Node = (Arc<NatsMailboxes>, NatsFiles);

impl FilesMaker for NatsServer {
    type Mailboxes = NatsMailboxes;
    type Files = NatsFiles;

    fn new() -> Self {
        Self::start()
    }

    async fn open(&self, quotas: FileQuotas) -> Node {
        node(self, quotas).await
    }
}

files_conform!(NatsServer);

/// A node that dials one server first, and learns of the others there.
async fn node(server: &NatsServer, file_quotas: FileQuotas) -> Node {
    let mailboxes = Arc::new(open_mailboxes(server, quotas(), NOW).await);
    let config = NatsConfig::new(&server.url()).unwrap();
    let clock = Arc::new(ManualClock::new(NOW * 1_000));
    let files = NatsFiles::open(&config, mailboxes.clone(), file_quotas, clock).await.unwrap();
    // Each waits for a while.
    while let Err(FileError::Away(_)) = files.find(FileId::from_bytes([0; 32]), NOW).await {}
    (mailboxes, files)
}

/// Room for a large file in pieces.
fn large() -> FileQuotas {
    FileQuotas { file_bytes: LARGE, bytes: 4 * LARGE, all_bytes: 8 * LARGE, ..small() }
}

const LARGE: u64 = 3_000_000;

/// As large as what the relay appends at once.
const PIECE: usize = 512 << 10;

fn piece_at(at: u64) -> Bytes {
    let at = usize::try_from(at).unwrap();
    let all = bytes(LARGE);
    all.slice(at..all.len().min(at + PIECE))
}

/// Every rule over a cluster, whose servers keep conditions only mostly.
mod in_a_cluster {
    use super::*;

    impl FilesMaker for Cluster {
        type Mailboxes = NatsMailboxes;
        type Files = NatsFiles;

        fn new() -> Self {
            <Self as Maker>::new()
        }

        async fn open(&self, quotas: FileQuotas) -> Node {
            node(&self.0[0], quotas).await
        }
    }

    files_conform!(Cluster);

    async fn two() -> (Cluster, Node, Node) {
        let cluster = <Cluster as Maker>::new();
        let (one, two) = (node(&cluster.0[0], large()).await, node(&cluster.0[1], large()).await);
        (cluster, one, two)
    }

    #[tokio::test]
    async fn two_nodes_keep_one_file() {
        let (_cluster, one, two) = two().await;
        two_nodes(&one, &two).await;
    }

    #[tokio::test]
    async fn two_nodes_that_put_one_file_do_not_mix() {
        let (_cluster, one, two) = two().await;
        at_once(&one, &two).await;
    }

    #[tokio::test]
    async fn rooms_are_exact_over_two_nodes() {
        let cluster = <Cluster as Maker>::new();
        exact_room(&node(&cluster.0[0], small()).await, &node(&cluster.0[1], small()).await).await;
    }

    /// Goes on with a file, again while it is refused with the word that it passes: where servers choose their leader more than once, or
    /// the one that fell silent led the stream as well, that takes longer than a request waits. Up to which byte it is there.
    async fn goes_on(files: &NatsFiles, number: u8, at: u64, count: usize) -> u64 {
        loop {
            let piece = piece_at(at);
            match files.append(file(number), at, piece.slice(..piece.len().min(count)), NOW).await {
                Ok(upload) => break upload.received,
                // What was refused so may have been done.
                Err(FileError::Offset(there)) if there > at => break there,
                Err(error) => assert!(matches!(error, FileError::Away(_)), "{error}"),
            }
        }
    }

    /// Bytes of a file, asked for again in the same way.
    async fn comes(files: &NatsFiles, number: u8, at: usize, count: usize) {
        let read = loop {
            match read(files, number, at as u64, count).await {
                Err(FileError::Away(_)) => {}
                read => break read,
            }
        };
        assert!(read == Ok(bytes(LARGE).slice(at..at + count)), "{:?}", read.map(|bytes| bytes.len()));
    }

    /// Which of the servers leads the stream of files.
    async fn leader(cluster: &Cluster) -> usize {
        let jetstream = async_nats::jetstream::new(async_nats::connect(cluster.0[0].url()).await.unwrap());
        let stream = jetstream.get_stream("LANDLINE_FILES").await.unwrap();
        let leader = stream.cached_info().cluster.as_ref().and_then(|cluster| cluster.leader.clone());
        ["one", "two", "three"].iter().position(|name| leader.as_deref() == Some(name)).expect("one leads")
    }

    /// A file goes on while its leader goes, whichever way that is.
    async fn goes_on_without(goes: impl FnOnce(&mut NatsServer)) {
        let (mut cluster, one, two) = two().await;
        let anna = mailbox(&*one.0, 1).await;
        one.1.begin(begin(1, anna, LARGE)).await.unwrap();
        let mut at = goes_on(&one.1, 1, 0, PIECE).await;
        goes(&mut cluster.0[leader(&cluster).await]);
        while at < LARGE {
            at = goes_on(&one.1, 1, at, PIECE).await;
        }
        comes(&two.1, 1, 0, LARGE as usize).await;
    }

    #[tokio::test]
    async fn a_server_that_dies_costs_nothing_on_the_way_there() {
        goes_on_without(NatsServer::kill).await;
    }

    /// A server whose machine loses its power closes no connection: it says nothing more.
    #[tokio::test]
    async fn a_server_that_falls_silent_is_left() {
        goes_on_without(|server| server.freeze()).await;
    }

    #[tokio::test]
    async fn a_server_that_dies_costs_nothing_on_the_way_from_there() {
        let (mut cluster, one, two) = two().await;
        let anna = mailbox(&*one.0, 1).await;
        one.1.begin(begin(1, anna, LARGE)).await.unwrap();
        let (mut at, half) = (0, LARGE as usize / 2);
        while at < LARGE {
            at = goes_on(&one.1, 1, at, PIECE).await;
        }
        comes(&two.1, 1, 0, half).await;
        let leader = leader(&cluster).await;
        cluster.0[leader].kill();
        comes(&two.1, 1, half, half).await;
        assert!(one.1.find(file(1), NOW).await.unwrap().is_some());
    }
}

async fn two() -> (NatsServer, Node, Node) {
    let server = NatsServer::start();
    let (one, two) = (node(&server, large()).await, node(&server, large()).await);
    (server, one, two)
}

#[tokio::test]
async fn two_nodes_keep_one_file() {
    let (_server, one, two) = two().await;
    two_nodes(&one, &two).await;
}

async fn two_nodes((mailboxes, one): &Node, (_, two): &Node) {
    let anna = mailbox(&**mailboxes, 1).await;
    assert_eq!(one.begin(begin(1, anna, LARGE)).await.unwrap().received, 0);
    assert_eq!(two.begin(begin(1, anna, LARGE)).await.unwrap().received, 0);
    let mut at = 0;
    for node in [one, two].into_iter().cycle() {
        let late = node.append(file(1), at + 1, piece_at(at), NOW).await;
        assert_eq!(late, Err(FileError::Offset(at)), "because what another node knows counts");
        at = node.append(file(1), at, piece_at(at), NOW).await.unwrap().received;
        if at == LARGE {
            break;
        }
    }
    assert_eq!(one.find(file(1), NOW).await, two.find(file(1), NOW).await);
    for node in [one, two] {
        assert!(read(node, 1, 0, LARGE as usize).await == Ok(bytes(LARGE)));
    }
    // Another node reads while one removes.
    assert!(read(two, 1, 0, PIECE).await.is_ok());
    one.remove(file(1), anna, KEY, NOW).await.unwrap();
    assert_eq!(two.read(file(1), PIECE as u64, 100).await, Err(FileError::NoFile), "whatever it knew");
    assert_eq!(two.find(file(1), NOW).await, Ok(None));
    assert_eq!(two.append(file(1), 0, bytes(1), NOW).await, Err(FileError::NoFile));
    assert_eq!(one.count().await, Ok(FileCounts::default()), "because nothing is left behind in the stream");
    // And it is begun anew where it was not known to be gone.
    assert_eq!(two.begin(begin(1, anna, SIZE)).await.unwrap().received, 0);
    assert_eq!(one.append(file(1), 0, bytes(SIZE), NOW).await.unwrap().received, SIZE);
    assert_eq!(read(two, 1, 0, 100).await, Ok(bytes(100)));
    assert_eq!(kept(two, SIZE).await, 1);
}

#[tokio::test]
async fn two_nodes_that_put_one_file_do_not_mix() {
    let (_server, one, two) = two().await;
    at_once(&one, &two).await;
}

async fn at_once((mailboxes, one): &Node, (_, two): &Node) {
    let anna = mailbox(&**mailboxes, 1).await;
    // Pieces of different lengths, so that a byte of the wrong one would be seen.
    let puts = async |node: &str, files: &NatsFiles, step: usize| {
        let mut at = files.begin(begin(1, anna, LARGE)).await.unwrap().received;
        while at < LARGE {
            let piece = piece_at(at);
            match files.append(file(1), at, piece.slice(..piece.len().min(step)), NOW).await {
                Ok(upload) => at = upload.received,
                Err(FileError::Offset(there)) => {
                    assert!(there > at, "{node}: {there} behind {at}");
                    at = there;
                }
                Err(error) => panic!("{node}: {error}"),
            }
        }
    };
    tokio::join!(puts("one", one, 100_000), puts("two", two, 70_001));
    for node in [one, two] {
        assert!(read(node, 1, 0, LARGE as usize).await == Ok(bytes(LARGE)));
    }
    assert_eq!(kept(one, LARGE).await, 1, "because what came too late was removed");
}

#[tokio::test]
async fn rooms_are_exact_over_two_nodes() {
    let server = NatsServer::start();
    exact_room(&node(&server, small()).await, &node(&server, small()).await).await;
}

async fn exact_room((mailboxes, one): &Node, (_, two): &Node) {
    let anna = mailbox(&**mailboxes, 1).await;
    let begun = (0..20_u8).map(|number| if number % 2 == 0 { one } else { two }.begin(begin(number, anna, SIZE)));
    let outcomes = join_all(begun).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(FileError::TooMany(3))).count(), 17);
    // Both begin and remove one file, as fast as they can: no room is lost, and none is had twice.
    let begun: Vec<u8> = (0..20_u8).filter(|number| outcomes[usize::from(*number)].is_ok()).collect();
    let hurry = async |files: &NatsFiles| {
        for _ in 0..20 {
            let number = begun[0];
            files.begin(begin(number, anna, SIZE)).await.unwrap();
            files.remove(file(number), anna, KEY, NOW).await.unwrap();
        }
    };
    tokio::join!(hurry(one), hurry(two));
    for number in &begun {
        two.remove(file(*number), anna, KEY, NOW).await.unwrap();
    }
    assert_eq!(one.count().await.unwrap().files, 0);
    // A row is left at most where one removed what the other just began, and looked at in its time.
    let later = |number| Begin { now_s: NOW + 100, ..begin(number, anna, SIZE) };
    for number in 30..33 {
        one.begin(later(number)).await.unwrap();
    }
    assert_eq!(two.begin(later(33)).await, Err(FileError::TooMany(3)));
}

#[tokio::test]
async fn a_row_without_a_file_holds_no_room_for_ever() {
    let server = NatsServer::start();
    let (mailboxes, files) = node(&server, small()).await;
    let anna = mailbox(&*mailboxes, 1).await;
    for number in 1..=3 {
        put(&files, number, anna).await;
    }
    // As if a node had died between the row and the file, or NATS had lost it.
    let jetstream = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let stream = jetstream.get_stream("LANDLINE_FILES").await.unwrap();
    stream.purge().filter(format!("landline.file.{}", file(2))).await.unwrap();
    let at = |now_s: u64| Begin { now_s, ..begin(4, anna, SIZE) };
    assert_eq!(files.begin(at(NOW + 99)).await, Err(FileError::TooMany(3)));
    assert!(files.begin(at(NOW + 100)).await.is_ok(), "because it is looked for when room is short");
    assert_eq!(files.begin(Begin { now_s: NOW + 100, ..begin(5, anna, SIZE) }).await, Err(FileError::TooMany(3)));
    assert!(files.find(file(1), NOW + 100).await.unwrap().is_some(), "because the others are there");
}

#[tokio::test]
async fn a_sweep_takes_nothing_that_is_worked_on() {
    let (_server, one, two) = two().await;
    let anna = mailbox(&*one.0, 1).await;
    let (files, sweeper) = (&one.1, &two.1);
    // Each piece comes when the file would go, while another node sweeps.
    files.begin(begin(1, anna, LARGE)).await.unwrap();
    let (mut at, mut now_s) = (0, NOW);
    while at < LARGE {
        let (appended, swept) = tokio::join!(
            files.append(file(1), at, bytes(LARGE).slice(at as usize..).slice(..100_000), now_s),
            sweeper.sweep(now_s),
        );
        swept.unwrap();
        match appended {
            Ok(upload) => {
                assert_eq!(upload.received, at + 100_000);
                at = upload.received;
                let there = sweeper.begin(Begin { now_s, ..begin(1, anna, LARGE) }).await.unwrap();
                assert_eq!(there.received, at, "because what was acknowledged stays");
                now_s = upload.expires_s;
            }
            // The sweep came first: it is begun anew, and no late sweep takes that away.
            Err(FileError::NoFile) => {
                let anew = Begin { now_s, ..begin(1, anna, LARGE) };
                let (begun, swept) = tokio::join!(files.begin(anew), sweeper.sweep(now_s));
                swept.unwrap();
                at = begun.unwrap().received;
                assert_eq!(at, 0);
                let first = files.append(file(1), 0, bytes(100_000), now_s).await;
                let Ok(Upload { received: 100_000, expires_s, .. }) = first else { panic!("{first:?}") };
                (at, now_s) = (100_000, expires_s - 1);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(read(sweeper, 1, 0, LARGE as usize).await == Ok(bytes(LARGE)));
}

#[tokio::test]
async fn two_that_sweep_at_once_leave_nothing_behind() {
    let (_server, one, two) = two().await;
    let anna = mailbox(&*one.0, 1).await;
    for number in 1..=3 {
        put(&one.1, number, anna).await;
    }
    let (first, second) = tokio::join!(one.1.sweep(NOW + 1_000), two.1.sweep(NOW + 1_000));
    assert_eq!((first, second), (Ok(false), Ok(false)));
    assert_eq!(one.1.count().await, Ok(FileCounts::default()));
    let again = (4..=6).map(|number| two.1.begin(Begin { now_s: NOW + 1_000, ..begin(number, anna, SIZE) }));
    assert!(join_all(again).await.iter().all(Result::is_ok), "because their room came free as well");
}

#[tokio::test]
async fn files_go_with_a_mailbox_that_is_forgotten() {
    const LATER: u64 = NOW + 100_001;
    let server = NatsServer::start();
    let (mailboxes, files) = node(&server, FileQuotas { ttl_s: 1_000_000, ..small() }).await;
    let (anna, bob) = (mailbox(&*mailboxes, 1).await, mailbox(&*mailboxes, 2).await);
    put(&files, 1, anna).await;
    put(&files, 2, bob).await;
    mailboxes.enter(bob, LATER).await.unwrap();
    mailboxes.sweep(LATER).await.unwrap();
    files.sweep(LATER).await.unwrap();
    assert_eq!(files.find(file(1), LATER).await, Ok(None));
    assert!(files.find(file(2), LATER).await.unwrap().is_some(), "because he was here");
    assert_eq!(kept(&files, SIZE).await, 1);
}

#[tokio::test]
async fn a_token_that_ends_ends_uploads_everywhere() {
    let (_server, one, two) = two().await;
    let anna = mailbox(&*one.0, 1).await;
    put(&two.1, 1, anna).await;
    let revoked = TokenChange { remove: vec![KEY], ..TokenChange::default() };
    one.0.change_tokens(anna, revoked, NOW).await.unwrap();
    assert_eq!(two.1.begin(begin(1, anna, SIZE)).await, Err(FileError::BadToken));
    assert_eq!(two.1.remove(file(1), anna, KEY, NOW).await, Err(FileError::BadToken));
    let again = TokenChange { add: vec![Token { hash: KEY, expires_s: 0 }], ..TokenChange::default() };
    two.0.change_tokens(anna, again, NOW).await.unwrap();
    assert_eq!(one.1.begin(begin(1, anna, SIZE)).await.unwrap().received, SIZE);
}

#[tokio::test]
async fn an_upload_that_is_gone_on_with_is_kept_longer() {
    let (_server, one, two) = two().await;
    let anna = mailbox(&*one.0, 1).await;
    one.1.begin(begin(1, anna, SIZE)).await.unwrap();
    one.1.append(file(1), 0, bytes(10), NOW).await.unwrap();
    let asked = |now_s: u64| two.1.begin(Begin { now_s, ..begin(1, anna, SIZE) });
    assert_eq!(asked(NOW + 50).await.unwrap().expires_s, NOW + 100, "because half of its time is left");
    assert_eq!(asked(NOW + 51).await.unwrap().expires_s, NOW + 151);
    one.1.sweep(NOW + 150).await.unwrap();
    assert_eq!(one.1.append(file(1), 10, bytes(SIZE).slice(10..), NOW + 150).await.unwrap().received, SIZE);
    assert_eq!(read(&two.1, 1, 0, 20_000).await, Ok(bytes(SIZE)));
}

#[tokio::test]
async fn a_relay_is_full_by_what_lies_there() {
    let server = NatsServer::start();
    let quotas = FileQuotas { all_bytes: 2_000_000, ..large() };
    let (mailboxes, files) = node(&server, quotas).await;
    let anna = mailbox(&*mailboxes, 1).await;
    for number in [1, 2] {
        assert!(files.begin(begin(number, anna, 1_500_000)).await.is_ok(), "because nothing lies there yet");
    }
    let mut at = 0;
    while at < 1_500_000 {
        at = files.append(file(1), at, piece_at(at).slice(..500_000), NOW).await.unwrap().received;
    }
    assert_eq!(files.append(file(2), 0, bytes(500_000), NOW).await, Err(FileError::Exhausted));
    assert!(files.append(file(2), 0, bytes(100_000), NOW).await.is_ok());
    assert_eq!(files.begin(begin(3, anna, 1_500_000)).await, Err(FileError::Exhausted));
}

#[tokio::test]
async fn pieces_are_cut_to_what_nats_takes() {
    let server = NatsServer::with("max_payload: 101000");
    let (mailboxes, files) = node(&server, large()).await;
    let anna = mailbox(&*mailboxes, 1).await;
    files.begin(begin(1, anna, LARGE)).await.unwrap();
    let mut at = 0;
    while at < LARGE {
        let piece = piece_at(at);
        let upload = files.append(file(1), at, piece.clone(), NOW).await.unwrap();
        assert_eq!(upload.received, at + piece.len() as u64);
        at = upload.received;
    }
    // Who comes anew finds all of them.
    let (_mailboxes, files) = node(&server, large()).await;
    assert!(read(&files, 1, 0, LARGE as usize).await == Ok(bytes(LARGE)));
}

/// Passes a connection on to a server until a piece goes there: from then on nothing that the server says comes back. Later
/// connections are passed on as they are.
async fn deaf_once(server: &NatsServer) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, server) = (listener.local_addr().unwrap(), server.url().replace("nats://", ""));
    let is_deaf = Arc::new(AtomicBool::new(false));
    let mut accepting = JoinSet::new();
    accepting.spawn(async move {
        let mut passing = JoinSet::new();
        loop {
            let (near, far) = (listener.accept().await.unwrap().0, TcpStream::connect(&server).await.unwrap());
            let (was_deaf, is_deaf) = (is_deaf.load(Ordering::Relaxed), is_deaf.clone());
            let ((mut hears, mut tells), (mut answers, mut asks)) = (near.into_split(), far.into_split());
            let told = is_deaf.clone();
            passing.spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = hears.read(&mut buffer).await {
                    let piece = b"Landline-File-Piece";
                    if buffer[..count].windows(piece.len()).any(|bytes| bytes == piece) {
                        told.store(true, Ordering::Relaxed);
                    }
                    asks.write_all(&buffer[..count]).await.unwrap();
                }
            });
            passing.spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(count @ 1..) = answers.read(&mut buffer).await {
                    if was_deaf || !is_deaf.load(Ordering::Relaxed) {
                        tells.write_all(&buffer[..count]).await.ok();
                    }
                }
            });
        }
    });
    (format!("nats://{addr}"), accepting)
}

#[tokio::test]
async fn a_piece_whose_answer_is_lost_is_kept_once() {
    let server = NatsServer::start();
    let (mailboxes, _) = node(&server, large()).await;
    let anna = mailbox(&*mailboxes, 1).await;
    let (url, _accepting) = deaf_once(&server).await;
    let config = NatsConfig::new(&url).unwrap();
    let clock = Arc::new(ManualClock::new(NOW * 1_000));
    let files = NatsFiles::open(&config, mailboxes, large(), clock).await.unwrap();
    files.begin(begin(1, anna, LARGE)).await.unwrap();
    let mut at = 0;
    while at < LARGE {
        let (piece, before) = (piece_at(at), at);
        at = files.append(file(1), at, piece.clone(), NOW).await.unwrap().received;
        assert_eq!(at, before + piece.len() as u64);
    }
    assert!(read(&files, 1, 0, LARGE as usize).await == Ok(bytes(LARGE)));
    assert_eq!(kept(&files, LARGE).await, 1, "because no piece lies there twice");
}

#[tokio::test]
async fn while_nats_is_away_no_file_is_accepted_and_none_is_lost() {
    let mut server = NatsServer::start();
    let (mailboxes, files) = node(&server, small()).await;
    let anna = mailbox(&*mailboxes, 1).await;
    files.begin(begin(1, anna, SIZE)).await.unwrap();
    assert_eq!(files.append(file(1), 0, bytes(100), NOW).await.unwrap().received, 100);
    server.kill();
    let rest = bytes(SIZE).slice(100..200);
    let (waited, ()) = tokio::join!(files.append(file(1), 100, rest, NOW), async { server.run() });
    assert_eq!(waited.unwrap().received, 200, "because it waits for what comes back in time");
    server.kill();
    let refused = files.append(file(1), 200, bytes(1), NOW).await;
    assert!(matches!(refused, Err(FileError::Away(_))), "{refused:?}");
    assert!(matches!(files.begin(begin(2, anna, SIZE)).await, Err(FileError::Away(_))));
    assert!(matches!(files.find(file(1), NOW).await, Err(FileError::Away(_))));
    assert!(matches!(files.count().await, Err(FileError::Away(_))), "because it says so at once");
    server.run();
    while files.count().await.is_err() {
        tokio::task::yield_now().await;
    }
    let rest = bytes(SIZE).slice(200..);
    assert_eq!(files.append(file(1), 200, rest, NOW).await.unwrap().received, SIZE);
    assert_eq!(read(&files, 1, 0, 20_000).await, Ok(bytes(SIZE)));
}
