//! `landline`: the headless node, and the commands that talk to a running one.

mod client;
mod ending;
mod files;
mod follow;
mod marks;
mod messages;
mod notifications;
mod options;
mod output;
mod relays;
mod run_node;
mod run_relay;
mod search;
mod target;
mod tasks;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::options::{Options, Task};

fn main() -> ExitCode {
    // Wrong usage ends here with 2, as everywhere.
    let Options { place, task } = Options::parse();
    let result = runtime(&task).map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match task {
                Task::Node(options) => run_node::run(&place, options).await,
                Task::Relay(options) => run_relay::run(&place, *options).await,
                task => tasks::run(&place, task).await,
            }
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "landline: {}", output::plain(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn runtime(task: &Task) -> io::Result<tokio::runtime::Runtime> {
    // A client waits for one thing at a time.
    let mut builder = match task {
        Task::Node(_) | Task::Relay(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
