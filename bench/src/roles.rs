//! The programs that are measured. Each prints JSON lines; a receiver runs until its standard input closes.

mod copy;
mod disk;
mod echo;
mod files;
mod floor;
mod history;
mod landline;

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

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
    /// Landline's node: receives.
    LandlineReceive(Receive),
    /// Landline's node: sends.
    LandlineSend(Send),
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
}

/// A receiver.
#[derive(Debug, Args)]
pub(crate) struct Receive {
    /// Where it keeps what it receives.
    #[arg(long)]
    dir: PathBuf,
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
    /// How many messages.
    #[arg(long)]
    count: usize,
    /// How many may be on their way at once.
    #[arg(long)]
    window: usize,
}

/// A sender of a file.
#[derive(Debug, Args)]
pub(crate) struct Give {
    /// Its profile.
    #[arg(long)]
    dir: PathBuf,
    /// Whom to send to.
    #[arg(long)]
    to: SocketAddr,
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
            Self::LandlineReceive(receive) => landline::receive(&receive),
            Self::LandlineSend(send) => landline::send(&send),
            Self::LandlineGive(give) => files::give(&give),
            Self::LandlineHistory(history) => history::run(&history),
            Self::LandlineWatch { dir, name } => landline::watch(&dir, &name),
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
