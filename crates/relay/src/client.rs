//! One client's connection, from the challenge to the end.
//!
//! What needs the store is answered when it is done, and meanwhile more is taken, so that a client that puts much shares
//! the store's syncs with itself. Whatever else comes is done in its order. A client that does not read is not read
//! either: nothing piles up for it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use proto::id::MachineId;
use proto::limits;
use proto::relay::{FromRelay, RelayBye, ToRelay};
use tokio::task::{Unconstrained, unconstrained};
use tokio::time::{Instant, sleep_until, timeout};

use crate::circuits::{End as Way, Side};
use crate::hub::Line;
use crate::listener::Place;
use crate::pace::Pace;
use crate::relay::Inner;

/// Requests of one connection that may wait for the store.
const IN_FLIGHT: usize = 64;

/// How long a client gets to take the end of its connection.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long clients do well to wait after a relay has said that it shuts down: a restart takes less.
const AWAY_S: u32 = 5;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client went, or takes nothing any more.
    Gone,
    /// The relay says why.
    Bye(RelayBye),
    /// A login was refused: that was said already.
    Refused,
}

/// A client, as far as this connection knows it.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) relay: Arc<Inner>,
    pub(crate) line: Arc<Line>,
    /// Where it comes from.
    pub(crate) source: IpAddr,
    /// Made for this connection; what proves a login is made over it.
    pub(crate) nonce: [u8; 32],
    /// Who has logged in.
    pub(crate) machine: Option<MachineId>,
    /// Whom it watches.
    pub(crate) watched: HashSet<MachineId>,
}

/// What comes of a frame.
pub(crate) enum Outcome {
    /// Frames to send now.
    Now(Vec<FromRelay>),
    /// A frame to send when the store is done.
    Later(BoxFuture<'static, FromRelay>),
    /// A frame to send before the end.
    Last(FromRelay),
}

/// Answers that wait for the store. Unconstrained: each hands its job to the store when it is polled first, which must not be put
/// off, or the next one would overtake it.
type Waiting = FuturesUnordered<Unconstrained<BoxFuture<'static, FromRelay>>>;

/// Serves a client until one of the two ends.
pub(crate) async fn serve(relay: Arc<Inner>, mut socket: WebSocket, source: IpAddr, place: Place) {
    let mut nonce = [0; 32];
    if getrandom::fill(&mut nonce).is_err() {
        tracing::error!("the system gave no randomness; a client was sent away");
        return;
    }
    let line = relay.hub.line();
    let mut client = Client { relay: relay.clone(), line, source, nonce, machine: None, watched: HashSet::new() };
    let end = converse(&mut client, &mut socket).await;
    relay.hub.leave(&client.line, client.machine.as_ref(), &client.watched, relay.now_s());
    let farewell = async {
        if let End::Bye(code) = end {
            let after_s = if code == RelayBye::ShuttingDown { AWAY_S } else { 0 };
            socket.send(binary(&FromRelay::Bye { code, after_s })).await.ok();
        }
        socket.close().await.ok();
        // Closing with something unread would reset the connection, and the farewell be lost.
        while let Some(Ok(_)) = socket.recv().await {}
    };
    if end != End::Gone {
        // Who does not take it finds the connection gone.
        let _ = timeout(FAREWELL, farewell).await;
    }
    drop(place);
}

async fn converse(client: &mut Client, socket: &mut WebSocket) -> End {
    let relay = client.relay.clone();
    let patience = relay.limits.dead;
    let stop = relay.tasks.stopping().clone();
    let challenge = FromRelay::Challenge { version: limits::RELAY_VERSION, nonce: client.nonce };
    if let Err(end) = send(socket, &challenge, patience).await {
        return end;
    }
    let mut waiting = Waiting::new();
    let mut pace = Pace::new(relay.limits.frames_per_second.into());
    let (mut heard, mut asked) = (Instant::now(), Instant::now());
    let mut next_ping = heard + relay.limits.ping;
    loop {
        tokio::select! {
            () = stop.cancelled() => return End::Bye(RelayBye::ShuttingDown),
            () = client.line.bell.notified() => {
                if let Err(end) = tell(client, socket, patience).await {
                    return end;
                }
            }
            Some(answer) = waiting.next(), if !waiting.is_empty() => {
                if let Err(end) = Box::pin(give(socket, answer, &mut waiting, patience)).await {
                    return end;
                }
            }
            message = socket.recv(), if waiting.len() < IN_FLIGHT => {
                heard = Instant::now();
                next_ping = heard + relay.limits.ping;
                let frame = match message {
                    Some(Ok(Message::Binary(frame))) => frame,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Text(_))) => return End::Bye(RelayBye::Protocol),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                };
                asked = heard;
                if let Some(wait) = pace.count(1) {
                    wait.await;
                }
                // In a box, which is gone when it is answered: an idle client keeps no room for it.
                if let Err(end) = Box::pin(answer(client, socket, &frame, &mut waiting, patience)).await {
                    return end;
                }
            }
            () = sleep_until(next_ping) => {
                if heard.elapsed() >= relay.limits.dead {
                    return End::Gone;
                }
                if client.machine.is_none() && client.watched.is_empty() && asked.elapsed() >= relay.limits.dead {
                    return End::Bye(RelayBye::Idle);
                }
                if !matches!(timeout(patience, socket.send(Message::Ping(Bytes::new()))).await, Ok(Ok(()))) {
                    return End::Gone;
                }
                next_ping = Instant::now() + relay.limits.ping;
            }
        }
    }
}

