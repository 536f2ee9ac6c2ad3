//! Files at relays: laid down sealed, fetched and opened, a chunk at a time.
//!
//! The relay is a stranger: what it gives is opened chunk by chunk, each in its place, before any of it is kept, and the whole
//! is held against its hash in the end. How far an upload has come only the relay knows, so it is asked first.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use http_body_util::{BodyExt as _, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use proto::{
    attachment::Blob,
    limits,
    relay::{FILE_LIFETIME, FilePass, FromRelay, RelayAddress, UPLOAD_LENGTH, UPLOAD_OFFSET, file_path},
    sealed_file::{FileId, FileKey, FileSeal, SEALED_CHUNK_BYTES, sealed_size},
};
use tokio::{sync::oneshot, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{RelayError, Relays, connect::within};
use crate::blob::{BlobError, Pieces, Sink, Source, Writer, data, made, stream, taken};

/// Most bytes of a refusal that are read: its text has at most [`limits::DETAIL_BYTES`].
const REFUSAL_BYTES: usize = 1_024;

/// A file lies at a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deposited {
    /// How long the relay means to keep it.
    pub lifetime: Duration,
}

/// What a relay says of an upload.
struct State {
    offset: u64,
    lifetime: Duration,
}

impl Relays {
    /// Lays a file down, or goes on with that.
    pub(crate) async fn deposit(
        &self,
        relay: &RelayAddress,
        pass: &FilePass,
        key: &FileKey,
        size: u64,
        source: Box<dyn Source>,
        cancel: &CancellationToken,
    ) -> Result<Deposited, BlobError> {
        let seal = FileSeal::new(key, size);
        let total = sealed_size(size);
        let asking = self.asked(relay, put(&seal.id(), pass, total, 0, 0), Body::empty());
        let asked = tokio::select! {
            asked = asking => State::read(&asked?, total)?,
            () = cancel.cancelled() => return Err(BlobError::Cancelled),
        };
        if asked.offset == total {
            return Ok(Deposited { lifetime: asked.lifetime });
        }
        let stall = self.timings().write_stall;
        let (to, ended) = oneshot::channel();
        let body = made("lay a file down", stall, &self.spawner, move |writer| {
            let sealed = seal_from(&seal, source, asked.offset, writer);
            let (sealed, unreadable) = match sealed {
                Err(BlobError::Source(error)) => (Err(BlobError::Broken("it cannot be read".into())), Some(error)),
                sealed => (sealed, None),
            };
            // The request may have ended before.
            to.send(unreadable).ok();
            sealed
        });
        let request = put(&FileSeal::new(key, size).id(), pass, total, asked.offset, total - asked.offset);
        let putting = self.answered(relay, request, Body::from_stream(body));
        let waiting = async {
            match ended.await {
                Ok(Some(error)) => BlobError::Source(error),
                // The rest is under way; then the relay owes an answer.
                _ => {
                    sleep(stall).await;
                    BlobError::Broken("the relay does not answer".into())
                }
            }
        };
        let state = tokio::select! {
            biased;
            put = putting => State::read(&put?, total)?,
            error = waiting => return Err(error),
            () = cancel.cancelled() => return Err(BlobError::Cancelled),
        };
        if state.offset < total {
            return Err(BlobError::Broken("the relay did not take all of it".into()));
        }
        Ok(Deposited { lifetime: state.lifetime })
    }

    /// Fetches a blob that was laid down, from one of its groups on.
    #[expect(clippy::too_many_arguments, reason = "each is a thing of its own")]
    pub(crate) async fn collect(
        &self,
        relay: &RelayAddress,
        key: &FileKey,
        blob: Blob,
        from: u64,
        before: Box<dyn Source>,
        sink: Box<dyn Sink>,
        cancel: &CancellationToken,
    ) -> Result<(), BlobError> {
        if !stream::can_begin(&blob, from) {
            return Err(BlobError::Broken("a blob does not begin there".into()));
        }
        let seal = FileSeal::new(key, blob.size);
        let first = from / limits::BLOB_GROUP_BYTES;
        let start = first * SEALED_CHUNK_BYTES;
        let mut request = Request::builder().method(Method::GET).uri(file_path(&seal.id()));
        if start > 0 {
            request = request.header(header::RANGE, format!("bytes={start}-"));
        }
        let response = tokio::select! {
            response = self.asked(relay, request, Body::empty()) => response?,
            () = cancel.cancelled() => return Err(BlobError::Cancelled),
        };
        let expected = if start > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let length = number(response.headers(), header::CONTENT_LENGTH.as_str());
        if response.status() != expected || length != Some(sealed_size(blob.size) - start) {
            return Err(BlobError::Altered);
        }
        let stall = self.timings().write_stall;
        let open = move |pieces: Pieces| open_from(&seal, &blob, first, pieces, before, sink);
        taken("fetch from a relay", data(response.into_body()), cancel, stall, &self.spawner, open).await
    }

