//! The web page.

use landline_api::ApiConfig;
use testkit::Net;

use crate::desk::{Desk, config};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_answers_at_every_place_of_the_interface() {
    let (net, desk) = Desk::alone().await;
    let entry = desk.call_as(None, "GET", "//", None).await;
    assert_eq!(entry.status.as_u16(), 200, "because build.rs makes one when the interface is not built");
    assert_eq!(entry.headers["content-type"], "text/html; charset=utf-8");
    for path in ["//index.html", "//session/x", "//settings"] {
        assert_eq!(desk.call_as(None, "GET", path, None).await.text, entry.text, "{path}");
    }
    for path in
        ["//nothing.js", "//assets/nothing.css", "//..%2f..%2fCargo.toml", "//%2e%2e/Cargo.toml", "//favicon.xyz"]
    {
        desk.call_as(None, "GET", path, None).await.refused(404, "not_found");
    }
    let raw = desk.raw_get("/../../../../etc/passwd.txt", &[("Host", &desk.host())]).await;
    assert!(raw.starts_with("HTTP/1.1 404"), "{raw}");
    desk.call_as(None, "POST", "//", None).await.refused(405, "method_not_allowed");
    let head = desk.call_as(None, "HEAD", "//", None).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    desk.end(net).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_may_be_no_page() {
    let net = Net::new();
    let alice = net.alice().await;
    let desk = Desk::with(&alice, ApiConfig { page: false, ..config() }).await;
    desk.call_as(None, "GET", "//", None).await.refused(404, "not_found");
    assert!(desk.call("GET", "/me", None).await.status.is_success());
    desk.end(net).await;
}
