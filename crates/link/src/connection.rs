//! One standing link: the handle for sending, and the pump that reads, writes and keeps it alive.
//!
//! The pump is one task and owns the socket. Towards the node it has two bounded queues, so a slow node holds the peer
//! back and a slow peer holds the node back.

use std::{fmt, future::poll_fn, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use proto::{
    frame::{ByeReason, Frame, Phase},
    id::MachineId,
    limits,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

use crate::{
    config::{Gate, GateCheck},
    error::SendError,
    event::{ConnId, DownReason},
    socket::{Incoming, Socket, SocketError},
    timing::Timings,
};

/// Frames that wait to be sent, at most. Together with [`OUTGOING_BYTES`]: many small ones or a few large ones.
const OUTGOING_FRAMES: usize = 64;

/// Bytes that wait to be sent, at most: two of the largest frames, so that one can be written while the next is
/// prepared.
const OUTGOING_BYTES: usize = 2 * limits::FRAME_BYTES;

/// Decoded frames that wait for the node, at most. Few, because each may hold 1 MiB and the peer chooses.
const INCOMING_FRAMES: usize = 8;

/// Bytes that are gathered into one flush.
const FLUSH_BYTES: usize = 64 * 1024;

/// Frames per second that a machine which is no contact may send. A request is a handful of frames.
const STRANGER_FRAMES_PER_SECOND: u32 = 200;

/// Frames that such a machine may send at once.
const STRANGER_BURST: u32 = 400;

/// The sending side of a link. Cheap to clone; the link lives on without it.
#[derive(Clone)]
pub struct Conn {
    shared: Arc<Shared>,
}

struct Shared {
    id: ConnId,
    peer: MachineId,
    outgoing: mpsc::Sender<Outgoing>,
    budget: Arc<Semaphore>,
    control: ControlSender,
}

/// Orders to the pump. Unbounded, because only this program sends them, a few in the life of a link.
pub(crate) type ControlSender = mpsc::UnboundedSender<Control>;

struct Outgoing {
    bytes: Bytes,
    /// Gives the queue's byte budget back once the bytes are with TLS.
    _budget: OwnedSemaphorePermit,
}

/// An order to the pump.
#[derive(Debug)]
pub(crate) enum Control {
    /// Say goodbye and end.
    Close {
        /// What the peer is told.
        bye: ByeReason,
        /// What this side reports.
        reason: DownReason,
    },
    /// Ping now; end unless the answer comes in time.
    Probe {
        /// How long the answer may take.
        within: Duration,
        /// Told when the answer has come.
        answered: Option<oneshot::Sender<()>>,
    },
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("id", &self.shared.id).field("peer", &self.shared.peer.short()).finish()
    }
}

impl Conn {
    /// Number of this link; the same as in [`crate::LinkEvent::Down`].
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.shared.id
    }

    /// The machine at the other end.
    #[must_use]
    pub fn peer(&self) -> MachineId {
        self.shared.peer
    }

    /// Queues a frame, waiting while the queue is full. Order is kept. That it was queued doesn't mean it arrived.
    ///
    /// # Errors
    /// [`SendError::Closed`] when the link has ended, [`SendError::TooLarge`] when the frame exceeds
    /// [`limits::FRAME_BYTES`].
    pub async fn send(&self, frame: Frame) -> Result<(), SendError> {
        let bytes = encode(&frame)?;
        // The frame itself may hold megabytes: not kept while waiting.
        drop(frame);
        let budget = self.shared.budget.clone().acquire_many_owned(weight(&bytes)).await;
        let outgoing = Outgoing { bytes, _budget: budget.map_err(|_| SendError::Closed)? };
        self.shared.outgoing.send(outgoing).await.map_err(|_| SendError::Closed)
    }

    /// Queues a frame if there is room.
    ///
    /// # Errors
    /// As [`Conn::send`], and [`SendError::Full`].
    pub fn try_send(&self, frame: &Frame) -> Result<(), SendError> {
        let bytes = encode(frame)?;
        let budget =
            self.shared.budget.clone().try_acquire_many_owned(weight(&bytes)).map_err(|error| match error {
                tokio::sync::TryAcquireError::Closed => SendError::Closed,
                tokio::sync::TryAcquireError::NoPermits => SendError::Full,
            })?;
        self.shared.outgoing.try_send(Outgoing { bytes, _budget: budget }).map_err(|error| match error {
            mpsc::error::TrySendError::Closed(_) => SendError::Closed,
            mpsc::error::TrySendError::Full(_) => SendError::Full,
        })
    }

    /// Says goodbye and ends the link. Frames that are still queued are not sent.
    pub fn close(&self, bye: ByeReason) {
        // A link that has ended already needs no order.
        self.shared.control.send(Control::Close { bye, reason: DownReason::Closed(bye) }).ok();
    }

    /// Whether the link has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.outgoing.is_closed()
    }
}

