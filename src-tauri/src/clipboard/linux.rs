//! The clipboard by GTK, which speaks to X11 and Wayland alike. Only the main thread may ask it.

use std::path::PathBuf;
use std::time::Duration;

use gtk::gdk::{Atom, SELECTION_CLIPBOARD};
use tauri::AppHandle;
use tokio::sync::oneshot;

use super::Found;

/// The program that owns the clipboard has to answer; one that hangs must not hold the page back for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every PNG begins with (PNG specification, 5.2).
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(super) async fn look(app: &AppHandle) -> Found {
    let (found, answer) = oneshot::channel();
    let asked = app.run_on_main_thread(move || {
        let clipboard = gtk::Clipboard::get(&SELECTION_CLIPBOARD);
        clipboard.request_uris(move |clipboard, uris| {
            let files: Vec<PathBuf> = uris.iter().filter_map(|uri| path_of(uri)).collect();
            if !files.is_empty() {
                drop(found.send(Found::Files(files)));
                return;
            }
            clipboard.request_text(move |clipboard, text| match text {
                Some(text) => drop(found.send(Found::Text(text.to_owned()))),
                None => request_image(clipboard, found),
            });
        });
    });
    if asked.is_err() {
        return Found::Nothing;
    }
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(found)) => found,
        _ => Found::Nothing,
    }
}

/// A PNG is taken as it is, so that what arrives is what was copied; any other kind is made into one.
fn request_image(clipboard: &gtk::Clipboard, found: oneshot::Sender<Found>) {
    clipboard.request_contents(&Atom::intern("image/png"), move |clipboard, content| {
        let png = if content.length() > 0 { content.data() } else { Vec::new() };
        if png.starts_with(PNG) {
            drop(found.send(Found::Image(png)));
            return;
        }
        clipboard.request_image(move |_, image| {
            let png = image.and_then(|image| image.save_to_bufferv("png", &[]).ok());
            drop(found.send(png.map_or(Found::Nothing, Found::Image)));
        });
    });
}

/// The path of a `file:` address on this computer.
fn path_of(uri: &str) -> Option<PathBuf> {
    tauri::Url::parse(uri).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_this_computer_are_taken() {
        assert_eq!(path_of("file:///tmp/a%20b.txt"), Some(PathBuf::from("/tmp/a b.txt")));
        for other in ["https://example.org/a", "file://elsewhere/a", "/tmp/a", "", "smb://host/x"] {
            assert_eq!(path_of(other), None, "{other}");
        }
    }
}