    /// Takes a file away.
    pub(crate) async fn withdraw(&self, relay: &RelayAddress, pass: &FilePass, file: &FileId) -> Result<(), BlobError> {
        let request = Request::builder().method(Method::DELETE).uri(file_path(file));
        self.asked(relay, request.header(header::AUTHORIZATION, pass.to_string()), Body::empty()).await.map(drop)
    }

    /// Asks for what is answered at once.
    async fn asked(
        &self,
        relay: &RelayAddress,
        request: hyper::http::request::Builder,
        body: Body,
    ) -> Result<Response<Incoming>, BlobError> {
        let answering = async { Ok(self.answered(relay, request, body).await) };
        within(self.timings().relay_answer, answering).await?
    }

    async fn answered(
        &self,
        relay: &RelayAddress,
        request: hyper::http::request::Builder,
        body: Body,
    ) -> Result<Response<Incoming>, BlobError> {
        let response = self.stations.connector.request(relay, request, body, &self.spawner).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let no_relay = || RelayError::NotRelay(format!("it answers with {status}"));
        let body = Limited::new(response.into_body(), REFUSAL_BYTES).collect().await.map_err(|_| no_relay())?;
        match FromRelay::decode(&body.to_bytes()) {
            Ok(FromRelay::Refused(refused)) => Err(BlobError::RelayRefused(refused)),
            _ => Err(no_relay().into()),
        }
    }

    fn timings(&self) -> &crate::Timings {
        &self.stations.connector.timings
    }
}

impl State {
    fn read(response: &Response<Incoming>, total: u64) -> Result<Self, BlobError> {
        let said = |name| number(response.headers(), name);
        match (said(UPLOAD_OFFSET), said(UPLOAD_LENGTH), said(FILE_LIFETIME)) {
            (Some(offset), Some(length), Some(lifetime_s)) if offset <= total && length == total => {
                Ok(Self { offset, lifetime: Duration::from_secs(lifetime_s) })
            }
            _ => Err(RelayError::Protocol("it says nothing sound of an upload".into()).into()),
        }
    }
}

fn put(id: &FileId, pass: &FilePass, total: u64, offset: u64, length: u64) -> hyper::http::request::Builder {
    let request = Request::builder().method(Method::PUT).uri(file_path(id));
    let request = request.header(header::AUTHORIZATION, pass.to_string());
    request.header(UPLOAD_LENGTH, total).header(UPLOAD_OFFSET, offset).header(header::CONTENT_LENGTH, length)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    let number = headers.get(name)?.to_str().ok()?.parse().ok()?;
    (number <= limits::INTEGER_MAX).then_some(number)
}

/// Writes the sealed file from one of its bytes on.
fn seal_from(seal: &FileSeal, mut source: Box<dyn Source>, offset: u64, to: &mut Writer) -> Result<(), BlobError> {
    let left = |_| BlobError::Broken("the relay takes nothing any more".into());
    let mut skip = usize::try_from(offset % SEALED_CHUNK_BYTES).unwrap_or(0);
    let mut bytes = Vec::new();
    for chunk in offset / SEALED_CHUNK_BYTES..seal.chunks() {
        bytes.resize(seal.content_bytes(chunk), 0);
        // The last ones may be nothing but padding.
        if !bytes.is_empty() {
            source.read_at(chunk * limits::BLOB_GROUP_BYTES, &mut bytes).map_err(BlobError::Source)?;
        }
        seal.seal(chunk, &mut bytes).map_err(|_| BlobError::Altered)?;
        to.write_all(bytes.get(skip..).unwrap_or_default()).map_err(left)?;
        skip = 0;
    }
    Ok(())
}

/// Opens the sealed file from one of its chunks on, and checks the whole.
fn open_from(
    seal: &FileSeal,
    blob: &Blob,
    first: u64,
    mut pieces: Pieces,
    mut before: Box<dyn Source>,
    mut sink: Box<dyn Sink>,
) -> Result<(), BlobError> {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::new();
    for group in 0..first {
        bytes.resize(seal.content_bytes(group), 0);
        before.read_at(group * limits::BLOB_GROUP_BYTES, &mut bytes).map_err(BlobError::Sink)?;
        hasher.update(&bytes);
    }
    drop(before);
    for chunk in first..seal.chunks() {
        bytes.resize(seal.sealed_bytes(chunk), 0);
        pieces.read_exact(&mut bytes).map_err(|_| BlobError::Broken("it ended early".into()))?;
        seal.open(chunk, &mut bytes).map_err(|_| BlobError::Altered)?;
        if !bytes.is_empty() {
            hasher.update(&bytes);
            sink.write(chunk * limits::BLOB_GROUP_BYTES, &bytes).map_err(BlobError::Sink)?;
        }
    }
    if *hasher.finalize().as_bytes() != blob.hash {
        return Err(BlobError::Mismatch);
    }
    sink.finish().map_err(BlobError::Sink)
}
