//! The stream that holds all mailboxes, and the few things that are asked of it.
//!
//! All reads are the leader's (`STREAM.MSG.GET`): a direct get may be answered by a server that is behind, and who was told
//! that something arrived would not find it.

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
use futures_util::StreamExt as _;
use proto::id::MachineId;
use serde_json::json;

use super::config::NatsConfig;
use crate::mailboxes::MailboxError;

/// Name of the stream.
const STREAM: &str = "LANDLINE_MAILBOXES";

/// Where mailboxes are: a machine's hex ID follows.
const SUBJECTS: &str = "landline.mailbox.";

/// What its description begins with; a number follows.
const DESCRIPTION: &str = "Landline mailboxes, cursors from ";

/// Bytes that a message takes besides the envelope or record in it.
const OVERHEAD: usize = 1 << 10;

/// How long a walk through the stream may stand still before the server forgets it.
const WALK: Duration = Duration::from_secs(30);

/// The stream of mailboxes.
#[derive(Debug, Clone)]
pub(super) struct Boxes {
    client: Client,
    jetstream: Context,
    stream: Stream,
    /// What is added to a place to make a cursor: where the clock stood when the stream was made. A stream that was lost
    /// and made anew begins again at place 1, and a cursor that a client remembers must not hide what comes then.
    pub(super) base: u64,
    /// Most bytes that a record may have.
    pub(super) record_bytes: usize,
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
    pub(super) machine: MachineId,
    pub(super) headers: HeaderMap,
}

impl Boxes {
    /// Finds the stream, or makes it; says what is in the way.
    pub(super) async fn set_up(
        client: Client,
        jetstream: Context,
        config: &NatsConfig,
        wall_ms: u64,
    ) -> Result<Self, String> {
        let info = client.server_info();
        let least = proto::limits::ENVELOPE_BYTES + OVERHEAD;
        if info.max_payload < least {
            return Err(format!("max_payload is {}, and a relay needs {least}", info.max_payload));
        }
        let replicas = config.replicas(info.cluster.is_some());
        let mut stream = match jetstream.get_stream(STREAM).await {
            Ok(stream) => stream,
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    let created = jetstream.create_stream(new_config(replicas, wall_ms)).await;
                    created.map_err(|error| explain(&error, replicas))?
                }
                _ => return Err(explain(&error, replicas)),
            },
        };
        let found = stream.cached_info().config.clone();
        let base = found.description.as_deref().and_then(|text| text.strip_prefix(DESCRIPTION)?.parse().ok());
        let base = base.ok_or_else(|| format!("the stream {STREAM} is another program's"))?;
        if config.replicas.is_some() && found.num_replicas != replicas {
            tracing::info!(from = found.num_replicas, to = replicas, "the number of replicas is changed");
            let changed = Config { num_replicas: replicas, ..found };
            jetstream.update_stream(changed).await.map_err(|error| explain(&error, replicas))?;
            stream.info().await.map_err(|error| explain(&error, replicas))?;
        }
        Ok(Self { client, jetstream, stream, base, record_bytes: info.max_payload - OVERHEAD })
    }

    /// Whether the server keeps the condition under which a message is published, whatever comes at the same time.
    pub(super) fn is_exact(&self) -> bool {
        self.stream.cached_info().config.num_replicas == 1
    }

    /// The subject of a machine's mailbox.
    pub(super) fn subject(machine: &MachineId) -> String {
        format!("{SUBJECTS}{}", hex(machine))
    }

    /// The last message of a subject.
    pub(super) async fn last(&self, subject: &str) -> Result<Option<StreamMessage>, Trouble> {
        found(self.stream.get_last_raw_message_by_subject(subject).await)
    }

    /// The first message of a subject at a place or behind it.
    pub(super) async fn next(&self, subject: &str, from: u64) -> Result<Option<StreamMessage>, Trouble> {
        found(self.stream.raw_message_builder().sequence(from).next_by_subject(subject).send().await)
    }

    /// The message at a place.
    pub(super) async fn get(&self, place: u64) -> Result<Option<StreamMessage>, Trouble> {
        found(self.stream.get_raw_message(place).await)
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
            Ok(Response::Ok(PublishAck { sequence, .. })) => Ok(sequence),
            Ok(Response::Err { error }) => Err(refused(&error)),
            Err(error) => Err(Trouble::Failed(error.to_string())),
        }
    }

    /// Removes messages that no record counts any more. What is not removed takes room until it would have expired.
    pub(super) async fn remove(&self, places: impl IntoIterator<Item = u64>) {
        const AT_ONCE: usize = 64;
        // Servers that are busy may take longer than a request has.
        const REMOVALS: usize = 3;
        let removals = places.into_iter().map(|place| async move {
            let subject = format!("STREAM.MSG.DELETE.{STREAM}");
            // Envelopes are sealed: overwriting them would cost a write and hide nothing.
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
        let purged = self.stream.purge().filter(subject).sequence(through + 1).await;
        purged.map(drop).map_err(|error| Trouble::Away(error.to_string()))
    }

    /// The stream's own counts: mailboxes, messages, bytes.
    pub(super) async fn count(&self) -> Result<(u64, u64, u64), Trouble> {
        let info = self.stream.get_info().await.map_err(|error| Trouble::Away(error.to_string()))?;
        Ok((info.state.subjects_count, info.state.messages, info.state.bytes))
    }

    /// The headers of the next messages from a place on.
    pub(super) async fn walk(&self, from: u64, count: usize) -> Result<Vec<Passed>, Trouble> {
        let other = |error: &dyn std::fmt::Display| Trouble::Away(error.to_string());
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from.max(1) },
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
            let machine = message.subject.as_str().strip_prefix(SUBJECTS).and_then(unhex);
            let headers = message.message.headers.unwrap_or_default();
            passed.extend(machine.map(|machine| Passed { place, machine, headers }));
        }
        // The server forgets it by itself, too.
        let _ = self.stream.delete_consumer(&consumer.cached_info().name).await;
        Ok(passed)
    }
}

fn new_config(num_replicas: usize, wall_ms: u64) -> Config {
    Config {
        name: STREAM.to_owned(),
        description: Some(format!("{DESCRIPTION}{wall_ms}")),
        subjects: vec![format!("{SUBJECTS}*")],
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

fn found(answer: Result<StreamMessage, RawMessageError>) -> Result<Option<StreamMessage>, Trouble> {
    match answer {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            RawMessageErrorKind::NoMessageFound => Ok(None),
            RawMessageErrorKind::JetStream(error) => Err(refused(&error)),
            _ => Err(Trouble::Away(error.to_string())),
        },
    }
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

/// A machine's ID in a subject.
pub(crate) fn hex(machine: &MachineId) -> String {
    blake3::Hash::from_bytes(*machine.as_bytes()).to_string()
}

/// The machine that a subject names.
pub(crate) fn unhex(text: &str) -> Option<MachineId> {
    blake3::Hash::from_hex(text).ok().map(|hash| MachineId::from_bytes(*hash.as_bytes()))
}
