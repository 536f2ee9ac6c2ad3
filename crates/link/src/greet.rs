//! The exchange of `Hello`, from either side, and the life of the link after it.
//!
//! The dialling side speaks first. The accepting side answers with its own `Hello` only once the registry has decided
//! that this link stands, so the dialling side never reports a link that the other is about to close.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
};

use futures_util::FutureExt as _;
use proto::{
    frame::{ByeReason, Frame, Hello, Phase},
    id::MachineId,
    limits,
};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{GateCheck, HelloSource},
    connection::{Ended, Farewell, Pump, Wiring, say_farewell},
    dial::{Reached, Ways},
    error::DialError,
    event::{ConnId, DownReason},
    listener::ConnIds,
    path::Path,
    reconnect::AttemptId,
    registry::{Claim, Input, Offer, Verdict},
    server::Arrival,
    socket::{Incoming, Socket, SocketError},
};

/// What every link of this machine shares.
pub(crate) struct Greeter {
    pub(crate) me: MachineId,
    pub(crate) instance: u64,
    pub(crate) listen: SocketAddr,
    pub(crate) hello: HelloSource,
    pub(crate) gate: GateCheck,
    pub(crate) ways: Ways,
    pub(crate) ids: ConnIds,
    pub(crate) inputs: mpsc::Sender<Input>,
    /// Ends what does not stand yet.
    pub(crate) stop: CancellationToken,
}

impl std::fmt::Debug for Greeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Greeter").field("me", &self.me.short()).finish_non_exhaustive()
    }
}

/// Why there was no `Hello`.
enum Unwelcome {
    /// The other side said goodbye, or just closed.
    HungUp(String),
    /// It broke the protocol; it is told so.
    Protocol(Farewell, String),
    /// It said nothing.
    Silent,
}

impl Greeter {
    /// The `Hello` of this machine at this moment.
    pub(crate) fn hello(&self) -> Hello {
        let mut hello = (self.hello)();
        hello.version = limits::PROTOCOL_VERSION;
        hello.listen_port = self.listen.port();
        hello.instance = self.instance;
        hello
    }

    /// Takes on a peer that dialled, and serves the link until it ends.
    pub(crate) async fn accept(self: Arc<Self>, arrival: Arrival) {
        let Arrival { caller, mut socket } = arrival;
        let peer = caller.machine;
        let hello = tokio::select! {
            hello = self.receive_hello(&peer, &mut socket) => hello,
            () = self.stop.cancelled() => return,
        };
        let hello = match hello {
            Ok(hello) => hello,
            Err(unwelcome) => return self.turn_away(&peer, socket, unwelcome).await,
        };
        let mut path = caller.path;
        if let Path::Direct(address) = &mut path
            && hello.listen_port != 0
        {
            address.set_port(hello.listen_port);
        }
        let (reply, mut verdict) = oneshot::channel();
        let offer =
            Offer { id: caller.id, peer, hello: Box::new(hello), inbound: true, path, local: caller.local, reply };
        if self.inputs.send(Input::Offer(offer)).await.is_err() {
            return;
        }
        // While the registry thinks, the peer may give up.
        let verdict = tokio::select! {
            verdict = &mut verdict => verdict,
            () = self.stop.cancelled() => return,
            end = watch_silence(&mut socket) => {
                tracing::debug!(peer = %peer.short(), id = %caller.id, "gave up before the link stood: {end}");
                verdict.close();
                // The registry may have reported the link in the same moment.
                if let Ok(Verdict::Accept(_)) = verdict.try_recv() {
                    self.inputs.send(Input::Ended { peer, id: caller.id, reason: DownReason::Broken(end) }).await.ok();
                }
                return;
            }
        };
        match verdict {
            Ok(Verdict::Accept(wiring)) => self.serve(caller.id, peer, socket, wiring, true).await,
            Ok(Verdict::Refuse(farewell)) => say_farewell(socket, Some(farewell), &self.ways.timings).await,
            Err(_) => {}
        }
    }

