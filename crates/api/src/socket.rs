//! Socket.IO: the same commands, and the node's changes as they happen.
//!
//! Each client has two tasks. One carries out what the client sends, in the order in which it came. The other passes on
//! what the node tells. Both wait for room when the client does not take what it is sent; meanwhile its own events are
//! refused beyond a bound, and the node's changes wait in their one shared buffer, so a client that stalls costs no more
//! than its bounded queues until its heartbeat ends it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use node::FocusState;
use node::view::Change;
use serde::Serialize;
use serde_json::{Value, json};
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{AckSender, Event, SocketRef, TryData};
use socketioxide::handler::{ConnectHandler as _, FromMessageParts};
use socketioxide::layer::SocketIoLayer;
use socketioxide::socket::Socket;
use socketioxide::{ParserConfig, SendError, SocketError, SocketIo};
use socketioxide_core::Value as Packet;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::args::{FocusArgs, Scope};
use crate::door::Caller;
use crate::error::ApiError;
use crate::events::Teller;
use crate::private::hide_paths;
use crate::requests::{self, Answer};
use crate::rest::BODY_BYTES;
use crate::server::Served;

/// Largest packet that is read at all. What lies between this and [`BODY_BYTES`] is answered with an error; beyond it
/// the connection ends.
const PACKET_BYTES: usize = 1024 * 1024;

/// Packets that may wait for a client to take them.
const OUTGOING: usize = 128;

/// Events of a client that may wait to be carried out, and their bytes. What comes beyond it is refused.
const INCOMING: usize = 1024;
const INCOMING_BYTES: usize = 4 * 1024 * 1024;

/// Events of a client that may wait at all, refused ones included. Who sends on is let go.
const QUEUED: usize = 16 * 1024;

/// How often to look whether a client has made room. Socket.IO's library gives no signal for it.
const ROOM_CHECK: Duration = Duration::from_millis(20);

/// How long a connection may stay without having shown a token.
const TOKEN_TIME: Duration = Duration::from_secs(10);

/// Most windows that one client speaks for.
const VIEWERS: usize = 8;

/// An event of a client on its way to be carried out.
struct Incoming {
    event: String,
    data: Result<Value, ApiError>,
    bytes: usize,
    place: AckPlace,
}

/// Where the answer to an event goes. The library's own sender is used up by an attempt for which there is no room; this
/// one can be tried again.
struct AckPlace {
    socket: Arc<Socket>,
    id: Option<i64>,
}

impl FromMessageParts<LocalAdapter> for AckPlace {
    type Error = Infallible;

    fn from_message_parts(socket: &Arc<Socket>, _: &mut Packet, id: &Option<i64>) -> Result<Self, Infallible> {
        Ok(Self { socket: socket.clone(), id: *id })
    }
}

impl AckPlace {
    fn send(&self, value: &Value) -> Result<(), SendError> {
        let mut nothing = Packet::Bytes(Bytes::new());
        match AckSender::from_message_parts(&self.socket, &mut nothing, &self.id) {
            Ok(sender) => sender.send(value),
            Err(never) => match never {},
        }
    }
}

/// What a client has sent that is not carried out yet. It holds no socket, because the socket holds it.
struct Queue {
    inbox: mpsc::Sender<Incoming>,
    /// The other end, until the client's task takes it.
    outbox: Mutex<Option<mpsc::Receiver<Incoming>>>,
    waiting: AtomicUsize,
    waiting_bytes: AtomicUsize,
    gone: CancellationToken,
}

/// One client.
struct Client {
    served: Arc<Served>,
    socket: SocketRef,
    caller: Caller,
    queue: Arc<Queue>,
    /// Whether it wants the plain changes instead of the public events.
    wants_changes: AtomicBool,
    gone: CancellationToken,
}

/// The layer that answers `/socket.io`, and the handle that ends it.
pub(crate) fn layer(served: &Arc<Served>) -> (SocketIoLayer, SocketIo) {
    let (layer, io) = SocketIo::builder()
        .max_payload(PACKET_BYTES as u64)
        .ws_max_message_size(PACKET_BYTES)
        .ws_max_frame_size(PACKET_BYTES)
        .max_buffer_size(OUTGOING)
        .connect_timeout(TOKEN_TIME)
        .with_parser(ParserConfig::common().max_incoming_binaries(1).max_incoming_binary_buf_size(1024))
        .build_layer();
    let judge = served.clone();
    let authenticate = move |socket: SocketRef, TryData(auth): TryData<Value>| {
        let admitted = admit(&judge, &socket, auth.ok().as_ref());
        if let Ok(caller) = &admitted {
            listen(&judge, &socket, caller);
        }
        async move { admitted.map(|_| ()) }
    };
    let served = served.clone();
    let connected = move |socket: SocketRef| {
        welcome(&served, &socket);
        std::future::ready(())
    };
    io.ns("/", connected.with(authenticate));
    (layer, io)
}

