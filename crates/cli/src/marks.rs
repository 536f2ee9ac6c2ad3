//! The commands about a session as a whole: read, written in, timed, and marked on this machine.

use api::results::Done;
use clap::{Args, ValueEnum};
use node::view::Session;
use serde_json::{Map, Value, json};

use crate::options::{Life, Time};
use crate::tasks::Asked;
use crate::{output, target};

#[derive(Debug, Args)]
#[group(id = "mark", required = true, multiple = true, args = ["pin", "archive", "unread", "mute", "notify", "keep", "draft"])]
pub(crate) struct MarkOptions {
    /// Pin it on top of the list
    #[arg(long, value_name = "ON|OFF")]
    pin: Option<Switch>,
    /// Take it out of the list
    #[arg(long, value_name = "ON|OFF")]
    archive: Option<Switch>,
    /// Mark it as unread
    #[arg(long, value_name = "ON|OFF")]
    unread: Option<Switch>,
    /// Mute it until a time, or off
    #[arg(long, value_name = "TIME", value_parser = until)]
    mute: Option<Until>,
    /// Which messages raise a notification
    #[arg(long, value_name = "WHICH", value_parser = ["all", "mentions", "none"])]
    notify: Option<String>,
    /// For how many days messages are kept on this machine, or off
    #[arg(long, value_name = "DAYS", value_parser = days)]
    keep: Option<Days>,
    /// The unsent text; empty for none
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    draft: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// A time, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Until(Option<String>);

fn until(text: &str) -> Result<Until, String> {
    if text == "off" { Ok(Until(None)) } else { text.parse::<Time>().map(|time| Until(Some(time.0))) }
}

/// A number of days, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days(Option<u32>);

fn days(text: &str) -> Result<Days, String> {
    let wrong = |_| "a number of days, or off".to_owned();
    if text == "off" { Ok(Days(None)) } else { text.parse().map(|days| Days(Some(days))).map_err(wrong) }
}

/// After how long messages disappear: a time with its unit, or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct After(pub(crate) u32);

impl std::str::FromStr for After {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" { Ok(Self(0)) } else { text.parse::<Life>().map(|life| Self(life.0)) }
    }
}

impl Asked {
    pub(crate) async fn read(&self, session: &str, to: Option<String>) -> anyhow::Result<()> {
        let session = target::session(&self.client, session).await?;
        let body = to.map_or_else(|| json!({}), |message| json!({ "messageId": message }));
        let session: Session = self.client.post(&["sessions", &session.session_id, "read"], &body).await?;
        self.say(&session, &format!("Read: {}.", output::plain(&session.title)))
    }

    pub(crate) async fn typing(&self, session: &str, stop: bool) -> anyhow::Result<()> {
        let session = target::session(&self.client, session).await?;
        let path = ["sessions", &session.session_id, "typing"];
        let done: Done = self.client.post(&path, &json!({ "typing": !stop })).await?;
        self.say(&done, "Told.")
    }

    pub(crate) async fn away(&self, back: bool) -> anyhow::Result<()> {
        let status = if back { "online" } else { "away" };
        let done: Done = self.client.post(&["me", "status"], &json!({ "status": status })).await?;
        self.say(&done, if back { "Back." } else { "Away." })
    }

    pub(crate) async fn timer(&self, session: &str, after: After) -> anyhow::Result<()> {
        let session = target::session(&self.client, session).await?;
        let path = ["sessions", &session.session_id, "timer"];
        let session: Session = self.client.post(&path, &json!({ "seconds": after.0 })).await?;
        let title = output::plain(&session.title);
        let words = match session.timer_seconds {
            0 => format!("New messages with {title} stay."),
            seconds => format!("New messages with {title} disappear after {seconds} s."),
        };
        self.say(&session, &words)
    }

    pub(crate) async fn mark(&self, session: &str, options: MarkOptions) -> anyhow::Result<()> {
        let session = target::session(&self.client, session).await?;
        let MarkOptions { pin, archive, unread, mute, notify, keep, draft } = options;
        let switches = [("pinned", pin), ("archived", archive), ("markedUnread", unread)];
        let mut patch = Map::new();
        for (name, switch) in switches {
            patch.extend(switch.map(|switch| (name.to_owned(), Value::from(switch == Switch::On))));
        }
        patch.extend(mute.map(|mute| ("mutedUntil".to_owned(), Value::from(mute.0))));
        patch.extend(notify.map(|notify| ("notify".to_owned(), Value::from(notify))));
        patch.extend(keep.map(|keep| ("retentionDays".to_owned(), Value::from(keep.0))));
        patch.extend(draft.map(|draft| ("draft".to_owned(), Value::from(draft))));
        let session: Session = self.client.patch(&["sessions", &session.session_id], &patch).await?;
        self.say(&session, &format!("Changed: {}.", output::plain(&session.title)))
    }
}
