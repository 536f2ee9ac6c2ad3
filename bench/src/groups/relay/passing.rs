//! Messages through one tunnel, both clients in one process, beside the least that does the same and beside servers for MQTT
//! and XMPP. Nothing is stored, and nothing confirmed.

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::Bench;
use super::super::delivery::{WINDOW, as_float, per_second};
use super::super::files::Took;
use super::peers::{Beside, Peer};
use super::server::Server;
use crate::figure::{Figure, Goal, Growth, Reference, Report, Samples};
use crate::process::{Process, cpu_seconds};

/// Messages of one round, at three sizes for the exponent.
const SIZES: [usize; 3] = [50_000, 100_000, 200_000];
/// The size at which other servers stand beside.
const COMPARED: usize = 100_000;
/// As many go through the XMPP server, which takes a second for each thousand.
const XMPP_COUNT: usize = 10_000;

/// What a server takes for messages that a client's role sends through it, and how long that lasts.
pub(super) fn driven(role: &[&str], server: &Process, count: usize, window: usize) -> Result<Took> {
    let (amount, window) = (count.to_string(), window.to_string());
    let client = Process::role(&[role, &["--count", &amount, "--window", &window]].concat())?;
    client.wait("passing")?;
    let before = cpu_seconds(server.pid())?;
    let (_, line) = client.wait("passed")?;
    let cpu = cpu_seconds(server.pid())? - before;
    client.end()?;
    Ok(Took { seconds: line.get("passed").and_then(Value::as_f64).context("a time")?, cpu })
}

fn floor(count: usize) -> Result<Took> {
    let server = Process::role(&["floor-pass"])?;
    let (_, ready) = server.wait("ready")?;
    let to = ready.get("listen").and_then(Value::as_str).context("an address")?;
    driven(&["pass-floor", "--to", to], &server, count, WINDOW)
}

pub(super) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let relay = Server::start(bench, true)?;
    let (mut mosquitto, mut prosody) = (Beside::new("Mosquitto"), Beside::new("Prosody"));
    let mut points = Vec::new();
    for count in SIZES {
        let [mut rate, mut seconds, mut cpu] = [(); 3].map(|()| Samples::default());
        let (mut floor_rate, mut floor_cpu) = (Samples::default(), Samples::default());
        for _ in 0..bench.rounds {
            let ours = driven(&["pass-relay", "--relay", &relay.address], &relay.process, count, WINDOW)?;
            rate.push(per_second(count, ours.seconds));
            cpu.push(each_100_000(count, ours.cpu));
            seconds.push(ours.seconds);
            let least = floor(count)?;
            floor_rate.push(per_second(count, least.seconds));
            floor_cpu.push(each_100_000(count, least.cpu));
            if count == COMPARED {
                mosquitto.round(count, || {
                    let peer = Peer::mosquitto(bench)?;
                    driven(&["pass-mqtt", "--to", &peer.address], &peer.process, count, WINDOW)
                });
                prosody.round(XMPP_COUNT, || {
                    let peer = Peer::prosody(bench)?;
                    driven(&["pass-xmpp", "--to", &peer.address], &peer.process, XMPP_COUNT, WINDOW)
                });
            }
        }
        points.push((as_float(count), seconds.median()));
        let passed = |reference, goal| Figure {
            name: format!("passed on, window {WINDOW}, {count} messages"),
            unit: "messages/s",
            samples: rate.clone(),
            reference: Some(reference),
            goal,
        };
        let took = |reference, goal| Figure {
            name: "passed on, the server's processor".to_owned(),
            unit: "s/100,000",
            samples: cpu.clone(),
            reference: Some(reference),
            goal,
        };
        report.figures.push(passed(Reference { name: "floor", samples: floor_rate }, Goal::RatioAtLeast(0.3)));
        if count == COMPARED {
            report.figures.extend(mosquitto.rate().map(|it| passed(it, Goal::None)));
            report.figures.extend(prosody.rate().map(|it| passed(it, Goal::RatioAtLeast(10.0))));
            report.figures.push(took(Reference { name: "floor", samples: floor_cpu }, Goal::None));
            report.figures.extend(mosquitto.cpu().map(|it| took(it, Goal::RatioAtMost(1.0))));
            report.figures.extend(prosody.cpu().map(|it| took(it, Goal::None)));
        }
    }
    report.growth.push(Growth::of("time to pass so many messages on", points));
    mosquitto.note(report);
    prosody.note(report);
    Ok(())
}

/// Seconds for each 100,000 messages.
pub(super) fn each_100_000(count: usize, seconds: f64) -> f64 {
    seconds * 1e5 / as_float(count)
}
