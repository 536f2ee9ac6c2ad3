//! Runs the targets; see the library.

#![allow(clippy::print_stdout, reason = "a program for the command line")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use landline_fuzz::mutate::{Random, mutate};
use landline_fuzz::{TARGETS, Target, corpus};

/// Longest time that one input may take. The limit of 1 MiB a frame makes honest ones take milliseconds.
const SLOW: Duration = Duration::from_secs(2);
/// How many inputs run between two looks at the clock.
const BATCH: u64 = 64;
/// Compiler flags that add libFuzzer's coverage counters; all of them are stable.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// Feeds hostile bytes to every decoder of the protocol.
#[derive(Debug, Parser)]
struct Options {
    /// Seconds for each target.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Only this target; may be given several times.
    #[arg(long)]
    target: Vec<String>,
    /// Where the sequence of inputs begins: the same number makes the same inputs.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Build with coverage counters (stable compiler, a C++ compiler) and let libFuzzer look for inputs that reach new
    /// code. They join the corpus.
    #[arg(long)]
    guided: bool,
    /// Run one file through the target instead.
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
    /// Name the targets.
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let targets = chosen(&options.target)?;
    if options.list {
        targets.iter().for_each(|target| println!("{}", target.name));
        return Ok(ExitCode::SUCCESS);
    }
    if options.guided {
        return guided(&targets, options.seconds);
    }
    if let Some(path) = &options.input {
        let input = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        targets.iter().for_each(|target| (target.run)(&input));
        return Ok(ExitCode::SUCCESS);
    }
    let time = Duration::from_secs(options.seconds);
    // Targets share the processors evenly, each on a thread of its own.
    let queue = Mutex::new(targets.iter());
    let work = || {
        let mut failed = false;
        loop {
            let next = queue.lock().map_or(None, |mut queue| queue.next());
            let Some(target) = next else { return Ok::<bool, anyhow::Error>(failed) };
            failed |= fuzz(target, time, options.seed)?;
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let outcomes = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |thread: ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|_| bail!("a thread ended early"));
        running.into_iter().map(join).collect::<Vec<_>>()
    });
    let mut failed = false;
    for outcome in outcomes {
        failed |= outcome?;
    }
    Ok(ExitCode::from(u8::from(failed)))
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<Target>> {
    if names.is_empty() {
        return Ok(TARGETS.to_vec());
    }
    let find = |name: &String| {
        let found = TARGETS.iter().find(|target| target.name == name);
        found.copied().with_context(|| format!("no target is called {name}; --list names them"))
    };
    names.iter().map(find).collect()
}

/// Runs one target, first with what is kept, then with mutations of it. Gives whether it failed.
fn fuzz(target: &Target, time: Duration, seed: u64) -> anyhow::Result<bool> {
    let inputs = corpus::load(target)?;
    ensure!(!inputs.is_empty(), "{} has no seeds", target.name);
    let mut random = Random::new(seed);
    let (begun, mut count) = (Instant::now(), 0u64);
    for input in &inputs {
        count += 1;
        if fails(target, input)? {
            return Ok(true);
        }
    }
    while begun.elapsed() < time {
        for _ in 0..BATCH {
            let (Some(input), Some(other)) = (random.pick(&inputs), random.pick(&inputs)) else { continue };
            let (input, other) = (input.clone(), other.clone());
            let input = mutate(&mut random, &input, &other);
            count += 1;
            if fails(target, &input)? {
                return Ok(true);
            }
        }
    }
    println!("{:<20} {count:>10} executions, {} kept inputs: held", target.name, inputs.len());
    Ok(false)
}

/// Runs one input, and saves it when it fails.
fn fails(target: &Target, input: &[u8]) -> anyhow::Result<bool> {
    let begun = Instant::now();
    let panicked = catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err();
    let slow = begun.elapsed() > SLOW;
    if panicked || slow {
        let path = corpus::save_failure(target, input)?;
        let what = if panicked { "panicked" } else { "took too long" };
        println!("{:<20} {what}: input of {} bytes saved as {}", target.name, input.len(), path.display());
    }
    Ok(panicked || slow)
}

/// Builds `fuzz/guided` with coverage counters and runs libFuzzer on each target.
fn guided(targets: &[Target], seconds: u64) -> anyhow::Result<ExitCode> {
    let manifest = corpus::home().join("guided").join("Cargo.toml");
    let folder = corpus::home().join("guided").join("target");
    // The counters must not be in build scripts, which is why a target is named.
    let host = host()?;
    let built = Command::new("cargo")
        .args(["build", "--release", "--locked", "--target", &host, "--manifest-path"])
        .arg(&manifest)
        .env("CARGO_TARGET_DIR", &folder)
        .env("RUSTFLAGS", COVERAGE)
        .status()
        .context("start cargo")?;
    ensure!(built.success(), "fuzz/guided does not build; it needs a C++ compiler");
    let program = folder.join(&host).join("release").join("guided");
    let mut failed = false;
    for target in targets {
        let held = look_for_new_inputs(&program, &folder, target, seconds)?;
        println!("{:<20} {}", target.name, if held { "held" } else { "failed: see fuzz/failures" });
        failed |= !held;
    }
    Ok(ExitCode::from(u8::from(failed)))
}

/// Lets libFuzzer work in a folder of its own, then takes over into the corpus what reaches code that nothing in it
/// reached. Gives whether the target held.
fn look_for_new_inputs(program: &Path, work: &Path, target: &Target, seconds: u64) -> anyhow::Result<bool> {
    let (found, seeds) = (work.join("found").join(target.name), work.join("seeds").join(target.name));
    let (kept, failures) = (corpus::folder(target), corpus::home().join("failures"));
    for folder in [&found, &seeds, &kept, &failures] {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    for (number, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(seeds.join(number.to_string()), seed).context("write the seeds")?;
    }
    let fuzzer = |args: &[&str], folders: &[&Path]| {
        Command::new(program)
            .args(args)
            .args(["-max_len=6000", "-verbosity=0"])
            .arg(format!("-artifact_prefix={}/{}-", failures.display(), target.name))
            .args(folders)
            .env("LANDLINE_FUZZ_TARGET", target.name)
            .status()
            .with_context(|| format!("start {}", program.display()))
    };
    let time = format!("-max_total_time={seconds}");
    let held = fuzzer(&[&time, "-print_final_stats=1"], &[&found, &kept, &seeds])?.success();
    // By lines of code reached, not by how often, which would keep ten times as many files.
    fuzzer(&["-merge=1", "-use_counters=0"], &[&kept, &seeds, &found])?;
    Ok(held)
}

/// The triple of this machine.
fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not name its host")
}