fn encode(frame: &Frame) -> Result<Bytes, SendError> {
    let bytes = frame.encode();
    if bytes.len() > limits::FRAME_BYTES {
        return Err(SendError::TooLarge);
    }
    Ok(bytes.into())
}

fn weight(bytes: &Bytes) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The pump's ends of a link's queues.
#[derive(Debug)]
pub(crate) struct Wiring {
    outgoing: mpsc::Receiver<Outgoing>,
    budget: Arc<Semaphore>,
    control: mpsc::UnboundedReceiver<Control>,
    frames: mpsc::Sender<Frame>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("bytes", &self.bytes.len()).finish()
    }
}

/// Makes the queues of a new link: the handle, what the node receives from, the control end, and the pump's ends.
pub(crate) fn wire(id: ConnId, peer: MachineId) -> (Conn, mpsc::Receiver<Frame>, ControlSender, Wiring) {
    let (outgoing_in, outgoing) = mpsc::channel(OUTGOING_FRAMES);
    let (control_in, control) = mpsc::unbounded_channel();
    let (frames, frames_out) = mpsc::channel(INCOMING_FRAMES);
    let budget = Arc::new(Semaphore::new(OUTGOING_BYTES));
    let shared = Shared { id, peer, outgoing: outgoing_in, budget: budget.clone(), control: control_in.clone() };
    let conn = Conn { shared: Arc::new(shared) };
    (conn, frames_out, control_in, Wiring { outgoing, budget, control, frames })
}

/// Reads, writes and watches one link until it ends.
pub(crate) struct Pump {
    peer: MachineId,
    socket: Socket,
    wiring: Wiring,
    timings: Timings,
    gate: GateCheck,
    stranger_limit: DefaultDirectRateLimiter,
    /// A frame for which the node's queue had no room.
    held: Option<Frame>,
    /// Something is queued in the socket and not flushed yet.
    flushing: bool,
    /// When the stream last took bytes, or when the flush began.
    progress: Progress,
    last_heard: Instant,
    next_ping: Instant,
    pings_sent: u64,
    probe: Option<Probe>,
    leaving: Option<Leaving>,
}

/// Another link takes over: what is on its way here still arrives, in both directions, before this one ends.
struct Leaving {
    ended: Ended,
    until: Instant,
    /// All that waited was written, and goodbye said.
    said: bool,
    /// The peer has said goodbye.
    heard: bool,
}

#[derive(Clone, Copy)]
struct Progress {
    written_bytes: u64,
    at: Instant,
}

struct Probe {
    ping: u64,
    deadline: Instant,
    answered: Vec<oneshot::Sender<()>>,
}

impl Probe {
    fn passed(self) {
        for answered in self.answered {
            answered.send(()).ok();
        }
    }
}

/// How a link ended, and the words to end it with.
#[derive(Debug)]
pub(crate) struct Ended {
    /// For the node.
    pub(crate) reason: DownReason,
    /// For the peer, when it can still hear.
    pub(crate) farewell: Option<Farewell>,
}

/// Last words.
#[derive(Debug)]
pub(crate) struct Farewell {
    pub(crate) bye: Option<ByeReason>,
    pub(crate) code: CloseCode,
    pub(crate) words: String,
}

impl Ended {
    fn silently(reason: DownReason) -> Self {
        Self { reason, farewell: None }
    }

