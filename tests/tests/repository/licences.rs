//! The licences of everything that goes into the programs. `deny.toml` says the same to cargo-deny, which also knows
//! advisories; this needs nothing installed.

use cargo_metadata::{CargoOpt, MetadataCommand};

use crate::tracked::{none, root};

/// What may be shipped together with a program under MIT or Apache-2.0. MPL-2.0 asks for the source of its own files
/// only, and we change none of them. CDLA-Permissive-2.0 is for data, of a list of certificates that only other systems
/// than ours would carry.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BlueOak-1.0.0",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether an SPDX expression can be met with what is allowed. `/` is the old way to write `OR`.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = expression.split_whitespace().collect();
    let (met, rest) = any(&words);
    met && rest.is_empty()
}

fn any<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = all(words);
    while let Some((&"OR", after)) = rest.split_first() {
        let (next, left) = all(after);
        met |= next;
        rest = left;
    }
    (met, rest)
}

fn all<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    let (mut met, mut rest) = one(words);
    while let Some((&"AND", after)) = rest.split_first() {
        let (next, left) = one(after);
        met &= next;
        rest = left;
    }
    (met, rest)
}

fn one<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inner @ ..] => {
            let (met, rest) = any(inner);
            match rest.split_first() {
                Some((&")", after)) => (met, after),
                _ => (false, rest),
            }
        }
        [name, "WITH", exception, rest @ ..] => (ALLOWED.contains(&format!("{name} WITH {exception}").as_str()), rest),
        [name, rest @ ..] => (ALLOWED.contains(name), rest),
        [] => (false, words),
    }
}

#[test]
fn expressions_are_understood() {
    assert!(allowed("MIT OR Apache-2.0"));
    assert!(allowed("GPL-3.0-only OR MIT"));
    assert!(allowed("Apache-2.0 / MIT"));
    assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(allowed("Apache-2.0 WITH LLVM-exception OR GPL-2.0-only"));
    assert!(!allowed("MIT AND GPL-3.0-only"));
    assert!(!allowed("GPL-2.0-only WITH Classpath-exception-2.0"));
    assert!(!allowed(""));
}

#[test]
fn every_dependency_may_be_shipped() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(["--locked".to_owned()])
        .exec()
        .expect("cargo metadata");
    let findings: Vec<_> = metadata
        .packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(allowed))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    none(&findings, "Landline is under MIT or Apache-2.0, so must what it is made of be compatible");
}
