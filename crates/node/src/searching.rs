//! Full-text search over all sessions.

use proto::id::{MachineId, SessionId};
use store::EventKey;
use store::search::{Kind, PAGE, Query, Terms};

use crate::node::Node;
use crate::view::{FoundIn, MessageType, SearchHit, SearchPage};
use crate::views::Sides;
use crate::{NodeError, SearchRequest, times};

/// Longest text that is looked for, in bytes.
const QUERY_BYTES: usize = 512;

/// Hits of a page when the caller does not say.
const LIMIT: u32 = 20;

impl Node {
    /// Messages that hold all words of a text, newest first, and where. With a filter the text may be empty.
    ///
    /// # Errors
    /// When a value cannot be accepted or the index cannot be read.
    pub async fn search(&self, request: SearchRequest) -> Result<SearchPage, NodeError> {
        let query = parse(&request)?;
        let core = self.core();
        let found = core.search.find(&core.store, query).await?;
        let sessions: Vec<SessionId> = found.hits.iter().map(|hit| hit.message.session_id).collect();
        let peers = core
            .store
            .read(move |reader| {
                let mut peers: Vec<(SessionId, Option<MachineId>)> = Vec::new();
                for id in sessions {
                    if !peers.iter().any(|(known, _)| *known == id) {
                        peers.push((id, store::sessions::get_by_id(reader, &id)?.and_then(|session| session.peer)));
                    }
                }
                Ok(peers)
            })
            .await?;
        let mut items = Vec::with_capacity(found.hits.len());
        for hit in &found.hits {
            let id = hit.message.session_id;
            let peer = peers.iter().find(|(known, _)| *known == id).and_then(|(_, peer)| *peer);
            let title = peer.and_then(|peer| core.people.user(&peer)).map(|user| user.name).unwrap_or_default();
            items.push(SearchHit {
                message: Sides::of(core, peer.as_ref()).message(&hit.message),
                session: FoundIn { session_id: id.to_string(), title },
                ranges: hit.ranges.iter().map(|(from, to)| [*from, *to]).collect(),
            });
        }
        Ok(SearchPage {
            items,
            next_before: found.next_before.map(|key| key.0.to_string()),
            total: u32::try_from(found.total).unwrap_or(u32::MAX),
            indexing: found.indexing,
        })
    }
}

fn parse(request: &SearchRequest) -> Result<Query, NodeError> {
    if request.text.len() > QUERY_BYTES {
        let (limit, actual) = (QUERY_BYTES as u64, request.text.len() as u64);
        let message = format!("q can hold {limit} bytes; this one has {actual}");
        return Err(NodeError::TooLarge { code: "text_too_long", field: "q", limit, actual, message });
    }
    let author = request.from.as_deref().map(|text| id("from", text)).transpose()?;
    let session = request.session.as_deref().map(|text| id("in", text)).transpose()?;
    let time = |field: &'static str, text: Option<&String>| match text {
        None => Ok(None),
        Some(text) => times::parse(text).map(Some).ok_or_else(|| {
            let message = format!("{field} must be a time such as 2026-01-31T08:00:00Z");
            NodeError::Invalid { code: "invalid_time", field, message }
        }),
    };
    let (since_ms, until_ms) = (time("since", request.since.as_ref())?, time("until", request.until.as_ref())?);
    let before = match &request.before {
        None => None,
        Some(cursor) => Some(cursor.parse().map(EventKey).map_err(|_| {
            let message = "before must be nextBefore of an earlier page".to_owned();
            NodeError::Invalid { code: "invalid_cursor", field: "before", message }
        })?),
    };
    let limit = request.limit.unwrap_or(LIMIT);
    if !(1..=PAGE).contains(&limit) {
        let message = format!("limit must be 1 to {PAGE}, not {limit}");
        return Err(NodeError::Invalid { code: "invalid_limit", field: "limit", message });
    }
    let terms = Terms::parse(&request.text);
    let kind = match request.kind {
        None => None,
        Some(MessageType::Text) => Some(Kind::Text),
        Some(MessageType::Image) => Some(Kind::Image),
        Some(MessageType::File) => Some(Kind::File),
        Some(MessageType::System) => {
            let message = "type must be text, image or file; lines of the session itself are not searched".to_owned();
            return Err(NodeError::Invalid { code: "invalid_value", field: "type", message });
        }
    };
    let filtered = kind.is_some() || author.is_some() || session.is_some() || since_ms.is_some() || until_ms.is_some();
    if terms.is_empty() && !filtered {
        let message = "q must hold something to look for, or there must be a filter".to_owned();
        return Err(NodeError::Invalid { code: "text_empty", field: "q", message });
    }
    Ok(Query { terms, author, session, kind, since_ms, until_ms, before, limit })
}

fn id<T: std::str::FromStr<Err: std::fmt::Display>>(field: &'static str, text: &str) -> Result<T, NodeError> {
    text.parse().map_err(|error| {
        let message = format!("{field} {error}");
        NodeError::Invalid { code: "invalid_id", field, message }
    })
}
