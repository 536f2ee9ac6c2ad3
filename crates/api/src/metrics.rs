//! `GET metrics`: the counts of `GET status` in Prometheus' text format. No name, text or ID is in it.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::server::Served;

pub(crate) async fn metrics(State(served): State<Arc<Served>>) -> Response {
    if let Err(error) = served.budget.take_stranger() {
        return error.into_response();
    }
    match served.door.node.status().await {
        Ok(status) => {
            let mut text = String::new();
            let mut gauge = |name: &str, help: &str, value: u64| {
                let _ = writeln!(
                    text,
                    "# HELP landline_{name} {help}\n# TYPE landline_{name} gauge\nlandline_{name} {value}"
                );
            };
            gauge("links", "Links to other machines that stand.", status.active_connections.into());
            gauge("users_online", "Other machines online.", status.active_users.into());
            gauge("sessions", "Sessions.", status.sessions.into());
            gauge("messages_waiting", "Own messages that wait to be delivered.", status.waiting.into());
            gauge("messages_unread", "Unread messages.", status.unread.into());
            gauge("api_clients", "Realtime clients of the local API.", served.realtime_clients());
            gauge("uptime_seconds", "Seconds since start.", status.uptime_seconds.into());
            let version = &status.version;
            let _ = writeln!(
                text,
                "# HELP landline_build_info The program's version.\n# TYPE landline_build_info gauge\nlandline_build_info{{version=\"{version}\"}} 1"
            );
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(error) => ApiError::from(error).into_response(),
    }
}
