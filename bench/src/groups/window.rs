//! The desktop application beside a window of the same engine that shows nothing, both on a display without a screen.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::Bench;
use crate::figure::{Figure, Goal, Reference, Report, Samples};
use crate::process::{Process, beside, settled_megabytes};

/// What the application logs when its page has loaded its code and listens.
const PAGE_LISTENS: &str = "the page listens";

/// A display of its own.
struct Display {
    _server: Process,
    name: String,
}

impl Display {
    fn start() -> Result<Self> {
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"]);
        let server = Process::start(&mut command, "Xvfb").context("the window needs Xvfb to be measured")?;
        let number = server.first_line()?;
        if number.parse::<u32>().is_err() {
            bail!("Xvfb said: {number}");
        }
        Ok(Self { _server: server, name: format!(":{number}") })
    }
}

/// A program with a window: started, and what is measured of it.
struct Opened {
    milliseconds: f64,
    megabytes: f64,
}

fn open(display: &Display, program: &Path, args: &[&str], home: &Path, ready: &str) -> Result<Opened> {
    let mut command = Command::new(program);
    command
        .args(args)
        .env("DISPLAY", &display.name)
        .env_remove("WAYLAND_DISPLAY")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .env("XDG_DATA_HOME", home.join("share"))
        .env("XDG_CACHE_HOME", home.join("cache"))
        .env("GDK_BACKEND", "x11")
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .env("LANDLINE_LOG", "landline_desktop=debug");
    let began = Instant::now();
    let process = Process::start(&mut command, &program.to_string_lossy())?;
    let at = process.wait_for_text(ready)?;
    let megabytes = settled_megabytes(process.pid())?;
    process.end()?;
    Ok(Opened { milliseconds: at.duration_since(began).as_secs_f64() * 1e3, megabytes })
}

/// The window of the same engine that shows an empty page.
fn empty_window() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name("examples").join(format!("empty_window{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        bail!("{} is missing: start this by `cargo xtask bench`", program.display());
    }
    Ok(program)
}

pub(super) fn measure(bench: &Bench) -> Result<Report> {
    let display = Display::start()?;
    let (landline, empty) = (beside("landline-desktop")?, empty_window()?);
    let home = bench.scratch()?;
    let profile = bench.scratch()?;
    let place = profile.path().to_string_lossy().into_owned();
    let shown = ["--data-dir", &place, "--key-file", "--no-mdns", "--no-beacon", "--listen", "127.0.0.1:0"];
    let hidden: Vec<_> = shown.iter().copied().chain(["--hidden"]).collect();
    let run =
        |program: &Path, args: &[&str], ready: &str, home: &TempDir| open(&display, program, args, home.path(), ready);

    // The first start makes a profile and warms the caches of both.
    run(&landline, &shown, PAGE_LISTENS, &home)?;
    run(&empty, &[], "ready", &home)?;
    let [mut time, mut empty_time, mut memory, mut empty_memory, mut tray] = [(); 5].map(|()| Samples::default());
    for _ in 0..bench.rounds {
        let ours = run(&landline, &shown, PAGE_LISTENS, &home)?;
        let reference = run(&empty, &[], "ready", &home)?;
        time.push(ours.milliseconds);
        memory.push(ours.megabytes);
        empty_time.push(reference.milliseconds);
        empty_memory.push(reference.megabytes);
        tray.push(run(&landline, &hidden, "the node runs", &home)?.megabytes);
    }
    let beside_empty = |samples| Some(Reference { name: "empty", samples });
    Ok(Report {
        figures: vec![
            Figure {
                name: "start until the page is interactive".to_owned(),
                unit: "ms",
                samples: time,
                reference: beside_empty(empty_time),
                goal: Goal::RatioAtMost(1.3),
            },
            Figure {
                name: "whole application, window open".to_owned(),
                unit: "MB",
                samples: memory,
                reference: beside_empty(empty_memory),
                goal: Goal::ReferencePlus(40.0),
            },
            Figure {
                name: "whole application, in the tray".to_owned(),
                unit: "MB",
                samples: tray,
                reference: None,
                goal: Goal::AtMost(60.0),
            },
        ],
        ..Report::default()
    })
}