    fn protocol(code: CloseCode, words: String) -> Self {
        let farewell = Farewell { bye: Some(ByeReason::Protocol), code, words: words.clone() };
        Self { reason: DownReason::Protocol(words), farewell: Some(farewell) }
    }

    /// The words that belong to a goodbye of ours.
    fn goodbye(bye: ByeReason, reason: DownReason) -> Self {
        let (code, words) = match bye {
            ByeReason::Duplicate => (CloseCode::Normal, "another link to this machine is kept"),
            ByeReason::ShuttingDown => (CloseCode::Away, "shutting down"),
            ByeReason::Flood => (CloseCode::Policy, "too many frames from a machine that is no contact"),
            _ => (CloseCode::Normal, "closed"),
        };
        // The blocked are not told that they are.
        let bye = (bye != ByeReason::Blocked).then_some(bye);
        Self { reason, farewell: Some(Farewell { bye, code, words: words.into() }) }
    }

    fn from_socket(error: SocketError) -> Self {
        match error {
            SocketError::Closed(words) | SocketError::Broken(words) => Self::silently(DownReason::Broken(words)),
            SocketError::Protocol { code, reason } => Self::protocol(code, reason),
        }
    }
}

enum Event {
    Ordered(Control),
    Time,
    /// The node's queue has room again, or is gone.
    Room(bool),
    Socket(Result<Step, SocketError>),
    Send(Outgoing),
    /// Nothing is left to be sent on a link that another one takes over.
    Sent,
}

enum Step {
    Heard(Incoming),
    Flushed,
}

impl Pump {
    pub(crate) fn new(peer: MachineId, mut socket: Socket, wiring: Wiring, timings: &Timings, gate: GateCheck) -> Self {
        socket.set_limit(limits::FRAME_BYTES);
        let now = Instant::now();
        Self {
            peer,
            socket,
            wiring,
            timings: timings.clone(),
            gate,
            stranger_limit: RateLimiter::direct(stranger_quota()),
            held: None,
            flushing: false,
            progress: Progress { written_bytes: 0, at: now },
            last_heard: now,
            next_ping: now + timings.ping,
            pings_sent: 0,
            probe: None,
            leaving: None,
        }
    }

    /// Runs until the link ends. The socket is handed back for [`say_farewell`].
    pub(crate) async fn run(mut self) -> (Socket, Ended) {
        let ended = self.pump().await;
        self.wiring.budget.close();
        (self.socket, ended)
    }

    async fn pump(&mut self) -> Ended {
        let timer = tokio::time::sleep_until(self.next_deadline());
        tokio::pin!(timer);
        loop {
            let deadline = self.next_deadline();
            // Moving a timer costs a lock: only when it must ring earlier. Ringing too early does no harm.
            if deadline < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            let flushing = self.flushing;
            let reading = self.held.is_none();
            let sent = !flushing && self.is_all_sent();
            let event = tokio::select! {
                Some(control) = self.wiring.control.recv() => Event::Ordered(control),
                () = &mut timer => Event::Time,
                room = self.wiring.frames.reserve(), if !reading => Event::Room(room.is_ok()),
                step = poll_step(&mut self.socket, reading, flushing), if reading || flushing => Event::Socket(step),
                Some(outgoing) = self.wiring.outgoing.recv(), if !flushing => Event::Send(outgoing),
                () = std::future::ready(()), if sent => Event::Sent,
            };
            let outcome = match event {
                Event::Ordered(control) => self.obey(control).await,
                Event::Time => self.on_time().await,
                Event::Room(true) => self.deliver_held(),
                Event::Room(false) => {
                    let bye = ByeReason::ShuttingDown;
                    Err(Ended::goodbye(bye, DownReason::Closed(bye)))
                }
                Event::Socket(Ok(Step::Heard(incoming))) => self.hear(incoming),
                Event::Socket(Ok(Step::Flushed)) => {
                    self.flushing = false;
                    Ok(())
                }
                Event::Socket(Err(error)) => Err(Ended::from_socket(error)),
                Event::Send(outgoing) => self.write(outgoing).await,
                Event::Sent => self.say_goodbye().await,
            };
            if let Err(ended) = outcome {
                return self.leaving.take().map_or(ended, |leaving| leaving.ended);
            }
            if let Some(leaving) = self.leaving.take_if(|leaving| leaving.said && leaving.heard && !self.flushing) {
                return leaving.ended;
            }
        }
    }

