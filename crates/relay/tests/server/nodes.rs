//! Several nodes that are one relay.

use bytes::Bytes;
use futures_util::SinkExt as _;
use proto::relay::{FromRelay, RefusalCode, RelayBye, ToRelay, Token};
use tokio_tungstenite::tungstenite::Message;

use crate::nats_server::{NatsServer, cluster};
use crate::scene::{Scene, anna, bob, id, key};
use crate::wire::{Socket, Wire, enter, message};

/// Two nodes that take each other for alive, however long nothing is heard.
async fn two_patient(nats: &NatsServer) -> (Scene, Scene) {
    let node = async || Scene::node_with(&nats.url(), std::time::Duration::from_secs(600)).await;
    tokio::join!(node(), node())
}

async fn two(nats: &NatsServer) -> (Scene, Scene) {
    tokio::join!(Scene::node(nats), Scene::node(nats))
}

/// Sees Anna come or go, whatever else is told first.
async fn sees(wire: &mut Wire, online: bool) {
    while wire.next().await.expect("the relay goes on") != presence(online) {}
}

fn presence(online: bool) -> FromRelay {
    FromRelay::Presence { items: vec![(id(&anna()), online)] }
}

/// Begins to watch Anna, and waits until she is seen: at first, or when it is heard from her node.
async fn sees_her_there(wire: &mut Wire) {
    let request = wire.number();
    wire.send(&ToRelay::Watch { request, items: vec![(id(&anna()), key())], replace: true }).await;
    sees(wire, true).await;
}

#[tokio::test]
async fn what_is_put_at_one_node_arrives_at_another() {
    let nats = NatsServer::start();
    let (one, two) = two(&nats).await;
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    assert!(annas.fetch(0).await.is_empty());
    let mut sender = two.nobody().await;
    for envelope in [b"one".as_slice(), b"two", b"one"] {
        let put = sender.put(id(&anna()), Some(&key()), envelope);
        sender.done(put).await;
    }
    assert_eq!(annas.next().await, Some(FromRelay::Arrived), "because she is told wherever it was put");
    let items = annas.fetch(0).await;
    let envelopes: Vec<_> = items.iter().map(|item| item.envelope.clone()).collect();
    assert_eq!(envelopes, ["one", "two"]);
    // She moves, and takes them away there.
    let mut annas = two.machine(&anna()).await;
    assert_eq!(annas.fetch(0).await, items);
    annas.ack(items.iter().map(|item| item.cursor).collect()).await;
    assert!(annas.fetch(0).await.is_empty());
    assert_eq!(two.figure("items").await, 0);
}

#[tokio::test]
async fn presence_is_seen_across_nodes() {
    let nats = NatsServer::start();
    let (one, two) = two(&nats).await;
    let (mut bobs, mut carols) = (two.nobody().await, two.nobody().await);
    assert!(!bobs.watch(id(&anna()), &key()).await);
    assert!(!carols.watch(id(&anna()), &Token::from_bytes([9; 32])).await);
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    sees(&mut bobs, true).await;
    let request = annas.number();
    annas.done(ToRelay::Tokens { request, add: vec![], remove: vec![key().hash()], replace: false }).await;
    sees(&mut bobs, false).await;
    annas.gives(&key()).await;
    sees(&mut bobs, true).await;
    // Who asks later finds out, too.
    let mut dave = two.nobody().await;
    sees_her_there(&mut dave).await;
    drop(annas);
    sees(&mut bobs, false).await;
    assert!(!carols.watch(id(&anna()), &Token::from_bytes([9; 32])).await, "because nothing was told in between");
}

#[tokio::test]
async fn the_newer_login_counts_wherever_it_is() {
    let nats = NatsServer::start();
    let (one, two) = two(&nats).await;
    let mut bobs = one.nobody().await;
    let mut first = one.machine(&anna()).await;
    first.gives(&key()).await;
    assert!(bobs.watch(id(&anna()), &key()).await);
    let mut second = two.machine(&anna()).await;
    assert_eq!(first.ends().await, Some(RelayBye::Replaced));
    let mut third = one.machine(&anna()).await;
    assert_eq!(second.ends().await, Some(RelayBye::Replaced));
    assert!(third.fetch(0).await.is_empty());
    drop(third);
    sees(&mut bobs, false).await;
}

#[tokio::test]
async fn a_node_that_goes_takes_its_machines_along_and_no_mailbox() {
    let nats = NatsServer::start();
    let (one, two) = two(&nats).await;
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut bobs = two.machine(&bob()).await;
    sees_her_there(&mut bobs).await;
    let put = bobs.put(id(&anna()), Some(&key()), b"kept");
    bobs.done(put).await;
    // Dropped, it says nothing to anybody, as if it had been killed.
    drop(one);
    sees(&mut bobs, false).await;
    assert_eq!(bobs.open(id(&anna()), &key()).await, Err(RefusalCode::Unreachable));
    let mut annas = two.machine(&anna()).await;
    sees(&mut bobs, true).await;
    let items = annas.fetch(0).await;
    assert_eq!(items.iter().map(|item| item.envelope.clone()).collect::<Vec<_>>(), ["kept"]);
}

