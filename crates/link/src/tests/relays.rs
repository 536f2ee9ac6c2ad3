//! Relays for tests: the real one in this process, and one that says what it likes.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use proto::{
    clock::ManualClock,
    id::MachineId,
    identity::Identity,
    relay::{self as wire, FromRelay, GrantSecret, RelayAddress, SUBPROTOCOL, ToRelay, Token},
};
use relay::{Config, Limits, Relay, Transport};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
    },
};

use super::machine::{Machine, Setup, quick};
use crate::{Home, HomeToken, RelayPlan, Timings, tasks::Tasks};

/// A relay with a folder that outlives it.
pub(super) struct Place {
    relay: Relay,
    folder: TempDir,
    pub(super) address: RelayAddress,
}

impl Place {
    /// A relay without TLS.
    pub(super) async fn plain() -> Self {
        Self::start(tempfile::tempdir().unwrap(), Transport::Plain, 0).await
    }

    /// A relay without TLS and with other limits.
    pub(super) async fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self::start_limited(tempfile::tempdir().unwrap(), Transport::Plain, 0, limits).await
    }

    /// A relay with a certificate of its own.
    pub(super) async fn encrypted() -> Self {
        Self::start(tempfile::tempdir().unwrap(), Transport::OwnCertificate, 0).await
    }

    pub(super) async fn start(folder: TempDir, transport: Transport, port: u16) -> Self {
        Self::start_limited(folder, transport, port, Limits::default()).await
    }

    async fn start_limited(folder: TempDir, transport: Transport, port: u16, limits: Limits) -> Self {
        let mut config = Config::new(folder.path());
        config.listen = ([127, 0, 0, 1], port).into();
        config.transport = transport;
        config.limits = limits;
        let relay = Relay::start(config, Arc::new(ManualClock::new(1_800_000_000_000))).await.unwrap();
        let address = relay.addresses()[0].clone();
        Self { relay, folder, address }
    }

    /// Ends it, and gives what a new one at the same place needs.
    pub(super) async fn stop(self) -> (TempDir, u16) {
        self.relay.shutdown().await.unwrap();
        (self.folder, self.address.port())
    }
}

/// What a machine gives all its contacts in these tests.
pub(super) fn token_of(machine: &MachineId, relay: &RelayAddress) -> Token {
    GrantSecret::from_bytes(*machine.as_bytes()).at(relay)
}

/// At home at the relay, with these contacts there.
pub(super) fn plan(me: &MachineId, relay: &RelayAddress, contacts: &[MachineId]) -> RelayPlan {
    let contacts = contacts.iter().map(|contact| (*contact, Some(token_of(contact, relay)))).collect();
    let tokens = vec![HomeToken { hash: token_of(me, relay).hash(), until: None }];
    let home = Home { tokens, ..Home::default() };
    RelayPlan { address: relay.clone(), home: Some(home), contacts }
}

pub(super) fn hurried() -> Timings {
    Timings { direct_first: Duration::from_millis(100), ..quick() }
}

pub(super) async fn machine(identity: Arc<Identity>) -> Machine {
    machine_with(identity, hurried()).await
}

pub(super) async fn machine_with(identity: Arc<Identity>, timings: Timings) -> Machine {
    let mut setup = Setup::new(identity);
    setup.timings = timings;
    setup.start().await
}

/// A relay that says what it likes.
pub(super) struct Fake {
    pub(super) address: RelayAddress,
    _tasks: Tasks,
}

impl Fake {
    /// Says this to whoever comes, and then nothing.
    pub(super) async fn says(messages: Vec<Vec<u8>>) -> Self {
        Self::serve(messages, |_| Vec::new()).await
    }

    /// Lets everybody in, and answers as it likes.
    pub(super) async fn answers(answer: impl Fn(ToRelay) -> Vec<FromRelay> + Send + Sync + 'static) -> Self {
        Self::serve(vec![challenge()], move |asked| match asked {
            ToRelay::Login(_) => vec![FromRelay::Welcome { limits: no_limits(), wall_ms: 0 }],
            other => answer(other),
        })
        .await
    }

    async fn serve(messages: Vec<Vec<u8>>, answer: impl Fn(ToRelay) -> Vec<FromRelay> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap()).parse().unwrap();
        let tasks = Tasks::new();
        let (spawner, answer) = (tasks.spawner(), Arc::new(answer));
        tasks.spawn("fake relay", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (messages, answer) = (messages.clone(), answer.clone());
                spawner.spawn("fake connection", async move {
                    let mut socket = accept_hdr_async(stream, choose).await.unwrap();
                    for message in messages {
                        // The other side may have had enough.
                        if socket.send(Message::Binary(message.into())).await.is_err() {
                            return;
                        }
                    }
                    while let Some(Ok(message)) = socket.next().await {
                        let Message::Binary(asked) = message else { continue };
                        for frame in answer(ToRelay::decode(&asked).unwrap()) {
                            socket.send(Message::Binary(frame.encode().into())).await.ok();
                        }
                    }
                });
            }
        });
        Self { address, _tasks: tasks }
    }
}

/// What a relay says first.
pub(super) fn challenge() -> Vec<u8> {
    FromRelay::Challenge { version: 1, nonce: [1; 32] }.encode()
}

pub(super) fn no_limits() -> wire::Limits {
    wire::Limits {
        items: 0,
        bytes: 0,
        ttl_s: 0,
        envelope_bytes: 0,
        puts_per_minute: 0,
        puts_burst: 0,
        request_items: 0,
        request_bytes: 0,
        request_ttl_s: 0,
        tokens: 0,
        watches: 0,
        circuits: 0,
        circuit_bytes_per_s: 0,
        files: None,
    }
}

#[expect(clippy::result_large_err, reason = "the library's signature")]
fn choose(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
    Ok(response)
}
