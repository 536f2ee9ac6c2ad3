//! Packs the built programs for Linux.
//!
//! ```text
//! cargo build --release -p landline-cli -p landline-desktop
//! cargo run -p landline-packaging --bin package -- --programs target/release --out target/release/bundle
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Parser;
use landline_packaging::{contents, deb, rpm};

#[derive(Parser)]
struct Options {
    /// Folder with the two built programs.
    #[arg(long)]
    programs: PathBuf,
    /// Folder for the packages.
    #[arg(long)]
    out: PathBuf,
    /// Kinds of package: deb, rpm.
    #[arg(long, value_delimiter = ',', default_value = "deb,rpm")]
    kinds: Vec<String>,
    /// Unix time of all entries; two builds of the same sources with the same time are the same.
    #[arg(long, env = "SOURCE_DATE_EPOCH", default_value_t = 1_767_225_600)]
    time: u32,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("this package lies in the repository")?;
    let items = contents::items(root, &options.programs);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let (debian, fedora) = match std::env::consts::ARCH {
        "x86_64" => ("amd64", "x86_64"),
        "aarch64" => ("arm64", "aarch64"),
        other => bail!("no package is made for {other}"),
    };
    std::fs::create_dir_all(&options.out).with_context(|| format!("make {}", options.out.display()))?;
    for kind in &options.kinds {
        let (name, bytes) = match kind.as_str() {
            "deb" => {
                let facts = deb::Facts { version: version.clone(), architecture: debian, time: options.time.into() };
                (deb::file_name(&facts), deb::build(&facts, &items)?)
            }
            "rpm" => {
                let facts = rpm::Facts { version: version.clone(), architecture: fedora, time: options.time };
                (rpm::file_name(&facts), rpm::build(&facts, &items)?)
            }
            other => bail!("{other} is no kind of package; there are deb and rpm"),
        };
        let path = options.out.join(name);
        std::fs::write(&path, &bytes).with_context(|| format!("write {}", path.display()))?;
        eprintln!("{} ({:.1} MB)", path.display(), f64::from(u32::try_from(bytes.len())?) / 1e6);
    }
    Ok(())
}
