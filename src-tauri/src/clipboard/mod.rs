//! What lies on the clipboard that can be sent.
//!
//! On Linux the web view does not give the page files or images of other programs, so the program looks itself. Elsewhere the
//! page's own paste event has them.

#[cfg(target_os = "linux")]
mod linux;

use std::path::PathBuf;

use tauri::AppHandle;

/// What was found.
#[derive(Debug)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere nothing is ever found"))]
pub(crate) enum Found {
    Nothing,
    Files(Vec<PathBuf>),
    /// A page of a spreadsheet or a word processor is text first, though it brings a picture too.
    Text(String),
    /// As PNG.
    Image(Vec<u8>),
}

/// Looks at the clipboard.
pub(crate) async fn look(app: &AppHandle) -> Found {
    #[cfg(target_os = "linux")]
    return linux::look(app).await;
    #[cfg(not(target_os = "linux"))]
    {
        let _ = app;
        Found::Nothing
    }
}
