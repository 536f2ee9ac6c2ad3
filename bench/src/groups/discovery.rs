//! How soon machines find each other. Each is a process of its own, all in one network of their own.

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use super::Bench;
use super::delivery::as_float;
use crate::figure::{Figure, Goal, Growth, Report, Samples};
use crate::private;
use crate::process::Process;

/// Machines that start at once, at three sizes for the exponent.
const SIZES: [usize; 3] = [2, 10, 50];

struct Watcher {
    process: Process,
    id: String,
    ready: Instant,
    _dir: TempDir,
}

fn start(bench: &Bench, name: &str) -> Result<(Process, TempDir)> {
    let dir = bench.scratch()?;
    let place = dir.path().to_string_lossy().into_owned();
    Ok((Process::role(&["landline-watch", "--dir", &place, "--name", name])?, dir))
}

fn ready((process, dir): (Process, TempDir)) -> Result<Watcher> {
    let (ready, line) = process.wait("ready")?;
    let id = line.get("id").and_then(Value::as_str).context("a machine ID")?.to_owned();
    Ok(Watcher { process, id, ready, _dir: dir })
}

impl Watcher {
    /// When it reported this about that machine.
    fn reports(&self, event: &str, of: &str) -> Result<Instant> {
        let fits = |line: &Value| line.get(event).and_then(Value::as_str) == Some(of);
        Ok(self.process.wait_for(event, fits)?.0)
    }

    /// When it had reported this about so many others.
    fn reports_all(&self, event: &str, others: usize) -> Result<Instant> {
        let mut last = self.ready;
        for _ in 0..others {
            last = self.process.wait(event)?.0;
        }
        Ok(last)
    }
}

pub(super) fn measure(bench: &Bench) -> Result<Report> {
    let mut report = Report::default();
    if !private::inside() {
        report.notes.push("discovery is measured in a network of its own only, and none can be had here".to_owned());
        return Ok(report);
    }
    let (mut seen, mut linked) = (Samples::default(), Samples::default());
    for _ in 0..bench.rounds {
        let resident = ready(start(bench, "resident")?)?;
        let comer = ready(start(bench, "comer")?)?;
        let milliseconds = |at: Instant| at.saturating_duration_since(comer.ready).as_secs_f64() * 1e3;
        seen.push(milliseconds(resident.reports("seen", &comer.id)?));
        let both = [resident.reports("linked", &comer.id)?, comer.reports("linked", &resident.id)?];
        linked.push(both.map(milliseconds).into_iter().fold(0.0, f64::max));
        comer.process.end()?;
        resident.process.end()?;
    }
    let figure = |name: String, samples, goal| Figure { name, unit: "ms", samples, reference: None, goal };
    report.figures.push(figure("seen by another after start".to_owned(), seen, Goal::AtMost(50.0)));
    report.figures.push(figure("linked, both sides".to_owned(), linked, Goal::AtMost(300.0)));

    let mut points = Vec::new();
    for count in SIZES {
        let mut all = Samples::default();
        for _ in 0..bench.rounds {
            let started: Vec<_> =
                (0..count).map(|number| start(bench, &format!("n{number}"))).collect::<Result<_>>()?;
            let watchers: Vec<_> = started.into_iter().map(ready).collect::<Result<_>>()?;
            let from = watchers.iter().map(|watcher| watcher.ready).max().context("there is at least one")?;
            let mut last = from;
            for watcher in &watchers {
                last = last.max(watcher.reports_all("seen", count - 1)?);
            }
            all.push(last.duration_since(from).as_secs_f64() * 1e3);
            for watcher in watchers {
                watcher.process.end()?;
            }
        }
        points.push((as_float(count), all.median()));
        let goal = if count == 50 { Goal::AtMost(1_500.0) } else { Goal::None };
        report.figures.push(figure(format!("{count} at once: all see all"), all, goal));
    }
    report.growth.push(Growth::of("time until all see all", points));
    Ok(report)
}
