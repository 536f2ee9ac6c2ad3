//! Memory of a node that runs and does nothing, as the share that is its own (PSS).

use anyhow::Result;

use super::Bench;
use super::delivery::{Pair, as_float};
use super::start::{filled, node};
use crate::figure::{Figure, Goal, Growth, Reference, Report, Samples};
use crate::process::{Process, settled_megabytes};

/// Messages stored.
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

pub(super) fn measure(bench: &Bench) -> Result<Report> {
    let mut report = Report::default();
    let mut points = Vec::new();
    for count in SIZES {
        let (profile, floor_dir) = (filled(bench, Pair::Landline, count)?, filled(bench, Pair::Floor, count)?);
        let (mut ours, mut floor) = (Samples::default(), Samples::default());
        for _ in 0..bench.rounds {
            let process = node(profile.path())?;
            process.wait("ready")?;
            ours.push(settled_megabytes(process.pid())?);
            process.end()?;
            let process = Process::role(&["floor-receive", "--dir", &floor_dir.path().to_string_lossy()])?;
            process.wait("ready")?;
            floor.push(settled_megabytes(process.pid())?);
            process.end()?;
        }
        points.push((as_float(count), ours.median()));
        report.figures.push(Figure {
            name: format!("headless node, idle, {count} messages stored"),
            unit: "MB",
            samples: ours,
            reference: Some(Reference { name: "floor", samples: floor }),
            goal: Goal::AtMost(15.0),
        });
    }
    report.growth.push(Growth::of("memory with messages stored", points));
    Ok(report)
}
