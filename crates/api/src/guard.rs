//! What stands before every request: which names this server answers to, which pages may talk to it, and the headers
//! that keep a browser careful.
//!
//! A page on some website can make a browser send requests to loopback, and by rebinding a DNS name even read the
//! answers. So a request must name this server as `Host`, a request from a page must come from this server's own page,
//! and nothing is ever allowed across origins. Every call but a few harmless ones needs a bearer token on top.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;

/// What the page may load and do: its own files, and connections back to this server.
///
/// `style-src-attr` allows the `style` attributes that Svelte's templates contain; style elements stay forbidden.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; \
     img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
     worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Judges requests before anything else sees them.
#[derive(Debug)]
pub(crate) struct Guard {
    addr: SocketAddr,
    closing: AtomicBool,
}

impl Guard {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self { addr, closing: AtomicBool::new(false) }
    }

    /// From now on everything is answered with 503.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(crate) fn closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.closing() {
            return Err(ApiError::shutting_down());
        }
        let hosts = headers.get_all(header::HOST).iter().collect::<Vec<_>>();
        let host = match (uri.authority(), hosts.as_slice()) {
            (None, [host]) => host.to_str().ok(),
            (Some(authority), [] | [_]) => Some(authority.as_str()),
            _ => None,
        };
        if !host.is_some_and(|host| self.is_own(host, 80)) {
            let text = "This server answers only to its own address, such as 127.0.0.1 or localhost with its port.";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "host_not_allowed", text));
        }
        // All that a browser adds for a page of another origin; programs send none.
        for origin in headers.get_all(header::ORIGIN) {
            let own = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
            if !own.is_some_and(|origin| self.is_own(origin, 80)) {
                let text = "A page of another origin may not talk to Landline.";
                return Err(ApiError::new(StatusCode::FORBIDDEN, "origin_not_allowed", text));
            }
        }
        Ok(())
    }

    /// Whether `authority` (`host:port`) names this server.
    fn is_own(&self, authority: &str, default_port: u16) -> bool {
        let (host, port) = match authority.rsplit_once(':') {
            // A colon inside brackets belongs to the address.
            Some((host, port)) if !port.contains(']') => {
                // `parse` alone would take "+4280".
                let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                match port.parse::<u16>() {
                    Ok(port) if digits => (host, port),
                    _ => return false,
                }
            }
            _ => (authority, default_port),
        };
        if port != self.addr.port() {
            return false;
        }
        if host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let address = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.parse().map(IpAddr::V6),
            None => host.parse().map(IpAddr::V4),
        };
        address.is_ok_and(|address| {
            address == IpAddr::from([127, 0, 0, 1])
                || address == IpAddr::from(std::net::Ipv6Addr::LOCALHOST)
                || address == self.addr.ip()
                // Asked for in so many words: every address of this computer. An address, unlike a name, cannot be rebound.
                || self.addr.ip().is_unspecified()
        })
    }
}

/// The middleware.
pub(crate) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addr: &str, host: &str, origin: Option<&str>) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        Guard::new(addr.parse().unwrap()).check(&Uri::from_static("/"), &headers).map_err(|error| error.body.code)
    }

    #[test]
    fn only_own_hosts_pass() {
        for host in ["127.0.0.1:4280", "localhost:4280", "LOCALHOST:4280", "[::1]:4280"] {
            assert_eq!(check("127.0.0.1:4280", host, None), Ok(()), "{host}");
        }
        for host in [
            "",
            "localhost",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:04281",
            "127.0.0.1:+4280",
            "127.0.0.1:",
            "127.0.0.2:4280",
            "localhost.:4280",
            "evil.example:4280",
            "127.0.0.1.evil.example:4280",
            "evil.example",
            "[::1]",
            "[::2]:4280",
            "127.0.0.1:4280@evil.example",
            "0.0.0.0:4280",
            "192.168.1.5:4280",
            "[::1:4280",
        ] {
            assert_eq!(check("127.0.0.1:4280", host, None), Err("host_not_allowed".into()), "{host}");
        }
    }

    #[test]
    fn only_the_own_page_passes() {
        for origin in ["http://127.0.0.1:4280", "http://localhost:4280", "http://[::1]:4280"] {
            assert_eq!(check("127.0.0.1:4280", "127.0.0.1:4280", Some(origin)), Ok(()), "{origin}");
        }
        for origin in [
            "null",
            "",
            "https://127.0.0.1:4280",
            "http://127.0.0.1:4281",
            "http://127.0.0.1",
            "http://evil.example",
            "file://",
            "http://localhost:4280.evil.example",
            "http://localhost:4280/",
            "tauri://localhost",
            "http://tauri.localhost",
        ] {
            let found = check("127.0.0.1:4280", "127.0.0.1:4280", Some(origin));
            assert_eq!(found, Err("origin_not_allowed".into()), "{origin}");
        }
    }

    #[test]
    fn an_address_that_was_asked_for_passes() {
        assert_eq!(check("192.168.1.5:4280", "192.168.1.5:4280", None), Ok(()));
        assert_eq!(check("0.0.0.0:4280", "192.168.1.5:4280", Some("http://192.168.1.5:4280")), Ok(()));
        assert!(check("0.0.0.0:4280", "evil.example:4280", None).is_err(), "because a name can be rebound");
        assert_eq!(check("127.0.0.1:80", "localhost", Some("http://localhost")), Ok(()), "because 80 is left out");
    }

    #[test]
    fn two_hosts_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("localhost:4280"));
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));
        let guard = Guard::new("127.0.0.1:4280".parse().unwrap());
        assert!(guard.check(&Uri::from_static("/"), &headers).is_err());
        assert!(guard.check(&Uri::from_static("/"), &HeaderMap::new()).is_err(), "because none is no better");
    }
}
