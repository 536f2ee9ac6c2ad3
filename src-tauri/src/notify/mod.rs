//! Notifications of the operating system: what they say, and one small trait that each system fills in.
//!
//! The node decides *whether* something is notified ([`node::view::Change::NoticeRaised`]); here it is only put into
//! words and handed over. There is at most one notification for each session: a newer one replaces it.

#[cfg(target_os = "linux")]
mod gnome;
#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::LinuxNotifier as SystemNotifier;
#[cfg(target_os = "macos")]
pub use macos::MacNotifier as SystemNotifier;
#[cfg(windows)]
pub use windows::WindowsNotifier as SystemNotifier;

use std::future::Future;

use node::view::{FilesNotice, FilesOutcome, Notice};

use crate::destination::Destination;
use crate::texts::Texts;

/// Most characters of a body. Servers show two to four lines; the rest only costs.
const BODY_CHARS: usize = 300;

/// Most characters of a title.
const TITLE_CHARS: usize = 100;

/// One way to the system's notifications.
pub trait Notifier: Send + Sync {
    /// Shows a notification; one that was shown earlier under the same key is replaced.
    ///
    /// # Errors
    /// [`NotifyError`] when the system doesn't take it now. The next call tries anew.
    fn show(&self, notification: Notification) -> impl Future<Output = Result<(), NotifyError>> + Send;

    /// Takes back the notification with this key, if it still stands.
    fn withdraw(&self, key: &str) -> impl Future<Output = ()> + Send;

    /// Whether the system shows notifications now.
    ///
    /// # Errors
    /// [`NotifyError`] says what is missing.
    fn available(&self) -> impl Future<Output = Result<(), NotifyError>> + Send;
}

/// Why a notification could not be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// The system offers no such service to this program.
    #[error("this system has no notification service: {0}")]
    NoService(String),
    /// The service exists and refused, or did not answer.
    #[error("the notification service did not take it: {0}")]
    Refused(String),
}

/// A notification in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What it belongs to; a second one with the same key replaces the first.
    pub key: String,
    /// Where a click goes; nowhere means that it only raises the window.
    pub destination: Option<Destination>,
    /// One line, plain text.
    pub title: String,
    /// A few lines, plain text; escaping is the system's part.
    pub body: String,
    /// What the click is called where the system names it.
    pub open_label: String,
    /// What can be done without opening the window, where the system offers it.
    pub answer: Option<Answer>,
    /// Whether the system plays its sound.
    pub sound: bool,
}

/// The words of what a person can do from the notification itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Writes a reply.
    pub reply: String,
    /// Sends it.
    pub send: String,
    /// Marks the session as read.
    pub read: String,
}

/// What a person did with a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Clicked it.
    Opened(Click),
    /// Wrote a reply into it.
    Replied {
        /// The session.
        session: String,
        /// What was written.
        text: String,
    },
    /// Marked its session as read.
    Read {
        /// The session.
        session: String,
    },
}

/// What the system calls the two things that can be done beside a click, back to us.
pub(crate) const REPLY: &str = "inline-reply";
pub(crate) const READ: &str = "mark-read";

impl Response {
    /// What the invocation of an action means; `text` is what was written, where something was.
    pub(crate) fn of(
        action: &str,
        destination: Option<Destination>,
        text: Option<String>,
        token: Option<String>,
    ) -> Self {
        match (action, text, destination) {
            (REPLY, Some(text), Some(Destination::Session(session))) => Self::Replied { session, text },
            (READ, _, Some(Destination::Session(session))) => Self::Read { session },
            // A system that shows an action that it does not know brings the window, where all can be done.
            (_, _, destination) => Self::Opened(Click { destination, activation_token: token }),
        }
    }
}

/// A person clicked a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// Where it goes.
    pub destination: Option<Destination>,
    /// The permission to come to the front that the system handed over with it.
    pub activation_token: Option<String>,
}

