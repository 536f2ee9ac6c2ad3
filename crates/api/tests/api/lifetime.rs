//! How the API begins and ends.

use landline_api::door::Caller;
use landline_api::{ApiFile, Listen, StartError, dispatch};
use serde_json::json;
use testkit::Net;

use crate::desk::{Desk, config};

#[tokio::test(flavor = "multi_thread")]
async fn api_json_is_there_while_it_runs() {
    let (net, desk) = Desk::alone().await;
    let dir = desk.person.node().data_dir().to_owned();
    let file = ApiFile::read(&dir).unwrap().expect("because the API runs");
    assert_eq!((file.api, file.pid), (desk.api.url(), std::process::id()));
    assert_eq!((file.token.as_str(), file.machine_id), (desk.api.owner_token(), desk.person.id()));
    desk.api.shutdown().await;
    assert!(ApiFile::read(&dir).unwrap().is_none(), "because nobody should look for it any more");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let net = Net::new();
    let alice = net.alice().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let listen = Listen::Exactly(addr);
    let error =
        landline_api::Api::start(alice.node(), landline_api::ApiConfig { listen, ..config() }).await.unwrap_err();
    assert!(matches!(error, StartError::PortTaken(_)), "{error}");
    assert!(error.to_string().contains(&addr.port().to_string()), "because it names the port: {error}");
    assert!(ApiFile::read(alice.node().data_dir()).unwrap().is_none());
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_port_makes_way() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let usual = || landline_api::ApiConfig { listen: Listen::Usual, ..config() };
    let (one, two) = (Desk::with(&alice, usual()).await, Desk::with(&bob, usual()).await);
    assert_ne!(one.api.addr().port(), two.api.addr().port(), "because the second takes the next free one");
    for desk in [&one, &two] {
        assert!(desk.api.addr().ip().is_loopback(), "because nothing else was asked for");
        assert!(!matches!(desk.api.addr().port(), 4281 | 4282), "because these belong to the links");
        assert!(desk.call("GET", "/me", None).await.status.is_success());
    }
    two.api.shutdown().await;
    one.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_orderly() {
    let (net, desk) = Desk::alone().await;
    let caller = Caller::window();
    assert!(dispatch(&desk.api, &caller, "me", json!({})).await.is_ok());
    let unknown = dispatch(&desk.api, &caller, "fly", json!({})).await.unwrap_err();
    assert_eq!((unknown.status.as_u16(), unknown.body.code.as_str()), (404, "unknown_command"));
    // A stream that would go on for ever does not hold up the end.
    let mut stream = desk.request("GET", "/events").bearer_auth(desk.api.owner_token()).send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    desk.api.shutdown().await;
    while let Ok(Some(_)) = stream.chunk().await {}
    let closing = dispatch(&desk.api, &caller, "me", json!({})).await.unwrap_err();
    assert_eq!((closing.status.as_u16(), closing.body.code.as_str()), (503, "shutting_down"));
    assert!(closing.retry_after.is_some());
    let refused = tokio::net::TcpStream::connect(desk.api.addr()).await;
    assert!(refused.is_err(), "because nothing listens any more");
    desk.api.shutdown().await;
    net.end().await;
}
