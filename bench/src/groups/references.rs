//! The references by themselves: they tell in which phase this machine and its disk are.

use anyhow::Result;

use super::Bench;
use super::delivery::micros;
use crate::figure::{Figure, Goal, Report, Samples, quantile};
use crate::process::Process;

pub(super) fn measure(bench: &Bench) -> Result<Report> {
    let (mut echo, mut disk) = (Samples::default(), Samples::default());
    for _ in 0..bench.rounds {
        echo.push(quantile(&micros(&Process::role(&["echo", "--count", "5000"])?)?, 0.5));
        let dir = bench.scratch()?;
        let place = dir.path().to_string_lossy();
        disk.push(quantile(&micros(&Process::role(&["disk", "--count", "300", "--dir", &place])?)?, 0.5));
    }
    let figure =
        |name: &str, samples| Figure { name: name.to_owned(), unit: "µs", samples, reference: None, goal: Goal::None };
    Ok(Report {
        figures: vec![
            figure("echo: 300 bytes there and back by TCP", echo),
            figure("disk: one page by fdatasync", disk),
        ],
        ..Report::default()
    })
}
