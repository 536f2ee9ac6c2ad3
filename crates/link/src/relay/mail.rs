//! What lies in this machine's mailbox at a relay: how it is fetched, handed over and acknowledged, page by page.

use std::{fmt, time::Duration};

use proto::relay::{Item, RelayAddress};
use tokio::{sync::oneshot, time::Instant};

use crate::{reconnect::Backoff, timing::Timings};

/// A page of this machine's mailbox, in the order in which the relay committed it.
///
/// Nothing more comes from this relay until it is answered. When it is dropped without an answer, it comes again after
/// a pause that grows each time.
pub struct Mail {
    /// Where it lies.
    pub relay: RelayAddress,
    /// What came, at most [`proto::limits::RELAY_ITEMS`] and 256 KiB. Nothing says that it is genuine before it is
    /// opened.
    pub items: Vec<Item>,
    /// Whether the relay said that there is more behind the last one.
    pub more: bool,
    pub(super) done: oneshot::Sender<Vec<u64>>,
}

impl Mail {
    /// Says by their cursors which of the items need not come again: all in them that counts is on the disk, or they can
    /// never be opened. The relay deletes these; the others come again with the next connection, or when
    /// [`Link::fetch_again`](crate::Link::fetch_again) is called.
    pub fn done(self, cursors: Vec<u64>) {
        // When the connection has ended meanwhile, all come again.
        self.done.send(cursors).ok();
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cursors: Vec<_> = self.items.iter().map(|item| item.cursor).collect();
        f.debug_struct("Mail").field("cursors", &cursors).field("more", &self.more).finish_non_exhaustive()
    }
}

/// How far this machine is with its mailbox on one connection. No I/O; time and chance are passed in.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// Cursor of the last item that was dealt with.
    after: u64,
    /// Something came since the last look.
    arrived: bool,
    /// All is to be looked at once more, from the beginning.
    again: bool,
    state: State,
    backoff: Backoff,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing to do until something arrives.
    #[default]
    Idle,
    /// To be looked into at this time.
    Wanted(Instant),
    /// The relay was asked.
    Fetching,
    /// The node has it.
    Handed(Page),
    /// The relay is to be told at this time what to delete.
    Finished(Page, Vec<u64>, Instant),
    /// It was told.
    Acknowledging(Page, Vec<u64>),
}

#[derive(Debug)]
struct Page {
    /// Never empty.
    cursors: Vec<u64>,
    more: bool,
}

/// What to ask the relay for now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// What comes after this cursor.
    Fetch(u64),
    /// To delete these.
    Ack(Vec<u64>),
}

impl Mailbox {
    /// Something may have come.
    pub(super) fn look(&mut self, now: Instant) {
        match self.state {
            State::Idle => self.state = State::Wanted(now),
            // A pause that is being made stays as long as it is.
            _ => self.arrived = true,
        }
    }

    /// What was left out may be taken now: looks at all once more.
    pub(super) fn look_again(&mut self, now: Instant) {
        self.again = true;
        if matches!(self.state, State::Idle) {
            self.go_on(false, now);
        }
    }

