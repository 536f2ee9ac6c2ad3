//! REST: requests become commands by the table in `routes`, and their answers become responses.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};

use crate::args::{self, CreateTokenArgs, Scope};
use crate::commands::Command;
use crate::door::Caller;
use crate::error::ApiError;
use crate::results::{Info, LoginArgs};
use crate::routes::{Implied, Kind, ROUTES, Reply, Route, Verb};
use crate::server::Served;
use crate::{attachments, metrics, openapi, sse};

/// Largest body. A message of 65,536 bytes stays below it even when every character is written as `\u….`.
pub const BODY_BYTES: usize = 256 * 1024;

/// How much of a body that is too large is still read, so that the client gets to see the answer before the
/// connection ends.
const DRAINED_BYTES: usize = 8 * 1024 * 1024;

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// How long the web page's token lives.
const PAGE_TOKEN_SECONDS: u32 = 30 * 24 * 60 * 60;

/// All paths below `/api/v1` and, for programs of the prior systems, `/api`.
pub(crate) fn router() -> Router<Arc<Served>> {
    let mut api: Router<Arc<Served>> = Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::openapi))
        .merge(attachments::router())
        .route("/events", get(sse::events))
        .route("/login", post(login));
    for route in ROUTES {
        let handler = move |State(served): State<Arc<Served>>, path: RawPathParams, request: Request| async move {
            answer(&served, route, &path, request).await
        };
        let method: MethodRouter<Arc<Served>> = match route.verb {
            Verb::Get => get(handler),
            Verb::Post => post(handler),
            Verb::Put => axum::routing::put(handler),
            Verb::Patch => axum::routing::patch(handler),
            Verb::Delete => axum::routing::delete(handler),
        };
        api = api.route(route.path, method);
    }
    let api = api.fallback(no_such_path).method_not_allowed_fallback(no_such_method);
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(openapi::openapi))
        .route("/info", get(root_info))
        .nest("/api/v1", api.clone())
        .nest("/api", api)
        .method_not_allowed_fallback(no_such_method)
}

/// Who calls, by the `Authorization` header; `None` when there is none.
pub(crate) fn caller(served: &Served, headers: &HeaderMap) -> Result<Option<Caller>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let verified = token
        .ok_or_else(|| ApiError::unauthorized("token_malformed", "Authorization must be \"Bearer\" and a token."))
        .and_then(|token| served.door.tokens.verify(token, served.door.now()));
    match verified {
        Ok(caller) => {
            served.budget.take(&caller.id)?;
            Ok(Some(caller))
        }
        Err(error) => {
            served.budget.take_stranger()?;
            Err(error)
        }
    }
}

/// Who calls; a call without a token is refused.
pub(crate) fn known_caller(served: &Served, headers: &HeaderMap) -> Result<Caller, ApiError> {
    if let Some(caller) = caller(served, headers)? {
        return Ok(caller);
    }
    served.budget.take_stranger()?;
    Err(ApiError::unauthorized("token_missing", "This needs a token: Authorization: Bearer …"))
}

async fn answer(served: &Served, route: &Route, path: &RawPathParams, request: Request) -> Response {
    match call(served, route, path, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn call(served: &Served, route: &Route, path: &RawPathParams, request: Request) -> Result<Response, ApiError> {
    // What everybody may know: that Landline runs, its version, and three counts.
    let caller = match route.command {
        Command::Status | Command::Info => caller(served, request.headers())?,
        _ => Some(known_caller(served, request.headers())?),
    };
    let Some(caller) = caller else {
        served.budget.take_stranger()?;
        return match route.command {
            Command::Info => Ok(axum::Json(Info::of(None)).into_response()),
            _ => counts(served).await,
        };
    };
    caller.require(route.command.scope())?;
    let arguments = arguments(route, path, request).await?;
    let result = served.door.call(&caller, route.command, Value::Object(arguments)).await?;
    Ok(match route.reply {
        Reply::Ok => axum::Json(result).into_response(),
        Reply::Created => (StatusCode::CREATED, axum::Json(result)).into_response(),
        Reply::SessionMade => {
            let made = result.get("created").and_then(Value::as_bool).unwrap_or_default();
            let status = if made { StatusCode::CREATED } else { StatusCode::OK };
            (status, axum::Json(result.get("session").cloned())).into_response()
        }
    })
}

/// Gathers arguments from path, query and body. None may come twice.
async fn arguments(route: &Route, path: &RawPathParams, request: Request) -> Result<Map<String, Value>, ApiError> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let mut arguments = Map::new();
    for (name, value) in path {
        arguments.insert(name.to_owned(), Value::from(value));
    }
    for (name, value) in route.implied {
        let value = match value {
            Implied::Text(text) => Value::from(*text),
            Implied::Flag(flag) => Value::from(*flag),
        };
        arguments.insert((*name).to_owned(), value);
    }
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some((_, kind)) = route.query.iter().find(|(known, _)| *known == name) else {
            let name = crate::error::excerpt(&name);
            return Err(ApiError::invalid(name.clone(), format!("{name}: this path takes no such parameter.")));
        };
        let value = match (kind, value.parse::<u64>()) {
            (Kind::Number, Ok(number)) => Value::from(number),
            (Kind::Flag, _) if value == "true" || value == "false" => Value::from(value == "true"),
            // What is no number goes on as text, and the command says what is wrong with it.
            _ => Value::from(value.into_owned()),
        };
        if arguments.insert(name.to_string(), value).is_some() {
            return Err(ApiError::invalid(name.to_string(), format!("{name}: given twice.")));
        }
    }
    if route.takes_body() {
        let from_body = body(request).await?;
        for (name, value) in from_body {
            if arguments.contains_key(&name) {
                return Err(ApiError::invalid(name.clone(), format!("{name}: the path says this already.")));
            }
            arguments.insert(name, value);
        }
    }
    Ok(arguments)
}