    /// Dials, greets, and serves the link until it ends. The outcome of the dialling is reported to the registry.
    pub(crate) async fn dial(
        self: Arc<Self>,
        attempt: AttemptId,
        reached: Result<Reached, DialError>,
    ) -> Result<(MachineId, Option<Standing>), DialError> {
        let reached = reached?;
        let (peer, path, local) = (reached.machine, reached.path.clone(), reached.local);
        if peer == self.me {
            return Err(DialError::Myself(path));
        }
        let (reply, claim) = oneshot::channel();
        let asked = self.inputs.send(Input::Claim { peer, attempt, direct: path.is_direct(), reply }).await;
        match (asked, claim.await) {
            (Ok(()), Ok(Claim::Go)) => {}
            (Ok(()), Ok(Claim::Busy)) => return Ok((peer, None)),
            (Ok(()), Ok(Claim::Blocked)) => return Err(DialError::Blocked(path)),
            _ => return Err(DialError::ShuttingDown),
        }
        let id = self.ids.next();
        let mut socket = reached.upgrade(&self.ways.timings).await?;
        let hung_up = |detail: String| DialError::HungUp { address: path.clone(), detail };
        let hello = Frame::Hello(self.hello()).encode();
        let sent = tokio::time::timeout(self.ways.timings.hello, socket.send(Message::Binary(hello.into()))).await;
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(hung_up(error.to_string())),
            Err(_) => return Err(hung_up("it stopped reading".into())),
        }
        let hello = match self.receive_hello(&peer, &mut socket).await {
            Ok(hello) => hello,
            Err(Unwelcome::HungUp(words)) => return Err(hung_up(words)),
            Err(Unwelcome::Silent) => {
                return Err(DialError::NotLandline { address: path, detail: "it does not answer the greeting".into() });
            }
            Err(Unwelcome::Protocol(farewell, words)) => {
                say_farewell(socket, Some(farewell), &self.ways.timings).await;
                return Err(DialError::NotLandline { address: path, detail: words });
            }
        };
        let (reply, verdict) = oneshot::channel();
        let offer = Offer { id, peer, hello: Box::new(hello), inbound: false, path, local, reply };
        if self.inputs.send(Input::Offer(offer)).await.is_err() {
            return Err(DialError::ShuttingDown);
        }
        match verdict.await {
            Ok(Verdict::Accept(wiring)) => Ok((peer, Some(Standing { id, socket, wiring }))),
            Ok(Verdict::Refuse(farewell)) => {
                say_farewell(socket, Some(farewell), &self.ways.timings).await;
                Ok((peer, None))
            }
            Err(_) => Err(DialError::ShuttingDown),
        }
    }

    /// Serves a link that stands.
    pub(crate) async fn serve(&self, id: ConnId, peer: MachineId, mut socket: Socket, wiring: Wiring, greet: bool) {
        if greet {
            let hello = Frame::Hello(self.hello()).encode();
            let sent = tokio::time::timeout(self.ways.timings.hello, socket.send(Message::Binary(hello.into()))).await;
            let reason = match sent {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(DownReason::Broken(error.to_string())),
                Err(_) => Some(DownReason::Stalled),
            };
            if let Some(reason) = reason {
                self.inputs.send(Input::Ended { peer, id, reason }).await.ok();
                return;
            }
        }
        let pump = Pump::new(peer, socket, wiring, &self.ways.timings, self.gate.clone());
        let (socket, Ended { reason, farewell }) = match AssertUnwindSafe(pump.run()).catch_unwind().await {
            Ok(ended) => ended,
            Err(panic) => {
                let reason = DownReason::Broken("an error in this program".into());
                self.inputs.send(Input::Ended { peer, id, reason }).await.ok();
                resume_unwind(panic);
            }
        };
        tracing::info!(peer = %peer.short(), %id, "link ended: {reason}");
        self.inputs.send(Input::Ended { peer, id, reason }).await.ok();
        say_farewell(socket, farewell, &self.ways.timings).await;
    }

    async fn turn_away(&self, peer: &MachineId, socket: Socket, unwelcome: Unwelcome) {
        let (farewell, words) = match unwelcome {
            Unwelcome::HungUp(words) => (None, words),
            Unwelcome::Silent => (None, "no hello in time".into()),
            Unwelcome::Protocol(farewell, words) => (Some(farewell), words),
        };
        tracing::debug!(peer = %peer.short(), "no link: {words}");
        say_farewell(socket, farewell, &self.ways.timings).await;
    }

    async fn receive_hello(&self, peer: &MachineId, socket: &mut Socket) -> Result<Hello, Unwelcome> {
        match tokio::time::timeout(self.ways.timings.hello, next_hello(peer, socket)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Unwelcome::Silent),
        }
    }
}

/// A link that the registry has accepted and reported; it must be served.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) id: ConnId,
    pub(crate) socket: Socket,
    pub(crate) wiring: Wiring,
}

async fn next_hello(peer: &MachineId, socket: &mut Socket) -> Result<Hello, Unwelcome> {
    let protocol = |code, words: String| {
        let farewell = Farewell { bye: Some(ByeReason::Protocol), code, words: words.clone() };
        Err(Unwelcome::Protocol(farewell, words))
    };
    loop {
        let bytes = match socket.next().await {
            Ok(Incoming::Frame(bytes)) => bytes,
            Ok(Incoming::Ping | Incoming::Pong(_)) => continue,
            Err(SocketError::Protocol { code, reason }) => return protocol(code, reason),
            Err(SocketError::Closed(words) | SocketError::Broken(words)) => return Err(Unwelcome::HungUp(words)),
        };
        return match Frame::decode(&bytes, Phase::BeforeHello) {
            Ok(Frame::Hello(hello)) if hello.version == 0 => {
                let words = "there is no version 0 of the protocol".to_owned();
                let farewell =
                    Farewell { bye: Some(ByeReason::Version), code: CloseCode::Protocol, words: words.clone() };
                Err(Unwelcome::Protocol(farewell, words))
            }
            Ok(Frame::Hello(hello)) if hello.profile.machine() != *peer || hello.profile.verify().is_err() => {
                protocol(CloseCode::Protocol, "the profile is not signed by the machine that sends it".into())
            }
            Ok(Frame::Hello(hello)) => Ok(hello),
            Ok(Frame::Bye { reason }) => Err(Unwelcome::HungUp(goodbye_words(reason))),
            Ok(_) => protocol(CloseCode::Protocol, "no hello".into()),
            Err(error) => protocol(CloseCode::Invalid, format!("an undecodable hello: {error}")),
        };
    }
}

fn goodbye_words(reason: ByeReason) -> String {
    match reason {
        ByeReason::Duplicate => "it keeps another link to this machine".into(),
        ByeReason::ShuttingDown => "it is shutting down".into(),
        ByeReason::Version => "it speaks another version".into(),
        other => format!("{other:?}"),
    }
}

/// Ends when the peer goes away or speaks out of turn.
async fn watch_silence(socket: &mut Socket) -> String {
    loop {
        match socket.next().await {
            Ok(Incoming::Ping | Incoming::Pong(_)) => {}
            Ok(Incoming::Frame(_)) => return "it spoke before it was answered".into(),
            Err(error) => return error.to_string(),
        }
    }
}