/// Judges a handshake by the token in its `auth`, or in its `Authorization` header.
fn admit(served: &Served, socket: &SocketRef, auth: Option<&Value>) -> Result<Caller, ApiError> {
    let verified = match auth.and_then(|auth| auth.get("token")) {
        Some(Value::String(token)) => served.door.tokens.verify(token, served.door.now()),
        Some(_) => Err(ApiError::unauthorized("token_malformed", "auth.token must be a text.")),
        None => {
            let headers = &socket.req_parts().headers;
            return crate::rest::caller(served, headers)?
                .ok_or_else(|| ApiError::unauthorized("token_missing", "Connect with { auth: { token } }."));
        }
    };
    let caller = verified?;
    served.budget.take(&caller.id)?;
    Ok(caller)
}

/// Queues what a client sends. It stands before the client is told that it is connected: what comes right behind that,
/// and finds nobody who listens, is dropped without a word.
fn listen(served: &Served, socket: &SocketRef, caller: &Caller) {
    let (inbox, outbox) = mpsc::channel(QUEUED);
    let queue = Arc::new(Queue {
        inbox,
        outbox: Mutex::new(Some(outbox)),
        waiting: AtomicUsize::new(0),
        waiting_bytes: AtomicUsize::new(0),
        gone: served.spawner.stop_token(),
    });
    socket.extensions.insert(caller.clone());
    socket.extensions.insert(queue.clone());
    // Called in the order in which the events arrive; a future would run in any order.
    let entry = move |socket: SocketRef, Event(event): Event, TryData(data): TryData<Value>, place: AckPlace| {
        queue.take(socket, event, data.ok(), place);
        std::future::ready(())
    };
    socket.on_fallback(entry);
}

/// Starts a client's two tasks.
fn welcome(served: &Arc<Served>, socket: &SocketRef) {
    let Some(caller) = socket.extensions.get::<Caller>() else { return };
    let Some(queue) = socket.extensions.remove::<Arc<Queue>>() else { return };
    let Some(outbox) = queue.outbox.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let may_read = caller.scopes.contains(&Scope::Read);
    let gone = queue.gone.clone();
    let client = Arc::new(Client {
        served: served.clone(),
        socket: socket.clone(),
        caller,
        queue,
        wants_changes: AtomicBool::new(false),
        gone: gone.clone(),
    });
    socket.on_disconnect(move || {
        gone.cancel();
        std::future::ready(())
    });
    // It may have gone before the handler stood.
    if !socket.connected() {
        client.gone.cancel();
    }

    // Before anything is carried out, so that no change is missed.
    let changes = client.served.door.node.changes();
    let teller = Teller::new(&client.served.door.node, &client.caller);
    if may_read {
        served.spawner.spawn("socket.io teller", client.clone().tell(changes, teller));
    }
    served.spawner.spawn("socket.io client", client.carry_out(outbox));
}

impl Queue {
    /// Queues an event; one that is too much is queued to be refused, so that answers keep their order.
    fn take(&self, socket: SocketRef, event: String, data: Option<Value>, place: AckPlace) {
        let bytes = data.as_ref().map_or(0, size) + event.len();
        let (waiting, waiting_bytes) =
            (self.waiting.load(Ordering::Acquire), self.waiting_bytes.load(Ordering::Acquire));
        let incoming = if bytes > BODY_BYTES {
            let text = format!("An event can hold {BODY_BYTES} bytes.");
            let error = ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text).limit(BODY_BYTES as u64);
            Incoming { event: String::new(), data: Err(error), bytes: 0, place }
        } else if waiting >= INCOMING || waiting_bytes + bytes > INCOMING_BYTES {
            Incoming { event: String::new(), data: Err(busy()), bytes: 0, place }
        } else {
            self.waiting.fetch_add(1, Ordering::AcqRel);
            self.waiting_bytes.fetch_add(bytes, Ordering::AcqRel);
            // An event without a payload, or with one that is not JSON, comes as none.
            Incoming { event, data: Ok(data.unwrap_or(Value::Null)), bytes, place }
        };
        if self.inbox.try_send(incoming).is_err() {
            let _ = socket.disconnect();
            self.gone.cancel();
        }
    }
}

