//! A node that sends a file, and messages beside it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use node::view::{Change, Direction, MessageState, Transfer, TransferState};
use node::{Changes, Node, SendRequest};
use serde_json::json;

use super::landline::{Acquainted, block_on, send_one};
use super::{Give, micros, say, until_input_closes};

/// Messages that go alone, to compare with those beside the file.
const ALONE: usize = 500;

pub(super) fn give(options: &Give) -> Result<()> {
    block_on(async {
        let acquainted = Acquainted::begin(&options.dir, &options.way).await?;
        let (node, session) = (&acquainted.node, &acquainted.session);
        let mut changes = node.changes();
        let mut alone = Vec::new();
        while options.chat && alone.len() < ALONE {
            alone.push(message(node, session, &mut changes).await?.0);
        }

        let began = Instant::now();
        let upload = node.add_file(&options.file.to_string_lossy()).await?;
        say(&json!({ "hashed": began.elapsed().as_secs_f64() }));
        say(&json!({ "giving": true }));
        let request = SendRequest {
            session: session.clone(),
            attachments: vec![upload.upload_id],
            caller: "bench".to_owned(),
            ..SendRequest::default()
        };
        node.send_message(request).await?;
        let mut beside = Vec::new();
        let mut given = false;
        while !given {
            if options.chat {
                let (took, over) = message(node, session, &mut changes).await?;
                beside.push(took);
                given = over;
            } else {
                given = is_over(&changes.next().await.context("the node ended")??)?;
            }
        }
        acquainted.check()?;
        say(&json!({ "given": true, "alone": micros(&alone), "beside": micros(&beside) }));
        tokio::task::spawn_blocking(until_input_closes).await?;
        node.shutdown().await;
        Ok(())
    })
}

/// How long one message takes, and whether the file arrived meanwhile.
async fn message(node: &Node, session: &str, changes: &mut Changes) -> Result<(Duration, bool)> {
    let began = Instant::now();
    let sent = send_one(node, session).await?;
    let mut over = false;
    loop {
        let change = changes.next().await.context("the node ended")??;
        over |= is_over(&change)?;
        if let Change::MessageChanged { message, .. } = change
            && message.id == sent.id
            && message.state == MessageState::Delivered
        {
            return Ok((began.elapsed(), over));
        }
    }
}

/// Whether the file is at its destination.
fn is_over(change: &Change) -> Result<bool> {
    match change {
        Change::TransferChanged { transfer: Transfer { direction: Direction::Outgoing, state, failure, .. } } => {
            match state {
                TransferState::Failed => bail!("the file failed: {failure:?}"),
                state => Ok(*state == TransferState::Complete),
            }
        }
        _ => Ok(false),
    }
}
