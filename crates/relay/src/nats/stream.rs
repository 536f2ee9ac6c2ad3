//! Streams whose every subject is a log of its own: that of all mailboxes, and that of all files; and the few things that are
//! asked of them.
//!
//! All reads are the leader's (`STREAM.MSG.GET`): a direct get may be answered by a server that is behind, and who was told
//! that something arrived would not find it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::client::Request;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, RawMessageError, RawMessageErrorKind, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, HeaderMap, header};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use proto::clock::Clock;
use serde_json::json;
use tokio::time::Instant;

use super::config::NatsConfig;
use super::connection::{PATIENCE, Setup};
use crate::mailboxes::MailboxError;

/// What a stream holds.
#[derive(Debug)]
pub(super) struct Kind {
    /// Name of the stream.
    name: &'static str,
    /// What its subjects begin with; an ID in hex follows.
    subjects: &'static str,
    /// What its description begins with; a number follows.
    description: &'static str,
}

/// The mailboxes, by machine.
pub(super) const MAILBOXES: Kind = Kind {
    name: "LANDLINE_MAILBOXES",
    subjects: "landline.mailbox.",
    description: "Landline mailboxes, cursors from ",
};

/// The files, by the ID under which each is fetched.
pub(super) const FILES: Kind =
    Kind { name: "LANDLINE_FILES", subjects: "landline.file.", description: "Landline files, since " };

/// Bytes that a message takes besides the envelope, record or piece in it.
const OVERHEAD: usize = 1 << 10;

/// How long a walk through the stream may stand still before the server forgets it.
const WALK: Duration = Duration::from_secs(30);

impl Kind {
    /// The subject of a log.
    pub(super) fn subject(&self, id: &[u8; 32]) -> String {
        format!("{}{}", self.subjects, hex(id))
    }
}

/// A stream of logs.
#[derive(Debug, Clone)]
pub(super) struct Logs {
    kind: &'static Kind,
    client: Client,
    jetstream: Context,
    stream: Stream,
    /// What is added to a place to make a cursor: where the clock stood when the stream was made. A stream that was lost
    /// and made anew begins again at place 1, and a cursor that a client remembers must not hide what comes then.
    pub(super) base: u64,
    /// Most bytes that a record, or a piece of a file, may have.
    pub(super) payload_bytes: usize,
    /// What was ever seen, over whichever connection.
    horizon: Arc<Mutex<Horizon>>,
}

/// The last place of a stream of which this node knows.
#[derive(Debug, Default)]
struct Horizon {
    /// Of which stream: see [`Logs::base`].
    base: u64,
    place: u64,
    /// Since when the stream's leader does not know it.
    missing: Option<Instant>,
}

impl Horizon {
    fn see(&mut self, place: u64) {
        self.place = self.place.max(place);
    }

    /// Whether a leader whose last place is this knows less than it will: it was just chosen. One that does not learn more has lost it.
    fn is_beyond(&mut self, last: u64) -> bool {
        let is_beyond = last < self.place && self.missing.get_or_insert_with(Instant::now).elapsed() < PATIENCE;
        if !is_beyond {
            (self.place, self.missing) = (last, None);
        }
        is_beyond
    }
}

/// Why the stream does not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another message came first.
    Conflict,
    /// There was no answer, or none that says what became of it. Worth trying again.
    Away(String),
    /// There is no room.
    Full,
    /// It can't.
    Failed(String),
}

impl From<Trouble> for MailboxError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Conflict => Self::Away("too many change this mailbox at once".to_owned()),
            Trouble::Away(problem) => Self::Away(problem),
            Trouble::Full => Self::DiskFull,
            Trouble::Failed(problem) => Self::Failed(problem),
        }
    }
}

/// A message that a walk came by.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) place: u64,
    /// Whose log it belongs to.
    pub(super) id: [u8; 32],
    pub(super) headers: HeaderMap,
}

impl Logs {
    /// Finds or makes such a stream at each connection. The clock counts only where there is none yet.
    pub(super) fn setup(kind: &'static Kind, config: &NatsConfig, clock: Arc<dyn Clock>) -> Setup<Self> {
        let (named, horizon) = (Arc::new(config.clone()), Arc::<Mutex<Horizon>>::default());
        Box::new(move |client, jetstream| {
            let (config, horizon, wall_ms) = (named.clone(), horizon.clone(), clock.wall_ms());
            async move { Self::set_up(kind, client, jetstream, &config, horizon, wall_ms).await }.boxed()
        })
    }

