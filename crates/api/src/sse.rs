//! `GET events`: the events of Socket.IO as server-sent events, for programs that only listen (`curl -N`, `landline
//! follow`).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};

use crate::args::Scope;
use crate::events::Teller;
use crate::rest::known_caller;
use crate::server::Served;

/// How often a silent stream shows that it lives; below the usual 60 s of proxies, and no wake-up when nobody listens.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

pub(crate) async fn events(State(served): State<Arc<Served>>, headers: HeaderMap) -> Response {
    let caller = known_caller(&served, &headers).and_then(|caller| caller.require(Scope::Read).map(|()| caller));
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let changes = served.door.node.changes();
    let teller = Teller::new(&served.door.node, &caller);
    let stopping = served.spawner.stop_token();
    let counted = served.count_realtime_client();
    // The stream is polled only while the client takes what it gets. Meanwhile the node's changes wait in its one
    // shared buffer, and who falls out of it is told so: a slow reader costs no memory.
    let start = (changes, teller, std::collections::VecDeque::from([("ready", json!({}))]), false);
    let stream = stream::unfold(start, move |(mut changes, mut teller, mut waiting, ended)| {
        let (served, caller, stopping) = (served.clone(), caller.id.clone(), stopping.clone());
        let _ = &counted;
        async move {
            if ended {
                return None;
            }
            loop {
                if let Some((name, value)) = waiting.pop_front() {
                    return Some((event(name, &value), (changes, teller, waiting, false)));
                }
                let change = tokio::select! {
                    change = changes.next() => change?,
                    () = stopping.cancelled() => return None,
                };
                if let Err(error) = served.door.tokens.check(&caller, served.door.now()) {
                    return Some((event("error", &json!(error.body)), (changes, teller, waiting, true)));
                }
                match change {
                    Ok(change) => waiting.extend(teller.tell(&change)),
                    Err(_) => waiting.push_back(("lagged", json!({}))),
                }
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}

fn event(name: &str, value: &Value) -> Result<Event, Infallible> {
    // JSON as serde writes it has no line break, which an event's data may not contain.
    Ok(Event::default().event(name).data(value.to_string()))
}
