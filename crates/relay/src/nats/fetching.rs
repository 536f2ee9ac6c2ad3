//! What the owner of a mailbox is handed: page by page, and what becomes of an item that the leader does not have.

use async_nats::jetstream::message::StreamMessage;
use futures_util::StreamExt as _;
use proto::id::MachineId;
use tokio::time::{Instant, sleep};

use super::connection::PATIENCE;
use super::mailboxes::{NatsMailboxes, PAUSE, Step};
use super::stream::{Logs, Trouble};
use crate::mailboxes::{Item, MailboxError, Page};

/// Envelopes that are fetched at the same time for one page.
const FETCHES: usize = 16;

impl NatsMailboxes {
    /// A page of what lies in a mailbox behind a cursor.
    pub(super) async fn fetch(
        &self,
        machine: MachineId,
        after: u64,
        count: usize,
        bytes: usize,
    ) -> Result<Page, MailboxError> {
        let deadline = Instant::now() + PATIENCE;
        let (boxes, shelf) = self.look(&machine).await?;
        let rows = shelf.record.map(|record| record.items).unwrap_or_default();
        let mut behind = rows.into_iter().filter(|row| row.place.saturating_add(boxes.base) > after).peekable();
        loop {
            let (mut chosen, mut total) = (Vec::new(), 0);
            while let Some(row) = behind.peek() {
                total += row.size;
                if chosen.len() >= count || (total > bytes as u64 && !chosen.is_empty()) {
                    break;
                }
                chosen.extend(behind.next());
            }
            let more = behind.peek().is_some();
            let fetched = chosen.into_iter().map(|row| {
                let boxes = &boxes;
                async move {
                    let message = self.message(boxes, &machine, row.place, deadline).await?;
                    let item = message.map(|message| Item {
                        cursor: row.place + boxes.base,
                        put_s: row.put_s,
                        envelope: message.payload,
                    });
                    Ok(item.ok_or(row.place))
                }
            });
            let fetched: Vec<Result<Result<Item, u64>, MailboxError>> =
                futures_util::stream::iter(fetched).buffered(FETCHES).collect().await;
            let (mut items, mut missing) = (Vec::new(), Vec::new());
            for item in fetched {
                match item? {
                    Ok(item) => items.push(item),
                    Err(place) => missing.push(place),
                }
            }
            if !missing.is_empty() {
                self.lose(&machine, &missing).await?;
            }
            // A page of which nothing is left is passed over: behind an empty one its owner does not ask for more.
            if !items.is_empty() || !more {
                return Ok(Page { items, more });
            }
        }
    }

    /// The message of an item; none when it was taken away meanwhile, on another connection of its owner, or is lost.
    async fn message(
        &self,
        boxes: &Logs,
        machine: &MachineId,
        place: u64,
        deadline: Instant,
    ) -> Result<Option<StreamMessage>, MailboxError> {
        let mut missing = None::<Instant>;
        loop {
            match (boxes.get(place).await, missing) {
                (Ok(None), None) if self.lists(machine, place).await? => missing = Some(Instant::now()),
                // A leader that was just chosen may not have it yet.
                (Ok(None), Some(since)) if since.elapsed() < PATIENCE => {}
                (Ok(None), Some(_)) => {
                    boxes.knows_all().await?;
                    return Ok(boxes.get(place).await?);
                }
                (Err(Trouble::Away(_)), _) if Instant::now() < deadline => {}
                (got, _) => return Ok(got?),
            }
            sleep(PAUSE).await;
        }
    }

    async fn lists(&self, machine: &MachineId, place: u64) -> Result<bool, MailboxError> {
        let (_, shelf) = self.look(machine).await?;
        Ok(shelf.record.is_some_and(|record| record.items.iter().any(|row| row.place == place)))
    }

    /// Takes out of a mailbox what it lists and NATS does not have. It is not remembered: its sender, who has heard of no receipt,
    /// may put it again.
    async fn lose(&self, machine: &MachineId, places: &[u64]) -> Result<(), MailboxError> {
        let lost = self.change(machine, |_, shelf, _| {
            let Some(record) = &shelf.record else { return Step::Answer(Ok(0)) };
            let mut left = record.clone();
            left.items.retain(|row| !places.contains(&row.place));
            let lost = record.items.len() - left.items.len();
            if lost == 0 { Step::Answer(Ok(0)) } else { Step::Record(left, lost) }
        });
        let lost = lost.await?;
        if lost > 0 {
            tracing::error!(lost, "NATS has lost items of a mailbox; they come when their senders put them again");
        }
        Ok(())
    }
}
