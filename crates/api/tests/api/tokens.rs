//! Tokens: what each allows, and every way in which one can be bad.

use std::sync::Arc;

use landline_api::openapi;
use serde_json::{Value, json};
use testkit::{Net, ShiftedClock};

use crate::desk::{Desk, config};

async fn token(desk: &Desk, scopes: &[&str], seconds: u32) -> (String, String) {
    let made = desk.post("/tokens", json!({ "name": "bot", "scopes": scopes, "expiresInSeconds": seconds })).await;
    (made["token"].as_str().unwrap().to_owned(), made["info"]["tokenId"].as_str().unwrap().to_owned())
}

/// Every documented path that needs a token, with the scope it needs.
fn guarded() -> Vec<(String, String, String)> {
    let document = openapi::document();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let security = operation["security"].as_array().unwrap();
            if security.is_empty() || security.contains(&json!({})) {
                continue;
            }
            let scope = security[0]["token"][0].as_str().unwrap().to_owned();
            let path = path.replace("{userId}", "x").replace("{sessionId}", "x").replace("{messageId}", "x");
            found.push((method.to_uppercase(), path.replace("{tokenId}", "x"), scope));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_without_a_token() {
    let (net, desk) = Desk::alone().await;
    let paths = guarded();
    assert!(paths.len() > 25, "because most paths need one: {paths:?}");
    for (method, path, _) in paths {
        let answer = desk.call_as(None, &method, &path, None).await;
        answer.refused(401, "token_missing");
        assert_eq!(answer.headers["www-authenticate"], "Bearer", "{method} {path}");
    }
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_allows_what_its_scopes_say() {
    let (net, desk) = Desk::alone().await;
    for scope in ["read", "send", "admin"] {
        let (token, _) = token(&desk, &[scope], 60).await;
        for (method, path, needed) in guarded() {
            if needed == scope {
                // Whether the call makes sense is another matter.
                let request = desk.request(&method, &path).bearer_auth(&token);
                let status = request.send().await.unwrap().status().as_u16();
                assert!(status != 401 && status != 403, "{method} {path} with {scope}: {status}");
            } else {
                let error = desk.call_as(Some(&token), &method, &path, None).await.refused(403, "scope_missing");
                assert!(error["message"].as_str().unwrap().contains(&needed), "because it names what lacks: {error}");
            }
        }
    }
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_refused() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let (desk, other) = (Desk::of(&alice).await, Desk::of(&bob).await);
    let (good, id) = token(&desk, &["read"], 60).await;
    assert!(desk.call_as(Some(&good), "GET", "/me", None).await.status.is_success());

    let long = "x".repeat(5000);
    for malformed in ["", "x", "a.b.c", "..", "Bearer", "null", "ä", long.as_str()] {
        desk.call_authorized_by(&format!("Bearer {malformed}"), "/me").await.refused(401, "token_malformed");
    }
    for header in ["Basic YTpi", "Bearer", good.as_str(), "Token x y"] {
        desk.call_authorized_by(header, "/me").await.refused(401, "token_malformed");
    }
    assert!(
        desk.call_authorized_by(&format!("bearer {good}"), "/me").await.status.is_success(),
        "because RFC 9110 says so"
    );

    // Forged: unsigned, signed with another's key, changed, and signed by another machine.
    let parts: Vec<&str> = good.split('.').collect();
    let none = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0";
    for forged in [format!("{none}.{}.", parts[1]), format!("{none}.{}.{}", parts[1], parts[2])] {
        desk.call_as(Some(&forged), "GET", "/me", None).await.refused(401, "token_malformed");
    }
    let (others, _) = token(&other, &["read", "admin"], 60).await;
    desk.call_as(Some(&others), "GET", "/me", None).await.refused(401, "token_invalid");
    let head = others.split('.').next().unwrap();
    let mixed = format!("{head}.{}.{}", others.split('.').nth(1).unwrap(), parts[2]);
    desk.call_as(Some(&mixed), "GET", "/me", None).await.refused(401, "token_invalid");
    desk.call_as(Some(other.api.owner_token()), "GET", "/me", None).await.refused(401, "token_invalid");
    // HS512 with the same text is another algorithm than ours.
    let hs512 = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.{}.{}", parts[1], parts[2]);
    desk.call_as(Some(&hs512), "GET", "/me", None).await.refused(401, "token_invalid");

    // Revoked: at once, and it stays so.
    assert!(desk.call("DELETE", &format!("/tokens/{id}"), None).await.status.is_success());
    desk.call_as(Some(&good), "GET", "/me", None).await.refused(401, "token_revoked");
    let (other_spelling, id) = token(&desk, &["read"], 60).await;
    assert!(desk.call("DELETE", &format!("/tokens/{}", id.to_uppercase()), None).await.status.is_success());
    desk.call_as(Some(&other_spelling), "GET", "/me", None).await.refused(401, "token_revoked");
    assert!(desk.get("/tokens").await["items"][0]["revokedAt"].is_string());
    desk.call("DELETE", "/tokens/00000000-0000-7000-8000-000000000000", None).await.refused(404, "token_not_found");

    other.api.shutdown().await;
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_expires() {
    let net = Net::new();
    let alice = net.alice().await;
    let clock = Arc::new(ShiftedClock::ahead(0));
    let desk = Desk::with(&alice, landline_api::ApiConfig { clock: clock.clone(), ..config() }).await;
    let (short, _) = token(&desk, &["read"], 60).await;
    let (long, _) = token(&desk, &["read"], 120).await;
    clock.set_ahead(61_000);
    desk.call_as(Some(&short), "GET", "/me", None).await.refused(401, "token_expired");
    assert!(desk.call_as(Some(&long), "GET", "/me", None).await.status.is_success());
    assert!(desk.call("GET", "/me", None).await.status.is_success(), "because the owner's own ends with the program");
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_outlive_the_program_and_the_owners_does_not() {
    let (net, desk) = Desk::alone().await;
    let (kept, _) = token(&desk, &["read"], 600).await;
    let (revoked, id) = token(&desk, &["read"], 600).await;
    desk.call("DELETE", &format!("/tokens/{id}"), None).await;
    let owner = desk.api.owner_token().to_owned();
    let person = desk.person.clone();
    desk.api.shutdown().await;
    person.stop().await;
    person.start_again().await;
    let desk = Desk::of(&person).await;
    assert!(desk.call_as(Some(&kept), "GET", "/me", None).await.status.is_success());
    desk.call_as(Some(&revoked), "GET", "/me", None).await.refused(401, "token_revoked");
    desk.call_as(Some(&owner), "GET", "/me", None).await.refused(401, "token_invalid");
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_must_make_sense() {
    let (net, desk) = Desk::alone().await;
    let make = async |body: Value| desk.call("POST", "/tokens", Some(body)).await;
    make(json!({ "name": "bot", "scopes": [] })).await.refused_field(422, "invalid_value", "scopes");
    make(json!({ "name": "bot", "scopes": ["all"] })).await.refused_field(422, "invalid_value", "scopes[0]");
    make(json!({ "name": "bot", "scopes": "read" })).await.refused_field(422, "invalid_value", "scopes");
    make(json!({ "scopes": ["read"] })).await.refused_field(422, "invalid_value", "name");
    for seconds in [json!(0), json!(31_536_001)] {
        let answer = make(json!({ "name": "bot", "scopes": ["read"], "expiresInSeconds": seconds })).await;
        answer.refused_field(422, "invalid_value", "expiresInSeconds");
    }
    for seconds in [json!(-1), json!(1.5), json!("7d"), json!(1u64 << 40)] {
        let answer = make(json!({ "name": "bot", "scopes": ["read"], "expiresInSeconds": seconds })).await;
        answer.refused_field(422, "invalid_value", "expiresInSeconds");
    }
    for name in ["", "   ", "a\u{0}b", &"x".repeat(65)] {
        let answer = make(json!({ "name": name, "scopes": ["read"] })).await;
        assert!(answer.status.is_client_error(), "{name:?}: {}", answer.text);
        assert_eq!(answer.json()["error"]["field"], "name");
    }
    assert_eq!(desk.get("/tokens").await["items"], json!([]), "because none of these was made");
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_link_works_once() {
    let (net, desk) = Desk::alone().await;
    let link = desk.api.login_link().unwrap();
    let (base, code) = link.split_once("/#login=").unwrap();
    assert_eq!(base, desk.api.url());
    let login = async |code: &str| desk.call_as(None, "POST", "/login", Some(json!({ "code": code }))).await;
    login("wrong").await.refused(401, "login_invalid");
    let made = login(code).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert!(desk.call_as(Some(&token), "GET", "/me", None).await.status.is_success());
    login(code).await.refused(401, "login_invalid");
    desk.end(net).await;
}
