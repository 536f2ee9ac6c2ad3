//! What the relay counts, in Prometheus' text format. Counts only: nothing says who talks to whom.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::files::FileCounts;
use crate::mailboxes::Counts;

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) logins: AtomicU64,
    pub(crate) puts: AtomicU64,
    pub(crate) fetched: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) circuits: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) files: AtomicU64,
    pub(crate) files_given: AtomicU64,
    pub(crate) file_bytes_in: AtomicU64,
    pub(crate) file_bytes_out: AtomicU64,
    passed_messages: AtomicU64,
    passed_bytes: AtomicU64,
}

/// What there is at the moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) connections: u64,
    pub(crate) machines: u64,
    pub(crate) circuits: u64,
    pub(crate) uptime_s: u64,
}

impl Figures {
    /// Something went through a tunnel.
    pub(crate) fn passed_on(&self, bytes: u64) {
        self.passed_messages.fetch_add(1, Ordering::Relaxed);
        self.passed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All of it, as Prometheus reads it. Without `kept` or `files` the store did not answer.
    pub(crate) fn text(&self, now: &Now, kept: Option<Counts>, files: Option<FileCounts>) -> String {
        let mut text = String::new();
        let mut line = |kind: &str, name: &str, help: &str, value: u64| {
            let _ = writeln!(
                text,
                "# HELP landline_relay_{name} {help}\n# TYPE landline_relay_{name} {kind}\nlandline_relay_{name} {value}"
            );
        };
        line("gauge", "connections", "Connections of any kind.", now.connections);
        line("gauge", "machines_online", "Machines that are logged in.", now.machines);
        line("gauge", "circuits", "Tunnels, and tickets for such.", now.circuits);
        if let Some(kept) = kept {
            line("gauge", "mailboxes", "Mailboxes.", kept.mailboxes);
            line("gauge", "items", "Items that wait for their recipients.", kept.items);
            line("gauge", "item_bytes", "Bytes of items that wait, those of strangers not counted.", kept.bytes);
        }
        if let Some(files) = files {
            line("gauge", "files", "Files, those that are not whole included.", files.files);
            line("gauge", "file_bytes", "The room that they take.", files.bytes);
        }
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        line("counter", "logins_total", "Logins.", read(&self.logins));
        line("counter", "puts_total", "Items that were put.", read(&self.puts));
        line("counter", "fetched_total", "Items that were given to their recipients.", read(&self.fetched));
        line(
            "counter",
            "acknowledged_total",
            "Items that were taken away by their recipients.",
            read(&self.acknowledged),
        );
        line("counter", "circuits_total", "Tunnels that were opened.", read(&self.circuits));
        line("counter", "circuit_messages_total", "Messages that went through tunnels.", read(&self.passed_messages));
        line("counter", "circuit_bytes_total", "Bytes that went through tunnels.", read(&self.passed_bytes));
        line("counter", "files_put_total", "Files that were put and are whole.", read(&self.files));
        line("counter", "files_given_total", "Files that were given to their end.", read(&self.files_given));
        line("counter", "file_bytes_in_total", "Bytes of files that were put.", read(&self.file_bytes_in));
        line("counter", "file_bytes_out_total", "Bytes of files that were given.", read(&self.file_bytes_out));
        line("counter", "refused_total", "Requests and logins that were refused.", read(&self.refused));
        line("gauge", "uptime_seconds", "Seconds since start.", now.uptime_s);
        let _ = writeln!(
            text,
            "# HELP landline_relay_build_info The program's version.\n# TYPE landline_relay_build_info gauge\nlandline_relay_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        );
        text
    }
}

/// Counts so many more.
pub(crate) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}
