//! What a machine costs the relay that is logged in and says nothing: what the memory of the relay's process grows by from a
//! few clients to many. What the kernel keeps for a connection is not in it.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::super::Bench;
use super::super::delivery::as_float;
use super::server::Server;
use crate::figure::{Figure, Goal, Growth, Report, Samples};
use crate::process::{Process, settled_megabytes};

/// Clients that are there before anything is counted: with the first come the code that serves them, and the database's
/// caches.
const FIRST: usize = 100;
/// Clients, at three sizes for the exponent.
const SIZES: [usize; 3] = [1_000, 5_000, 10_000];
/// The most that are tried, where the system lets one program have as many connections.
const MOST: usize = 20_000;
/// Descriptors that the relay needs for other things than clients.
const OTHERS: usize = 100;
/// Clients of one process: each takes a descriptor there, too.
const EACH: usize = 5_000;

pub(super) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    for (plain, name, goal) in [(true, "plain", 6.0), (false, "TLS", 14.0)] {
        let mut sizes = Vec::new();
        let mut kib: Vec<Samples> = Vec::new();
        for _ in 0..bench.rounds {
            let relay = Server::start(bench, plain)?;
            sizes = sizes_for(&relay)?;
            kib.resize_with(sizes.len(), Samples::default);
            for (growth, samples) in grown(&relay, &sizes)?.into_iter().zip(&mut kib) {
                samples.push(growth);
            }
        }
        let points = sizes.iter().zip(&kib).map(|(size, each)| (as_float(*size), each.median())).collect();
        report.growth.push(Growth::of(format!("KiB of an idle client of so many, {name},"), points));
        for (size, samples) in sizes.into_iter().zip(kib) {
            report.figures.push(Figure {
                name: format!("idle client, {name}, of {size}"),
                unit: "KiB",
                samples,
                reference: None,
                goal: Goal::AtMost(goal),
            });
        }
    }
    Ok(())
}

/// The sizes that this system lets the relay have, and the most that it does.
fn sizes_for(relay: &Server) -> Result<Vec<usize>> {
    let limits = fs::read_to_string(format!("/proc/{}/limits", relay.process.pid()))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("a limit of open files")?;
    // What is no number is "unlimited".
    let allowed = line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(usize::MAX);
    let most = allowed.saturating_sub(OTHERS).min(MOST);
    ensure!(most > FIRST, "the system lets a program open {allowed} files only");
    Ok(SIZES.into_iter().filter(|size| *size < most).chain([most]).collect())
}

/// KiB for each further client at each of these sizes, one after the other.
fn grown(relay: &Server, sizes: &[usize]) -> Result<Vec<f64>> {
    let mut crowd = Crowd { relay, clients: Vec::new(), connected: 0 };
    let first = crowd.grow(FIRST)?;
    let each = |size: &usize| Ok((crowd.grow(*size)? - first) * 1e6 / 1024.0 / as_float(size - FIRST));
    let each = sizes.iter().map(each).collect::<Result<_>>()?;
    for client in crowd.clients {
        client.end()?;
    }
    Ok(each)
}

/// Clients of a relay, in several processes.
struct Crowd<'a> {
    relay: &'a Server,
    clients: Vec<Process>,
    connected: usize,
}

impl Crowd<'_> {
    /// Lets more come until there are so many: the relay's memory then, in MB.
    fn grow(&mut self, size: usize) -> Result<f64> {
        let pid = self.relay.process.pid();
        while self.connected < size {
            let more = (size - self.connected).min(EACH);
            let client = Process::role(&["relay-idle", "--relay", &self.relay.address, "--count", &more.to_string()])?;
            client.wait("connected")?;
            self.clients.push(client);
            self.connected += more;
        }
        let memory = settled_megabytes(pid)?;
        // Each is a descriptor; those that are gone would make the others cheap.
        let open = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        ensure!(open >= size, "of {size} clients at most {open} are still there");
        Ok(memory)
    }
}
