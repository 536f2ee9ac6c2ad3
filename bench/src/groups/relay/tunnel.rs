//! Two nodes that meet through a relay on this machine, beside two that are linked directly.

use anyhow::Result;

use super::super::Bench;
use super::super::delivery::{ONE_BY_ONE, Pair, fresh, micros};
use super::super::files::{each_gib, landline, make, rate};
use super::server::Server;
use crate::figure::{Figure, Goal, Reference, Report, Samples, quantile};
use crate::process::{Process, cpu_seconds};

/// The file that goes through, in MiB.
const MIB: usize = 256;
/// How many round trips by plain TCP a tunnel may add: twice through the relay, there and back.
const ECHOES: f64 = 3.0;

pub(super) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let relay = Server::start(bench, true)?;
    messages(bench, &relay, report)?;
    file(bench, &relay, report)
}

fn messages(bench: &Bench, relay: &Server, report: &mut Report) -> Result<()> {
    let [mut p50, mut p99, mut direct_p50, mut direct_p99, mut echo] = [(); 5].map(|()| Samples::default());
    for _ in 0..bench.rounds {
        let ours = fresh(bench, Pair::Tunnel(&relay.address), ONE_BY_ONE, 1)?.micros;
        let direct = fresh(bench, Pair::Landline, ONE_BY_ONE, 1)?.micros;
        p50.push(quantile(&ours, 0.5));
        p99.push(quantile(&ours, 0.99));
        direct_p50.push(quantile(&direct, 0.5));
        direct_p99.push(quantile(&direct, 0.99));
        echo.push(quantile(&micros(&Process::role(&["echo", "--count", "5000"])?)?, 0.5));
    }
    let goal = Goal::ReferencePlus(ECHOES * echo.median());
    let latency = |name: &str, samples, direct| Figure {
        name: format!("queued → delivered through a relay, {name}"),
        unit: "µs",
        samples,
        reference: Some(Reference { name: "direct", samples: direct }),
        goal,
    };
    report.figures.extend([latency("p50", p50, direct_p50), latency("p99", p99, direct_p99)]);
    Ok(())
}

fn file(bench: &Bench, relay: &Server, report: &mut Report) -> Result<()> {
    let dir = bench.scratch()?;
    let file = dir.path().join("file.bin");
    make(&file, MIB)?;
    let [mut ours, mut direct, mut cpu, mut direct_cpu, mut own_cpu] = [(); 5].map(|()| Samples::default());
    for _ in 0..bench.rounds {
        let before = cpu_seconds(relay.process.pid())?;
        let through = landline(bench, Pair::Tunnel(&relay.address), &file, false)?.took;
        let own = cpu_seconds(relay.process.pid())? - before;
        ours.push(rate(MIB, through.seconds));
        cpu.push(each_gib(MIB, through.cpu + own));
        own_cpu.push(each_gib(MIB, own));
        let beside = landline(bench, Pair::Landline, &file, false)?.took;
        direct.push(rate(MIB, beside.seconds));
        direct_cpu.push(each_gib(MIB, beside.cpu));
    }
    let figure = |what: &str, unit, samples, direct: Option<Samples>, goal| Figure {
        name: format!("a file of {MIB} MiB through a relay{what}"),
        unit,
        samples,
        reference: direct.map(|samples| Reference { name: "direct", samples }),
        goal,
    };
    report.figures.extend([
        figure("", "MB/s", ours, Some(direct), Goal::AtLeast(150.0)),
        figure(", all processors", "s/GiB", cpu, Some(direct_cpu), Goal::None),
        figure(", the relay's part", "s/GiB", own_cpu, None, Goal::None),
    ]);
    Ok(())
}
