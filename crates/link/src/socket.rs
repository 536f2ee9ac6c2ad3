//! A WebSocket over any stream, as one type for both sides.
//!
//! tungstenite's protocol machine is driven directly: axum's and tokio-tungstenite's own wrappers are two different
//! types, and neither lets the size limit rise after `Hello`.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{
    self, Message,
    error::CapacityError,
    protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext, frame::coding::CloseCode},
};

/// A byte stream between two machines: TCP, a tunnel through a relay, TLS over either.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Read buffer of a link. 4 KiB keeps an idle link at about 6 KB instead of 134 KB (measured, facts of the design).
const READ_BUFFER_BYTES: usize = 4096;

/// Small frames are gathered up to this size before they go to TLS: one record and one system call for many frames.
/// The buffer grows only when it is used.
const WRITE_BUFFER_BYTES: usize = 8192;

/// Settings of the protocol machine for messages up to `limit_bytes`.
pub(crate) fn config(limit_bytes: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(Some(limit_bytes))
        .max_frame_size(Some(limit_bytes))
}

/// One WebSocket connection.
pub(crate) struct Socket {
    io: Box<dyn Stream>,
    ws: WebSocketContext,
    written_bytes: u64,
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A binary message: one frame of the protocol.
    Frame(Bytes),
    /// An answer to a ping.
    Pong(Bytes),
    /// The peer's ping; it is answered by the protocol machine.
    Ping,
}

/// Why nothing more can be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// The other side closed, with what it said.
    #[error("{0}")]
    Closed(String),
    /// The connection is gone.
    #[error("{0}")]
    Broken(String),
    /// The other side broke the rules.
    #[error("{reason}")]
    Protocol {
        /// WebSocket close code that names the kind of offence.
        code: CloseCode,
        /// For a person.
        reason: String,
    },
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

impl Socket {
    /// Takes a stream on which the HTTP upgrade has been done.
    pub(crate) fn new(io: Box<dyn Stream>, role: Role, limit_bytes: usize) -> Self {
        Self::buffered(io, role, limit_bytes, READ_BUFFER_BYTES)
    }

    /// As [`Socket::new`], with another read buffer.
    pub(crate) fn buffered(io: Box<dyn Stream>, role: Role, limit_bytes: usize, read_buffer_bytes: usize) -> Self {
        let config = config(limit_bytes).read_buffer_size(read_buffer_bytes);
        Self { io, ws: WebSocketContext::new(role, Some(config)), written_bytes: 0 }
    }

    /// Changes the size limit of incoming messages.
    pub(crate) fn set_limit(&mut self, limit_bytes: usize) {
        self.ws.set_config(|config| {
            config.max_message_size = Some(limit_bytes);
            config.max_frame_size = Some(limit_bytes);
        });
    }

