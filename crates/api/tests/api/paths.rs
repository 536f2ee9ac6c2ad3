//! Every path of the API, between two machines.

use std::collections::BTreeSet;

use node::view::{Change, MessageState};
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::Net;

use crate::desk::{Answer, Desk};

/// Calls paths and remembers which.
struct Walk<'a> {
    desk: &'a Desk,
    walked: BTreeSet<(String, String)>,
}

impl Walk<'_> {
    /// Calls `path`, a template whose places are filled from `places`.
    async fn call(&mut self, method: &str, path: &str, places: &[&str], body: Option<Value>) -> Answer {
        let (bare, query) =
            path.split_once('?').map_or((path, String::new()), |(bare, query)| (bare, format!("?{query}")));
        self.walked.insert((method.to_lowercase(), bare.to_owned()));
        let mut places = places.iter();
        let filled: Vec<&str> =
            bare.split('/').map(|part| if part.starts_with('{') { places.next().unwrap() } else { part }).collect();
        self.desk.call(method, &(filled.join("/") + &query), body).await
    }

    async fn ok(
        &mut self,
        method: &str,
        path: &str,
        places: &[&str],
        body: Option<Value>,
        status: StatusCode,
    ) -> Value {
        let answer = self.call(method, path, places, body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        answer.json()
    }

    async fn get(&mut self, path: &str, places: &[&str]) -> Value {
        self.ok("GET", path, places, None, StatusCode::OK).await
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one walk past every path, in the order in which a person would")]
async fn every_path_does_what_it_says() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let desk = Desk::of(&alice).await;
    let mut walk = Walk { desk: &desk, walked: BTreeSet::new() };

    net.section("Alice looks around");
    assert_eq!(walk.get("/health", &[]).await["status"], "ok");
    let status = walk.get("/status", &[]).await;
    assert_eq!((status["status"].as_str(), status["sessions"].as_u64()), (Some("running"), Some(0)));
    let info = walk.get("/info", &[]).await;
    assert_eq!((info["name"].as_str(), info["machineId"].as_str()), (Some("Landline"), Some(alice.id().as_str())));
    let me = walk.get("/me", &[]).await;
    assert_eq!(me["name"], "Alice");
    let patch = json!({ "name": "Alice L.", "statusText": "in", "colour": 3, "device": "desk", "welcomed": true });
    let me = walk.ok("PATCH", "/me", &[], Some(patch), StatusCode::OK).await;
    assert_eq!(
        (me["name"].as_str(), me["colour"].as_u64(), me["welcomed"].as_bool()),
        (Some("Alice L."), Some(3), Some(true))
    );
    let network = walk.get("/network", &[]).await;
    assert_eq!(network["listen"], alice.node().listen_addr().to_string());
    let settings = walk.get("/settings", &[]).await;
    assert_eq!(settings["theme"], "system");
    let settings = walk.ok("PATCH", "/settings", &[], Some(json!({ "theme": "dark" })), StatusCode::OK).await;
    assert_eq!((settings["theme"].as_str(), settings["enterSends"].as_bool()), (Some("dark"), Some(true)));
    let metrics = walk.call("GET", "/metrics", &[], None).await;
    assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(metrics.text.contains("\nlandline_sessions 0\n"), "{}", metrics.text);
    let document = walk.get("/openapi.json", &[]).await;

    net.section("Alice adds Bob by his address");
    let address = bob.node().listen_addr().to_string();
    let added = walk.ok("POST", "/contacts", &[], Some(json!({ "address": address })), StatusCode::OK).await;
    assert_eq!(added["userId"], bob.id());
    net.linked(&alice, &bob).await;
    let bob_id = bob.id();
    let b = bob_id.as_str();
    assert_eq!(walk.get("/users?filter=all", &[]).await["items"][0]["userId"], b);
    assert_eq!(walk.get("/users/online", &[]).await["items"][0]["status"], "online");
    assert_eq!(walk.get("/users/{userId}", &[b]).await["name"], "Bob");
    let found = walk.get("/users/{userId}/status", &[b]).await;
    assert_eq!((found["userId"].as_str(), found["status"].as_str()), (Some(b), Some("online")));
    assert_eq!(walk.get("/users/{userId}/sessions", &[b]).await["items"], json!([]));

    net.section("An invitation is made, and is for others");
    let made = walk.ok("POST", "/invitations", &[], Some(json!({})), StatusCode::CREATED).await;
    let link = made["link"].as_str().unwrap();
    assert!(link.starts_with(&format!("landline://add/{}?name=Alice%20L.&addr=127.0.0.1:", alice.id())), "{link}");
    assert!(made["expiresAt"].is_string());
    let refused = walk.call("POST", "/contacts", &[], Some(json!({ "link": link }))).await;
    let error = &refused.json()["error"];
    assert_eq!((error["code"].as_str(), error["field"].as_str()), (Some("own_machine"), Some("link")));
    let both = walk.call("POST", "/contacts", &[], Some(json!({ "link": link, "address": address }))).await;
    assert_eq!(both.status, StatusCode::UNPROCESSABLE_ENTITY, "because only one of them can be meant");

    net.section("Alice is at a relay for a while");
    let relay = net.relay().await;
    assert_eq!(walk.get("/relays", &[]).await["items"], json!([]));
    let add = Some(json!({ "address": relay.address(), "membership": "lrm_1" }));
    let added = walk.ok("POST", "/relays", &[], add, StatusCode::CREATED).await;
    assert_eq!((added["state"].as_str(), added["member"].as_bool()), (Some("connected"), Some(true)));
    let listed = walk.get("/relays", &[]).await;
    assert_eq!((&listed["items"][0], listed["items"][0].get("membership")), (&added, None), "because it is a secret");
    assert_eq!(walk.get("/me", &[]).await["relays"], json!([relay.address()]));
    let wrong = walk.call("POST", "/relays", &[], Some(json!({ "address": "relay.example.org" }))).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("address")));
    let path = format!("/relays?address={}", relay.address());
    assert_eq!(walk.ok("DELETE", &path, &[], None, StatusCode::OK).await["ok"], true);
    assert_eq!(walk.call("DELETE", &path, &[], None).await.status, StatusCode::NOT_FOUND);
    relay.stop().await;

    net.section("They talk");
    let open = Some(json!({ "receiverUserId": b }));
    let session = walk.ok("POST", "/sessions", &[], open.clone(), StatusCode::CREATED).await;
    let again = walk.ok("POST", "/sessions", &[], open, StatusCode::OK).await;
    assert_eq!(session["sessionId"], again["sessionId"], "because the second call finds it");
    let session_id = session["sessionId"].as_str().unwrap().to_owned();
    let s = session_id.as_str();
    assert_eq!(s, alice.session_with(&bob));
    let body = json!({ "message": "Hello", "messageType": "text", "tempId": "t1" });
    let path = "/sessions/{sessionId}/messages";
    let sent = walk.ok("POST", path, &[s], Some(body.clone()), StatusCode::CREATED).await;
    assert_eq!((sent["message"].as_str(), sent["tempId"].as_str()), (Some("Hello"), Some("t1")));
    let twice = walk.ok("POST", path, &[s], Some(body), StatusCode::CREATED).await;
    assert_eq!(twice["id"], sent["id"], "because the same tempId is the same message");
    bob.hears("Hello").await;
    bob.node().accept(&alice.id()).await.unwrap();
    let found = walk.get("/search?q=hell&limit=5", &[]).await;
    assert_eq!((&found["items"][0]["message"]["id"], &found["items"][0]["ranges"]), (&sent["id"], &json!([[0, 4]])));
    assert_eq!((&found["items"][0]["session"]["title"], &found["total"]), (&json!("Bob"), &json!(1)));
    let around = walk.get("/sessions/{sessionId}/messages?date=2020-01-01T00:00:00Z", &[s]).await;
    assert_eq!(around["items"][0]["id"], sent["id"]);
    let body = json!({ "title": "Backup done", "kind": "network", "sessionId": s });
    let made = walk.ok("POST", "/notifications", &[], Some(body), StatusCode::CREATED).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let listed = walk.get("/notifications?unread=true&kind=network&limit=5", &[]).await;
    assert_eq!(listed["items"], json!([made]));
    assert_eq!(walk.get("/notifications/stats", &[]).await["byKind"], json!({ "network": 1 }));
    let read = walk.ok("PATCH", "/notifications/{notificationId}/read", &[&id], None, StatusCode::OK).await;
    assert_eq!((&read["id"], &read["read"]), (&made["id"], &json!(true)));
    assert_eq!(walk.ok("PATCH", "/notifications/read-all", &[], None, StatusCode::OK).await["count"], 0);
    let old = "/notifications/cleanup?daysOld=30";
    assert_eq!(walk.ok("DELETE", old, &[], None, StatusCode::OK).await["count"], 0);
    let done = walk.ok("DELETE", "/notifications/{notificationId}", &[&id], None, StatusCode::OK).await;
    assert_eq!(done["ok"], true);
    let again = desk.call("DELETE", &format!("/notifications/{id}"), None).await;
    again.refused(404, "notification_not_found");
    desk.call("GET", "/notifications?unread=maybe", None).await.refused_field(422, "invalid_value", "unread");
    let direct = json!({ "receiverUserId": b, "message": "Are you there?" });
    let second = walk.ok("POST", "/messages", &[], Some(direct), StatusCode::CREATED).await;
    let second_id = second["id"].as_str().unwrap().to_owned();
    let delivered = alice
        .wait_for("the second message to be delivered", |change| match change {
            Change::MessageChanged { message, .. }
                if message.id == second_id && message.state == MessageState::Delivered =>
            {
                Some(message.clone())
            }
            _ => None,
        })
        .await;
    assert!(delivered.delivered_at.is_some());
    let retried = walk.call("POST", "/messages/{messageId}/retry", &[&second_id], Some(json!({}))).await;
    assert_eq!(retried.status, StatusCode::CONFLICT, "because only what failed can be tried again: {}", retried.text);

    let bobs = bob.open(&alice).await;
    let reply = bob.say(&bobs, "Yes").await;
    alice.hears("Yes").await;
    assert_eq!(walk.get("/unread-count", &[]).await, json!({ "total": 1 }));
    alice.until("a notice to stand", async |node| node.notices().first().cloned()).await;
    assert_eq!(walk.get("/notices", &[]).await["items"][0]["sessionId"], s);
    let page = walk.get(&format!("{path}?limit=2"), &[s]).await;
    let texts: Vec<&str> = page["items"].as_array().unwrap().iter().filter_map(|row| row["message"].as_str()).collect();
    assert_eq!(texts, ["Are you there?", "Yes"], "because a page is oldest first");
    let before = page["nextBefore"].as_str().unwrap();
    let older = walk.get(&format!("{path}?before={before}"), &[s]).await;
    assert_eq!(older["items"][0]["message"], "Hello");
    assert_eq!((&older["nextBefore"], older["nextAfter"].is_string()), (&Value::Null, true));
    let around = walk.get(&format!("{path}?around={}&limit=3", reply.id), &[s]).await;
    assert!(around["items"].as_array().unwrap().iter().any(|row| row["id"] == reply.id.as_str()));

    let read = walk.ok("POST", "/messages/{messageId}/read", &[&reply.id], None, StatusCode::OK).await;
    assert_eq!(read["unreadCount"], 0);
    say_of_messages(&mut walk, s, sent["id"].as_str().unwrap(), &reply.id).await;
    let read = walk.ok("POST", "/sessions/{sessionId}/read", &[s], Some(json!({})), StatusCode::OK).await;
    assert_eq!(read["unreadCount"], 0);
    assert_eq!(walk.get("/unread-count", &[]).await["total"], 0);
    assert_eq!(walk.get("/sessions", &[]).await["items"][0]["sessionId"], s);
    let patch = json!({ "pinned": true, "draft": "so", "mutedUntil": "2100-01-01T00:00:00.000Z" });
    let patched = walk.ok("PATCH", "/sessions/{sessionId}", &[s], Some(patch), StatusCode::OK).await;
    assert_eq!((patched["pinned"].as_bool(), patched["draft"].as_str()), (Some(true), Some("so")));
    let patch = json!({ "draft": null, "mutedUntil": null });
    walk.ok("PATCH", "/sessions/{sessionId}", &[s], Some(patch), StatusCode::OK).await;
    let shown = walk.get("/sessions/{sessionId}", &[s]).await;
    assert_eq!((&shown["draft"], &shown["mutedUntil"], &shown["pinned"]), (&Value::Null, &Value::Null, &json!(true)));
    let focus = json!({ "viewer": "test", "sessionId": s, "focused": true });
    assert_eq!(walk.ok("POST", "/focus", &[], Some(focus), StatusCode::OK).await, json!({ "ok": true }));

    net.section("Alice has had enough");
    let blocked = walk.ok("POST", "/users/{userId}/block", &[b], None, StatusCode::OK).await;
    assert_eq!(blocked["trust"], "blocked");
    let unblocked = walk.ok("POST", "/users/{userId}/unblock", &[b], None, StatusCode::OK).await;
    assert_ne!(unblocked["trust"], "blocked");
    let accepted = walk.ok("POST", "/users/{userId}/accept", &[b], None, StatusCode::OK).await;
    assert_eq!(accepted["trust"], "accepted");

    net.section("Programs");
    let body = json!({ "name": "bot", "scopes": ["read"] });
    let token = walk.ok("POST", "/tokens", &[], Some(body), StatusCode::CREATED).await;
    assert!(token["token"].is_string());
    assert_eq!(walk.get("/tokens", &[]).await["items"][0]["name"], "bot");
    let id = token["info"]["tokenId"].as_str().unwrap();
    walk.ok("DELETE", "/tokens/{tokenId}", &[id], None, StatusCode::OK).await;
    let link = walk.ok("POST", "/login-links", &[], None, StatusCode::CREATED).await;
    let code = link["url"].as_str().unwrap().split("#login=").nth(1).unwrap().to_owned();
    let login = walk.ok("POST", "/login", &[], Some(json!({ "code": code })), StatusCode::CREATED).await;
    assert!(login["token"].is_string());
    // A stream of its own test: `events`.
    walk.walked.insert(("get".to_owned(), "/events".to_owned()));

    // With tests of their own: `files`.
    for (method, path) in [
        ("post", "/attachments"),
        ("post", "/attachments/add"),
        ("get", "/attachments/{attachmentId}"),
        ("get", "/attachments/{attachmentId}/thumbnail"),
        ("post", "/attachments/{attachmentId}/accept"),
        ("get", "/transfers"),
        ("post", "/transfers/{transferId}/pause"),
        ("post", "/transfers/{transferId}/resume"),
        ("post", "/transfers/{transferId}/cancel"),
    ] {
        walk.walked.insert((method.to_owned(), path.to_owned()));
    }

    let mut missing = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            if !walk.walked.contains(&(method.clone(), path.clone())) {
                missing.push(format!("{method} {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "because every path that is documented is tried: {missing:?}");
    desk.end(net).await;
}

/// What can be said of messages: an own one and another's.
async fn say_of_messages(walk: &mut Walk<'_>, session: &str, own: &str, others: &str) {
    let path = "/messages/{messageId}";
    let edited = walk.ok("PATCH", path, &[own], Some(json!({ "message": "Hello, Bob" })), StatusCode::OK).await;
    assert_eq!((edited["message"].as_str(), edited["editedAt"].is_string()), (Some("Hello, Bob"), true));
    assert_eq!(walk.get(path, &[own]).await["message"], "Hello, Bob");
    let history = walk.get("/messages/{messageId}/history", &[own]).await;
    assert_eq!(history["items"][0], json!({ "message": "Hello", "editedAt": null }));
    assert_eq!(
        (&history["items"][1]["message"], history["items"][1]["editedAt"].is_string()),
        (&json!("Hello, Bob"), true)
    );
    let forbidden = walk.call("PATCH", path, &[others], Some(json!({ "message": "no" }))).await;
    forbidden.refused(403, "not_your_message");

    let reactions = "/messages/{messageId}/reactions/{emoji}";
    let reacted = walk.ok("PUT", reactions, &[others, "%F0%9F%91%8D"], None, StatusCode::OK).await;
    assert_eq!(reacted["reactions"][0]["emoji"], "👍");
    let ended = walk.ok("DELETE", reactions, &[others, "%F0%9F%91%8D"], None, StatusCode::OK).await;
    assert_eq!(ended["reactions"], json!([]));
    walk.call("PUT", reactions, &[others, "ok"], None).await.refused_field(422, "invalid_emoji", "emoji");
    let pin = "/messages/{messageId}/pin";
    assert_eq!(walk.ok("PUT", pin, &[others], None, StatusCode::OK).await["pinned"], true);
    assert_eq!(walk.get("/sessions/{sessionId}", &[session]).await["pinnedMessages"], json!([others]));
    assert_eq!(walk.ok("DELETE", pin, &[others], None, StatusCode::OK).await["pinned"], false);
    let receipts = walk.get("/messages/{messageId}/receipts", &[own]).await;
    assert!(receipts["items"][0]["deliveredAt"].is_string(), "{receipts}");

    let answer = json!({ "message": "Good", "replyTo": others });
    let messages = "/sessions/{sessionId}/messages";
    let answer = walk.ok("POST", messages, &[session], Some(answer), StatusCode::CREATED).await;
    assert_eq!((&answer["replyTo"], &answer["quote"]["message"]), (&json!(others), &json!("Yes")));
    let unknown = json!({ "message": "?", "replyTo": "01900000-0000-7000-8000-000000000000" });
    let unknown = walk.call("POST", messages, &[session], Some(unknown)).await;
    unknown.refused_field(404, "message_not_found", "replyTo");
    let forward = json!({ "messageIds": [others], "sessionIds": [session] });
    let forwarded = walk.ok("POST", "/messages/forward", &[], Some(forward), StatusCode::CREATED).await;
    assert_eq!((&forwarded["items"][0]["message"], &forwarded["items"][0]["forwarded"]), (&json!("Yes"), &json!(true)));

    let mine = walk.ok("DELETE", "/messages/{messageId}?for=all", &[own], None, StatusCode::OK).await;
    assert_eq!((mine["message"].as_str(), mine["deletedAt"].is_string()), (Some(""), true));
    walk.ok("DELETE", "/messages/{messageId}?for=me", &[others], None, StatusCode::OK).await;
    walk.call("GET", path, &[others], None).await.refused(404, "message_not_found");
    walk.call("DELETE", path, &[own], None).await.refused_field(422, "invalid_value", "for");

    let typing = Some(json!({ "typing": true }));
    let done = walk.ok("POST", "/sessions/{sessionId}/typing", &[session], typing, StatusCode::OK).await;
    assert_eq!(done, json!({ "ok": true }));
    let away = Some(json!({ "status": "away" }));
    assert_eq!(walk.ok("POST", "/me/status", &[], away, StatusCode::OK).await["ok"], true);
    let timer = Some(json!({ "seconds": 3600 }));
    let row = walk.ok("POST", "/sessions/{sessionId}/timer", &[session], timer, StatusCode::OK).await;
    assert_eq!((&row["timerSeconds"], &row["lastMessage"]["messageType"]), (&json!(3600), &json!("system")));
    assert_eq!(row["lastMessage"]["system"], json!({ "kind": "timer", "seconds": 3600 }));
    let off = Some(json!({ "seconds": 0 }));
    walk.ok("POST", "/sessions/{sessionId}/timer", &[session], off, StatusCode::OK).await;
    let patch = json!({ "retentionDays": 30, "notify": "mentions", "markedUnread": true, "draftReplyTo": null });
    let row = walk.ok("PATCH", "/sessions/{sessionId}", &[session], Some(patch), StatusCode::OK).await;
    let expected = (&json!(30), &json!("mentions"), &json!(true));
    assert_eq!((&row["retentionDays"], &row["notify"], &row["markedUnread"]), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_paths_of_prior_systems_answer_too() {
    let (net, desk) = Desk::alone().await;
    for path in
        ["//api/status", "//api/sessions", "//api/users", "//api/health", "//health", "//info", "//openapi.json"]
    {
        let answer = desk.call("GET", path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    }
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_learns_counts_only() {
    let (net, desk) = Desk::alone().await;
    let status = desk.call_as(None, "GET", "/status", None).await.json();
    assert_eq!(status, json!({ "status": "running", "activeConnections": 0, "activeUsers": 0 }));
    let info = desk.call_as(None, "GET", "//info", None).await.json();
    assert_eq!(info["machineId"], Value::Null);
    for path in ["//health", "//metrics", "//openapi.json"] {
        let answer = desk.call_as(None, "GET", path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(!answer.text.contains("landline1") && !answer.text.contains("Alice"), "because {path} names nobody");
    }
    desk.end(net).await;
}
