//! The interface's imports.

use crate::tracked::{Tracked, files, none};

fn sources() -> Vec<Tracked> {
    let mut sources = files();
    sources.retain(|file| file.path.starts_with("ui/") && file.is(&["ts", "svelte", "js", "mjs"]));
    sources
}

/// What a file imports, dynamic imports included: everything in quotes after `from` or `import`.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    ["from \"", "from '", "import \"", "import '", "import(\"", "import('"]
        .into_iter()
        .flat_map(move |before| text.split(before).skip(1).filter_map(|rest| rest.split(['"', '\'']).next()))
}

#[test]
fn only_the_backend_speaks_to_the_shell() {
    let mut findings = Vec::new();
    for file in sources().iter().filter(|file| !file.path.starts_with("ui/src/backend/")) {
        findings.extend(
            imports(&file.text)
                .filter(|import| import.starts_with("@tauri-apps"))
                .map(|import| format!("{} imports {import}", file.path)),
        );
    }
    none(&findings, "the interface must run in a plain browser");
}

#[test]
fn tiers_import_downwards_only() {
    // The backend's types are what everything shows, so what is shared may name them.
    let above = |path: &str| match path.split('/').nth(2) {
        Some("shared" | "backend") => ["/domain/", "/views/"].as_slice(),
        Some("domain") => &["/views/"],
        _ => &[],
    };
    let mut findings = Vec::new();
    for file in sources().iter().filter(|file| file.path.starts_with("ui/src/")) {
        for import in imports(&file.text).filter(|import| import.starts_with('.')) {
            if above(&file.path).iter().any(|tier| import.contains(tier)) {
                findings.push(format!("{} imports {import}", file.path));
            }
        }
    }
    none(&findings, "{shared, backend} ← domain ← views");
}

#[test]
fn no_markup_comes_from_text() {
    let mark = concat!("{@ht", "ml");
    let findings: Vec<_> = sources()
        .into_iter()
        .filter(|file| file.path.starts_with("ui/src/") && file.text.contains(mark))
        .map(|file| file.path)
        .collect();
    none(&findings, "what another machine wrote is text, never markup");
}
