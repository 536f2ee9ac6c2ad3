//! Reaching a machine: all candidate addresses in parallel, the first that proves the key wins, the others are dropped.
//! A tunnel through a relay is an address like another: only where its bytes go differs.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use proto::{id::MachineId, limits};
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{
        self,
        handshake::client::generate_key,
        http::{self, header},
        protocol::Role,
    },
};

use crate::{
    config::DEFAULT_PORT,
    error::DialError,
    interfaces,
    path::Path,
    relay::Stations,
    server::SUBPROTOCOL,
    socket::{self, Socket, Stream},
    tcp,
    timing::Timings,
    tls::{self, Tls},
};

/// Addresses dialled at once for one machine. More than a machine with several interfaces has; a bound for what
/// hostile announcements can make us do.
pub(crate) const CANDIDATES: usize = 16;

/// What is needed to reach a machine on any path.
#[derive(Debug, Clone)]
pub(crate) struct Ways {
    pub(crate) tls: Tls,
    pub(crate) stations: Stations,
    pub(crate) timings: Timings,
}

/// A connection whose key is proven.
pub(crate) struct Reached {
    stream: TlsStream<Box<dyn Stream>>,
    pub(crate) machine: MachineId,
    pub(crate) path: Path,
    /// This machine's address on the connection; none in a tunnel.
    pub(crate) local: Option<IpAddr>,
}

impl Ways {
    /// Dials all paths at once. With `expect`, only that machine will do.
    pub(crate) async fn reach(&self, paths: &[Path], expect: Option<MachineId>) -> Result<Reached, DialError> {
        let mut attempts: FuturesUnordered<_> =
            paths.iter().take(CANDIDATES).map(|path| self.reach_one(path, expect)).collect();
        let mut best = None;
        while let Some(outcome) = attempts.next().await {
            match outcome {
                Ok(reached) => return Ok(reached),
                Err(error) => best = Some(more_telling(best, error)),
            }
        }
        Err(best.unwrap_or(DialError::ShuttingDown))
    }

    async fn reach_one(&self, path: &Path, expect: Option<MachineId>) -> Result<Reached, DialError> {
        match path {
            Path::Direct(address) => {
                let (stream, local) = connect(*address, &self.timings).await?;
                self.prove(Box::new(stream), path, Some(local), expect).await
            }
            Path::Relay(relay) => {
                let stream = self.stations.open(relay, expect).await?;
                self.prove(Box::new(stream), path, None, expect).await
            }
        }
    }

    /// Both sides prove their keys.
    pub(crate) async fn prove(
        &self,
        stream: Box<dyn Stream>,
        path: &Path,
        local: Option<IpAddr>,
        expect: Option<MachineId>,
    ) -> Result<Reached, DialError> {
        let not_landline = |detail: String| DialError::NotLandline { address: path.clone(), detail };
        let dial = self.tls.dial(expect).map_err(|error| not_landline(error.to_string()))?;
        // The library wants a name. It is neither sent nor looked at.
        let nameless = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
        let handshake = TlsConnector::from(dial.config.clone()).connect(nameless, stream);
        let stream = match tokio::time::timeout(self.timings.handshake, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(match dial.found() {
                    Some(found) if expect.is_some_and(|expected| expected != found) => {
                        DialError::OtherKey { address: path.clone(), found: Box::new(found) }
                    }
                    _ => not_landline(format!("no TLS with machine keys ({error})")),
                });
            }
            Err(_) => return Err(not_landline("it accepts connections, but says nothing".into())),
        };
        let machine = tls::peer(stream.get_ref().1).ok_or_else(|| not_landline("it shows no key".into()))?;
        Ok(Reached { stream, machine, path: path.clone(), local })
    }
}

/// A connection to an address, and this machine's address on it.
async fn connect(address: SocketAddr, timings: &Timings) -> Result<(TcpStream, IpAddr), DialError> {
    let connected = tokio::time::timeout(timings.connect, TcpStream::connect(address)).await;
    let stream = connected
        .map_err(|_| DialError::TimedOut { address, after: timings.connect })?
        .map_err(|error| connect_error(address, &error))?;
    let local = stream.local_addr().map_err(|error| connect_error(address, &error))?.ip().to_canonical();
    // A socket that refuses an option still works.
    tcp::set(&stream, timings.unconfirmed).ok();
    Ok((stream, local))
}

