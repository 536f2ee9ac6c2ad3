//! A pipe carries one side of a tunnel between two nodes, in messages that NATS does not keep.
//!
//! Such messages can be lost: with a server, or where a node does not read fast enough. So each carries a number, what was
//! not confirmed is sent again, and nothing more is sent than the other side has room for: at most [`WINDOW`] bytes in
//! each direction are on the way or wait to be read. A pipe whose other end says nothing for a while is broken.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Client;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::NodeId;
use super::wire::PIPE;

/// Bytes in one direction that were sent and not yet read. Within one data centre a message and its confirmation take
/// less than a millisecond, so this is room for more than 256 MB/s.
const WINDOW: u64 = 256 << 10;

/// Messages in one direction that were sent and not yet confirmed, or not yet read.
const MESSAGES: usize = 256;

/// As how many bytes a message counts at least, so that no more than [`MESSAGES`] fill the window.
const LEAST: u64 = WINDOW / MESSAGES as u64;

/// Bytes that are read before it is said that there is room again.
const CREDIT: u64 = WINDOW / 4;

/// How often pipes are looked after.
const TICK: Duration = Duration::from_millis(100);

/// After so long without a confirmation what was sent is sent again.
const RESEND: Duration = Duration::from_millis(500);

/// How often an idle pipe says that it is there.
const ALIVE: Duration = Duration::from_secs(5);

/// After so long without a word the other end is gone.
const DEAD: Duration = Duration::from_secs(20);

/// Names a pipe, at both its nodes.
pub(super) type PipeId = [u8; 16];

/// Bytes of a message before those that it carries.
const HEAD: usize = 1 + 16 + 16 + 8 + 8 + 8;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Carries bytes.
    Data,
    /// Nothing comes after it.
    End,
    /// Only says what was received and read.
    Confirm,
    /// Answers one for a pipe that is not there.
    Unknown,
}

/// A message between two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    kind: Kind,
    pipe: PipeId,
    from: NodeId,
    /// Its number, where it is one of those that are counted.
    number: u64,
    /// Number of the message that its sender expects next.
    expected: u64,
    /// Bytes that its sender has read, as messages count.
    read: u64,
    bytes: Bytes,
}

/// As how many bytes a message counts.
fn weight(bytes: &Bytes) -> u64 {
    LEAST.max(bytes.len() as u64)
}

/// All pipes of a node.
pub(crate) struct Pipes {
    node: NodeId,
    client: Client,
    by_id: Mutex<HashMap<PipeId, Arc<Shared>>>,
}

/// One end of a pipe. Dropped, it ends like one that was closed.
pub(crate) struct Pipe {
    pipes: Arc<Pipes>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    id: PipeId,
    peer: NodeId,
    state: Mutex<State>,
    /// There is something to read, or the end.
    readable: Notify,
    /// There is room to send, or the end.
    writable: Notify,
}

#[derive(Debug)]
struct State {
    /// Number of the next message to be sent.
    next: u64,
    /// Those that were not confirmed, oldest first, the last of which has the number before `next`. None is the end.
    unconfirmed: VecDeque<Option<Bytes>>,
    /// Bytes that were sent, and that the other side has read.
    sent: u64,
    read_there: u64,
    /// When the oldest was sent, or something was confirmed.
    progress: Instant,
    /// Number of the next message to come.
    expected: u64,
    /// Came, and was not read yet. None is the end.
    inbox: VecDeque<Option<Bytes>>,
    /// Bytes that were read, and of how many the other side knows.
    read: u64,
    read_told: u64,
    /// What was confirmed to the other side.
    confirmed: u64,
    heard: Instant,
    spoke: Instant,
    /// Nothing more will be sent.
    is_closed: bool,
    /// Nobody holds this end any more.
    is_dropped: bool,
    is_broken: bool,
}

