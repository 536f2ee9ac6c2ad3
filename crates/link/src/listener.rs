//! Accepts connections and hands over only those whose TLS handshake is finished.
//!
//! `axum::serve` accepts one after the other, so the handshakes run in tasks of their own: bounded in number, in time,
//! and per source (an address, or a relay), so that nobody who stalls or knocks without end keeps others out.

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
use proto::{id::MachineId, relay::RelayAddress};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Sleep, sleep},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    config::{Gate, GateCheck},
    error::LinkError,
    event::ConnId,
    path::Path,
    socket::Stream,
    tasks::Spawner,
    tcp,
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
        if offset > 0 && port == proto::relay::DEFAULT_PORT {
            // A relay on this machine would find its port taken.
            continue;
        }
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
    /// From where.
    pub(crate) path: Path,
    /// This machine's address on the connection; none in a tunnel.
    pub(crate) local: Option<IpAddr>,
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
            path: self.local.into(),
            local: Some(self.local.ip()),
            id: ConnId(0),
            routed,
        })
    }
}

/// Takes connections of machines that nobody knows yet to where they have proven a key. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reception {
    parts: ListenerParts,
    door: Arc<Door>,
    hand_over: mpsc::Sender<(PeerStream, Caller)>,
    spawner: Spawner,
}

/// Where an unknown machine knocks: budgets are kept for each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// An IPv4 address, or the /64 that an IPv6 machine may choose from.
    Address(IpAddr),
    /// A relay, which does not say who comes.
    Relay(RelayAddress),
}

/// A connection that there is room for.
pub(crate) struct Admitted {
    path: Path,
    local: Option<IpAddr>,
    /// Given back when the handshake is over.
    handshake: (OwnedSemaphorePermit, Knock),
    connection: OwnedSemaphorePermit,
}

impl Reception {
    /// An empty one, and where those come out who have proven their keys.
    pub(crate) fn new(parts: ListenerParts, local: SocketAddr, spawner: &Spawner) -> (Self, Handshaken) {
        let (hand_over, ready) = mpsc::channel(HANDSHAKES);
        let reception = Self { parts, door: Arc::new(Door::new()), hand_over, spawner: spawner.clone() };
        (reception, Handshaken { ready, local })
    }

    /// Makes room for who comes through a relay, unless too many do.
    pub(crate) fn admit_tunnel(&self, relay: &RelayAddress) -> Option<Admitted> {
        let slot = self.door.handshakes.clone().try_acquire_owned().ok()?;
        self.admit(slot, Path::Relay(relay.clone()), None)
    }

    fn admit(&self, slot: OwnedSemaphorePermit, path: Path, local: Option<IpAddr>) -> Option<Admitted> {
        let Some(knock) = Knock::admit(&self.door, Source::of(&path)) else {
            tracing::debug!(%path, "too many connections from one source, refused");
            return None;
        };
        let Ok(connection) = self.door.connections.clone().try_acquire_owned() else {
            tracing::debug!(%path, "too many connections, refused");
            return None;
        };
        Some(Admitted { path, local, handshake: (slot, knock), connection })
    }

    /// Shakes hands over a connection that was admitted, in a task of its own.
    pub(crate) fn receive(
        &self,
        admitted: Admitted,
        opening: impl Future<Output = io::Result<Box<dyn Stream>>> + Send + 'static,
    ) {
        let id = self.parts.ids.next();
        let reception = self.clone();
        self.spawner.spawn(format!("handshake {id}"), async move {
            let cut = reception.parts.cut.clone();
            tokio::select! {
                () = reception.shake(id, admitted, opening) => {}
                () = cut.cancelled() => {}
            }
        });
    }

    async fn shake(
        &self,
        id: ConnId,
        admitted: Admitted,
        opening: impl Future<Output = io::Result<Box<dyn Stream>>> + Send,
    ) {
        let parts = &self.parts;
        let Admitted { path, local, handshake: held, connection } = admitted;
        let stream = match opening.await {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(%path, %error, "nobody came"),
        };
        let outcome = tokio::time::timeout(parts.timings.handshake, handshake(stream, &parts.tls)).await;
        drop(held);
        let (tls, machine) = match outcome {
            Ok(Ok(finished)) => finished,
            Ok(Err(error)) => return tracing::debug!(%path, %error, "handshake failed"),
            Err(_) => return tracing::debug!(%path, "handshake took too long"),
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
        self.hand_over.send((stream, Caller { machine, path, local, id, routed })).await.ok();
    }
}

/// Starts accepting.
pub(crate) fn start(listener: TcpListener, reception: Reception) {
    let spawner = reception.spawner.clone();
    let stopping = spawner.stop_token();
    spawner.spawn("listener", async move {
        tokio::select! {
            () = accept_all(&listener, &reception) => {}
            () = stopping.cancelled() => {}
        }
    });
}

async fn accept_all(listener: &TcpListener, reception: &Reception) {
    loop {
        let Ok(slot) = reception.door.handshakes.clone().acquire_owned().await else { return };
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
        if let Some(admitted) = reception.admit(slot, Path::Direct(address), Some(local)) {
            let unconfirmed = reception.parts.timings.unconfirmed;
            reception.receive(admitted, async move {
                tcp::set(&stream, unconfirmed)?;
                Ok(Box::new(stream) as Box<dyn Stream>)
            });
        }
    }
}

async fn handshake(stream: Box<dyn Stream>, tls: &Tls) -> io::Result<(TlsStream<Box<dyn Stream>>, MachineId)> {
    let stream = TlsAcceptor::from(tls.server.clone()).accept(stream).await?;
    let machine = tls::peer(stream.get_ref().1).ok_or_else(|| io::Error::other("no key was shown"))?;
    Ok((stream, machine))
}

/// Budgets of the door.
struct Door {
    handshakes: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    rates: DefaultKeyedRateLimiter<Source>,
    handshaking: Mutex<HashMap<Source, usize>>,
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
    source: Source,
}

impl Knock {
    fn admit(door: &Arc<Door>, source: Source) -> Option<Self> {
        if door.rates.len() > SOURCES_KEPT {
            door.rates.retain_recent();
        }
        door.rates.check_key(&source).ok()?;
        let mut handshaking = door.handshaking.lock().unwrap_or_else(PoisonError::into_inner);
        let count = handshaking.entry(source.clone()).or_default();
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

impl Source {
    fn of(path: &Path) -> Self {
        match path {
            Path::Direct(address) => Self::Address(match address.ip() {
                IpAddr::V4(address) => address.into(),
                IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & (u128::MAX << 64)).into(),
            }),
            Path::Relay(relay) => Self::Relay(relay.clone()),
        }
    }
}

/// An accepted connection. It ends by itself when no request comes in time, and when the link shuts down.
pub(crate) struct PeerStream {
    tls: TlsStream<Box<dyn Stream>>,
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