impl Reached {
    /// The connection, for requests of another kind than the link's.
    pub(crate) fn into_stream(self) -> TlsStream<Box<dyn Stream>> {
        self.stream
    }

    /// Opens the WebSocket.
    pub(crate) async fn upgrade(self, timings: &Timings) -> Result<Socket, DialError> {
        let Self { stream, path, .. } = self;
        let not_landline = |detail: String| DialError::NotLandline { address: path.clone(), detail };
        let request = request(&path).map_err(|error| not_landline(error.to_string()))?;
        let config = socket::config(limits::FRAME_BEFORE_HELLO);
        let opening = client_async_with_config(request, stream, Some(config));
        let opened = tokio::time::timeout(timings.upgrade, opening).await;
        let (socket, response) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(upgrade_error(&path, &error)),
            Err(_) => return Err(not_landline("it does not answer the request for a link".into())),
        };
        let chosen = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
        if chosen.is_none_or(|chosen| chosen != SUBPROTOCOL) {
            return Err(not_landline(format!("it does not speak {SUBPROTOCOL}")));
        }
        // Nothing can be lost in the old wrapper's buffer: the accepting side speaks only after our `Hello`.
        Ok(Socket::new(Box::new(socket.into_inner()), Role::Client, limits::FRAME_BEFORE_HELLO))
    }
}

/// What HTTP wants as a host. The scope of a link-local address has no place in it, and a tunnel leads to none.
pub(crate) fn host(path: &Path) -> String {
    match path {
        Path::Direct(address) => SocketAddr::new(address.ip(), address.port()).to_string(),
        Path::Relay(_) => "landline".into(),
    }
}

fn request(path: &Path) -> http::Result<http::Request<()>> {
    let host = host(path);
    http::Request::builder()
        .uri(format!("ws://{host}/link"))
        .header(header::HOST, host)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
        .body(())
}

fn connect_error(address: SocketAddr, error: &io::Error) -> DialError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => DialError::Refused(address),
        // The system's own patience, when it is shorter than ours.
        io::ErrorKind::TimedOut => DialError::Unreachable { address, detail: "no answer".into() },
        _ => DialError::Unreachable { address, detail: error.to_string() },
    }
}

fn upgrade_error(path: &Path, error: &tungstenite::Error) -> DialError {
    let address = path.clone();
    match error {
        tungstenite::Error::Http(response) => {
            DialError::NotLandline { address, detail: format!("it answers with {}", response.status()) }
        }
        // After the handshake, a machine that does not want this one just closes.
        tungstenite::Error::Io(_) | tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
            DialError::HungUp { address, detail: "without a word".into() }
        }
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::HandshakeIncomplete) => {
            DialError::HungUp { address, detail: "without a word".into() }
        }
        other => DialError::NotLandline { address, detail: other.to_string() },
    }
}

/// Of two failures at different addresses of one machine, the one that says more about it.
fn more_telling(so_far: Option<DialError>, next: DialError) -> DialError {
    match so_far {
        Some(so_far) if weight(&so_far) >= weight(&next) => so_far,
        _ => next,
    }
}

fn weight(error: &DialError) -> u8 {
    match error {
        DialError::Myself(_) | DialError::Blocked(_) => 6,
        DialError::HungUp { .. } => 5,
        DialError::OtherKey { .. } => 4,
        DialError::NotLandline { .. } => 3,
        DialError::Refused(_) => 2,
        DialError::TimedOut { .. } => 1,
        _ => 0,
    }
}

/// An address as typed by a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Needs no resolving.
    Address(SocketAddr),
    /// A host name and a port.
    Name(String, u16),
}

