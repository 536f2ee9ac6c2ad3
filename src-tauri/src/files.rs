//! Files as only a desktop has them: on its clipboard, in its dialogs, in its folders.

use std::path::PathBuf;
use std::sync::Arc;

use api::error::{ApiError, ErrorBody};
use node::view::Upload;
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
    let opened = if OPENED.iter().any(|kind| mime.starts_with(kind)) && path.is_file() {
        tauri_plugin_opener::open_path(&path, None::<&str>)
    } else {
        tauri_plugin_opener::reveal_item_in_dir(&path)
    };
    opened.map_err(|error| said("open_failed", &error.to_string()))
}

/// Shows an attachment in its folder.
#[tauri::command]
pub(crate) async fn show_attachment(shell: State<'_, Arc<Shell>>, attachment_id: String) -> Answer<()> {
    let (path, _) = shell.node().attachment_path(&attachment_id).await.map_err(refused)?;
    tauri_plugin_opener::reveal_item_in_dir(&path).map_err(|error| said("open_failed", &error.to_string()))
}

/// Makes what lies on the clipboard ready to be sent: files that were copied, or an image. Empty when there is neither.
#[tauri::command]
pub(crate) async fn paste_files(app: AppHandle, shell: State<'_, Arc<Shell>>) -> Answer<Vec<Upload>> {
    match clipboard::look(&app).await {
        Found::Nothing => Ok(Vec::new()),
        Found::Files(paths) => add(&shell, paths).await,
        Found::Image(png) => {
            let mut upload = shell.node().begin_upload("image.png", Some("image/png")).await.map_err(refused)?;
            upload.write(png.into()).await.map_err(refused)?;
            Ok(vec![upload.finish().await.map_err(refused)?])
        }
    }
}

async fn add(shell: &Shell, paths: Vec<PathBuf>) -> Answer<Vec<Upload>> {
    let mut uploads = Vec::with_capacity(paths.len());
    for path in paths {
        let path = path.to_str().ok_or_else(|| said("not_sendable", "The file's path is not UTF-8."))?;
        uploads.push(shell.node().add_file(path).await.map_err(refused)?);
    }
    Ok(uploads)
}

fn refused(error: node::NodeError) -> ErrorBody {
    ApiError::from(error).body
}

fn said(code: &str, message: &str) -> ErrorBody {
    ErrorBody { code: code.to_owned(), message: message.to_owned(), field: None, limit: None }
}
