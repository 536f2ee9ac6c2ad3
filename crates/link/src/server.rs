//! The peer-facing HTTP server: `GET /link` becomes a WebSocket, `/blobs` carries files.

use std::sync::atomic::Ordering;

use axum::{
    Router,
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::any,
    serve::IncomingStream,
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use proto::limits;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{handshake::derive_accept_key, protocol::Role};

use crate::{
    blob::{self, BlobDesk},
    listener::{Caller, Handshaken},
    socket::Socket,
    tasks::Spawner,
    timing::Timings,
};

/// WebSocket subprotocol of this version of the link.
pub(crate) const SUBPROTOCOL: &str = "landline.1";

/// Upgraded connections that wait to be taken on.
const UPGRADED: usize = 64;

impl Connected<IncomingStream<'_, Handshaken>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Handshaken>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A peer that dialled and is ready to say `Hello`.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) caller: Caller,
    pub(crate) socket: Socket,
}

#[derive(Clone)]
struct Server {
    arrivals: mpsc::Sender<Arrival>,
    spawner: Spawner,
    timings: Timings,
}

/// Starts serving. It ends with the tasks; [`crate::listener::ListenerParts::cut`] must be cancelled by then.
pub(crate) fn start(
    handshaken: Handshaken,
    blobs: BlobDesk,
    timings: &Timings,
    spawner: &Spawner,
) -> mpsc::Receiver<Arrival> {
    let (arrivals, arrived) = mpsc::channel(UPGRADED);
    let server = Server { arrivals, spawner: spawner.clone(), timings: timings.clone() };
    let routes = Router::new().route("/link", any(link)).with_state(server);
    let routes = routes.merge(blob::routes(blobs, timings.write_stall, spawner)).fallback(nothing_here);
    let service = routes.into_make_service_with_connect_info::<Caller>();
    let stopping = spawner.stopping();
    spawner.spawn("server", async move {
        let served = axum::serve(handshaken, service).with_graceful_shutdown(stopping).await;
        if let Err(error) = served {
            tracing::error!(%error, "the server for peers ended");
        }
    });
    arrived
}

async fn nothing_here() -> Response {
    (StatusCode::NOT_FOUND, "Landline: nothing here, links are at /link\n").into_response()
}

async fn link(
    State(server): State<Server>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    mut request: Request,
) -> Response {
    let accept = match accept_key(request.method(), request.headers()) {
        Ok(accept) => accept,
        Err((status, words)) => return (status, words).into_response(),
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return (StatusCode::UPGRADE_REQUIRED, "Landline: this connection cannot be upgraded\n").into_response();
    };
    caller.routed.store(true, Ordering::Relaxed);
    let name = format!("upgrade {}", caller.id);
    let Server { arrivals, spawner, timings } = server;
    spawner.spawn(name, async move {
        let Ok(Ok(upgraded)) = tokio::time::timeout(timings.upgrade, upgrade).await else { return };
        let io = Box::new(TokioIo::new(upgraded));
        let socket = Socket::new(io, Role::Server, limits::FRAME_BEFORE_HELLO);
        arrivals.send(Arrival { caller, socket }).await.ok();
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    response
}

/// Checks the opening handshake (RFC 6455, 4.2.1) and gives the answer to its key.
fn accept_key(method: &Method, headers: &HeaderMap) -> Result<HeaderValue, (StatusCode, &'static str)> {
    let upgrade_required = (StatusCode::UPGRADE_REQUIRED, "Landline: a WebSocket upgrade is needed here\n");
    if method != Method::GET {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "Landline: links are opened with GET\n"));
    }
    if !lists(headers, header::CONNECTION, "upgrade") || !lists(headers, header::UPGRADE, "websocket") {
        return Err(upgrade_required);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, "Landline: WebSocket version 13 is needed\n"));
    }
    if !lists(headers, header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err((StatusCode::BAD_REQUEST, "Landline: the subprotocol landline.1 is needed\n"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(upgrade_required)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| upgrade_required)
}

/// Whether a comma-separated header names a token.
fn lists(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(token))
}
