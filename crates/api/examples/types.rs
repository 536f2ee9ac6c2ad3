//! Writes the TypeScript types: `cargo run -p landline-api --example types -- [DIR]`, by default `ui/src/backend/gen`.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/src/backend/gen")), PathBuf::from);
    landline_api::types::export(&dir)?;
    Ok(())
}
