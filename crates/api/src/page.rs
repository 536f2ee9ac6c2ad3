//! The web page: the same interface as in the window, embedded in the program.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::error::ApiError;
use crate::server::Served;

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
struct Files;

const ENTRY: &str = "index.html";

/// Answers everything that is no path of the API.
pub(crate) async fn page(State(served): State<Arc<Served>>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = format!("The page does not take {}.", crate::error::excerpt(request.method().as_str()));
        return ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text).into_response();
    }
    if !served.page {
        return ApiError::not_found("This node serves no page.").into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    let path = if path.is_empty() { ENTRY } else { path };
    if let Some(file) = Files::get(path) {
        // Vite puts a hash of the content into the names of what it builds.
        let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        return ([(header::CONTENT_TYPE, kind(path)), (header::CACHE_CONTROL, cache)], file.data).into_response();
    }
    // A path without an extension is a place in the interface, which finds its own way.
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.contains('.') {
        return ApiError::not_found("There is no such file.").into_response();
    }
    match Files::get(ENTRY) {
        Some(file) => {
            ([(header::CONTENT_TYPE, kind(ENTRY)), (header::CACHE_CONTROL, "no-cache")], file.data).into_response()
        }
        None => ApiError::not_found("The interface is not built.").into_response(),
    }
}

/// What a file is, by its extension.
fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
