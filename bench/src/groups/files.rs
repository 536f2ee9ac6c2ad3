//! A file from one node to another, verified and on disk, beside nginx with TLS and curl; and messages while it runs.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Bench;
use super::delivery::{Pair, as_float};
use crate::figure::{Figure, Goal, Growth, Reference, Report, Samples, quantile};
use crate::private::search_path;
use crate::process::{Process, cpu_seconds, cpu_seconds_of_ended};

/// Sizes in MiB, for the exponent.
const SIZES: [usize; 3] = [64, 256, 1024];
/// The file beside which messages go, in MiB.
const CHAT_MIB: usize = 1024;

/// What a transfer took.
pub(super) struct Took {
    pub(super) seconds: f64,
    /// Processor time of both ends.
    pub(super) cpu: f64,
}

/// A file that no disk or network can make smaller.
pub(super) fn make(path: &Path, mib: usize) -> Result<()> {
    let mut random = File::open("/dev/urandom")?.take(u64::try_from(mib)? << 20);
    io::copy(&mut random, &mut File::create(path)?)?;
    Ok(())
}

/// MB/s of so many MiB.
pub(super) fn rate(mib: usize, seconds: f64) -> f64 {
    as_float(mib) * 1.048_576 / seconds
}

/// Seconds for each GiB, from those for so many MiB.
pub(super) fn each_gib(mib: usize, seconds: f64) -> f64 {
    seconds * 1024.0 / as_float(mib)
}

/// A node that sends, one that receives.
pub(super) struct Nodes {
    pub(super) took: Took,
    hashed: f64,
    said: Value,
}

/// A file from one node to another.
pub(super) fn landline(bench: &Bench, pair: Pair<'_>, file: &Path, chat: bool) -> Result<Nodes> {
    let (from, to) = (bench.scratch()?, bench.scratch()?);
    let receiver = pair.receiver(&to.path().to_string_lossy())?;
    let (dir, path) = (from.path().to_string_lossy().into_owned(), file.to_string_lossy().into_owned());
    let mut words = vec!["landline-give", "--dir", &dir, "--file", &path];
    words.extend(receiver.way());
    if chat {
        words.push("--chat");
    }
    let sender = Process::role(&words)?;
    let (_, hashed) = sender.wait("hashed")?;
    let cpu = || Ok::<_, anyhow::Error>(cpu_seconds(sender.pid())? + cpu_seconds(receiver.process.pid())?);
    let (began, before) = (sender.wait("giving")?.0, cpu()?);
    let ended = receiver.process.wait("received")?.0;
    let took = Took { seconds: ended.duration_since(began).as_secs_f64(), cpu: cpu()? - before };
    let (_, said) = sender.wait("given")?;
    sender.end()?;
    receiver.process.end()?;
    let hashed = hashed.get("hashed").and_then(Value::as_f64).context("a time")?;
    Ok(Nodes { took, hashed, said })
}

/// nginx with TLS 1.3 and AES-256-GCM on a port of loopback, serving one folder.
struct Nginx {
    server: Process,
    address: String,
}

