//! `landline relay --store nats://…`: several programs that are one relay.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::relay::{FromRelay, RefusalCode, RelayAddress, ToRelay, Token, file_path};
use proto::sealed_file::{FileId, FileKey, sealed_size};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, timeout};

use crate::http::{Answer, Putter, try_begin};
use crate::nats_server::{NatsServer, cluster, free_port};
use crate::program::landline;
use crate::relay::{Relay, anna};
use crate::wire::Wire;

/// Without limits that a test could meet.
const GENEROUS: [&str; 13] = [
    "--plain",
    "--uploads-per-minute",
    "1000000",
    "--items",
    "1000000",
    "--puts-per-minute",
    "10000000",
    "--puts-burst",
    "1000000",
    "--frames-per-second",
    "1000000",
    "--connections-per-minute",
    "1000000",
];

/// A node that can be killed and started again where it was.
struct Node {
    dir: tempfile::TempDir,
    listen: String,
    store: String,
    relay: Option<Relay>,
}

impl Node {
    fn start(store: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let mut node = Self { dir, listen, store: store.to_owned(), relay: None };
        node.run();
        node
    }

    fn run(&mut self) {
        let more = [&GENEROUS[..], &["--listen", &self.listen, "--store", &self.store]].concat();
        self.relay = Some(Relay::start(self.dir.path(), &more));
    }

    fn kill(&mut self) {
        self.relay.take().unwrap().program.signal("KILL");
    }

    fn addr(&self) -> SocketAddr {
        self.listen.parse().unwrap()
    }
}

/// A connection to one of several nodes, whichever is there.
async fn connect(nodes: &[SocketAddr], tries: &mut usize) -> (Wire, RelayAddress) {
    loop {
        let addr = nodes[*tries % nodes.len()];
        *tries += 1;
        if let Ok(stream) = TcpStream::connect(addr).await
            && let Some(wire) = Wire::try_over(stream).await
        {
            return (wire, format!("ws://{addr}").parse().unwrap());
        }
        yield_now().await;
    }
}

/// Asks again and again, at any node, until it is answered by something other than a refusal that passes.
struct Client {
    nodes: Vec<SocketAddr>,
    tries: usize,
    logs_in: bool,
    wire: Option<Wire>,
}

impl Client {
    fn new(nodes: &[SocketAddr], first: usize, logs_in: bool) -> Self {
        Self { nodes: nodes.to_vec(), tries: first, logs_in, wire: None }
    }

    async fn ask(&mut self, frame: impl Fn(u32) -> ToRelay) -> FromRelay {
        loop {
            if let Some(answer) = self.try_ask(&frame).await {
                return answer;
            }
            yield_now().await;
        }
    }

    /// Waits until something arrives, or the connection ends.
    async fn hears(&mut self) {
        let Some(mut wire) = self.wire.take() else { return };
        if wire.next().await == Some(FromRelay::Arrived) {
            self.wire = Some(wire);
        }
    }

    async fn try_ask(&mut self, frame: &impl Fn(u32) -> ToRelay) -> Option<FromRelay> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => {
                let (mut wire, address) = connect(&self.nodes, &mut self.tries).await;
                if self.logs_in {
                    let login = proto::relay::Login::sign(&anna(), &wire.nonce, &address, None, None);
                    wire.try_send(&ToRelay::Login(login)).await.ok()?;
                    loop {
                        match wire.next().await? {
                            FromRelay::Welcome { .. } => break,
                            FromRelay::Refused(_) => return None,
                            _ => {}
                        }
                    }
                }
                wire
            }
        };
        let request = wire.number();
        wire.try_send(&frame(request)).await.ok()?;
        let answer = wire.try_answer(request).await?;
        self.wire = Some(wire);
        match answer {
            FromRelay::Refused(refused) if refused.code == RefusalCode::Storage => None,
            answer => Some(answer),
        }
    }
}

/// Puts numbered envelopes one after the other until it is told to end: who it is, and how many were acknowledged.
async fn send(sender: u8, nodes: Vec<SocketAddr>, token: Token, ends: Arc<AtomicBool>) -> (u8, u32) {
    let mut client = Client::new(&nodes, sender.into(), false);
    let mut number = 0_u32;
    while !ends.load(Ordering::Relaxed) {
        let mut envelope = vec![sender];
        envelope.extend(number.to_be_bytes());
        envelope.resize(700, 0);
        let put = |request| ToRelay::Put {
            request,
            to: anna().machine_id(),
            token: Some(token.clone()),
            envelope: envelope.clone().into(),
        };
        match client.ask(put).await {
            FromRelay::Done { .. } => number += 1,
            other => panic!("neither kept nor to be tried again: {other:?}"),
        }
    }
    (sender, number)
}

