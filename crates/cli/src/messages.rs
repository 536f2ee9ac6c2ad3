//! The commands about a message that is there: changed, deleted, reacted to, pinned, sent again, looked at.

use api::results::{MessageHistory, MessageReceipts};
use clap::Subcommand;
use node::view::{Message, Page, Session};
use serde_json::json;

use crate::tasks::{Asked, input};
use crate::{files, output, target};

#[derive(Debug, Subcommand)]
pub(crate) enum MessageTask {
    /// Change the text of an own message, within 24 hours
    Edit {
        /// Its ID, as `history --ids` lists it
        #[arg(value_name = "MESSAGE")]
        message: String,
        /// The new text, or - for standard input
        #[arg(value_name = "TEXT", allow_hyphen_values = true)]
        text: String,
    },
    /// Delete a message from this machine, or an own one from everyone who has it
    Delete {
        /// Its ID, as `history --ids` lists it
        #[arg(value_name = "MESSAGE")]
        message: String,
        /// From whom
        #[arg(long = "for", value_name = "WHOM", default_value = "me", value_parser = ["all", "me"])]
        whom: String,
    },
    /// React to a message with an emoji
    React {
        /// Its ID, as `history --ids` lists it
        #[arg(value_name = "MESSAGE")]
        message: String,
        /// One emoji
        #[arg(value_name = "EMOJI")]
        emoji: String,
        /// Take the reaction back
        #[arg(long)]
        off: bool,
    },
    /// Pin a message in its session, for both sides
    Pin {
        /// Its ID, as `history --ids` lists it
        #[arg(value_name = "MESSAGE")]
        message: String,
        /// Pin it no longer
        #[arg(long)]
        off: bool,
    },
    /// Send messages again to others, with their files
    Forward {
        /// Their IDs, in the order in which they are sent
        #[arg(value_name = "MESSAGE", required = true)]
        messages: Vec<String>,
        /// To whom: sessions or machines
        #[arg(long, value_name = "TO", required = true, num_args = 1..)]
        to: Vec<String>,
    },
    /// Show one message
    Show(One),
    /// Show all versions of a message's text
    Versions(One),
    /// Show who has an own message, and who has seen it
    Receipts(One),
    /// Send a message that failed once more
    Retry(One),
}

#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// Its ID, as `history --ids` lists it
    #[arg(value_name = "MESSAGE")]
    message: String,
}

impl Asked {
    pub(crate) async fn message_task(&self, task: MessageTask) -> anyhow::Result<()> {
        match task {
            MessageTask::Edit { message, text } => {
                let text = if text == "-" { input()? } else { text };
                let message: Message = self.client.patch(&["messages", &message], &json!({ "message": text })).await?;
                self.say(&message, "Changed.")
            }
            MessageTask::Delete { message, whom } => {
                let message: Message = self.client.delete(&["messages", &message], &[("for", &whom)]).await?;
                self.say(&message, if whom == "all" { "Deleted for everyone." } else { "Deleted on this machine." })
            }
            MessageTask::React { message, emoji, off } => {
                let path = ["messages", &message, "reactions", &emoji];
                let message: Message =
                    if off { self.client.delete(&path, &[]).await? } else { self.client.put(&path).await? };
                self.say(&message, if off { "Taken back." } else { "Reacted." })
            }
            MessageTask::Pin { message, off } => {
                let path = ["messages", message.as_str(), "pin"];
                let message: Message =
                    if off { self.client.delete(&path, &[]).await? } else { self.client.put(&path).await? };
                self.say(&message, if off { "No longer pinned." } else { "Pinned." })
            }
            MessageTask::Forward { messages, to } => self.forward(&messages, &to).await,
            MessageTask::Show(one) => self.show(&one.message).await,
            MessageTask::Versions(one) => self.versions(&one.message).await,
            MessageTask::Receipts(one) => self.receipts(&one.message).await,
            MessageTask::Retry(one) => {
                let message: Message = self.client.post(&["messages", &one.message, "retry"], &json!({})).await?;
                self.say(&message, "Waiting again.")
            }
        }
    }

    async fn forward(&self, messages: &[String], to: &[String]) -> anyhow::Result<()> {
        let mut sessions = Vec::with_capacity(to.len());
        for word in to {
            sessions.push(target::open(&self.client, word).await?);
        }
        let body = json!({ "messageIds": messages, "sessionIds": sessions });
        // Files that were received are read once more.
        let sent: Page<Message> = self.client.post_slowly(&["messages", "forward"], &body).await?;
        self.say(&sent, &format!("Sent: {}.", sent.items.len()))
    }

    async fn show(&self, message: &str) -> anyhow::Result<()> {
        let message: Message = self.client.get(&["messages", message], &[]).await?;
        if self.json {
            return output::json(&message);
        }
        let session: Session = self.client.get(&["sessions", &message.session_id], &[]).await?;
        lines(&message, &session, false).iter().try_for_each(|line| Ok(output::line(line)?))
    }

    async fn versions(&self, message: &str) -> anyhow::Result<()> {
        let history: MessageHistory = self.client.get(&["messages", message, "history"], &[]).await?;
        if self.json {
            return output::json(&history);
        }
        for version in &history.items {
            let when = version.edited_at.as_deref().map_or_else(|| "first".to_owned(), output::minute);
            output::line(&format!("[{when}] {}", output::paragraphs(&version.message, "    ")))?;
        }
        Ok(())
    }

    async fn receipts(&self, message: &str) -> anyhow::Result<()> {
        let receipts: MessageReceipts = self.client.get(&["messages", message, "receipts"], &[]).await?;
        if self.json {
            return output::json(&receipts);
        }
        let mut rows = vec![["DELIVERED", "READ", "MACHINE ID"].map(str::to_owned)];
        for receipt in &receipts.items {
            let time = |at: &Option<String>| at.as_deref().map_or_else(|| "no".to_owned(), output::minute);
            rows.push([time(&receipt.delivered_at), time(&receipt.read_at), receipt.user_id.clone()]);
        }
        Ok(output::line(&output::table(&rows))?)
    }
}

/// A message as a person reads it: what it answers, what it says, its files, reactions, and its ID when asked for.
pub(crate) fn lines(message: &Message, session: &Session, ids: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(quote) = &message.quote {
        let name = name_of(&quote.sender_user_id, session);
        let text = if quote.deleted { "(deleted)".to_owned() } else { output::plain(&quote.message) };
        lines.push(format!("    > {name}: {text}"));
    }
    lines.push(crate::tasks::message_line(message, session));
    lines.extend(files::lines(message));
    if !message.reactions.is_empty() {
        let reaction = |reaction: &node::view::Reaction| {
            format!("{} {}", output::plain(&reaction.emoji), name_of(&reaction.user_id, session))
        };
        let all: Vec<String> = message.reactions.iter().map(reaction).collect();
        lines.push(format!("    {}", all.join(", ")));
    }
    lines.extend(ids.then(|| format!("    {}", message.id)));
    lines
}

/// A member's name as this machine shows it.
pub(crate) fn name_of(user: &str, session: &Session) -> String {
    let is_peer = session.peer.as_ref().is_some_and(|peer| peer.user_id == user);
    if is_peer { output::plain(&session.title) } else { "You".to_owned() }
}
