//! `landline relays`: where this machine is to be reached when it is elsewhere.

use api::args::AddRelayArgs;
use api::results::Done;
use clap::Subcommand;
use node::view::{Page, Relay, RelayState};

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
        let words = error.map(|error| output::plain(&error.message)).unwrap_or_default();
        rows.push([output::plain(&relay.address), state.to_owned(), words]);
    }
    Ok(output::line(&output::table(&rows))?)
}
