//! Whether the person is at the machine, by the system's own idle time: input anywhere counts, not only in this window.
//!
//! A system that does not say leaves the person where they are, online. Nothing is guessed, and nothing is read more often
//! than the answer can change.

#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(not(target_os = "linux"))]
mod polled;

#[cfg(target_os = "linux")]
pub(crate) use linux::LinuxIdle as SystemIdle;
#[cfg(not(target_os = "linux"))]
pub(crate) use polled::PolledIdle as SystemIdle;

use std::future::Future;
use std::time::Duration;

use node::view::Settings;
use tokio::sync::watch::Receiver;

/// How soon it is noticed that somebody is back where the system has to be asked. Only while they are away.
const BACK: Duration = Duration::from_secs(5);

/// Two questions are at least this far apart.
const LEAST: Duration = Duration::from_secs(1);

/// One way to the system's idle time.
pub trait IdleTime: Send + Sync {
    /// How long there has been no input; `None` when the system does not say.
    fn idle(&self) -> impl Future<Output = Option<Duration>> + Send;

    /// Waits until what [`Self::idle`] said may have come to `after`, or may have ended when it has: until the system tells
    /// so, or until it is time to ask.
    fn turn(&self, idle: Option<Duration>, after: Duration) -> impl Future<Output = ()> + Send;
}

/// Tells when the person went and came back, until the sender of `after` is gone. `after` is how long there has to be no
/// input; without it nothing is looked at, and the person counts as there.
pub async fn follow(system: &impl IdleTime, mut after: Receiver<Option<Duration>>, mut tell: impl FnMut(bool) + Send) {
    let mut told = false;
    loop {
        let limit = *after.borrow_and_update();
        let idle = match limit {
            Some(_) => system.idle().await,
            None => None,
        };
        let away = limit.zip(idle).is_some_and(|(limit, idle)| idle >= limit);
        if std::mem::replace(&mut told, away) != away {
            tell(away);
        }
        let turn = async {
            match limit {
                Some(limit) => system.turn(idle, limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = after.changed() => if changed.is_err() { return },
            () = turn => {}
        }
    }
}

/// After what time without input the person counts as away; `None` when nobody is to hear of it.
#[must_use]
pub fn away_after(settings: &Settings) -> Option<Duration> {
    settings.share_presence.then(|| Duration::from_secs(60 * u64::from(settings.away_after_minutes)))
}

/// When to ask a system that has to be asked: not before the answer can be another one.
fn ask_again(idle: Option<Duration>, after: Duration) -> Duration {
    match idle {
        Some(idle) if idle >= after => BACK,
        Some(idle) => (after - idle).max(LEAST),
        // It may say later: a desktop's services come and go.
        None => after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_asked_no_more_often_than_its_answer_can_change() {
        let after = Duration::from_secs(300);
        let again = |idle: u64| ask_again(Some(Duration::from_secs(idle)), after).as_secs();
        assert_eq!((again(0), again(100), again(299)), (300, 200, 1));
        assert_eq!((again(300), again(9_000)), (5, 5), "because whoever comes back is there at once");
        let almost = Duration::from_millis(299_999);
        assert_eq!(ask_again(Some(almost), after), LEAST, "because input in between begins anew");
        assert_eq!(ask_again(None, after), after);
    }

    #[test]
    fn who_shares_nothing_is_not_watched() {
        let shared = Settings { away_after_minutes: 2, ..Settings::default() };
        assert_eq!(away_after(&shared), Some(Duration::from_secs(120)));
        assert_eq!(away_after(&Settings { share_presence: false, ..shared }), None);
    }
}
