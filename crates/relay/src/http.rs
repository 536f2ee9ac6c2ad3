//! The paths of a relay.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::TryFutureExt as _;
use proto::relay::{CIRCUIT_PATH, FILES_PATH, PATH, SUBPROTOCOL};
use tokio_util::sync::CancellationToken;

use crate::circuits::MESSAGE_BYTES;
use crate::client;
use crate::files::FileError;
use crate::http_files;
use crate::listener::{self, Place};
use crate::metrics::Now;
use crate::rates::source_of;
use crate::relay::Inner;

/// Read buffer of a client's connection, a fifth of what an idle one takes. Most frames fit; the largest envelope takes
/// some seventy reads, which are little beside the disk's sync that follows.
const READ_BUFFER_BYTES: usize = 1280;

/// Read buffer of a tunnel: each read of the socket fills at most this.
const CIRCUIT_BUFFER_BYTES: usize = 32 << 10;

/// What is written to a tunnel waits for more that is there to go out with, up to this.
const CIRCUIT_WRITE_BYTES: usize = 16 << 10;

/// The same of a client's answers.
const WRITE_BYTES: usize = 4 << 10;

/// Who is at the other end of a connection. Its place is taken by the one WebSocket that it becomes.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    source: IpAddr,
    place: Arc<Mutex<Option<Place>>>,
    cut: CancellationToken,
}

impl Peer {
    pub(crate) fn new(source: IpAddr, place: Place) -> Self {
        Self { source, place: Arc::new(Mutex::new(Some(place))), cut: CancellationToken::new() }
    }

    /// Ends the connection when it is cancelled, whatever its socket waits for.
    pub(crate) fn cut(&self) -> &CancellationToken {
        &self.cut
    }
}

/// What answers requests, and whom.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) relay: Arc<Inner>,
    peer: Peer,
}

/// What answers one connection.
pub(crate) fn routes(relay: Arc<Inner>, peer: Peer) -> Router {
    Router::new()
        .route(PATH, get(client))
        .route(CIRCUIT_PATH, get(circuit))
        .route(&format!("{FILES_PATH}/{{id}}"), http_files::methods())
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(Served { relay, peer })
}

async fn client(State(served): State<Served>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let (source, place) = match served.admit(&headers) {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal.into_response(),
    };
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_message_size(proto::limits::RELAY_FRAME_BYTES)
        .max_frame_size(proto::limits::RELAY_FRAME_BYTES);
    if upgrade.selected_protocol().is_none() {
        return no_subprotocol();
    }
    let relay = served.relay;
    upgrade.on_upgrade(move |socket| {
        let tasks = relay.tasks.clone();
        tasks.watched("client", client::serve(relay, socket, source, place))
    })
}

async fn circuit(State(served): State<Served>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let (_, place) = match served.admit(&headers) {
        Ok(admitted) => admitted,
        Err(refusal) => return refusal.into_response(),
    };
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .read_buffer_size(CIRCUIT_BUFFER_BYTES)
        .write_buffer_size(CIRCUIT_WRITE_BYTES)
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES);
    if upgrade.selected_protocol().is_none() {
        return no_subprotocol();
    }
    let relay = served.relay;
    upgrade.on_upgrade(move |socket| {
        let tasks = relay.tasks.clone();
        tasks.watched("circuit", client::serve_circuit(relay, socket, place))
    })
}

async fn health(State(served): State<Served>) -> Response {
    let (status, said) = match works(&served.relay).await {
        Ok(()) => (StatusCode::OK, r#"{"status":"ok"}"#),
        // The connection to it says what is wrong, once.
        Err(FileError::Away(_)) => (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"failed","store":"away"}"#),
        Err(error) => {
            tracing::error!(%error, "the store does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"failed"}"#)
        }
    };
    (status, [(header::CONTENT_TYPE, "application/json")], said).into_response()
}

/// Whether all that this relay keeps things in answers, and the connection to its other nodes stands.
async fn works(relay: &Inner) -> Result<(), FileError> {
    futures_util::try_join!(relay.mailboxes.count().map_err(FileError::from), relay.files.count())?;
    if let Some(fabric) = &relay.fabric {
        fabric.works()?;
    }
    Ok(())
}

async fn metrics(State(served): State<Served>) -> Response {
    let relay = &served.relay;
    let now = Now {
        connections: relay.door.connections(),
        machines: relay.hub.machines() as u64,
        circuits: relay.circuits.count().into(),
        uptime_s: relay.started.elapsed().as_secs(),
    };
    let (mailboxes, files) = (relay.mailboxes.count().await.ok(), relay.files.count().await.ok());
    let text = relay.figures.text(&now, mailboxes, files);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

impl Served {
    /// Ends the connection when it is cancelled.
    pub(crate) fn cut(&self) -> &CancellationToken {
        self.peer.cut()
    }

    /// Takes the connection's place, counted for who connected.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(IpAddr, Place), (StatusCode, &'static str)> {
        let taken = self.peer.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut place = taken.ok_or((StatusCode::BAD_REQUEST, "one request a connection\n"))?;
        let Some(name) = &self.relay.source_header else { return Ok((self.peer.source, place)) };
        // Only the last entry is the proxy's own word.
        let source = headers
            .get_all(name)
            .iter()
            .next_back()
            .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
            .map(source_of);
        let Some(source) = source else {
            tracing::warn!("the proxy in front does not say who connects in the header that was named");
            return Err((StatusCode::BAD_REQUEST, "the proxy did not say who connects\n"));
        };
        if listener::admits(&self.relay, &mut place, source) {
            Ok((source, place))
        } else {
            Err((StatusCode::TOO_MANY_REQUESTS, "too many connections\n"))
        }
    }
}

fn no_subprotocol() -> Response {
    (StatusCode::BAD_REQUEST, format!("the WebSocket subprotocol here is {SUBPROTOCOL}\n")).into_response()
}
