//! A relay that lies: the real one, and before it something that reads along and bends what is said.
//!
//! Machines dial what stands before it. Each of their connections is passed on frame by frame, but for those lies that the
//! test has ordered; tunnels are passed on as they are. So what is not lied about is the real relay's own doing.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use link::tasks::Tasks;
use proto::SignedPrekey;
use proto::id::MachineId;
use proto::relay::{CIRCUIT_PATH, FromRelay, Item, Request, SUBPROTOCOL, ToRelay};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request as Opening, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::person::PATIENCE;
use crate::relay::Relay;
use crate::transcript::Transcript;

/// A relay that lies when it is told to.
#[derive(Debug)]
pub struct Liar {
    honest: Relay,
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    transcript: Transcript,
    _tasks: Tasks,
}

/// What a relay that lies has heard and said so far.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// What was put, in its order: for whom, and the envelope. What was dropped, too.
    pub puts: Vec<(MachineId, Bytes)>,
    /// Prekeys that machines laid down, the oldest first.
    pub published: Vec<SignedPrekey>,
    /// How often it was asked for a prekey, and answered.
    pub asked: usize,
    /// How often each machine was told that there is nothing more in its mailbox, after all was handed over again.
    pub emptied: BTreeMap<MachineId, usize>,
}

impl Heard {
    /// What was put for a machine.
    #[must_use]
    pub fn put_for(&self, machine: MachineId) -> Vec<Bytes> {
        self.puts.iter().filter(|(to, _)| *to == machine).map(|(_, envelope)| envelope.clone()).collect()
    }
}

#[derive(Debug, Default)]
struct State {
    lies: Lies,
    heard: Heard,
    /// What was put for each machine and not dropped.
    kept: BTreeMap<MachineId, Vec<Bytes>>,
}

#[derive(Debug, Default)]
struct Lies {
    drops: bool,
    repeats: bool,
    present: BTreeMap<MachineId, bool>,
    prekeys: BTreeMap<MachineId, SignedPrekey>,
}

impl Liar {
    pub(crate) async fn start(dir: PathBuf, limits: relay::Limits, transcript: Transcript) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let honest = Relay::start_behind(dir, limits, Some(origin(address)), transcript.clone()).await;
        let state = Arc::new(watch::Sender::new(State::default()));
        let tasks = Tasks::new();
        let (spawner, known, behind) = (tasks.spawner(), state.clone(), honest.listen());
        tasks.spawn("liar", async move {
            while let Ok((near, _)) = listener.accept().await {
                spawner.spawn("lie", pass_on(near, behind, known.clone()));
            }
        });
        Self { honest, address, state, transcript, _tasks: tasks }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> String {
        origin(self.address)
    }

    /// The real relay behind it.
    #[must_use]
    pub fn honest(&self) -> &Relay {
        &self.honest
    }

    /// Acknowledges what is put and drops it, or no longer.
    pub fn drops(&self, drops: bool) {
        self.lie(if drops { "drops what is put" } else { "keeps what is put" }, |lies| lies.drops = drops);
    }

    /// From now on hands over all that was ever put for a machine and not dropped: page by page the newest first, then all
    /// in order, each item twice, whatever was acknowledged; and all over again when something is put, or it comes anew.
    pub fn repeats(&self) {
        self.lie("hands everything over again", |lies| lies.repeats = true);
    }

    /// Says to who asks that a machine is there or not.
    pub fn says_present(&self, machine: MachineId, online: bool) {
        self.lie("forges presence", |lies| {
            lies.present.insert(machine, online);
        });
    }

    /// Gives this prekey to who asks for a machine's.
    pub fn gives(&self, machine: MachineId, prekey: SignedPrekey) {
        self.lie("swaps a prekey", |lies| {
            lies.prekeys.insert(machine, prekey);
        });
    }

    /// Tells the truth of who is there, and gives genuine prekeys.
    pub fn tells_the_truth(&self) {
        self.lie("tells the truth", |lies| {
            lies.present.clear();
            lies.prekeys.clear();
        });
    }

