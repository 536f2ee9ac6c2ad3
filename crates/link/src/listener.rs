//! Accepts connections and hands over only those whose TLS handshake is finished.
//!
//! `axum::serve` accepts one after the other, so the handshakes run in tasks of their own: bounded in number, in time,
//! and per source address, so that nobody who stalls or knocks without end keeps others out.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use proto::id::MachineId;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Sleep, sleep},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    config::{Gate, GateCheck},
    error::LinkError,
    event::ConnId,
    tasks::Spawner,
    timing::Timings,
    tls::{self, Tls},
};

/// Ports that are tried, the configured one included.
const PORTS_TRIED: u16 = 100;

/// Connections that the system may hold for us to accept.
const BACKLOG: i32 = 128;

/// Handshakes at a time.
const HANDSHAKES: usize = 64;

/// Handshakes at a time from one source, so that one that stalls leaves room for others.
const HANDSHAKES_PER_SOURCE: usize = 32;

/// Connections at a time, linked or about to be.
const CONNECTIONS: usize = 1024;

/// New connections per second from one source, and how many at once. A machine needs one link; behind one address may
/// be a few machines, each with a few attempts.
const CONNECTIONS_PER_SECOND: u32 = 10;
const CONNECTIONS_BURST: u32 = 100;

/// The rate budgets of this many sources are kept before those that are full again are let go.
const SOURCES_KEPT: usize = 1024;

/// Pause after the system refused to accept, for example because descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Hands out numbers for connections in the order in which they began.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnIds {
    last: Arc<AtomicU64>,
}

impl ConnIds {
    pub(crate) fn next(&self) -> ConnId {
        ConnId(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Listens on the address, or on the next free port.
pub(crate) fn bind(listen: SocketAddr) -> Result<TcpListener, LinkError> {
    let tried = if listen.port() == 0 { 1 } else { PORTS_TRIED };
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for offset in 0..tried {
        let Some(port) = listen.port().checked_add(offset) else { break };
        let mut address = listen;
        address.set_port(port);
        match bind_one(address) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            Err(error) => return Err(LinkError::Listen { address, tried: 1, source: error }),
        }
    }
    Err(LinkError::Listen { address: listen, tried, source: last })
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        return match open(address, true) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
            // A system without IPv6.
            Err(_) => open(SocketAddr::from(([0, 0, 0, 0], address.port())), false),
            opened => opened,
        };
    }
    open(address, false)
}

fn open(address: SocketAddr, both_families: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if both_families {
        socket.set_only_v6(false)?;
    }
    // On Unix this only lets a restart bind while old connections time out; on Windows it would share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Who is at the other end of an accepted connection. Given to each request of it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) machine: MachineId,
    pub(crate) address: SocketAddr,
    /// This machine's address on the connection.
    pub(crate) local: IpAddr,
    pub(crate) id: ConnId,
    /// Set once a request was routed: the connection has a purpose and loses its deadline.
    pub(crate) routed: Arc<AtomicBool>,
}

/// What the listening side needs.
#[derive(Clone)]
pub(crate) struct ListenerParts {
    pub(crate) tls: Tls,
    pub(crate) gate: GateCheck,
    pub(crate) timings: Timings,
    pub(crate) ids: ConnIds,
    /// Cuts every accepted connection.
    pub(crate) cut: CancellationToken,
}

/// Finished handshakes, for `axum::serve`.
#[derive(Debug)]
pub(crate) struct Handshaken {
    ready: mpsc::Receiver<(PeerStream, Caller)>,
    local: SocketAddr,
}

impl axum::serve::Listener for Handshaken {
    type Io = PeerStream;
    type Addr = Caller;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // The accepting task has ended: this server is about to be stopped.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        let routed = Arc::new(AtomicBool::new(true));
        Ok(Caller {
            machine: MachineId::from_bytes([0; 32]),
            address: self.local,
            local: self.local.ip(),
            id: ConnId(0),
            routed,
        })
    }
}

/// Starts accepting.
pub(crate) fn start(listener: TcpListener, local: SocketAddr, parts: ListenerParts, spawner: &Spawner) -> Handshaken {
    let (hand_over, ready) = mpsc::channel(HANDSHAKES);
    let door = Arc::new(Door::new());
    let handshakes = spawner.clone();
    let stopping = spawner.stop_token();
    spawner.spawn("listener", async move {
        tokio::select! {
            () = accept_all(&listener, &door, &parts, &handshakes, &hand_over) => {}
            () = stopping.cancelled() => {}
        }
    });
    Handshaken { ready, local }
}

