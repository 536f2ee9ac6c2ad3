//! Whatever is thrown at the listening side gets a clear answer or none, and harms nobody else.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use proto::{
    frame::{ByeReason, Frame},
    limits,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::tungstenite::Message;

use super::{
    machine::{Machine, Setup, Standing, converse, expect, identity},
    wires::Stranger,
};
use crate::{DialError, DownReason, Gate, tls::Tls};

/// A machine that a hostile peer attacks, and a friend of it whose link must not suffer.
struct Scene {
    anna: Machine,
    bob: Machine,
    to_bob: Standing,
    to_anna: Standing,
}

impl Scene {
    async fn new() -> Self {
        let mut setup = Setup::new(identity());
        setup.timings.handshake = Duration::from_millis(300);
        setup.timings.upgrade = Duration::from_millis(300);
        setup.timings.hello = Duration::from_millis(300);
        let mut anna = setup.start().await;
        let mut bob = Machine::start(identity()).await;
        bob.link.add_address(&anna.address()).await.unwrap();
        let (to_bob, to_anna) = (anna.up().await, bob.up().await);
        Self { anna, bob, to_bob, to_anna }
    }

    fn address(&self) -> SocketAddr {
        self.anna.link.listen_addr()
    }

    /// The friend's link works, and a newcomer can link.
    async fn check_unharmed(&mut self) {
        converse(&mut self.to_bob, &mut self.to_anna, 1).await;
        let mut carol = Machine::start(identity()).await;
        assert_eq!(carol.link.add_address(&self.anna.address()).await, Ok(self.anna.id));
        let (mut to_anna, mut to_carol) = (carol.up().await, self.anna.up().await);
        converse(&mut to_anna, &mut to_carol, 5).await;
        carol.link.shutdown().await;
        self.anna.down().await;
        assert!(!self.bob.link.left_running().is_empty());
    }
}

/// Reads until the other side closes.
async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is as good an end as any.
    expect("the other side to close", stream.read_to_end(&mut bytes)).await.ok();
    bytes
}

#[tokio::test]
async fn garbage_and_plain_http_get_no_answer_but_an_alert() {
    let mut scene = Scene::new().await;
    let all_bytes: Vec<u8> = (0..=255).cycle().take(4000).collect();
    for bytes in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &b"\0\0\0\0"[..], &all_bytes] {
        let mut stream = TcpStream::connect(scene.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.len() <= 7, "because nothing but a TLS alert is due: {answer:?}");
    }
    scene.check_unharmed().await;
}

#[tokio::test]
async fn half_a_handshake_is_cut_off_in_time() {
    let mut scene = Scene::new().await;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(scene.address()).await.unwrap();
        // The beginning of a TLS record that never goes on.
        stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
        stalled.push(stream);
    }
    for stream in &mut stalled {
        rest(stream).await;
    }
    scene.check_unharmed().await;
}

/// Accepts any server, with certificates or raw keys.
#[derive(Debug)]
struct Credulous {
    raw_keys: bool,
}

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256]
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.raw_keys
    }
}

/// How a client shows itself.
enum Shows {
    Nothing,
    Certificate,
}

/// Shows something in the place of a certificate, of which nobody should look at the inside.
#[derive(Debug)]
struct Certificate {
    key: Arc<CertifiedKey>,
}

impl Certificate {
    fn new() -> Self {
        let mut pkcs8 = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        pkcs8.extend_from_slice(&[5; 32]);
        let key = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8)).unwrap();
        Self { key: Arc::new(CertifiedKey::new(vec![CertificateDer::from(vec![0x30, 0x03, 2, 1, 1])], key)) }
    }
}

impl ResolvesClientCert for Certificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.key.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

async fn handshake(
    address: SocketAddr,
    raw_keys: bool,
    shows: &Shows,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous { raw_keys }));
    let mut config = match shows {
        Shows::Nothing => builder.with_no_client_auth(),
        Shows::Certificate => builder.with_client_cert_resolver(Arc::new(Certificate::new())),
    };
    config.resumption = Resumption::disabled();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::IpAddress(address.ip().into());
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    // In TLS 1.3 the client learns by reading whether it was accepted.
    stream.write_all(b"GET /link HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    stream.flush().await?;
    let mut first = [0];
    match expect("an answer", stream.read(&mut first)).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(stream),
    }
}

