//! A network of its own for everything that is measured: nobody's machine sees the nodes, and they see nobody.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Set in the process that runs inside.
const INSIDE: &str = "LANDLINE_BENCH_INSIDE";

/// Whether this process runs in a network of its own.
pub(crate) fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Goes on in a network namespace where one can be had, as root or in a user namespace. Elsewhere this says so, and
/// what needs multicast is not measured.
pub(crate) fn enter() -> Result<()> {
    if inside() {
        // Loopback is down at first, and carries no multicast unless told to.
        for words in ["link set lo up", "link set lo multicast on"] {
            let status = Command::new("ip")
                .args(words.split(' '))
                .env("PATH", search_path())
                .status()
                .context("cannot run ip")?;
            if !status.success() {
                bail!("ip {words} failed");
            }
        }
        return Ok(());
    }
    for way in [&["--net"][..], &["--user", "--map-root-user", "--net"]] {
        let probe = Command::new("unshare").args(way).arg("true").stderr(Stdio::null()).status();
        if probe.is_ok_and(|status| status.success()) {
            let status = Command::new("unshare")
                .args(way)
                .arg("--")
                .arg(std::env::current_exe()?)
                .args(std::env::args_os().skip(1))
                .env(INSIDE, "1")
                .status()?;
            std::process::exit(status.code().unwrap_or(1));
        }
    }
    println!("No network namespaces here: everything runs on loopback, and discovery is not measured.");
    Ok(())
}

/// Where programs are looked for: also where the system's own are, which is not in everybody's `PATH`.
pub(crate) fn search_path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}
