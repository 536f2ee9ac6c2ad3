//! Frames to and from a relay.

use std::{num::NonZeroU32, sync::Arc};

use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use proto::relay::{FromRelay, ToRelay};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::{RelayError, connect::Connector};
use crate::socket::{Incoming, Socket, SocketError};

/// Frames a second from a relay, and how many at once: its presence comes in large frames, its guests one by one.
/// Answers are not counted, for each has been asked for.
const FRAMES_PER_SECOND: u32 = 100;
const FRAMES_BURST: u32 = 1_000;

/// Frames over a socket, and whether the other side still lives.
pub(super) struct Wire {
    pub(super) socket: Socket,
    connector: Arc<Connector>,
    limit: DefaultDirectRateLimiter,
    last_heard: Instant,
    next_ping: Instant,
    /// When a ping that was sent out of turn must have been answered.
    probed: Option<Instant>,
}

impl Wire {
    pub(super) fn new(socket: Socket, connector: &Arc<Connector>) -> Self {
        let rate = NonZeroU32::new(FRAMES_PER_SECOND).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(FRAMES_BURST).unwrap_or(NonZeroU32::MIN);
        let now = Instant::now();
        Self {
            socket,
            limit: RateLimiter::direct(Quota::per_second(rate).allow_burst(burst)),
            last_heard: now,
            next_ping: now + connector.timings.relay_ping,
            probed: None,
            connector: connector.clone(),
        }
    }

    /// The next frame. May be dropped at any time and called again.
    pub(super) async fn hear(&mut self) -> Result<FromRelay, RelayError> {
        loop {
            let incoming = self.socket.next().await.map_err(broken)?;
            self.last_heard = Instant::now();
            self.probed = None;
            let frame = match incoming {
                Incoming::Frame(bytes) => Some(FromRelay::decode(&bytes)),
                Incoming::Ping | Incoming::Pong(_) => None,
            };
            let frame = frame.transpose().map_err(|error| RelayError::Protocol(error.to_string()))?;
            let is_answer = frame.as_ref().is_some_and(|frame| frame.request().is_some());
            if !is_answer && self.limit.check().is_err() {
                return Err(RelayError::Protocol("it sends too much".into()));
            }
            if let Some(frame) = frame {
                return Ok(frame);
            }
        }
    }

    pub(super) async fn say(&mut self, frame: &ToRelay) -> Result<(), RelayError> {
        self.send(Message::Binary(frame.encode().into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), RelayError> {
        match timeout(self.connector.timings.write_stall, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(broken),
            Err(_) => Err(RelayError::Silent),
        }
    }

    /// When [`Wire::on_time`] is to be called.
    pub(super) fn deadline(&self) -> Instant {
        let silence = self.last_heard + self.connector.timings.relay_silence;
        self.next_ping.min(silence).min(self.probed.unwrap_or(silence))
    }

    /// Sends a ping when it is time, and says whether it did.
    pub(super) async fn on_time(&mut self) -> Result<bool, RelayError> {
        let now = Instant::now();
        let silent = now >= self.last_heard + self.connector.timings.relay_silence;
        if silent || self.probed.is_some_and(|until| now >= until) {
            return Err(RelayError::Silent);
        }
        let is_time = now >= self.next_ping;
        if is_time {
            self.ping().await?;
        }
        Ok(is_time)
    }

    /// Asks at once whether the relay is still there.
    pub(super) async fn probe(&mut self) -> Result<(), RelayError> {
        self.probed = Some(Instant::now() + self.connector.timings.probe);
        self.ping().await
    }

    async fn ping(&mut self) -> Result<(), RelayError> {
        self.next_ping = Instant::now() + self.connector.timings.relay_ping;
        self.send(Message::Ping(Bytes::new())).await
    }
}

fn broken(error: SocketError) -> RelayError {
    match error {
        SocketError::Closed(words) | SocketError::Broken(words) => RelayError::Broken(words),
        SocketError::Protocol { reason, .. } => RelayError::Protocol(reason),
    }
}

/// What a frame means that was not expected.
pub(super) fn unexpected(frame: &FromRelay) -> RelayError {
    match frame {
        FromRelay::Refused(refused) => RelayError::Refused {
            code: refused.code,
            detail: refused.detail.clone(),
            retry_after_s: refused.retry_after_s,
        },
        FromRelay::Bye { code, after_s } => RelayError::Bye { code: *code, after_s: *after_s },
        other => RelayError::Protocol(format!("a frame of type {} out of turn", other.number())),
    }
}