impl Notification {
    /// Puts a notice into words. What the person hides arrives empty in the notice and stays hidden.
    #[must_use]
    pub fn of_notice(notice: &Notice, texts: &Texts) -> Self {
        let hidden = notice.title.is_empty();
        let files = notice.files.as_ref().map(|files| (files, words_of_files(files, texts)));
        let alone = notice.files.as_ref().is_some_and(|files| files.outcome.is_later());
        let count = if alone { 1 } else { notice.count };
        let title = match (hidden, notice.request, count) {
            (true, _, _) => texts.get("notice_app", &[]),
            (false, true, _) => texts.get("notice_request", &[("name", &notice.title)]),
            (false, false, 0 | 1) => notice.title.clone(),
            (false, false, count) => texts.count("notice_from", count, &[("name", &notice.title)]),
        };
        let body = match (hidden, notice.request, notice.body.is_empty()) {
            (true, true, _) => texts.get("notice_request_hidden", &[]),
            (_, true, true) => texts.get("notice_request_body", &[]),
            (_, _, false) => notice.body.clone(),
            (_, false, true) => texts.count("notice_messages", notice.count.max(1), &[]),
        };
        let body = match files {
            None => body,
            Some((files, words)) if files.outcome == FilesOutcome::Waiting && !notice.body.is_empty() => {
                format!("{body}\n{words}")
            }
            Some((_, words)) => words,
        };
        Self {
            key: notice.session_id.clone(),
            destination: Destination::session(&notice.session_id).ok(),
            title: printable(&title, TITLE_CHARS, false),
            body: printable(&body, BODY_CHARS, true),
            open_label: texts.get("notice_open", &[]),
            // Nobody answers what is not shown, nor a request that is not accepted, nor a file.
            answer: (!hidden && !notice.request && !alone).then(|| Answer {
                reply: texts.get("notice_reply", &[]),
                send: texts.get("notice_send", &[]),
                read: texts.get("notice_read", &[]),
            }),
            sound: notice.sound,
        }
    }

    /// The one that the settings page sends.
    #[must_use]
    pub fn test(texts: &Texts) -> Self {
        Self {
            key: "test".to_owned(),
            destination: None,
            title: texts.get("notice_test_title", &[]),
            body: texts.get("notice_test_body", &[]),
            open_label: texts.get("notice_open", &[]),
            answer: None,
            sound: true,
        }
    }
}

/// What is said of files, by name where there is one and the person lets it be told.
fn words_of_files(FilesNotice { outcome, outgoing, name, files }: &FilesNotice, texts: &Texts) -> String {
    let (one, many) = match (outcome, outgoing) {
        (FilesOutcome::Attached, _) => ("notice_file", "notice_files"),
        (FilesOutcome::Waiting, _) => ("notice_file_waits", "notice_files_wait"),
        (FilesOutcome::Came, _) => ("notice_file_came", "notice_files_came"),
        (FilesOutcome::Failed, false) => ("notice_file_not_received", "notice_files_not_received"),
        (FilesOutcome::Failed, true) => ("notice_file_not_sent", "notice_files_not_sent"),
    };
    match (files, name.is_empty()) {
        (0 | 1, false) => texts.get(one, &[("name", name)]),
        _ => texts.count(many, (*files).max(1), &[]),
    }
}

/// The text without control characters, cut to `limit` characters. Line breaks stay where a body may have them.
fn printable(text: &str, limit: usize, line_breaks: bool) -> String {
    let shown = |c: char| match c {
        '\n' if line_breaks => '\n',
        c if c.is_control() => ' ',
        c => c,
    };
    let mut cut: String = text.chars().take(limit).map(shown).collect();
    if text.chars().nth(limit).is_some() {
        cut.push('…');
    }
    cut
}