    fn next_deadline(&self) -> Instant {
        let mut deadline = self.next_ping.min(self.last_heard + self.timings.silence);
        if let Some(probe) = &self.probe {
            deadline = deadline.min(probe.deadline);
        }
        if self.flushing {
            deadline = deadline.min(self.progress.at + self.timings.write_stall);
        }
        if let Some(leaving) = &self.leaving {
            deadline = deadline.min(leaving.until);
        }
        deadline
    }

    async fn on_time(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        if let Some(leaving) = self.leaving.take_if(|leaving| now >= leaving.until) {
            return Err(leaving.ended);
        }
        if self.flushing {
            let written_bytes = self.socket.written_bytes();
            if written_bytes != self.progress.written_bytes {
                self.progress = Progress { written_bytes, at: now };
            } else if now >= self.progress.at + self.timings.write_stall {
                return Err(Ended::silently(DownReason::Stalled));
            }
        }
        if self.held.is_some() {
            // This machine is the slow one; nothing can be said about the other.
            self.last_heard = now;
            if let Some(probe) = self.probe.take() {
                probe.passed();
            }
        }
        if self.probe.as_ref().is_some_and(|probe| now >= probe.deadline)
            || now >= self.last_heard + self.timings.silence
        {
            return Err(Ended::silently(DownReason::Silent));
        }
        if now >= self.next_ping {
            self.ping().await?;
        }
        Ok(())
    }

    async fn obey(&mut self, control: Control) -> Result<(), Ended> {
        match control {
            Control::Close { bye: bye @ ByeReason::Duplicate, reason } => {
                self.leave(Ended::goodbye(bye, reason), false);
                Ok(())
            }
            Control::Close { bye, reason } => Err(Ended::goodbye(bye, reason)),
            Control::Probe { within, answered } => {
                if self.probe.is_none() {
                    self.ping().await?;
                }
                let deadline = Instant::now() + within;
                let ping = self.pings_sent;
                let probe = self.probe.get_or_insert_with(|| Probe { ping, deadline, answered: Vec::new() });
                probe.deadline = probe.deadline.min(deadline);
                probe.answered.extend(answered);
                Ok(())
            }
        }
    }

    /// Takes nothing more to send, and ends when all that is on its way has arrived.
    fn leave(&mut self, mut ended: Ended, heard: bool) {
        if let Some(leaving) = &mut self.leaving {
            leaving.heard |= heard;
            return;
        }
        self.wiring.outgoing.close();
        self.wiring.budget.close();
        // Said as soon as nothing is left to be sent.
        if let Some(farewell) = &mut ended.farewell {
            farewell.bye = None;
        }
        self.leaving = Some(Leaving { ended, until: Instant::now() + self.timings.closing, said: false, heard });
    }

    fn is_all_sent(&self) -> bool {
        self.leaving.as_ref().is_some_and(|leaving| !leaving.said) && self.wiring.outgoing.is_empty()
    }

    async fn say_goodbye(&mut self) -> Result<(), Ended> {
        if let Some(leaving) = &mut self.leaving {
            leaving.said = true;
        }
        let bye = Frame::Bye { reason: ByeReason::Duplicate }.encode();
        self.queue(Message::Binary(bye.into())).await
    }

    async fn ping(&mut self) -> Result<(), Ended> {
        self.next_ping = Instant::now() + self.timings.ping;
        self.pings_sent += 1;
        let payload = Bytes::copy_from_slice(&self.pings_sent.to_be_bytes());
        self.queue(Message::Ping(payload)).await
    }

