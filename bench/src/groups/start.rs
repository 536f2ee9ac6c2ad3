//! From starting the program to "ready", with ever more messages stored.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use tempfile::TempDir;

use super::Bench;
use super::delivery::{Pair, as_float, converse};
use crate::figure::{Figure, Goal, Growth, Reference, Report, Samples};
use crate::process::{Process, landline};

/// Messages stored.
const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];
/// Messages on their way at once while they are stored.
const WINDOW: usize = 256;

/// `landline node` on a profile, as headless machines run it. Nobody else is to be met.
pub(super) fn node(dir: &Path) -> Result<Process> {
    let mut command = Command::new(landline()?);
    command
        .args(["node", "--json", "--no-mdns", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--data-dir"])
        .arg(dir)
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    Process::start(&mut command, "landline node")
}

/// A folder with so many received messages.
pub(super) fn filled(bench: &Bench, pair: Pair<'_>, count: usize) -> Result<TempDir> {
    let (from, to) = (bench.scratch()?, bench.scratch()?);
    converse(pair, &from.path().to_string_lossy(), &to.path().to_string_lossy(), count, WINDOW)?;
    Ok(to)
}

fn milliseconds(start: impl FnOnce() -> Result<Process>) -> Result<f64> {
    let began = Instant::now();
    let process = start()?;
    let (ready, _) = process.wait("ready")?;
    process.end()?;
    Ok(ready.duration_since(began).as_secs_f64() * 1e3)
}

pub(super) fn measure(bench: &Bench) -> Result<Report> {
    let mut report = Report::default();
    let mut points = Vec::new();
    for count in SIZES {
        let (profile, floor_dir) = (filled(bench, Pair::Landline, count)?, filled(bench, Pair::Floor, count)?);
        let (mut ours, mut floor) = (Samples::default(), Samples::default());
        for _ in 0..bench.rounds {
            ours.push(milliseconds(|| node(profile.path()))?);
            let place = floor_dir.path().to_string_lossy().into_owned();
            floor.push(milliseconds(|| Process::role(&["floor-receive", "--dir", &place]))?);
        }
        points.push((as_float(count), ours.median()));
        report.figures.push(Figure {
            name: format!("node ready with {count} messages stored"),
            unit: "ms",
            samples: ours,
            reference: Some(Reference { name: "floor", samples: floor }),
            goal: Goal::AtMost(50.0),
        });
    }
    report.growth.push(Growth::of("time to ready with messages stored", points));
    Ok(report)
}