    /// Finds the stream, or makes it; says what is in the way.
    async fn set_up(
        kind: &'static Kind,
        client: Client,
        jetstream: Context,
        config: &NatsConfig,
        horizon: Arc<Mutex<Horizon>>,
        wall_ms: u64,
    ) -> Result<Self, String> {
        let info = client.server_info();
        let least = proto::limits::ENVELOPE_BYTES + OVERHEAD;
        if info.max_payload < least {
            return Err(format!("max_payload is {}, and a relay needs {least}", info.max_payload));
        }
        let replicas = config.replicas(info.cluster.is_some());
        let mut stream = match jetstream.get_stream(kind.name).await {
            Ok(stream) => stream,
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    let created = jetstream.create_stream(new_config(kind, replicas, wall_ms)).await;
                    created.map_err(|error| explain(&error, replicas))?
                }
                _ => return Err(explain(&error, replicas)),
            },
        };
        let found = stream.cached_info().config.clone();
        let base = found.description.as_deref().and_then(|text| text.strip_prefix(kind.description)?.parse().ok());
        let base = base.ok_or_else(|| format!("the stream {} is another program's", kind.name))?;
        if config.replicas.is_some() && found.num_replicas != replicas {
            tracing::info!(from = found.num_replicas, to = replicas, "the number of replicas is changed");
            let changed = Config { num_replicas: replicas, ..found };
            jetstream.update_stream(changed).await.map_err(|error| explain(&error, replicas))?;
            stream.info().await.map_err(|error| explain(&error, replicas))?;
        }
        let payload_bytes = info.max_payload - OVERHEAD;
        let logs = Self { kind, client, jetstream, stream, base, payload_bytes, horizon };
        let mut horizon = logs.horizon();
        if horizon.base != base {
            *horizon = Horizon { base, ..Horizon::default() };
        }
        drop(horizon);
        Ok(logs)
    }

    fn horizon(&self) -> MutexGuard<'_, Horizon> {
        // Each change leaves it right.
        self.horizon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, answer: Result<StreamMessage, RawMessageError>) -> Result<Option<StreamMessage>, Trouble> {
        match answer {
            Ok(message) => {
                self.horizon().see(message.sequence);
                Ok(Some(message))
            }
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                RawMessageErrorKind::JetStream(error) => Err(refused(&error)),
                _ => Err(Trouble::Away(error.to_string())),
            },
        }
    }

    /// Sees that what is not there is not there: a leader that was just chosen may not know all yet.
    pub(super) async fn knows_all(&self) -> Result<(), Trouble> {
        let info = self.stream.get_info().await.map_err(|error| Trouble::Away(error.to_string()))?;
        if self.horizon().is_beyond(info.state.last_sequence) {
            return Err(Trouble::Away("the servers just changed their leader".to_owned()));
        }
        Ok(())
    }

    /// Whether the server keeps the condition under which a message is published, whatever comes at the same time.
    pub(super) fn is_exact(&self) -> bool {
        self.stream.cached_info().config.num_replicas == 1
    }

    /// The last message of a subject; none only after the leader knew all that this node knows.
    pub(super) async fn last(&self, subject: &str) -> Result<Option<StreamMessage>, Trouble> {
        let ask = async || self.found(self.stream.get_last_raw_message_by_subject(subject).await);
        if let Some(last) = ask().await? {
            return Ok(Some(last));
        }
        self.knows_all().await?;
        ask().await
    }

    /// The first message of a subject at a place or behind it.
    pub(super) async fn next(&self, subject: &str, from: u64) -> Result<Option<StreamMessage>, Trouble> {
        self.found(self.stream.raw_message_builder().sequence(from).next_by_subject(subject).send().await)
    }

    /// The message at a place.
    pub(super) async fn get(&self, place: u64) -> Result<Option<StreamMessage>, Trouble> {
        self.found(self.stream.get_raw_message(place).await)
    }

    /// Publishes a message behind the one that is the last of its subject, and gives its place. Alone, a server sees to it that
    /// it is; a cluster only mostly.
    pub(super) async fn publish(
        &self,
        subject: &str,
        (name, value): (&'static str, String),
        payload: Bytes,
        after: u64,
    ) -> Result<u64, Trouble> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        if after > 0 || self.is_exact() {
            // That there is none yet, servers of a cluster judge each for itself, and may fall apart over it (nats-server 5794).
            headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, after.to_string());
        }
        let request = Request::new().headers(headers).payload(payload);
        let answer = self
            .client
            .send_request(subject.to_owned(), request)
            .await
            .map_err(|error| Trouble::Away(error.to_string()))?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Response::Ok(PublishAck { sequence, .. })) => {
                self.horizon().see(sequence);
                Ok(sequence)
            }
            Ok(Response::Err { error }) => Err(refused(&error)),
            Err(error) => Err(Trouble::Failed(error.to_string())),
        }
    }

    /// Removes messages that count no more, none of them the last of its subject: a server of version 2.9 finds no last message
    /// of a subject any more when the one that was it is removed. What is not removed takes room until it would have expired.
    pub(super) async fn remove(&self, places: impl IntoIterator<Item = u64>) {
        const AT_ONCE: usize = 64;
        // Servers that are busy may take longer than a request has.
        const REMOVALS: usize = 3;
        let removals = places.into_iter().map(|place| async move {
            let subject = format!("STREAM.MSG.DELETE.{}", self.kind.name);
            // Envelopes and files are sealed: overwriting them would cost a write and hide nothing.
            let request = json!({ "seq": place, "no_erase": true });
            for _ in 0..REMOVALS {
                let removed = self.jetstream.request::<_, _, serde_json::Value>(subject.clone(), &request).await;
                match removed {
                    Ok(_) => return,
                    Err(error) => tracing::debug!(%error, "a message was not removed"),
                }
            }
        });
        futures_util::stream::iter(removals).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }

    /// Removes all of a subject up to a place.
    pub(super) async fn purge(&self, subject: &str, through: u64) -> Result<(), Trouble> {
        if through == 0 {
            // A server takes that for all of it.
            return Ok(());
        }
        let purged = self.stream.purge().filter(subject).sequence(through + 1).await;
        purged.map(drop).map_err(|error| Trouble::Away(error.to_string()))
    }

    /// The stream's own counts: logs, messages, bytes.
    pub(super) async fn count(&self) -> Result<(u64, u64, u64), Trouble> {
        let info = self.stream.get_info().await.map_err(|error| Trouble::Away(error.to_string()))?;
        Ok((info.state.subjects_count, info.state.messages, info.state.bytes))
    }

    /// The headers of the next messages from a place on, of one subject or all. The server that tells may be behind.
    pub(super) async fn walk(&self, subject: Option<&str>, from: u64, count: usize) -> Result<Vec<Passed>, Trouble> {
        let other = |error: &dyn std::fmt::Display| Trouble::Away(error.to_string());
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from.max(1) },
            filter_subject: subject.unwrap_or_default().to_owned(),
            ack_policy: AckPolicy::None,
            headers_only: true,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: WALK,
            ..pull::Config::default()
        };
        let consumer = self.stream.create_consumer(config).await.map_err(|error| other(&error))?;
        let mut passed = Vec::new();
        let mut messages = consumer.fetch().max_messages(count).messages().await.map_err(|error| other(&error))?;
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| other(&error))?;
            let place = message.info().map_err(|error| other(&error))?.stream_sequence;
            let id = message.subject.as_str().strip_prefix(self.kind.subjects).and_then(unhex);
            let headers = message.message.headers.unwrap_or_default();
            passed.extend(id.map(|id| Passed { place, id, headers }));
        }
        // The server forgets it by itself, too.
        let _ = self.stream.delete_consumer(&consumer.cached_info().name).await;
        Ok(passed)
    }
}