async fn accept_all(
    listener: &TcpListener,
    door: &Arc<Door>,
    parts: &ListenerParts,
    spawner: &Spawner,
    hand_over: &mpsc::Sender<(PeerStream, Caller)>,
) {
    loop {
        let Ok(slot) = door.handshakes.clone().acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let local = match stream.local_addr() {
            Ok(local) => local.ip().to_canonical(),
            // Gone again already.
            Err(_) => continue,
        };
        let Some(knock) = Knock::admit(door, address.ip()) else {
            tracing::debug!(%address, "too many connections from one source, refused");
            continue;
        };
        let Ok(connection) = door.connections.clone().try_acquire_owned() else {
            tracing::debug!(%address, "too many connections, refused");
            continue;
        };
        let id = parts.ids.next();
        let parts = parts.clone();
        let hand_over = hand_over.clone();
        spawner.spawn(format!("handshake {id}"), async move {
            let outcome = tokio::select! {
                outcome = tokio::time::timeout(parts.timings.handshake, handshake(stream, &parts.tls)) => outcome,
                () = parts.cut.cancelled() => return,
            };
            drop((slot, knock));
            let (tls, machine) = match outcome {
                Ok(Ok(finished)) => finished,
                Ok(Err(error)) => return tracing::debug!(%address, %error, "handshake failed"),
                Err(_) => return tracing::debug!(%address, "handshake took too long"),
            };
            // Asked after the handshake, of the key that it proved. The blocked see a closed connection, no reason.
            if (parts.gate)(&machine) == Gate::Refuse {
                return tracing::debug!(peer = %machine.short(), "refused, blocked");
            }
            let routed = Arc::new(AtomicBool::new(false));
            let stream = PeerStream {
                tls,
                routed: routed.clone(),
                deadline: Box::pin(sleep(parts.timings.upgrade)),
                cut: Box::pin(parts.cut.clone().cancelled_owned()),
                _connection: connection,
            };
            hand_over.send((stream, Caller { machine, address, local, id, routed })).await.ok();
        });
    }
}

async fn handshake(stream: TcpStream, tls: &Tls) -> io::Result<(TlsStream<TcpStream>, MachineId)> {
    stream.set_nodelay(true)?;
    let stream = TlsAcceptor::from(tls.server.clone()).accept(stream).await?;
    let machine = tls::peer(stream.get_ref().1).ok_or_else(|| io::Error::other("no key was shown"))?;
    Ok((stream, machine))
}

/// Budgets of the door.
struct Door {
    handshakes: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    rates: DefaultKeyedRateLimiter<IpAddr>,
    handshaking: Mutex<HashMap<IpAddr, usize>>,
}

impl Door {
    fn new() -> Self {
        let rate = NonZeroU32::new(CONNECTIONS_PER_SECOND).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(CONNECTIONS_BURST).unwrap_or(NonZeroU32::MIN);
        Self {
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            rates: RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst)),
            handshaking: Mutex::new(HashMap::new()),
        }
    }
}

/// One handshake under way, counted for its source.
struct Knock {
    door: Arc<Door>,
    source: IpAddr,
}

impl Knock {
    fn admit(door: &Arc<Door>, address: IpAddr) -> Option<Self> {
        let source = source_of(address);
        if door.rates.len() > SOURCES_KEPT {
            door.rates.retain_recent();
        }
        door.rates.check_key(&source).ok()?;
        let mut handshaking = door.handshaking.lock().unwrap_or_else(PoisonError::into_inner);
        let count = handshaking.entry(source).or_default();
        if *count >= HANDSHAKES_PER_SOURCE {
            return None;
        }
        *count += 1;
        drop(handshaking);
        Some(Self { door: door.clone(), source })
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        let mut handshaking = self.door.handshaking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = handshaking.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                handshaking.remove(&self.source);
            }
        }
    }
}

/// What counts as one source: an IPv4 address, or the /64 that an IPv6 machine may choose from.
fn source_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & (u128::MAX << 64)).into(),
    }
}

/// An accepted connection. It ends by itself when no request comes in time, and when the link shuts down.
#[derive(Debug)]
pub(crate) struct PeerStream {
    tls: TlsStream<TcpStream>,
    routed: Arc<AtomicBool>,
    deadline: Pin<Box<Sleep>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _connection: OwnedSemaphorePermit,
}

impl PeerStream {
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !self.routed.load(Ordering::Relaxed) && self.deadline.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_ended(cx)?;
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
