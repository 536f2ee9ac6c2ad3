//! What a relay does: a tunnel beside the direct link, mailboxes, machines that only wait, and messages passed on beside
//! servers that do the same with other protocols.

mod idle;
mod mailbox;
mod passing;
mod peers;
mod server;
mod tunnel;

use anyhow::Result;

use super::Bench;
use crate::figure::Report;

/// One subject of this group.
type Part = fn(&Bench, &mut Report) -> Result<()>;

pub(super) fn measure(bench: &Bench) -> Result<Report> {
    let parts: [(&str, Part); 4] = [
        ("a tunnel", tunnel::measure),
        ("a mailbox", mailbox::measure),
        ("idle clients", idle::measure),
        ("passing on", passing::measure),
    ];
    let mut report = Report::default();
    for (name, part) in parts {
        if let Err(error) = part(bench, &mut report) {
            report.notes.push(format!("{name} could not be measured: {error:#}"));
        }
    }
    Ok(report)
}
