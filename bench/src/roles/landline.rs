//! Landline's node as the application runs it: in this process, through the same handle that the window uses.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use node::view::{self, Change, Message, MessageState, Presence, RelayState, TransferState};
use node::{Changes, Config, KeyStore, Node, SendRequest};
use serde_json::json;

use super::{Guest, Host, MESSAGE_BYTES, Way, report, say, until_input_closes};

/// A profile in this folder, on loopback, without discovery and without the system's key ring.
pub(super) fn config(dir: &Path, name: &str) -> Config {
    let mut config = Config::new(dir);
    config.name = Some(name.to_owned());
    config.listen = ([127, 0, 0, 1], 0).into();
    config.mdns = false;
    config.beacon = false;
    config.key_store = KeyStore::File;
    config
}

pub(super) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(work)
}

/// Ends when standard input closes.
pub(super) async fn input_closes() -> Result<()> {
    Ok(tokio::task::spawn_blocking(until_input_closes).await?)
}

/// Accepts whoever asks, and every file; says when one has come.
pub(super) fn receive(options: &Host) -> Result<()> {
    block_on(async {
        let node = start(&options.receive.dir, "receiver", options.relay.as_ref()).await?;
        let folder = options.receive.dir.join("received");
        node.update_settings(json!({ "downloadFolder": folder, "autoAcceptBytes": 1_u64 << 40 })).await?;
        let mut changes = node.changes();
        let invitation = match options.relay {
            Some(_) => Some(elsewhere(&node.invite().await?.link)),
            None => None,
        };
        say(&json!({ "ready": true, "listen": node.listen_addr().to_string(), "invitation": invitation }));
        let serve = async {
            while let Some(change) = changes.next().await {
                match change {
                    Ok(Change::SessionChanged { session, .. }) if session.request => {
                        if let Some(peer) = session.peer {
                            node.accept(&peer.machine_id).await?;
                        }
                    }
                    Ok(Change::TransferChanged { transfer }) if transfer.state == TransferState::Complete => {
                        say(&json!({ "received": transfer.name }));
                    }
                    _ => {}
                }
            }
            Ok(())
        };
        tokio::select! {
            result = serve => result,
            result = input_closes() => result,
        }?;
        node.shutdown().await;
        Ok(())
    })
}

/// A node that is at home at this relay, when there is one, and connected there.
async fn start(dir: &Path, name: &str, relay: Option<&String>) -> Result<Node> {
    let mut config = config(dir, name);
    config.relays.extend(relay.cloned());
    let node = Node::start(config).await?;
    let mut changes = node.changes();
    while !node.relays().items.iter().all(|relay| relay.state == RelayState::Connected) {
        changes.next().await.context("the node ended")??;
    }
    Ok(node)
}

/// An invitation as it serves who cannot reach the addresses in it.
fn elsewhere(link: &str) -> String {
    link.split('&').filter(|field| !field.starts_with("addr=")).collect::<Vec<_>>().join("&")
}

/// A node, and its session with another.
pub(super) struct Acquainted {
    pub(super) node: Node,
    pub(super) session: String,
    peer: String,
    path: view::Path,
}

impl Acquainted {
    /// The other has accepted this one: nothing is held back when measuring begins.
    pub(super) async fn begin(dir: &Path, way: &Way) -> Result<Self> {
        let node = start(dir, "sender", way.relay.as_ref()).await?;
        let (peer, path) = match (&way.invitation, way.to) {
            (Some(link), _) => (node.follow_invitation(link).await?, view::Path::Relay),
            (None, Some(address)) => (node.add_address(&address.to_string()).await?, view::Path::Direct),
            (None, None) => bail!("there is neither an address nor an invitation"),
        };
        let (session, _) = node.create_session(&peer.machine_id).await?;
        let session = session.session_id;
        let mut changes = node.changes();
        // The first message is the request. One larger than a request may be gets through once it is accepted.
        for text in ["x".repeat(MESSAGE_BYTES), "y".repeat(8 * 1024)] {
            let message = say_this(&node, &session, text).await?;
            until_delivered(&mut changes, &message.id).await?;
        }
        Ok(Self { node, session, peer: peer.machine_id, path })
    }

