//! Socket.IO, by the client library that others use: `tests/socketio/client.mjs`. It needs Node.js and the packages of
//! `ui` (`npm ci` there); without them these tests fail.

use std::num::NonZeroU32;
use std::process::Stdio;

use landline_api::{ApiConfig, Rate};
use serde_json::{Value, json};
use testkit::{Net, PATIENCE, Person};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::desk::{Desk, config};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/socketio/client.mjs");

/// A running scenario.
struct Program {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(scenario: &str, people: &Value) -> Self {
        let mut child = Command::new("node")
            .args([SCRIPT, scenario, &people.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node.js is needed for this test");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output).lines() }
    }

    /// Waits until it prints `word`.
    async fn says(&mut self, word: &str) {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await.expect("the program goes on").unwrap();
        assert_eq!(line.as_deref(), Some(word), "because the scenario gets so far; what went wrong stands above");
    }

    async fn go_on(&mut self) {
        self.input.write_all(b"go\n").await.unwrap();
    }

    async fn succeeds(mut self) {
        self.says("done").await;
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the program ends").unwrap();
        assert!(status.success(), "{status}");
    }
}

fn person(desk: &Desk) -> Value {
    json!({ "url": desk.api.url(), "token": desk.api.owner_token(), "id": desk.person.id() })
}

async fn two() -> (Net, Desk, Desk) {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let (alice, bob) = (Desk::of(&alice).await, Desk::of(&bob).await);
    (net, alice, bob)
}

async fn token(desk: &Desk, scopes: &[&str]) -> (String, String) {
    let made = desk.post("/tokens", json!({ "name": "bot", "scopes": scopes })).await;
    (made["token"].as_str().unwrap().to_owned(), made["info"]["tokenId"].as_str().unwrap().to_owned())
}

async fn revoke(desk: &Desk, id: &str) {
    assert!(desk.call("DELETE", &format!("/tokens/{id}"), None).await.status.is_success());
}

async fn converse(transport: &str) {
    let (net, alice, bob) = two().await;
    let people = json!({ "alice": person(&alice), "bob": person(&bob), "transport": transport });
    Program::start("conversation", &people).succeeds().await;
    bob.api.shutdown().await;
    alice.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_by_websocket() {
    converse("websocket").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_by_polling() {
    converse("polling").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_notification_comes_and_is_kept() {
    let (net, alice, bob) = two().await;
    let people = json!({ "alice": person(&alice), "bob": person(&bob) });
    Program::start("notifications", &people).succeeds().await;
    bob.api.shutdown().await;
    alice.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_offline_is_said() {
    let (net, alice, bob) = two().await;
    let people = json!({ "alice": person(&alice), "bob": person(&bob) });
    bob.api.shutdown().await;
    let gone = bob.person.clone();
    let id = gone.id();
    gone.stop().await;
    alice
        .person
        .until("Bob to be gone", async |node| match node.user(&id) {
            Ok(user) if user.status == node::view::Presence::Offline => Some(()),
            Err(_) => Some(()),
            Ok(_) => None,
        })
        .await;
    Program::start("offline", &people).succeeds().await;
    alice.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_refused() {
    let (net, alice, bob) = two().await;
    let (read_only, _) = token(&alice, &["read"]).await;
    let (revoked, id) = token(&alice, &["read"]).await;
    revoke(&alice, &id).await;
    let people = json!({
        "alice": person(&alice), "bob": person(&bob),
        "readOnly": read_only, "revoked": revoked, "other": bob.api.owner_token(),
    });
    Program::start("refusals", &people).succeeds().await;
    bob.api.shutdown().await;
    alice.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_events_are_answered() {
    let (net, alice, bob) = two().await;
    let people = json!({ "alice": person(&alice), "bob": person(&bob) });
    Program::start("malformed", &people).succeeds().await;
    bob.api.shutdown().await;
    alice.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_gets_every_change() {
    let (net, alice, bob) = two().await;
    let people = json!({ "alice": person(&alice), "bob": person(&bob) });
    Program::start("changes", &people).succeeds().await;
    bob.api.shutdown().await;
    alice.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_its_connection() {
    let (net, alice) = Desk::alone().await;
    let (short, id) = token(&alice, &["read"]).await;
    let mut program = Program::start("revoked", &json!({ "alice": person(&alice), "short": short }));
    program.says("connected").await;
    revoke(&alice, &id).await;
    program.go_on().await;
    program.succeeds().await;
    alice.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_is_held_back() {
    let net = Net::new();
    let alice = net.alice().await;
    let rate = Rate { per_second: NonZeroU32::new(200).unwrap(), burst: NonZeroU32::new(400).unwrap() };
    let desk = Desk::with(&alice, ApiConfig { rate, ..config() }).await;
    let (short, _) = token(&desk, &["read"]).await;
    Program::start("flood", &json!({ "alice": person(&desk), "short": short })).succeeds().await;
    desk.end(net).await;
}

/// More changes than the sockets and the node's own buffer hold.
pub(crate) async fn many_changes(writer: &Person, to: &Person) {
    let session = writer.open(to).await;
    // Fills the buffers of the sockets, which may hold several megabytes.
    let large = "x".repeat(60_000);
    for _ in 0..25 {
        let sent = (0..8).map(|_| writer.say(&session, &large));
        futures_util::future::join_all(sent).await;
    }
    for _ in 0..10 {
        let sent = (0..250).map(|_| writer.say(&session, "small"));
        futures_util::future::join_all(sent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stalls_is_told() {
    let (net, alice, bob) = two().await;
    let mut program = Program::start("stall", &json!({ "alice": person(&alice) }));
    program.says("stalled").await;
    many_changes(&alice.person, &bob.person).await;
    program.go_on().await;
    program.succeeds().await;
    bob.api.shutdown().await;
    alice.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_let_go_at_the_end() {
    let (net, alice) = Desk::alone().await;
    let mut program = Program::start("ending", &json!({ "alice": person(&alice) }));
    program.says("connected").await;
    program.go_on().await;
    alice.api.shutdown().await;
    program.succeeds().await;
    net.end().await;
}
