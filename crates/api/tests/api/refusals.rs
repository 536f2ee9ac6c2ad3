//! Who may not call at all: other hosts' names, other origins' pages, and paths that are none.

use std::num::NonZeroU32;

use landline_api::{ApiConfig, Rate};
use reqwest::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, RETRY_AFTER};
use serde_json::json;
use testkit::Net;

use crate::desk::{Desk, config};

#[tokio::test(flavor = "multi_thread")]
async fn other_names_are_refused() {
    let (net, desk) = Desk::alone().await;
    let port = desk.api.addr().port();
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")] {
        let answer = desk.raw_get("/health", &[("Host", &host)]).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
    for host in
        [format!("evil.example:{port}"), "127.0.0.1".to_owned(), format!("127.0.0.1:{}", port ^ 1), String::new()]
    {
        for path in ["/health", "/", "/api/v1/me", "/socket.io/?EIO=4&transport=polling"] {
            let answer = desk.raw_get(path, &[("Host", &host)]).await;
            assert!(
                answer.starts_with("HTTP/1.1 403") && answer.contains("host_not_allowed"),
                "{host} {path}: {answer}"
            );
        }
    }
    let none = desk.raw_get("/health", &[]).await;
    assert!(none.starts_with("HTTP/1.1 4"), "{none}");
    let two = desk.raw_get("/health", &[("Host", &desk.host()), ("Host", "evil.example")]).await;
    assert!(two.starts_with("HTTP/1.1 4"), "{two}");
    let absolute = desk.raw_get("http://evil.example/health", &[("Host", &desk.host())]).await;
    assert!(absolute.starts_with("HTTP/1.1 4"), "because the target names another: {absolute}");
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_are_refused() {
    let (net, desk) = Desk::alone().await;
    let host = desk.host();
    let own = format!("http://{host}");
    let answer = desk.raw_get("/health", &[("Host", &host), ("Origin", &own)]).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!answer.to_lowercase().contains("access-control-"), "because nothing is allowed across origins");
    for origin in ["null", "http://evil.example", "https://127.0.0.1", "tauri://localhost"] {
        for path in ["/health", "/api/status", "/socket.io/?EIO=4&transport=polling"] {
            let answer = desk.raw_get(path, &[("Host", &host), ("Origin", origin)]).await;
            assert!(
                answer.starts_with("HTTP/1.1 403") && answer.contains("origin_not_allowed"),
                "{origin} {path}: {answer}"
            );
        }
    }
    let preflight = desk
        .request("OPTIONS", "/me")
        .header("Origin", "http://evil.example")
        .header("Access-Control-Request-Method", "PATCH")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status().as_u16(), 403);
    assert!(preflight.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_told_to_be_careful() {
    let (net, desk) = Desk::alone().await;
    for path in ["//", "/me", "//nothing.js", "//health"] {
        let answer = desk.call("GET", path, None).await;
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{path}");
        let policy = header(CONTENT_SECURITY_POLICY.as_str());
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-eval") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(answer.headers.get("set-cookie").is_none(), "because there are no cookies");
        assert!(answer.headers.contains_key(CACHE_CONTROL), "{path}");
    }
    assert_eq!(desk.call("GET", "/me", None).await.headers[CACHE_CONTROL], "no-store");
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_in_json() {
    let (net, desk) = Desk::alone().await;
    for path in ["/nothing", "//api/nothing", "//api/v2/me", "/users/x/nothing", "//api", "//api/v1"] {
        desk.call("GET", path, None).await.refused(404, "not_found");
    }
    for (method, path) in
        [("DELETE", "/me"), ("PUT", "/sessions"), ("POST", "/status"), ("POST", "//health"), ("GET", "/contacts")]
    {
        let answer = desk.call(method, path, None).await;
        answer.refused(405, "method_not_allowed");
        assert!(answer.headers.contains_key(ALLOW), "because {method} {path} should name what is allowed");
    }
    desk.call("GET", "/sessions/not-a-session", None).await.refused(422, "invalid_id");
    let nobody = "00000000-0000-8000-8000-000000000000";
    desk.call("GET", &format!("/sessions/{nobody}"), None).await.refused(404, "session_not_found");
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_much_has_to_wait() {
    let net = Net::new();
    let alice = net.alice().await;
    let rate = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(5).unwrap() };
    let desk = Desk::with(&alice, ApiConfig { rate, ..config() }).await;
    let token =
        desk.post("/tokens", json!({ "name": "bot", "scopes": ["read"] })).await["token"].as_str().unwrap().to_owned();
    let mut refused = 0;
    for _ in 0..10 {
        let answer = desk.call_as(Some(&token), "GET", "/me", None).await;
        if answer.status.as_u16() == 429 {
            answer.refused(429, "too_many_requests");
            let wait: u32 = answer.headers[RETRY_AFTER].to_str().unwrap().parse().unwrap();
            assert!((1..=10).contains(&wait), "because it says when: {wait}");
            refused += 1;
        }
    }
    assert!(refused >= 3, "because 5 are allowed at once and 1 a second: {refused}");
    assert!(desk.call("GET", "/me", None).await.status.is_success(), "because each token has its own budget");
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_share_one_budget() {
    let (net, desk) = Desk::alone().await;
    let mut codes = std::collections::BTreeMap::new();
    for _ in 0..400 {
        let answer = desk.call_as(Some("a.b.c"), "GET", "/me", None).await;
        *codes.entry(answer.status.as_u16()).or_insert(0) += 1;
    }
    assert!(codes.get(&429).is_some_and(|count| *count > 10), "because guessing has a limit: {codes:?}");
    assert!(desk.call("GET", "/me", None).await.status.is_success(), "because that is no loss to those with a token");
    desk.end(net).await;
}
