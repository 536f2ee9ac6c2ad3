//! Accepts connections: so many at a time and from one source, each with its handshake in a task of its own and a
//! deadline, so that nobody who stalls keeps others out.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::http::{self, Peer};
use crate::rates::source_of;
use crate::relay::Inner;

/// Connections that the system may hold for us to accept: all machines of a site come back at once after a restart.
const BACKLOG: i32 = 1024;

/// Largest head of a request, in bytes. hyper's smallest is 8 KiB.
const HEAD_BYTES: usize = 8 << 10;

/// Pause after the system refused to accept, for example because descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Listens on an address.
pub(crate) fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let both = listen.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let opened = match open(listen, both) {
        // A system without IPv6.
        Err(error) if both && error.kind() != io::ErrorKind::AddrInUse => {
            open(SocketAddr::from(([0, 0, 0, 0], listen.port())), false)
        }
        opened => opened,
    };
    TcpListener::from_std(opened?.into())
}

fn open(address: SocketAddr, both_families: bool) -> io::Result<Socket> {
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
    Ok(socket)
}

/// Connections of each source, or transfers.
#[derive(Debug, Default)]
pub(crate) struct Door {
    total: AtomicU64,
    by_source: Mutex<HashMap<IpAddr, u32>>,
}

/// A place among the connections, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Place {
    door: Arc<Door>,
    source: Option<IpAddr>,
}

impl Door {
    /// How many connections there are.
    pub(crate) fn connections(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// A place for one more. Without a source it is counted for nobody.
    pub(crate) fn enter(self: &Arc<Self>, most: u32) -> Option<Place> {
        let before = self.total.fetch_add(1, Ordering::Relaxed);
        let place = Place { door: self.clone(), source: None };
        (before < u64::from(most)).then_some(place)
    }
}

impl Place {
    /// Counts it for a source, unless that has as many as it may have.
    pub(crate) fn count_for(&mut self, source: IpAddr, most: u32) -> bool {
        let mut by_source = self.door.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_source.entry(source).or_default();
        let has_room = *count < most;
        if has_room {
            *count += 1;
            self.source = Some(source);
        }
        has_room
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.total.fetch_sub(1, Ordering::Relaxed);
        let Some(source) = self.source else { return };
        let mut by_source = self.door.by_source.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                by_source.remove(&source);
            }
        }
    }
}

/// Accepts until the relay stops.
pub(crate) async fn accept(relay: Arc<Inner>, listener: TcpListener) {
    let stop = relay.tasks.stopping().clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(mut place) = relay.door.enter(relay.limits.connections) else {
            tracing::debug!("too many connections, refused");
            continue;
        };
        // Behind a proxy all come from one address; who they are stands in the request.
        let source = source_of(address.ip());
        if relay.source_header.is_none() && !admits(&relay, &mut place, source) {
            continue;
        }
        let serving = serve(relay.clone(), stream, source, place);
        relay.tasks.spawn("connection", serving);
    }
}

/// Whether one more connection of a source is let in, for which it is counted then.
pub(crate) fn admits(relay: &Inner, place: &mut Place, source: IpAddr) -> bool {
    let admitted =
        relay.rates.connections.take(&source).is_ok() && place.count_for(source, relay.limits.connections_per_source);
    if !admitted {
        tracing::debug!("too many connections of one source, refused");
    }
    admitted
}

async fn serve(relay: Arc<Inner>, stream: TcpStream, source: IpAddr, place: Place) {
    // Small frames must not wait for the other side's answer.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let peer = Peer::new(source, place);
    match &relay.tls {
        None => http(relay, stream, peer).await,
        Some(tls) => {
            let acceptor = TlsAcceptor::from(tls.config());
            match timeout(relay.limits.handshake, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => http(relay, stream, peer).await,
                Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                Err(_) => tracing::debug!("a handshake took too long"),
            }
        }
    }
}

async fn http(relay: Arc<Inner>, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: Peer) {
    let (stop, cut) = (relay.tasks.stopping().clone(), peer.cut().clone());
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(relay.limits.handshake);
    server.max_buf_size(HEAD_BYTES);
    let service = TowerToHyperService::new(http::routes(relay, peer));
    let connection = server.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        served = connection => {
            if let Err(error) = served {
                tracing::debug!(%error, "a request ended early");
            }
        }
        () = stop.cancelled() => {}
        () = cut.cancelled() => tracing::debug!("a connection on which nothing moved was cut"),
    }
}
