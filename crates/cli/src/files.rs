//! Files from the command line: sent, listed, fetched.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use node::view::{Attachment, Direction, Message, Page, RelayCopy, RelayCopyState, Transfer, TransferState, Upload};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::Client;
use crate::output;

/// Bytes of a file that are handed over at once.
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Debug, Args)]
pub(crate) struct TransferOptions {
    #[command(subcommand)]
    task: Option<TransferTask>,
}

#[derive(Debug, Subcommand)]
enum TransferTask {
    /// Fetch an attachment that is offered
    Accept {
        /// Its ID, as listed
        #[arg(value_name = "ID")]
        id: String,
        /// The folder that it goes to
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Pause the fetching of one
    Pause(Transferred),
    /// Go on with one
    Resume(Transferred),
    /// Give one up
    Cancel(Transferred),
}

#[derive(Debug, Args)]
struct Transferred {
    /// Its ID, as listed
    #[arg(value_name = "ID")]
    id: String,
}

/// Adds what is to be sent; the JSON for a message.
pub(crate) async fn add(client: &Client, files: &[PathBuf], copy: bool) -> anyhow::Result<Vec<serde_json::Value>> {
    let mut uploads = Vec::with_capacity(files.len());
    for path in files {
        let upload: Upload = if copy {
            upload(client, path).await?
        } else {
            let path = std::path::absolute(path).with_context(|| path.display().to_string())?;
            let added = client.post_slowly(&["attachments", "add"], &json!({ "path": path })).await;
            added.with_context(|| path.display().to_string())?
        };
        uploads.push(json!({ "uploadId": upload.upload_id }));
    }
    Ok(uploads)
}

async fn upload(client: &Client, path: &Path) -> anyhow::Result<Upload> {
    let failed = || path.display().to_string();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = tokio::fs::File::open(path).await.with_context(failed)?;
    let pieces = stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE_BYTES];
        let count = file.read(&mut piece).await?;
        piece.truncate(count);
        Ok::<_, std::io::Error>((count > 0).then_some((piece, file)))
    });
    client.upload(&["attachments"], &[("name", &name)], reqwest::Body::wrap_stream(pieces)).await.with_context(failed)
}

/// Lists transfers, or changes one.
pub(crate) async fn transfers(client: &Client, options: TransferOptions, json: bool) -> anyhow::Result<()> {
    let (id, verb) = match options.task {
        None => return list(client, json).await,
        Some(TransferTask::Accept { id, to }) => {
            let to = to.map(std::path::absolute).transpose()?;
            let body = to.map_or_else(|| json!({}), |to| json!({ "saveTo": to }));
            let attachment: Attachment = client.post(&["attachments", &id, "accept"], &body).await?;
            if json {
                return output::json(&attachment);
            }
            return Ok(output::line(&format!("{}: {}.", output::plain(&attachment.name), state(attachment.state)))?);
        }
        Some(TransferTask::Pause(it)) => (it.id, "pause"),
        Some(TransferTask::Resume(it)) => (it.id, "resume"),
        Some(TransferTask::Cancel(it)) => (it.id, "cancel"),
    };
    let transfer: Transfer = client.post(&["transfers", &id, verb], &json!({})).await?;
    if json {
        return output::json(&transfer);
    }
    Ok(output::line(&format!("{}: {}.", output::plain(&transfer.name), state(transfer.state)))?)
}

async fn list(client: &Client, json: bool) -> anyhow::Result<()> {
    let page: Page<Transfer> = client.get(&["transfers"], &[]).await?;
    if json {
        return output::json(&page);
    }
    if page.items.is_empty() {
        return Ok(output::line("No files yet. `landline send TO --file FILE` sends one.")?);
    }
    let mut rows = vec![["NAME", "", "SIZE", "DONE", "STATE", "ID"].map(str::to_owned)];
    for transfer in &page.items {
        let way = if transfer.direction == Direction::Incoming { "from" } else { "to" };
        let done = transfer.bytes_done.saturating_mul(100).checked_div(transfer.size).unwrap_or(100);
        let mut how = state(transfer.state).to_owned();
        if let Some(rate) = transfer.bytes_per_second {
            how = format!("{how}, {}/s", size(rate));
        }
        if let Some(failure) = &transfer.failure {
            how = format!("{how}: {}", output::plain(failure));
        }
        if let Some(copy) = &transfer.relay_copy {
            how = format!("{how}, {}", at_relay(copy));
        }
        rows.push([
            output::plain(&transfer.name),
            way.to_owned(),
            size(transfer.size),
            format!("{done} %"),
            how,
            transfer.transfer_id.clone(),
        ]);
    }
    Ok(output::line(&output::table(&rows))?)
}

/// Writes the content of an attachment that is on the node's machine.
pub(crate) async fn get(client: &Client, id: &str, to: &Path) -> anyhow::Result<()> {
    let response = client.content(&["attachments", id]).await?;
    let mut pieces = response.bytes_stream();
    if to == Path::new("-") {
        let mut out = tokio::io::stdout();
        while let Some(piece) = pieces.next().await {
            out.write_all(&piece?).await?;
        }
        return Ok(out.flush().await?);
    }
    let made = tokio::fs::OpenOptions::new().write(true).create_new(true).open(to).await;
    let mut file = match made {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => bail!("{} is there already", to.display()),
        Err(error) => return Err(error).with_context(|| to.display().to_string()),
    };
    while let Some(piece) = pieces.try_next().await? {
        file.write_all(&piece).await?;
    }
    Ok(file.sync_all().await?)
}

/// A message's attachments, a line each.
pub(crate) fn lines(message: &Message) -> impl Iterator<Item = String> + '_ {
    message.attachments.iter().map(|attachment| {
        let name = output::plain(&attachment.name);
        let state = state(attachment.state);
        format!("    [{name}, {}, {state}, {}]", size(attachment.size), attachment.attachment_id)
    })
}

/// How it stands with a copy at a relay.
fn at_relay(copy: &RelayCopy) -> String {
    let relay = output::plain(&copy.relay);
    let words = copy.failure.as_deref().map(output::plain).unwrap_or_default();
    match (copy.state, &copy.until) {
        (RelayCopyState::Held, Some(until)) => format!("held by {relay} until {until}"),
        (RelayCopyState::Held, None) => format!("held by {relay}"),
        (RelayCopyState::Sending, _) => format!("going to {relay}"),
        (RelayCopyState::Refused, _) => format!("not at {relay}: {words}"),
    }
}

fn state(state: TransferState) -> &'static str {
    match state {
        TransferState::Offered => "offered",
        TransferState::Queued => "waiting",
        TransferState::Transferring => "on its way",
        TransferState::Paused => "paused",
        TransferState::Complete => "complete",
        TransferState::Failed => "failed",
        TransferState::Cancelled => "cancelled",
        TransferState::Gone => "gone",
    }
}

/// Bytes in words.
pub(crate) fn size(bytes: u64) -> String {
    let mut rest = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if rest < 10_240 {
            return format!("{rest} {unit}");
        }
        rest /= 1024;
    }
    format!("{rest} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_words() {
        let sizes = [0, 10_239, 10_240, 5 << 20, 10 << 30, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "10239 B", "10 KiB", "5120 KiB", "10 GiB", "16777215 TiB"]);
    }
}
