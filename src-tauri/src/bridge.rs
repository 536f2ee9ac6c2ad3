//! What the page may ask of the program: the node's commands through one door, and a few that only a desktop has.

use std::path::PathBuf;
use std::sync::Arc;

use api::error::ErrorBody;
use node::view::{Availability, Change};
use serde::Serialize;
use serde_json::Value;
use tauri::State;
use tauri::ipc::Channel;

use crate::destination::Destination;
use crate::shell::Shell;

/// What the page hears without having asked.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum PageMessage {
    /// Something changed.
    Change {
        /// What.
        change: Box<Change>,
    },
    /// Changes were missed: what is shown must be loaded again.
    Lagged,
    /// A notification was clicked or a link opened.
    OpenSession {
        /// The session to show.
        session_id: String,
    },
    /// A link asks to add somebody. The person is asked.
    OpenInvitation {
        /// The link, which may be none that can be read.
        link: String,
    },
    /// Files are dragged over the window, or no longer.
    FilesDragged {
        /// Whether they are.
        over: bool,
    },
    /// Files were dropped on the window; the command `add_file` takes each.
    FilesDropped {
        /// Where they are.
        paths: Vec<PathBuf>,
    },
    /// The window is about to close where there is no tray, and nobody has said yet what that should do.
    CloseRequested,
}

impl From<Destination> for PageMessage {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::Session(session_id) => Self::OpenSession { session_id },
            Destination::Invitation(link) => Self::OpenInvitation { link },
        }
    }
}

/// Whether the parts of the desktop work that the page tells about.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ShellInfo {
    /// Whether closing the window leaves an icon in the tray.
    pub(crate) tray: Availability,
    /// Whether the system shows notifications.
    pub(crate) notifications: Availability,
}

/// Every command of the node.
#[tauri::command]
pub(crate) async fn rpc(shell: State<'_, Arc<Shell>>, command: String, args: Value) -> Result<Value, ErrorBody> {
    let done = match command.as_str() {
        // What is on screen is known to the page, whether the window is in front to the system: the shell has both.
        "focus" => api::args::parse(args).map(|focus| shell.page_shows(&focus)),
        _ => shell.dispatch(&command, args).await,
    };
    done.map_err(|error| error.body)
}

/// Opens the stream of changes to the page. What the page loads after this has returned misses nothing.
#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands arguments over by value")]
pub(crate) fn subscribe(shell: State<'_, Arc<Shell>>, channel: Channel<PageMessage>) {
    shell.page_opened(channel);
}

/// Whether tray and notifications work.
#[tauri::command]
pub(crate) async fn shell_info(shell: State<'_, Arc<Shell>>) -> Result<ShellInfo, ErrorBody> {
    Ok(shell.info().await)
}

/// Shows a notification now, to see whether one arrives.
#[tauri::command]
pub(crate) async fn notification_test(shell: State<'_, Arc<Shell>>) -> Result<(), ErrorBody> {
    shell.test_notification().await.map_err(|error| refused("notification_failed", error.to_string()))
}

/// Answers [`PageMessage::CloseRequested`]: keep running without a window, or end. The choice is remembered.
#[tauri::command]
pub(crate) async fn set_close_choice(shell: State<'_, Arc<Shell>>, keep_running: bool) -> Result<(), ErrorBody> {
    shell.close_choice(keep_running).await.map_err(|error| refused(error.code(), error.to_string()))
}

/// Opens an address in the system's own program for it.
#[tauri::command]
#[expect(clippy::needless_pass_by_value, reason = "Tauri hands arguments over by value")]
pub(crate) fn open_external(url: String) -> Result<(), ErrorBody> {
    if !may_open(&url) {
        return Err(refused("link_not_allowed", "Only http, https and mailto links can be opened.".to_owned()));
    }
    tauri_plugin_opener::open_url(&url, None::<&str>).map_err(|error| refused("link_failed", error.to_string()))
}

fn refused(code: &str, message: String) -> ErrorBody {
    ErrorBody { code: code.to_owned(), message, field: None, limit: None }
}

/// Whether the system may be asked to open this address. The page checks as well; this is where it counts, because
/// other schemes start programs and read files.
fn may_open(url: &str) -> bool {
    let Ok(parsed) = tauri::Url::parse(url) else { return false };
    match parsed.scheme() {
        "http" | "https" => parsed.has_host(),
        "mailto" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_schemes_are_opened() {
        for url in
            ["https://example.org/a?b#c", "http://10.0.0.1:8080", "mailto:anna@example.org", "HTTPS://example.org"]
        {
            assert!(may_open(url), "{url}");
        }
        for url in [
            "",
            "example.org",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,x",
            "smb://host/x",
            "landline://session/x",
            "vscode://x",
            "ftp://host",
            " https:",
            "https://",
            "//host",
        ] {
            assert!(!may_open(url), "{url}");
        }
    }

    #[test]
    fn the_page_reads_these_shapes() {
        let text = serde_json::to_value(PageMessage::OpenSession { session_id: "x".into() }).unwrap();
        assert_eq!(text, serde_json::json!({"type": "openSession", "sessionId": "x"}));
        let link = "landline://add/x";
        let asked = PageMessage::from(Destination::Invitation(link.to_owned()));
        assert_eq!(serde_json::to_value(asked).unwrap(), serde_json::json!({"type": "openInvitation", "link": link}));
        assert_eq!(
            serde_json::to_value(PageMessage::CloseRequested).unwrap(),
            serde_json::json!({"type": "closeRequested"})
        );
        let change = PageMessage::Change { change: Box::new(Change::UnreadChanged { total: 3 }) };
        assert_eq!(
            serde_json::to_value(change).unwrap(),
            serde_json::json!({"type": "change", "change": {"type": "unreadChanged", "total": 3}})
        );
    }
}