#[tokio::test]
async fn who_goes_while_nats_is_away_is_gone() {
    let mut nats = NatsServer::start();
    let (one, two) = two_patient(&nats).await;
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut bobs = two.nobody().await;
    sees_her_there(&mut bobs).await;
    nats.kill();
    drop(annas);
    while one.figure("machines_online").await > 0 {}
    nats.run();
    sees(&mut bobs, false).await;
}

#[tokio::test]
async fn presence_goes_on_when_the_store_was_lost() {
    let mut nats = NatsServer::start();
    let (one, two) = two_patient(&nats).await;
    let mut annas = one.machine(&anna()).await;
    for _ in 0..10 {
        annas.gives(&key()).await;
        let request = annas.number();
        annas.done(ToRelay::Tokens { request, add: vec![], remove: vec![key().hash()], replace: false }).await;
    }
    annas.gives(&key()).await;
    let mut bobs = two.nobody().await;
    sees_her_there(&mut bobs).await;
    for node in [&one, &two] {
        node.clock.advance(std::time::Duration::from_secs(60));
    }
    nats.wipe();
    sees(&mut bobs, false).await;
    assert_eq!(annas.ends().await, Some(RelayBye::ShuttingDown));
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    sees(&mut bobs, true).await;
    drop(annas);
    sees(&mut bobs, false).await;
}

#[tokio::test]
async fn what_was_put_before_a_node_died_is_told_when_it_is_put_again() {
    let nats = NatsServer::start();
    let (one, two) = two(&nats).await;
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut sender = two.nobody().await;
    let put = sender.put(id(&anna()), Some(&key()), b"one");
    sender.done(put).await;
    assert_eq!(annas.fetch(0).await.len(), 1, "because she looks, and will be told from now on");
    // Its sender did not hear that it was kept, and neither did she.
    let put = sender.put(id(&anna()), Some(&key()), b"one");
    sender.done(put).await;
    assert_eq!(annas.next().await, Some(FromRelay::Arrived));
}

#[tokio::test]
async fn a_node_that_is_shut_down_says_so() {
    let nats = NatsServer::start();
    let (one, two) = two(&nats).await;
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut bobs = two.nobody().await;
    sees_her_there(&mut bobs).await;
    one.relay.shutdown().await.unwrap();
    sees(&mut bobs, false).await;
}

/// A tunnel whose ends come to these nodes: Anna is at the first of them.
async fn tunnel(annas: &mut Wire, opener: &mut Wire, near_at: &Scene, far_at: &Scene) -> (Socket, Socket) {
    // Where she is, the opener's node may not have heard yet.
    sees_her_there(opener).await;
    let near = opener.open(id(&anna()), &key()).await.unwrap();
    let Some(FromRelay::Incoming { ticket: far }) = annas.next().await else { panic!("nobody told Anna") };
    let (mut near, mut far) = (enter(near_at.addr(), &near).await, enter(far_at.addr(), &far).await);
    assert_eq!(message(&mut near).await.unwrap(), Bytes::new(), "because an empty message says that both are there");
    assert_eq!(message(&mut far).await.unwrap(), Bytes::new());
    (near, far)
}

/// Sends much through a tunnel, both ways at once.
async fn passes(near: &mut Socket, far: &mut Socket) {
    const PIECES: u32 = 400;
    let piece = |number: u32, way: u8| {
        let mut bytes = vec![way; 1 + (number as usize * 7_919) % (64 << 10)];
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.truncate(64 << 10);
        Bytes::from(bytes)
    };
    let one_side = async |socket: &mut Socket, says: u8, hears: u8| {
        use futures_util::StreamExt as _;
        let (mut sink, mut source) = socket.split();
        let says = async {
            for number in 0..PIECES {
                sink.send(Message::Binary(piece(number, says))).await.unwrap();
            }
        };
        let hears = async {
            for number in 0..PIECES {
                let came = source.next().await.unwrap().unwrap();
                assert!(came.into_data() == piece(number, hears), "piece {number} is another one");
            }
        };
        tokio::join!(says, hears);
    };
    tokio::join!(one_side(near, 1, 2), one_side(far, 2, 1));
}

