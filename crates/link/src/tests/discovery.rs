//! mDNS and beacon on the loopback. Each test has identities of its own and its gate shuts out those of other tests,
//! which share the multicast group.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use proto::{id::MachineId, identity::Identity};
use tokio::net::TcpListener;

use super::machine::{GateBook, Machine, Setup, converse, expect, identity, two_identities};
use crate::{DiscoveryState, HintSource, Visibility};

const SERVICE: &str = "_landline._tcp.local.";

fn by_mdns(identity: std::sync::Arc<Identity>, with: &[MachineId]) -> Setup {
    let mut setup = Setup::new(identity);
    setup.discovery.mdns = true;
    setup.gate = GateBook::only(with);
    setup
}

fn by_beacon(identity: std::sync::Arc<Identity>, with: &[MachineId], port: u16) -> Setup {
    let mut setup = Setup::new(identity);
    setup.discovery.beacon = true;
    setup.discovery.beacon_port = port;
    setup.timings.beacon = Duration::from_millis(300);
    setup.gate = GateBook::only(with);
    setup
}

/// A UDP port that nobody else uses at the moment.
fn free_udp_port() -> u16 {
    UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

/// Announces whatever a test wants, by another daemon: an old version, a clone, a machine with odd interfaces.
struct Announcer {
    daemon: ServiceDaemon,
}

impl Announcer {
    fn new() -> Self {
        let daemon = ServiceDaemon::new().unwrap();
        daemon.disable_interface(IfKind::All).unwrap();
        daemon.enable_interface(IfKind::LoopbackV4).unwrap();
        Self { daemon }
    }

    fn label(machine: &MachineId) -> String {
        machine.to_string().strip_prefix("landline1").unwrap().to_owned()
    }

    fn announce(&self, machine: &MachineId, addresses: &[IpAddr], port: u16, txt: &[(&str, &str)]) {
        let label = Self::label(machine);
        let host = format!("{label}.local.");
        let mut service = ServiceInfo::new(SERVICE, &label, &host, addresses, port, txt).unwrap();
        service.set_requires_probe(false);
        self.daemon.register(service).unwrap();
    }

    async fn goodbye(&self, machine: &MachineId) {
        let done = self.daemon.unregister(&format!("{}.{SERVICE}", Self::label(machine))).unwrap();
        expect("the goodbye", done.recv_async()).await.unwrap();
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.daemon.shutdown().ok();
    }
}

#[tokio::test]
async fn two_machines_find_each_other_by_mdns() {
    let (one, other) = (identity(), identity());
    let ids = [one.machine_id(), other.machine_id()];
    let mut anna = by_mdns(one, &ids).start().await;
    let mut bob = by_mdns(other, &ids).start().await;
    let hint = bob.hint(anna.id).await;
    assert_eq!((hint.source, hint.name.as_deref()), (HintSource::Mdns, Some("Anna")));
    assert!(hint.addrs.contains(&anna.link.listen_addr()), "{hint:?}");
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    converse(&mut to_bob, &mut to_anna, 1).await;
    anna.hint(bob.id).await;
    assert_eq!(anna.link.network().mdns, DiscoveryState::Running);
    assert_eq!(anna.link.network().hints, 1, "because a machine doesn't count itself");
}

#[tokio::test]
async fn leaving_says_goodbye() {
    let (one, other) = (identity(), identity());
    let ids = [one.machine_id(), other.machine_id()];
    let (mut anna, mut bob) = (by_mdns(one, &ids).start().await, by_mdns(other, &ids).start().await);
    bob.hint(anna.id).await;
    let (_to_bob, _to_anna) = (anna.up().await, bob.up().await);
    let began = Instant::now();
    anna.link.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(4), "because people wait for it: {:?}", began.elapsed());
    bob.down().await;
    bob.hint_gone(anna.id).await;
}