    /// What it has heard so far.
    #[must_use]
    pub fn heard(&self) -> Heard {
        self.state.borrow().heard.clone()
    }

    /// Waits until it has heard something.
    ///
    /// # Panics
    /// When that does not come.
    pub async fn until(&self, what: &str, fits: impl Fn(&Heard) -> bool) {
        let mut state = self.state.subscribe();
        let waited = tokio::time::timeout(PATIENCE, state.wait_for(|state| fits(&state.heard))).await;
        assert!(waited.is_ok(), "waited {} s for {what}\n{}", PATIENCE.as_secs(), self.transcript.text());
    }

    fn lie(&self, what: &str, change: impl FnOnce(&mut Lies)) {
        self.transcript.add(&format!("the relay {what}"));
        self.state.send_modify(|state| change(&mut state.lies));
    }
}

fn origin(address: SocketAddr) -> String {
    format!("ws://{address}")
}

/// Carries one connection until either end has enough.
async fn pass_on(near: TcpStream, relay: SocketAddr, state: Arc<watch::Sender<State>>) {
    let Ok(far) = TcpStream::connect(relay).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let mut path = String::new();
    let protocol = HeaderValue::from_static(SUBPROTOCOL);
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let opened = |opening: &Opening, mut response: Response| -> Result<Response, ErrorResponse> {
        opening.uri().path().clone_into(&mut path);
        response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
        Ok(response)
    };
    let Ok(near) = accept_hdr_async(near, opened).await else { return };
    let mut request = format!("ws://{relay}{path}").into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let Ok((far, _)) = client_async(request, far).await else { return };
    if path == CIRCUIT_PATH {
        let ((near_out, near_in), (far_out, far_in)) = (near.split(), far.split());
        tokio::select! {
            _ = near_in.forward(far_out) => {}
            _ = far_in.forward(near_out) => {}
        }
    } else {
        let changes = state.subscribe();
        // Whichever end goes, the other is dropped with it.
        Talk { state, ..Talk::default() }.run(near, far, changes).await.ok();
    }
}

type Socket = WebSocketStream<TcpStream>;

/// A connection on which frames go.
#[derive(Default)]
struct Talk {
    state: Arc<watch::Sender<State>>,
    /// Who has logged in.
    machine: Option<MachineId>,
    /// Who is watched, and whether the relay says that it is there.
    watched: BTreeMap<MachineId, bool>,
    /// What was said of them.
    told: BTreeMap<MachineId, bool>,
    /// Of whom prekeys were asked for.
    asked: BTreeMap<Request, MachineId>,
    /// How many envelopes were there when it began to hand them over.
    counted: usize,
    /// Which of them come next.
    turns: VecDeque<usize>,
}

/// Why it does not go on.
struct Ended;

impl Talk {
    async fn run(
        mut self,
        mut near: Socket,
        mut far: Socket,
        mut changes: watch::Receiver<State>,
    ) -> Result<(), Ended> {
        loop {
            tokio::select! {
                message = near.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => match self.asked(&bytes) {
                        Some(answer) => say(&mut near, answer).await?,
                        None => send(&mut far, Message::Binary(bytes)).await?,
                    },
                    Some(Ok(ping @ Message::Ping(_))) => send(&mut far, ping).await?,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(Ended),
                },
                message = far.next() => match message {
                    Some(Ok(Message::Binary(bytes))) => {
                        let answer = self.answered(FromRelay::decode(&bytes).map_err(|_| Ended)?);
                        say(&mut near, answer).await?;
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(Ended),
                },
                changed = changes.changed() => {
                    changed.map_err(|_| Ended)?;
                    for said in self.news() {
                        say(&mut near, said).await?;
                    }
                }
            }
        }
    }

