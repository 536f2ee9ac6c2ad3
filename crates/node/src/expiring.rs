//! The task that lets messages go: those whose timer ran out, and those older than their session keeps them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use store::removal::{self, Received, Removed};
use store::{EventKey, StoreError};
use tokio::time::{Instant, timeout};

use crate::core::Core;
use crate::view::Change;

/// Looks at the clock at least so often: wall clocks are set, and machines sleep.
const LOOK: Duration = Duration::from_secs(60);

/// Messages removed in one transaction, so that others get their turn.
const PART: u32 = 200;

/// How often sessions are looked through for what is too old.
const RETENTION: Duration = Duration::from_secs(60 * 60);

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Lets messages go, until the store is closed.
pub(crate) async fn run(core: Arc<Core>) {
    let mut retained: Option<Instant> = None;
    loop {
        let wait = match round(&core, &mut retained).await {
            Ok(wait) => wait,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "messages that are to disappear could not be removed");
                LOOK
            }
        };
        if timeout(wait, core.expiry.notified()).await.is_ok() {
            // Woken: a session's retention may have changed too.
            retained = None;
        }
    }
}

/// Removes what is due; how long until the next is.
async fn round(core: &Core, retained: &mut Option<Instant>) -> Result<Duration, StoreError> {
    loop {
        let now_ms = core.clock.wall_ms();
        let due = core.store.read(move |reader| removal::expired(reader, now_ms, PART)).await?;
        // Whoever wrote them wanted them to go, with what they carried.
        if remove(core, due, Received::Removed).await? == 0 {
            break;
        }
    }
    if retained.is_none_or(|at| at.elapsed() >= RETENTION) {
        *retained = Some(Instant::now());
        let now_ms = core.clock.wall_ms();
        core.store.write(move |tx| store::invitations::sweep(tx, now_ms)).await?;
        for (session, days) in core.store.read(store::sessions::with_retention).await? {
            let before_ms = core.clock.wall_ms().saturating_sub(u64::from(days) * DAY_MS);
            loop {
                let old = move |reader: &store::Reader<'_>| removal::outdated(reader, session, before_ms, PART);
                let due = core.store.read(old).await?;
                if remove(core, due, Received::Kept).await? == 0 {
                    break;
                }
            }
        }
    }
    // Whatever is written from here on is either seen by this look or wakes the task.
    core.expiry_at.store(u64::MAX, Ordering::Release);
    let next = core.store.read(removal::next_expiry).await?;
    core.expiry_at.fetch_min(next.unwrap_or(u64::MAX), Ordering::AcqRel);
    let until = next.map(|at| Duration::from_millis(at.saturating_sub(core.clock.wall_ms())));
    Ok(until.map_or(LOOK, |until| until.min(LOOK)))
}

async fn remove(core: &Core, keys: Vec<EventKey>, received: Received) -> Result<usize, StoreError> {
    if keys.is_empty() {
        return Ok(0);
    }
    let removed = core.store.write(move |tx| removal::remove(tx, &keys, received)).await?;
    tell(core, &removed);
    Ok(removed.len())
}

/// Tells the stream what is no longer here.
pub(crate) fn tell(core: &Core, removed: &[Removed]) {
    for Removed { session, message, noted } in removed {
        core.files.gone(message);
        let (session_id, message_id) = (session.to_string(), message.to_string());
        core.hub.publish(Change::MessageRemoved { session_id, message_id });
        core.hub.mark(*session);
        noted.iter().for_each(|key| core.hub.note(*key));
        core.notices.changed(*session);
    }
}
