//! How sources are written.

use crate::tracked::{Tracked, files, none};

/// The longest that a file may be, its tests not counted.
const MOST_LINES: usize = 800;

/// What a file has to do with tests.
fn is_test_file(file: &Tracked) -> bool {
    let path = format!("/{}", file.path);
    path.contains("/tests/")
        || path.contains("/e2e/")
        || path.ends_with("tests.rs")
        || path.ends_with(".test.ts")
        || path.ends_with(".spec.ts")
}

/// A Rust file's lines without and with its test module, which stands at its end.
fn split_tests(text: &str) -> (&str, &str) {
    let at = text.find("\n#[cfg(test)]\nmod ").or_else(|| text.find("\n#[cfg(all(test,")).unwrap_or(text.len());
    text.split_at(at)
}

/// The part of a file that is test code.
fn test_code(file: &Tracked) -> &str {
    if is_test_file(file) {
        &file.text
    } else if file.is(&["rs"]) {
        split_tests(&file.text).1
    } else {
        ""
    }
}

#[test]
fn no_file_is_too_long() {
    let findings: Vec<_> = files()
        .into_iter()
        .filter(|file| file.is(&["rs", "ts", "svelte", "css", "mjs", "js"]) && !is_test_file(file))
        .filter_map(|file| {
            let text = if file.is(&["rs"]) { split_tests(&file.text).0 } else { &file.text };
            let lines = text.lines().count();
            (lines > MOST_LINES).then(|| format!("{}: {lines} lines", file.path))
        })
        .collect();
    none(&findings, "a file holds one thought");
}

#[test]
fn tests_run_and_wait_for_events() {
    // Put together here, so that this file does not contain them.
    let rust = [concat!("#[ign", "ore"), concat!("sl", "eep(")];
    let script = [
        concat!(".sk", "ip("),
        concat!(".on", "ly("),
        concat!(".to", "do("),
        concat!("setTim", "eout("),
        concat!("waitForTim", "eout("),
    ];
    // The one place of each set of whole programs that looks again until something is so, with a limit; and the client
    // that comes back when it is told to.
    let may_wait =
        ["tests/src/until.rs", "tests/src/bin/lab-client.rs", "crates/cli/tests/cli/program.rs", "ui/e2e/until.ts"];
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| !may_wait.contains(&file.path.as_str())) {
        let marks: &[&str] = if file.is(&["rs"]) {
            &rust
        } else if file.is(&["ts"]) {
            &script
        } else {
            continue;
        };
        for line in test_code(file).lines().filter(|line| !line.trim_start().starts_with("//")) {
            // Without a time it only lets everything run that is due.
            let line_without_turn = line.replace(concat!("setTim", "eout(resolve)"), "");
            if marks.iter().any(|mark| line_without_turn.contains(mark)) {
                findings.push(format!("{}: {}", file.path, line.trim()));
            }
        }
    }
    none(&findings, "a test runs, and waits for what happens, not for time to pass");
}

#[test]
fn sql_stands_in_the_store_only() {
    let word = concat!("rusq", "lite::");
    let findings: Vec<_> = files()
        .into_iter()
        .filter(|file| file.is(&["rs"]) && file.text.contains(word))
        .filter(|file| {
            !["crates/store/", "crates/relay/src/sqlite/", "bench/"].iter().any(|dir| file.path.starts_with(dir))
        })
        .map(|file| file.path)
        .collect();
    none(&findings, "the store is the only SQL of a node");
}

#[test]
fn no_markers_of_unfinished_work() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X "), concat!("HA", "CK")];
    let mut findings = Vec::new();
    for file in files().iter().filter(|file| file.is(&["rs", "ts", "svelte", "css"])) {
        for (number, line) in file.text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                findings.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    none(&findings, "what is left to do is an issue, not a comment");
}
