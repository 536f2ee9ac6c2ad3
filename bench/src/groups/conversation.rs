//! A long conversation in the page: from the click until its newest messages are drawn, and scrolling, in Chromium.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::Bench;
use super::delivery::as_float;
use super::start::node;
use crate::figure::{Figure, Goal, Growth, Reference, Report, Samples, quantile};
use crate::process::Process;

/// Messages in the conversation.
const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];

/// Where the interface and its packages are; `cargo xtask bench` says it.
const UI: &str = "LANDLINE_BENCH_UI";

/// What the page's own clock measured, in milliseconds.
#[derive(Deserialize)]
struct Measured {
    openings: Vec<f64>,
    conversation: Vec<f64>,
    reference: Vec<f64>,
}

pub(super) fn measure(bench: &Bench) -> Result<Report> {
    let ui = std::env::var(UI).with_context(|| format!("{UI} is not set: start this by `cargo xtask bench`"))?;
    let mut report = Report::default();
    let mut points = Vec::new();
    for count in SIZES {
        let dir = bench.scratch()?;
        let place = dir.path().to_string_lossy().into_owned();
        let filling = Process::role(&["landline-history", "--dir", &place, "--count", &count.to_string()])?;
        filling.wait("history")?;
        filling.end()?;
        let node = node(dir.path())?;
        let (_, ready) = node.wait("ready")?;
        let api = ready.get("api").and_then(serde_json::Value::as_str).context("an address")?;
        let (mut openings, mut slow, mut plain) = (Samples::default(), Samples::default(), Samples::default());
        for _ in 0..bench.rounds {
            let result = dir.path().join("measured.json");
            let output = Command::new("npx")
                .args(["vitest", "run", "--config", "vitest.measure.config.ts"])
                .current_dir(&ui)
                .env("LANDLINE_MEASURE_API", api)
                .env("LANDLINE_MEASURE_DIR", dir.path())
                .env("LANDLINE_MEASURE_RESULT", &result)
                .output()
                .context("the page needs Node.js and Chromium to be measured")?;
            if !output.status.success() {
                bail!("the page was not measured: {}", String::from_utf8_lossy(&output.stderr));
            }
            let measured: Measured = serde_json::from_slice(&std::fs::read(&result)?)?;
            openings.push(quantile(&measured.openings, 0.5));
            slow.push(quantile(&measured.conversation, 0.95));
            plain.push(quantile(&measured.reference, 0.95));
        }
        node.end()?;
        points.push((as_float(count), openings.median()));
        report.figures.extend([
            Figure {
                name: format!("from the click to the newest of {count} drawn"),
                unit: "ms",
                samples: openings,
                reference: None,
                goal: Goal::AtMost(50.0),
            },
            Figure {
                name: format!("scrolling through {count}: time of a frame, p95"),
                unit: "ms",
                samples: slow,
                reference: Some(Reference { name: "plain", samples: plain }),
                goal: Goal::None,
            },
        ]);
    }
    report.growth.push(Growth::of("time to open with messages stored", points));
    Ok(report)
}