/// What came, by cursor: sender and number.
type Came = Arc<Mutex<BTreeMap<u64, (u8, u32)>>>;

/// Fetches and takes away until it is dropped. Says how many came.
async fn receive(nodes: Vec<SocketAddr>, came: Came, count: watch::Sender<usize>) {
    let mut client = Client::new(&nodes, 0, true);
    loop {
        let fetched = client.ask(|request| ToRelay::Fetch { request, after: 0, limit: 64 }).await;
        let FromRelay::Items { items, .. } = fetched else { panic!("no items, but {fetched:?}") };
        if items.is_empty() {
            client.hears().await;
            continue;
        }
        let cursors: Vec<u64> = items.iter().map(|item| item.cursor).collect();
        {
            let mut came = came.lock().unwrap();
            for item in items {
                let number = u32::from_be_bytes(item.envelope[1..5].try_into().unwrap());
                let new = (item.envelope[0], number);
                let before = came.insert(item.cursor, new);
                assert!(before.is_none_or(|before| before == new), "because no cursor is given twice");
            }
            count.send_replace(came.len());
        }
        let acknowledged = client.ask(|request| ToRelay::Ack { request, cursors: cursors.clone() }).await;
        assert!(matches!(acknowledged, FromRelay::Done { .. }), "{acknowledged:?}");
    }
}

/// Waits until so many more have come: whatever was killed, it goes on.
async fn goes_on(count: &mut watch::Receiver<usize>, what: &str) {
    let from = *count.borrow_and_update();
    let more = count.wait_for(|count| *count >= from + 100);
    timeout(Duration::from_secs(60), more).await.unwrap_or_else(|_| panic!("nothing goes on after {what}")).unwrap();
}

/// Lets Anna say whose token counts at her mailbox.
async fn anna_gives_a_token(addrs: &[SocketAddr]) -> Token {
    let token = Token::from_bytes([7; 32]);
    let entry = proto::relay::TokenEntry { hash: token.hash(), lifetime_s: None };
    let mut annas = Client::new(addrs, 0, true);
    let given =
        annas.ask(|request| ToRelay::Tokens { request, add: vec![entry], remove: vec![], replace: false }).await;
    assert!(matches!(given, FromRelay::Done { .. }), "{given:?}");
    token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_whoever_dies() {
    let mut servers = cluster();
    let store = servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",");
    let mut nodes = [Node::start(&store), Node::start(&store)];
    let addrs: Vec<SocketAddr> = nodes.iter().map(Node::addr).collect();
    let token = anna_gives_a_token(&addrs).await;

    let (ends, came) = (Arc::new(AtomicBool::new(false)), Came::default());
    let (tell, mut count) = watch::channel(0);
    let (mut receiving, mut sending) = (JoinSet::new(), JoinSet::new());
    receiving.spawn(receive(addrs.clone(), came.clone(), tell));
    for sender in 0..3 {
        sending.spawn(send(sender, addrs.clone(), token.clone(), ends.clone()));
    }
    goes_on(&mut count, "the start").await;
    for server in &mut servers {
        server.kill();
        goes_on(&mut count, "the death of a server").await;
        server.run();
        server.catches_up();
        goes_on(&mut count, "its return").await;
    }
    for node in &mut nodes {
        node.kill();
        goes_on(&mut count, "the death of a node").await;
        node.run();
        goes_on(&mut count, "its return").await;
    }
    ends.store(true, Ordering::Relaxed);
    let sent = timeout(Duration::from_secs(60), sending.join_all()).await.expect("senders end");
    let all: usize = sent.iter().map(|(_, count)| *count as usize).sum();
    let arrived = timeout(Duration::from_secs(60), count.wait_for(|count| *count >= all)).await;
    arrived.unwrap_or_else(|_| panic!("{} of {all} came", came.lock().unwrap().len())).unwrap();
    receiving.abort_all();
    let came = came.lock().unwrap();
    for (sender, sent) in sent {
        let numbers: Vec<u32> = came.values().filter(|item| item.0 == sender).map(|item| item.1).collect();
        assert_eq!(numbers, (0..sent).collect::<Vec<_>>(), "because each comes once, in the order in which it was put");
    }
}

