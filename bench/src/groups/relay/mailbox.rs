//! Envelopes left in a mailbox and taken out of it, each durable when it is confirmed, beside the floor that takes as many
//! bytes; and beside an XMPP server that keeps messages for who is away.

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::Bench;
use super::super::delivery::{as_float, per_second};
use super::passing::driven;
use super::peers::{Beside, Peer};
use super::server::Server;
use crate::figure::{Figure, Goal, Growth, Reference, Report, Samples};
use crate::process::Process;
use crate::roles::ENVELOPE_BYTES;

/// Envelopes of one round, at three sizes for the exponent.
const SIZES: [usize; 3] = [5_000, 10_000, 20_000];
/// Envelopes that are on their way at once.
const WINDOW: usize = 64;
/// Messages that the XMPP server keeps in one round, beside the smallest size: it is asked after each 32, and keeps 10,000.
const XMPP_COUNT: usize = 3_200;
const XMPP_BESIDE: usize = 5_000;

/// Seconds to put, and to fetch and acknowledge.
fn ours(bench: &Bench, count: usize) -> Result<(f64, f64)> {
    let relay = Server::start(bench, true)?;
    let (amount, window) = (count.to_string(), WINDOW.to_string());
    let words = ["relay-mailbox", "--relay", &relay.address, "--count", &amount, "--window", &window];
    let client = Process::role(&words)?;
    let seconds = |key| client.wait(key)?.1.get(key).and_then(Value::as_f64).context("a time");
    let took = (seconds("put")?, seconds("fetched")?);
    client.end()?;
    relay.process.end()?;
    Ok(took)
}

/// Seconds that the floor takes for the same bytes.
fn floor(bench: &Bench, count: usize) -> Result<f64> {
    let dir = bench.scratch()?;
    let receiver = Process::role(&["floor-receive", "--dir", &dir.path().to_string_lossy()])?;
    let (_, ready) = receiver.wait("ready")?;
    let to = ready.get("listen").and_then(Value::as_str).context("an address")?;
    let [bytes, amount, window] = [ENVELOPE_BYTES, count, WINDOW].map(|number| number.to_string());
    let words = ["floor-put", "--to", to, "--bytes", &bytes, "--count", &amount, "--window", &window];
    let sender = Process::role(&words)?;
    let (_, line) = sender.wait("seconds")?;
    sender.end()?;
    receiver.end()?;
    line.get("seconds").and_then(Value::as_f64).context("a time")
}

pub(super) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let (mut put_points, mut fetch_points) = (Vec::new(), Vec::new());
    let mut prosody = Beside::new("Prosody");
    for count in SIZES {
        let [mut puts, mut fetches, mut floors] = [(); 3].map(|()| Samples::default());
        let [mut put_seconds, mut fetch_seconds] = [(); 2].map(|()| Samples::default());
        for _ in 0..bench.rounds {
            let (put, fetched) = ours(bench, count)?;
            puts.push(per_second(count, put));
            fetches.push(per_second(count, fetched));
            put_seconds.push(put);
            fetch_seconds.push(fetched);
            floors.push(per_second(count, floor(bench, count)?));
            if count == XMPP_BESIDE {
                prosody.round(XMPP_COUNT, || {
                    let peer = Peer::prosody(bench)?;
                    driven(&["keep-xmpp", "--to", &peer.address], &peer.process, XMPP_COUNT, WINDOW)
                });
            }
        }
        put_points.push((as_float(count), put_seconds.median()));
        fetch_points.push((as_float(count), fetch_seconds.median()));
        let figure = |what: &str, samples: &Samples, reference, goal| Figure {
            name: format!("{what}, {count} envelopes"),
            unit: "envelopes/s",
            samples: samples.clone(),
            reference: Some(reference),
            goal,
        };
        let floor = || Reference { name: "floor", samples: floors.clone() };
        report.figures.push(figure("put into a mailbox", &puts, floor(), Goal::RatioAtLeast(0.3)));
        report.figures.push(figure("fetched and acknowledged", &fetches, floor(), Goal::RatioAtLeast(0.3)));
        if count == XMPP_BESIDE {
            report
                .figures
                .extend(prosody.rate().map(|kept| figure("put into a mailbox", &puts, kept, Goal::RatioAtLeast(10.0))));
        }
    }
    report.growth.push(Growth::of("time to put so many envelopes", put_points));
    report.growth.push(Growth::of("time to fetch and acknowledge so many", fetch_points));
    prosody.note(report);
    Ok(())
}
