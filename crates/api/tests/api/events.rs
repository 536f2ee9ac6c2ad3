//! `GET events`.

use serde_json::Value;
use testkit::{Net, PATIENCE};

use crate::desk::Desk;
use crate::socketio::many_changes;

/// Reads a stream of events.
struct Stream {
    response: reqwest::Response,
    text: String,
}

impl Stream {
    async fn of(desk: &Desk, token: &str) -> Self {
        let response = desk.request("GET", "/events").bearer_auth(token).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { response, text: String::new() };
        assert_eq!(stream.next().await.unwrap().0, "ready");
        stream
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let name = event.lines().find_map(|line| line.strip_prefix("event: ")).map(str::to_owned);
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.text = rest.to_owned();
                if let (Some(name), Some(data)) = (name, data) {
                    return Some((name, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let piece = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("an event comes").ok()??;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    async fn until(&mut self, name: &str) -> Value {
        loop {
            let (found, value) = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
            if found == name {
                return value;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_everything() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let desk = Desk::of(&alice).await;
    let mut stream = Stream::of(&desk, desk.api.owner_token()).await;
    net.connect(&alice, &bob).await;
    let status = stream.until("user_status").await;
    assert_eq!((status["userId"].as_str(), status["status"].as_str()), (Some(bob.id().as_str()), Some("online")));

    let session = bob.open(&alice).await;
    bob.say(&session, "Hello").await;
    let opened = stream.until("new_chat_session").await;
    assert_eq!(opened["sessionId"], session.session_id.as_str());
    let heard = stream.until("new_message").await;
    assert_eq!((heard["message"].as_str(), heard["senderUserId"].as_str()), (Some("Hello"), Some(bob.id().as_str())));

    alice.node().accept(&bob.id()).await.unwrap();
    let sent = alice.say(&alice.open(&bob).await, "Hello back").await;
    let queued = stream.until("message_updated").await;
    assert_eq!(
        (queued["message"]["id"].as_str(), queued["message"]["state"].as_str()),
        (Some(sent.id.as_str()), Some("queued"))
    );
    let delivered = stream.until("message_delivered").await;
    assert_eq!(
        (delivered["messageId"].as_str(), delivered["userId"].as_str()),
        (Some(sent.id.as_str()), Some(bob.id().as_str()))
    );
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_of_the_notification_centre() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let desk = Desk::of(&alice).await;
    let mut stream = Stream::of(&desk, desk.api.owner_token()).await;
    net.connect(&alice, &bob).await;
    let session = bob.open(&alice).await;
    bob.say(&session, "May I?").await;
    let asked = stream.until("notification").await;
    assert_eq!((asked["kind"].as_str(), asked["body"].as_str()), (Some("request"), Some("May I?")));
    assert_eq!(stream.until("notifications_unread").await["total"], 1);
    let id = asked["id"].as_str().unwrap();
    assert!(desk.call("DELETE", &format!("/notifications/{id}"), None).await.status.is_success());
    assert_eq!(stream.until("notifications_removed").await["ids"], serde_json::json!([id]));
    assert_eq!(stream.until("notifications_unread").await["total"], 0);
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_listener_hears_no_more() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let desk = Desk::of(&alice).await;
    let made = desk.post("/tokens", serde_json::json!({ "name": "bot", "scopes": ["read"] })).await;
    let mut stream = Stream::of(&desk, made["token"].as_str().unwrap()).await;
    let id = made["info"]["tokenId"].as_str().unwrap();
    assert!(desk.call("DELETE", &format!("/tokens/{id}"), None).await.status.is_success());
    let session = bob.open(&alice).await;
    bob.say(&session, "A secret").await;
    let (name, error) = stream.next().await.unwrap();
    assert_eq!((name.as_str(), error["code"].as_str()), ("error", Some("token_revoked")));
    assert!(stream.next().await.is_none(), "because the stream ends there");
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_stalls_is_told() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let desk = Desk::of(&alice).await;
    let mut stream = Stream::of(&desk, desk.api.owner_token()).await;
    many_changes(&alice, &bob).await;
    stream.until("lagged").await;
    assert!(desk.call("GET", "/me", None).await.status.is_success());
    desk.end(net).await;
}
