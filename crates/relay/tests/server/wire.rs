//! A client's connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use proto::Identity;
use proto::id::MachineId;
use proto::relay::{
    CIRCUIT_PATH, FromRelay, Login, PATH, RefusalCode, Refused, RelayAddress, RelayBye, SUBPROTOCOL, Ticket, ToRelay,
    Token, TokenEntry,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long anything may take. Long, because machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Opens a WebSocket at a path of a relay.
pub(crate) async fn dial(stream: impl Stream + 'static, path: &str) -> Result<Socket, tungstenite::Error> {
    let mut request = format!("ws://relay{path}").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
    let stream: Box<dyn Stream> = Box::new(stream);
    Ok(timeout(PATIENCE, client_async(request, stream)).await.expect("an answer comes")?.0)
}

/// A connection to a relay.
pub(crate) struct Wire {
    pub(crate) socket: Socket,
    pub(crate) nonce: [u8; 32],
    requests: u32,
    /// What came while an answer was waited for.
    kept: VecDeque<FromRelay>,
}

impl Wire {
    /// Connects, and takes the challenge.
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap()).await
    }

    /// The same over a stream that stands.
    pub(crate) async fn over(stream: impl Stream + 'static) -> Self {
        Self::try_over(stream).await.expect("a challenge")
    }

    /// The same with a relay that may be gone.
    pub(crate) async fn try_over(stream: impl Stream + 'static) -> Option<Self> {
        let socket = dial(stream, PATH).await.ok()?;
        let mut wire = Self { socket, nonce: [0; 32], requests: 0, kept: VecDeque::new() };
        let Some(FromRelay::Challenge { version: 1, nonce }) = wire.next().await else { return None };
        wire.nonce = nonce;
        Some(wire)
    }

    /// Logs in, and gives the answer.
    pub(crate) async fn log_in(&mut self, identity: &Identity, address: &RelayAddress) -> FromRelay {
        let login = Login::sign(identity, &self.nonce, address, address.key().copied(), None);
        self.send(&ToRelay::Login(login)).await;
        self.next().await.expect("an answer to the login")
    }

    pub(crate) async fn send(&mut self, frame: &ToRelay) {
        self.try_send(frame).await.unwrap();
    }

    /// Sends to a relay that may be gone.
    pub(crate) async fn try_send(&mut self, frame: &ToRelay) -> Result<(), tungstenite::Error> {
        self.socket.send(Message::Binary(frame.encode().into())).await
    }

    /// The next frame; none when the relay has ended the connection.
    pub(crate) async fn next(&mut self) -> Option<FromRelay> {
        if let Some(kept) = self.kept.pop_front() {
            return Some(kept);
        }
        self.receive().await
    }

    async fn receive(&mut self) -> Option<FromRelay> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("a frame comes")? {
                Ok(Message::Binary(frame)) => return Some(FromRelay::decode(&frame).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// A number for a request.
    pub(crate) fn number(&mut self) -> u32 {
        self.requests += 1;
        self.requests
    }

    /// The answer to a request. What else comes meanwhile is kept.
    pub(crate) async fn answer(&mut self, request: u32) -> FromRelay {
        self.try_answer(request).await.expect("an answer, and not the end")
    }

    /// The same with a relay that may be gone.
    pub(crate) async fn try_answer(&mut self, request: u32) -> Option<FromRelay> {
        if let Some(at) = self.kept.iter().position(|frame| frame.request() == Some(request)) {
            return self.kept.remove(at);
        }
        loop {
            let frame = self.receive().await?;
            if frame.request() == Some(request) {
                return Some(frame);
            }
            self.kept.push_back(frame);
        }
    }

    /// Asks, and gives the answer.
    pub(crate) async fn ask(&mut self, frame: ToRelay) -> FromRelay {
        let request = frame.request().unwrap();
        self.send(&frame).await;
        self.answer(request).await
    }

    /// Asks for something that is done.
    pub(crate) async fn done(&mut self, frame: ToRelay) {
        let request = frame.request().unwrap();
        assert_eq!(self.ask(frame).await, FromRelay::Done { request });
    }

    /// Asks for something that is refused.
    pub(crate) async fn refused(&mut self, frame: ToRelay) -> Refused {
        match self.ask(frame).await {
            FromRelay::Refused(refused) => refused,
            answer => panic!("not refused, but {answer:?}"),
        }
    }

    /// Gives out a token.
    pub(crate) async fn gives(&mut self, token: &Token) {
        let entry = TokenEntry { hash: token.hash(), lifetime_s: None };
        let request = self.number();
        self.done(ToRelay::Tokens { request, add: vec![entry], remove: vec![], replace: false }).await;
    }

    pub(crate) fn put(&mut self, to: MachineId, token: Option<&Token>, envelope: &[u8]) -> ToRelay {
        let envelope = Bytes::copy_from_slice(envelope);
        ToRelay::Put { request: self.number(), to, token: token.cloned(), envelope }
    }

    /// Everything in the mailbox from a cursor on.
    pub(crate) async fn fetch(&mut self, after: u64) -> Vec<proto::relay::Item> {
        let (mut all, mut after) = (Vec::new(), after);
        loop {
            let request = self.number();
            let answer = self.ask(ToRelay::Fetch { request, after, limit: 64 }).await;
            let FromRelay::Items { items, more, .. } = answer else { panic!("no items, but {answer:?}") };
            after = items.last().map_or(after, |item| item.cursor);
            all.extend(items);
            if !more {
                return all;
            }
        }
    }

    pub(crate) async fn ack(&mut self, cursors: Vec<u64>) {
        let request = self.number();
        self.done(ToRelay::Ack { request, cursors }).await;
    }

    /// Watches one machine, and says whether it is there.
    pub(crate) async fn watch(&mut self, machine: MachineId, token: &Token) -> bool {
        let request = self.number();
        self.done(ToRelay::Watch { request, items: vec![(machine, token.clone())], replace: false }).await;
        self.sees(machine).await
    }

    /// What is told of a machine next.
    pub(crate) async fn sees(&mut self, machine: MachineId) -> bool {
        match self.next().await {
            Some(FromRelay::Presence { items }) if items.len() == 1 && items[0].0 == machine => items[0].1,
            frame => panic!("no presence, but {frame:?}"),
        }
    }

    /// Waits for the end, and the reason for it.
    pub(crate) async fn ends(&mut self) -> Option<RelayBye> {
        let mut bye = None;
        while let Some(frame) = self.next().await {
            if let FromRelay::Bye { code, .. } = frame {
                bye = Some(code);
            }
        }
        bye
    }

    /// Opens a tunnel to a machine.
    pub(crate) async fn open(&mut self, machine: MachineId, token: &Token) -> Result<Ticket, RefusalCode> {
        let request = self.number();
        match self.ask(ToRelay::Open { request, machine, token: token.clone() }).await {
            FromRelay::Opened { ticket, .. } => Ok(ticket),
            FromRelay::Refused(refused) => Err(refused.code),
            answer => panic!("neither opened nor refused, but {answer:?}"),
        }
    }
}

/// One end of a tunnel: comes with a ticket.
pub(crate) async fn enter(addr: SocketAddr, ticket: &Ticket) -> Socket {
    let mut socket = dial(TcpStream::connect(addr).await.unwrap(), CIRCUIT_PATH).await.unwrap();
    socket.send(Message::Binary(Bytes::copy_from_slice(ticket.as_bytes()))).await.unwrap();
    socket
}

/// The next binary message of a socket; none at its end.
pub(crate) async fn message(socket: &mut Socket) -> Option<Bytes> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("a message comes")? {
            Ok(Message::Binary(bytes)) => return Some(bytes),
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}
