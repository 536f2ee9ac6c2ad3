//! The dialling side: fetches a blob, or brings one that was asked for.

use axum::{body::Body, http::header};
use bytes::Bytes;
use futures_util::Stream;
use http_body_util::{BodyExt as _, BodyStream};
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use proto::{attachment::Blob, id::MachineId};
use tokio_util::sync::CancellationToken;

use super::{BlobError, BlobRefusal, Content, Sink, pieces, serve::path_of};
use crate::{
    dial::{self, Ways},
    path::Path,
    tasks::Spawner,
};

/// What dialling for blobs needs.
#[derive(Debug, Clone)]
pub(crate) struct Dialler {
    pub(crate) ways: Ways,
    pub(crate) spawner: Spawner,
}

impl Dialler {
    /// Fetches a blob from one of its groups on.
    pub(crate) async fn fetch(
        &self,
        peer: MachineId,
        way: &Path,
        blob: Blob,
        from: u64,
        sink: Box<dyn Sink>,
        cancel: &CancellationToken,
    ) -> Result<(), BlobError> {
        let path = path_of(&blob.hash, from);
        let asking = self.send(peer, way, Method::GET, &path, Body::empty());
        let response = tokio::select! {
            response = asking => response?,
            () = cancel.cancelled() => return Err(BlobError::Cancelled),
        };
        if let Some(refusal) = refusal(&response) {
            return Err(refusal);
        }
        let body = data(response.into_body());
        pieces::incoming(body, blob, from, sink, cancel, self.ways.timings.write_stall, &self.spawner).await
    }

    /// Brings a blob, from one of its groups on. Returns when the other side has all of it.
    pub(crate) async fn bring(
        &self,
        peer: MachineId,
        way: &Path,
        content: Content,
        from: u64,
        cancel: &CancellationToken,
    ) -> Result<(), BlobError> {
        let path = path_of(&content.blob.hash, from);
        let body = Body::from_stream(pieces::outgoing(content, from, self.ways.timings.write_stall, &self.spawner));
        let response = tokio::select! {
            response = self.send(peer, way, Method::PUT, &path, body) => response?,
            () = cancel.cancelled() => return Err(BlobError::Cancelled),
        };
        refusal(&response).map_or(Ok(()), Err)
    }

    async fn send(
        &self,
        peer: MachineId,
        way: &Path,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Response<Incoming>, BlobError> {
        let reached = self.ways.reach(std::slice::from_ref(way), Some(peer)).await?;
        let broken = |error: hyper::Error| BlobError::Broken(error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(reached.into_stream())).await.map_err(broken)?;
        let stopping = self.spawner.stopping();
        self.spawner.spawn(format!("blobs {}", peer.short()), async move {
            tokio::select! {
                // How it ended is told by the request.
                _ = connection => {}
                () = stopping => {}
            }
        });
        let host = dial::host(way);
        let request = Request::builder().method(method).uri(path).header(header::HOST, host).body(body);
        let request = request.map_err(|error| BlobError::Broken(error.to_string()))?;
        sender.send_request(request).await.map_err(broken)
    }
}

/// What the other side refuses with; none when it agrees.
fn refusal(response: &Response<Incoming>) -> Option<BlobError> {
    let status = response.status();
    if status.is_success() {
        return None;
    }
    Some(match BlobRefusal::from_status(status) {
        Some(refusal) => BlobError::Refused(refusal),
        None => BlobError::Broken(format!("it answers with {status}")),
    })
}

/// The bytes of a body.
pub(crate) fn data(body: Incoming) -> impl Stream<Item = Result<Bytes, hyper::Error>> + Unpin {
    use futures_util::StreamExt as _;
    let data =
        |frame: Result<Frame<Bytes>, _>| std::future::ready(frame.map(|frame| frame.into_data().ok()).transpose());
    Box::pin(BodyStream::new(body.map_err(std::convert::identity)).filter_map(data))
}
