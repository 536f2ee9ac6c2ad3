//! What lies between machines in tests: a cable that can be cut or clogged, and hostile or odd peers.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use proto::{frame::Frame, id::MachineId, identity::Identity, limits};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use super::machine::{expect, hello};
use crate::{
    Timings,
    dial::Ways,
    relay::Stations,
    socket::{Incoming, Socket, SocketError},
    tasks::{Task, Tasks},
    tls::Tls,
};

/// A cable: forwards TCP connections to an address.
pub(super) struct Cable {
    pub(super) address: SocketAddr,
    clogged: watch::Sender<bool>,
    connections: Arc<Mutex<Vec<Task>>>,
    tasks: Tasks,
}

impl Cable {
    pub(super) async fn to(target: SocketAddr) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), target).await
    }

    /// As [`Cable::to`], at an address where another one was.
    pub(super) async fn at(address: SocketAddr, target: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (clogged, clog) = watch::channel(false);
        let connections = Arc::new(Mutex::new(Vec::new()));
        let tasks = Tasks::new();
        let (spawner, kept) = (tasks.spawner(), connections.clone());
        tasks.spawn("cable", async move {
            while let Ok((near, _)) = listener.accept().await {
                let clog = clog.clone();
                let task = spawner.spawn("strand", async move {
                    let Ok(far) = TcpStream::connect(target).await else { return };
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    tokio::join!(carry(near_in, far_out, clog.clone()), carry(far_in, near_out, clog));
                });
                kept.lock().unwrap().push(task);
            }
        });
        Self { address, clogged, connections, tasks }
    }

    /// Breaks all connections; new ones can be made.
    pub(super) fn cut(&self) {
        for task in self.connections.lock().unwrap().drain(..) {
            task.abort();
        }
    }

    /// Lets nothing pass any more, and says so to nobody.
    pub(super) fn clog(&self) {
        self.clogged.send_replace(true);
    }

    /// Lets everything pass again.
    pub(super) fn unclog(&self) {
        self.clogged.send_replace(false);
    }

    pub(super) async fn remove(self) {
        self.tasks.shutdown_within(std::time::Duration::ZERO).await;
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut clogged: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if clogged.wait_for(|clogged| !clogged).await.is_err() || read == 0 {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// A peer that follows the protocol only as far as a test wants.
pub(super) struct Stranger {
    pub(super) identity: Arc<Identity>,
    pub(super) socket: Socket,
}

impl Stranger {
    /// Dials and opens the WebSocket.
    pub(super) async fn dial(identity: Arc<Identity>, address: SocketAddr) -> Self {
        let tls = Tls::new(&identity).unwrap();
        let timings = Timings::default();
        let ways = Ways { tls, stations: Stations::new(&timings), timings: timings.clone() };
        let reached = ways.reach(&[address.into()], None).await.unwrap();
        let mut socket = reached.upgrade(&timings).await.unwrap();
        socket.set_limit(limits::FRAME_BYTES);
        Self { identity, socket }
    }

    /// As [`Stranger::dial`], and exchanges `Hello`.
    pub(super) async fn link(identity: Arc<Identity>, address: SocketAddr) -> Self {
        let mut stranger = Self::dial(identity, address).await;
        stranger.greet().await;
        match stranger.hear().await {
            Ok(Frame::Hello(_)) => stranger,
            other => panic!("no hello, but {other:?}"),
        }
    }

    pub(super) async fn greet(&mut self) {
        let mut hello = hello(&self.identity);
        hello.instance = 99;
        self.say(&Frame::Hello(hello)).await;
    }

    pub(super) async fn say(&mut self, frame: &Frame) {
        self.send(Message::Binary(frame.encode().into())).await;
    }

    /// Sends bytes as they are. The other side may have closed already, which is what some tests are about.
    pub(super) async fn send(&mut self, message: Message) {
        expect("room to send", self.socket.send(message)).await.ok();
    }

    pub(super) async fn send_bytes(&mut self, bytes: impl Into<Bytes>) {
        self.send(Message::Binary(bytes.into())).await;
    }

    /// The next frame, or how the connection ended.
    pub(super) async fn hear(&mut self) -> Result<Frame, String> {
        loop {
            match expect("a word from the other side", self.socket.next()).await {
                Ok(Incoming::Frame(bytes)) => {
                    let phase = match bytes.get(1) {
                        Some(0) => proto::Phase::BeforeHello,
                        _ => proto::Phase::AfterHello,
                    };
                    return Ok(Frame::decode(&bytes, phase).unwrap());
                }
                Ok(_) => {}
                Err(SocketError::Closed(words) | SocketError::Broken(words)) => return Err(words),
                Err(SocketError::Protocol { code, reason }) => return Err(format!("{code:?} {reason}")),
            }
        }
    }

    /// What is said at the end, whatever comes before.
    pub(super) async fn last_words(&mut self) -> (Option<Frame>, String) {
        let mut last = None;
        loop {
            match self.hear().await {
                Ok(frame) => last = Some(frame),
                Err(words) => return (last, words),
            }
        }
    }

    pub(super) fn id(&self) -> MachineId {
        self.identity.machine_id()
    }

    pub(super) async fn close(self) {
        self.socket.close(CloseCode::Normal, "done").await;
    }
}
