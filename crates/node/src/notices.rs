//! The notices that stand, and the task that raises them by the rules of [`crate::notify`].

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::id::SessionId;
use store::StoreError;
use store::messages::Message;
use store::sessions::Notify as Level;
use tokio::sync::Notify;

use crate::core::Core;
use crate::notify::Notifier;
use crate::settings::is_quiet;
use crate::view::{Change, FilesNotice, FilesOutcome, Notice, Preview, Sound};
use crate::views;

/// Characters of a message that a notice carries. Systems show two to four lines.
const BODY_CHARS: usize = 240;

/// All notices, and what is on screen.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    state: Mutex<State>,
    wake: Notify,
    kept: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct State {
    rules: Notifier,
    standing: HashMap<SessionId, Notice>,
    /// What is to be told of files.
    files: HashMap<SessionId, FilesNotice>,
    /// The newest that was told of them, by session.
    told: HashMap<SessionId, u64>,
    /// What each viewer has in front of a person.
    on_screen: HashMap<String, SessionId>,
    /// The viewers that a person has in front, whatever they show.
    in_front: HashSet<String>,
}

impl Notices {
    /// The sessions that some viewer has in front of a person.
    pub(crate) fn on_screen(&self) -> BTreeSet<SessionId> {
        self.lock().on_screen.values().copied().collect()
    }

    /// Counts what is kept of files.
    pub(crate) fn kept(&self) -> Arc<AtomicU64> {
        self.kept.clone()
    }

    /// A message of another came in.
    pub(crate) fn arrived(&self, session: SessionId) {
        let mut state = self.lock();
        if state.on_screen.values().any(|shown| *shown == session) {
            return;
        }
        state.rules.arrived(session);
        drop(state);
        self.wake.notify_one();
    }

    /// Files of a message wait, came or failed. That some came is told to who looks elsewhere; what is in front says it by itself.
    /// What was kept earlier than what is known of a session is no news.
    pub(crate) fn files(&self, session: SessionId, number: u64, files: FilesNotice) {
        let mut state = self.lock();
        if files.outcome == FilesOutcome::Came && !state.in_front.is_empty() {
            return;
        }
        let newest = state.told.entry(session).or_insert(number);
        if *newest > number {
            return;
        }
        *newest = number;
        state.files.insert(session, files);
        state.rules.arrived(session);
        drop(state);
        self.wake.notify_one();
    }

    /// Messages of a session were edited or deleted: a notice that stands says so.
    pub(crate) fn changed(&self, session: SessionId) {
        let mut state = self.lock();
        if state.standing.contains_key(&session) {
            state.rules.arrived(session);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// A session was read, muted or blocked: its notice goes.
    pub(crate) fn settle(&self, core: &Core, session: SessionId) {
        self.lock().settle(core, session);
    }

    /// A viewer says what it has in front of a person, if anything.
    pub(crate) fn focus(&self, core: &Core, viewer: String, shown: Option<SessionId>, focused: bool) {
        let mut state = self.lock();
        if focused {
            state.in_front.insert(viewer.clone());
        } else {
            state.in_front.remove(&viewer);
        }
        match shown {
            Some(session) => {
                state.on_screen.insert(viewer, session);
                state.settle(core, session);
            }
            None => {
                state.on_screen.remove(&viewer);
            }
        }
    }

    /// The computer woke up: what piled up comes first.
    pub(crate) fn woke(&self, now: Duration) {
        self.lock().rules.woke(now);
    }

    /// Those that stand, the session's ID as their order.
    pub(crate) fn standing(&self) -> Vec<Notice> {
        let mut standing: Vec<Notice> = self.lock().standing.values().cloned().collect();
        standing.sort_by(|a, b| a.session_id.cmp(&b.session_id));
        standing
    }

    /// Raises what is due, for ever.
    pub(crate) async fn run(&self, core: Arc<Core>) {
        loop {
            let due = self.lock().rules.take_due(core.clock.monotonic());
            for session in due {
                if let Err(error) = self.raise(&core, session).await {
                    tracing::warn!(%error, "a notice could not be made");
                }
            }
            let next = self.lock().rules.next_due();
            let now = core.clock.monotonic();
            match next {
                Some(at) if at <= now => {}
                Some(at) => {
                    tokio::select! {
                        () = self.wake.notified() => {}
                        () = tokio::time::sleep(at - now) => {}
                    }
                }
                None => self.wake.notified().await,
            }
        }
    }

    async fn raise(&self, core: &Arc<Core>, session: SessionId) -> Result<(), StoreError> {
        let files = core.files.dir.clone();
        let found = core.store.read(move |reader| views::Row::read(reader, &files, &session)).await?;
        let Some(row) = found else { return Ok(()) };
        let view = views::session(core, &row);
        let views::Row { session: row, last, .. } = row;
        let settings = core.kept().settings.clone();
        let now_ms = core.clock.wall_ms();
        let muted = row.muted_until_ms.is_some_and(|until| until > now_ms);
        let quiet = is_quiet(&settings, now_ms, core.clock.utc_offset_seconds(now_ms));
        let mut state = self.lock();
        if !state.rules.is_raised(&session) {
            // Read meanwhile.
            return Ok(());
        }
        let silent = muted || quiet || row.notify == Level::None;
        let mut files = state.files.remove(&session).filter(|_| row.notify == Level::All);
        if !settings.notifications || silent {
            state.settle(core, session);
            return Ok(());
        }
        if row.unread_count == 0 && files.is_none() {
            // What became of files stands until somebody looks.
            let files = state.standing.get(&session).and_then(|standing| standing.files.as_ref());
            if files.is_none_or(|files| !files.outcome.is_later()) {
                state.settle(core, session);
            }
            return Ok(());
        }
        let mentioned = last.as_ref().is_some_and(|last| last.mentions.contains(&core.me));
        if row.notify == Level::Mentions && !mentioned {
            // What stands because of an earlier mention goes on standing.
            if !state.standing.contains_key(&session) {
                state.settle(core, session);
            }
            return Ok(());
        }
        let last = last.filter(|last| *last.author() != core.me);
        if settings.preview == Preview::Full {
            files = files.or_else(|| last.as_ref().and_then(attached));
        } else if let Some(files) = &mut files {
            files.name.clear();
        }
        let text = last.map(|last| last.text).unwrap_or_default();
        let notice = Notice {
            session_id: view.session_id,
            title: if settings.preview == Preview::Hidden { String::new() } else { view.title },
            body: if settings.preview == Preview::Full { cut(&text) } else { String::new() },
            count: row.unread_count,
            request: view.request,
            sound: settings.sound == Sound::Default,
            files,
        };
        state.standing.insert(session, notice.clone());
        core.hub.publish(Change::NoticeRaised { notice });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole in itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn settle(&mut self, core: &Core, session: SessionId) {
        self.rules.settle(&session);
        self.files.remove(&session);
        if self.standing.remove(&session).is_some() {
            core.hub.publish(Change::NoticeWithdrawn { session_id: session.to_string() });
        }
    }
}

/// What a message without words brings.
fn attached(message: &Message) -> Option<FilesNotice> {
    let first = message.attachments.first().filter(|_| message.text.trim().is_empty())?;
    let files = u32::try_from(message.attachments.len()).unwrap_or(u32::MAX);
    Some(FilesNotice { outcome: FilesOutcome::Attached, outgoing: false, name: first.attachment.name.clone(), files })
}

/// The beginning of a text, as much as a notice or a record carries.
pub(crate) fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(BODY_CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
