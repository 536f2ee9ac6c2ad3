//! Those who break the rules.

use std::net::Ipv4Addr;

use bytes::Bytes;
use futures_util::SinkExt as _;
use proto::relay::{FromRelay, PATH, RelayBye, ToRelay};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::scene::{Scene, anna, bob, id, key};
use crate::wire::{PATIENCE, Wire, dial};

#[tokio::test]
async fn what_is_no_frame_ends_its_connection_and_no_other() {
    let scene = Scene::new().await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    let truncated = ToRelay::Fetch { request: 1, after: 0, limit: 1 }.encode();
    let garbage = [
        Message::Binary(Bytes::new()),
        Message::Binary(Bytes::from_static(&[0xff; 64])),
        Message::Binary(Bytes::from_static(&[0x82, 0x18, 0x62, 0xa0])),
        Message::Binary(truncated[..truncated.len() - 1].to_vec().into()),
        Message::Text("hello".into()),
    ];
    for message in garbage {
        let mut wire = scene.nobody().await;
        wire.socket.send(message.clone()).await.unwrap();
        assert_eq!(wire.ends().await, Some(RelayBye::Protocol), "{message:?}");
    }
    let mut large = scene.nobody().await;
    // The relay need not take it all.
    let _ = large.socket.send(Message::Binary(vec![0; proto::limits::RELAY_FRAME_BYTES + 1].into())).await;
    assert_eq!(large.ends().await, None);
    let mut twice = scene.machine(&bob()).await;
    twice.send(&ToRelay::Login(proto::relay::Login::sign(&bob(), &twice.nonce, &scene.address(), None, None))).await;
    assert_eq!(twice.ends().await, Some(RelayBye::Protocol));

    let mut ignored = scene.nobody().await;
    ignored.send(&ToRelay::Ignored(99)).await;
    let put = ignored.put(id(&anna()), Some(&key()), b"one");
    ignored.done(put).await;
    assert_eq!(annas.fetch(0).await.len(), 1, "because none of it was Anna's fault");
}

#[tokio::test]
async fn one_machine_takes_nothing_of_another() {
    let scene = Scene::new().await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut sender = scene.nobody().await;
    let put = sender.put(id(&anna()), Some(&key()), b"for Anna");
    sender.done(put).await;
    let cursor = annas.fetch(0).await[0].cursor;
    let mut bobs = scene.machine(&bob()).await;
    assert!(bobs.fetch(0).await.is_empty());
    bobs.ack(vec![cursor]).await;
    assert_eq!(annas.fetch(0).await.len(), 1);
}

#[tokio::test]
async fn a_crowd_of_one_source_keeps_nobody_else_out() {
    let scene = Scene::with(|config| {
        config.listen = (Ipv4Addr::UNSPECIFIED, 0).into();
        config.origins = vec!["ws://relay:80".into()];
        config.limits.connections_per_source = 3;
    })
    .await;
    let port = scene.addr().port();
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.push(Wire::connect(([127, 0, 0, 1], port).into()).await);
    }
    let mut fourth = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let mut waste = Vec::new();
    timeout(PATIENCE, fourth.read_to_end(&mut waste)).await.expect("it is turned away").ok();
    assert!(waste.is_empty(), "because three is what one source gets");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let other = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    Wire::over(other).await;
    drop(crowd.pop());
    // Its place comes free when the relay has noticed.
    while crowd.len() < 3 {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        if let Ok(socket) = dial(stream, PATH).await {
            drop(socket);
            return;
        }
    }
}

#[tokio::test]
async fn behind_a_proxy_the_last_word_of_its_header_counts() {
    let scene = Scene::with(|config| {
        config.source_header = Some("x-forwarded-for".into());
        config.limits.connections_per_source = 1;
    })
    .await;
    let ask = |said: &'static str| {
        let addr = scene.addr();
        async move {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let request = format!(
                "GET {PATH} HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: landline-relay.1\r\n{said}\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut status = [0; 12];
            timeout(PATIENCE, stream.read_exact(&mut status)).await.expect("an answer comes").unwrap();
            (String::from_utf8(status.to_vec()).unwrap(), stream)
        }
    };
    let (first, _held) = ask("X-Forwarded-For: 192.0.2.1\r\n").await;
    assert_eq!(first, "HTTP/1.1 101");
    let (second, _) = ask("X-Forwarded-For: 192.0.2.9, 192.0.2.1\r\n").await;
    assert_eq!(second, "HTTP/1.1 429", "because what a client says of itself counts for nothing");
    let (other, _other) = ask("X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n").await;
    assert_eq!(other, "HTTP/1.1 101");
    assert_eq!(ask("").await.0, "HTTP/1.1 400");
}

#[tokio::test]
async fn a_flood_is_slowed_and_others_go_on() {
    let scene = Scene::with(|config| config.limits.frames_per_second = 10).await;
    let mut annas = scene.machine(&anna()).await;
    let mut flood = scene.nobody().await;
    let begun = Instant::now();
    for request in 0..40 {
        flood.send(&ToRelay::GetPrekey { request, machine: id(&bob()) }).await;
    }
    annas.gives(&key()).await;
    assert!(annas.fetch(0).await.is_empty());
    let others = begun.elapsed();
    let last = flood.answer(39).await;
    assert!(matches!(last, FromRelay::Prekey { .. }), "because nothing of it was lost: {last:?}");
    assert!(begun.elapsed() > others && begun.elapsed().as_millis() > 1_500, "because ten a second is what it gets");
}

#[tokio::test]
async fn another_subprotocol_is_refused() {
    let scene = Scene::new().await;
    let stream = TcpStream::connect(scene.addr()).await.unwrap();
    let answered = tokio_tungstenite::client_async(format!("ws://relay{PATH}"), stream).await;
    assert!(answered.is_err(), "because it did not say what it speaks");
    let answer = scene.get(PATH).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}