/// Lays down a file piece by piece as far as it may, each at the next node, and again where one is not there. Says how far it is.
async fn upload(
    nodes: Vec<SocketAddr>,
    token: Token,
    file: FileId,
    bytes: Arc<Vec<u8>>,
    mut most: watch::Receiver<u64>,
    far: watch::Sender<u64>,
) {
    let size = bytes.len() as u64;
    let putters: Vec<Putter> = nodes.iter().map(|node| Putter::new(*node, anna().machine_id(), &token)).collect();
    let mut there = 0;
    for putter in putters.iter().cycle() {
        most.wait_for(|most| there < *most).await.unwrap();
        let rest = &bytes[usize::try_from(there).unwrap()..];
        let part = &rest[..rest.len().min(700_001)];
        let headers = putter.headers(size, there, part.len());
        let Ok(mut stream) = try_begin(putter.addr, "PUT", &file_path(&file), &headers).await else {
            yield_now().await;
            continue;
        };
        // Cut off it is asked again how far it is.
        stream.write_all(part).await.ok();
        there = match Answer::try_read(&mut stream).await {
            Some(answer) if answer.status == 200 => answer.offset(),
            Some(answer) if answer.status == 409 => answer.refused().limit.unwrap(),
            Some(answer) if answer.status != 503 => panic!("neither kept nor to be tried again: {answer:?}"),
            _ => there,
        };
        far.send_replace(there);
        if there == size {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_through_whoever_dies() {
    let mut servers = cluster();
    let store = servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",");
    let mut nodes = [Node::start(&store), Node::start(&store)];
    let addrs: Vec<SocketAddr> = nodes.iter().map(Node::addr).collect();
    let token = anna_gives_a_token(&addrs).await;

    let file = FileKey::from_bytes([1; 32]).id();
    let bytes: Arc<Vec<u8>> = Arc::new((0..sealed_size(20_000_000)).map(|at| (at * 31 + at / 251) as u8).collect());
    let size = bytes.len() as u64;
    let (may, most) = watch::channel(0);
    let (tell, mut far) = watch::channel(0);
    let mut uploading = JoinSet::new();
    uploading.spawn(upload(addrs.clone(), token, file, bytes.clone(), most, tell));
    let mut goes = async |part: u64, what: &str| {
        may.send_modify(|may| *may = (*may).max(part * 1_000_000 + 1));
        let there = far.wait_for(|there| *there >= part * 1_000_000);
        let there = timeout(Duration::from_secs(60), there).await;
        there.unwrap_or_else(|_| panic!("nothing goes on after {what}")).unwrap();
    };
    let mut part = 0;
    for node in &mut nodes {
        goes(part + 1, "the start").await;
        may.send_replace((part + 3) * 1_000_000);
        node.kill();
        goes(part + 3, "the death of a node").await;
        node.run();
        part += 3;
    }
    goes(part + 1, "a return").await;
    may.send_replace(size);
    servers[0].kill();
    uploading.join_all().await;

    // Fetched, each node dies once while it gives.
    let mut came = Vec::new();
    for number in [0, 1] {
        let mut stream = fetch(addrs[number], &file, &came).await.unwrap();
        stream.readable().await.unwrap();
        nodes[number].kill();
        take(&mut came, Answer::try_read(&mut stream).await);
        assert!(came.len() < bytes.len(), "because so much does not fit between them");
        nodes[number].run();
    }
    let begun = Instant::now();
    while came.len() < bytes.len() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{} of {size} bytes came", came.len());
        let mut stream = fetch(addrs[0], &file, &came).await.unwrap();
        take(&mut came, Answer::try_read(&mut stream).await);
    }
    assert!(came == *bytes, "{} of {size} bytes came, or others", came.len());
}

/// Asks for what is missing of a file.
async fn fetch(node: SocketAddr, file: &FileId, came: &[u8]) -> std::io::Result<TcpStream> {
    try_begin(node, "GET", &file_path(file), &[("range", format!("bytes={}-", came.len()))]).await
}

/// Adds what an answer brings, unless the relay asks to be asked again.
fn take(came: &mut Vec<u8>, answer: Option<Answer>) {
    match answer {
        Some(answer) if answer.status == if came.is_empty() { 200 } else { 206 } => came.extend(answer.body),
        Some(answer) if answer.status != 503 => panic!("neither given nor to be tried again: {answer:?}"),
        _ => {}
    }
}

#[test]
fn it_says_what_is_wrong_with_nats_and_goes_on_trying() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = format!("nats://127.0.0.1:{}", free_port());
    let mut command = landline();
    command
        .args(["relay", "--plain", "--json", "--listen", "127.0.0.1:0", "--store", &nowhere, "--data-dir"])
        .arg(dir.path());
    let mut program = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(program.stderr.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).find(|line| line.contains("NATS can't be used")).unwrap();
    for words in [nowhere.as_str(), "refused", "is refused until it can", "see that nats-server runs", "tried again"] {
        assert!(said.contains(words), "{words:?} is missing: {said}");
    }
    assert!(program.try_wait().unwrap().is_none(), "because it goes on");
    program.kill().unwrap();
    program.wait().unwrap();
}
