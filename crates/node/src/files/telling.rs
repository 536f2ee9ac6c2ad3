//! What is kept and said of files in passing: that some wait to be accepted, came, or did not.
//!
//! There is one record for a message and an outcome, so a folder or thirty files are not thirty; the notification centre
//! opens that message with it. What comes with its message at once is told by the message alone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proto::id::SessionId;
use store::attachments::{AttachmentId, State, Stored};
use store::notifications::{Kind, New, NotificationKey};
use store::{StoreError, Tx};

use crate::core::Core;
use crate::view::{FilesNotice, FilesOutcome};

/// What is at most so large, and fetched without asking, is there as soon as its message is.
const AT_ONCE: u64 = 10 * 1024 * 1024;

/// What decides whether something is told, as it is at the moment.
#[derive(Debug, Clone)]
pub(crate) struct Telling {
    /// Sessions that a person has in front: what happens there is seen.
    pub(crate) on_screen: BTreeSet<SessionId>,
    /// The largest attachment that is fetched without asking.
    pub(crate) fetched_up_to: u64,
    now_ms: u64,
    /// Counts what is kept.
    kept: Arc<AtomicU64>,
}

/// What was kept, and what the system may be asked to show.
#[derive(Debug)]
pub(crate) struct Told {
    session: SessionId,
    key: NotificationKey,
    /// Which it was of all that were kept: who writes first is not always heard first.
    number: u64,
    notice: FilesNotice,
}

impl Telling {
    /// As it is now.
    pub(crate) fn now(core: &Core) -> Self {
        let fetched_up_to = core.kept().settings.auto_accept_bytes;
        let (on_screen, kept) = (core.notices.on_screen(), core.notices.kept());
        Self { on_screen, fetched_up_to, now_ms: core.clock.wall_ms(), kept }
    }

    /// Keeps a record of what an attachment has come to, if that is worth one.
    pub(crate) fn keep(&self, tx: &Tx<'_>, id: AttachmentId) -> Result<Option<Told>, StoreError> {
        let Some(stored) = store::attachments::get(tx, id)? else { return Ok(None) };
        let Some(outcome) = outcome(&stored) else { return Ok(None) };
        let at_once = stored.attachment.blob.size <= self.fetched_up_to.min(AT_ONCE);
        if self.on_screen.contains(&stored.session) || (outcome == FilesOutcome::Came && at_once) {
            return Ok(None);
        }
        let same = alike(tx, &stored, outcome)?;
        let files = u32::try_from(same.len()).unwrap_or(u32::MAX);
        let name = same.first().map(|first| first.attachment.name.clone()).unwrap_or_default();
        let notice = FilesNotice { outcome, outgoing: stored.outgoing, name, files };
        // Of several reasons none is the one.
        let failure = stored.failure.as_deref().filter(|_| same.iter().all(|file| file.failure == stored.failure));
        let new = New {
            kind: Kind::Transfer,
            session: store::sessions::find(tx, &stored.session)?,
            message: Some(stored.message),
            sender: Some(stored.peer),
            subject: Some(subject(&stored, outcome)),
            title: String::new(),
            body: words(&notice, failure),
            created_ms: self.now_ms,
        };
        let key = store::notifications::replace(tx, &new, files)?;
        // One transaction after the other comes by here.
        let number = self.kept.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Told { session: stored.session, key, number, notice }))
    }
}

impl Told {
    /// Tells of it, once it is written.
    pub(crate) fn tell(self, core: &Arc<Core>) {
        core.hub.note(self.key);
        core.notices.files(self.session, self.number, self.notice);
    }
}

/// What was asked for was done: records of what waited or failed are read, unless there is more of it.
pub(crate) fn answered(tx: &Tx<'_>, stored: &Stored) -> Result<Vec<NotificationKey>, StoreError> {
    let mut noted = Vec::new();
    for outcome in [FilesOutcome::Waiting, FilesOutcome::Failed] {
        if alike(tx, stored, outcome)?.is_empty() {
            noted.extend(store::notifications::read_subject(tx, stored.message, &subject(stored, outcome))?);
        }
    }
    Ok(noted)
}

fn outcome(stored: &Stored) -> Option<FilesOutcome> {
    match (stored.state, stored.outgoing) {
        (State::Offered, false) => Some(FilesOutcome::Waiting),
        (State::Complete, false) => Some(FilesOutcome::Came),
        (State::Failed | State::Gone, _) => Some(FilesOutcome::Failed),
        _ => None,
    }
}

/// The files of the same message that came to the same.
fn alike(tx: &Tx<'_>, stored: &Stored, wanted: FilesOutcome) -> Result<Vec<Stored>, StoreError> {
    let mut files = store::attachments::of_message(tx, stored.message)?;
    files.retain(|file| outcome(file) == Some(wanted));
    Ok(files)
}

fn subject(stored: &Stored, outcome: FilesOutcome) -> String {
    let outcome = match outcome {
        FilesOutcome::Attached => "attached",
        FilesOutcome::Waiting => "waiting",
        FilesOutcome::Came => "came",
        FilesOutcome::Failed => "failed",
    };
    format!("{outcome} {}", stored.message_id)
}

/// Files in words, by the first.
pub(crate) fn named(name: &str, files: u32) -> String {
    match files.saturating_sub(1) {
        0 => name.to_owned(),
        1 => format!("{name} and another file"),
        more => format!("{name} and {more} other files"),
    }
}

fn words(FilesNotice { outcome, outgoing, name, files }: &FilesNotice, failure: Option<&str>) -> String {
    let one = *files <= 1;
    let what = named(name, *files);
    let because = failure.map(|failure| format!(": {failure}")).unwrap_or_default();
    match (outcome, outgoing) {
        (FilesOutcome::Attached, _) => what,
        (FilesOutcome::Waiting, _) => format!("{what} {} to be accepted.", if one { "waits" } else { "wait" }),
        (FilesOutcome::Came, _) => format!("{what} {} arrived.", if one { "has" } else { "have" }),
        (FilesOutcome::Failed, false) => format!("{what} could not be received{because}."),
        (FilesOutcome::Failed, true) => format!("{what} could not be sent{because}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_how_many_and_why() {
        let said = |outcome, outgoing, files, failure| {
            words(&FilesNotice { outcome, outgoing, name: "a.mkv".to_owned(), files }, failure)
        };
        assert_eq!(said(FilesOutcome::Waiting, false, 1, None), "a.mkv waits to be accepted.");
        assert_eq!(said(FilesOutcome::Waiting, false, 2, None), "a.mkv and another file wait to be accepted.");
        assert_eq!(said(FilesOutcome::Came, false, 30, None), "a.mkv and 29 other files have arrived.");
        let full = Some("the disk is full");
        assert_eq!(said(FilesOutcome::Failed, false, 1, full), "a.mkv could not be received: the disk is full.");
        assert_eq!(said(FilesOutcome::Failed, true, 1, full), "a.mkv could not be sent: the disk is full.");
        assert_eq!(said(FilesOutcome::Failed, true, 2, None), "a.mkv and another file could not be sent.");
    }
}
