//! `landline notifications`: the notification centre.

use api::args::CreateNotificationArgs;
use api::results::{Counted, Done};
use node::view::{Notification, NotificationKind, NotificationStats, Page};
use serde_json::json;

use crate::options::{NotificationList, NotificationTask};
use crate::tasks::Asked;
use crate::{output, target};

impl Asked {
    pub(crate) async fn notifications(&self, list: NotificationList) -> anyhow::Result<()> {
        let limit = list.limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(list.unread.then_some(("unread", "true")));
        query.extend(list.kind.as_deref().map(|kind| ("kind", kind)));
        query.extend(list.before.as_deref().map(|before| ("before", before)));
        let page: Page<Notification> = self.client.get(&["notifications"], &query).await?;
        if self.json {
            return output::json(&page);
        }
        if page.items.is_empty() {
            return Ok(output::line("No notifications.")?);
        }
        let mut rows = vec![["", "WHEN", "KIND", "WHAT", "ID"].map(str::to_owned)];
        for row in &page.items {
            let state = if row.read { "" } else { "*" };
            let what = if row.body.is_empty() { row.title.clone() } else { format!("{}: {}", row.title, row.body) };
            let what = if row.count > 1 { format!("({}) {what}", row.count) } else { what };
            let when = output::minute(&row.created_at);
            rows.push([state.to_owned(), when, word(row.kind)?, output::plain(&what), row.id.clone()]);
        }
        output::line(&output::table(&rows))?;
        match page.next_before {
            Some(before) => Ok(output::line(&format!("Older ones: --before {}", output::plain(&before)))?),
            None => Ok(()),
        }
    }

    pub(crate) async fn notification_task(&self, task: NotificationTask) -> anyhow::Result<()> {
        match task {
            NotificationTask::Read { id: Some(id) } => {
                let row: Notification = self.client.patch(&["notifications", &id, "read"], &json!({})).await?;
                self.say(&row, "Read.")
            }
            NotificationTask::Read { id: None } => {
                let counted: Counted = self.client.patch(&["notifications", "read-all"], &json!({})).await?;
                self.say(&counted, &format!("Read: {}.", counted.count))
            }
            NotificationTask::Delete { id } => {
                let done: Done = self.client.delete(&["notifications", &id], &[]).await?;
                self.say(&done, "Deleted.")
            }
            NotificationTask::Cleanup { days } => {
                let days = days.to_string();
                let query = [("daysOld", days.as_str())];
                let counted: Counted = self.client.delete(&["notifications", "cleanup"], &query).await?;
                self.say(&counted, &format!("Deleted: {}.", counted.count))
            }
            NotificationTask::Stats => self.notification_stats().await,
            NotificationTask::Add { title, body, kind, session } => {
                let session_id = match session {
                    Some(word) => Some(target::session(&self.client, &word).await?.session_id),
                    None => None,
                };
                let kind: NotificationKind = serde_json::from_value(json!(kind))?;
                let args = CreateNotificationArgs { kind: Some(kind), title, body: Some(body), session_id };
                let row: Notification = self.client.post(&["notifications"], &args).await?;
                self.say(&row, &row.id)
            }
        }
    }

    async fn notification_stats(&self) -> anyhow::Result<()> {
        let stats: NotificationStats = self.client.get(&["notifications", "stats"], &[]).await?;
        if self.json {
            return output::json(&stats);
        }
        let mut rows =
            vec![["all".to_owned(), stats.total.to_string()], ["unread".to_owned(), stats.unread.to_string()]];
        for (kind, count) in &stats.by_kind {
            rows.push([word(*kind)?, count.to_string()]);
        }
        rows.extend(stats.by_day.iter().map(|day| [output::plain(&day.day), day.count.to_string()]));
        Ok(output::line(&output::table(&rows))?)
    }
}

fn word(kind: NotificationKind) -> anyhow::Result<String> {
    Ok(serde_json::to_value(kind)?.as_str().unwrap_or_default().to_owned())
}