#[tokio::test]
async fn only_machine_keys_open_the_door() {
    let mut scene = Scene::new().await;
    let address = scene.address();
    let outcomes = [
        ("a browser", handshake(address, false, &Shows::Nothing, &[&TLS13, &TLS12]).await),
        ("an X.509 client", handshake(address, false, &Shows::Certificate, &[&TLS13]).await),
        ("TLS 1.2", handshake(address, false, &Shows::Nothing, &[&TLS12]).await),
        ("no key", handshake(address, true, &Shows::Nothing, &[&TLS13]).await),
    ];
    for (who, outcome) in outcomes {
        let error = outcome.map(|_| ()).expect_err(who).to_string();
        assert!(error.contains("alert"), "{who} is told by a TLS alert: {error}");
    }
    scene.check_unharmed().await;
}

async fn request(scene: &Scene, text: &str) -> String {
    let tls = Tls::new(&identity()).unwrap();
    let dial = tls.dial(Some(scene.anna.id)).unwrap();
    let stream = TcpStream::connect(scene.address()).await.unwrap();
    let name = ServerName::IpAddress(scene.address().ip().into());
    let mut stream = TlsConnector::from(dial.config).connect(name, stream).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    String::from_utf8_lossy(&rest(&mut stream).await).into_owned()
}

#[tokio::test]
async fn requests_that_are_no_links_are_answered_plainly() {
    let mut scene = Scene::new().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (ask, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), "404"),
        ("GET /link HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), "426"),
        ("POST /link HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(), "405"),
        (format!("GET /link HTTP/1.1\r\nHost: x\r\n{upgrade}Sec-WebSocket-Version: 12\r\n\r\n"), "426"),
        (format!("GET /link HTTP/1.1\r\nHost: x\r\n{upgrade}Sec-WebSocket-Version: 13\r\n\r\n"), "400"),
        ("NONSENSE\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = request(&scene, &ask).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{ask:?} got {answer:?}");
    }
    // And one that never asks is cut off.
    assert_eq!(request(&scene, "GET /li").await, "");
    scene.check_unharmed().await;
}

#[tokio::test]
async fn nothing_after_the_upgrade_is_cut_off_in_time() {
    let mut scene = Scene::new().await;
    let mut stranger = Stranger::dial(identity(), scene.address()).await;
    stranger.last_words().await;
    scene.check_unharmed().await;
}

#[tokio::test]
async fn before_hello_only_a_small_hello_will_do() {
    let mut scene = Scene::new().await;
    let too_long = vec![0; limits::FRAME_BEFORE_HELLO + 1];
    let borrowed = Frame::Hello(super::machine::hello(&identity())).encode();
    for (message, words) in [
        (Message::Binary(too_long.into()), "4097 bytes"),
        (Message::text("hello"), "text"),
        (Message::binary(&b"\xff\xff\xff"[..]), "undecodable"),
        (Message::binary(Frame::Digests(Vec::new()).encode()), "undecodable"),
        (Message::binary(borrowed), "not signed by the machine"),
    ] {
        let mut stranger = Stranger::dial(identity(), scene.address()).await;
        stranger.send(message).await;
        let (last, said) = stranger.last_words().await;
        assert_eq!(last, Some(Frame::Bye { reason: ByeReason::Protocol }), "{said}");
        assert!(said.contains(words), "{said:?} should say {words:?}");
    }
    scene.check_unharmed().await;
}

