//! The programs that are measured. Each prints JSON lines; a receiver runs until its standard input closes.

mod copy;
mod disk;
mod echo;
mod files;
mod floor;
mod history;
mod landline;
mod relay;
mod traffic;

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, Subcommand};
use proto::relay::RelayAddress;
use serde_json::{Value, json};

pub(crate) use self::relay::mailbox::ENVELOPE_BYTES;
pub(crate) use self::traffic::xmpp::{ACCOUNTS as XMPP_ACCOUNTS, DOMAIN as XMPP_DOMAIN};

/// Text of a message, in bytes: what a person writes in a few lines.
pub(crate) const MESSAGE_BYTES: usize = 300;

/// Which program to be.
#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Sends 300 bytes back and forth between two tasks, and reports round trips.
    Echo {
        /// How many round trips.
        #[arg(long)]
        count: usize,
    },
    /// Makes one page durable again and again, and reports how long each took.
    Disk {
        /// Where.
        #[arg(long)]
        dir: PathBuf,
        /// How often.
        #[arg(long)]
        count: usize,
    },
    /// Sends a file by plain TCP from one thread to another, and reports how long it took.
    Copy {
        /// What to send.
        #[arg(long)]
        file: PathBuf,
        /// Where it arrives.
        #[arg(long)]
        to: PathBuf,
    },
    /// The least that does the job: receives, commits, acknowledges.
    FloorReceive(Receive),
    /// The least that does the job: commits, sends, awaits acknowledgements.
    FloorSend(Send),
    /// The least that does the job of a mailbox's visitor: sends, awaits acknowledgements, keeps nothing.
    FloorPut {
        /// Whom to send to.
        #[arg(long)]
        to: SocketAddr,
        /// How long each message is.
        #[arg(long)]
        bytes: usize,
        #[command(flatten)]
        amount: Amount,
    },
    /// The least that does a tunnel's job: writes to one connection what another says.
    FloorPass,
    /// Landline's node: receives.
    LandlineReceive(Host),
    /// Landline's node: sends.
    LandlineSend(Guest),
    /// Landline's node: sends a file.
    LandlineGive(Give),
    /// Landline's node with one long session: opens, pages and searches it.
    LandlineHistory(History),
    /// Landline's node with discovery: reports whom it sees and links with.
    LandlineWatch {
        /// Its profile.
        #[arg(long)]
        dir: PathBuf,
        /// Its name.
        #[arg(long)]
        name: String,
    },
    /// Machines at a relay that do nothing.
    RelayIdle {
        /// The relay's address.
        #[arg(long)]
        relay: RelayAddress,
        /// How many.
        #[arg(long)]
        count: usize,
    },
    /// Leaves envelopes in a mailbox, then takes them out.
    RelayMailbox(AtRelay),
    /// Sends messages through a tunnel.
    PassRelay(AtRelay),
    /// Sends messages through `floor-pass`.
    PassFloor(At),
    /// Sends messages through an MQTT broker.
    PassMqtt(At),
    /// Sends messages through an XMPP server.
    PassXmpp(At),
    /// Sends messages to somebody who is away, whose XMPP server keeps them.
    KeepXmpp(At),
}

/// Clients of a relay.
#[derive(Debug, Args)]
pub(crate) struct AtRelay {
    /// The relay's address.
    #[arg(long)]
    relay: RelayAddress,
    #[command(flatten)]
    amount: Amount,
}

/// Clients of another server.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// Where it listens.
    #[arg(long)]
    to: SocketAddr,
    #[command(flatten)]
    amount: Amount,
}

/// A receiver.
#[derive(Debug, Args)]
pub(crate) struct Receive {
    /// Where it keeps what it receives.
    #[arg(long)]
    dir: PathBuf,
}

/// A node that receives.
#[derive(Debug, Args)]
pub(crate) struct Host {
    #[command(flatten)]
    receive: Receive,
    /// Address of the relay where it is to be reached, and nowhere else.
    #[arg(long)]
    relay: Option<String>,
}

