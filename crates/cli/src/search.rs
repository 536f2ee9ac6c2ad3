//! `landline search`: messages by their words.

use node::view::{Me, SearchHit, SearchPage};

use crate::options::SearchOptions;
use crate::tasks::Asked;
use crate::{output, target};

/// Who wrote it, when that is this machine.
const MYSELF: &str = "me";

impl Asked {
    pub(crate) async fn search(&self, options: SearchOptions) -> anyhow::Result<()> {
        let SearchOptions { words, from, session, kind, since, until, before, limit } = options;
        let me: Me = self.client.get(&["me"], &[]).await?;
        let from = match from.as_deref() {
            Some(MYSELF) => Some(me.machine_id.clone()),
            Some(word) => Some(target::user(&self.client, word).await?),
            None => None,
        };
        let session = match session {
            Some(word) => Some(target::session(&self.client, &word).await?.session_id),
            None => None,
        };
        let limit = limit.to_string();
        let mut query = vec![("q", words.as_str()), ("limit", limit.as_str())];
        let given = [
            ("from", &from),
            ("in", &session),
            ("type", &kind),
            ("since", &since.map(|time| time.0)),
            ("until", &until.map(|time| time.0)),
            ("before", &before),
        ]
        .map(|(name, value)| value.clone().map(|value| (name, value)));
        query.extend(given.iter().flatten().map(|(name, value)| (*name, value.as_str())));
        let page: SearchPage = self.client.get(&["search"], &query).await?;
        if self.json {
            return output::json(&page);
        }
        if page.items.is_empty() {
            return Ok(output::line("Nothing found.")?);
        }
        for hit in page.items.iter().rev() {
            output::line(&line(hit, &me.machine_id))?;
        }
        let more = page.next_before.map_or_else(String::new, |before| format!("; older ones: --before {before}"));
        let indexing = if page.indexing { " Older messages are still being indexed." } else { "" };
        Ok(output::line(&format!("{} of {}{more}.{indexing}", page.items.len(), page.total))?)
    }
}

fn line(hit: &SearchHit, me: &str) -> String {
    let title = output::plain(&hit.session.title);
    let who = if hit.message.sender_user_id == me { format!("You to {title}") } else { title };
    let text = output::paragraphs(&hit.message.message, "    ");
    format!("[{}] {who}: {text}", output::minute(&hit.message.timestamp))
}
