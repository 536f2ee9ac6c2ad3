//! Linking, addresses and their errors, blocking, ports, the end.

use std::time::Duration;

use proto::frame::ByeReason;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
};

use super::{
    machine::{GateBook, Machine, Setup, converse, expect, identity},
    wires::Stranger,
};
use crate::{
    DialError, DownReason, Gate, InterfaceScope, LinkError, SendError, dial::Ways, relay::Stations, tasks::Tasks,
    tls::Tls,
};

#[tokio::test]
async fn two_machines_link_and_converse() {
    let (mut anna, mut bob) = (Machine::start(identity()).await, Machine::start(identity()).await);
    assert_eq!(anna.link.add_address(&bob.address()).await, Ok(bob.id));
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    assert_eq!((to_bob.peer, to_anna.peer), (bob.id, anna.id));
    assert_eq!((to_bob.inbound, to_anna.inbound), (false, true));
    assert_eq!(to_bob.path, bob.link.listen_addr().into());
    assert_eq!(to_anna.path, anna.link.listen_addr().into(), "because hello says where anna can be dialled");
    assert_eq!(to_anna.hello.instance, anna.link.instance());
    converse(&mut to_bob, &mut to_anna, 1).await;

    to_bob.conn.close(ByeReason::ShuttingDown);
    let (peer, conn_id, reason) = anna.down().await;
    assert_eq!((peer, conn_id), (bob.id, to_bob.conn.id()));
    assert_eq!(reason, DownReason::Closed(ByeReason::ShuttingDown));
    assert_eq!(bob.down().await.2, DownReason::PeerClosed(ByeReason::ShuttingDown));
    expect("the queue to close", to_anna.frames.recv()).await;
    assert_eq!(to_bob.conn.send(super::machine::numbered(1)).await, Err(SendError::Closed));
}

#[tokio::test]
async fn an_address_that_leads_nowhere_says_why() {
    let anna = Machine::start(identity()).await;
    let add = async |text: &str| anna.link.add_address(text).await.unwrap_err();

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(add(&free.to_string()).await, DialError::Refused(free));
    assert_eq!(add(&anna.address()).await, DialError::Myself(anna.link.listen_addr().into()));
    assert!(matches!(add("two words").await, DialError::Syntax(_)));
    // A label of 64 letters is refused by the resolver itself: no query leaves this machine.
    let name = format!("{}.invalid", "a".repeat(64));
    assert!(matches!(add(&name).await, DialError::Resolve { .. }));
}

