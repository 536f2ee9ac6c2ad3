//! Links come back by themselves.

use std::time::{Duration, Instant};

use super::{
    machine::{Machine, Setup, converse, identity},
    wires::Cable,
};
use crate::DownReason;

#[tokio::test]
async fn a_cut_link_comes_back() {
    let (mut anna, mut bob) = (Machine::start(identity()).await, Machine::start(identity()).await);
    let cable = Cable::to(bob.link.listen_addr()).await;
    anna.link.remember(bob.id, vec![cable.address]);
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    converse(&mut to_bob, &mut to_anna, 1).await;
    cable.cut();
    assert!(matches!(anna.down().await.2, DownReason::Broken(_)));
    assert!(matches!(bob.down().await.2, DownReason::Broken(_)));
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    converse(&mut to_bob, &mut to_anna, 3).await;
}

#[tokio::test]
async fn a_silent_link_is_given_up() {
    let mut setup = Setup::new(identity());
    setup.timings.ping = Duration::from_millis(50);
    setup.timings.silence = Duration::from_millis(300);
    let mut anna = setup.start().await;
    let mut bob = Machine::start(identity()).await;
    let cable = Cable::to(bob.link.listen_addr()).await;
    anna.link.remember(bob.id, vec![cable.address]);
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    converse(&mut to_bob, &mut to_anna, 1).await;
    cable.clog();
    let began = Instant::now();
    assert_eq!(anna.down().await.2, DownReason::Silent);
    assert!(began.elapsed() >= Duration::from_millis(200), "because pings were answered until then");
}

#[tokio::test]
async fn an_idle_link_stands_as_long_as_pings_are_answered() {
    let mut setup = Setup::new(identity());
    setup.timings.ping = Duration::from_millis(20);
    setup.timings.silence = Duration::from_millis(1500);
    let mut anna = setup.start().await;
    let mut bob = Machine::start(identity()).await;
    anna.link.remember(bob.id, vec![bob.link.listen_addr()]);
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    // Twice the time after which silence would have ended it.
    let idle = tokio::time::timeout(Duration::from_secs(3), anna.down()).await;
    assert!(idle.is_err(), "because both sides answer");
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn waking_finds_dead_links_at_once() {
    let mut setup = Setup::new(identity());
    setup.timings.probe = Duration::from_millis(300);
    setup.timings.wake_check = Duration::from_millis(20);
    let mut anna = setup.start().await;
    let mut bob = Machine::start(identity()).await;
    let cable = Cable::to(bob.link.listen_addr()).await;
    anna.link.remember(bob.id, vec![cable.address]);
    let (_to_bob, _to_anna) = (anna.up().await, bob.up().await);

    cable.clog();
    let began = Instant::now();
    // The wall clock went on while the monotonic one stood: the machine slept an hour.
    anna.clock.set_wall_ms(1_700_003_600_000);
    assert_eq!(anna.down().await.2, DownReason::Silent);
    assert!(began.elapsed() < Duration::from_secs(10), "because a probe is quicker than 45 s of silence");
    cable.unclog();
    let mut to_bob = anna.up().await;
    bob.down().await;
    let mut to_anna = bob.up().await;
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn a_probe_leaves_a_living_link_alone() {
    let mut setup = Setup::new(identity());
    setup.timings.probe = Duration::from_millis(500);
    let mut anna = setup.start().await;
    let mut bob = Machine::start(identity()).await;
    anna.link.remember(bob.id, vec![bob.link.listen_addr()]);
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    anna.link.wake();
    bob.link.wake();
    let unchanged = tokio::time::timeout(Duration::from_secs(1), anna.down()).await;
    assert!(unchanged.is_err(), "because the probe was answered");
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn only_one_side_can_dial() {
    // Bob's firewall lets nobody in; Anna knows a wrong address of his and goes on trying it.
    let (mut anna, mut bob) = (Machine::start(identity()).await, Machine::start(identity()).await);
    anna.link.remember(bob.id, vec!["127.0.0.1:9".parse().unwrap()]);
    bob.link.remember(anna.id, vec![anna.link.listen_addr()]);
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    assert!(to_bob.inbound && !to_anna.inbound);
    converse(&mut to_bob, &mut to_anna, 1).await;
}
