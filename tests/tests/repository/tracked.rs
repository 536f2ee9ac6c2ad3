//! The files of the repository, and what none of them may contain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct Tracked {
    /// Its path from the root, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl Tracked {
    /// Whether its name ends with one of these.
    pub(crate) fn is(&self, extensions: &[&str]) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| extensions.iter().any(|extension| found.eq_ignore_ascii_case(extension)))
    }
}

/// All text files that git tracks or would track: a rule holds before the commit too. Pictures are left out.
pub(crate) fn files() -> Vec<Tracked> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(listed.status.success(), "git could not list the files: {}", String::from_utf8_lossy(&listed.stderr));
    let files: Vec<_> = String::from_utf8(listed.stdout)
        .unwrap()
        .split('\0')
        .filter(|path| !path.is_empty())
        .filter_map(|path| Some(Tracked { path: path.to_owned(), text: fs::read_to_string(root().join(path)).ok()? }))
        .collect();
    assert!(files.len() > 20, "the repository has files, so something is wrong with listing them");
    files
}

/// Fails with all findings at once.
pub(crate) fn none(findings: &[String], because: &str) {
    assert!(findings.is_empty(), "{because}:\n  {}", findings.join("\n  "));
}

#[test]
fn no_file_names_somebodys_machine() {
    // Put together here, so that this file does not contain them.
    let paths = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/"), concat!("C:\\Us", "ers\\")];
    let mut findings = Vec::new();
    for file in files() {
        for (number, line) in file.text.lines().enumerate() {
            let home = line.split(concat!("/ho", "me/")).nth(1).is_some_and(|rest| {
                // A placeholder or a made-up person is no machine.
                let person = rest.split(|char: char| !char.is_alphanumeric()).next().unwrap_or_default();
                !["", "user", "anna", "ben", "USER", "runner"].contains(&person)
            });
            if home || paths.iter().any(|path| line.contains(path)) {
                findings.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    none(&findings, "the repository must mean the same on every machine");
}

#[test]
fn packages_come_from_the_public_registries_only() {
    let mut findings = Vec::new();
    for file in files() {
        for line in file.text.lines().map(str::trim) {
            let foreign = if file.path.ends_with("Cargo.lock") {
                line.starts_with("source = ")
                    && line != "source = \"registry+https://github.com/rust-lang/crates.io-index\""
            } else if file.path.ends_with("package-lock.json") {
                line.starts_with("\"resolved\": ") && !line.starts_with("\"resolved\": \"https://registry.npmjs.org/")
            } else if file.path.ends_with(".npmrc") || file.path.contains(".cargo/config") {
                line.contains("registry") || line.contains("replace-with") || line.contains("_auth")
            } else {
                false
            };
            if foreign {
                findings.push(format!("{}: {line}", file.path));
            }
        }
    }
    none(&findings, "a clone elsewhere could not fetch these");
}

#[test]
fn nothing_is_called_after_nothing() {
    let empty = ["util", "utils", "common", "helper", "helpers", "manager", "service", "misc"];
    let findings: Vec<_> = files()
        .into_iter()
        .filter(|file| {
            let source = Path::new(&file.path);
            file.is(&["rs", "ts", "svelte"])
                && source.with_extension("").iter().any(|part| empty.iter().any(|name| part.eq_ignore_ascii_case(name)))
        })
        .map(|file| file.path)
        .collect();
    none(&findings, "a name says what a thing is about");
}
