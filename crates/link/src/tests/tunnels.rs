//! Links through a relay, the real one in this process.

use std::time::Duration;

use proto::{
    frame::ByeReason,
    id::MachineId,
    relay::{FromRelay, RelayAddress, Ticket},
};
use relay::Transport;

use super::{
    blobs,
    duplicates::settle,
    machine::{
        Machine, Setup, Standing, converse, expect, identity, large, number_of, numbered, quick, two_identities,
    },
    relays::{Fake, Place, challenge, hurried, machine, no_limits, plan},
    wires::Cable,
};
use crate::{DialError, DownReason, Gate, Path, RelayError, RelayPlan, RelayState, Timings, dial::Ways, tls::Tls};

/// Two machines that have no way to each other but the relay; the first has the smaller ID.
async fn two_at(relay: &RelayAddress) -> (Machine, Machine) {
    let (small, large) = two_identities();
    let (anna, bob) = (machine(small).await, machine(large).await);
    anna.link.set_relays(vec![plan(&anna.id, relay, &[bob.id])]);
    bob.link.set_relays(vec![plan(&bob.id, relay, &[anna.id])]);
    (anna, bob)
}

async fn standing(anna: &mut Machine, bob: &mut Machine) -> (Standing, Standing) {
    (anna.up().await, bob.up().await)
}

/// A link has ended because another one counts; either side may be the first to say so.
async fn has_given_way(machine: &mut Machine) {
    let reason = machine.down().await.2;
    let given_way = matches!(reason, DownReason::Replaced | DownReason::PeerClosed(ByeReason::Duplicate));
    assert!(given_way, "{reason}");
}

#[tokio::test]
async fn two_machines_link_through_a_relay_and_converse() {
    for place in [Place::plain().await, Place::encrypted().await] {
        let (mut anna, mut bob) = two_at(&place.address).await;
        let (mut to_bob, mut to_anna) = standing(&mut anna, &mut bob).await;
        assert_eq!((to_bob.peer, to_anna.peer), (bob.id, anna.id));
        assert_eq!(to_bob.path, Path::Relay(place.address.clone()));
        assert_eq!(to_anna.path, Path::Relay(place.address.clone()));
        converse(&mut to_bob, &mut to_anna, 1).await;
        to_bob.conn.send(large()).await.unwrap();
        assert_eq!(to_anna.receive().await, large(), "because a frame may be longer than a tunnel's messages");
        to_bob.conn.close(ByeReason::ShuttingDown);
        assert_eq!(bob.down().await.2, DownReason::PeerClosed(ByeReason::ShuttingDown), "because last words arrive");
        assert_eq!(anna.down().await.2, DownReason::Closed(ByeReason::ShuttingDown));
    }
}