impl fmt::Debug for Pipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipes").field("node", &self.node).finish_non_exhaustive()
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Pipes {
    pub(super) fn new(node: NodeId, client: Client) -> Arc<Self> {
        Arc::new(Self { node, client, by_id: Mutex::default() })
    }

    /// One end of a pipe to another node: a new one, or the other end of one that was opened there.
    pub(super) fn open(self: &Arc<Self>, id: Option<PipeId>, peer: NodeId) -> Option<Pipe> {
        let id = match id {
            Some(id) => id,
            None => NodeId::random().ok()?.0,
        };
        let shared = Arc::new(Shared {
            id,
            peer,
            state: Mutex::new(State::new()),
            readable: Notify::new(),
            writable: Notify::new(),
        });
        let mut by_id = self.by_id();
        if by_id.contains_key(&id) {
            return None;
        }
        by_id.insert(id, shared.clone());
        drop(by_id);
        Some(Pipe { pipes: self.clone(), shared })
    }

    /// Takes a message of another node.
    pub(super) fn receive(&self, bytes: Bytes) {
        let Some(frame) = Frame::decode(bytes) else { return };
        let shared = self.by_id().get(&frame.pipe).cloned();
        match shared.filter(|shared| shared.peer == frame.from) {
            Some(shared) if shared.take(frame.clone()) => self.confirm(&shared),
            Some(_) => {}
            None if frame.kind != Kind::Unknown => {
                let unknown = Frame { kind: Kind::Unknown, from: self.node, bytes: Bytes::new(), ..frame };
                self.tell(frame.from, &unknown);
            }
            None => {}
        }
    }

    /// A node is gone: all pipes to it are broken.
    pub(super) fn lose(&self, node: NodeId) {
        for shared in self.by_id().values().filter(|shared| shared.peer == node) {
            shared.state().is_broken = true;
            shared.ring();
        }
    }

    /// Says what was received and read.
    fn confirm(&self, shared: &Shared) {
        let frame = self.frame(shared, &shared.state(), Kind::Confirm, 0, Bytes::new());
        if self.tell(shared.peer, &frame) {
            shared.state().told(&frame);
        }
    }

    /// Sends the end, once.
    fn finish(&self, shared: &Shared) {
        let frame = {
            let mut state = shared.state();
            if state.is_closed {
                return;
            }
            state.is_closed = true;
            let number = state.add(None);
            self.frame(shared, &state, Kind::End, number, Bytes::new())
        };
        // If there is no room for it, it is sent when it was not confirmed.
        self.tell(shared.peer, &frame);
    }

    fn frame(&self, shared: &Shared, state: &State, kind: Kind, number: u64, bytes: Bytes) -> Frame {
        let (expected, read) = (state.expected, state.read);
        Frame { kind, pipe: shared.id, from: self.node, number, expected, read, bytes }
    }

    /// Sends without waiting: whether there was room for it.
    fn tell(&self, to: NodeId, frame: &Frame) -> bool {
        let sent = self.client.publish(format!("{PIPE}{to}"), frame.encode()).now_or_never();
        sent.is_some_and(|sent| sent.is_ok())
    }

    /// What is due at a pipe. False when it is over.
    fn look_after(&self, shared: &Shared) -> bool {
        let (again, confirms) = {
            let mut state = shared.state();
            if state.heard.elapsed() >= DEAD {
                state.is_broken = true;
            }
            if state.is_broken {
                shared.ring();
                return !state.is_dropped;
            }
            if state.is_dropped && state.unconfirmed.is_empty() {
                return false;
            }
            let mut again = Vec::new();
            if !state.unconfirmed.is_empty() && state.progress.elapsed() >= RESEND {
                state.progress = Instant::now();
                let first = state.next - state.unconfirmed.len() as u64;
                again.extend((first..).zip(&state.unconfirmed).map(|(number, bytes)| match bytes {
                    Some(bytes) => self.frame(shared, &state, Kind::Data, number, bytes.clone()),
                    None => self.frame(shared, &state, Kind::End, number, Bytes::new()),
                }));
            }
            let is_due = state.expected > state.confirmed || state.read > state.read_told;
            (again, is_due || state.spoke.elapsed() >= ALIVE)
        };
        for frame in &again {
            if !self.tell(shared.peer, frame) {
                break;
            }
        }
        if confirms {
            self.confirm(shared);
        }
        true
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<PipeId, Arc<Shared>>> {
        // Entries come and go whole.
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks after all pipes until the relay stops.
pub(super) async fn tend(pipes: Arc<Pipes>, stop: CancellationToken) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let all: Vec<Arc<Shared>> = pipes.by_id().values().cloned().collect();
        for shared in all {
            if !pipes.look_after(&shared) {
                pipes.by_id().remove(&shared.id);
            }
        }
    }
}

impl Pipe {
    /// Its name.
    pub(super) fn id(&self) -> PipeId {
        self.shared.id
    }

    /// Sends, as soon as there is room. False when nobody is there any more.
    pub(crate) async fn send(&self, bytes: Bytes) -> bool {
        let size = weight(&bytes);
        let frame = loop {
            {
                let mut state = self.shared.state();
                if state.is_broken || state.is_closed {
                    return false;
                }
                if state.has_room(size) {
                    let number = state.add(Some(bytes.clone()));
                    state.sent += size;
                    let frame = self.pipes.frame(&self.shared, &state, Kind::Data, number, bytes);
                    state.told(&frame);
                    break frame;
                }
            }
            self.shared.writable.notified().await;
        };
        let sent = self.pipes.client.publish(format!("{PIPE}{}", self.shared.peer), frame.encode()).await;
        sent.is_ok()
    }

    /// The next that came. None when nothing more comes.
    pub(crate) async fn receive(&self) -> Option<Bytes> {
        loop {
            let tells = {
                let mut state = self.shared.state();
                match state.inbox.pop_front() {
                    Some(Some(bytes)) => {
                        state.read += weight(&bytes);
                        let tells = state.read - state.read_told >= CREDIT;
                        Some((bytes, tells))
                    }
                    Some(None) => {
                        state.inbox.push_front(None);
                        return None;
                    }
                    None if state.is_broken => return None,
                    None => None,
                }
            };
            if let Some((bytes, tells)) = tells {
                if tells {
                    self.pipes.confirm(&self.shared);
                }
                return Some(bytes);
            }
            self.shared.readable.notified().await;
        }
    }

    /// Nobody came to the other end, as far as is known here: it is told once that nothing comes.
    pub(super) fn give_up(&self) {
        self.pipes.finish(&self.shared);
        self.shared.state().is_broken = true;
    }

    /// Sends nothing more, and says so to the other end.
    pub(crate) fn close(&self) {
        self.pipes.finish(&self.shared);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.pipes.finish(&self.shared);
        self.shared.state().is_dropped = true;
    }
}

impl Shared {
    /// Takes what the other end says: whether it is to be confirmed at once.
    fn take(&self, frame: Frame) -> bool {
        let mut state = self.state();
        state.heard = Instant::now();
        let before = state.unconfirmed.len();
        let first = state.next - before as u64;
        let confirmed = frame.expected.saturating_sub(first).min(before as u64);
        if confirmed > 0 {
            state.unconfirmed.drain(..usize::try_from(confirmed).unwrap_or(before));
            state.progress = Instant::now();
        }
        state.read_there = state.read_there.max(frame.read.min(state.sent));
        self.writable.notify_one();
        let is_end = match frame.kind {
            Kind::Data => false,
            Kind::End => true,
            Kind::Confirm => return false,
            Kind::Unknown => {
                state.is_broken = true;
                self.ring();
                return false;
            }
        };
        if frame.number != state.expected {
            // One that came before, whose confirmation was lost; or one too early, before which another was lost.
            return frame.number < state.expected;
        }
        if state.inbox.len() >= 2 * MESSAGES {
            // The other end does not keep to what there is room for.
            state.is_broken = true;
            self.ring();
            return false;
        }
        state.expected += 1;
        state.inbox.push_back((!is_end).then_some(frame.bytes));
        self.readable.notify_one();
        is_end
    }

    fn ring(&self) {
        self.readable.notify_one();
        self.writable.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counts and queues change together without anything between that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            next: 0,
            unconfirmed: VecDeque::new(),
            sent: 0,
            read_there: 0,
            progress: now,
            expected: 0,
            inbox: VecDeque::new(),
            read: 0,
            read_told: 0,
            confirmed: 0,
            heard: now,
            spoke: now,
            is_closed: false,
            is_dropped: false,
            is_broken: false,
        }
    }

    /// Whether so many bytes may be sent. A single message may always.
    fn has_room(&self, size: u64) -> bool {
        let unread = self.sent - self.read_there;
        self.unconfirmed.len() < MESSAGES && (unread == 0 || unread + size <= WINDOW)
    }

    /// Numbers a message.
    fn add(&mut self, message: Option<Bytes>) -> u64 {
        if self.unconfirmed.is_empty() {
            self.progress = Instant::now();
        }
        self.unconfirmed.push_back(message);
        self.next += 1;
        self.next - 1
    }

    /// The other end is told what a message says.
    fn told(&mut self, frame: &Frame) {
        self.confirmed = self.confirmed.max(frame.expected);
        self.read_told = self.read_told.max(frame.read);
        self.spoke = Instant::now();
    }
}