    /// What is answered to a frame in the relay's place; nothing when the relay is to answer.
    fn asked(&mut self, bytes: &Bytes) -> Option<FromRelay> {
        let asked = ToRelay::decode(bytes).ok()?;
        let state = self.state.clone();
        let (drops, repeats) = {
            let lies = &state.borrow().lies;
            (lies.drops, lies.repeats)
        };
        match asked {
            ToRelay::Login(login) => self.machine = Some(login.machine),
            ToRelay::Watch { items, replace, .. } => {
                if replace {
                    self.watched.clear();
                    self.told.clear();
                }
                self.watched.extend(items.iter().map(|(machine, _)| (*machine, false)));
            }
            ToRelay::GetPrekey { request, machine } => {
                self.asked.insert(request, machine);
            }
            ToRelay::Publish { prekey, .. } => state.send_modify(|state| state.heard.published.push(prekey)),
            ToRelay::Put { request, to, envelope, .. } => {
                state.send_modify(|state| {
                    state.heard.puts.push((to, envelope.clone()));
                    if !drops {
                        state.kept.entry(to).or_default().push(envelope);
                    }
                });
                return drops.then_some(FromRelay::Done { request });
            }
            ToRelay::Fetch { request, after, .. } if repeats => return Some(self.page(request, after)),
            ToRelay::Ack { request, .. } if repeats => return Some(FromRelay::Done { request }),
            _ => {}
        }
        None
    }

    /// What a machine is told of its mailbox.
    fn page(&mut self, request: Request, after: u64) -> FromRelay {
        let machine = self.machine.unwrap_or(MachineId::from_bytes([0; 32]));
        let kept = self.state.borrow().kept.get(&machine).cloned().unwrap_or_default();
        if std::mem::replace(&mut self.counted, kept.len()) != kept.len() {
            self.turns = (0..kept.len()).rev().chain(0..kept.len()).collect();
        }
        let next = self.turns.pop_front().and_then(|turn| kept.get(turn));
        if next.is_none() {
            self.state.send_modify(|state| *state.heard.emptied.entry(machine).or_default() += 1);
        }
        let twice = next.into_iter().flat_map(|envelope| [envelope, envelope]);
        let items =
            (after + 1..).zip(twice).map(|(cursor, envelope)| Item { cursor, put_s: 0, envelope: envelope.clone() });
        FromRelay::Items { request, items: items.collect(), more: next.is_some() }
    }

    /// What is said in the place of what the relay says.
    fn answered(&mut self, answer: FromRelay) -> FromRelay {
        match answer {
            FromRelay::Presence { items } => {
                let state = self.state.borrow();
                let bent = |(machine, online)| (machine, *state.lies.present.get(&machine).unwrap_or(&online));
                self.watched.extend(items.iter().copied());
                let items: Vec<_> = items.into_iter().map(bent).collect();
                self.told.extend(items.iter().copied());
                FromRelay::Presence { items }
            }
            FromRelay::Prekey { request, prekey } => {
                let machine = self.asked.remove(&request);
                let mut swapped = None;
                self.state.send_modify(|state| {
                    state.heard.asked += 1;
                    swapped = machine.and_then(|machine| state.lies.prekeys.get(&machine).cloned());
                });
                FromRelay::Prekey { request, prekey: swapped.or(prekey) }
            }
            other => other,
        }
    }

    /// What is said unasked since the lies have changed, or something was put.
    fn news(&mut self) -> Vec<FromRelay> {
        let state = self.state.borrow();
        let present = |(machine, online): (&MachineId, &bool)| {
            let said = *state.lies.present.get(machine).unwrap_or(online);
            self.told.get(machine).is_some_and(|told| *told != said).then_some((*machine, said))
        };
        let items: Vec<_> = self.watched.iter().filter_map(present).collect();
        self.told.extend(items.iter().copied());
        let kept = self.machine.and_then(|machine| state.kept.get(&machine)).map_or(0, Vec::len);
        let arrived = state.lies.repeats && kept != self.counted;
        let present = (!items.is_empty()).then_some(FromRelay::Presence { items });
        present.into_iter().chain(arrived.then_some(FromRelay::Arrived)).collect()
    }
}

async fn say(socket: &mut Socket, frame: FromRelay) -> Result<(), Ended> {
    send(socket, Message::Binary(frame.encode().into())).await
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), Ended> {
    socket.send(message).await.map_err(|_| Ended)
}
