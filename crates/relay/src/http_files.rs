//! Files over HTTP: put by who holds a token, fetched by who knows the ID. One request a connection.
//!
//! A piece at a time is in memory, and is durable before the next is taken. A transfer runs in a task of its own: when the
//! client goes, what has come is kept, so that it can go on from there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use hyper::body::Body as _;
use proto::FileId;
use proto::relay::{FILE_LIFETIME, FilePass, FromRelay, RefusalCode, Refused, UPLOAD_LENGTH, UPLOAD_OFFSET};
use proto::sealed_file::sealed_size;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::files::{Begin, FileError, Upload, Whole};
use crate::http::Served;
use crate::listener::Place;
use crate::mailboxes::TokenHash;
use crate::metrics::{add, count};
use crate::relay::Inner;
use crate::requests::AWAY_S;

/// Bytes that are brought to the store or from it at once. Each costs two syncs or a message, and room in memory for each transfer.
const PIECE_BYTES: usize = 512 << 10;

/// Bytes that are given at once, and that must move within [`crate::Limits::stall`].
const STEP_BYTES: usize = 64 << 10;

/// How long the rest of a refused upload is read: until whoever brings it has read the answer.
const UNREAD: Duration = Duration::from_secs(5);

/// After how many seconds one who found too many transfers does well to come again.
const CROWDED_S: u32 = 5;

/// What answers at a file's path.
pub(crate) fn methods() -> MethodRouter<Served> {
    get(give).put(take).delete(remove)
}

/// Why there is no file, or no more of it.
enum No {
    /// The relay's word.
    Refused(Refused),
    /// Nothing moved for too long, or the client went.
    Stalled,
}

impl From<FileError> for No {
    fn from(error: FileError) -> Self {
        let (code, limit) = match &error {
            FileError::NoMailbox => (RefusalCode::Unreachable, None),
            FileError::BadToken => (RefusalCode::BadToken, None),
            FileError::NoFile => (RefusalCode::NoFile, None),
            FileError::OtherSize => (RefusalCode::Invalid, None),
            FileError::Offset(offset) => (RefusalCode::Offset, Some(*offset)),
            FileError::TooLarge(limit) => (RefusalCode::TooLarge, Some(*limit)),
            FileError::Full(limit) => (RefusalCode::MailboxFull, Some(*limit)),
            FileError::TooMany(limit) => (RefusalCode::TooMany, Some(*limit)),
            FileError::Exhausted => (RefusalCode::Full, None),
            FileError::Away(_) => {
                // The connection to the store says what is wrong, once.
                let refused = refusal(RefusalCode::Storage, "the relay's store is away");
                return No::Refused(Refused { retry_after_s: Some(AWAY_S), ..refused });
            }
            FileError::DiskFull | FileError::Failed(_) | FileError::Closed => {
                tracing::error!(%error, "the store of files refused");
                return refused(RefusalCode::Storage, "the relay can't write");
            }
        };
        No::Refused(Refused { limit, ..refusal(code, &error.to_string()) })
    }
}

fn refusal(code: RefusalCode, detail: &str) -> Refused {
    Refused { request: None, code, detail: detail.to_owned(), limit: None, retry_after_s: None }
}

fn refused(code: RefusalCode, detail: &str) -> No {
    No::Refused(refusal(code, detail))
}

async fn give(State(served): State<Served>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let given = async {
        let (_, place) = admit(&served, &headers)?;
        let id: FileId = id.parse().map_err(|_| No::from(FileError::NoFile))?;
        let file = served.relay.files.find(id, served.relay.now_s()).await?.ok_or(FileError::NoFile)?;
        let from = range(&headers, &file)?;
        Ok(download(&served, place, id, file, from))
    };
    given.await.unwrap_or_else(|no| answer(&served, no))
}

async fn take(State(served): State<Served>, Path(id): Path<String>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let (to, answered) = oneshot::channel();
    let relay = served.relay.clone();
    let task = served.clone();
    relay.tasks.spawn("upload", async move {
        let asks_only = body.is_end_stream();
        let mut body = body.into_data_stream();
        let taken = upload(&task, &id, &head.headers, asks_only, &mut body).await;
        let response = match taken {
            Ok(upload) => state(&task.relay, &upload),
            Err(no) => answer(&task, no),
        };
        // Who no longer waits will ask.
        to.send(response).ok();
        // Closed while the other side still writes, the connection would be reset, and the answer lost.
        let rest = async { while let Some(Ok(_)) = body.next().await {} };
        let stop = task.relay.tasks.stopping();
        tokio::select! {
            _ = timeout(UNREAD, rest) => {}
            () = stop.cancelled() => {}
        }
    });
    answered.await.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
}

async fn remove(State(served): State<Served>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let removed = async {
        let (_, _place) = admit(&served, &headers)?;
        let id: FileId = id.parse().map_err(|_| No::from(FileError::NoFile))?;
        let (pass, hash) = pass(&served.relay, &headers)?;
        served.relay.files.remove(id, pass.mailbox, hash, served.relay.now_s()).await?;
        Ok(closing(StatusCode::NO_CONTENT.into_response()))
    };
    removed.await.unwrap_or_else(|no| answer(&served, no))
}