fn new_config(kind: &Kind, num_replicas: usize, wall_ms: u64) -> Config {
    Config {
        name: kind.name.to_owned(),
        description: Some(format!("{}{wall_ms}", kind.description)),
        subjects: vec![format!("{}*", kind.subjects)],
        retention: RetentionPolicy::Limits,
        // Where an operator bounds the stream, what is new is refused, and nothing that was accepted goes.
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas,
        ..Config::default()
    }
}

/// What an error of setting up means for who runs the servers.
pub(crate) fn explain(error: &dyn std::error::Error, replicas: usize) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    if replicas > 1 {
        text = format!(
            "{text} ({replicas} servers with JetStream are needed to keep {replicas} replicas; --replicas takes fewer)"
        );
    }
    text
}

fn refused(error: &jetstream::Error) -> Trouble {
    match error.error_code() {
        ErrorCode::STREAM_WRONG_LAST_SEQUENCE => Trouble::Conflict,
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::STREAM_STORE_FAILED
        | ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED => Trouble::Full,
        // Of the servers, not of what was asked: a leader is being chosen, or the stream is just being made.
        _ if error.code() >= 500 => Trouble::Away(error.to_string()),
        ErrorCode::STREAM_NOT_FOUND => Trouble::Away(error.to_string()),
        _ => Trouble::Failed(error.to_string()),
    }
}

/// An ID in a subject.
pub(crate) fn hex(id: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*id).to_string()
}

/// The ID that a subject names.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    blake3::Hash::from_hex(text).ok().map(|hash| *hash.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_knows_less_is_waited_for_and_not_for_ever() {
        let mut horizon = Horizon { base: 1, place: 10, missing: None };
        assert!(horizon.is_beyond(9) && !horizon.is_beyond(10) && !horizon.is_beyond(12));
        assert!(horizon.is_beyond(11), "because it knew 12");
        tokio::time::advance(PATIENCE).await;
        assert!(!horizon.is_beyond(11), "because it has lost it");
        assert!(!horizon.is_beyond(11));
    }
}
