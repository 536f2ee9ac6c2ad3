//! The one error of the local API: what REST answers, Socket.IO acknowledges with and the window's `call` rejects with.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// Longest excerpt of a caller's own input that an error repeats, in characters.
const EXCERPT_CHARS: usize = 160;

/// The error as programs see it. `code` is for programs and never changes its meaning; `message` is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct ErrorBody {
    /// Stable, in snake case: `message_too_long`, `not_found`, `invalid_value` …
    pub code: String,
    /// What is wrong, in a sentence for people.
    pub message: String,
    /// The argument at fault, in camel case, nested ones with dots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The limit that was passed, in the unit the message names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// What REST wraps around an [`ErrorBody`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ErrorReply {
    /// The error.
    pub error: ErrorBody,
}

/// A refused or failed call: an [`ErrorBody`] with the HTTP status that fits it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", self.body.code, self.body.message)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// What the caller is told.
    pub body: ErrorBody,
    /// When to try again, for 429 and 503.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// An error without a field.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody { code: code.to_owned(), message: message.into(), field: None, limit: None },
            retry_after: None,
        }
    }

    /// Names the argument at fault.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.body.field = Some(field.into());
        self
    }

    /// Names the limit that was passed.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.body.limit = Some(limit);
        self
    }

    /// 400: the input is not JSON, or no JSON object.
    #[must_use]
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", message)
    }

    /// 422: an argument has a wrong type or a value that cannot be.
    #[must_use]
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", message).field(field)
    }

    /// 404.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 401, with a code that says which way the token failed.
    #[must_use]
    pub fn unauthorized(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// 503: the node is on its way out.
    #[must_use]
    pub fn shutting_down() -> Self {
        let mut error =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "Landline is closing; try again shortly.");
        error.retry_after = Some(Duration::from_secs(5));
        error
    }

    /// 500: nothing the caller did. The cause goes to the log, not to the caller.
    #[must_use]
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a command failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Landline could not do this; its log says why.")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let retry_after = self.retry_after;
        let status = self.status;
        let mut response = (status, axum::Json(ErrorReply { error: self.body })).into_response();
        if let Some(wait) = retry_after {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Cuts what an error repeats of the caller's input, so an error is never longer than a paragraph.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(EXCERPT_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(EXCERPT_CHARS).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_input_is_cut_and_keeps_no_control_characters() {
        let cut = excerpt(&"\u{1b}[31m".repeat(1000));
        assert_eq!(cut.chars().count(), EXCERPT_CHARS + 1, "because an error must stay readable");
        assert!(!cut.contains('\u{1b}'), "because it may be printed to a terminal");
    }
}