/// A place among the connections, and one among the transfers.
fn admit(served: &Served, headers: &HeaderMap) -> Result<(IpAddr, [Place; 2]), No> {
    let limits = &served.relay.limits;
    let crowded = || {
        let refused = refusal(RefusalCode::Full, "too many connections or transfers");
        No::Refused(Refused { retry_after_s: Some(CROWDED_S), ..refused })
    };
    let (source, place) = served.admit(headers).map_err(|(status, detail)| match status {
        StatusCode::TOO_MANY_REQUESTS => crowded(),
        _ => refused(RefusalCode::Invalid, detail.trim()),
    })?;
    let mut transfer = served.relay.transfers.enter(limits.transfers).ok_or_else(crowded)?;
    if transfer.count_for(source, limits.transfers_per_source) {
        Ok((source, [place, transfer]))
    } else {
        Err(crowded())
    }
}

/// By what right somebody puts, as often as that may.
fn pass(relay: &Inner, headers: &HeaderMap) -> Result<(FilePass, TokenHash), No> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.parse().ok());
    let pass: FilePass = given.ok_or_else(|| refused(RefusalCode::BadToken, "no delivery token was shown"))?;
    let hash = *pass.token.hash().as_bytes();
    if let Err(wait) = relay.rates.uploads.take(&(pass.mailbox, hash)) {
        let retry_after_s = Some(u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX));
        let limit = Some(relay.rates.uploads.per_minute.into());
        let refused = refusal(RefusalCode::RateLimited, "uploads a minute");
        return Err(No::Refused(Refused { limit, retry_after_s, ..refused }));
    }
    Ok((pass, hash))
}

/// Takes as much of a file as comes.
async fn upload(
    served: &Served,
    id: &str,
    headers: &HeaderMap,
    asks_only: bool,
    body: &mut BodyDataStream,
) -> Result<Upload, No> {
    let relay = &served.relay;
    let _places = admit(served, headers)?;
    let id: FileId = id.parse().map_err(|_| refused(RefusalCode::Invalid, "the path names no file"))?;
    let (pass, token) = pass(relay, headers)?;
    let size = number(headers, UPLOAD_LENGTH).filter(|size| *size >= sealed_size(1));
    let size = size.ok_or_else(|| refused(RefusalCode::Invalid, "no sealed file has this length"))?;
    let offset = number(headers, UPLOAD_OFFSET);
    let offset = offset.ok_or_else(|| refused(RefusalCode::Invalid, "where it goes on is not said"))?;
    let begin = Begin { id, mailbox: pass.mailbox, token, size, now_s: relay.now_s() };
    let begun = relay.files.begin(begin).await?;
    if asks_only {
        return Ok(begun);
    }
    if offset != begun.received {
        return Err(FileError::Offset(begun.received).into());
    }
    let mut intake = Intake { relay, id, upload: begun, gathered: BytesMut::new() };
    let ended = intake.take(body).await;
    // Also when it was broken off.
    intake.keep().await?;
    ended?;
    if intake.upload.is_whole() {
        count(&relay.figures.files);
    }
    Ok(intake.upload)
}

/// What comes of a file, on its way to the disk.
struct Intake<'a> {
    relay: &'a Inner,
    id: FileId,
    upload: Upload,
    gathered: BytesMut,
}

impl Intake<'_> {
    async fn take(&mut self, body: &mut BodyDataStream) -> Result<(), No> {
        let stall = self.relay.limits.stall;
        let (mut deadline, mut moved) = (Instant::now() + stall, 0);
        loop {
            let bytes = match timeout_at(deadline, body.next()).await {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(None) => return Ok(()),
                Ok(Some(Err(_))) | Err(_) => return Err(No::Stalled),
            };
            let due = self.upload.received + (self.gathered.len() + bytes.len()) as u64;
            if due > self.upload.size {
                return Err(FileError::OtherSize.into());
            }
            moved += bytes.len();
            self.gathered.extend_from_slice(&bytes);
            if self.gathered.len() >= PIECE_BYTES {
                self.keep().await?;
            }
            // The time of the disk is not the client's.
            if moved >= STEP_BYTES {
                (deadline, moved) = (Instant::now() + stall, 0);
            }
        }
    }

    async fn keep(&mut self) -> Result<(), FileError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.gathered, BytesMut::with_capacity(PIECE_BYTES)).freeze();
        let bytes = piece.len() as u64;
        self.upload = self.relay.files.append(self.id, self.upload.received, piece, self.relay.now_s()).await?;
        add(&self.relay.figures.file_bytes_in, bytes);
        Ok(())
    }
}