impl Frame {
    fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEAD + self.bytes.len());
        bytes.put_u8(match self.kind {
            Kind::Data => 0,
            Kind::End => 1,
            Kind::Confirm => 2,
            Kind::Unknown => 3,
        });
        bytes.put_slice(&self.pipe);
        bytes.put_slice(&self.from.0);
        bytes.put_u64(self.number);
        bytes.put_u64(self.expected);
        bytes.put_u64(self.read);
        bytes.put_slice(&self.bytes);
        bytes.freeze()
    }

    fn decode(mut bytes: Bytes) -> Option<Self> {
        let kind = match bytes.try_get_u8().ok()? {
            0 => Kind::Data,
            1 => Kind::End,
            2 => Kind::Confirm,
            3 => Kind::Unknown,
            _ => return None,
        };
        let (mut pipe, mut from) = (PipeId::default(), PipeId::default());
        bytes.try_copy_to_slice(&mut pipe).ok()?;
        bytes.try_copy_to_slice(&mut from).ok()?;
        let (number, expected, read) =
            (bytes.try_get_u64().ok()?, bytes.try_get_u64().ok()?, bytes.try_get_u64().ok()?);
        Some(Self { kind, pipe, from: NodeId(from), number, expected, read, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> Shared {
        let state = Mutex::new(State::new());
        Shared { id: [1; 16], peer: NodeId([2; 16]), state, readable: Notify::new(), writable: Notify::new() }
    }

    fn frame(kind: Kind, number: u64, expected: u64, read: u64, bytes: &'static [u8]) -> Frame {
        let bytes = Bytes::from_static(bytes);
        Frame { kind, pipe: [1; 16], from: NodeId([2; 16]), number, expected, read, bytes }
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        for kind in [Kind::Data, Kind::End, Kind::Confirm, Kind::Unknown] {
            let frame = frame(kind, 1, 2, 3, b"abc");
            assert_eq!(Frame::decode(frame.encode()), Some(frame.clone()));
            for short in 0..HEAD {
                assert_eq!(Frame::decode(frame.encode().slice(..short)), None);
            }
        }
        assert_eq!(Frame::decode(Bytes::from_static(&[9; 80])), None);
    }

    #[test]
    fn what_comes_twice_or_too_early_is_left_out() {
        let shared = shared();
        assert!(!shared.take(frame(Kind::Data, 1, 0, 0, b"b")), "because another was lost before it");
        assert!(shared.state().inbox.is_empty());
        shared.take(frame(Kind::Data, 0, 0, 0, b"a"));
        assert!(shared.take(frame(Kind::Data, 0, 0, 0, b"a")), "because the other end has not heard that it came");
        shared.take(frame(Kind::Data, 1, 0, 0, b"b"));
        assert!(shared.take(frame(Kind::End, 2, 0, 0, b"")), "because the end is confirmed at once");
        let came: Vec<_> = shared.state().inbox.drain(..).collect();
        assert_eq!(came, [Some("a".into()), Some("b".into()), None]);
    }

    #[test]
    fn what_was_sent_is_kept_until_it_is_confirmed() {
        let shared = shared();
        let bytes = Bytes::from(vec![0; 64 << 10]);
        while shared.state().has_room(bytes.len() as u64) {
            shared.state().add(Some(bytes.clone()));
            shared.state().sent += bytes.len() as u64;
        }
        assert_eq!(shared.state().sent, WINDOW);
        shared.take(frame(Kind::Confirm, 0, 3, 64 << 10, b""));
        assert_eq!(shared.state().unconfirmed.len(), 1);
        assert!(shared.state().has_room(64 << 10) && !shared.state().has_room((64 << 10) + 1));
        shared.take(frame(Kind::Confirm, 0, 2, 0, b""));
        assert_eq!(shared.state().unconfirmed.len(), 1, "because an older word says nothing new");
        shared.take(frame(Kind::Confirm, 0, u64::MAX, u64::MAX, b""));
        assert!(shared.state().unconfirmed.is_empty() && shared.state().has_room(WINDOW), "whatever is said");
    }

    #[test]
    fn small_messages_fill_what_there_is_room_for_too() {
        let (near, far) = (shared(), shared());
        let (bytes, mut sent) = (Bytes::from_static(b"x"), 0);
        while near.state().has_room(weight(&bytes)) {
            near.state().add(Some(bytes.clone()));
            near.state().sent += weight(&bytes);
            far.take(frame(Kind::Data, sent, 0, 0, b"x"));
            sent += 1;
            // It has come, and nobody reads it.
            near.take(frame(Kind::Confirm, 0, sent, 0, b""));
        }
        assert!(sent == MESSAGES as u64 && near.state().unconfirmed.is_empty(), "{sent}");
        assert!(!far.state().is_broken, "because who does not read only makes the other side wait");
        near.take(frame(Kind::Confirm, 0, sent, weight(&bytes), b""));
        assert!(near.state().has_room(weight(&bytes)));
    }

    #[test]
    fn who_sends_more_than_there_is_room_for_is_cut_off() {
        let shared = shared();
        for number in 0..=2 * MESSAGES as u64 {
            shared.take(frame(Kind::Data, number, 0, 0, b"x"));
        }
        assert!(shared.state().is_broken);
    }
}