#[tokio::test]
async fn one_that_is_only_a_visitor_reaches_one_that_is_at_home() {
    let place = Place::plain().await;
    let (mut anna, mut bob) = (machine(identity()).await, machine(identity()).await);
    bob.link.set_relays(vec![plan(&bob.id, &place.address, &[])]);
    anna.link.set_relays(vec![RelayPlan { home: None, ..plan(&anna.id, &place.address, &[bob.id]) }]);
    let (mut to_bob, mut to_anna) = standing(&mut anna, &mut bob).await;
    assert!(!to_bob.inbound && to_anna.inbound, "because only she has a token");
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn the_relay_tells_who_is_there_and_is_lost_and_found() {
    let place = Place::plain().await;
    let (mut anna, mut bob) = two_at(&place.address).await;
    assert_eq!(anna.relay().await, RelayState::Reaching);
    assert_eq!(anna.relay().await, RelayState::Connected);
    assert_eq!(anna.present().await, (bob.id, vec![place.address.clone()]));
    let (_to_bob, _to_anna) = standing(&mut anna, &mut bob).await;

    let (folder, port) = place.stop().await;
    let gone = anna.relay().await;
    assert!(matches!(gone, RelayState::Failed(RelayError::Bye { .. } | RelayError::Broken(_))), "{gone:?}");
    assert_eq!(anna.present().await, (bob.id, vec![]));
    assert!(matches!(anna.down().await.2, DownReason::Broken(_)));
    bob.down().await;

    let place = Place::start(folder, Transport::Plain, port).await;
    let (mut to_bob, mut to_anna) = standing(&mut anna, &mut bob).await;
    assert_eq!(to_bob.path, Path::Relay(place.address.clone()));
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn a_relay_that_cannot_be_used_says_why() {
    let place = Place::encrypted().await;
    let mut anna = machine(identity()).await;
    let other = place.address.clone().with_key([7; 32]);
    let plain: RelayAddress = format!("ws://127.0.0.1:{}", place.address.port()).parse().unwrap();
    let nobody: RelayAddress = "ws://127.0.0.1:9".parse().unwrap();
    for (address, right) in [
        (other, (|error| matches!(error, RelayError::OtherKey)) as fn(&RelayError) -> bool),
        (plain, |error| matches!(error, RelayError::NotRelay(_))),
        (nobody, |error| matches!(error, RelayError::Unreachable(_))),
        (format!("wss://127.0.0.1:{}", place.address.port()).parse().unwrap(), |error| {
            matches!(error, RelayError::Untrusted(_))
        }),
    ] {
        anna.link.set_relays(vec![plan(&anna.id, &address, &[])]);
        loop {
            match anna.relay_at(&address).await {
                RelayState::Reaching => {}
                RelayState::Failed(error) => {
                    assert!(right(&error), "{address}: {error:?}");
                    break;
                }
                RelayState::Connected => panic!("{address} is no relay to be used"),
            }
        }
    }
}

#[tokio::test]
async fn the_wrong_machine_at_the_far_end_is_refused() {
    // Carol's relay says that Bob is there, and leads to Carol: her token stands for his.
    let place = Place::plain().await;
    let (bob, carol) = (identity(), machine(identity()).await);
    carol.link.set_relays(vec![plan(&carol.id, &place.address, &[])]);
    let anna = identity();
    let mut setup = Setup::new(anna.clone());
    setup.timings = hurried();
    let mut anna_machine = setup.start().await;
    anna_machine.link.set_relays(vec![RelayPlan { home: None, ..plan(&anna_machine.id, &place.address, &[carol.id]) }]);
    assert_eq!(anna_machine.up().await.peer, carol.id);

    // The same tunnel, but Bob is expected at its end.
    let ways = anna_machine.link.ways();
    let stream = ways.stations.open(&place.address, Some(carol.id)).await.unwrap();
    let path = Path::Relay(place.address.clone());
    let tls = Tls::new(&anna).unwrap();
    let ways = Ways { tls, ..ways };
    let error = ways.prove(Box::new(stream), &path, None, Some(bob.machine_id())).await.map(|_| ()).unwrap_err();
    assert_eq!(error, DialError::OtherKey { address: path, found: Box::new(carol.id) });
}

#[tokio::test]
async fn the_blocked_are_not_let_in_through_a_relay_either() {
    let place = Place::plain().await;
    let (mut anna, mut bob) = (machine(identity()).await, machine(identity()).await);
    bob.gate.set(anna.id, Gate::Refuse);
    bob.link.set_relays(vec![plan(&bob.id, &place.address, &[])]);
    anna.link.set_relays(vec![RelayPlan { home: None, ..plan(&anna.id, &place.address, &[bob.id]) }]);
    assert_eq!(anna.present().await.0, bob.id);
    let path = Path::Relay(place.address.clone());
    let ways = anna.link.ways();
    let upgraded = async {
        let reached = ways.reach(std::slice::from_ref(&path), Some(bob.id)).await?;
        reached.upgrade(&ways.timings).await.map(|_| ())
    };
    let error = expect("an end", upgraded).await.unwrap_err();
    assert!(matches!(error, DialError::HungUp { .. } | DialError::NotLandline { .. }), "{error}");
    bob.no_link_changed();
    anna.no_link_changed();
}

#[tokio::test]
async fn a_direct_link_takes_the_place_of_a_tunnel_and_no_frame_is_lost() {
    for swap in [false, true] {
        let place = Place::plain().await;
        let (mut anna, mut bob) = two_at(&place.address).await;
        let (mut to_bob, mut to_anna) = standing(&mut anna, &mut bob).await;
        converse(&mut to_bob, &mut to_anna, 1).await;
        // Frames are on their way in both directions when the machines find each other.
        for number in 0..40 {
            to_bob.conn.send(numbered(number)).await.unwrap();
        }
        if swap {
            bob.link.remember(anna.id, vec![anna.link.listen_addr()]);
        } else {
            anna.link.remember(bob.id, vec![bob.link.listen_addr()]);
        }
        for number in 0..40 {
            assert_eq!(number_of(&to_anna.receive().await), number);
        }
        has_given_way(&mut anna).await;
        has_given_way(&mut bob).await;
        let (mut to_bob, mut to_anna) = standing(&mut anna, &mut bob).await;
        assert!(to_bob.path.is_direct() && to_anna.path.is_direct());
        assert_eq!(to_bob.inbound, swap);
        converse(&mut to_bob, &mut to_anna, 100).await;
        anna.no_link_changed();
        bob.no_link_changed();
    }
}

#[tokio::test]
async fn when_the_direct_way_is_gone_the_tunnel_comes_and_when_it_is_back_it_goes() {
    let place = Place::plain().await;
    // Anna listens where Bob does not expect her, so that only she can dial.
    let mut setup = Setup::new(identity());
    setup.timings = hurried();
    setup.listen = "[::1]:0".parse().unwrap();
    let (mut anna, mut bob) = (setup.start().await, machine(identity()).await);
    let cable = Cable::to(bob.link.listen_addr()).await;
    anna.link.remember(bob.id, vec![cable.address]);
    let (mut to_bob, mut to_anna) = standing(&mut anna, &mut bob).await;
    converse(&mut to_bob, &mut to_anna, 1).await;
    anna.link.set_relays(vec![plan(&anna.id, &place.address, &[bob.id])]);
    bob.link.set_relays(vec![plan(&bob.id, &place.address, &[anna.id])]);
    assert_eq!(anna.present().await.0, bob.id);
    anna.no_link_changed();

    // Nobody can dial the other any more.
    let address = cable.address;
    cable.remove().await;
    anna.down().await;
    bob.down().await;
    let (mut to_bob, mut to_anna) = standing(&mut anna, &mut bob).await;
    assert!(!to_bob.path.is_direct() && !to_anna.path.is_direct());
    converse(&mut to_bob, &mut to_anna, 3).await;

    let cable = Cable::at(address, bob.link.listen_addr()).await;
    has_given_way(&mut anna).await;
    has_given_way(&mut bob).await;
    let (mut to_bob, mut to_anna) = standing(&mut anna, &mut bob).await;
    assert!(to_bob.path.is_direct() && to_anna.path.is_direct());
    converse(&mut to_bob, &mut to_anna, 5).await;
    drop(cable);
}

#[tokio::test]
async fn files_go_through_a_tunnel_like_anywhere() {
    let place = Place::plain().await;
    let way = Path::Relay(place.address.clone());
    for brings in [false, true] {
        let (desk, calls) = blobs::desk();
        let mut setup = Setup::new(identity());
        setup.blobs = desk;
        let (mut anna, ben) = (machine(identity()).await, setup.start().await);
        ben.link.set_relays(vec![plan(&ben.id, &place.address, &[])]);
        anna.link.set_relays(vec![RelayPlan { home: None, ..plan(&anna.id, &place.address, &[ben.id]) }]);
        anna.up().await;
        if brings {
            blobs::bring(&anna, &ben, calls, &way).await;
        } else {
            blobs::fetch_in_two_parts(&anna, &ben, calls, &way).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tunnels_from_both_sides_at_once_always_end_in_one_link() {
    let place = Place::plain().await;
    for round in 0..10 {
        let (small, large) = two_identities();
        let start = |identity| {
            let mut setup = Setup::new(identity);
            setup.timings = Timings { direct_first: Duration::ZERO, ..quick() };
            setup.start()
        };
        let (mut anna, mut bob) = (start(small).await, start(large).await);
        anna.link.set_relays(vec![plan(&anna.id, &place.address, &[bob.id])]);
        bob.link.set_relays(vec![plan(&bob.id, &place.address, &[anna.id])]);
        let ((mut to_bob, _), (mut to_anna, _)) = tokio::join!(settle(&mut anna, round), settle(&mut bob, round));
        assert_ne!(to_bob.inbound, to_anna.inbound, "because both ends are of one link");
        converse(&mut to_bob, &mut to_anna, 1000).await;
    }
}

#[tokio::test]
async fn who_does_not_read_holds_the_other_back_through_the_relay() {
    let place = Place::plain().await;
    let (mut anna, mut bob) = two_at(&place.address).await;
    let (to_bob, mut to_anna) = standing(&mut anna, &mut bob).await;
    let mut queued = 0;
    while tokio::time::timeout(Duration::from_millis(500), to_bob.conn.send(large())).await.is_ok() {
        queued += 1;
        assert!(queued < 1000, "because 200 MB fit no queue");
    }
    for _ in 0..queued {
        to_anna.receive().await;
    }
    // The one that was given up while it waited was never queued.
    to_bob.conn.send(numbered(1)).await.unwrap();
    assert_eq!(number_of(&to_anna.receive().await), 1);
}

#[tokio::test]
async fn a_hostile_relay_gets_nowhere_and_harms_nobody() {
    let challenge = challenge();
    let welcome = FromRelay::Welcome { limits: no_limits(), wall_ms: 0 }.encode();
    let incoming = FromRelay::Incoming { ticket: Ticket::from_bytes([2; 32]) }.encode();
    let stranger = FromRelay::Presence { items: vec![(MachineId::from_bytes([3; 32]), true)] }.encode();
    for (at_home, said, what) in [
        (true, vec![vec![0xff; 9]], "garbage"),
        (true, vec![vec![0; 300_000]], "a frame too long"),
        (true, vec![incoming.clone()], "a guest before the login"),
        (true, [vec![challenge.clone(), welcome], vec![incoming; 2_000]].concat(), "guests without end"),
        (false, [vec![challenge], vec![stranger; 2_000]].concat(), "machines that nobody asked about"),
    ] {
        let (mut anna, mut bob) = (machine(identity()).await, machine(identity()).await);
        let hostile = Fake::says(said).await;
        let mut plan = plan(&anna.id, &hostile.address, &[bob.id]);
        plan.home.take_if(|_| !at_home);
        anna.link.set_relays(vec![plan]);
        loop {
            match anna.relay().await {
                RelayState::Reaching | RelayState::Connected => {}
                RelayState::Failed(RelayError::Protocol(_)) => break,
                other @ RelayState::Failed(_) => panic!("{what}: {other:?}"),
            }
        }
        anna.link.remember(bob.id, vec![bob.link.listen_addr()]);
        let (mut to_bob, mut to_anna) = standing(&mut anna, &mut bob).await;
        converse(&mut to_bob, &mut to_anna, 1).await;
        anna.nobody_was_present();
    }
}
