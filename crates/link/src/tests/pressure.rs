//! Slow peers and slow nodes: bounded memory, back-pressure, and an end to waiting.

use std::time::Duration;

use super::{
    machine::{Machine, Setup, identity, large, number_of, numbered},
    wires::Stranger,
};
use crate::{DownReason, SendError};

#[tokio::test]
async fn a_peer_that_stops_reading_holds_the_sender_back_and_is_then_given_up() {
    let mut setup = Setup::new(identity());
    setup.timings.write_stall = Duration::from_millis(500);
    let mut anna = setup.start().await;
    let stranger = Stranger::link(identity(), anna.link.listen_addr()).await;
    let linked = anna.up().await;
    let mut sent = 0;
    let refused = loop {
        match linked.conn.try_send(&large()) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
        assert!(sent < 1000, "because 200 MB fit no queue");
    };
    assert_eq!(refused, SendError::Full);
    // One more waits for room, which never comes.
    assert_eq!(linked.conn.send(large()).await, Err(SendError::Closed));
    assert_eq!(anna.down().await.2, DownReason::Stalled);
    drop(stranger);
}

#[tokio::test]
async fn a_node_that_does_not_take_frames_holds_the_peer_back_and_keeps_the_link() {
    let mut setup = Setup::new(identity());
    setup.timings.ping = Duration::from_millis(50);
    setup.timings.silence = Duration::from_millis(400);
    let mut anna = setup.start().await;
    let mut bob = Machine::start(identity()).await;
    bob.link.add_address(&anna.address()).await.unwrap();
    let (mut to_bob, to_anna) = (anna.up().await, bob.up().await);

    let sending = to_anna.conn.clone();
    let mut queued = 0;
    // Large frames first, so that the buffers of the system are full as well.
    while tokio::time::timeout(Duration::from_millis(200), sending.send(large())).await.is_ok() {
        queued += 1;
        assert!(queued < 1000, "because 200 MB fit no queue");
    }
    let still = tokio::time::timeout(Duration::from_secs(1), anna.down()).await;
    assert!(still.is_err(), "because it was this machine that did not listen");
    for _ in 0..queued {
        to_bob.receive().await;
    }
    to_anna.conn.send(numbered(1)).await.unwrap();
    assert_eq!(number_of(&to_bob.receive().await), 1);
}

#[tokio::test]
async fn a_frame_that_is_too_large_is_not_taken() {
    let (mut anna, bob) = (Machine::start(identity()).await, Machine::start(identity()).await);
    anna.link.add_address(&bob.address()).await.unwrap();
    let to_bob = anna.up().await;
    let session = proto::SessionId::from_bytes([7; 16]);
    let frame = proto::Frame::Digests(vec![(session, [1; 32]); 30_000]);
    assert_eq!(to_bob.conn.try_send(&frame), Err(SendError::TooLarge));
    assert_eq!(to_bob.conn.send(frame).await, Err(SendError::TooLarge));
    assert!(!to_bob.conn.is_closed());
}
