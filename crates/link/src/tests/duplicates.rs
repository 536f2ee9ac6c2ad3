//! Two links between the same machines become one, the same one on both sides.

use std::time::Duration;

use proto::frame::ByeReason;

use super::{
    machine::{Machine, Setup, Standing, converse, expect, identity, number_of, numbered, quick, two_identities},
    wires::Cable,
};
use crate::{DialError, DownReason, LinkEvent};

/// Follows one machine's events until its link has carried a frame each way, and says how often links came and went.
/// Fails when up and down do not alternate.
pub(super) async fn settle(machine: &mut Machine, number: u64) -> (Standing, usize) {
    let mut current: Option<Standing> = None;
    let mut ups = 0;
    expect("a link that carries frames", async {
        loop {
            let frames = async {
                match &mut current {
                    Some(standing) => standing.frames.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = machine.events.recv() => match event.expect("events go on") {
                    LinkEvent::Up { peer, hello, conn, frames, path, inbound } => {
                        assert!(current.is_none(), "because a link is reported only after the old one has ended");
                        conn.send(numbered(number)).await.ok();
                        ups += 1;
                        current = Some(Standing { peer, hello, conn, frames, path, inbound });
                    }
                    LinkEvent::Down { conn_id, .. } => {
                        let ended = current.take().expect("a link that ends was reported");
                        assert_eq!(ended.conn.id(), conn_id);
                    }
                    _ => {}
                },
                frame = frames => match frame {
                    Some(frame) => {
                        assert_eq!(number_of(&frame), number);
                        return (current.take().unwrap(), ups);
                    }
                    None => {
                        // The end of the link is reported next.
                        let ended = current.as_ref().unwrap().conn.id();
                        loop {
                            match machine.events.recv().await.expect("events go on") {
                                LinkEvent::Down { conn_id, .. } if conn_id == ended => break,
                                LinkEvent::Up { .. } => panic!("a link came up before the old one was reported down"),
                                _ => {}
                            }
                        }
                        current = None;
                    }
                },
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialling_each_other_at_once_always_ends_in_one_link() {
    let mut most = 0;
    for round in 0..50 {
        let (small, large) = two_identities();
        let (mut anna, mut bob) = (Machine::start(small).await, Machine::start(large).await);
        anna.link.remember(bob.id, vec![bob.link.listen_addr()]);
        bob.link.remember(anna.id, vec![anna.link.listen_addr()]);
        let ((mut to_bob, ups), (mut to_anna, other_ups)) =
            tokio::join!(settle(&mut anna, round), settle(&mut bob, round));
        most = most.max(ups).max(other_ups);
        assert_ne!(to_bob.inbound, to_anna.inbound, "because both ends are of one link");
        converse(&mut to_bob, &mut to_anna, 1000).await;
        // Whatever else was under way has been decided by now: shutting down ends exactly the one link.
        anna.link.shutdown().await;
        let (_, ended, reason) = bob.down().await;
        assert_eq!((ended, reason), (to_anna.conn.id(), DownReason::PeerClosed(ByeReason::ShuttingDown)));
        bob.link.shutdown().await;
        let mut rest = Vec::new();
        while let Some(event) = bob.events.recv().await {
            rest.push(event);
        }
        let links = rest.iter().filter(|event| matches!(event, LinkEvent::Up { .. } | LinkEvent::Down { .. }));
        assert_eq!(links.count(), 0, "because there was one link only");
    }
    assert!(most <= 2, "because a link is replaced at most once: {most}");
}

#[tokio::test]
async fn a_second_program_with_the_same_identity_harms_nobody() {
    let copied = identity();
    let (mut original, mut bob) = (Machine::start(copied.clone()).await, Machine::start(identity()).await);
    original.link.add_address(&bob.address()).await.unwrap();
    let (mut to_bob, mut to_original) = (original.up().await, bob.up().await);

    let mut clone = Machine::start(copied).await;
    let error = clone.link.add_address(&bob.address()).await.unwrap_err();
    assert!(matches!(error, DialError::HungUp { .. }), "because the first one answers the probe: {error}");
    converse(&mut to_bob, &mut to_original, 1).await;

    original.link.shutdown().await;
    assert_eq!(bob.down().await.2, DownReason::PeerClosed(ByeReason::ShuttingDown));
    let (mut to_clone, mut from_clone) = (bob.up().await, clone.up().await);
    converse(&mut to_clone, &mut from_clone, 3).await;
}

#[tokio::test]
async fn a_link_that_died_unnoticed_gives_way_to_a_new_one() {
    for swap in [false, true] {
        let (small, large) = two_identities();
        let (dialler, acceptor) = if swap { (large, small) } else { (small, large) };
        let mut timings = quick();
        timings.probe = Duration::from_millis(300);
        let start = |identity| {
            let mut setup = Setup::new(identity);
            setup.timings = timings.clone();
            setup.start()
        };
        let (mut anna, mut bob) = (start(dialler).await, start(acceptor).await);
        let cable = Cable::to(bob.link.listen_addr()).await;
        anna.link.remember(bob.id, vec![cable.address]);
        let (_to_bob, old) = (anna.up().await, bob.up().await);

        // Bob moves: the old way leads nowhere, and only Bob knows.
        cable.clog();
        bob.link.wake();
        assert_eq!(bob.down().await.2, DownReason::Silent);
        drop(old);
        // Bob knows where Anna listens, dials, and Anna finds that her old link is dead.
        let (_, _, reason) = anna.down().await;
        assert!(matches!(reason, DownReason::Silent | DownReason::Replaced), "{reason}");
        let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
        assert!(to_bob.inbound);
        converse(&mut to_bob, &mut to_anna, 1).await;
        cable.remove().await;
    }
}
