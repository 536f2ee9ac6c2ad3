//! Who may depend on whom.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::tracked::{none, root};

/// Each workspace member and the members it may depend on.
const MAY_USE: &[(&str, &[&str])] = &[
    ("landline-proto", &[]),
    ("landline-store", &["landline-proto"]),
    ("landline-link", &["landline-proto"]),
    ("landline-node", &["landline-proto", "landline-store", "landline-link"]),
    ("landline-api", &["landline-node"]),
    ("landline-relay", &["landline-proto"]),
    ("landline-cli", &["landline-api", "landline-node", "landline-relay", "landline-proto"]),
    ("landline-desktop", &["landline-api", "landline-node"]),
    // Programs for those who work on Landline; nothing depends on them.
    (
        "landline-testkit",
        &["landline-proto", "landline-store", "landline-link", "landline-node", "landline-api", "landline-relay"],
    ),
    ("landline-tests", &[]),
    ("landline-fuzz", &["landline-proto", "landline-link"]),
    ("landline-bench", &["landline-node", "landline-proto", "landline-store"]),
    ("landline-packaging", &[]),
    ("xtask", &[]),
];

/// Packages that only some members may use, because they are the one door to something.
const OWNED: &[(&str, &[&str], &str)] = &[
    // The bench's reference `floor` is the least that does the same job, which includes a database of its own.
    ("rusqlite", &["landline-store", "landline-relay", "landline-bench"], "the store is the only SQL of a node"),
    ("async-nats", &["landline-relay"], "the relay keeps what its nodes share"),
    ("mdns-sd", &["landline-link"], "the link is the only socket to other machines"),
    // The tests of the relay have a client of their own. So has the bench: ten thousand that do nothing but wait, and one that
    // does nothing but what is measured. The testkit's relay that lies stands before a real one.
    (
        "tokio-tungstenite",
        &["landline-link", "landline-relay", "landline-cli", "landline-bench", "landline-testkit"],
        "the link is the only socket to other machines",
    ),
    ("rustls", &["landline-link", "landline-relay", "landline-bench"], "the link is the only socket to other machines"),
    (
        "tokio-rustls",
        &["landline-link", "landline-relay", "landline-bench"],
        "the link is the only socket to other machines",
    ),
    ("netwatch", &["landline-link"], "the link is the only socket to other machines"),
    (
        "axum",
        &["landline-link", "landline-api", "landline-relay"],
        "the link serves peers, the API serves programs, the relay serves machines",
    ),
    ("socketioxide", &["landline-api"], "the API serves programs"),
    ("ed25519-dalek", &["landline-proto"], "proto signs and verifies"),
    ("keyring", &["landline-node"], "the node keeps the key"),
    ("tauri", &["landline-desktop"], "the shell is the only window"),
    // The file manager that a test puts beside the window is a window too.
    ("gtk", &["landline-desktop", "landline-tests"], "the shell is the only window"),
    ("thirtyfour", &["landline-tests"], "only tests drive a window"),
];

fn members() -> Vec<Package> {
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata");
    metadata.packages
}

#[test]
fn members_use_only_what_lies_below_them() {
    let may_use: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut findings = Vec::new();
    for package in members() {
        let name = package.name.as_str();
        let Some(allowed) = may_use.get(name) else {
            findings.push(format!("{name} has no place in the order of members"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.path.is_some()) {
            let used = dependency.name.as_str();
            let for_its_tests =
                dependency.kind == DependencyKind::Development && matches!(used, "landline-testkit" | "landline-relay");
            if !allowed.contains(&used) && !for_its_tests {
                findings.push(format!("{name} depends on {used}"));
            }
        }
    }
    none(
        &findings,
        "dependencies go one way: proto ← {store, link} ← node ← api ← {desktop, cli}, proto ← relay ← cli",
    );
}

#[test]
fn each_door_has_one_keeper() {
    let mut findings = Vec::new();
    for package in members() {
        for dependency in &package.dependencies {
            let is_plugin = dependency.name.starts_with("tauri-") && package.name != "landline-desktop";
            let owner = OWNED.iter().find(|(owned, ..)| dependency.name == *owned);
            if let Some((_, keepers, reason)) = owner
                && !keepers.contains(&package.name.as_str())
            {
                findings.push(format!("{} depends on {}, but {reason}", package.name, dependency.name));
            }
            if is_plugin {
                findings
                    .push(format!("{} depends on {}, but the shell is the only window", package.name, dependency.name));
            }
        }
    }
    none(&findings, "what leads outside has one keeper");
}

#[test]
fn every_member_takes_the_workspaces_lints() {
    let findings: Vec<_> = members()
        .into_iter()
        .filter(|package| {
            let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
            !manifest.contains("[lints]\nworkspace = true")
        })
        .map(|package| package.name.to_string())
        .collect();
    none(&findings, "the lints of the workspace hold everywhere");
}