/// Gives a file from a byte on.
fn download(served: &Served, places: [Place; 2], id: FileId, file: Whole, from: u64) -> Response {
    let (to, pieces) = mpsc::channel::<Result<Bytes, FileError>>(1);
    let (relay, cut) = (served.relay.clone(), served.cut().clone());
    let task = relay.clone();
    relay.tasks.spawn("download", async move {
        let _places = places;
        let mut at = from;
        while at < file.size {
            let most = usize::try_from(file.size - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let mut piece = match task.files.read(id, at, most).await {
                Ok(piece) => piece,
                Err(error) => {
                    return if timeout(task.limits.stall, to.send(Err(error))).await.is_err() {
                        cut.cancel()
                    };
                }
            };
            while !piece.is_empty() {
                let step = piece.split_to(piece.len().min(STEP_BYTES));
                let count = step.len() as u64;
                match timeout(task.limits.stall, to.send(Ok(step))).await {
                    Ok(Ok(())) => {}
                    // The client went.
                    Ok(Err(_)) => return,
                    Err(_) => return cut.cancel(),
                }
                add(&task.figures.file_bytes_out, count);
                at += count;
            }
        }
        count(&task.figures.files_given);
    });
    let body = Body::from_stream(stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces))));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, (file.size - from).into());
    headers.insert(FILE_LIFETIME, file.expires_s.saturating_sub(served.relay.now_s()).into());
    if from > 0 {
        let said = format!("bytes {from}-{}/{}", file.size - 1, file.size);
        headers.extend(HeaderValue::try_from(said).map(|said| (header::CONTENT_RANGE, said)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    closing(response)
}

/// Where a fetch begins: `bytes=N-`, or nothing for the begin.
fn range(headers: &HeaderMap, file: &Whole) -> Result<u64, No> {
    let Some(said) = headers.get(header::RANGE) else { return Ok(0) };
    let from = said.to_str().ok().and_then(|said| said.strip_prefix("bytes=")?.strip_suffix('-')).and_then(digits);
    let from = from.ok_or_else(|| refused(RefusalCode::Invalid, "a range is bytes=N-"))?;
    if from < file.size { Ok(from) } else { Err(FileError::Offset(file.size).into()) }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name).and_then(|value| digits(value.to_str().ok()?))
}

/// A decimal number without a sign, within what stores have.
fn digits(text: &str) -> Option<u64> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
    (number <= proto::limits::INTEGER_MAX).then_some(number)
}

fn state(relay: &Arc<Inner>, upload: &Upload) -> Response {
    let mut response = StatusCode::OK.into_response();
    let lifetime_s = upload.expires_s.saturating_sub(relay.now_s());
    let said = [(UPLOAD_OFFSET, upload.received), (UPLOAD_LENGTH, upload.size), (FILE_LIFETIME, lifetime_s)];
    response.headers_mut().extend(said.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from(value))));
    closing(response)
}

fn answer(served: &Served, no: No) -> Response {
    let No::Refused(refused) = no else {
        served.cut().cancel();
        return StatusCode::REQUEST_TIMEOUT.into_response();
    };
    count(&served.relay.figures.refused);
    let status = match refused.code {
        RefusalCode::BadToken | RefusalCode::Unreachable => StatusCode::FORBIDDEN,
        RefusalCode::NoFile => StatusCode::NOT_FOUND,
        RefusalCode::Offset => StatusCode::CONFLICT,
        RefusalCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        RefusalCode::Full => StatusCode::SERVICE_UNAVAILABLE,
        RefusalCode::Storage if refused.retry_after_s.is_some() => StatusCode::SERVICE_UNAVAILABLE,
        RefusalCode::MailboxFull | RefusalCode::TooMany | RefusalCode::Storage => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::BAD_REQUEST,
    };
    let retry_after = refused.retry_after_s.map(|seconds| (header::RETRY_AFTER, HeaderValue::from(seconds)));
    let body = FromRelay::Refused(refused).encode();
    let mut response = (status, [(header::CONTENT_TYPE, "application/cbor")], body).into_response();
    response.headers_mut().extend(retry_after);
    closing(response)
}

/// One request a connection: it ends with its answer, so nothing idle is kept.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_one_form() {
        let file = Whole { size: 100, expires_s: 9 };
        let from =
            |said: &'static str| range(&HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(said))]), &file);
        assert!(matches!(range(&HeaderMap::new(), &file), Ok(0)));
        assert!(matches!((from("bytes=0-"), from("bytes=99-")), (Ok(0), Ok(99))));
        assert!(matches!(
            from("bytes=100-"),
            Err(No::Refused(Refused { code: RefusalCode::Offset, limit: Some(100), .. }))
        ));
        for wrong in
            ["", "bytes=", "bytes=-", "bytes=-5", "bytes=1-2", "bytes=0-,5-", "bytes=+1-", "bytes=1e1-", "lines=0-"]
        {
            assert!(matches!(from(wrong), Err(No::Refused(Refused { code: RefusalCode::Invalid, .. }))), "{wrong}");
        }
        assert!(from("bytes=99999999999999999999999-").is_err());
        assert_eq!((digits("9223372036854775807"), digits("9223372036854775808")), (Some(i64::MAX as u64), None));
    }
}
