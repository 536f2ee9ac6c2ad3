//! Makes sure that there is a page to embed: a plain `cargo build` without Node.js still has to compile.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let page = Path::new("../../ui/dist");
    let entry = page.join("index.html");
    if !entry.exists() {
        fs::create_dir_all(page)?;
        fs::write(
            &entry,
            "<!doctype html><html lang=en><meta charset=utf-8><title>Landline</title>\
             <p>The interface is not built: run <code>cargo xtask run</code>.\n",
        )?;
    }
    println!("cargo::rerun-if-changed={}", page.display());
    Ok(())
}
