//! A connection to NATS that comes back by itself, and what was found or made there.
//!
//! The library dials again without end. What this adds: what is asked while there is no connection waits a moment and is
//! refused then; and what is wrong is said once, with its consequence and what to do, not at every attempt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use async_nats::{Client, Event, ServerAddr};
use futures_util::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::config::{NatsConfig, NatsError};
use crate::mailboxes::MailboxError;
use crate::tasks::Tasks;

/// How long a request waits for a connection, or for servers that choose a new leader. They take up to nine seconds
/// (NATS 2.9, `maxElectionTimeout`), so that the death of one of them refuses nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(12);

/// How long one request to NATS may take before it is tried again.
const REQUEST: Duration = Duration::from_secs(3);

/// How often a server that says nothing is asked whether it is there. When two in a row were not answered, the connection is given
/// up: a machine that lost its power, or its network, closes none, and what is asked has no longer patience than [`PATIENCE`].
const PING: Duration = Duration::from_secs(2);

/// After so long without a connection it is said. A change from one server to another takes less.
const QUIET: Duration = Duration::from_secs(2);

/// Longest pause between two attempts to connect.
const DIAL_PAUSE: Duration = Duration::from_secs(1);

/// Pause before what could not be set up is tried again.
const SETUP_PAUSE: Duration = Duration::from_millis(500);

/// Makes or finds what is needed on a connection, or says what is in the way.
pub(crate) type Setup<T> = Box<dyn Fn(Client, Context) -> BoxFuture<'static, Result<T, String>> + Send + Sync>;

/// A connection, and what stands ready on it.
pub(crate) struct Connection<T> {
    pub(crate) client: Client,
    pub(crate) jetstream: Context,
    names: String,
    standing: watch::Sender<Standing<T>>,
}

/// Whether requests can be made.
#[derive(Debug, Clone)]
enum Standing<T> {
    Ready(Arc<T>),
    Away { since: Instant, problem: String },
}

impl<T> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("names", &self.names).finish_non_exhaustive()
    }
}

impl<T: Clone + Send + Sync + 'static> Connection<T> {
    /// Begins to connect. `what` says in the log what depends on it.
    pub(crate) async fn start(
        config: &NatsConfig,
        what: &'static str,
        setup: Setup<T>,
        tasks: &Tasks,
    ) -> Result<Arc<Self>, NatsError> {
        let addresses = config.addresses()?;
        // Unbounded, because the library's callback must not wait; what comes is a few words for each attempt.
        let (tell, events) = mpsc::unbounded_channel();
        let options = config.options().await?;
        let options = options
            .name("landline relay")
            .retry_on_initial_connect()
            .request_timeout(Some(REQUEST))
            .connection_timeout(REQUEST)
            .ping_interval(PING)
            .reconnect_delay_callback(|attempts| match attempts {
                0 | 1 => Duration::ZERO,
                more => DIAL_PAUSE.min(Duration::from_millis(20) * u32::try_from(more).unwrap_or(u32::MAX)),
            })
            .event_callback(move |event| {
                // Nobody listens any more when the relay ends.
                let _ = tell.send(event);
                std::future::ready(())
            });
        let client = options.connect(addresses.clone()).await.map_err(|error| NatsError::Address {
            address: config.names(),
            problem: format!("can't be used: {error}"),
        })?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(REQUEST);
        let away = Standing::Away { since: Instant::now(), problem: "not connected yet".to_owned() };
        let connection =
            Arc::new(Self { client, jetstream, names: config.names(), standing: watch::Sender::new(away) });
        let keeper = Keeper {
            connection: connection.clone(),
            what,
            setup,
            addresses,
            last: None,
            problem: None,
            is_forbidden: false,
        };
        tasks.spawn("nats", keeper.keep(events, tasks.stopping().clone()));
        Ok(connection)
    }

    /// What was set up. Waits a moment for a connection that is just changing, and not for one that has been away.
    pub(crate) async fn ready(&self) -> Result<Arc<T>, MailboxError> {
        let mut standing = self.standing.subscribe();
        loop {
            let since = match &*standing.borrow_and_update() {
                Standing::Ready(ready) => return Ok(ready.clone()),
                Standing::Away { since, .. } => *since,
            };
            tokio::select! {
                changed = standing.changed() => {
                    if changed.is_err() {
                        return Err(MailboxError::Closed);
                    }
                }
                () = sleep_until(since + PATIENCE) => return Err(self.away()),
            }
        }
    }

    /// The same without waiting.
    pub(crate) fn is_ready(&self) -> Result<Arc<T>, MailboxError> {
        match &*self.standing.borrow() {
            Standing::Ready(ready) => Ok(ready.clone()),
            Standing::Away { problem, .. } => Err(MailboxError::Away(problem.clone())),
        }
    }

    /// Told at each change, also from ready to ready: something may have been missed then.
    pub(crate) fn changes(&self) -> Changes<T> {
        Changes(self.standing.subscribe())
    }

    fn away(&self) -> MailboxError {
        match &*self.standing.borrow() {
            Standing::Ready(_) => MailboxError::Away("the connection changes".to_owned()),
            Standing::Away { problem, .. } => MailboxError::Away(problem.clone()),
        }
    }
}

/// Follows a connection.
#[derive(Debug)]
pub(crate) struct Changes<T>(watch::Receiver<Standing<T>>);

impl<T> Changes<T> {
    /// What is ready after the next change to it; none when the connection is given up.
    pub(crate) async fn next(&mut self) -> Option<Arc<T>> {
        loop {
            if let Standing::Ready(ready) = &*self.0.borrow_and_update() {
                let ready = ready.clone();
                return Some(ready);
            }
            self.0.changed().await.ok()?;
        }
    }

