//! The way from a terminal or the desktop application into the web page: a link that works once, for ten minutes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::ApiError;
use crate::results::LoginLink;
use crate::tokens::random_hex;

/// How long a link works. Long enough to copy it to another window; the same as an invitation's.
pub const LINK_LIFE: Duration = Duration::from_secs(10 * 60);

/// Most links that wait; beyond it the oldest is dropped.
const MOST_LINKS: usize = 16;

/// The links that wait to be used. Cheap to clone.
#[derive(Clone)]
pub struct Logins {
    /// Where the page is, as `http://127.0.0.1:4280`; none when no server runs.
    base: Option<String>,
    waiting: Arc<Mutex<Vec<Waiting>>>,
}

struct Waiting {
    code: String,
    until: Duration,
}

impl Logins {
    /// None wait yet.
    #[must_use]
    pub fn new(base: Option<String>) -> Self {
        Self { base, waiting: Arc::default() }
    }

    /// Makes a link.
    ///
    /// # Errors
    /// When no server runs, or the system gives no randomness.
    pub fn link(&self, now: Duration) -> Result<LoginLink, ApiError> {
        let base = self.base.as_deref().ok_or_else(|| {
            ApiError::new(
                axum::http::StatusCode::CONFLICT,
                "no_server",
                "The local API is not running, so there is no page.",
            )
        })?;
        let code = random_hex()?;
        let url = format!("{base}/#login={code}");
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|link| link.until > now);
        if waiting.len() >= MOST_LINKS {
            waiting.remove(0);
        }
        waiting.push(Waiting { code, until: now + LINK_LIFE });
        let expires_in_seconds = u32::try_from(LINK_LIFE.as_secs()).unwrap_or(u32::MAX);
        Ok(LoginLink { url, expires_in_seconds })
    }

    /// Uses a link's code up.
    ///
    /// # Errors
    /// 401 `login_invalid` when it is unknown, used or too old.
    pub fn redeem(&self, code: &str, now: Duration) -> Result<(), ApiError> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|link| link.until > now);
        let place = waiting.iter().position(|link| link.code == code).ok_or_else(|| {
            ApiError::unauthorized(
                "login_invalid",
                "This link has been used or is older than ten minutes; `landline open` makes another.",
            )
        })?;
        waiting.swap_remove(place);
        Ok(())
    }
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logins").field("base", &self.base).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(link: &LoginLink) -> &str {
        link.url.split_once("#login=").expect("because the code is in the fragment, which is never sent").1
    }

    #[test]
    fn a_link_works_once() {
        let logins = Logins::new(Some("http://127.0.0.1:4280".into()));
        let link = logins.link(Duration::ZERO).unwrap();
        assert!(logins.redeem("0", Duration::ZERO).is_err());
        assert!(logins.redeem(code(&link), Duration::ZERO).is_ok());
        assert_eq!(logins.redeem(code(&link), Duration::ZERO).unwrap_err().body.code, "login_invalid");
    }

    #[test]
    fn a_link_works_for_ten_minutes() {
        let logins = Logins::new(Some("http://127.0.0.1:4280".into()));
        let link = logins.link(Duration::ZERO).unwrap();
        assert!(logins.redeem(code(&link), LINK_LIFE).is_err(), "because its time is over");
    }

    #[test]
    fn links_do_not_pile_up() {
        let logins = Logins::new(Some("http://127.0.0.1:4280".into()));
        let first = logins.link(Duration::ZERO).unwrap();
        for _ in 0..MOST_LINKS {
            logins.link(Duration::ZERO).unwrap();
        }
        assert!(logins.redeem(code(&first), Duration::ZERO).is_err(), "because the oldest made room");
    }

    #[test]
    fn there_is_no_link_without_a_server() {
        assert_eq!(Logins::new(None).link(Duration::ZERO).unwrap_err().body.code, "no_server");
    }
}