/// Reads a body that is a JSON object, or nothing.
async fn body(request: Request) -> Result<Map<String, Value>, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = tokio::time::timeout(BODY_TIME, read(body)).await.map_err(|_| {
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The body did not arrive within 30 seconds.")
    })??;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    // A browser's form cannot claim this type, so no page of another origin can send a body without being asked first.
    let json = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    });
    if !json {
        let text = "The body must be JSON, with the header Content-Type: application/json.";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", text));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::malformed("The body must be one JSON object.")),
        Err(error) => Err(ApiError::malformed(format!("The body is not JSON: {error}."))),
    }
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let mut kept = Vec::new();
    let mut seen = 0_usize;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| ApiError::malformed("The body ended early."))?;
        seen = seen.saturating_add(piece.len());
        if seen <= BODY_BYTES {
            kept.extend_from_slice(&piece);
        } else if seen > DRAINED_BYTES {
            break;
        }
    }
    if seen > BODY_BYTES {
        let text = format!("A body can hold {BODY_BYTES} bytes.");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", text).limit(BODY_BYTES as u64));
    }
    Ok(Bytes::from(kept))
}

/// What `GET status` tells everybody.
async fn counts(served: &Served) -> Result<Response, ApiError> {
    let status = served.door.node.status().await?;
    Ok(axum::Json(json!({
        "status": status.status,
        "activeConnections": status.active_connections,
        "activeUsers": status.active_users,
    }))
    .into_response())
}

async fn health(State(served): State<Arc<Served>>) -> Response {
    if let Err(error) = served.budget.take_stranger() {
        return error.into_response();
    }
    // The database answers, or it does not.
    match served.door.node.status().await {
        Ok(status) => axum::Json(json!({ "status": "ok", "uptimeSeconds": status.uptime_seconds })).into_response(),
        Err(error) => {
            let error = ApiError::from(error);
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(json!({ "status": "failing", "code": error.body.code })))
                .into_response()
        }
    }
}

async fn root_info(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response {
    match caller(&served, &headers) {
        Ok(Some(_)) => axum::Json(Info::of(Some(served.door.node.machine_id().to_string()))).into_response(),
        Ok(None) => match served.budget.take_stranger() {
            Ok(()) => axum::Json(Info::of(None)).into_response(),
            Err(error) => error.into_response(),
        },
        Err(error) => error.into_response(),
    }
}

/// `POST login`: the code of a one-time link becomes a token for the page.
async fn login(State(served): State<Arc<Served>>, request: Request) -> Response {
    let attempt = async {
        served.budget.take_stranger()?;
        let LoginArgs { code } = args::parse(Value::Object(body(request).await?))?;
        let now = served.door.now();
        served.door.logins.redeem(&code, now)?;
        let token = CreateTokenArgs {
            name: "Web page".to_owned(),
            scopes: vec![Scope::Read, Scope::Send, Scope::Admin],
            expires_in_seconds: Some(PAGE_TOKEN_SECONDS),
        };
        served.door.tokens.create(&served.door.node, now, token).await
    };
    match attempt.await {
        Ok(token) => (StatusCode::CREATED, axum::Json(token)).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn no_such_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!("There is nothing at {}.", crate::error::excerpt(uri.path())))
}

async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    let path = crate::error::excerpt(uri.path());
    let text = format!("{} does not take {}.", path, crate::error::excerpt(method.as_str()));
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
}