    /// Returns at the next change of any kind.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Watches over a connection.
struct Keeper<T> {
    connection: Arc<Connection<T>>,
    what: &'static str,
    setup: Setup<T>,
    addresses: Vec<ServerAddr>,
    /// What was ready before; after a change of servers it is taken up again at once.
    last: Option<Arc<T>>,
    /// What the library said last.
    problem: Option<String>,
    /// It was said that a subject is forbidden.
    is_forbidden: bool,
}

impl<T: Clone + Send + Sync + 'static> Keeper<T> {
    async fn keep(mut self, mut events: mpsc::UnboundedReceiver<Event>, stop: tokio_util::sync::CancellationToken) {
        let (mut is_connected, mut is_set_up, mut was_said) = (false, false, false);
        let mut quiet_until = Instant::now() + QUIET;
        // Goes on whatever is said meanwhile: begun anew at each word of a server that refuses it, it would be asked for as fast
        // as it is refused.
        let mut setting_up = None;
        loop {
            let begun = setting_up
                .get_or_insert_with(|| (self.setup)(self.connection.client.clone(), self.connection.jetstream.clone()));
            tokio::select! {
                event = events.recv() => match event {
                    None => return,
                    Some(Event::Connected) => {
                        (is_connected, is_set_up, setting_up) = (true, false, None);
                        if let Some(last) = &self.last {
                            // Another one, by which it is seen that it may have changed.
                            let again = Arc::new(T::clone(last));
                            self.connection.standing.send_replace(Standing::Ready(again));
                            quiet_until = Instant::now() + PATIENCE;
                        }
                    }
                    Some(Event::Disconnected) => {
                        (is_connected, setting_up) = (false, None);
                        quiet_until = Instant::now() + QUIET;
                        self.away("the connection was lost".to_owned());
                    }
                    // Something was dropped: as if the connection had been lost for a moment.
                    Some(Event::SlowConsumer(_)) => self.connection.standing.send_modify(|_| {}),
                    Some(Event::ClientError(error)) => self.problem = Some(error.to_string()),
                    Some(Event::ServerError(error)) => self.hear(error.to_string()),
                    Some(_) => {}
                },
                outcome = begun, if is_connected && !is_set_up => match outcome {
                    Ok(ready) => {
                        (is_set_up, setting_up) = (true, None);
                        self.problem = None;
                        let ready = Arc::new(ready);
                        self.last = Some(ready.clone());
                        self.connection.standing.send_replace(Standing::Ready(ready));
                        if was_said {
                            tracing::info!(servers = %self.connection.names, "NATS is there again; {} goes on", self.what);
                            was_said = false;
                        }
                    }
                    Err(problem) => {
                        (self.problem, setting_up) = (Some(problem), None);
                        sleep(SETUP_PAUSE).await;
                    }
                },
                () = sleep_until(quiet_until), if !was_said && (self.is_away() || (is_connected && !is_set_up)) => {
                    was_said = true;
                    self.say(is_connected).await;
                }
                () = stop.cancelled() => return,
            }
        }
    }

    /// A server has said what is wrong.
    fn hear(&mut self, problem: String) {
        let is_forbidden = problem.to_lowercase().starts_with("permissions violation");
        if !is_forbidden || self.last.is_none() {
            self.problem = Some(problem);
        } else if !self.is_forbidden {
            // Without its words: they may name a machine's mailbox.
            tracing::error!(
                servers = %self.connection.names,
                "NATS forbids a subject that {} needs, and what needs it is refused; let this relay's account use all subjects that \
                 the operator's page names",
                self.what
            );
            self.is_forbidden = true;
        }
    }

    fn is_away(&self) -> bool {
        matches!(&*self.connection.standing.borrow(), Standing::Away { .. })
    }

    fn away(&self, problem: String) {
        self.connection.standing.send_if_modified(|standing| {
            let was_ready = matches!(standing, Standing::Ready(_));
            let since = match standing {
                Standing::Ready(_) => Instant::now(),
                Standing::Away { since, .. } => *since,
            };
            *standing = Standing::Away { since, problem };
            was_ready
        });
    }

    /// Says what is wrong, what follows from it, and what to do.
    async fn say(&self, is_connected: bool) {
        let problem = match (&self.problem, is_connected) {
            (Some(problem), true) => problem.clone(),
            (problem, _) => match unreachable(&self.addresses).await {
                Some(unreachable) => unreachable,
                None => problem.clone().unwrap_or_else(|| "it does not answer".to_owned()),
            },
        };
        tracing::error!(
            servers = %self.connection.names,
            %problem,
            "NATS can't be used: {} waits, and what is put is refused until it can (senders keep it); see that nats-server runs \
             there with JetStream and lets this relay in; it is tried again and again",
            self.what
        );
        // What was ready before still is, for what needs no more than the connection.
        if self.is_away() {
            self.away(problem);
        }
    }
}

/// Why none of some addresses can be dialled, in the system's words; none when one can.
async fn unreachable(addresses: &[ServerAddr]) -> Option<String> {
    let mut problem = None;
    for address in addresses {
        let dialled = timeout(QUIET, TcpStream::connect((address.host(), address.port()))).await;
        match dialled {
            Ok(Ok(_)) => return None,
            Ok(Err(error)) => problem = Some(format!("{}:{}: {error}", address.host(), address.port())),
            Err(_) => problem = Some(format!("{}:{}: no answer", address.host(), address.port())),
        }
    }
    problem
}
