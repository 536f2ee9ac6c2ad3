//! Who is let in.

use std::sync::Arc;

use landline_relay::{Access, Config, Relay, Transport, invite};
use proto::clock::ManualClock;
use proto::relay::{FromRelay, Login, RefusalCode, RelayAddress, ToRelay};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::scene::{Scene, anna, bob, id, key};
use crate::wire::Wire;

/// Logs in with what is given, is refused, and finds the connection ended.
async fn refused(scene: &Scene, login: impl FnOnce(&[u8; 32]) -> Login) -> RefusalCode {
    let mut wire = scene.nobody().await;
    let login = login(&wire.nonce);
    wire.send(&ToRelay::Login(login)).await;
    let Some(FromRelay::Refused(refused)) = wire.next().await else { panic!("not refused") };
    assert_eq!(refused.request, None);
    assert_eq!(wire.next().await, None, "because one proof is all that a connection gets");
    refused.code
}

#[tokio::test]
async fn a_proof_counts_for_this_relay_and_this_connection_only() {
    let scene = Scene::new().await;
    let (anna, here) = (anna(), scene.address());
    let elsewhere: RelayAddress = "ws://relay.example.org:80".parse().unwrap();
    assert_eq!(refused(&scene, |nonce| Login::sign(&anna, nonce, &elsewhere, None, None)).await, RefusalCode::BadProof);
    assert_eq!(refused(&scene, |_| Login::sign(&anna, &[0; 32], &here, None, None)).await, RefusalCode::BadProof);
    let as_bob = |nonce: &[u8; 32]| Login { machine: id(&bob()), ..Login::sign(&anna, nonce, &here, None, None) };
    assert_eq!(refused(&scene, as_bob).await, RefusalCode::BadProof);
    let moved = |nonce: &[u8; 32]| Login { origin: here.origin(), ..Login::sign(&anna, nonce, &elsewhere, None, None) };
    assert_eq!(refused(&scene, moved).await, RefusalCode::BadProof, "because what was signed is the other origin");
    let newer = |nonce: &[u8; 32]| Login { version: 2, ..Login::sign(&anna, nonce, &here, None, None) };
    assert_eq!(refused(&scene, newer).await, RefusalCode::Version);

    let mut first = scene.nobody().await;
    let login = Login::sign(&anna, &first.nonce, &here, None, None);
    first.send(&ToRelay::Login(login.clone())).await;
    assert!(matches!(first.next().await, Some(FromRelay::Welcome { .. })));
    assert_eq!(refused(&scene, |_| login).await, RefusalCode::BadProof, "because it was made for another connection");
    assert_eq!(scene.figure("logins_total").await, 1);
    assert_eq!(scene.figure("refused_total").await, 6);
}

#[tokio::test]
async fn a_welcome_says_what_is_allowed() {
    let scene = Scene::with(|config| config.limits.items = 77).await;
    let mut wire = scene.nobody().await;
    let FromRelay::Welcome { limits, wall_ms } = wire.log_in(&anna(), &scene.address()).await else { panic!() };
    assert_eq!((limits.items, limits.bytes, limits.request_items, limits.puts_burst), (77, 64 << 20, 16, 10));
    assert_eq!(wall_ms, crate::scene::NOW_S * 1_000);
}

#[tokio::test]
async fn its_own_certificate_is_known_by_the_key_in_the_address() {
    let scene = Scene::with(|config| config.transport = Transport::OwnCertificate).await;
    let address = scene.address();
    assert!(!address.is_plain() && address.key().is_some(), "{address}");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(scene.folder.path().join("relay-cert.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let dial = || async {
        let stream = TcpStream::connect(scene.addr()).await.unwrap();
        let name = ServerName::try_from("landline-relay").unwrap();
        Wire::over(connector.connect(name, stream).await.unwrap()).await
    };
    assert!(matches!(dial().await.log_in(&anna(), &address).await, FromRelay::Welcome { .. }));
    let other = address.clone().with_key([9; 32]);
    let FromRelay::Refused(refused) = dial().await.log_in(&anna(), &other).await else { panic!() };
    assert_eq!(refused.code, RefusalCode::BadProof, "because the client saw another relay's key");
}

#[tokio::test]
async fn the_newer_connection_of_a_machine_replaces_the_older() {
    let scene = Scene::new().await;
    let mut older = scene.machine(&anna()).await;
    let mut newer = scene.machine(&anna()).await;
    assert_eq!(older.ends().await, Some(proto::relay::RelayBye::Replaced));
    newer.gives(&key()).await;
    assert_eq!(scene.figure("machines_online").await, 1);
}

#[tokio::test]
async fn only_members_are_let_in() {
    let mut list = None;
    let scene = Scene::with(|config| {
        let path = config.data_dir.join("members");
        std::fs::write(&path, format!("{} Anna's laptop\n", id(&anna()))).unwrap();
        config.access = Access::Members { list: Some(path.clone()), invitations: true };
        list = Some(path);
    })
    .await;
    let token = invite(scene.folder.path(), "Bob").unwrap();
    let mut anna_here = scene.machine(&anna()).await;
    let address = scene.address();
    assert_eq!(refused(&scene, |nonce| Login::sign(&bob(), nonce, &address, None, None)).await, RefusalCode::NotMember);
    let wrong = Some(b"lrm_00000000000000000000000000000000".to_vec());
    assert_eq!(
        refused(&scene, |nonce| Login::sign(&bob(), nonce, &address, None, wrong)).await,
        RefusalCode::NotMember
    );

    // Who is struck off goes, and who is invited comes, when the relay looks at its files again.
    std::fs::write(list.unwrap(), "# nobody any more\n").unwrap();
    assert_eq!(anna_here.ends().await, Some(proto::relay::RelayBye::ShuttingDown));
    assert_eq!(
        refused(&scene, |nonce| Login::sign(&anna(), nonce, &address, None, None)).await,
        RefusalCode::NotMember
    );
    let mut wire = scene.nobody().await;
    let shown = Some(token.into_bytes());
    let login = Login::sign(&bob(), &wire.nonce, &address, None, shown);
    wire.send(&ToRelay::Login(login)).await;
    assert!(matches!(wire.next().await, Some(FromRelay::Welcome { .. })));
}

#[tokio::test]
async fn a_plain_relay_says_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let clock = || Arc::new(ManualClock::new(0));
    let mut config = Config::new(folder.path());
    config.listen = ([0, 0, 0, 0], 0).into();
    config.transport = Transport::Plain;
    let error = Relay::start(config.clone(), clock()).await.unwrap_err().to_string();
    assert!(error.contains("--origin"), "{error}");
    config.origins = vec!["https://relay.example.org".into()];
    let error = Relay::start(config.clone(), clock()).await.unwrap_err().to_string();
    assert!(error.contains("wss://"), "{error}");
    config.origins = vec!["wss://relay.example.org:443".into()];
    let relay = Relay::start(config.clone(), clock()).await.unwrap();
    assert_eq!(relay.addresses(), ["wss://relay.example.org:443".parse().unwrap()]);
    let mut wire = Wire::connect(([127, 0, 0, 1], relay.addr().port()).into()).await;
    // What the proxy in front showed is its own affair.
    let seen = Some([5; 32]);
    let login = Login::sign(&anna(), &wire.nonce, &relay.addresses()[0], seen, None);
    wire.send(&ToRelay::Login(login)).await;
    assert!(matches!(wire.next().await, Some(FromRelay::Welcome { .. })));
    let error = Relay::start(config, clock()).await.unwrap_err().to_string();
    assert!(error.contains("another relay"), "{error}");
    relay.shutdown().await.unwrap();
}