/// Reads `host`, `host:port`, `IPv4[:port]`, `IPv6`, `[IPv6]:port`, each IPv6 with or without `%scope`.
pub(crate) fn parse_typed(text: &str) -> Result<Typed, DialError> {
    let text = text.trim();
    let wrong = || DialError::Syntax(text.chars().take(80).collect());
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Typed::Address(SocketAddr::new(ip, DEFAULT_PORT)));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return if address.port() == 0 { Err(wrong()) } else { Ok(Typed::Address(address)) };
    }
    if let Some(address) = parse_ipv6(text) {
        return Ok(Typed::Address(address));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, port.parse().map_err(|_| wrong())?),
        None => (text, DEFAULT_PORT),
    };
    let letters = |character: char| character.is_alphanumeric() || matches!(character, '-' | '.' | '_');
    let is_name = !name.is_empty() && name.len() <= 253 && name.chars().all(letters) && !name.starts_with('-');
    // "300.1.1.1" is a typing error, no name.
    let is_number = name.chars().all(|character| character.is_ascii_digit() || character == '.');
    if is_name && !is_number && port != 0 { Ok(Typed::Name(name.to_owned(), port)) } else { Err(wrong()) }
}

/// `fe80::1%eth0`, `[fe80::1%eth0]`, `[fe80::1%2]:4281`, `[fe80::1]`.
fn parse_ipv6(text: &str) -> Option<SocketAddr> {
    let (inner, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, after) = rest.split_once(']')?;
            let port = match after.strip_prefix(':') {
                Some(port) => port.parse().ok().filter(|port| *port != 0)?,
                None if after.is_empty() => DEFAULT_PORT,
                None => return None,
            };
            (inner, port)
        }
        None => (text, DEFAULT_PORT),
    };
    let (address, scope) = match inner.split_once('%') {
        Some((address, scope)) => (address, interfaces::index_of(scope)?),
        None => (inner, 0),
    };
    Some(SocketAddrV6::new(address.parse::<Ipv6Addr>().ok()?, port, 0, scope).into())
}

/// The socket addresses of a typed address, at most [`CANDIDATES`].
pub(crate) async fn resolve(typed: &Typed) -> Result<Vec<SocketAddr>, DialError> {
    let (name, port) = match typed {
        Typed::Address(address) => return Ok(vec![*address]),
        Typed::Name(name, port) => (name, *port),
    };
    let failed = |detail: String| DialError::Resolve { name: name.clone(), detail };
    let found = lookup_host((name.as_str(), port)).await.map_err(|error| failed(error.to_string()))?;
    let addresses: Vec<_> = found.take(CANDIDATES).collect();
    if addresses.is_empty() { Err(failed("it has no address".into())) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Typed {
        Typed::Address(text.parse().unwrap())
    }

    #[test]
    fn typed_addresses_are_understood() {
        assert_eq!(parse_typed(" 10.0.0.7 "), Ok(address("10.0.0.7:4281")));
        assert_eq!(parse_typed("10.0.0.7:99"), Ok(address("10.0.0.7:99")));
        assert_eq!(parse_typed("::1"), Ok(address("[::1]:4281")));
        assert_eq!(parse_typed("[fe80::1]"), Ok(address("[fe80::1]:4281")));
        assert_eq!(parse_typed("[fe80::1%7]:99"), Ok(address("[fe80::1%7]:99")));
        assert_eq!(parse_typed("fe80::1%7"), Ok(address("[fe80::1%7]:4281")));
        assert_eq!(parse_typed("anna.example"), Ok(Typed::Name("anna.example".into(), DEFAULT_PORT)));
        assert_eq!(parse_typed("anna:99"), Ok(Typed::Name("anna".into(), 99)));
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        for text in
            ["", " ", "10.0.0.300", "anna:", "anna:0", "anna:99999", "a b", "http://x", "[::1", "10.0.0.1:0", "-x"]
        {
            assert!(matches!(parse_typed(text), Err(DialError::Syntax(_))), "{text:?} is no address");
        }
    }

    #[test]
    fn the_more_telling_error_is_kept() {
        let at: SocketAddr = ([127, 0, 0, 1], 1).into();
        let other = DialError::OtherKey { address: at.into(), found: Box::new(MachineId::from_bytes([1; 32])) };
        let kept = more_telling(Some(other.clone()), DialError::Refused(at));
        assert_eq!(kept, other, "because another machine at the address explains more than a closed port elsewhere");
    }
}