#[tokio::test]
async fn after_hello_the_protocol_is_kept_or_the_link_ends() {
    let mut scene = Scene::new().await;
    let too_long = vec![0; limits::FRAME_BYTES + 1];
    let second_hello = Frame::Hello(super::machine::hello(&identity())).encode();
    for (message, words) in [
        (Message::Binary(too_long.into()), "1048577 bytes"),
        (Message::text("hello"), "text"),
        (Message::binary(&b"\x82\x18\xc8\xa0"[..]), "unknown frame type"),
        (Message::binary(&b""[..]), "undecodable"),
        (Message::binary(second_hello), "undecodable"),
    ] {
        let mut stranger = Stranger::link(identity(), scene.address()).await;
        assert_eq!(scene.anna.up().await.peer, stranger.id());
        stranger.send(message).await;
        let (last, said) = stranger.last_words().await;
        assert_eq!(last, Some(Frame::Bye { reason: ByeReason::Protocol }), "{said}");
        assert!(said.contains(words), "{said:?} should say {words:?}");
        let (peer, _, reason) = scene.anna.down().await;
        assert_eq!(peer, stranger.id());
        assert!(matches!(reason, DownReason::Protocol(_)), "{reason}");
        stranger.close().await;
    }
    scene.check_unharmed().await;
}

#[tokio::test]
async fn frames_of_a_later_version_are_passed_over() {
    let mut scene = Scene::new().await;
    let mut stranger = Stranger::link(identity(), scene.address()).await;
    let mut linked = scene.anna.up().await;
    stranger.send_bytes(&b"\x82\x18\xc9\xa0"[..]).await;
    stranger.say(&super::machine::numbered(7)).await;
    assert_eq!(super::machine::number_of(&linked.receive().await), 7);
}

#[tokio::test]
async fn whoever_breaks_the_protocol_is_refused_for_a_while() {
    let mut scene = Scene::new().await;
    let hostile = identity();
    let mut stranger = Stranger::link(hostile.clone(), scene.address()).await;
    scene.anna.up().await;
    stranger.send(Message::text("x")).await;
    scene.anna.down().await;
    let mut again = Stranger::dial(hostile, scene.address()).await;
    again.greet().await;
    assert_eq!(again.hear().await, Ok(Frame::Bye { reason: ByeReason::Flood }));
    scene.check_unharmed().await;
}

#[tokio::test]
async fn a_flood_from_a_stranger_ends_its_link_only() {
    let mut scene = Scene::new().await;
    let mut stranger = Stranger::dial(identity(), scene.address()).await;
    scene.anna.gate.set(stranger.id(), Gate::Allow { contact: false });
    stranger.greet().await;
    let mut linked = scene.anna.up().await;
    let drain = async {
        let mut count = 0;
        while linked.frames.recv().await.is_some() {
            count += 1;
        }
        count
    };
    let flood = async {
        for number in 0..2000 {
            stranger.say(&super::machine::numbered(number)).await;
        }
        stranger.last_words().await
    };
    let (count, (last, words)) = tokio::join!(drain, flood);
    assert!((400..2000).contains(&count), "because a burst is allowed: {count}");
    assert_eq!(scene.anna.down().await.2, DownReason::Flood);
    // The last words may drown in the flood itself, but when they arrive they say why.
    if let Some(Frame::Bye { reason }) = last {
        assert_eq!(reason, ByeReason::Flood, "{words}");
    }
    scene.check_unharmed().await;
}

#[tokio::test]
async fn a_contact_may_send_as_much_as_is_read() {
    let mut scene = Scene::new().await;
    let send = async {
        for number in 0..3000 {
            scene.to_bob.conn.send(super::machine::numbered(number)).await.unwrap();
        }
    };
    let receive = async {
        for number in 0..3000 {
            assert_eq!(super::machine::number_of(&scene.to_anna.receive().await), number);
        }
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn a_dialler_does_not_wait_for_ever() {
    let mut setup = Setup::new(identity());
    setup.timings.handshake = Duration::from_millis(200);
    let anna = setup.start().await;
    let bob = Machine::start(identity()).await;
    let swallower = super::wires::Cable::to(bob.link.listen_addr()).await;
    swallower.clog();
    let error = anna.link.add_address(&swallower.address.to_string()).await.unwrap_err();
    assert!(matches!(error, DialError::NotLandline { .. } | DialError::TimedOut { .. }), "{error}");
}
