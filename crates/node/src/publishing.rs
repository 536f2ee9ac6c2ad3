//! The task that reads marked sessions and notifications and publishes their rows, and the totals of what is unread with
//! them.

use std::sync::Arc;
use std::time::Duration;

use store::StoreError;

use crate::centre;
use crate::core::Core;
use crate::hub::Marked;
use crate::view::Change;
use crate::views;

/// Rows of one session follow each other at this distance at least: a screen shows 60 frames a second, and each row costs a
/// read.
const PACE: Duration = Duration::from_millis(25);

/// Publishes what is marked, for ever.
pub(crate) async fn run(core: Arc<Core>) {
    let mut totals = Totals::default();
    loop {
        let marked = core.hub.marked().await;
        if core.hub.watched()
            && let Err(error) = publish(&core, marked, &mut totals).await
        {
            tracing::warn!(%error, "changed rows could not be read");
        }
        tokio::time::sleep(PACE).await;
    }
}

/// The totals as they were told.
#[derive(Debug, Default)]
struct Totals {
    unread: Option<u32>,
    notifications: Option<u32>,
}

async fn publish(core: &Core, marked: Marked, told: &mut Totals) -> Result<(), StoreError> {
    if !marked.notifications.is_empty() {
        publish_notifications(core, &marked, told).await?;
    }
    if marked.sessions.is_empty() {
        return Ok(());
    }
    let files = core.files.dir.clone();
    let (rows, totals) = core
        .store
        .read(move |reader| {
            let mut rows = Vec::with_capacity(marked.sessions.len());
            for session in &marked.sessions {
                rows.extend(views::Row::read(reader, &files, session)?);
            }
            Ok((rows, store::sessions::totals(reader)?))
        })
        .await?;
    for row in rows {
        let session = views::session(core, &row);
        core.hub.publish(Change::SessionChanged { session, opened: false });
    }
    if told.unread.replace(totals.unread) != Some(totals.unread) {
        core.hub.publish(Change::UnreadChanged { total: totals.unread });
    }
    Ok(())
}

async fn publish_notifications(core: &Core, marked: &Marked, told: &mut Totals) -> Result<(), StoreError> {
    let keys = marked.notifications.clone();
    let (rows, total) = core
        .store
        .read(move |reader| {
            let mut rows = Vec::with_capacity(keys.len());
            for key in keys {
                rows.push((key, store::notifications::get(reader, key)?));
            }
            Ok((rows, store::notifications::unread(reader)?))
        })
        .await?;
    let mut gone = Vec::new();
    for (key, row) in rows {
        match row {
            Some(row) => core.hub.publish(Change::NotificationChanged { notification: centre::shown(core, &row) }),
            None => gone.push(key.0.to_string()),
        }
    }
    if !gone.is_empty() {
        core.hub.publish(Change::NotificationRemoved { ids: gone });
    }
    if told.notifications.replace(total) != Some(total) {
        core.hub.publish(Change::NotificationsUnread { total });
    }
    Ok(())
}
