//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use api::args::Scope;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::files::TransferOptions;
use crate::marks::{After, MarkOptions};
use crate::messages::MessageTask;
use crate::relays::RelaysTask;
use crate::run_relay::RelayOptions;

/// Chat between machines, without a server.
#[derive(Debug, Parser)]
#[command(name = "landline", version, about, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "S is a session, U a machine, TO either: a session ID, a machine ID, the beginning of one (4 \
                        characters or more), or a name that only one has.")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// Which node, and how to answer.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Directory of the profile
    #[arg(long, value_name = "DIR", env = "LANDLINE_DATA_DIR", global = true, help_heading = "Which node")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Name of the profile, below the usual directory
    #[arg(long, value_name = "NAME", global = true, conflicts_with = "data_dir", help_heading = "Which node")]
    pub(crate) profile: Option<String>,
    /// Where the API is, or is to be: ADDR:PORT
    #[arg(long, value_name = "ADDR:PORT", env = "LANDLINE_API", global = true, help_heading = "Which node")]
    pub(crate) api: Option<ApiAddr>,
    /// Port of the API on this computer, when --api is not given
    #[arg(long, value_name = "PORT", env = "PORT", global = true, hide = true)]
    pub(crate) port: Option<u16>,
    /// Token to use instead of the owner's
    #[arg(
        long,
        value_name = "TOKEN",
        env = "LANDLINE_TOKEN",
        hide_env_values = true,
        global = true,
        help_heading = "Which node"
    )]
    pub(crate) token: Option<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Run a node without a window
    Node(NodeOptions),
    /// Run a relay, at which machines meet that cannot reach each other
    Relay(Box<RelayOptions>),
    /// Show counts and where the node answers
    Status,
    /// List machines
    Peers {
        /// Only those online
        #[arg(long)]
        online: bool,
    },
    /// List sessions
    Sessions,
    /// Show the messages of a session
    History {
        /// The session
        #[arg(value_name = "S")]
        session: String,
        /// How many of the newest messages
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Only older ones: nextBefore of an earlier page, or a message ID
        #[arg(long, value_name = "CURSOR")]
        before: Option<String>,
        /// Those around a day or time: 2026-01-31, or 2026-01-31T08:00:00Z
        #[arg(long, value_name = "TIME", conflicts_with = "before")]
        date: Option<Time>,
        /// With the ID of each message
        #[arg(long)]
        ids: bool,
    },
    /// Look for messages in all sessions
    Search(SearchOptions),
    /// Send a message
    Send {
        /// To whom: a session or a machine
        #[arg(value_name = "TO")]
        to: String,
        /// The text, or - for standard input; not needed beside files
        #[arg(value_name = "TEXT", allow_hyphen_values = true, required_unless_present = "file")]
        text: Option<String>,
        /// A file or folder to send with it, from where it is (may be repeated)
        #[arg(long, value_name = "FILE")]
        file: Vec<PathBuf>,
        /// Send a copy of the files as they are now, so that they need not stay
        #[arg(long, requires = "file")]
        copy: bool,
        /// The message that it answers
        #[arg(long, value_name = "MESSAGE")]
        reply_to: Option<String>,
        /// A machine that it mentions (may be repeated)
        #[arg(long, value_name = "U")]
        mention: Vec<String>,
    },
    #[command(flatten)]
    Message(MessageTask),
    /// List files on their way, or accept, pause, resume and cancel them
    Transfers(TransferOptions),
    /// Write the content of an attachment that is on the node's machine
    Get {
        /// Its ID, as `history` and `transfers` list it
        #[arg(value_name = "ID")]
        id: String,
        /// The file to make, or - for standard output
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Print new messages as they come
    Follow {
        /// Only this session
        #[arg(value_name = "S")]
        session: Option<String>,
        /// Also those sent from this machine
        #[arg(long)]
        own: bool,
    },
    /// Mark a session as read
    Read {
        /// The session
        #[arg(value_name = "S")]
        session: String,
        /// Only up to this message
        #[arg(long, value_name = "MESSAGE")]
        to: Option<String>,
    },
    /// Tell the other side of a session that you write, for 3 seconds
    Typing {
        /// The session
        #[arg(value_name = "S")]
        session: String,
        /// That you stopped
        #[arg(long)]
        stop: bool,
    },
    /// Let new messages of a session disappear on both sides
    Timer {
        /// The session
        #[arg(value_name = "S")]
        session: String,
        /// After how long: 30s, 5m, 12h, 7d, 4w; or off
        #[arg(value_name = "TIME")]
        after: After,
    },
    /// Change what this machine notes of a session
    Set {
        /// The session
        #[arg(value_name = "S")]
        session: String,
        #[command(flatten)]
        marks: MarkOptions,
    },
    /// Tell contacts that you are away
    Away {
        /// That you are back
        #[arg(long)]
        back: bool,
    },
    /// Show the notification centre
    #[command(args_conflicts_with_subcommands = true)]
    Notifications {
        #[command(flatten)]
        list: NotificationList,
        #[command(subcommand)]
        task: Option<NotificationTask>,
    },
    /// Accept a machine that asks for contact
    Accept(User),
    /// Block a machine
    Block(User),
    /// Lift a block
    Unblock(User),
    /// Make a link by which one other machine adds this one, within ten minutes
    Invite,
    /// Add the machine at an address, or of an invitation
    Add {
        /// An invitation, or a host name or address, with a port if it is not the usual one.
        #[arg(value_name = "LINK|ADDR", help = "landline://add/…, HOST, HOST:PORT or [IPv6]:PORT")]
        place: String,
    },
    /// List relays where contacts reach this machine, add and remove them
    Relays {
        #[command(subcommand)]
        task: Option<RelaysTask>,
    },
    /// Show or change the name that others see
    Name {
        /// The new name
        #[arg(value_name = "TEXT")]
        name: Option<String>,
    },
    /// Open the interface in the browser
    Open {
        /// Only print the link, which works once within ten minutes
        #[arg(long)]
        print: bool,
    },
    /// Make, list and revoke tokens for programs
    Token {
        #[command(subcommand)]
        task: TokenTask,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SearchOptions {
    /// Words that all occur, also inside of others; what stands between quotation marks is one
    #[arg(value_name = "WORDS", default_value = "", hide_default_value = true)]
    pub(crate) words: String,
    /// Written by this machine, or by `me`
    #[arg(long, value_name = "U")]
    pub(crate) from: Option<String>,
    /// In this session
    #[arg(long = "in", value_name = "S")]
    pub(crate) session: Option<String>,
    /// Only text alone, only pictures, or only files
    #[arg(long = "type", value_name = "TYPE", value_parser = ["text", "image", "file"])]
    pub(crate) kind: Option<String>,
    /// From this day or time on: 2026-01-31, or 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Time>,
    /// Up to this time; a day alone is its beginning
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Time>,
    /// Only older ones: nextBefore of an earlier page
    #[arg(long, value_name = "CURSOR")]
    pub(crate) before: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct NotificationList {
    /// Only those not read
    #[arg(long)]
    pub(crate) unread: bool,
    /// Only those of this kind
    #[arg(long, value_name = "KIND", value_parser = NOTIFICATION_KINDS)]
    pub(crate) kind: Option<String>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) limit: u32,
    /// Only older ones: nextBefore of an earlier page
    #[arg(long, value_name = "CURSOR")]
    pub(crate) before: Option<String>,
}

const NOTIFICATION_KINDS: [&str; 6] = ["message", "mention", "request", "transfer", "security", "network"];

#[derive(Debug, Subcommand)]
pub(crate) enum NotificationTask {
    /// Mark one as read, or all
    Read {
        /// Its ID, as listed; all when it is left out
        #[arg(value_name = "ID")]
        id: Option<String>,
    },
    /// Take one away
    Delete {
        /// Its ID, as listed
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Take old ones away
    Cleanup {
        /// Older than so many days
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u32,
    },
    /// Count them by kind and by day
    Stats,
    /// Make one
    Add {
        /// A line
        #[arg(value_name = "TITLE")]
        title: String,
        /// A text
        #[arg(value_name = "TEXT", default_value = "", hide_default_value = true)]
        body: String,
        /// What it is about
        #[arg(long, value_name = "KIND", default_value = "message", value_parser = NOTIFICATION_KINDS)]
        kind: String,
        /// The session that it opens
        #[arg(long = "in", value_name = "S")]
        session: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct User {
    /// The machine
    #[arg(value_name = "U")]
    pub(crate) user: String,
}

#[derive(Debug, Args)]
pub(crate) struct NodeOptions {
    /// Name that others see, when the profile is new
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Where other machines reach this one; by default port 4281 of all addresses, or the next free port.
    #[arg(
        help = "Where other machines reach this one [default: [::]:4281, or the next free port]",
        long,
        value_name = "ADDR:PORT"
    )]
    pub(crate) listen: Option<SocketAddr>,
    /// A machine to connect to: HOST:PORT (may be repeated)
    #[arg(long = "peer", value_name = "ADDR:PORT")]
    pub(crate) peers: Vec<String>,
    /// A relay where contacts reach this machine, for this run, by its address (may be repeated)
    #[arg(long = "relay", value_name = "URL")]
    pub(crate) relays: Vec<String>,
    /// Neither announce nor look for machines by multicast DNS
    #[arg(long)]
    pub(crate) no_mdns: bool,
    /// Neither send nor hear the broadcast beacon
    #[arg(long)]
    pub(crate) no_beacon: bool,
    /// Where a new private key goes
    #[arg(long, value_enum, default_value_t = KeyPlace::Keyring)]
    pub(crate) key_store: KeyPlace,
    /// Open the interface in the browser
    #[arg(long)]
    pub(crate) open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyPlace {
    /// The system's key ring; a file where there is none
    Keyring,
    /// A file that only its owner can read
    File,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenTask {
    /// Make a token; it is shown this once
    Create {
        /// What it is for
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What it allows: read, send, admin (comma between)
        #[arg(long, value_name = "SCOPES", value_delimiter = ',', required = true, value_parser = scope)]
        scope: Vec<Scope>,
        /// How long it lives: 90s, 30m, 12h, 7d, 4w
        #[arg(long, value_name = "TIME", default_value = "7d")]
        expires: Life,
    },
    /// List the tokens
    List,
    /// Revoke a token
    Revoke {
        /// Its ID, as listed
        #[arg(value_name = "ID")]
        id: String,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    [Scope::Read, Scope::Send, Scope::Admin]
        .into_iter()
        .find(|scope| scope.name() == text)
        .ok_or_else(|| "a scope is read, send or admin".to_owned())
}

/// Where an API is, as `127.0.0.1:4280` or `http://127.0.0.1:4280`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ApiAddr(pub(crate) SocketAddr);

impl FromStr for ApiAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let bare = match bare.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => bare.to_owned(),
        };
        bare.parse().map(Self).map_err(|_| "an API's address is ADDR:PORT, such as 127.0.0.1:4280".to_owned())
    }
}

/// A time as the API takes it. A day alone is its beginning in UTC, as all times are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) String);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = text.len() == 10
            && text.bytes().enumerate().all(|(place, byte)| match place {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        match (day, text.contains('T')) {
            (true, _) => Ok(Self(format!("{text}T00:00:00Z"))),
            // The node says what is wrong with it.
            (false, true) => Ok(Self(text.to_owned())),
            _ => Err("a time is a day such as 2026-01-31, or 2026-01-31T08:00:00Z".to_owned()),
        }
    }
}

/// How long something lives, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life(pub(crate) u32);

impl FromStr for Life {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a time is a number with s, m, h, d or w, such as 7d".to_owned();
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let seconds: u32 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return Err(wrong()),
        };
        let number: u32 = text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| wrong())?;
        number.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Self).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        <Options as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn lives_are_read() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("4w", 2_419_200)] {
            assert_eq!(text.parse(), Ok(Life(seconds)), "{text}");
        }
        for text in ["", "d", "7", "-1d", "0d", "7y", "99999999w", "1.5h", "7 d"] {
            assert!(text.parse::<Life>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read() {
        assert_eq!("2026-01-31".parse(), Ok(Time("2026-01-31T00:00:00Z".to_owned())));
        assert_eq!("2026-01-31T08:00:00Z".parse(), Ok(Time("2026-01-31T08:00:00Z".to_owned())));
        for text in ["", "today", "2026-1-31", "31.01.2026", "2026/01/31"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_read() {
        for text in ["127.0.0.1:4280", "http://127.0.0.1:4280", "http://127.0.0.1:4280/", "localhost:4280"] {
            assert_eq!(text.parse(), Ok(ApiAddr(SocketAddr::from(([127, 0, 0, 1], 4280)))), "{text}");
        }
        for text in ["", "4280", "example.org:4280", "https://127.0.0.1:4280", "127.0.0.1"] {
            assert!(text.parse::<ApiAddr>().is_err(), "{text}");
        }
    }
}