/// Text as it may stand in XML or in the markup of a Linux notification server.
#[cfg_attr(target_os = "macos", expect(dead_code, reason = "macOS takes plain text"))]
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "6f2c1a84-0b1d-8f3e-9a77-0123456789ab";

    fn notice(title: &str, body: &str, count: u32, request: bool) -> Notice {
        Notice {
            session_id: SESSION.to_owned(),
            title: title.to_owned(),
            body: body.to_owned(),
            count,
            request,
            sound: true,
            files: None,
        }
    }

    fn of_files(outcome: FilesOutcome, name: &str, files: u32) -> FilesNotice {
        FilesNotice { outcome, outgoing: false, name: name.to_owned(), files }
    }

    fn words(notice: &Notice) -> (String, String) {
        let notification = Notification::of_notice(notice, &Texts::for_language("en"));
        (notification.title, notification.body)
    }

    #[test]
    fn one_message_is_name_and_text() {
        assert_eq!(words(&notice("Anna", "Lunch?", 1, false)), ("Anna".into(), "Lunch?".into()));
    }

    #[test]
    fn several_messages_tell_their_number_and_the_newest_text() {
        let (title, body) = words(&notice("Anna", "Lunch?", 3, false));
        assert!(title.contains("Anna") && title.contains('3'), "{title}");
        assert_eq!(body, "Lunch?");
    }

    #[test]
    fn what_is_hidden_stays_hidden() {
        let (title, body) = words(&notice("Anna", "", 2, false));
        assert!(title.contains("Anna") && body.contains('2'), "name only: {title} / {body}");
        let (title, body) = words(&notice("", "", 2, false));
        assert!(title.contains("Landline") && body.contains('2'), "neither: {title} / {body}");
        let (title, body) = words(&notice("", "", 1, true));
        assert!(!title.is_empty() && !body.is_empty(), "a hidden request still says what it is");
    }

    #[test]
    fn a_request_says_who_asks() {
        let (title, body) = words(&notice("Anna", "", 1, true));
        assert!(title.contains("Anna") && title != "Anna", "{title}");
        assert!(!body.is_empty());
    }

    #[test]
    fn files_are_told_beside_a_message_or_alone() {
        let with = |notice: Notice, files| Notice { files: Some(files), ..notice };
        let message = notice("Anna", "Look", 2, false);
        let (title, body) = words(&with(message.clone(), of_files(FilesOutcome::Waiting, "film.mkv", 1)));
        assert!(title.contains('2') && body == "Look\nfilm.mkv waits to be accepted.", "{title} / {body}");
        let came = words(&with(message.clone(), of_files(FilesOutcome::Came, "film.mkv", 1)));
        assert_eq!(came, ("Anna".into(), "film.mkv has arrived.".into()), "because the messages were told before");
        let (_, body) = words(&with(message.clone(), of_files(FilesOutcome::Came, "film.mkv", 30)));
        assert_eq!(body, "30 files have arrived.");
        let sent = FilesNotice { outgoing: true, ..of_files(FilesOutcome::Failed, "film.mkv", 1) };
        let failed = Notification::of_notice(&with(message.clone(), sent), &Texts::for_language("en"));
        assert_eq!(failed.body, "film.mkv could not be sent.");
        assert!(failed.answer.is_none(), "because there is nothing to answer");
        let silent = |files| with(notice("Anna", "", 3, false), of_files(FilesOutcome::Attached, "film.mkv", files));
        assert_eq!(words(&silent(1)), ("3 new messages from Anna".into(), "film.mkv".into()), "because no words came");
        assert_eq!(words(&silent(3)).1, "3 files");
        let (title, body) = words(&with(notice("", "", 1, false), of_files(FilesOutcome::Waiting, "", 1)));
        assert_eq!((title.as_str(), body.as_str()), ("Landline", "A file waits to be accepted."));
    }

    #[test]
    fn only_what_is_shown_and_accepted_can_be_answered() {
        let answer = |title: &str, request| {
            Notification::of_notice(&notice(title, "", 1, request), &Texts::for_language("en")).answer
        };
        assert!(answer("Anna", false).is_some());
        assert!(answer("Anna", true).is_none() && answer("", false).is_none());
    }

    #[test]
    fn an_action_that_is_not_known_opens_the_window() {
        let session = || Destination::session(SESSION).ok();
        let opened = Response::Opened(Click { destination: session(), activation_token: None });
        for action in ["default", "another", REPLY] {
            assert_eq!(Response::of(action, session(), None, None), opened, "{action}");
        }
        let replied = Response::of(REPLY, session(), Some("Hi".to_owned()), None);
        assert_eq!(replied, Response::Replied { session: SESSION.to_owned(), text: "Hi".to_owned() });
        assert_eq!(Response::of(READ, session(), None, None), Response::Read { session: SESSION.to_owned() });
    }

    #[test]
    fn hostile_text_is_tamed() {
        let (title, body) =
            words(&notice("An\nna\u{0}", &format!("a\u{0}\u{1b}[31m\nb{}", "x".repeat(5000)), 1, false));
        assert_eq!(title, "An na ");
        assert!(body.starts_with("a  [31m\nb"), "because only the line break is kept");
        assert_eq!(body.chars().count(), BODY_CHARS + 1);
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            escape("<a href=\"x\">Tom & 'Jerry'</a>"),
            "&lt;a href=&quot;x&quot;&gt;Tom &amp; &#39;Jerry&#39;&lt;/a&gt;"
        );
    }
}
