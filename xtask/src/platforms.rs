//! Whether the workspace compiles for Windows and macOS, checked from Linux.
//!
//! Type-checking needs no linker, only Rust's standard library for the target and something that answers when build
//! scripts compile C: a stub that writes empty files. Windows' icon and version are compiled by the real mingw tools.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::sh::{Cmd, has_program};
use crate::tally::Tally;
use crate::workspace::Workspace;

const WINDOWS: &str = "x86_64-pc-windows-gnu";
const MACOS: &str = "aarch64-apple-darwin";
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// `cargo xtask check-platforms`.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tally = check(workspace)?;
    println!("{} checked, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    if tally.failed > 0 {
        bail!("the workspace does not compile for every platform");
    }
    Ok(())
}

/// Checks each target that can be had here.
pub(crate) fn check(workspace: &Workspace) -> Result<Tally> {
    let mut tally = Tally::default();
    for target in [WINDOWS, MACOS] {
        tally += check_target(workspace, target)?;
    }
    Ok(tally)
}

fn check_target(workspace: &Workspace, target: &str) -> Result<Tally> {
    if !cfg!(target_os = "linux") {
        println!("skipped {target}: this check is made from Linux");
        return Ok(Tally::skipped(1));
    }
    if target == WINDOWS && !has_program("x86_64-w64-mingw32-windres") {
        println!("skipped {target}: no mingw tools here (x86_64-w64-mingw32-windres)");
        return Ok(Tally::skipped(1));
    }
    if !installed(target) {
        // Fails without a network, or where Rust does not come from rustup; what counts is whether it is there then.
        Cmd::new("rustup").args(["target", "add", target]).watch().ok();
    }
    if !installed(target) {
        println!("skipped {target}: Rust's standard library for it can't be had (rustup target add {target})");
        return Ok(Tally::skipped(1));
    }
    let (compiler, archiver) = stubs(&workspace.target().join("stubs"))?;
    let name = target.replace('-', "_");
    let cargo = workspace
        .cargo(["check", "--workspace", "--locked", "--quiet", "--target", target])
        .env("RUSTFLAGS", "-D warnings")
        .env(format!("CC_{name}"), &compiler)
        .env(format!("CXX_{name}"), &compiler)
        .env(format!("AR_{name}"), &archiver)
        .limit(LIMIT);
    let output = cargo.watch()?;
    Ok(if output.status.success() { Tally::passed(1) } else { Tally::failed(1) })
}

fn installed(target: &str) -> bool {
    let Some(sysroot) = Cmd::new("rustc").args(["--print", "sysroot"]).ask() else { return false };
    Path::new(sysroot.trim()).join("lib/rustlib").join(target).join("lib").is_dir()
}

/// A compiler and an archiver that only leave empty files where they are told to: nothing is ever linked.
fn stubs(dir: &Path) -> Result<(String, String)> {
    fs::create_dir_all(dir)?;
    let compiler = script(
        &dir.join("cc"),
        "out=\nwhile [ $# -gt 0 ]; do\n  case \"$1\" in\n    -o) out=$2; shift ;;\n    -E) exec cc \"$@\" ;;\n  esac\n  shift\ndone\n\
         if [ -n \"$out\" ]; then : > \"$out\"; fi\nexit 0\n",
    )?;
    let archiver = script(
        &dir.join("ar"),
        "for word in \"$@\"; do\n  case \"$word\" in *.a) : > \"$word\" ;; esac\ndone\nexit 0\n",
    )?;
    Ok((compiler, archiver))
}

fn script(path: &Path, body: &str) -> Result<String> {
    // Unchanged files keep their time, so that build scripts have no reason to run again.
    let text = format!("#!/bin/sh\n{body}");
    if fs::read_to_string(path).ok().as_deref() != Some(text.as_str()) {
        fs::write(path, &text)?;
    }
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(path.to_string_lossy().into_owned())
}