impl Client {
    /// Carries out the client's events, one after the other.
    async fn carry_out(self: Arc<Self>, mut inbox: mpsc::Receiver<Incoming>) {
        let _counted = self.served.count_realtime_client();
        let mut viewers = BTreeSet::new();
        loop {
            let incoming = tokio::select! {
                incoming = inbox.recv() => incoming,
                () = self.gone.cancelled() => None,
            };
            let Some(Incoming { event, data, bytes, place }) = incoming else { break };
            if let Err(error) = self.allowed() {
                self.dismiss(error).await;
                break;
            }
            let answer = match data {
                Ok(data) => {
                    let answer = match self.served.budget.take(&self.caller.id) {
                        Ok(()) => {
                            note_viewer(&event, &data, &mut viewers);
                            self.answer(&event, data).await
                        }
                        Err(error) => Answer::refused("error", &error),
                    };
                    self.queue.waiting.fetch_sub(1, Ordering::AcqRel);
                    self.queue.waiting_bytes.fetch_sub(bytes, Ordering::AcqRel);
                    answer
                }
                Err(error) => Answer::refused("error", &error),
            };
            if !self.reply(&place, answer).await {
                break;
            }
        }
        self.gone.cancel();
        // A page that is gone shows nothing.
        for viewer in viewers {
            self.served.door.node.focus(FocusState { viewer, session: None, focused: false });
        }
    }

    async fn answer(&self, event: &str, data: Value) -> Answer {
        match event {
            "subscribe_changes" => match self.caller.require(Scope::Read) {
                Ok(()) => {
                    self.wants_changes.store(true, Ordering::Release);
                    Answer::quiet(json!({ "ok": true }))
                }
                Err(error) => Answer::refused("error", &error),
            },
            event => requests::answer(&self.served.door, &self.caller, event, data).await,
        }
    }

    /// Sends an answer; false when the client is gone.
    async fn reply(&self, place: &AckPlace, answer: Answer) -> bool {
        if !self.with_room(|| place.send(&answer.ack)).await {
            return false;
        }
        for (name, value) in answer.events {
            if !self.emit(name, &value).await {
                return false;
            }
        }
        true
    }

    /// Passes on what the node tells.
    async fn tell(self: Arc<Self>, mut changes: node::Changes, mut teller: Teller) {
        loop {
            let change = tokio::select! {
                change = changes.next() => change,
                () = self.gone.cancelled() => return,
            };
            let Some(change) = change else { return };
            if let Err(error) = self.allowed() {
                self.dismiss(error).await;
                return;
            }
            let alive = match change {
                Err(_) => self.emit("lagged", &json!({})).await,
                Ok(change) if self.wants_changes.load(Ordering::Acquire) => self.pass_on(&change).await,
                Ok(change) => {
                    let mut alive = true;
                    for (name, value) in teller.tell(&change) {
                        alive = alive && self.emit(name, &value).await;
                    }
                    alive
                }
            };
            if !alive {
                return;
            }
        }
    }

    /// Passes a change on as it is, without what the client must not see; false when the client is gone.
    async fn pass_on(&self, change: &Change) -> bool {
        if self.caller.sees_paths() {
            return self.emit("change", change).await;
        }
        let mut value = json!(change);
        hide_paths(&mut value);
        self.emit("change", &value).await
    }

    /// Whether the client's token still holds.
    fn allowed(&self) -> Result<(), ApiError> {
        self.served.door.tokens.check(&self.caller.id, self.served.door.now())
    }

    /// Says why, and ends the connection.
    async fn dismiss(&self, error: ApiError) {
        self.emit("error", &error.body).await;
        let _ = self.socket.clone().disconnect();
        self.gone.cancel();
    }

    /// Sends an event once there is room; false when the client is gone.
    async fn emit<T: Serialize + Sync>(&self, name: &str, value: &T) -> bool {
        self.with_room(|| self.socket.emit(name, value)).await
    }

    /// Tries until there is room; false when the client is gone.
    async fn with_room(&self, send: impl Fn() -> Result<(), SendError>) -> bool {
        loop {
            match send() {
                Ok(()) => return true,
                Err(SendError::Socket(SocketError::InternalChannelFull)) => tokio::select! {
                    () = tokio::time::sleep(ROOM_CHECK) => {}
                    () = self.gone.cancelled() => return false,
                },
                Err(_) => return false,
            }
        }
    }
}

fn busy() -> ApiError {
    let text = "Too many events wait to be carried out; send more slowly.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", text)
}

/// Remembers for which windows a client says what is on screen.
fn note_viewer(event: &str, data: &Value, viewers: &mut BTreeSet<String>) {
    if event != "rpc" || data.get("command").and_then(Value::as_str) != Some("focus") || viewers.len() >= VIEWERS {
        return;
    }
    if let Some(args) = data.get("args")
        && let Ok(focus) = crate::args::parse::<FocusArgs>(args.clone())
    {
        viewers.insert(focus.viewer);
    }
}

/// About how many bytes a payload takes; parsing took it out of its packet.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| size(item) + 1).sum::<usize>() + 2,
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + size(value) + 4).sum::<usize>() + 2,
    }
}
