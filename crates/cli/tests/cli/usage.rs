//! Wrong usage, and nobody there.

use std::process::Stdio;

use crate::program::{Node, Ran, landline};

#[test]
fn wrong_usage_is_2() {
    let cases: &[&[&str]] = &[
        &[],
        &["fly"],
        &["send"],
        &["send", "Anna"],
        &["history"],
        &["history", "x", "--limit", "0"],
        &["history", "x", "--limit", "many"],
        &["delete", "x", "--for", "them"],
        &["react", "x"],
        &["forward", "x"],
        &["timer", "x", "soon"],
        &["set", "x", "--pin", "maybe"],
        &["token", "create"],
        &["token", "create", "--name", "x", "--scope", "all"],
        &["token", "create", "--name", "x", "--scope", "read", "--expires", "soon"],
        &["node", "--listen", "here"],
        &["status", "--api", "https://example.org"],
        &["status", "--data-dir", "x", "--profile", "y"],
    ];
    for args in cases {
        let ran = Ran::of(landline().args(*args));
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains("Usage:") || ran.err.contains("error:"), "{args:?}: {}", ran.err);
    }
    let help = Ran::of(landline().arg("--help")).ok();
    for command in [
        "node", "status", "peers", "sessions", "history", "send", "follow", "read", "accept", "block", "unblock",
        "add", "token", "edit", "delete", "react", "pin", "forward", "show", "versions", "receipts", "retry", "typing",
        "timer", "set", "away",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "because {command} is not in the help: {help}");
    }
}

#[test]
fn nobody_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let at = |args: &[&str]| Ran::of(landline().env("LANDLINE_DATA_DIR", dir.path()).args(args));
    for args in [&["status"][..], &["peers", "--json"], &["send", "x", "y"], &["follow"], &["token", "list"]] {
        let line = at(args).failed();
        assert!(line.contains("no node runs") && line.contains("landline node"), "because it says what to do: {line}");
    }
    // What a killed node leaves behind.
    let node = Node::new("Anna");
    let dir = node.end("KILL");
    let line = Ran::of(landline().env("LANDLINE_DATA_DIR", dir.path()).arg("status")).failed();
    assert!(line.contains("cannot reach the node at http://127.0.0.1:"), "{line}");
    std::fs::write(dir.path().join("api.json"), "nonsense").unwrap();
    let line = Ran::of(landline().env("LANDLINE_DATA_DIR", dir.path()).arg("status")).failed();
    assert!(line.contains("api.json"), "{line}");
    let line = Ran::of(landline().args(["status", "--profile", "../x"])).failed();
    assert!(line.contains("profile"), "{line}");
}

#[test]
fn a_reader_may_have_seen_enough() {
    let node = Node::new("Anna");
    let mut child = node.command_for(&["status"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
