//! What programs that run until they are told to end have in common.

use std::io::{self, IsTerminal as _};

#[cfg(unix)]
use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// Logs to standard error what someone who runs a program in the background wants to know, or what `LANDLINE_LOG` says.
pub(crate) fn log_to_stderr() {
    let quiet = || EnvFilter::new("warn,landline_node=info,landline_link=info,landline_api=info,landline_relay=info");
    let filter = EnvFilter::try_from_env("LANDLINE_LOG").unwrap_or_else(|_| quiet());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// What asks a program to end.
pub(crate) struct Ending {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
}

impl Ending {
    /// Listens from now on.
    pub(crate) fn new() -> anyhow::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let listen = |kind| signal(kind).context("cannot listen for signals");
            let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
            let [terminate, interrupt, hangup] = kinds.map(listen);
            Ok(Self { signals: [terminate?, interrupt?, hangup?] })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next time that somebody asks.
    pub(crate) async fn wait(&mut self) {
        #[cfg(unix)]
        {
            let [terminate, interrupt, hangup] = &mut self.signals;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
