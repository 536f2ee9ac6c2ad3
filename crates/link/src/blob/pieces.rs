//! Between the connection, which must not block, and reading, writing and hashing, which do: a few pieces at a time, so
//! that memory does not grow with the file and whoever is slower holds the other back.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use proto::attachment::Blob;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;

use super::{BlobError, Content, Sink, stream};
use crate::tasks::Spawner;

/// Bytes that are handed over at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Pieces on their way.
const PIECES: usize = 4;

/// The stream of a blob, made by a job of its own while it is sent. `stall` is how long the other side may take none.
pub(crate) fn outgoing(mut content: Content, from: u64, stall: Duration, spawner: &Spawner) -> Outgoing {
    made("send a blob", stall, spawner, move |writer| stream::encode(&mut content, from, writer))
}

/// What a job writes, as it is sent. The job ends early when the other side takes nothing for so long, or leaves.
pub(crate) fn made(
    name: &'static str,
    stall: Duration,
    spawner: &Spawner,
    make: impl FnOnce(&mut Writer) -> Result<(), BlobError> + Send + 'static,
) -> Outgoing {
    let (to, pieces) = mpsc::channel(PIECES);
    let handle = Handle::current();
    let job = spawner.spawn_background(name, move || {
        let mut writer = Writer { to: to.clone(), gathered: BytesMut::new(), handle, stall };
        let outcome = make(&mut writer)
            .and_then(|()| writer.flush().map_err(|_| BlobError::Broken("the other side left".into())));
        if let Err(error) = outcome {
            // Who no longer listens needs no reason.
            drop(to.try_send(Err(io::Error::other(error.to_string()))));
        }
    });
    // It ends when the pieces are no longer taken; nobody waits for it.
    drop(job);
    Outgoing { pieces }
}

/// The body of a request or an answer.
pub(crate) struct Outgoing {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
}

impl Stream for Outgoing {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.poll_recv(cx)
    }
}

/// Where a job writes.
pub(crate) struct Writer {
    to: mpsc::Sender<io::Result<Bytes>>,
    gathered: BytesMut,
    handle: Handle,
    stall: Duration,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.gathered, BytesMut::with_capacity(PIECE_BYTES + PIECE_BYTES / 4));
        let sending = async { tokio::time::timeout(self.stall, self.to.send(Ok(piece.freeze()))).await };
        let sent = self.handle.block_on(sending);
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

/// Checks and keeps the stream of a blob as it comes. `stall` is how long nothing may come.
pub(crate) async fn incoming<E: std::fmt::Display>(
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    blob: Blob,
    from: u64,
    mut sink: Box<dyn Sink>,
    cancel: &CancellationToken,
    stall: Duration,
    spawner: &Spawner,
) -> Result<(), BlobError> {
    let keep = move |pieces: Pieces| stream::decode(pieces, blob, from, &mut *sink);
    taken("receive a blob", body, cancel, stall, spawner, keep).await
}

/// Hands a job what comes. The job ends when nothing more does.
pub(crate) async fn taken<E: std::fmt::Display>(
    name: &'static str,
    mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    cancel: &CancellationToken,
    stall: Duration,
    spawner: &Spawner,
    keep: impl FnOnce(Pieces) -> Result<(), BlobError> + Send + 'static,
) -> Result<(), BlobError> {
    let (to, pieces) = mpsc::channel(PIECES);
    let job = spawner.spawn_background(name, move || keep(Pieces { pieces, current: Bytes::new() }));
    tokio::pin!(job);
    let forward = async {
        loop {
            match tokio::time::timeout(stall, body.next()).await {
                Err(_) => return Some(BlobError::Broken("nothing came any more".into())),
                Ok(None) => return None,
                Ok(Some(Err(error))) => return Some(BlobError::Broken(error.to_string())),
                Ok(Some(Ok(piece))) => {
                    if to.send(piece).await.is_err() {
                        return None;
                    }
                }
            }
        }
    };
    let stopping = spawner.stopping();
    let broken = tokio::select! {
        broken = forward => broken,
        () = cancel.cancelled() => Some(BlobError::Cancelled),
        () = stopping => Some(BlobError::Cancelled),
    };
    // Without more pieces the job ends, and with it the sink: nothing is written after this returns.
    drop(to);
    let outcome = job.await.unwrap_or(Err(BlobError::Cancelled));
    match (outcome, broken) {
        (Err(BlobError::Broken(_)), Some(broken)) => Err(broken),
        (outcome, _) => outcome,
    }
}

/// What has come, for a job to read.
pub(crate) struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(next) => self.current = next,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.current.len());
        self.current.copy_to_slice(into.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}
