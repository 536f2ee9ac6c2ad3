//! Tunnels.

use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use proto::relay::{FromRelay, RefusalCode, Ticket};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use crate::scene::{Scene, anna, id, key};
use crate::wire::{Socket, Wire, enter, message};

/// Opens a tunnel to Anna: the tickets of both sides.
async fn tickets(annas: &mut Wire, opener: &mut Wire) -> (Ticket, Ticket) {
    let near = opener.open(id(&anna()), &key()).await.unwrap();
    let Some(FromRelay::Incoming { ticket: far }) = annas.next().await else { panic!("nobody told Anna") };
    (near, far)
}

/// A tunnel that stands.
async fn tunnel(scene: &Scene, annas: &mut Wire, opener: &mut Wire) -> (Socket, Socket) {
    let (near, far) = tickets(annas, opener).await;
    let (mut near, mut far) = (enter(scene.addr(), &near).await, enter(scene.addr(), &far).await);
    assert_eq!(message(&mut near).await.unwrap(), Bytes::new(), "because an empty message says that both are there");
    assert_eq!(message(&mut far).await.unwrap(), Bytes::new());
    (near, far)
}

async fn ready(scene: &Scene) -> (Wire, Wire) {
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    (annas, scene.nobody().await)
}

#[tokio::test]
async fn both_sides_hear_each_other_until_one_hangs_up() {
    let scene = Scene::new().await;
    let (mut annas, mut opener) = ready(&scene).await;
    let (mut near, mut far) = tunnel(&scene, &mut annas, &mut opener).await;
    for size in [1, 1_000, 64 << 10] {
        let bytes = Bytes::from(vec![7; size]);
        near.send(Message::Binary(bytes.clone())).await.unwrap();
        assert_eq!(message(&mut far).await.unwrap(), bytes);
        far.send(Message::Binary(bytes.clone())).await.unwrap();
        assert_eq!(message(&mut near).await.unwrap(), bytes);
    }
    assert_eq!(scene.figure("circuits").await, 1);
    assert_eq!(scene.figure("circuit_messages_total").await, 6);
    near.close(None).await.unwrap();
    assert_eq!(message(&mut far).await, None);
    while scene.figure("circuits").await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_cut_cable_ends_the_other_side() {
    let scene = Scene::new().await;
    let (mut annas, mut opener) = ready(&scene).await;
    let (near, mut far) = tunnel(&scene, &mut annas, &mut opener).await;
    drop(near);
    assert_eq!(message(&mut far).await, None);
}

#[tokio::test]
async fn who_does_not_read_slows_the_other_and_fills_nothing() {
    let scene = Scene::new().await;
    let (mut annas, mut opener) = ready(&scene).await;
    let (mut near, mut far) = tunnel(&scene, &mut annas, &mut opener).await;
    let piece = Bytes::from(vec![5; 64 << 10]);
    // The sockets' buffers take some megabytes; after them nothing goes on until somebody reads.
    let mut sent = 0_u64;
    while timeout(Duration::from_secs(2), near.send(Message::Binary(piece.clone()))).await.is_ok() {
        sent += 1;
        assert!(sent < 4_096, "because 256 MiB in no buffer of a socket can only lie in the relay");
    }
    let passed = scene.figure("circuit_messages_total").await;
    assert!(passed <= sent, "because what was not sent cannot have passed");
    // The rest comes as soon as somebody reads. The one that was cut off by the time-out is whole when it is flushed.
    let flushed = async { near.flush().await.unwrap() };
    let read = async {
        for _ in 0..=sent {
            assert_eq!(message(&mut far).await.unwrap().len(), 64 << 10);
        }
    };
    tokio::join!(flushed, read);
}

#[tokio::test]
async fn a_ticket_counts_once_and_not_for_long() {
    let scene = Scene::with(|config| config.limits.ticket = Duration::from_millis(700)).await;
    let (mut annas, mut opener) = ready(&scene).await;
    let (near, far) = tickets(&mut annas, &mut opener).await;
    let begun = Instant::now();
    let mut first = enter(scene.addr(), &near).await;
    let mut second = enter(scene.addr(), &near).await;
    assert_eq!(message(&mut second).await, None, "because it was used");
    assert_eq!(message(&mut first).await, None, "because nobody came from the other side");
    timeout_at(begun + Duration::from_millis(800), std::future::pending::<()>()).await.unwrap_err();
    let mut late = enter(scene.addr(), &far).await;
    assert_eq!(message(&mut late).await, None, "because its time is over");
    let mut forged = enter(scene.addr(), &Ticket::from_bytes([0; 32])).await;
    assert_eq!(message(&mut forged).await, None);
}

#[tokio::test]
async fn they_are_limited_by_machine_and_in_all() {
    let scene = Scene::with(|config| {
        config.limits.circuits_per_machine = 2;
        config.limits.circuits = 3;
    })
    .await;
    let (_annas, mut opener) = ready(&scene).await;
    let mut bobs = scene.machine(&crate::scene::bob()).await;
    bobs.gives(&key()).await;
    for _ in 0..2 {
        opener.open(id(&anna()), &key()).await.unwrap();
    }
    assert_eq!(opener.open(id(&anna()), &key()).await, Err(RefusalCode::Unreachable), "because that is hers to know");
    opener.open(id(&crate::scene::bob()), &key()).await.unwrap();
    assert_eq!(opener.open(id(&crate::scene::bob()), &key()).await, Err(RefusalCode::Full));
}

#[tokio::test]
async fn too_large_a_message_ends_its_tunnel_only() {
    let scene = Scene::new().await;
    let (mut annas, mut opener) = ready(&scene).await;
    let (mut near, mut far) = tunnel(&scene, &mut annas, &mut opener).await;
    let (mut other_near, mut other_far) = tunnel(&scene, &mut annas, &mut opener).await;
    near.send(Message::Binary(vec![0; (64 << 10) + 1].into())).await.unwrap();
    assert_eq!(message(&mut far).await, None);
    other_near.send(Message::Binary(Bytes::from_static(b"still here"))).await.unwrap();
    assert_eq!(message(&mut other_far).await.unwrap(), "still here");
}
