//! Files through the API: taken in pieces, sent, fetched, handed out in parts.

use std::path::Path;

use node::view::TransferState;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::{Net, Person};

use crate::desk::{Answer, Desk, send};

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|place| (place * 13 + place / 255) as u8).collect()
}

async fn upload(desk: &Desk, token: Option<&str>, query: &str, body: Vec<u8>) -> Answer {
    let mut request = desk.request("POST", &format!("/attachments{query}"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    send(request.header("Content-Type", "application/octet-stream").body(body)).await
}

/// A token with only these scopes.
async fn token(desk: &Desk, scopes: &[&str]) -> String {
    let made = desk.post("/tokens", json!({ "name": "bot", "scopes": scopes })).await;
    made["token"].as_str().unwrap().to_owned()
}

/// Waits until the first attachment of a message has come so far.
async fn sees(person: &Person, message: &str, state: TransferState) -> Value {
    let message = message.to_owned();
    let attachment = person
        .until(&format!("the attachment to be {state:?}"), async |node| {
            let found = node.message(&message).await.ok()?.attachments.into_iter().next()?;
            (found.state == state).then_some(found)
        })
        .await;
    json!(attachment)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_from_one_program_to_another() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let (desk, other) = (Desk::of(&alice).await, Desk::of(&bob).await);
    net.connect(&alice, &bob).await;
    other.post("/messages", json!({ "receiverUserId": alice.id(), "message": "Send it to me." })).await;
    alice.hears("Send it to me.").await;

    let data = bytes(300_000);
    let bot = token(&desk, &["read", "send"]).await;
    let made = upload(&desk, Some(&bot), "?name=r%C3%A9port.bin&mime=application/pdf", data.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    assert_eq!(
        (&made["name"], &made["size"], &made["mime"]),
        (&json!("réport.bin"), &json!(300_000), &json!("application/pdf"))
    );
    let body = json!({ "receiverUserId": bob.id(), "message": "", "attachments": [{ "uploadId": made["uploadId"] }] });
    let sent = desk.call_as(Some(&bot), "POST", "/messages", Some(body)).await;
    assert_eq!(sent.status, StatusCode::CREATED, "{}", sent.text);
    let sent = sent.json();
    let id = sent["id"].as_str().unwrap();
    assert_eq!((&sent["messageType"], &sent["attachments"][0]["name"]), (&json!("file"), &json!("réport.bin")));

    let came = sees(&bob, id, TransferState::Complete).await;
    let attachment = came["attachmentId"].as_str().unwrap();
    assert_eq!(std::fs::read(came["path"].as_str().unwrap()).unwrap(), data);
    let transfers = other.get("/transfers").await;
    assert_eq!(
        (&transfers["items"][0]["state"], &transfers["items"][0]["direction"]),
        (&json!("complete"), &json!("incoming"))
    );

    // In parts, and named so that nothing is shown that could run.
    let path = format!("/attachments/{attachment}");
    let whole = send(other.request("GET", &path).bearer_auth(other.api.owner_token())).await;
    assert_eq!(
        (whole.status, whole.headers["content-type"].as_bytes()),
        (StatusCode::OK, &b"application/octet-stream"[..])
    );
    assert_eq!(whole.headers["content-disposition"], "attachment; filename*=UTF-8''r%C3%A9port.bin");
    let request = other.request("GET", &path).bearer_auth(other.api.owner_token()).header("Range", "bytes=1000-1999");
    let part = request.send().await.unwrap();
    assert_eq!(
        (part.status(), &part.headers()["content-range"]),
        (StatusCode::PARTIAL_CONTENT, &"bytes 1000-1999/300000".parse().unwrap())
    );
    assert_eq!(part.bytes().await.unwrap(), data[1000..2000]);
    let request = other.request("GET", &path).bearer_auth(other.api.owner_token()).header("Range", "bytes=300000-");
    send(request).await.refused(416, "range_not_satisfiable");
    other.call("GET", &format!("{path}/thumbnail"), None).await.refused(404, "no_thumbnail");

    // Who may not do everything does not learn where files lie.
    let reader = token(&other, &["read"]).await;
    let seen = other
        .call_as(Some(&reader), "GET", &format!("/sessions/{}/messages", sent["sessionId"].as_str().unwrap()), None)
        .await;
    let rows = seen.json();
    let row = rows["items"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap();
    assert_eq!((&row["attachments"][0]["path"], &row["attachments"][0]["state"]), (&Value::Null, &json!("complete")));
    let body = json!({ "saveTo": "/tmp" });
    let sender = token(&other, &["send"]).await;
    other.call_as(Some(&sender), "POST", &format!("{path}/accept"), Some(body)).await.refused(403, "scope_missing");
    other
        .call_as(Some(&reader), "POST", &format!("{path}/accept"), Some(json!({})))
        .await
        .refused(403, "scope_missing");
    other.api.shutdown().await;
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_added_offered_accepted_and_paused() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let (desk, other) = (Desk::of(&alice).await, Desk::of(&bob).await);
    net.connect(&alice, &bob).await;
    other.post("/messages", json!({ "receiverUserId": alice.id(), "message": "Send it to me." })).await;
    alice.hears("Send it to me.").await;
    let settings = other.call("PATCH", "/settings", Some(json!({ "autoAcceptBytes": 10 }))).await;
    assert_eq!(settings.status, StatusCode::OK);

    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("papers");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.txt"), "A paper.").unwrap();
    let made = desk.post("/attachments/add", json!({ "path": folder })).await;
    assert_eq!((&made["kind"], &made["files"]), (&json!("folder"), &json!(1)));
    let body =
        json!({ "receiverUserId": bob.id(), "message": "Papers", "attachments": [{ "uploadId": made["uploadId"] }] });
    let sent = desk.post("/messages", body).await;
    let id = sent["id"].as_str().unwrap();
    let offered = sees(&bob, id, TransferState::Offered).await;
    let attachment = offered["attachmentId"].as_str().unwrap();
    other.call("POST", &format!("/transfers/{attachment}/pause"), None).await.refused(409, "transfer_not_running");
    let cancelled = other.post(&format!("/transfers/{attachment}/cancel"), json!({})).await;
    assert_eq!(cancelled["state"], "cancelled");
    let resumed = other.post(&format!("/transfers/{attachment}/resume"), json!({})).await;
    assert_eq!(resumed["attachmentId"], attachment);
    let came = sees(&bob, id, TransferState::Complete).await;
    assert_eq!(std::fs::read(Path::new(came["path"].as_str().unwrap()).join("a.txt")).unwrap(), b"A paper.");
    let accepted = other.post(&format!("/attachments/{attachment}/accept"), json!({})).await;
    assert_eq!(accepted["state"], "complete", "because it is here already");
    other.call("GET", &format!("/attachments/{attachment}"), None).await.refused(409, "attachment_is_folder");
    other.api.shutdown().await;
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_files_is_said() {
    let (net, desk) = Desk::alone().await;
    let owner = desk.api.owner_token().to_owned();
    upload(&desk, None, "?name=a", vec![1]).await.refused(401, "token_missing");
    let reader = token(&desk, &["read"]).await;
    upload(&desk, Some(&reader), "?name=a", vec![1]).await.refused(403, "scope_missing");
    upload(&desk, Some(&owner), "", vec![1]).await.refused_field(422, "invalid_value", "name");
    upload(&desk, Some(&owner), "?name=", vec![1]).await.refused_field(422, "invalid_name", "name");
    upload(&desk, Some(&owner), "?name=a&mime=a%20b", vec![1]).await.refused_field(422, "invalid_mime", "mime");
    upload(&desk, Some(&owner), "?name=a&size=1", vec![1]).await.refused_field(422, "invalid_value", "size");
    upload(&desk, Some(&owner), "?name=a&name=b", vec![1]).await.refused_field(422, "invalid_value", "name");
    let request = desk.request("POST", "/attachments?name=a").bearer_auth(&owner).body("x");
    send(request).await.refused(415, "unsupported_media_type");
    for (path, code) in [("relative", "invalid_path"), ("", "invalid_path")] {
        let answer = desk.call("POST", "/attachments/add", Some(json!({ "path": path }))).await;
        answer.refused_field(422, code, "path");
    }
    desk.call("POST", "/attachments/add", Some(json!({ "path": "/nonexistent" }))).await.refused(404, "file_not_found");
    desk.call("GET", "/attachments/nonsense", None).await.refused_field(422, "invalid_id", "attachmentId");
    let nobody = "00000000-0000-4000-8000-000000000000";
    for (method, path) in [
        ("GET", format!("/attachments/{nobody}")),
        ("GET", format!("/attachments/{nobody}/thumbnail")),
        ("POST", format!("/attachments/{nobody}/accept")),
        ("POST", format!("/transfers/{nobody}/pause")),
        ("POST", format!("/transfers/{nobody}/resume")),
        ("POST", format!("/transfers/{nobody}/cancel")),
    ] {
        let body = (method == "POST").then(|| json!({}));
        desk.call(method, &path, body).await.refused(404, "attachment_not_found");
    }
    desk.end(net).await;
}
