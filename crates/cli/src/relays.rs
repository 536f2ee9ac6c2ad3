//! `landline relays`: where this machine is to be reached when it is elsewhere.

use api::args::AddRelayArgs;
use api::results::Done;
use clap::Subcommand;
use node::view::{Page, Relay, RelayLimits, RelayState};

use crate::files::size;
use crate::output;
use crate::tasks::Asked;

#[derive(Debug, Subcommand)]
pub(crate) enum RelaysTask {
    /// Add a relay: contacts reach this machine there, and what they write waits there while it is off
    Add {
        /// Its address, as whoever runs it gave it
        #[arg(value_name = "URL", help = "wss://HOST[:PORT][/#KEY]")]
        address: String,
        /// A membership token, where it asks for one
        #[arg(long, value_name = "TOKEN", env = "LANDLINE_RELAY_MEMBERSHIP", hide_env_values = true)]
        membership: Option<String>,
    },
    /// Remove a relay
    Remove {
        /// Its address, as listed
        #[arg(value_name = "URL")]
        address: String,
    },
}

/// Lists relays, or changes them.
pub(crate) async fn run(asked: &Asked, task: Option<RelaysTask>) -> anyhow::Result<()> {
    match task {
        None => list(asked).await,
        Some(RelaysTask::Add { address, membership }) => {
            let relay: Relay = asked.client.post(&["relays"], &AddRelayArgs { address, membership }).await?;
            let name = output::plain(&relay.origin);
            let words = match (relay.state, &relay.error) {
                (RelayState::Connected, _) => format!("Added {name}; contacts reach this machine there."),
                (_, Some(error)) => format!("Added {name}, but it is not connected: {}", output::plain(&error.message)),
                _ => format!("Added {name}; it has not answered yet and is tried again."),
            };
            asked.say(&relay, &words)
        }
        Some(RelaysTask::Remove { address }) => {
            let done: Done = asked.client.delete(&["relays"], &[("address", &address)]).await?;
            asked.say(&done, &format!("Removed {}.", output::plain(&address)))
        }
    }
}

async fn list(asked: &Asked) -> anyhow::Result<()> {
    let relays: Page<Relay> = asked.client.get(&["relays"], &[]).await?;
    if asked.json {
        return output::json(&relays);
    }
    if relays.items.is_empty() {
        return Ok(output::line(
            "No relay. Machines are found on this network only. `landline relays add URL` adds one.",
        )?);
    }
    let mut rows = vec![["ADDRESS", "STATE", ""].map(str::to_owned)];
    for relay in &relays.items {
        let (state, error) = match relay.state {
            RelayState::Connected => ("connected", None),
            RelayState::Connecting => ("connecting", None),
            RelayState::Failed => ("failed", relay.error.as_ref()),
        };
        let words = [error.map(|error| output::plain(&error.message)), relay.limits.as_ref().map(allowed)];
        let words: Vec<String> = words.into_iter().flatten().collect();
        rows.push([output::plain(&relay.address), state.to_owned(), words.join(" ")]);
    }
    Ok(output::line(&output::table(&rows))?)
}

/// What a relay allows.
fn allowed(RelayLimits { items, bytes, kept_seconds, files }: &RelayLimits) -> String {
    let items = format!("Keeps up to {items} items, {}, for {}", size(*bytes), span(*kept_seconds));
    match files {
        None => format!("{items}; takes no files."),
        Some(files) => format!(
            "{items}; files of up to {} for {}, {} files, {} altogether.",
            size(files.file_bytes),
            span(files.kept_seconds),
            files.count,
            size(files.bytes)
        ),
    }
}

/// A span in the largest unit of which it has two.
fn span(seconds: u64) -> String {
    let units = [("days", 86_400), ("hours", 3_600), ("minutes", 60)];
    let found = units.into_iter().find(|(_, length)| seconds >= 2 * length);
    found.map_or_else(|| format!("{seconds} seconds"), |(unit, length)| format!("{} {unit}", seconds / length))
}

#[cfg(test)]
mod tests {
    use node::view::RelayFileLimits;

    use super::*;

    #[test]
    fn what_a_relay_allows_in_words() {
        let files = RelayFileLimits { file_bytes: 500 << 20, count: 1_000, bytes: 2 << 30, kept_seconds: 36 * 3_600 };
        let mut limits = RelayLimits { items: 1_000, bytes: 64 << 20, kept_seconds: 21 * 86_400, files: Some(files) };
        assert_eq!(
            allowed(&limits),
            "Keeps up to 1000 items, 64 MiB, for 21 days; files of up to 500 MiB for 36 hours, 1000 files, 2048 MiB altogether."
        );
        (limits.files, limits.kept_seconds) = (None, 119);
        assert_eq!(allowed(&limits), "Keeps up to 1000 items, 64 MiB, for 119 seconds; takes no files.");
    }
}
