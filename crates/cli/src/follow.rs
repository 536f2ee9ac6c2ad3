//! `landline follow`: prints new messages as they come, each once, through restarts of the node and gaps of the stream.
//!
//! What comes while the stream stands is printed from the stream. What came while it was cut, or while this program was
//! too slow for it, is read from the history, from the newest message on that was printed. So it is at the beginning: first
//! it is noted where each session stands, then the stream is opened, then what came in between is read. Without that order an own message
//! that was written in between would be taken for one that only changed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use anyhow::bail;
use futures_util::StreamExt as _;
use node::view::{Message, Page, Session};
use serde_json::Value;

use crate::client::{Client, Unreachable};
use crate::options::Place;
use crate::{output, target, tasks};

/// How long to wait before the first and before later attempts to connect again.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Longest line of the stream: an event holds a message of 64 KiB, with every byte escaped.
const LINE_BYTES: usize = 1024 * 1024;

/// How many printed messages are remembered: more than the node's stream can hold back and then repeat.
const REMEMBERED: usize = 10_000;

/// Runs until it is ended from outside.
pub(crate) async fn run(place: &Place, word: Option<&str>, own: bool) -> anyhow::Result<()> {
    // Wrong words and tokens are said at once; later failures are waited out.
    let client = Client::find(place)?;
    let only = match word {
        Some(word) => Some(target::session(&client, word).await?.session_id),
        None => None,
    };
    let mut follower = Follower {
        client,
        only,
        own,
        json: place.json,
        sessions: HashMap::new(),
        newest: HashMap::new(),
        old: HashMap::new(),
        printed: Recent::default(),
        begun: false,
    };
    let mut wait = FIRST_WAIT;
    loop {
        match follower.listen().await {
            // It ended after having begun.
            Ok(()) => wait = FIRST_WAIT,
            Err(error) if error.is::<Unreachable>() || error.is::<reqwest::Error>() => {}
            Err(error) => return Err(error),
        }
        if !follower.begun {
            bail!("cannot reach the node at {}; start one with `landline node`", follower.client.base);
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
        // The node may have started anew, with another port and another token.
        if let Ok(client) = Client::find(place) {
            follower.client = client;
        }
    }
}

struct Follower {
    client: Client,
    only: Option<String>,
    own: bool,
    json: bool,
    /// The sessions that messages were printed of, for their names.
    sessions: HashMap<String, Session>,
    /// Place of the newest known message of each session, in the order that all machines share.
    newest: HashMap<String, String>,
    /// Up to which place the messages of each session are not printed any more: they were there at the beginning, or were printed long ago.
    old: HashMap<String, String>,
    printed: Recent,
    begun: bool,
}

/// The messages that were printed lately: a message may come by the stream and by the history.
#[derive(Default)]
struct Recent {
    ids: HashSet<String>,
    order: VecDeque<Printed>,
}

/// A message that was printed.
struct Printed {
    id: String,
    session: String,
    place: String,
}

impl Recent {
    /// Whether it is new; and what is forgotten in its stead.
    fn add(&mut self, message: &Message) -> (bool, Option<Printed>) {
        if !self.ids.insert(message.id.clone()) {
            return (false, None);
        }
        let (id, session, place) = (message.id.clone(), message.session_id.clone(), message.order.clone());
        self.order.push_back(Printed { id, session, place });
        let forgotten = if self.order.len() > REMEMBERED { self.order.pop_front() } else { None };
        if let Some(forgotten) = &forgotten {
            self.ids.remove(&forgotten.id);
        }
        (true, forgotten)
    }
}

impl Follower {
    /// Listens until the stream ends.
    async fn listen(&mut self) -> anyhow::Result<()> {
        if !self.begun {
            self.begin().await?;
        }
        // First the stream, then what came before it: nothing can fall between them.
        let mut pieces = self.client.events().await?.bytes_stream();
        self.catch_up().await?;
        let mut lines = Vec::new();
        let mut event = String::new();
        while let Some(piece) = pieces.next().await {
            let Ok(piece) = piece else { return Ok(()) };
            lines.extend_from_slice(&piece);
            if lines.len() > LINE_BYTES {
                bail!("the node's stream of events is not understood; is it of the same version?");
            }
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = lines.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if let Some(name) = line.strip_prefix("event:") {
                    event = name.trim().to_owned();
                } else if let Some(data) = line.strip_prefix("data:") {
                    self.hear(&event, data.trim()).await?;
                }
            }
        }
        Ok(())
    }

    /// Notes where each session stands, so that only what comes from now on is printed.
    async fn begin(&mut self) -> anyhow::Result<()> {
        let sessions: Page<Session> = self.client.get(&["sessions"], &[]).await?;
        for session in sessions.items {
            if let Some(last) = session.last_message {
                self.old.insert(session.session_id.clone(), last.order.clone());
                self.newest.insert(session.session_id, last.order);
            }
        }
        self.begun = true;
        Ok(())
    }

    async fn hear(&mut self, event: &str, data: &str) -> anyhow::Result<()> {
        let Ok(mut value) = serde_json::from_str::<Value>(data) else { return Ok(()) };
        match event {
            "new_message" => {}
            "message_updated" => value = value.get_mut("message").map(Value::take).unwrap_or_default(),
            "lagged" => return self.catch_up().await,
            "error" => bail!("{}", value.get("message").and_then(Value::as_str).unwrap_or("the node refused")),
            _ => return Ok(()),
        }
        let Ok(message) = serde_json::from_value::<Message>(value) else { return Ok(()) };
        // An own message comes as a changed one, too. Whether it is new is not told by the newest: another's may have come before it.
        let old = self.old.get(&message.session_id);
        if event == "message_updated" && old.is_some_and(|old| message.order <= *old) {
            return Ok(());
        }
        self.print(&message).await
    }

    /// Prints what is new in all sessions.
    async fn catch_up(&mut self) -> anyhow::Result<()> {
        let sessions: Page<Session> = self.client.get(&["sessions"], &[]).await?;
        for session in sessions.items {
            let Some(last) = &session.last_message else { continue };
            if self.newest.get(&session.session_id).is_some_and(|newest| last.order <= *newest) {
                continue;
            }
            let path = ["sessions", session.session_id.as_str(), "messages"];
            let mut after = self.newest.get(&session.session_id).cloned();
            loop {
                let page: Page<Message> = match &after {
                    Some(after) => self.client.get(&path, &[("after", after), ("limit", "200")]).await?,
                    // A session that is new since.
                    None => self.client.get(&path, &[("limit", "200")]).await?,
                };
                for message in &page.items {
                    self.print(message).await?;
                }
                after = page.next_after;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Prints a message that has not been printed, if it was asked for.
    async fn print(&mut self, message: &Message) -> anyhow::Result<()> {
        let newest = self.newest.entry(message.session_id.clone()).or_default();
        if *newest < message.order {
            newest.clone_from(&message.order);
        }
        if self.only.as_ref().is_some_and(|only| *only != message.session_id) {
            return Ok(());
        }
        let (is_new, forgotten) = self.printed.add(message);
        if let Some(Printed { session, place, .. }) = forgotten {
            let old = self.old.entry(session).or_default();
            *old = place.max(std::mem::take(old));
        }
        if !is_new {
            return Ok(());
        }
        if !self.sessions.contains_key(&message.session_id) {
            let session: Session = self.client.get(&["sessions", &message.session_id], &[]).await?;
            self.sessions.insert(message.session_id.clone(), session);
        }
        let Some(session) = self.sessions.get(&message.session_id) else { return Ok(()) };
        let theirs = session.peer.as_ref().is_some_and(|peer| peer.user_id == message.sender_user_id);
        if !theirs && !self.own {
            return Ok(());
        }
        if self.json { output::json(message) } else { Ok(output::line(&tasks::message_line(message, session))?) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Message {
        serde_json::from_value(serde_json::json!({
            "id": id, "sessionId": "s", "senderUserId": "u", "receiverUserId": null, "message": "", "messageType": "text",
            "timestamp": "", "state": "queued", "failure": null, "tempId": null, "deliveredAt": null, "order": id,
            "readAt": null, "editedAt": null, "deletedAt": null, "replyTo": null, "quote": null, "reactions": [],
            "pinned": false, "forwarded": false, "expiresAt": null, "attachments": [], "mentions": [],
            "receipts": {"delivered": 0, "read": 0, "of": 1}, "system": null,
        }))
        .unwrap()
    }

    #[test]
    fn recent_messages_are_known_and_old_ones_forgotten() {
        let mut recent = Recent::default();
        assert!(recent.add(&message("a")).0);
        assert!(!recent.add(&message("a")).0);
        let mut forgotten = None;
        for number in 0..REMEMBERED {
            let (is_new, old) = recent.add(&message(&number.to_string()));
            assert!(is_new);
            forgotten = forgotten.or(old);
        }
        let forgotten = forgotten.map(|old| (old.id, old.session, old.place));
        assert_eq!(forgotten, Some(("a".into(), "s".into(), "a".into())), "because its place is noted instead");
        assert!(recent.add(&message("a")).0, "because it is long ago");
        assert_eq!(recent.ids.len(), REMEMBERED);
        assert_eq!(recent.order.len(), REMEMBERED);
    }
}
