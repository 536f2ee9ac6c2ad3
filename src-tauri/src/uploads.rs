//! Files whose bytes the page has (pasted where the web view gives them to it): taken in pieces, so that memory does not grow
//! with a file.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use api::error::{ApiError, ErrorBody};
use node::view::Upload;
use node::{NodeError, Uploading};
use tauri::State;
use tauri::ipc::{InvokeBody, Request};
use tokio::sync::Mutex;

use crate::shell::Shell;

/// Header of a piece of an upload.
const UPLOAD: &str = "landline-upload";

/// Files that the page is handing over.
#[derive(Default)]
pub(crate) struct Uploads {
    last: AtomicU64,
    open: Mutex<HashMap<u64, Uploading>>,
}

/// Begins to take the bytes of a file; answers what its pieces name it by.
#[tauri::command]
pub(crate) async fn begin_upload(
    shell: State<'_, Arc<Shell>>,
    uploads: State<'_, Uploads>,
    name: String,
    mime: Option<String>,
) -> Result<u64, ErrorBody> {
    let uploading = shell.node().begin_upload(&name, mime.as_deref()).await.map_err(body)?;
    let id = uploads.last.fetch_add(1, Ordering::Relaxed) + 1;
    uploads.open.lock().await.insert(id, uploading);
    Ok(id)
}

/// Takes the next bytes, which are the whole body of the call.
#[tauri::command]
pub(crate) async fn write_upload(uploads: State<'_, Uploads>, request: Request<'_>) -> Result<(), ErrorBody> {
    let id = request.headers().get(UPLOAD).and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    let (Some(id), InvokeBody::Raw(bytes)) = (id, request.body()) else {
        return Err(refused("malformed", "A piece of a file needs its number and its bytes."));
    };
    let mut open = uploads.open.lock().await;
    let uploading = open.get_mut(&id).ok_or_else(no_upload)?;
    let written = uploading.write(bytes.clone().into()).await;
    if written.is_err() {
        open.remove(&id);
    }
    written.map_err(body)
}

/// All bytes are there.
#[tauri::command]
pub(crate) async fn finish_upload(uploads: State<'_, Uploads>, id: u64) -> Result<Upload, ErrorBody> {
    let uploading = uploads.open.lock().await.remove(&id).ok_or_else(no_upload)?;
    uploading.finish().await.map_err(body)
}

/// Gives up a file; nothing of it stays.
#[tauri::command]
pub(crate) async fn drop_upload(uploads: State<'_, Uploads>, id: u64) -> Result<(), ErrorBody> {
    uploads.open.lock().await.remove(&id);
    Ok(())
}

fn body(error: NodeError) -> ErrorBody {
    ApiError::from(error).body
}

fn refused(code: &str, message: &str) -> ErrorBody {
    ErrorBody { code: code.to_owned(), message: message.to_owned(), field: None, limit: None }
}

fn no_upload() -> ErrorBody {
    refused("upload_not_found", "There is no such upload any more.")
}