    fn hear(&mut self, incoming: Incoming) -> Result<(), Ended> {
        self.last_heard = Instant::now();
        let bytes = match incoming {
            Incoming::Frame(bytes) => bytes,
            Incoming::Ping => return Ok(()),
            Incoming::Pong(payload) => {
                let answered = <[u8; 8]>::try_from(payload.as_ref()).map(u64::from_be_bytes).unwrap_or(0);
                if let Some(probe) = self.probe.take_if(|probe| answered >= probe.ping) {
                    probe.passed();
                }
                return Ok(());
            }
        };
        if self.stranger_limit.check().is_err() && !self.is_contact() {
            return Err(Ended::goodbye(ByeReason::Flood, DownReason::Flood));
        }
        match Frame::decode(&bytes, Phase::AfterHello) {
            Ok(Frame::Hello(_)) => Err(Ended::protocol(CloseCode::Protocol, "a second hello".into())),
            Ok(Frame::Bye { reason: reason @ ByeReason::Duplicate }) => {
                self.leave(Ended::silently(DownReason::PeerClosed(reason)), true);
                Ok(())
            }
            Ok(Frame::Bye { reason }) => Err(Ended::silently(DownReason::PeerClosed(reason))),
            Ok(Frame::Ignored(_)) => Ok(()),
            Ok(frame) => {
                self.deliver(frame);
                Ok(())
            }
            Err(error) => Err(Ended::protocol(CloseCode::Invalid, format!("an undecodable frame: {error}"))),
        }
    }

    fn deliver(&mut self, frame: Frame) {
        use mpsc::error::TrySendError;
        // A closed queue is noticed when room is asked for.
        if let Err(TrySendError::Full(frame) | TrySendError::Closed(frame)) = self.wiring.frames.try_send(frame) {
            self.held = Some(frame);
        }
    }

    fn deliver_held(&mut self) -> Result<(), Ended> {
        if let Some(frame) = self.held.take() {
            self.deliver(frame);
        }
        // The peer was not listened to in the meantime: that is no silence of its own.
        self.last_heard = Instant::now();
        Ok(())
    }

    fn is_contact(&self) -> bool {
        matches!((self.gate)(&self.peer), Gate::Allow { contact: true })
    }

    /// Writes one frame and those that are ready behind it, to be flushed together.
    async fn write(&mut self, first: Outgoing) -> Result<(), Ended> {
        let mut gathered = first.bytes.len();
        self.queue(Message::Binary(first.bytes)).await?;
        while gathered < FLUSH_BYTES {
            let Ok(next) = self.wiring.outgoing.try_recv() else { break };
            gathered += next.bytes.len();
            self.queue(Message::Binary(next.bytes)).await?;
        }
        Ok(())
    }

    async fn queue(&mut self, message: Message) -> Result<(), Ended> {
        if !self.flushing {
            self.flushing = true;
            self.progress = Progress { written_bytes: self.socket.written_bytes(), at: Instant::now() };
        }
        let mut message = Some(message);
        poll_fn(|cx| Poll::Ready(message.take().map_or(Ok(()), |message| self.socket.queue(cx, message))))
            .await
            .map_err(Ended::from_socket)
    }
}

/// Flushes and reads at the same time, whichever gets on.
async fn poll_step(socket: &mut Socket, reading: bool, flushing: bool) -> Result<Step, SocketError> {
    poll_fn(|cx| {
        if flushing && socket.poll_flush(cx)?.is_ready() {
            return Poll::Ready(Ok(Step::Flushed));
        }
        if reading {
            return socket.poll_next(cx).map_ok(Step::Heard);
        }
        Poll::Pending
    })
    .await
}

/// Sends the last words, if any, and closes the connection within `timings.closing`.
pub(crate) async fn say_farewell(mut socket: Socket, farewell: Option<Farewell>, timings: &Timings) {
    let Some(farewell) = farewell else { return };
    let words = async {
        if let Some(reason) = farewell.bye {
            let bye = Frame::Bye { reason }.encode();
            if socket.send(Message::Binary(bye.into())).await.is_err() {
                return;
            }
        }
        socket.close(farewell.code, &farewell.words).await;
    };
    // A peer that doesn't listen any more misses the last words.
    tokio::time::timeout(timings.closing, words).await.ok();
}

fn stranger_quota() -> Quota {
    use std::num::NonZeroU32;
    let rate = NonZeroU32::new(STRANGER_FRAMES_PER_SECOND).unwrap_or(NonZeroU32::MIN);
    let burst = NonZeroU32::new(STRANGER_BURST).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(rate).allow_burst(burst)
}