    /// When there is a next step.
    pub(super) fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Wanted(at) | State::Finished(_, _, at) => Some(*at),
            _ => None,
        }
    }

    /// The next step, if it is time.
    pub(super) fn step(&mut self, now: Instant) -> Option<Step> {
        let (state, step) = match std::mem::take(&mut self.state) {
            State::Wanted(at) if at <= now => {
                self.arrived = false;
                (State::Fetching, Some(Step::Fetch(self.after)))
            }
            State::Finished(page, cursors, at) if at <= now => {
                (State::Acknowledging(page, cursors.clone()), Some(Step::Ack(cursors)))
            }
            other => (other, None),
        };
        self.state = state;
        step
    }

    /// The relay says what there is. Whether that is something to hand over.
    ///
    /// # Errors
    /// How it breaks the protocol.
    pub(super) fn fetched(&mut self, items: &[Item], more: bool, now: Instant) -> Result<bool, &'static str> {
        let cursors: Vec<_> = items.iter().map(|item| item.cursor).collect();
        if !std::iter::once(&self.after).chain(&cursors).is_sorted_by(|before, after| before < after) {
            return Err("items out of order");
        }
        if !cursors.is_empty() {
            self.state = State::Handed(Page { cursors, more });
            return Ok(true);
        }
        if more {
            return Err("more behind nothing");
        }
        self.backoff.reset();
        self.go_on(false, now);
        Ok(false)
    }

    /// The node has answered, or dropped the page.
    pub(super) fn answered(&mut self, done: Option<Vec<u64>>, now: Instant, chance: f64, timings: &Timings) {
        let page = match std::mem::take(&mut self.state) {
            State::Handed(page) => page,
            other => {
                self.state = other;
                return;
            }
        };
        let Some(mut cursors) = done else {
            self.state = State::Wanted(now + self.backoff.next(chance, timings));
            return;
        };
        self.backoff.reset();
        cursors.retain(|cursor| page.cursors.binary_search(cursor).is_ok());
        cursors.sort_unstable();
        cursors.dedup();
        if cursors.is_empty() {
            self.passed(&page, now);
        } else {
            self.state = State::Finished(page, cursors, now);
        }
    }

    /// The relay has deleted what it was told to.
    pub(super) fn acknowledged(&mut self, now: Instant) {
        match std::mem::take(&mut self.state) {
            State::Acknowledging(page, _) => self.passed(&page, now),
            other => self.state = other,
        }
    }

    /// The relay can't now. The same is asked again after a pause, at least the one that it wants.
    pub(super) fn refused(&mut self, wait: Duration, now: Instant, chance: f64, timings: &Timings) {
        let at = now + wait + self.backoff.next(chance, timings);
        self.state = match std::mem::take(&mut self.state) {
            State::Acknowledging(page, cursors) => State::Finished(page, cursors, at),
            _ => State::Wanted(at),
        };
    }

    fn passed(&mut self, page: &Page, now: Instant) {
        self.after = page.cursors.last().copied().unwrap_or(self.after);
        self.go_on(page.more, now);
    }

    fn go_on(&mut self, more: bool, now: Instant) {
        if std::mem::take(&mut self.again) {
            self.after = 0;
            self.state = State::Wanted(now);
            return;
        }
        self.state = if more || self.arrived { State::Wanted(now) } else { State::Idle };
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn items(cursors: &[u64]) -> Vec<Item> {
        cursors.iter().map(|cursor| Item { cursor: *cursor, put_s: 0, envelope: Bytes::new() }).collect()
    }

    /// A mailbox that has just been asked for what comes after `after`.
    fn fetching(after: u64, now: Instant) -> Mailbox {
        let mut mailbox = Mailbox { after, ..Mailbox::default() };
        mailbox.look(now);
        assert_eq!(mailbox.step(now), Some(Step::Fetch(after)));
        mailbox
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let (now, timings) = (Instant::now(), Timings::default());
        let mut mailbox = fetching(0, now);
        assert_eq!((mailbox.step(now), mailbox.due()), (None, None), "because one page is under way at a time");
        assert_eq!(mailbox.fetched(&items(&[3, 5]), true, now), Ok(true));
        assert_eq!((mailbox.step(now), mailbox.due()), (None, None), "because the node has it");
        mailbox.answered(Some(vec![5, 3, 3, 4, 9]), now, 0.0, &timings);
        assert_eq!(mailbox.step(now), Some(Step::Ack(vec![3, 5])), "because the others are of no page");
        assert_eq!((mailbox.step(now), mailbox.due()), (None, None));
        mailbox.acknowledged(now);
        assert_eq!(mailbox.step(now), Some(Step::Fetch(5)));
        assert_eq!(mailbox.fetched(&items(&[6]), false, now), Ok(true));
        mailbox.answered(Some(Vec::new()), now, 0.0, &timings);
        assert_eq!((mailbox.step(now), mailbox.due()), (None, None), "because nothing is behind it");
        mailbox.look(now);
        assert_eq!(mailbox.step(now), Some(Step::Fetch(6)), "because what was not named is left out");
        mailbox.look_again(now);
        assert_eq!(mailbox.step(now), None, "because one page is under way at a time");
        assert_eq!(mailbox.fetched(&[], false, now), Ok(false));
        assert_eq!(mailbox.step(now), Some(Step::Fetch(0)), "because all is looked at once more");
        assert_eq!(mailbox.fetched(&items(&[6]), false, now), Ok(true));
        mailbox.answered(Some(vec![6]), now, 0.0, &timings);
        assert_eq!(mailbox.step(now), Some(Step::Ack(vec![6])));
        mailbox.acknowledged(now);
        assert_eq!((mailbox.step(now), mailbox.due()), (None, None), "because once more is enough");
        mailbox.look_again(now);
        assert_eq!(mailbox.step(now), Some(Step::Fetch(0)));
        assert_eq!(mailbox.fetched(&[], false, now), Ok(false));
        assert_eq!(mailbox.due(), None);
    }

    #[test]
    fn what_arrives_meanwhile_is_looked_for_afterwards() {
        let (now, timings) = (Instant::now(), Timings::default());
        for empty in [true, false] {
            let mut mailbox = fetching(0, now);
            mailbox.look(now);
            mailbox.fetched(&items(if empty { &[] } else { &[1] }), false, now).unwrap();
            mailbox.answered(Some(vec![1]), now, 0.0, &timings);
            if !empty {
                assert_eq!(mailbox.step(now), Some(Step::Ack(vec![1])));
                mailbox.acknowledged(now);
            }
            assert_eq!(mailbox.step(now), Some(Step::Fetch(if empty { 0 } else { 1 })));
            mailbox.fetched(&[], false, now).unwrap();
            assert_eq!(mailbox.due(), None, "because it was looked for");
        }
    }

    #[test]
    fn a_dropped_page_comes_again_after_a_growing_pause_that_nothing_shortens() {
        let (mut now, timings) = (Instant::now(), Timings::default());
        let mut mailbox = fetching(2, now);
        for doublings in 0..10 {
            mailbox.fetched(&items(&[4]), false, now).unwrap();
            mailbox.answered(None, now, 1.0, &timings);
            let pause = (timings.backoff_first * (1 << doublings)).min(timings.backoff_longest);
            mailbox.look(now);
            assert_eq!((mailbox.step(now), mailbox.due()), (None, Some(now + pause)));
            now += pause;
            assert_eq!(mailbox.step(now), Some(Step::Fetch(2)));
        }
        mailbox.fetched(&items(&[4]), true, now).unwrap();
        mailbox.answered(Some(Vec::new()), now, 1.0, &timings);
        assert_eq!(mailbox.step(now), Some(Step::Fetch(4)));
        mailbox.fetched(&items(&[5]), false, now).unwrap();
        mailbox.answered(None, now, 1.0, &timings);
        assert_eq!(mailbox.due(), Some(now + timings.backoff_first), "because there was an answer in between");
    }

    #[test]
    fn what_a_relay_cannot_do_now_is_asked_again() {
        let (mut now, timings) = (Instant::now(), Timings::default());
        let mut mailbox = fetching(0, now);
        let wait = Duration::from_secs(7);
        mailbox.refused(wait, now, 1.0, &timings);
        assert_eq!(mailbox.due(), Some(now + wait + timings.backoff_first));
        now += wait + timings.backoff_first;
        assert_eq!(mailbox.step(now), Some(Step::Fetch(0)));
        mailbox.fetched(&items(&[1]), false, now).unwrap();
        mailbox.answered(Some(vec![1]), now, 1.0, &timings);
        assert_eq!(mailbox.step(now), Some(Step::Ack(vec![1])));
        mailbox.refused(Duration::ZERO, now, 1.0, &timings);
        assert_eq!((mailbox.step(now), mailbox.due()), (None, Some(now + timings.backoff_first)));
        assert_eq!(mailbox.step(now + timings.backoff_first), Some(Step::Ack(vec![1])));
    }

    #[test]
    fn a_relay_that_mixes_up_its_items_is_found_out() {
        let now = Instant::now();
        for (cursors, more) in
            [(&[7, 6][..], false), (&[6, 6], true), (&[5], false), (&[4, 6], false), (&[6, 8, 7], false), (&[], true)]
        {
            assert!(fetching(5, now).fetched(&items(cursors), more, now).is_err(), "{cursors:?}");
        }
        assert_eq!(fetching(5, now).fetched(&items(&[6, 9]), false, now), Ok(true));
    }
}
