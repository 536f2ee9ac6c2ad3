//! The server: where it listens, what it serves, how it begins and ends.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use node::clock::{Clock, SystemClock};
use node::{Node, Spawner, Tasks};
use serde_json::Value;
use socketioxide::SocketIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::api_file::ApiFile;
use crate::budget::{Budget, Rate};
use crate::door::{Caller, Door};
use crate::error::ApiError;
use crate::guard::{self, Guard};
use crate::login::Logins;
use crate::tokens::Tokens;
use crate::{page, rest, socket};

/// Port that is tried first when nothing is said.
pub const DEFAULT_PORT: u16 = 4280;

/// Ports that are tried after it. 4281 and 4282 belong to the links and the beacon.
const NEXT_PORTS: std::ops::RangeInclusive<u16> = 4283..=4379;

/// Most connections at once. A browser holds up to six, a program one or two.
const CONNECTIONS: usize = 256;

/// How long a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Most bytes of a request's head that are held.
const HEAD_BYTES: usize = 32 * 1024;

/// How long requests that are under way get to finish at the end.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listen {
    /// Loopback, [`DEFAULT_PORT`] or the next free one.
    #[default]
    Usual,
    /// Exactly here, or not at all; port 0 takes any.
    Exactly(SocketAddr),
}

/// What an API is started with.
#[derive(Clone)]
pub struct ApiConfig {
    /// Where to listen.
    pub listen: Listen,
    /// Whether to serve the web page.
    pub page: bool,
    /// What each token may ask.
    pub rate: Rate,
    /// The time, for expiry.
    pub clock: Arc<dyn Clock>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self { listen: Listen::Usual, page: true, rate: Rate::default(), clock: Arc::new(SystemClock::new()) }
    }
}

impl std::fmt::Debug for ApiConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiConfig").field("listen", &self.listen).field("page", &self.page).finish_non_exhaustive()
    }
}

/// Why the API did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something else listens there.
    #[error("port {} of {} is taken by another program; choose another with --api", .0.port(), .0.ip())]
    PortTaken(SocketAddr),
    /// The system does not let this program listen there.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// `api.json` cannot be written.
    #[error("cannot write {path}: {source}")]
    ApiFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Tokens cannot be read or signed.
    #[error("cannot prepare the tokens: {0}")]
    Tokens(String),
}

/// A running API. Cheap to clone; it ends by [`Api::shutdown`].
#[derive(Clone)]
pub struct Api {
    running: Arc<Running>,
}

struct Running {
    served: Arc<Served>,
    addr: SocketAddr,
    owner_token: String,
    data_dir: PathBuf,
    tasks: Tasks,
    io: SocketIo,
}

/// What the handlers of requests reach.
pub(crate) struct Served {
    pub(crate) door: Door,
    pub(crate) budget: Budget,
    pub(crate) guard: Arc<Guard>,
    pub(crate) spawner: Spawner,
    pub(crate) page: bool,
    realtime: AtomicU64,
}

impl Api {
    /// Binds, writes `api.json` into the node's data directory and serves.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub async fn start(node: Node, config: ApiConfig) -> Result<Self, StartError> {
        let listener = bind(config.listen).await?;
        let addr = listener.local_addr().map_err(|source| StartError::Listen { addr: any(), source })?;
        let data_dir = node.data_dir().to_owned();
        let machine_id = node.machine_id().to_string();

        let failed = |error: ApiError| StartError::Tokens(error.body.message);
        let tokens = Tokens::load(&node).await.map_err(failed)?;
        let door = Door { node, tokens, logins: Logins::new(Some(base_url(addr))), clock: config.clock };
        let owner_token = door.tokens.owner_token(door.now()).map_err(failed)?;

        let tasks = Tasks::new();
        let guard = Arc::new(Guard::new(addr));
        let served = Arc::new(Served {
            door,
            budget: Budget::new(config.rate),
            guard: guard.clone(),
            spawner: tasks.spawner(),
            page: config.page,
            realtime: AtomicU64::new(0),
        });
        let (app, io) = app(&served);
        tasks.spawn("api", accept(listener, app, tasks.spawner()));

