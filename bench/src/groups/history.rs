//! A long session: opening it, paging, jumping and searching, with ever more messages.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Bench;
use super::delivery::as_float;
use crate::figure::{Figure, Goal, Growth, Report, Samples};
use crate::process::Process;

/// Messages in the session.
const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

/// What a page and a search may cost, in milliseconds.
const PAGE_MS: f64 = 5.0;
const SEARCH_MS: f64 = 10.0;

pub(super) fn measure(bench: &Bench) -> Result<Report> {
    let mut report = Report::default();
    let mut growth: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for count in SIZES {
        let dir = bench.scratch()?;
        let place = dir.path().to_string_lossy().into_owned();
        let process = Process::role(&["landline-history", "--dir", &place, "--count", &count.to_string()])?;
        let (_, line) = process.wait("history")?;
        process.end()?;
        let measured = line.get("history").and_then(Value::as_object).context("figures")?;
        for (name, times) in measured {
            let mut samples = Samples::default();
            times.as_array().context("times")?.iter().filter_map(Value::as_f64).for_each(|time| samples.push(time));
            let median = samples.median();
            let goal = if name.starts_with("search") { SEARCH_MS } else { PAGE_MS };
            report.figures.push(Figure {
                name: format!("{name} ({count} messages)"),
                unit: "ms",
                samples,
                reference: None,
                goal: Goal::AtMost(goal),
            });
            match growth.iter_mut().find(|(known, _)| known == name) {
                Some((_, points)) => points.push((as_float(count), median)),
                None => growth.push((name.clone(), vec![(as_float(count), median)])),
            }
        }
        let number = |key: &str| line.get(key).and_then(Value::as_f64).unwrap_or(f64::NAN);
        report.notes.push(format!(
            "{count} messages: filled in {:.1} s, indexed in {:.1} s; database {:.0} MB, search index {:.0} MB",
            number("filledSeconds"),
            number("indexedSeconds"),
            number("databaseBytes") / 1e6,
            number("indexBytes") / 1e6,
        ));
    }
    report.growth = growth.into_iter().map(|(name, points)| Growth::of(name, points)).collect();
    Ok(report)
}
