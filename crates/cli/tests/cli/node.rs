//! `landline node`.

use std::net::TcpListener;

use crate::program::{Node, Ran, landline};

#[test]
fn it_says_when_it_is_ready_and_ends_cleanly() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut node = Node::new("Anna");
        let file = node.dir().join("api.json");
        assert!(node.id().starts_with("landline1") && node.api().starts_with("http://127.0.0.1:"));
        assert!(node.listen().parse::<std::net::SocketAddr>().is_ok());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "because it holds the owner's token");
        }
        assert_eq!(node.signal(signal), Some(0), "because SIG{signal} is the usual way to end it");
        assert!(!file.exists(), "because nobody should look for it any more");
        node.run(&["status"]).failed();
    }
}

#[test]
fn it_keeps_its_identity() {
    let node = Node::new("Anna");
    let id = node.id();
    let dir = node.end("TERM");
    let node = Node::start(dir, &[]);
    assert_eq!(node.id(), id);
    assert_eq!(node.run(&["name"]).ok(), "Anna\n");
    let dir = node.end("KILL");
    let node = Node::start(dir, &[]);
    assert_eq!(node.id(), id, "because a killed program leaves a whole profile");
}

#[test]
fn a_person_gets_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = landline();
    command.args([
        "node",
        "--no-mdns",
        "--no-beacon",
        "--key-store",
        "file",
        "--listen",
        "127.0.0.1:0",
        "--api",
        "127.0.0.1:0",
    ]);
    command.arg("--data-dir").arg(dir.path()).args(["--name", "Anna"]);
    let shown = crate::program::Follower::start(command);
    let mut text = String::new();
    while !text.contains("Ctrl+C") {
        text.push_str(&shown.line());
        text.push('\n');
    }
    for expected in ["Machine ID   landline1", "Name         Anna", "/#login=", "only you can read"] {
        assert!(text.contains(expected), "{expected} is missing: {text}");
    }
    let link = text.lines().find(|line| line.contains("#login=")).unwrap().trim();
    assert!(link.starts_with("http://127.0.0.1:"), "{link}");
}

#[test]
fn a_profile_is_open_once() {
    let node = Node::new("Anna");
    let second = Ran::of(Node::command(node.dir(), "127.0.0.1:0").args(["--listen", "127.0.0.1:0"]));
    let line = second.failed();
    assert!(line.contains("already open"), "{line}");
    assert!(node.run(&["status"]).code == Some(0), "because the first goes on undisturbed");
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let ran = Ran::of(Node::command(dir.path(), &format!("127.0.0.1:{port}")).args(["--listen", "127.0.0.1:0"]));
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    let line = ran.err.lines().last().unwrap();
    assert!(line.starts_with("landline: ") && line.contains(&port.to_string()) && line.contains("--api"), "{line}");

    let mut by_variable = landline();
    by_variable.args(["node", "--json", "--no-mdns", "--no-beacon", "--key-store", "file", "--listen", "127.0.0.1:0"]);
    let ran = Ran::of(by_variable.arg("--data-dir").arg(dir.path()).env("PORT", port.to_string()));
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains(&port.to_string()), "because PORT is asked for in so many words: {}", ran.err);
}

#[test]
fn an_open_api_is_warned_about() {
    let dir = tempfile::tempdir().unwrap();
    // A documentation address, which no computer has: the warning comes first, and then it fails.
    let ran = Ran::of(Node::command(dir.path(), "192.0.2.1:4280").args(["--listen", "127.0.0.1:0"]));
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("warning:") && ran.err.contains("other machines"), "{}", ran.err);
}

#[test]
fn profiles_lie_in_the_usual_place() {
    let home = tempfile::tempdir().unwrap();
    let mut command = landline();
    command.env("XDG_DATA_HOME", home.path());
    command.args(["node", "--json", "--no-mdns", "--no-beacon", "--key-store", "file", "--listen", "127.0.0.1:0"]);
    command.args(["--api", "127.0.0.1:0", "--profile", "work"]);
    let node = crate::program::Follower::start(command);
    let ready = node.json();
    let place = home.path().join("landline").join("profiles").join("work");
    assert!(place.join("api.json").exists(), "because this is where XDG says: {ready}");
    let me =
        Ran::of(landline().env("XDG_DATA_HOME", home.path()).args(["--profile", "work", "status", "--json"])).json();
    assert_eq!(me["machineId"], ready["machineId"]);
    let other = Ran::of(landline().env("XDG_DATA_HOME", home.path()).args(["status"])).failed();
    assert!(other.contains("no node runs"), "{other}");
}