#[tokio::test]
async fn being_seen_by_one_side_is_enough() {
    for hidden_is_smaller in [true, false] {
        let (small, large) = two_identities();
        let (hidden, seen) = if hidden_is_smaller { (small, large) } else { (large, small) };
        let ids = [hidden.machine_id(), seen.machine_id()];
        let mut setup = by_mdns(hidden, &ids);
        setup.discovery.visibility = Visibility::Hidden;
        let (mut anna, mut bob) = (setup.start().await, by_mdns(seen, &ids).start().await);
        anna.hint(bob.id).await;
        let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
        assert!(to_anna.inbound, "because only the hidden one could dial");
        converse(&mut to_bob, &mut to_anna, 1).await;
        assert_eq!(bob.link.network().hints, 0);
    }
}

#[tokio::test]
async fn a_name_is_shown_to_everyone_or_not_at_all() {
    let (one, other) = (identity(), identity());
    let ids = [one.machine_id(), other.machine_id()];
    let mut setup = by_mdns(one, &ids);
    setup.discovery.visibility = Visibility::Contacts;
    let (anna, mut bob) = (setup.start().await, by_mdns(other, &ids).start().await);
    assert_eq!(bob.hint(anna.id).await.name, None);
    anna.link.set_visibility(Visibility::Everyone);
    while bob.hint(anna.id).await.name.as_deref() != Some("Anna") {}
    anna.link.set_visibility(Visibility::Hidden);
    bob.hint_gone(anna.id).await;
    bob.up().await;
    bob.no_link_changed();
}

#[tokio::test]
async fn a_false_removal_ends_no_link() {
    let (one, other) = (identity(), identity());
    let ids = [one.machine_id(), other.machine_id()];
    let (mut anna, mut bob) = (by_mdns(one, &ids).start().await, by_mdns(other, &ids).start().await);
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    // A copied profile announces the same name; when it leaves, its goodbye removes the living one.
    let clone = Announcer::new();
    let gone = async {
        loop {
            clone.announce(&anna.id, &[[127, 0, 0, 1].into()], 9, &[]);
            clone.goodbye(&anna.id).await;
            // Anna repeats her own announcement in the first second, which undoes the goodbye.
            if tokio::time::timeout(Duration::from_secs(2), bob.hint_gone(anna.id)).await.is_ok() {
                return;
            }
        }
    };
    expect("a goodbye that is believed", gone).await;
    converse(&mut to_bob, &mut to_anna, 1).await;
    bob.no_link_changed();
    anna.no_link_changed();
}