impl Nginx {
    fn start(dir: &Path) -> Result<Self> {
        let place = dir.to_string_lossy();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args([
                "-subj",
                "/CN=localhost",
                "-keyout",
                &format!("{place}/key.pem"),
                "-out",
                &format!("{place}/cert.pem"),
            ])
            .output()
            .context("the reference needs openssl")?;
        if !made.status.success() {
            bail!("openssl made no certificate: {}", String::from_utf8_lossy(&made.stderr));
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {place}/{name};\n"))
            .concat();
        let config = format!(
            "daemon off; worker_processes 1; user root; pid {place}/pid; error_log stderr notice;
             events {{}}
             http {{
                 access_log off; sendfile on; {temporary}
                 server {{
                     listen 127.0.0.1:{port} ssl; root {place};
                     ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem;
                     ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;
                 }}
             }}"
        );
        std::fs::write(dir.join("nginx.conf"), config)?;
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-p", &place, "-c", &format!("{place}/nginx.conf")]).env("PATH", search_path());
        let server = Process::start(&mut command, "nginx").context("the reference needs nginx")?;
        server.wait_for_text("start worker process ")?;
        Ok(Self { server, address: format!("https://127.0.0.1:{port}") })
    }

    fn fetch(&self, name: &str, to: &Path) -> Result<Took> {
        let cpu = || Ok::<_, anyhow::Error>(cpu_seconds(self.server.pid())? + cpu_seconds_of_ended()?);
        let (began, before) = (Instant::now(), cpu()?);
        let status = Command::new("curl")
            .args(["--insecure", "--silent", "--fail", "--output"])
            .arg(to)
            .arg(format!("{}/{name}", self.address))
            .status()
            .context("the reference needs curl")?;
        let took = Took { seconds: began.elapsed().as_secs_f64(), cpu: cpu()? - before };
        if !status.success() {
            bail!("curl: {status}");
        }
        std::fs::remove_file(to)?;
        Ok(took)
    }
}

/// Seconds of the plain copy.
fn copied(file: &Path, to: &Path) -> Result<f64> {
    let process = Process::role(&["copy", "--file", &file.to_string_lossy(), "--to", &to.to_string_lossy()])?;
    let (_, line) = process.wait("copied")?;
    process.end()?;
    std::fs::remove_file(to)?;
    line.get("seconds").and_then(Value::as_f64).context("a time")
}

pub(super) fn measure(bench: &Bench) -> Result<Report> {
    let mut report = Report::default();
    let dir = bench.scratch()?;
    let nginx = Nginx::start(dir.path())?;
    let target = dir.path().join("arrived");
    let mut points = Vec::new();
    for mib in SIZES {
        let name = format!("{mib}.bin");
        let file = dir.path().join(&name);
        make(&file, mib)?;
        let rate = |seconds| rate(mib, seconds);
        let each_gib = |seconds| each_gib(mib, seconds);
        let [mut ours, mut curl, mut plain, mut hashing] = [(); 4].map(|()| Samples::default());
        let [mut cpu, mut curl_cpu, mut seconds] = [(); 3].map(|()| Samples::default());
        for _ in 0..bench.rounds {
            let nodes = landline(bench, Pair::Landline, &file, false)?;
            ours.push(rate(nodes.took.seconds));
            hashing.push(rate(nodes.hashed));
            cpu.push(each_gib(nodes.took.cpu));
            seconds.push(nodes.took.seconds);
            let fetched = nginx.fetch(&name, &target)?;
            curl.push(rate(fetched.seconds));
            curl_cpu.push(each_gib(fetched.cpu));
            plain.push(rate(copied(&file, &target)?));
        }
        std::fs::remove_file(&file)?;
        points.push((as_float(mib), seconds.median()));
        let figure = |what: &str, unit, samples, reference, goal| Figure {
            name: format!("a file of {mib} MiB{what}"),
            unit,
            samples,
            reference,
            goal,
        };
        let reference = |name, samples| Some(Reference { name, samples });
        report.figures.extend([
            figure("", "MB/s", ours.clone(), reference("curl", curl), Goal::RatioAtLeast(0.8)),
            figure(", both processors", "s/GiB", cpu, reference("curl", curl_cpu), Goal::RatioAtMost(1.3)),
            figure("", "MB/s", ours, reference("copy", plain), Goal::None),
            figure(", hashed before", "MB/s", hashing, None, Goal::None),
        ]);
    }
    report.growth.push(Growth::of("time for a file of so many MiB", points));
    report.figures.extend(chat(bench, dir.path())?);
    Ok(report)
}

/// Messages one by one, alone and beside a file.
fn chat(bench: &Bench, dir: &Path) -> Result<Vec<Figure>> {
    let file = dir.join("chat.bin");
    make(&file, CHAT_MIB)?;
    let shares = [("p50", 0.5, Goal::None), ("p99", 0.99, Goal::RatioAtMost(3.0))];
    let mut samples = shares.map(|_| (Samples::default(), Samples::default()));
    for _ in 0..bench.rounds {
        let said = landline(bench, Pair::Landline, &file, true)?.said;
        let times = |key: &str| -> Result<Vec<f64>> {
            let list = said.get(key).and_then(Value::as_array).context("a list of times")?;
            Ok(list.iter().filter_map(Value::as_f64).collect())
        };
        let (alone, beside) = (times("alone")?, times("beside")?);
        for ((_, share, _), (with, without)) in shares.iter().zip(&mut samples) {
            with.push(quantile(&beside, *share));
            without.push(quantile(&alone, *share));
        }
    }
    std::fs::remove_file(&file)?;
    Ok(shares
        .into_iter()
        .zip(samples)
        .map(|((name, _, goal), (with, without))| Figure {
            name: format!("queued → delivered beside a file, {name}"),
            unit: "µs",
            samples: with,
            reference: Some(Reference { name: "alone", samples: without }),
            goal,
        })
        .collect())
}