    /// Makes sure that all went the way it was meant to go: what went another way is not reported.
    pub(super) fn check(&self) -> Result<()> {
        let path = self.node.user(&self.peer)?.path;
        if path != self.path {
            bail!("the nodes are linked by {path:?}, not by {:?}", self.path);
        }
        Ok(())
    }
}

pub(super) fn send(options: &Guest) -> Result<()> {
    block_on(async {
        let acquainted = Acquainted::begin(&options.dir, &options.way).await?;
        let (node, session) = (&acquainted.node, &acquainted.session);
        let (count, window) = (options.amount.count, options.amount.window);
        let mut changes = node.changes();
        let mut waiting: HashMap<String, Instant> = HashMap::new();

        let began = Instant::now();
        let mut each: Vec<Duration> = Vec::with_capacity(count);
        let mut queued = 0;
        let mut sending = FuturesUnordered::new();
        // A message can be delivered before the call that queued it returns.
        let mut early: HashMap<String, Instant> = HashMap::new();
        while each.len() < count {
            while queued < count && queued - each.len() < window {
                queued += 1;
                let called = Instant::now();
                sending.push(async move { send_one(node, session).await.map(|message| (called, message)) });
            }
            tokio::select! {
                Some(sent) = sending.next(), if !sending.is_empty() => {
                    let (called, message) = sent?;
                    match early.remove(&message.id) {
                        Some(at) => each.push(at.duration_since(called)),
                        None => { waiting.insert(message.id, called); }
                    }
                }
                change = changes.next() => {
                    let at = Instant::now();
                    if let Some(message) = now_delivered(change.context("the node ended")??) {
                        match waiting.remove(&message.id) {
                            Some(called) => each.push(at.duration_since(called)),
                            None => { early.insert(message.id, at); }
                        }
                    }
                }
            }
        }
        let together = began.elapsed();
        acquainted.check()?;
        report(&each, together);
        node.shutdown().await;
        Ok(())
    })
}

/// Sends one message of the usual length.
pub(super) async fn send_one(node: &Node, session: &str) -> Result<Message> {
    say_this(node, session, "x".repeat(MESSAGE_BYTES)).await
}

async fn say_this(node: &Node, session: &str, message: String) -> Result<Message> {
    let session = session.to_owned();
    let request = SendRequest { session, message, caller: "bench".to_owned(), ..SendRequest::default() };
    Ok(node.send_message(request).await?)
}

fn now_delivered(change: Change) -> Option<Message> {
    match change {
        Change::MessageChanged { message, .. } if message.state == MessageState::Delivered => Some(message),
        _ => None,
    }
}

async fn until_delivered(changes: &mut Changes, id: &str) -> Result<()> {
    loop {
        let change = changes.next().await.context("the node ended")??;
        if now_delivered(change).is_some_and(|message| message.id == id) {
            return Ok(());
        }
    }
}

/// Reports each machine once when it is seen and once when a link with it stands.
pub(super) fn watch(dir: &Path, name: &str) -> Result<()> {
    block_on(async {
        let mut config = config(dir, name);
        config.listen = ([0, 0, 0, 0], 0).into();
        config.mdns = true;
        config.beacon = true;
        let node = Node::start(config).await?;
        let mut changes = node.changes();
        say(&json!({ "ready": true, "id": node.machine_id().to_string() }));
        let (mut seen, mut linked) = (Vec::new(), Vec::new());
        let mut tell = |user: view::User| {
            for (known, event, is_so) in [
                (&mut seen, "seen", user.nearby || user.status == Presence::Online),
                (&mut linked, "linked", user.status == Presence::Online),
            ] {
                if is_so && !known.contains(&user.machine_id) {
                    say(&json!({ event: user.machine_id.clone() }));
                    known.push(user.machine_id.clone());
                }
            }
        };
        // Whom it found before the stream was opened.
        for user in node.users(node::UserFilter::Nearby) {
            tell(user);
        }
        let watch = async {
            while let Some(change) = changes.next().await {
                match change {
                    Ok(Change::UserChanged { user }) => tell(user),
                    Ok(_) => {}
                    Err(lagged) => bail!("{lagged}"),
                }
            }
            Ok(())
        };
        tokio::select! {
            result = watch => result,
            result = input_closes() => result,
        }?;
        node.shutdown().await;
        Ok(())
    })
}