        let file = ApiFile { api: base_url(addr), token: owner_token.clone(), machine_id, pid: std::process::id() };
        file.write(&data_dir).map_err(|source| StartError::ApiFile { path: ApiFile::path(&data_dir), source })?;
        tracing::info!(%addr, "the local API answers");
        Ok(Self { running: Arc::new(Running { served, addr, owner_token, data_dir, tasks, io }) })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.running.addr
    }

    /// The same for a browser: `http://127.0.0.1:4280`.
    #[must_use]
    pub fn url(&self) -> String {
        base_url(self.running.addr)
    }

    /// The owner's token, valid until this API ends. Everything is allowed with it.
    #[must_use]
    pub fn owner_token(&self) -> &str {
        &self.running.owner_token
    }

    /// A link that opens the web page as its owner, once, within ten minutes.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn login_link(&self) -> Result<String, ApiError> {
        let door = &self.running.served.door;
        Ok(door.logins.link(door.now())?.url)
    }

    /// The door to the node.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.running.served.door
    }

    /// Answers what comes now with 503, lets what is under way finish, ends every connection and removes `api.json`.
    pub async fn shutdown(&self) {
        let running = &self.running;
        running.served.guard.close();
        // First, so that nobody finds an API that no longer answers.
        if let Err(error) = ApiFile::remove(&running.data_dir) {
            tracing::warn!(%error, "cannot remove api.json");
        }
        running.io.close().await;
        running.tasks.shutdown_within(CLOSING_TIME).await;
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("addr", &self.running.addr).finish_non_exhaustive()
    }
}

/// Calls a command by its name, as the desktop window does.
///
/// # Errors
/// As [`Door::dispatch`]; 503 once the API is closing.
pub async fn dispatch(api: &Api, caller: &Caller, name: &str, args: Value) -> Result<Value, ApiError> {
    if api.running.served.guard.closing() {
        return Err(ApiError::shutting_down());
    }
    api.door().dispatch(caller, name, args).await
}

impl Served {
    /// Counts a realtime client for as long as the answer lives.
    pub(crate) fn count_realtime_client(self: &Arc<Self>) -> Counted {
        self.realtime.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    pub(crate) fn realtime_clients(&self) -> u64 {
        self.realtime.load(Ordering::Relaxed)
    }
}

/// One realtime client.
pub(crate) struct Counted(Arc<Served>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.realtime.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything that is served, one thing within the other: the guard, Socket.IO, REST, the page.
fn app(served: &Arc<Served>) -> (Router, SocketIo) {
    let (realtime, io) = socket::layer(served);
    let app = rest::router()
        .fallback(page::page)
        .with_state(served.clone())
        .layer(realtime)
        .layer(middleware::from_fn_with_state(served.clone(), handshakes))
        .layer(middleware::from_fn_with_state(served.guard.clone(), guard::guard));
    (app, io)
}

/// A handshake of Socket.IO costs memory before its token is seen, so it is paid from the strangers' budget.
async fn handshakes(State(served): State<Arc<Served>>, request: Request, next: Next) -> Response {
    let uri = request.uri();
    let handshake = uri.path().starts_with("/socket.io")
        && !uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("sid="));
    if handshake && let Err(error) = served.budget.take_stranger() {
        return error.into_response();
    }
    next.run(request).await
}

fn base_url(addr: SocketAddr) -> String {
    // An unspecified address is no destination; on this computer loopback reaches it.
    if addr.ip().is_unspecified() { format!("http://127.0.0.1:{}", addr.port()) } else { format!("http://{addr}") }
}

fn any() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))
}

async fn bind(listen: Listen) -> Result<TcpListener, StartError> {
    match listen {
        Listen::Exactly(addr) => TcpListener::bind(addr).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortTaken(addr),
            _ => StartError::Listen { addr, source },
        }),
        Listen::Usual => {
            for port in std::iter::once(DEFAULT_PORT).chain(NEXT_PORTS) {
                match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                    Ok(listener) => return Ok(listener),
                    // Windows reserves whole ranges of ports and refuses them with this.
                    Err(error)
                        if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {}
                    Err(source) => return Err(StartError::Listen { addr: any(), source }),
                }
            }
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .map_err(|source| StartError::Listen { addr: any(), source })
        }
    }
}

/// Takes connections until the end.
async fn accept(listener: TcpListener, app: Router, spawner: Spawner) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = spawner.stopping() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: wait for some to come back instead of spinning.
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = free.clone().try_acquire_owned() else {
            tracing::warn!(limit = CONNECTIONS, "too many connections to the local API; one was refused");
            continue;
        };
        let (app, stop) = (app.clone(), spawner.stop_token());
        spawner.spawn("api connection", async move {
            serve(stream, app, stop.cancelled_owned()).await;
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, app: Router, stopping: impl Future<Output = ()>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the local API ended early");
    }
}