/// Where a node finds the one that it sends to: at an address, or through a relay by an invitation.
#[derive(Debug, Args)]
pub(crate) struct Way {
    /// The other's address.
    #[arg(long, required_unless_present = "relay")]
    to: Option<SocketAddr>,
    /// Address of the relay through which it is reached.
    #[arg(long, requires = "invitation", conflicts_with = "to")]
    relay: Option<String>,
    /// The other's invitation.
    #[arg(long, requires = "relay")]
    invitation: Option<String>,
}

/// A node that sends.
#[derive(Debug, Args)]
pub(crate) struct Guest {
    /// Where it keeps what it sends.
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    amount: Amount,
}

/// How many messages a sender sends.
#[derive(Debug, Args)]
pub(crate) struct Amount {
    /// How many messages.
    #[arg(long)]
    count: usize,
    /// How many may be on their way at once.
    #[arg(long)]
    window: usize,
}

/// A sender.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Where it keeps what it sends.
    #[arg(long)]
    dir: PathBuf,
    /// Whom to send to.
    #[arg(long)]
    to: SocketAddr,
    #[command(flatten)]
    amount: Amount,
}

/// A sender of a file.
#[derive(Debug, Args)]
pub(crate) struct Give {
    /// Its profile.
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    way: Way,
    /// What to send.
    #[arg(long)]
    file: PathBuf,
    /// Whether messages go before and beside it, one by one, and are timed.
    #[arg(long)]
    chat: bool,
}

/// A long session.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// Where its profile is made.
    #[arg(long)]
    dir: PathBuf,
    /// How many messages.
    #[arg(long)]
    count: usize,
}

impl Role {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Echo { count } => echo::run(count),
            Self::Copy { file, to } => copy::run(&file, &to),
            Self::Disk { dir, count } => disk::run(&dir, count),
            Self::FloorReceive(receive) => floor::receive(&receive),
            Self::FloorSend(send) => floor::send(&send),
            Self::FloorPut { to, bytes, amount } => floor::put(to, bytes, &amount),
            Self::FloorPass => traffic::floor::serve(),
            Self::LandlineReceive(host) => landline::receive(&host),
            Self::LandlineSend(guest) => landline::send(&guest),
            Self::LandlineGive(give) => files::give(&give),
            Self::LandlineHistory(history) => history::run(&history),
            Self::LandlineWatch { dir, name } => landline::watch(&dir, &name),
            Self::RelayIdle { relay, count } => relay::idle::run(relay, count),
            Self::RelayMailbox(AtRelay { relay, amount }) => relay::mailbox::run(relay, &amount),
            Self::PassRelay(AtRelay { relay, amount }) => traffic::circuit::run(relay, &amount),
            Self::PassFloor(At { to, amount }) => traffic::floor::run(to, &amount),
            Self::PassMqtt(At { to, amount }) => traffic::mqtt::run(to, &amount),
            Self::PassXmpp(At { to, amount }) => traffic::xmpp::pass(to, &amount),
            Self::KeepXmpp(At { to, amount }) => traffic::xmpp::keep(to, &amount),
        }
    }
}

/// Prints one line.
fn say(value: &Value) {
    println!("{value}");
}

/// Prints what a sender measured: how long each message took, and all of them together.
fn report(each: &[Duration], together: Duration) {
    say(&json!({ "micros": micros(each), "seconds": together.as_secs_f64() }));
}

fn micros(each: &[Duration]) -> Vec<f64> {
    each.iter().map(|time| time.as_secs_f64() * 1e6).collect()
}

/// Waits until whoever started this has had enough.
fn until_input_closes() {
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).ok();
}

/// Runs something again and again and gives how long each time took.
fn timed<E>(count: usize, mut once: impl FnMut() -> Result<(), E>) -> Result<Vec<Duration>, E> {
    (0..count)
        .map(|_| {
            let began = Instant::now();
            once().map(|()| began.elapsed())
        })
        .collect()
}
