//! Files as only a desktop has them: on its clipboard, in its dialogs, in its folders.

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

fn refused(error: node::NodeError) -> ErrorBody {
    ApiError::from(error).body
}

fn said(code: &str, message: &str) -> ErrorBody {
    ErrorBody { code: code.to_owned(), message: message.to_owned(), field: None, limit: None }
}