#[tokio::test]
async fn a_web_server_is_not_landline() {
    let anna = Machine::start(identity()).await;
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = web.local_addr().unwrap();
    let tasks = Tasks::new();
    tasks.spawn("web", async move {
        while let Ok((mut stream, _)) = web.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        }
    });
    let error = anna.link.add_address(&address.to_string()).await.unwrap_err();
    assert!(matches!(error, DialError::NotLandline { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let mut setup = Setup::new(identity());
    setup.timings.handshake = Duration::from_millis(200);
    let anna = setup.start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = anna.link.add_address(&silent.local_addr().unwrap().to_string()).await.unwrap_err();
    assert!(matches!(error, DialError::NotLandline { .. }), "{error}");
}

#[tokio::test]
async fn a_typed_address_is_tried_until_somebody_is_there() {
    let mut anna = Machine::start(identity()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(anna.link.add_address(&address.to_string()).await, Err(DialError::Refused(address)));
    let mut setup = Setup::new(identity());
    setup.listen = address;
    let mut bob = setup.start().await;
    let (mut to_bob, mut to_anna) = (anna.up().await, bob.up().await);
    converse(&mut to_bob, &mut to_anna, 1).await;
}

#[tokio::test]
async fn another_key_at_a_known_address_is_refused() {
    let (anna, mut bob) = (identity(), Machine::start(identity()).await);
    let expected = identity().machine_id();
    let tls = Tls::new(&anna).unwrap();
    let address = bob.link.listen_addr();
    let timings = super::machine::quick();
    let ways = Ways { tls, stations: Stations::new(&timings), timings };
    let error = ways.reach(&[address.into()], Some(expected)).await.map(|_| ()).unwrap_err();
    assert_eq!(error, DialError::OtherKey { address: address.into(), found: Box::new(bob.id) });

    // Bob takes no harm: the next one links.
    let carol = Machine::start(identity()).await;
    carol.link.remember(bob.id, vec![address]);
    assert_eq!(bob.up().await.peer, carol.id);
}

#[tokio::test]
async fn the_blocked_are_neither_dialled_nor_let_in() {
    let (mut anna, mut bob) = (Machine::start(identity()).await, Machine::start(identity()).await);
    anna.gate.set(bob.id, Gate::Refuse);
    let error = anna.link.add_address(&bob.address()).await.unwrap_err();
    assert_eq!(error, DialError::Blocked(bob.link.listen_addr().into()));
    let error = bob.link.add_address(&anna.address()).await.unwrap_err();
    assert!(matches!(error, DialError::HungUp { .. }), "because the blocked are not told: {error}");

    anna.gate.set(bob.id, Gate::Allow { contact: true });
    assert_eq!(anna.up().await.peer, bob.id, "because the typed address is tried again");
    bob.up().await;
    anna.gate.set(bob.id, Gate::Refuse);
    anna.link.drop_peer(&bob.id);
    assert_eq!(anna.down().await.2, DownReason::Closed(ByeReason::Blocked));
    let reason = bob.down().await.2;
    assert!(matches!(reason, DownReason::Broken(_)), "because the blocked are not told: {reason}");
}

#[tokio::test]
async fn a_taken_port_leads_to_the_next_one() {
    let anna = Machine::start(identity()).await;
    let mut setup = Setup::new(identity());
    setup.listen = anna.link.listen_addr();
    let bob = setup.start().await;
    let (first, next) = (anna.link.listen_addr().port(), bob.link.listen_addr().port());
    assert!(next > first && next < first + 100, "{first} → {next}");
    assert_eq!(anna.link.add_address(&bob.address()).await, Ok(bob.id));
}

#[tokio::test]
async fn an_address_that_is_not_ours_cannot_be_listened_on() {
    let mut setup = Setup::new(identity());
    setup.listen = "203.0.113.1:4281".parse().unwrap();
    let config = crate::LinkConfig {
        identity: setup.identity.clone(),
        listen: setup.listen,
        discovery: setup.discovery,
        typed: Vec::new(),
        hello: {
            let identity = setup.identity.clone();
            std::sync::Arc::new(move || super::machine::hello(&identity))
        },
        gate: std::sync::Arc::new(|_| Gate::Refuse),
        blobs: setup.blobs,
        clock: setup.clock,
        timings: setup.timings,
    };
    let error = crate::Link::start(config).await.unwrap_err();
    assert!(matches!(error, LinkError::Listen { .. }), "{error}");
}

#[tokio::test]
async fn shutting_down_says_goodbye_and_leaves_nothing() {
    let (mut anna, mut bob) = (Machine::start(identity()).await, Machine::start(identity()).await);
    anna.link.add_address(&bob.address()).await.unwrap();
    let (_to_bob, _to_anna) = (anna.up().await, bob.up().await);
    // One that has opened a connection and one that has opened a WebSocket, neither of which ever says hello.
    let _knock = TcpStream::connect(anna.link.listen_addr()).await.unwrap();
    let _stranger = Stranger::dial(identity(), anna.link.listen_addr()).await;

    let began = std::time::Instant::now();
    anna.link.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(2), "because nothing is waited for in vain: {:?}", began.elapsed());
    assert_eq!(anna.link.left_running(), Vec::<String>::new());
    assert_eq!(bob.down().await.2, DownReason::PeerClosed(ByeReason::ShuttingDown));
    TcpListener::bind(anna.link.listen_addr()).await.expect("the port to be free again");
    assert_eq!(anna.down().await.2, DownReason::Closed(ByeReason::ShuttingDown));
    expect("the end of the events", async { while anna.events.recv().await.is_some() {} }).await;
    assert_eq!(anna.link.add_address(&bob.address()).await, Err(DialError::ShuttingDown));
}

#[tokio::test]
async fn dropping_the_handle_closes_everything() {
    let (mut anna, mut bob) = (Machine::start(identity()).await, Machine::start(identity()).await);
    anna.link.add_address(&bob.address()).await.unwrap();
    let (_to_bob, _to_anna) = (anna.up().await, bob.up().await);
    let address = anna.link.listen_addr();
    drop(anna);
    let reason = bob.down().await.2;
    assert!(matches!(reason, DownReason::Broken(_)), "{reason}");
    expect("the port to be free again", async {
        while TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_state_of_the_network_is_known_from_the_start() {
    let mut setup = Setup::new(identity());
    setup.gate = GateBook::open();
    setup.discovery.interfaces = InterfaceScope::Loopback;
    let anna = setup.start().await;
    let network = anna.link.network();
    assert_eq!(network.listen, anna.link.listen_addr());
    assert!(network.addresses().any(|address| address.is_loopback()), "{network:?}");
    assert_eq!(network.mdns, crate::DiscoveryState::Off);
}
