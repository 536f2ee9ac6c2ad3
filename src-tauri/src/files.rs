//! Files as only a desktop has them: on its clipboard, in its dialogs, in its folders.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::error::{ApiError, ErrorBody};
use node::view::Upload;
use serde::Serialize;
use tauri::ipc::Response;
use tauri::{AppHandle, State};
use tokio::io::AsyncReadExt as _;

use crate::clipboard::{self, Found};
use crate::shell::Shell;

/// The largest image that the page gets to show; a larger one is opened in a program of its own.
const SHOWN_BYTES: u64 = 64 << 20;

/// The largest picture that is looked at for a code: photographs and screenshots are smaller.
const PICTURE_BYTES: u64 = 32 << 20;

/// Kinds of files that programs show and do not run.
const OPENED: [&str; 5] = ["image/", "audio/", "video/", "text/plain", "application/pdf"];

type Answer<T> = Result<T, ErrorBody>;

/// The small image that stands for an attachment.
#[tauri::command]
pub(crate) async fn attachment_thumbnail(shell: State<'_, Arc<Shell>>, attachment_id: String) -> Answer<Response> {
    let (bytes, _) = shell.node().attachment_thumbnail(&attachment_id).await.map_err(refused)?;
    Ok(Response::new(bytes))
}

/// The content of an attachment that the page shows by itself.
#[tauri::command]
pub(crate) async fn attachment_content(shell: State<'_, Arc<Shell>>, attachment_id: String) -> Answer<Response> {
    let content = shell.node().attachment_content(&attachment_id).await.map_err(refused)?;
    if content.size > SHOWN_BYTES {
        return Err(said("attachment_too_large", "It is too large to be shown here."));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(content.size).unwrap_or_default());
    let mut file = tokio::fs::File::from_std(content.file).take(SHOWN_BYTES);
    file.read_to_end(&mut bytes).await.map_err(|error| said("attachment_unreadable", &error.to_string()))?;
    Ok(Response::new(bytes))
}

/// Opens an attachment in the system's own program for it, if that shows it; whatever could run is shown in its folder instead.
#[tauri::command]
pub(crate) async fn open_attachment(shell: State<'_, Arc<Shell>>, attachment_id: String) -> Answer<()> {
    let (path, mime) = shell.node().attachment_path(&attachment_id).await.map_err(refused)?;
    ask_desktop(move || {
        if OPENED.iter().any(|kind| mime.starts_with(kind)) && path.is_file() {
            tauri_plugin_opener::open_path(&path, None::<&str>)
        } else {
            tauri_plugin_opener::reveal_item_in_dir(&path)
        }
    })
    .await
}

/// Shows an attachment in its folder.
#[tauri::command]
pub(crate) async fn show_attachment(shell: State<'_, Arc<Shell>>, attachment_id: String) -> Answer<()> {
    let (path, _) = shell.node().attachment_path(&attachment_id).await.map_err(refused)?;
    ask_desktop(move || tauri_plugin_opener::reveal_item_in_dir(&path)).await
}

/// Runs apart what waits for another program to answer.
async fn ask_desktop(ask: impl FnOnce() -> Result<(), tauri_plugin_opener::Error> + Send + 'static) -> Answer<()> {
    match tauri::async_runtime::spawn_blocking(ask).await {
        Ok(asked) => asked.map_err(|error| said("open_failed", &error.to_string())),
        Err(error) => Err(said("open_failed", &error.to_string())),
    }
}

/// What lies on the clipboard.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Pasted {
    /// Files and folders that were copied. The page adds them as it adds dropped ones.
    paths: Vec<String>,
    /// An image, which has no file.
    image: Option<Upload>,
    /// Text that the page was not given, because it came with an image.
    text: Option<String>,
}

/// Looks at the clipboard; an image there is made ready to be sent.
#[tauri::command]
pub(crate) async fn paste_files(app: AppHandle, shell: State<'_, Arc<Shell>>) -> Answer<Pasted> {
    match clipboard::look(&app).await {
        Found::Nothing => Ok(Pasted::default()),
        Found::Files(paths) => {
            // A name that is no Unicode cannot be sent; the tray says of it that it was not found.
            let paths = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
            Ok(Pasted { paths, ..Pasted::default() })
        }
        Found::Text(text) => Ok(Pasted { text: Some(text), ..Pasted::default() }),
        Found::Image(png) => {
            let mut upload = shell.node().begin_upload("image.png", Some("image/png")).await.map_err(refused)?;
            upload.write(png.into()).await.map_err(refused)?;
            Ok(Pasted { image: Some(upload.finish().await.map_err(refused)?), ..Pasted::default() })
        }
    }
}

/// A picture that may show a code: the file at `path`, or what lies on the clipboard. Nothing when that is no picture.
#[tauri::command]
pub(crate) async fn read_picture(app: AppHandle, path: Option<PathBuf>) -> Answer<Response> {
    let path = match path {
        Some(path) => Some(path),
        None => match clipboard::look(&app).await {
            Found::Image(png) => return Ok(Response::new(png)),
            Found::Files(paths) => paths.into_iter().next(),
            Found::Text(_) | Found::Nothing => None,
        },
    };
    let bytes = match path {
        Some(path) => picture(&path).await.unwrap_or_default(),
        None => Vec::new(),
    };
    Ok(Response::new(bytes))
}

/// The content of a file that begins as pictures do. The page gets no other: it is to look at a picture, not to read files.
async fn picture(path: &Path) -> std::io::Result<Vec<u8>> {
    let size = tokio::fs::metadata(path).await.map(|about| if about.is_file() { about.len() } else { 0 })?;
    if size > PICTURE_BYTES {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // Nothing is opened that is no file: another kind would keep the reader waiting.
    if size > 0 {
        tokio::fs::File::open(path).await?.take(PICTURE_BYTES).read_to_end(&mut bytes).await?;
    }
    let webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP".as_slice());
    let known = [b"\x89PNG\r\n\x1a\n".as_slice(), b"\xff\xd8\xff", b"GIF8", b"BM"];
    if webp || known.iter().any(|begin| bytes.starts_with(begin)) { Ok(bytes) } else { Ok(Vec::new()) }
}

fn refused(error: node::NodeError) -> ErrorBody {
    ApiError::from(error).body
}

fn said(code: &str, message: &str) -> ErrorBody {
    ErrorBody { code: code.to_owned(), message: message.to_owned(), field: None, limit: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_page_gets_pictures_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        for (name, bytes) in [
            ("a.png", b"\x89PNG\r\n\x1a\nrest".as_slice()),
            ("a.jpg", b"\xff\xd8\xff\xe0rest"),
            ("a.webp", b"RIFF....WEBPrest"),
        ] {
            assert_eq!(picture(&write(name, bytes)).await.unwrap(), bytes, "{name}");
        }
        for (name, bytes) in
            [("identity.key", b"secret".as_slice()), ("empty.png", b""), ("a.wav", b"RIFF....WAVErest")]
        {
            assert!(picture(&write(name, bytes)).await.unwrap().is_empty(), "{name}");
        }
        assert!(picture(folder.path()).await.unwrap().is_empty(), "a folder");
        let large = folder.path().join("large.png");
        std::fs::write(&large, b"\x89PNG\r\n\x1a\n").unwrap();
        std::fs::File::options().write(true).open(&large).unwrap().set_len(PICTURE_BYTES + 1).unwrap();
        assert!(picture(&large).await.unwrap().is_empty(), "more than is looked at");
    }
}
