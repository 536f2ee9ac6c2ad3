//! Which notices to raise, and when. Decides only; who owns it loads the texts and publishes.
//!
//! One notice a session, replaced and not stacked. The first is due at once; while messages keep coming, the same session
//! is due again at most once a second; after the computer woke up, all wait until what had piled up has come in.

use std::collections::HashMap;
use std::time::Duration;

use proto::id::SessionId;

/// A session's notice is replaced at most this often: nobody reads faster, and each costs the system a redraw.
const REPLACE_EVERY: Duration = Duration::from_secs(1);

/// After a wake the notices wait this long, so that ten missed messages make one notice.
const GATHER_AFTER_WAKE: Duration = Duration::from_secs(3);

/// The state of all notices. Time is the clock's monotonic reading.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    sessions: HashMap<SessionId, Entry>,
    gather_until: Duration,
}

#[derive(Debug, Default)]
struct Entry {
    /// When it was last raised; `None` before the first time.
    raised: Option<Duration>,
    /// A message came that no notice has told of yet.
    due: bool,
}

impl Notifier {
    /// A message came in that may be told.
    pub(crate) fn arrived(&mut self, session: SessionId) {
        self.sessions.entry(session).or_default().due = true;
    }

    /// The session was read, muted, blocked or is on screen.
    pub(crate) fn settle(&mut self, session: &SessionId) {
        self.sessions.remove(session);
    }

    /// Whether the session's notice was due and nothing settled it since.
    pub(crate) fn is_raised(&self, session: &SessionId) -> bool {
        self.sessions.get(session).is_some_and(|entry| entry.raised.is_some())
    }

    /// The computer woke up.
    pub(crate) fn woke(&mut self, now: Duration) {
        self.gather_until = now + GATHER_AFTER_WAKE;
    }

    /// The sessions whose notices are to be raised now. They count as raised.
    pub(crate) fn take_due(&mut self, now: Duration) -> Vec<SessionId> {
        if now < self.gather_until {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (session, entry) in &mut self.sessions {
            if entry.due && entry.raised.is_none_or(|at| at + REPLACE_EVERY <= now) {
                entry.due = false;
                entry.raised = Some(now);
                due.push(*session);
            }
        }
        due
    }

    /// When [`Self::take_due`] will next give something, if nothing else happens.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.sessions
            .values()
            .filter(|entry| entry.due)
            .map(|entry| entry.raised.map_or(Duration::ZERO, |at| at + REPLACE_EVERY).max(self.gather_until))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: SessionId = SessionId::from_bytes([1; 16]);
    const T: SessionId = SessionId::from_bytes([2; 16]);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_first_at_once_then_one_a_second() {
        let mut notices = Notifier::default();
        notices.arrived(S);
        assert_eq!(notices.take_due(ms(10)), [S]);
        for _ in 0..50 {
            notices.arrived(S);
        }
        notices.arrived(T);
        assert_eq!(notices.take_due(ms(20)), [T], "because another session has its own pace");
        assert_eq!(notices.next_due(), Some(ms(1010)));
        assert_eq!(notices.take_due(ms(1009)), []);
        assert_eq!(notices.take_due(ms(1010)), [S]);
        assert_eq!(notices.next_due(), None);
    }

    #[test]
    fn after_a_wake_they_gather() {
        let mut notices = Notifier::default();
        notices.woke(ms(1_000));
        notices.arrived(S);
        notices.arrived(T);
        assert_eq!(notices.take_due(ms(3_999)), []);
        assert_eq!(notices.next_due(), Some(ms(4_000)));
        assert_eq!(notices.take_due(ms(4_000)).len(), 2);
    }

    #[test]
    fn reading_settles_it() {
        let mut notices = Notifier::default();
        notices.arrived(S);
        notices.settle(&S);
        assert_eq!(notices.take_due(ms(0)), []);
        notices.arrived(S);
        assert_eq!(notices.take_due(ms(1)), [S]);
        assert!(notices.is_raised(&S));
        notices.settle(&S);
        assert!(!notices.is_raised(&S));
        notices.arrived(S);
        assert_eq!(notices.take_due(ms(2)), [S], "because it is the first again");
    }
}