    /// How many bytes the stream has taken so far: whether a slow peer gets on.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// The next message. Also sends answers to pings.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, SocketError>> {
        let message =
            ready!(poll(self.ws.read(&mut Polled { io: &mut self.io, cx, written_bytes: &mut self.written_bytes })))?;
        Poll::Ready(match message {
            Message::Binary(bytes) => Ok(Incoming::Frame(bytes)),
            Message::Ping(_) => Ok(Incoming::Ping),
            Message::Pong(payload) => Ok(Incoming::Pong(payload)),
            Message::Close(said) => Err(SocketError::Closed(closing_words(said))),
            Message::Text(_) | Message::Frame(_) => {
                Err(SocketError::Protocol { code: CloseCode::Unsupported, reason: "text instead of a frame".into() })
            }
        })
    }

    /// Queues a message; [`Socket::poll_flush`] brings it out. Call only when the last flush has finished, so that at
    /// most one write buffer is waiting.
    pub(crate) fn queue(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), SocketError> {
        match poll(self.ws.write(&mut Polled { io: &mut self.io, cx, written_bytes: &mut self.written_bytes }, message))
        {
            // "Pending" means that the message is in the buffer and the stream takes no more at the moment.
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    /// Writes out what is queued.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        poll(self.ws.flush(&mut Polled { io: &mut self.io, cx, written_bytes: &mut self.written_bytes }))
    }

    /// Says that nothing more comes, and closes the stream for writing. Call only when the last flush has finished.
    pub(crate) fn poll_hang_up(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if self.ws.can_write() {
            let close =
                poll(self.ws.close(&mut Polled { io: &mut self.io, cx, written_bytes: &mut self.written_bytes }, None));
            match ready!(close) {
                // The other side was quicker.
                Ok(()) | Err(SocketError::Closed(_)) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(&mut self.io).poll_shutdown(cx).map_err(|error| SocketError::Broken(error.to_string()))
    }

    /// The next message, as a future.
    pub(crate) async fn next(&mut self) -> Result<Incoming, SocketError> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Sends one message and waits until it is written.
    pub(crate) async fn send(&mut self, message: Message) -> Result<(), SocketError> {
        let mut message = Some(message);
        std::future::poll_fn(|cx| {
            if let Some(message) = message.take() {
                self.queue(cx, message)?;
            }
            self.poll_flush(cx)
        })
        .await
    }

    /// Says why, closes, and reads on until the peer has closed too: closing with unread data would reset the
    /// connection, and the reason would be lost. The caller sets a deadline.
    pub(crate) async fn close(mut self, code: CloseCode, reason: &str) {
        let frame = CloseFrame { code, reason: close_reason(reason).into() };
        if self.send(Message::Close(Some(frame))).await.is_err() {
            // Answering the peer's close ends in an "error" too, after the answer was written.
            drop(std::future::poll_fn(|cx| Pin::new(&mut self.io).poll_flush(cx)).await);
        }
        if std::future::poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await.is_err() {
            return;
        }
        let mut waste = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut waste);
            let read = std::future::poll_fn(|cx| Pin::new(&mut self.io).poll_read(cx, &mut buffer)).await;
            if read.is_err() || buffer.filled().is_empty() {
                return;
            }
        }
    }
}

/// A close frame carries at most 123 bytes of text (RFC 6455, 5.5).
fn close_reason(reason: &str) -> String {
    let mut short = String::new();
    for character in reason.chars() {
        if short.len() + character.len_utf8() > 123 {
            break;
        }
        short.push(character);
    }
    short
}

fn closing_words(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) if !frame.reason.is_empty() => {
            frame.reason.chars().filter(|character| !character.is_control()).collect()
        }
        Some(frame) => format!("closed with code {}", u16::from(frame.code)),
        None => "closed without a reason".into(),
    }
}

fn poll<T>(result: tungstenite::Result<T>) -> Poll<Result<T, SocketError>> {
    use tungstenite::Error;
    Poll::Ready(match result {
        Ok(value) => Ok(value),
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
        Err(Error::Io(error)) => Err(SocketError::Broken(error.to_string())),
        Err(Error::ConnectionClosed | Error::AlreadyClosed) => Err(SocketError::Closed("closed".into())),
        Err(Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
            Err(SocketError::Broken("closed without a goodbye".into()))
        }
        Err(Error::Capacity(CapacityError::MessageTooLong { size, max_size })) => Err(SocketError::Protocol {
            code: CloseCode::Size,
            reason: format!("a message of {size} bytes, {max_size} are allowed"),
        }),
        Err(other) => Err(SocketError::Protocol { code: CloseCode::Protocol, reason: other.to_string() }),
    })
}

/// Lends an async stream to the synchronous protocol machine for one poll.
struct Polled<'a, 'b> {
    io: &'a mut Box<dyn Stream>,
    cx: &'a mut Context<'b>,
    written_bytes: &'a mut u64,
}

impl io::Read for Polled<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(into);
        match Pin::new(&mut *self.io).poll_read(self.cx, &mut buffer) {
            Poll::Ready(result) => result.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl io::Write for Polled<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = would_block(Pin::new(&mut *self.io).poll_write(self.cx, bytes))?;
        *self.written_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        would_block(Pin::new(&mut *self.io).poll_flush(self.cx))
    }
}

fn would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
