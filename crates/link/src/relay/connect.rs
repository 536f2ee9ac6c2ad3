//! Connections to a relay: WebSockets, and requests for files.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{body::Body, http::header};
use bytes::Bytes;
use hyper::{Request, Response, StatusCode, body::Incoming as Answer, client::conn::http1, http::request::Builder};
use hyper_util::rt::TokioIo;
use proto::{
    limits,
    relay::{CIRCUIT_PATH, PATH, RelayAddress, SUBPROTOCOL, Ticket},
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::{
    Message,
    handshake::{client::generate_key, derive_accept_key},
    protocol::Role,
};

use super::{
    RelayError,
    circuit::{Circuit, MESSAGE_BYTES},
    trust,
};
use crate::{
    socket::{Incoming, Socket, Stream},
    tasks::Spawner,
    timing::Timings,
};

/// Read buffer of a tunnel: some TLS records, so that a file takes no system call for every few kilobytes.
const CIRCUIT_BUFFER_BYTES: usize = 32 * 1024;

/// Dials relays.
pub(super) struct Connector {
    pub(super) timings: Timings,
    /// Reading the system's roots takes some milliseconds: once, and only when a relay needs them.
    roots: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// A connection for frames.
pub(super) struct Connected {
    pub(super) socket: Socket,
    /// SHA-256 of the key that the relay showed; none without TLS.
    pub(super) key: Option<[u8; 32]>,
}

impl Connector {
    pub(super) fn new(timings: Timings) -> Self {
        Self { timings, roots: OnceLock::new() }
    }

    /// Opens a connection for frames.
    pub(super) async fn frames(&self, relay: &RelayAddress) -> Result<Connected, RelayError> {
        let (stream, key) = self.stream(relay).await?;
        let io = self.upgraded(relay, PATH, stream).await?;
        Ok(Connected { socket: Socket::new(io, Role::Client, limits::RELAY_FRAME_BYTES), key })
    }

    /// Enters a tunnel, and returns when somebody is at its other end.
    pub(super) async fn circuit(&self, relay: &RelayAddress, ticket: &Ticket) -> Result<Circuit, RelayError> {
        let (stream, _) = self.stream(relay).await?;
        let io = self.upgraded(relay, CIRCUIT_PATH, stream).await?;
        let mut socket = Socket::buffered(io, Role::Client, MESSAGE_BYTES, CIRCUIT_BUFFER_BYTES);
        let joining = async {
            let ticket = Bytes::copy_from_slice(ticket.as_bytes());
            socket.send(Message::Binary(ticket)).await.map_err(|error| RelayError::Broken(error.to_string()))?;
            loop {
                match socket.next().await {
                    Ok(Incoming::Frame(joined)) if joined.is_empty() => return Ok(()),
                    Ok(Incoming::Frame(_)) => return Err(RelayError::Protocol("a tunnel speaks too early".into())),
                    Ok(Incoming::Ping | Incoming::Pong(_)) => {}
                    Err(error) => return Err(RelayError::Broken(error.to_string())),
                }
            }
        };
        within(self.timings.circuit, joining).await?;
        Ok(Circuit::new(socket))
    }

    /// Asks for something that is no WebSocket. The answer's head is waited for as long as it takes.
    pub(super) async fn request(
        &self,
        relay: &RelayAddress,
        request: Builder,
        body: Body,
        spawner: &Spawner,
    ) -> Result<Response<Answer>, RelayError> {
        let (stream, _) = self.stream(relay).await?;
        let broken = |error: hyper::Error| RelayError::Broken(error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let stopping = spawner.stopping();
        spawner.spawn(format!("files at {}", relay.origin()), async move {
            tokio::select! {
                // How it ended is told by the request.
                _ = connection => {}
                () = stopping => {}
            }
        });
        let request = request.header(header::HOST, authority(relay)).body(body);
        let request = request.map_err(|error| RelayError::NotRelay(error.to_string()))?;
        sender.send_request(request).await.map_err(broken)
    }

    async fn stream(&self, relay: &RelayAddress) -> Result<(Box<dyn Stream>, Option<[u8; 32]>), RelayError> {
        let unreachable = |error: std::io::Error| RelayError::Unreachable(error.to_string());
        let host = relay.host();
        let connecting = TcpStream::connect((host.as_str(), relay.port()));
        let connected = timeout(self.timings.connect, connecting).await;
        let stream = connected.map_err(|_| RelayError::Unreachable("no answer".into()))?.map_err(unreachable)?;
        // Small frames go out at once; a socket that refuses the option still works.
        stream.set_nodelay(true).ok();
        if relay.is_plain() {
            return Ok((Box::new(stream), None));
        }
        let config = self.trust(relay)?;
        let name = ServerName::try_from(host).map_err(|error| RelayError::Unreachable(error.to_string()))?;
        let handshake = timeout(self.timings.handshake, TlsConnector::from(config).connect(name, stream)).await;
        let stream = match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(tls_error(relay, &error)),
            Err(_) => return Err(RelayError::NotRelay("it accepts connections, but says nothing".into())),
        };
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates.and_then(|all| all.first());
        let certificate = certificate.ok_or_else(|| RelayError::NotRelay("it shows no certificate".into()))?;
        let key = trust::key_hash(certificate).map_err(|error| RelayError::Untrusted(error.to_string()))?;
        Ok((Box::new(stream), Some(key)))
    }

    fn trust(&self, relay: &RelayAddress) -> Result<Arc<ClientConfig>, RelayError> {
        if let Some(key) = relay.key() {
            let config = trust::by_key(*key).map_err(|error| RelayError::Untrusted(error.to_string()))?;
            return Ok(Arc::new(config));
        }
        let roots = || trust::by_roots().map(Arc::new).map_err(|error| error.to_string());
        self.roots.get_or_init(roots).clone().map_err(RelayError::Untrusted)
    }

    /// Asks for a WebSocket. This goes through hyper, because what a relay says at once after its answer must not be lost
    /// in a buffer.
    async fn upgraded(
        &self,
        relay: &RelayAddress,
        path: &str,
        stream: Box<dyn Stream>,
    ) -> Result<Box<dyn Stream>, RelayError> {
        let no_http = |error: hyper::Error| RelayError::NotRelay(error.to_string());
        let key = generate_key();
        let request = Request::get(path)
            .header(header::HOST, authority(relay))
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key)
            .header(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
            .body(Body::empty())
            .map_err(|error| RelayError::NotRelay(error.to_string()))?;
        let upgrading = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(no_http)?;
            let asking = async {
                let response = sender.send_request(request).await.map_err(no_http)?;
                check(&response, &key)?;
                hyper::upgrade::on(response).await.map_err(no_http)
            };
            let connection = async { connection.with_upgrades().await.map_err(no_http) };
            let ((), upgraded) = tokio::try_join!(connection, asking)?;
            Ok(Box::new(TokioIo::new(upgraded)) as Box<dyn Stream>)
        };
        within(self.timings.upgrade, upgrading).await
    }
}

pub(super) async fn within<T>(
    time: Duration,
    doing: impl Future<Output = Result<T, RelayError>>,
) -> Result<T, RelayError> {
    timeout(time, doing).await.unwrap_or(Err(RelayError::Silent))
}

/// Checks the answer to an opening handshake (RFC 6455, 4.1).
fn check(response: &Response<Answer>, key: &str) -> Result<(), RelayError> {
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
        return Err(RelayError::Unreachable(format!("it answers with {status}")));
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(RelayError::NotRelay(format!("it answers with {status}")));
    }
    let says = |name: header::HeaderName, expected: &str| {
        response.headers().get(name).is_some_and(|value| value.as_bytes() == expected.as_bytes())
    };
    if !says(header::SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key.as_bytes())) {
        return Err(RelayError::NotRelay("its answer does not fit the question".into()));
    }
    if !says(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(RelayError::NotRelay(format!("it does not speak {SUBPROTOCOL}")));
    }
    Ok(())
}

/// `host:port`, an IPv6 address in brackets.
fn authority(relay: &RelayAddress) -> String {
    let origin = relay.origin();
    origin.split_once("://").map_or(origin.clone(), |(_, authority)| authority.to_owned())
}

fn tls_error(relay: &RelayAddress, error: &std::io::Error) -> RelayError {
    let inner = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(_)) if relay.key().is_some() => RelayError::OtherKey,
        Some(rustls::Error::InvalidCertificate(problem)) => RelayError::Untrusted(problem.to_string()),
        Some(error) => RelayError::NotRelay(error.to_string()),
        None => RelayError::Broken(error.to_string()),
    }
}