#[tokio::test]
async fn tunnels_lead_from_node_to_node() {
    let nats = NatsServer::start();
    let (one, two) = two(&nats).await;
    let three = Scene::node(&nats).await;
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut opener = two.nobody().await;
    // Behind a load balancer the ends of a tunnel may come to any node, both to one as well.
    for (near_at, far_at) in [(&two, &one), (&one, &two), (&two, &two), (&one, &one), (&two, &three)] {
        let (mut near, mut far) = tunnel(&mut annas, &mut opener, near_at, far_at).await;
        passes(&mut near, &mut far).await;
        far.send(Message::Binary("goodbye".into())).await.unwrap();
        far.close(None).await.unwrap();
        assert_eq!(message(&mut near).await.unwrap(), "goodbye", "because what was said before the end is heard");
        assert_eq!(message(&mut near).await, None, "because the other end closed");
        let (near, mut far) = tunnel(&mut annas, &mut opener, near_at, far_at).await;
        drop(near);
        assert_eq!(message(&mut far).await, None, "because the other end is gone");
    }
    while one.figure("circuits").await > 0 {
        tokio::task::yield_now().await;
    }
    let near = opener.open(id(&anna()), &key()).await.unwrap();
    let mut first = enter(three.addr(), &near).await;
    let mut second = enter(two.addr(), &near).await;
    assert_eq!(message(&mut second).await, None, "because a ticket counts once, wherever one comes with it");
    first.close(None).await.unwrap();
    assert_eq!(opener.open(id(&anna()), &Token::from_bytes([9; 32])).await, Err(RefusalCode::Unreachable));
}

#[tokio::test]
async fn who_does_not_read_slows_the_other_node_too() {
    let nats = NatsServer::start();
    let (one, two) = two(&nats).await;
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut opener = two.nobody().await;
    let (mut near, mut far) = tunnel(&mut annas, &mut opener, &two, &one).await;
    // Small messages fill no buffer of the nodes, but would be as many as fit into the sockets.
    for size in [64 << 10, 100] {
        let piece = Bytes::from(vec![5; size]);
        let mut sent = 0;
        let pause = std::time::Duration::from_secs(2);
        while tokio::time::timeout(pause, near.send(Message::Binary(piece.clone()))).await.is_ok() {
            sent += 1;
            assert!(sent * size < 256 << 20, "because 256 MiB in no buffer of a socket can only lie in a node");
        }
        let flushed = async { near.flush().await.unwrap() };
        let read = async {
            for _ in 0..=sent {
                assert_eq!(message(&mut far).await.unwrap().len(), size);
            }
        };
        tokio::join!(flushed, read);
    }
}

#[tokio::test]
async fn a_tunnel_outlives_the_servers() {
    let mut servers = cluster();
    let all = servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",");
    let (one, two) = tokio::join!(Scene::node_at(&all), Scene::node_at(&all));
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut opener = two.nobody().await;
    let (mut near, mut far) = tunnel(&mut annas, &mut opener, &two, &one).await;
    for server in &mut servers {
        // One of the three is that of the one node, one that of the other: each dies while much is on its way.
        let (killed, restarted) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let passing = async {
            passes(&mut near, &mut far).await;
            killed.notify_one();
            passes(&mut near, &mut far).await;
            restarted.notify_one();
            passes(&mut near, &mut far).await;
        };
        let dying = async {
            killed.notified().await;
            server.kill();
            restarted.notified().await;
            server.run();
        };
        tokio::join!(passing, dying);
    }
}

#[tokio::test]
async fn a_tunnel_ends_with_its_node() {
    let nats = NatsServer::start();
    let (one, two) = two(&nats).await;
    let mut annas = one.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut opener = two.nobody().await;
    let (mut near, _far) = tunnel(&mut annas, &mut opener, &two, &one).await;
    drop(one);
    assert_eq!(message(&mut near).await, None);
}

#[tokio::test]
async fn while_nats_is_away_all_is_refused_and_health_says_so() {
    let mut nats = NatsServer::start();
    let scene = Scene::node(&nats).await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    assert!(scene.get("/health").await.starts_with("HTTP/1.1 200"));
    nats.kill();
    let mut sender = scene.nobody().await;
    let put = sender.put(id(&anna()), Some(&key()), b"one");
    let refused = sender.refused(put).await;
    assert_eq!(refused.code, RefusalCode::Storage);
    assert!(refused.retry_after_s.is_some(), "because it passes");
    let health = scene.get("/health").await;
    assert!(health.starts_with("HTTP/1.1 503") && health.contains("away"), "{health}");
    nats.run();
    while !scene.get("/health").await.starts_with("HTTP/1.1 200") {}
    let put = sender.put(id(&anna()), Some(&key()), b"one");
    sender.done(put).await;
    assert_eq!(annas.fetch(0).await.len(), 1);
}

#[tokio::test]
async fn machines_come_back_when_the_store_was_lost() {
    let mut nats = NatsServer::start();
    let scene = Scene::node(&nats).await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    scene.clock.advance(std::time::Duration::from_secs(60));
    nats.wipe();
    assert_eq!(annas.ends().await, Some(RelayBye::ShuttingDown), "because she must say again who may put");
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut sender = scene.nobody().await;
    let put = sender.put(id(&anna()), Some(&key()), b"one");
    sender.done(put).await;
    assert_eq!(annas.fetch(0).await.len(), 1);
}
