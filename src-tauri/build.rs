//! Prepares what the program embeds: the page, the texts and Tauri's own context.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // The page is built by `cargo xtask`; a plain `cargo build` without it still has to compile.
    let page = Path::new("../ui/dist");
    if !page.join("index.html").exists() {
        fs::create_dir_all(page)?;
        fs::write(
            page.join("index.html"),
            "<!doctype html><title>Landline</title><p>The interface is not built: run <code>cargo xtask run</code>.",
        )?;
    }
    embed_texts()?;
    tauri_build::build();
    Ok(())
}

/// Writes `texts.rs`: every language file of the interface, so that notifications and the tray speak from the same.
fn embed_texts() -> io::Result<()> {
    let folder = Path::new("../ui/messages");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::path);
    let mut code = String::from("&[\n");
    for file in files {
        let path = file.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        println!("cargo::rerun-if-changed={}", path.display());
        let (Some(tag), Ok(full)) = (path.file_stem().and_then(|stem| stem.to_str()), fs::canonicalize(&path)) else {
            continue;
        };
        let _ = writeln!(code, "({tag:?}, include_str!({full:?})),");
    }
    code.push_str("]\n");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("texts.rs"), code)
}
