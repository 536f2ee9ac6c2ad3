//! The content of attachments: bytes that come and go as they are, which no command can carry.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{StreamExt as _, stream};
use node::view::Upload;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::args::Scope;
use crate::error::ApiError;
use crate::rest::known_caller;
use crate::server::Served;

/// How long a client may pause while it sends.
const PAUSE: Duration = Duration::from_secs(30);

/// Bytes that are read from a file at once.
const PIECE_BYTES: usize = 128 * 1024;

/// Types that a browser shows without running anything in them. All else is only handed out to be saved.
const SHOWN: [&str; 15] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "image/bmp",
    "audio/aac",
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "video/mp4",
    "video/webm",
    "video/ogg",
];

pub(crate) fn router() -> Router<Arc<Served>> {
    Router::new()
        .route("/attachments", post(upload))
        .route("/attachments/{attachmentId}", get(content))
        .route("/attachments/{attachmentId}/thumbnail", get(thumbnail))
}

/// `POST attachments?name=…`: the body is the file.
async fn upload(State(served): State<Arc<Served>>, request: Request) -> Response {
    match take(&served, request).await {
        Ok(upload) => (StatusCode::CREATED, axum::Json(upload)).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn take(served: &Served, request: Request) -> Result<Upload, ApiError> {
    known_caller(served, request.headers())?.require(Scope::Send)?;
    // A page of another origin can send a body of some types without being asked first; it has no token, but it shall not
    // cost anything either.
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.eq_ignore_ascii_case("application/octet-stream") {
        let text = "The body must be the file, with the header Content-Type: application/octet-stream.";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text));
    }
    let (mut name, mut mime) = (None, None);
    for (key, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        let slot = match key.as_ref() {
            "name" => &mut name,
            "mime" => &mut mime,
            other => {
                let other = crate::error::excerpt(other);
                return Err(ApiError::invalid(other.clone(), format!("{other}: this path takes no such parameter.")));
            }
        };
        if slot.replace(value.into_owned()).is_some() {
            return Err(ApiError::invalid(key.to_string(), format!("{key}: given twice.")));
        }
    }
    let name = name.ok_or_else(|| ApiError::invalid("name", "name: the query must name the file."))?;
    let mut uploading = served.door.node.begin_upload(&name, mime.as_deref()).await?;
    let mut body = request.into_body().into_data_stream();
    loop {
        match tokio::time::timeout(PAUSE, body.next()).await {
            Err(_) => {
                let text = "Nothing of the body came for 30 seconds.";
                return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", text));
            }
            Ok(Some(Err(_))) => return Err(ApiError::malformed("The body ended early.")),
            Ok(Some(Ok(piece))) => uploading.write(piece).await?,
            Ok(None) => return Ok(uploading.finish().await?),
        }
    }
}

/// `GET attachments/{id}`: the content, whole or a part of it.
async fn content(
    State(served): State<Arc<Served>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    known_caller(&served, &headers)?.require(Scope::Read)?;
    let found = served.door.node.attachment_content(&id).await?;
    let etag = format!("\"{}\"", found.hash);
    let if_range = headers.get(header::IF_RANGE).is_none_or(|value| value.as_bytes() == etag.as_bytes());
    let range = headers.get(header::RANGE).filter(|_| if_range);
    let range = range.map_or(Ok(None), |range| parse_range(range, found.size)).map_err(|()| {
        ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", "The file is shorter than that.")
    })?;
    let (from, length) = match &range {
        Some(range) => (*range.start(), range.end() - range.start() + 1),
        None => (0, found.size),
    };
    let mut file = tokio::fs::File::from_std(found.file);
    file.seek(io::SeekFrom::Start(from)).await.map_err(|error| ApiError::internal(&error))?;
    let pieces = stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        let mut piece = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES)];
        file.read_exact(&mut piece).await?;
        let left = left - piece.len() as u64;
        Ok(Some((piece, (file, left))))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let shown = SHOWN.contains(&found.mime.as_str());
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer.insert(header::CONTENT_TYPE, text(if shown { &found.mime } else { "application/octet-stream" }));
    answer.insert(header::ETAG, text(&etag));
    answer.insert(header::CONTENT_DISPOSITION, text(&disposition(shown, &found.name)));
    if let Some(range) = range {
        let said = format!("bytes {}-{}/{}", range.start(), range.end(), found.size);
        answer.insert(header::CONTENT_RANGE, text(&said));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// `GET attachments/{id}/thumbnail`: the small image.
async fn thumbnail(
    State(served): State<Arc<Served>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    known_caller(&served, &headers)?.require(Scope::Read)?;
    let (bytes, kind) = served.door.node.attachment_thumbnail(&id).await?;
    Ok(([(header::CONTENT_TYPE, kind)], bytes).into_response())
}

fn text(value: &str) -> HeaderValue {
    // What is given here is ASCII without control characters.
    HeaderValue::from_str(value).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// One range of bytes (RFC 9110, section 14); `None` for a form that is not known here, which is answered whole.
fn parse_range(value: &HeaderValue, size: u64) -> Result<Option<RangeInclusive<u64>>, ()> {
    let Some((first, last)) =
        value.to_str().ok().and_then(|text| text.strip_prefix("bytes=")).and_then(|text| text.split_once('-'))
    else {
        return Ok(None);
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..=last.min(size.saturating_sub(1)),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..=size.saturating_sub(1),
        (Err(_), Ok(count)) if first.trim().is_empty() && count > 0 => {
            size.saturating_sub(count)..=size.saturating_sub(1)
        }
        _ => return Ok(None),
    };
    if *range.start() >= size { Err(()) } else { Ok(Some(range)) }
}

/// The name for who saves it (RFC 6266, RFC 8187).
fn disposition(shown: bool, name: &str) -> String {
    let kind = if shown { "inline" } else { "attachment" };
    let escaped: String = name
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("{kind}; filename*=UTF-8''{escaped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let range = |text: &'static str| parse_range(&HeaderValue::from_static(text), 100);
        assert_eq!(range("bytes=0-9"), Ok(Some(0..=9)));
        assert_eq!(range("bytes=90-"), Ok(Some(90..=99)));
        assert_eq!(range("bytes=-10"), Ok(Some(90..=99)));
        assert_eq!(range("bytes=-1000"), Ok(Some(0..=99)));
        assert_eq!(range("bytes=50-1000"), Ok(Some(50..=99)));
        for whole in ["bytes=9-0", "bytes=0-1,5-6", "lines=0-9", "bytes=", "bytes=-", "bytes=-0", "bytes=x-y"] {
            assert_eq!(range(whole), Ok(None), "{whole}");
        }
        assert_eq!(range("bytes=100-"), Err(()));
    }

    #[test]
    fn a_name_cannot_leave_its_header() {
        assert_eq!(disposition(false, "a\r\nb\";ü"), "attachment; filename*=UTF-8''a%0D%0Ab%22%3B%C3%BC");
    }
}
