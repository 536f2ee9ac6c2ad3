//! The committed TypeScript types are those of the Rust types.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn files(dir: &Path) -> BTreeMap<String, String> {
    fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn the_interface_has_the_types_of_today() {
    let made = tempfile::tempdir().unwrap();
    landline_api::types::export(made.path()).unwrap();
    let committed = files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/src/backend/gen")));
    let made = files(made.path());
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&made), "run `cargo xtask types`");
    for (name, text) in &made {
        assert_eq!(&committed[name], text, "{name} differs: run `cargo xtask types`");
    }
}
