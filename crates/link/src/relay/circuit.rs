//! A tunnel as a stream of bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Message;

use crate::socket::{Incoming, Socket, SocketError};

/// Most bytes of one message (protocol: 64 KiB).
pub(super) const MESSAGE_BYTES: usize = 64 * 1024;

/// One end of a tunnel whose other end is there. Holds one message each way: whoever writes waits until the relay takes
/// it, and the relay waits for whoever reads.
pub(crate) struct Circuit {
    socket: Socket,
    /// What has come and was not read yet.
    unread: Bytes,
    /// A message has not gone out whole.
    unsent: bool,
}

impl Circuit {
    /// Takes a connection at which the relay has said that both ends are there.
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, unread: Bytes::new(), unsent: false }
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent {
            ready!(self.socket.poll_flush(cx)).map_err(|error| broken(&error))?;
            self.unsent = false;
        }
        Poll::Ready(Ok(()))
    }

    fn write(&mut self, cx: &mut Context<'_>, message: Message) -> io::Result<()> {
        self.socket.queue(cx, message).map_err(|error| broken(&error))?;
        self.unsent = true;
        match self.poll_sent(cx) {
            Poll::Ready(sent) => sent,
            // The rest goes out before the next message.
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Circuit {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.socket.poll_next(cx)) {
                Ok(Incoming::Frame(bytes)) => self.unread = bytes,
                Ok(Incoming::Ping | Incoming::Pong(_)) => {}
                // The end of the stream. Whether the other machine meant it, TLS knows.
                Err(SocketError::Closed(_)) => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(broken(&error))),
            }
        }
        let taken = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Circuit {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let all: usize = bufs.iter().map(|buf| buf.len()).sum();
        // An empty message would mean something else.
        if all == 0 {
            return Poll::Ready(Ok(0));
        }
        let mut message = BytesMut::with_capacity(all.min(MESSAGE_BYTES));
        for buf in bufs {
            let room = MESSAGE_BYTES - message.len();
            message.extend_from_slice(buf.get(..room).unwrap_or(buf));
        }
        let written = message.len();
        self.write(cx, Message::Binary(message.freeze()))?;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        self.socket.poll_hang_up(cx).map_err(|error| broken(&error))
    }
}

fn broken(error: &SocketError) -> io::Error {
    let kind = match error {
        SocketError::Closed(_) => io::ErrorKind::ConnectionAborted,
        SocketError::Broken(_) => io::ErrorKind::BrokenPipe,
        SocketError::Protocol { .. } => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error.to_string())
}
