//! Makes every icon file of `icons/` from the one drawing `icons/landline.svg`.
//!
//! ```text
//! cargo run -p landline-packaging --bin icons
//! ```
//!
//! The output is committed, so that building Landline needs no renderer; a test compares it with the drawing.

use std::path::PathBuf;

use anyhow::Context as _;
use landline_packaging::icons;

fn main() -> anyhow::Result<()> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../icons");
    let source = folder.join("landline.svg");
    let drawing = std::fs::read_to_string(&source).with_context(|| format!("read {}", source.display()))?;
    for (name, bytes) in icons::all(&drawing)? {
        let path = folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
