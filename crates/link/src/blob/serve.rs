//! The listening side: `GET /blobs/{hash}/{from}` and `PUT` of the same.

use std::{sync::atomic::Ordering, time::Duration};

use axum::{
    Router,
    body::{Body, BodyDataStream},
    extract::{ConnectInfo, Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::StreamExt as _;
use tokio::sync::oneshot;

use super::{BlobCall, BlobDesk, BlobError, BlobRefusal, pieces, stream};
use crate::{listener::Caller, tasks::Spawner};

/// How long the rest of a refused blob is read: until whoever brings it has read the answer.
const UNREAD: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Door {
    desk: BlobDesk,
    stall: Duration,
    spawner: Spawner,
}

/// The two routes.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    desk: BlobDesk,
    stall: Duration,
    spawner: &Spawner,
) -> Router<S> {
    let door = Door { desk, stall, spawner: spawner.clone() };
    Router::new().route("/blobs/{hash}/{from}", get(give).put(take)).with_state(door)
}

async fn give(
    State(door): State<Door>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path((hash, from)): Path<(String, u64)>,
) -> Response {
    caller.routed.store(true, Ordering::Relaxed);
    let Some(hash) = parse_hash(&hash) else { return refused(BlobRefusal::Gone) };
    let (reply, answer) = oneshot::channel();
    (door.desk)(BlobCall::Get { peer: caller.machine, hash, from, reply });
    match answer.await {
        Ok(Ok(content)) if stream::can_begin(&content.blob, from) => {
            let body = Body::from_stream(pieces::outgoing(content, from, door.stall, &door.spawner));
            closing(body.into_response())
        }
        Ok(Ok(_)) => refused(BlobRefusal::Unasked),
        Ok(Err(refusal)) => refused(refusal),
        Err(_) => refused(BlobRefusal::Busy),
    }
}

async fn take(
    State(door): State<Door>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(path): Path<(String, u64)>,
    request: Request,
) -> Response {
    caller.routed.store(true, Ordering::Relaxed);
    let mut body = request.into_body().into_data_stream();
    let taken = bring(&door, &caller, &path, &mut body).await;
    let answer = match taken {
        Ok(()) => return closing(StatusCode::NO_CONTENT.into_response()),
        Err(refusal) => refused(refusal),
    };
    // Closed while the other side still writes, the connection would be reset, and the answer lost.
    let stopping = door.spawner.stopping();
    door.spawner.spawn("let a refused blob end", async move {
        let rest = async { while let Some(Ok(_)) = body.next().await {} };
        tokio::select! {
            _ = tokio::time::timeout(UNREAD, rest) => {}
            () = stopping => {}
        }
    });
    answer
}

/// Takes a blob that is brought, unless something is against it.
async fn bring(
    door: &Door,
    caller: &Caller,
    path: &(String, u64),
    body: &mut BodyDataStream,
) -> Result<(), BlobRefusal> {
    let (hash, from) = path;
    let hash = parse_hash(hash).ok_or(BlobRefusal::Unasked)?;
    let (reply, answer) = oneshot::channel();
    (door.desk)(BlobCall::Put { peer: caller.machine, hash, from: *from, reply });
    let intake = answer.await.unwrap_or(Err(BlobRefusal::Busy))?;
    if !stream::can_begin(&intake.blob, *from) {
        return Err(BlobRefusal::Unasked);
    }
    let super::Intake { blob, sink, cancel, ended } = intake;
    let outcome = pieces::incoming(body, blob, *from, sink, &cancel, door.stall, &door.spawner).await;
    let taken = match &outcome {
        Ok(()) => Ok(()),
        Err(BlobError::Mismatch) => Err(BlobRefusal::Mismatch),
        Err(BlobError::Sink(error)) if error.kind() == std::io::ErrorKind::StorageFull => Err(BlobRefusal::NoRoom),
        Err(_) => Err(BlobRefusal::Unreadable),
    };
    // Who asked may have given up.
    drop(ended.send(outcome));
    taken
}

fn refused(refusal: BlobRefusal) -> Response {
    closing((refusal.status(), format!("Landline: {refusal}\n")).into_response())
}

/// One blob a connection: it ends with its answer, so nothing idle is kept.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// 64 hexadecimal digits, in lower case.
fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; 32];
    if text.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(hash)
}

/// The path of a blob.
pub(super) fn path_of(hash: &[u8; 32], from: u64) -> String {
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("/blobs/{digits}/{from}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_in_paths() {
        let hash = *blake3::hash(b"x").as_bytes();
        let path = path_of(&hash, 65_536);
        let parts: Vec<_> = path.split('/').collect();
        assert_eq!((parse_hash(parts[2]), parts[3]), (Some(hash), "65536"));
        for bad in ["", "00", &"g".repeat(64), &"A".repeat(64), &"0".repeat(65)] {
            assert_eq!(parse_hash(bad), None, "{bad}");
        }
    }
}
