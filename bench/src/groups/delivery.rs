//! From the call that sends to the change that says "delivered", durable on both disks.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Bench;
use crate::figure::{Figure, Goal, Growth, Reference, Report, Samples, quantile};
use crate::process::Process;

/// Messages of one latency round: enough for a 99th percentile.
pub(super) const ONE_BY_ONE: usize = 1_000;
/// Messages on their way at once when throughput is measured, as in the figures of the peers.
pub(super) const WINDOW: usize = 256;
/// Messages of one throughput round, at three sizes for the exponent.
const SIZES: [usize; 3] = [5_000, 10_000, 20_000];

/// Who sends and receives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pair<'a> {
    Landline,
    /// Landline, through a relay at this address.
    Tunnel(&'a str),
    Floor,
}

impl Pair<'_> {
    fn sender(self) -> &'static str {
        match self {
            Self::Landline | Self::Tunnel(_) => "landline-send",
            Self::Floor => "floor-send",
        }
    }

    /// Starts a receiver with this folder.
    pub(super) fn receiver(self, dir: &str) -> Result<Receiver> {
        let process = match self {
            Self::Landline => Process::role(&["landline-receive", "--dir", dir])?,
            Self::Tunnel(relay) => Process::role(&["landline-receive", "--dir", dir, "--relay", relay])?,
            Self::Floor => Process::role(&["floor-receive", "--dir", dir])?,
        };
        let (_, ready) = process.wait("ready")?;
        let said = |key| ready.get(key).and_then(Value::as_str).context("a way to the receiver");
        let way = match self {
            Self::Tunnel(relay) => vec!["--relay", relay, "--invitation", said("invitation")?],
            Self::Landline | Self::Floor => vec!["--to", said("listen")?],
        };
        let way = way.into_iter().map(str::to_owned).collect();
        Ok(Receiver { process, way })
    }
}

/// A running receiver.
pub(super) struct Receiver {
    pub(super) process: Process,
    way: Vec<String>,
}

impl Receiver {
    /// The words that tell a sender where it is.
    pub(super) fn way(&self) -> impl Iterator<Item = &str> {
        self.way.iter().map(String::as_str)
    }
}

/// What a sender reported.
pub(super) struct Sent {
    pub(super) micros: Vec<f64>,
    seconds: f64,
}

/// The times that a program reports.
pub(super) fn micros(process: &Process) -> Result<Vec<f64>> {
    let (_, line) = process.wait("micros")?;
    let list = line.get("micros").and_then(Value::as_array).context("a list of times")?;
    Ok(list.iter().filter_map(Value::as_f64).collect())
}

/// Sends messages from one folder to another.
pub(super) fn converse(pair: Pair<'_>, from: &str, to: &str, count: usize, window: usize) -> Result<Sent> {
    let receiver = pair.receiver(to)?;
    let (count, window) = (count.to_string(), window.to_string());
    let mut words = vec![pair.sender(), "--dir", from, "--count", &count, "--window", &window];
    words.extend(receiver.way());
    let sender = Process::role(&words)?;
    let (_, line) = sender.wait("micros")?;
    let list = line.get("micros").and_then(Value::as_array).context("a list of times")?;
    let sent = Sent {
        micros: list.iter().filter_map(Value::as_f64).collect(),
        seconds: line.get("seconds").and_then(Value::as_f64).context("a time")?,
    };
    sender.end()?;
    receiver.process.end()?;
    Ok(sent)
}

/// The same in two folders that were empty.
pub(super) fn fresh(bench: &Bench, pair: Pair<'_>, count: usize, window: usize) -> Result<Sent> {
    let (from, to) = (bench.scratch()?, bench.scratch()?);
    converse(pair, &from.path().to_string_lossy(), &to.path().to_string_lossy(), count, window)
}

pub(super) fn measure(bench: &Bench) -> Result<Report> {
    let mut report = Report::default();
    let [mut p50, mut p99, mut floor_p50, mut floor_p99] = [(); 4].map(|()| Samples::default());
    for _ in 0..bench.rounds {
        let ours = fresh(bench, Pair::Landline, ONE_BY_ONE, 1)?.micros;
        let floor = fresh(bench, Pair::Floor, ONE_BY_ONE, 1)?.micros;
        p50.push(quantile(&ours, 0.5));
        p99.push(quantile(&ours, 0.99));
        floor_p50.push(quantile(&floor, 0.5));
        floor_p99.push(quantile(&floor, 0.99));
    }
    let latency = |name: &str, samples, reference, goal| Figure {
        name: name.to_owned(),
        unit: "µs",
        samples,
        reference: Some(Reference { name: "floor", samples: reference }),
        goal,
    };
    report.figures.push(latency("queued → delivered, p50", p50, floor_p50, Goal::RatioAtMost(1.3)));
    report.figures.push(latency("queued → delivered, p99", p99, floor_p99, Goal::RatioAtMost(2.0)));

    let mut points = Vec::new();
    for count in SIZES {
        let (mut ours, mut floor, mut seconds) = (Samples::default(), Samples::default(), Samples::default());
        for _ in 0..bench.rounds {
            let sent = fresh(bench, Pair::Landline, count, WINDOW)?;
            ours.push(per_second(count, sent.seconds));
            seconds.push(sent.seconds);
            floor.push(per_second(count, fresh(bench, Pair::Floor, count, WINDOW)?.seconds));
        }
        points.push((as_float(count), seconds.median()));
        report.figures.push(Figure {
            name: format!("one pair, window {WINDOW}, {count} messages"),
            unit: "messages/s",
            samples: ours,
            reference: Some(Reference { name: "floor", samples: floor }),
            goal: Goal::RatioAtLeast(0.4),
        });
    }
    report.growth.push(Growth::of("time for so many messages", points));
    Ok(report)
}

/// A rate.
pub(super) fn per_second(count: usize, seconds: f64) -> f64 {
    as_float(count) / seconds
}

/// A count as a size for the exponent.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(super) fn as_float(count: usize) -> f64 {
    count as f64
}