/// Does what a frame asks for.
async fn answer(
    client: &mut Client,
    socket: &mut WebSocket,
    frame: &[u8],
    waiting: &mut Waiting,
    patience: Duration,
) -> Result<(), End> {
    let frame = ToRelay::decode(frame).map_err(|error| {
        tracing::debug!(%error, "a frame was refused");
        End::Bye(RelayBye::Protocol)
    })?;
    match client.ask(frame).await? {
        Outcome::Now(answers) => {
            for answer in answers {
                send(socket, &answer, patience).await?;
            }
        }
        Outcome::Later(answer) => waiting.push(unconstrained(answer)),
        Outcome::Last(answer) => {
            send(socket, &answer, patience).await?;
            return Err(End::Refused);
        }
    }
    Ok(())
}

/// Tells what others have left for this client.
async fn tell(client: &Client, socket: &mut WebSocket, patience: Duration) -> Result<(), End> {
    let post = client.line.take();
    if let Some(code) = post.bye {
        return Err(End::Bye(code));
    }
    for ticket in post.incoming {
        send(socket, &FromRelay::Incoming { ticket }, patience).await?;
    }
    let present: Vec<(MachineId, bool)> = post.presence.into_iter().collect();
    for items in present.chunks(limits::RELAY_WATCHES_PER_FRAME) {
        send(socket, &FromRelay::Presence { items: items.to_vec() }, patience).await?;
    }
    if post.arrived {
        send(socket, &FromRelay::Arrived, patience).await?;
    }
    Ok(())
}

/// Gives an answer, with those that are ready as well: many that waited for one sync go out at once.
async fn give(socket: &mut WebSocket, answer: FromRelay, waiting: &mut Waiting, patience: Duration) -> Result<(), End> {
    let mut next = Some(answer);
    while let Some(answer) = next {
        within(patience, socket.feed(binary(&answer))).await?;
        next = waiting.next().now_or_never().flatten();
    }
    within(patience, socket.flush()).await
}

async fn send(socket: &mut WebSocket, frame: &FromRelay, patience: Duration) -> Result<(), End> {
    within(patience, socket.send(binary(frame))).await
}

/// Whether the client takes something in time.
async fn within<E>(patience: Duration, writing: impl Future<Output = Result<(), E>>) -> Result<(), End> {
    match timeout(patience, writing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Gone),
    }
}

fn binary(frame: &FromRelay) -> Message {
    Message::Binary(frame.encode().into())
}

/// Serves one side of a tunnel.
pub(crate) async fn serve_circuit(relay: Arc<Inner>, mut socket: WebSocket, place: Place) {
    let stop = relay.tasks.stopping().clone();
    let first = tokio::select! {
        first = timeout(relay.limits.ticket, socket.recv()) => first,
        () = stop.cancelled() => return,
    };
    let ticket = match first {
        Ok(Some(Ok(Message::Binary(bytes)))) => <[u8; 32]>::try_from(bytes.as_ref()).ok(),
        _ => None,
    };
    let Some(ticket) = ticket else { return drop(timeout(FAREWELL, socket.close()).await) };
    if let Some(circuit) = relay.circuits.redeem(&ticket) {
        return circuit.join(Side { end: Way::Socket(Box::new(socket)), place: Some(place) }, stop).await;
    }
    let pipe = match &relay.fabric {
        Some(fabric) => fabric.enter(&ticket).await,
        None => None,
    };
    match pipe {
        Some(pipe) => {
            relay.circuits.carry(Side { end: Way::Socket(Box::new(socket)), place: Some(place) }, pipe, stop).await
        }
        None => drop(timeout(FAREWELL, socket.close()).await),
    }
}