#[tokio::test]
async fn an_address_that_leads_nowhere_does_not_delay_the_good_one() {
    let (one, other) = (identity(), identity());
    let ids = [one.machine_id(), other.machine_id()];
    // Anna's announcement is made up below; she listens as usual.
    let mut setup = Setup::new(one);
    setup.gate = GateBook::only(&ids);
    let mut anna = setup.start().await;
    let port = anna.link.listen_addr().port();
    // Something that takes connections and says nothing: slower than anything unreachable.
    let _tarpit = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let announcer = Announcer::new();
    announcer.announce(&anna.id, &[[127, 0, 0, 2].into(), [127, 0, 0, 1].into()], port, &[("v", "1")]);
    let mut bob = by_mdns(other, &ids).start().await;
    let began = Instant::now();
    bob.hint(anna.id).await;
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    assert!(began.elapsed() < Duration::from_secs(4), "because the tarpit takes 5 s: {:?}", began.elapsed());
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn an_event_with_half_the_addresses_does_not_hold_up_the_other_half() {
    let (one, other) = (identity(), identity());
    let ids = [one.machine_id(), other.machine_id()];
    let mut setup = Setup::new(one);
    setup.gate = GateBook::only(&ids);
    let mut anna = setup.start().await;
    let port = anna.link.listen_addr().port();
    let _tarpit = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let announcer = Announcer::new();
    let mut bob = by_mdns(other, &ids).start().await;
    let began = Instant::now();
    announcer.announce(&anna.id, &[[127, 0, 0, 2].into()], port, &[]);
    let half = bob.hint(anna.id).await;
    assert_eq!(half.addrs, [SocketAddr::from(([127, 0, 0, 2], port))]);
    announcer.announce(&anna.id, &[[127, 0, 0, 2].into(), [127, 0, 0, 1].into()], port, &[]);
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    assert!(began.elapsed() < Duration::from_secs(4), "because the tarpit takes 5 s: {:?}", began.elapsed());
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn a_forged_announcement_leads_to_no_link_and_does_not_stop_the_true_one() {
    let (one, other) = (identity(), identity());
    let ids = [one.machine_id(), other.machine_id()];
    let mallory = Machine::start(identity()).await;
    let announcer = Announcer::new();
    announcer.announce(&one.machine_id(), &[[127, 0, 0, 1].into()], mallory.link.listen_addr().port(), &[]);
    let mut bob = by_mdns(other, &ids).start().await;
    bob.hint(one.machine_id()).await;
    let mut setup = Setup::new(one);
    setup.gate = GateBook::only(&ids);
    let mut anna = setup.start().await;
    bob.link.remember(anna.id, vec![anna.link.listen_addr()]);
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn all_nodes_of_one_computer_hear_the_beacon() {
    let people = [identity(), identity(), identity()];
    let ids: Vec<_> = people.iter().map(|person| person.machine_id()).collect();
    let port = free_udp_port();
    let mut machines = Vec::new();
    for person in people {
        machines.push(by_beacon(person, &ids, port).start().await);
    }
    for machine in &mut machines {
        let mut linked = [machine.up().await, machine.up().await];
        linked.sort_by_key(|standing| standing.peer);
        let peers: Vec<_> = linked.iter().map(|standing| standing.peer).collect();
        let mut others: Vec<_> = ids.iter().copied().filter(|id| *id != machine.id).collect();
        others.sort();
        assert_eq!(peers, others);
        assert_eq!(machine.link.network().beacon, DiscoveryState::Running);
    }
}

#[tokio::test]
async fn a_beacon_heard_by_one_side_is_enough() {
    let (one, other) = (identity(), identity());
    let ids = [one.machine_id(), other.machine_id()];
    let port = free_udp_port();
    let mut setup = by_beacon(one, &ids, port);
    setup.discovery.visibility = Visibility::Hidden;
    let (mut anna, mut bob) = (setup.start().await, by_beacon(other, &ids, port).start().await);
    let hint = anna.hint(bob.id).await;
    assert_eq!((hint.source, hint.addrs), (HintSource::Beacon, vec![bob.link.listen_addr()]));
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    assert!(to_anna.inbound);
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn a_beacon_that_falls_silent_is_no_hint_any_more() {
    let (one, other) = (identity(), identity());
    let ids = [one.machine_id(), other.machine_id()];
    let port = free_udp_port();
    let (anna, mut bob) = (by_beacon(one, &ids, port).start().await, by_beacon(other, &ids, port).start().await);
    bob.hint(anna.id).await;
    bob.up().await;
    anna.link.set_visibility(Visibility::Hidden);
    bob.hint_gone(anna.id).await;
}

#[tokio::test]
async fn garbage_on_the_beacon_port_is_passed_over() {
    let (one, other) = (identity(), identity());
    let ids = [one.machine_id(), other.machine_id()];
    let port = free_udp_port();
    let mut bob = by_beacon(other, &ids, port).start().await;
    let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
    for garbage in [&b""[..], b"LLB1", b"LLB1\xff\xff", &[0; 2000]] {
        noise.send_to(garbage, ("127.0.0.1", port)).unwrap();
    }
    let mut anna = by_beacon(one, &ids, port).start().await;
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn a_copied_profile_is_noticed() {
    let copied = identity();
    let port = free_udp_port();
    let anna = by_beacon(copied.clone(), &[], port).start().await;
    let mut clone = by_beacon(copied, &[], port).start().await;
    let at = loop {
        if let Some(at) = clone.network().await.same_identity_at {
            break at;
        }
    };
    assert_eq!(at, anna.link.listen_addr());
}
