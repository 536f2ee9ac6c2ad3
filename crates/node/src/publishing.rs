//! The task that reads marked sessions and publishes their rows, and the total of unread messages with them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use proto::id::SessionId;
use store::StoreError;

use crate::core::Core;
use crate::view::Change;
use crate::views;

/// Rows of one session follow each other at this distance at least: a screen shows 60 frames a second, and each row costs a
/// read.
const PACE: Duration = Duration::from_millis(25);

/// Publishes what is marked, for ever.
pub(crate) async fn run(core: Arc<Core>) {
    let mut total = None;
    loop {
        let marked = core.hub.marked().await;
        if core.hub.watched()
            && let Err(error) = publish(&core, marked, &mut total).await
        {
            tracing::warn!(%error, "changed sessions could not be read");
        }
        tokio::time::sleep(PACE).await;
    }
}

async fn publish(core: &Core, marked: BTreeSet<SessionId>, total: &mut Option<u32>) -> Result<(), StoreError> {
    let (rows, totals) = core
        .store
        .read(move |reader| {
            let mut rows = Vec::with_capacity(marked.len());
            for session in &marked {
                if let Some(row) = store::sessions::get_by_id(reader, session)? {
                    let last = store::messages::by_keys(reader, row.last_message.as_slice())?.pop();
                    rows.push((row, last));
                }
            }
            Ok((rows, store::sessions::totals(reader)?))
        })
        .await?;
    for (row, last) in rows {
        let session = views::session(core, &row, last.as_ref());
        core.hub.publish(Change::SessionChanged { session, opened: false });
    }
    if total.replace(totals.unread) != Some(totals.unread) {
        core.hub.publish(Change::UnreadChanged { total: totals.unread });
    }
    Ok(())
}
