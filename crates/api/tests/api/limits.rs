//! Bad input gets a clear answer, and harms nothing.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use testkit::Net;

use crate::desk::{Desk, send};

#[tokio::test(flavor = "multi_thread")]
async fn texts_have_limits() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let desk = Desk::of(&alice).await;
    let session = alice.open(&bob).await.session_id;
    let path = format!("/sessions/{session}/messages");
    let message = async |text: &str| desk.call("POST", &path, Some(json!({ "message": text }))).await;

    let longest = message(&"x".repeat(65_536)).await;
    assert_eq!(longest.status.as_u16(), 201, "{}", longest.text);
    let error = message(&"x".repeat(70_000)).await.refused_field(413, "message_too_long", "message");
    assert_eq!(error["limit"], 65_536);
    assert_eq!(error["message"], "A message can hold 65536 bytes; this one has 70000.");
    let escaped: String = std::iter::repeat_n('ä', 32_768).collect();
    let ascii = format!("{{\"message\":\"{}\"}}", escaped.replace('ä', "\\u00e4"));
    let request = desk.request("POST", &path).bearer_auth(desk.api.owner_token());
    let answer = send(request.header(CONTENT_TYPE, "application/json").body(ascii)).await;
    assert_eq!(answer.status.as_u16(), 201, "because 65,536 bytes fit in every notation: {}", answer.text);

    for text in ["", "  ", "\n\t", "a\u{0}b"] {
        let answer = message(text).await;
        assert_eq!(answer.status.as_u16(), 422, "{text:?}: {}", answer.text);
        assert_eq!(answer.json()["error"]["field"], "message", "{text:?}");
    }
    for wrong in [json!(7), json!(null), json!(["x"]), json!({ "text": "x" }), json!(true)] {
        let answer = desk.call("POST", &path, Some(json!({ "message": wrong }))).await;
        answer.refused_field(422, "invalid_value", "message");
    }
    let answer = desk.call("POST", &path, Some(json!({ "message": "x", "tempId": "x".repeat(129) }))).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    assert_eq!(answer.json()["error"]["field"], "tempId");
    desk.call("POST", &path, Some(json!({ "message": "x", "messageType": "system" }))).await.refused_field(
        422,
        "invalid_value",
        "messageType",
    );
    desk.call("POST", &path, Some(json!({ "message": "x", "sessionId": session }))).await.refused_field(
        422,
        "invalid_value",
        "sessionId",
    );
    desk.call("POST", &path, Some(json!({ "message": "x", "receiverUserId": bob.id() }))).await.refused_field(
        422,
        "invalid_value",
        "receiverUserId",
    );
    desk.call("POST", "/messages", Some(json!({ "message": "x" }))).await.refused_field(
        422,
        "invalid_value",
        "sessionId",
    );
    desk.call("POST", &path, Some(json!({ "message": "x", "colour": "red" }))).await.refused_field(
        422,
        "invalid_value",
        "colour",
    );

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("before=x", "before"),
        ("around=%00", "around"),
        ("limit=1&limit=2", "limit"),
        ("page=2", "page"),
        ("before=1&after=2", "before"),
    ] {
        let answer = desk.call("GET", &format!("{path}?{query}"), None).await;
        assert_eq!(answer.status.as_u16(), 422, "{query}: {}", answer.text);
        assert_eq!(answer.json()["error"]["field"], field, "{query}: {}", answer.text);
    }
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_have_limits() {
    let (net, desk) = Desk::alone().await;
    let rename = async |name: Value| desk.call("PATCH", "/me", Some(json!({ "name": name }))).await;
    let megabyte = rename(json!("x".repeat(1 << 20))).await.refused(413, "body_too_large");
    assert_eq!(megabyte["limit"], 262_144);
    for name in [
        "",
        " ",
        "a\u{0}b",
        "a\nb",
        "\u{202e}gpj.exe",
        "a\u{200b}b",
        &"x".repeat(65),
        &"ä".repeat(33),
        &"x".repeat(200_000),
    ] {
        let answer = rename(json!(name)).await;
        assert!(matches!(answer.status.as_u16(), 413 | 422), "{}: {}", name.len(), answer.text);
        assert_eq!(answer.json()["error"]["field"], "name", "{}", answer.text);
        assert!(answer.text.len() < 1024);
    }
    assert_eq!(desk.get("/me").await["name"], "Alice", "because nothing of this was kept");
    desk.call("PATCH", "/me", Some(json!({ "colour": 12 }))).await.refused_field(422, "invalid_colour", "colour");
    desk.call("PATCH", "/me", Some(json!({ "colour": 256 }))).await.refused_field(422, "invalid_value", "colour");
    desk.call("PATCH", "/settings", Some(json!({ "theme": "pink" }))).await.refused_field(
        422,
        "invalid_value",
        "theme",
    );
    desk.call("PATCH", "/settings", Some(json!({ "font": "Comic" }))).await.refused_field(422, "invalid_value", "font");
    let zoom = desk.call("PATCH", "/settings", Some(json!({ "zoom": 500 }))).await;
    assert_eq!((zoom.status.as_u16(), zoom.json()["error"]["field"].as_str()), (422, Some("zoom")), "{}", zoom.text);
    let viewer = json!({ "viewer": "x".repeat(65), "focused": true });
    desk.call("POST", "/focus", Some(viewer)).await.refused_field(422, "invalid_value", "viewer");
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_said() {
    let (net, desk) = Desk::alone().await;
    let post = async |kind: &str, body: Vec<u8>| {
        let request = desk.request("POST", "/sessions").bearer_auth(desk.api.owner_token());
        send(request.header(CONTENT_TYPE, kind).body(body)).await
    };
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = format!("{}1{}", "{\"a\":".repeat(30_000), "}".repeat(30_000));
    for body in [
        "{",
        "}",
        "nonsense",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1} x",
        "\u{feff}{}",
        deep.as_str(),
        deep_object.as_str(),
    ] {
        post("application/json", body.as_bytes().to_vec()).await.refused(400, "malformed");
    }
    for body in ["[]", "7", "\"x\"", "null", "true"] {
        post("application/json", body.as_bytes().to_vec()).await.refused(400, "malformed");
    }
    post("application/json", vec![0xff, 0xfe, 0x00]).await.refused(400, "malformed");
    post("application/json", b"{\"receiverUserId\":\"\xc3\x28\"}".to_vec()).await.refused(400, "malformed");
    post("application/json; charset=utf-8", b"{}".to_vec()).await.refused_field(422, "invalid_value", "receiverUserId");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"] {
        post(kind, b"{\"receiverUserId\":\"x\"}".to_vec()).await.refused(415, "unsupported_media_type");
    }
    post("application/json", vec![b' '; 300_000]).await.refused(413, "body_too_large");
    let status = desk.get("/status").await;
    assert_eq!(status["sessions"], 0, "because nothing of this did anything");
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_addresses_must_be_some() {
    let (net, desk) = Desk::alone().await;
    let long = "x".repeat(5_000);
    for id in [
        "x",
        "landline1",
        "%00",
        "%0a",
        long.as_str(),
        "landline1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
    ] {
        for (method, path) in [
            ("GET", format!("/users/{id}/status")),
            ("POST", format!("/users/{id}/block")),
            ("GET", format!("/users/{id}/sessions")),
        ] {
            let answer = desk.call(method, &path, None).await;
            assert!(matches!(answer.status.as_u16(), 404 | 422), "{method} {path}: {} {}", answer.status, answer.text);
            assert!(answer.json()["error"]["code"].is_string());
        }
    }
    let own = desk.person.id();
    let answer = desk.call("POST", "/sessions", Some(json!({ "receiverUserId": own }))).await;
    assert!(answer.status.is_client_error(), "because nobody talks to themselves here: {}", answer.text);
    for address in ["", "x y", "127.0.0.1:99999", "http://127.0.0.1/", "[::1", &"x".repeat(70_000)] {
        let answer = desk.call("POST", "/contacts", Some(json!({ "address": address }))).await;
        assert!(matches!(answer.status.as_u16(), 413 | 422), "{}: {} {}", address.len(), answer.status, answer.text);
        assert!(answer.text.len() < 1024, "because an error does not repeat its input");
    }
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_instead_of_http() {
    let (net, desk) = Desk::alone().await;
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(100_000), desk.host());
    let long_head = format!("GET / HTTP/1.1\r\nHost: {}\r\nX: {}\r\n\r\n", desk.host(), "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: {}\r\n{}\r\n", desk.host(), "X: y\r\n".repeat(500));
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01"[..],
        b"\0\0\0\0\r\n\r\n",
        long_path.as_bytes(),
        long_head.as_bytes(),
        many.as_bytes(),
    ] {
        let answer = desk.raw(bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(desk.get("/me").await["name"], "Alice", "because it goes on");
    desk.end(net).await;
}
