//! The package of Fedora, openSUSE and their kin.

use std::fs;

use anyhow::Context as _;
use rpm::{BuildConfig, CompressionWithLevel, Dependency, FileOptions, PackageBuilder};

use crate::contents::{DESCRIPTION, Item, LICENCE, NAME, SUMMARY};

/// What is said of the package besides its files.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Version of Landline.
    pub version: String,
    /// RPM's name of the processor architecture.
    pub architecture: &'static str,
    /// Unix time of every entry, so that the same sources give the same package.
    pub time: u32,
}

/// Builds the package in memory.
///
/// # Errors
/// When a file cannot be read.
pub fn build(facts: &Facts, items: &[Item]) -> anyhow::Result<Vec<u8>> {
    let config = BuildConfig::v4().compression(CompressionWithLevel::Xz(9)).source_date(facts.time);
    let mut builder = PackageBuilder::new(NAME, &facts.version, LICENCE, facts.architecture, SUMMARY);
    builder.using_config(config).release("1").description(DESCRIPTION).vendor("The Landline contributors");
    // Named by what they provide, which is the same word in Fedora and openSUSE.
    for needed in
        ["libwebkit2gtk-4.1.so.0()(64bit)", "libgtk-3.so.0()(64bit)", "libdbus-1.so.3()(64bit)", "libc.so.6()(64bit)"]
    {
        builder.requires(Dependency::any(needed));
    }
    for program in ["desktop-file-utils", "xdg-utils", "hicolor-icon-theme"] {
        builder.recommends(Dependency::any(program));
    }
    for item in items {
        let bytes = fs::read(&item.source).with_context(|| format!("read {}", item.source.display()))?;
        let options = FileOptions::new(&item.target).permissions(u16::try_from(item.mode)?);
        let options = if item.target.starts_with("/usr/share/doc/") { options.doc() } else { options };
        builder.with_file_contents(bytes, options)?;
    }
    let mut package = Vec::new();
    builder.build()?.write(&mut package)?;
    Ok(package)
}

/// The file name that the tools expect.
#[must_use]
pub fn file_name(facts: &Facts) -> String {
    format!("{NAME}-{}-1.{}.rpm", facts.version, facts.architecture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, "x").unwrap();
        let items = [Item { source: program, target: "/usr/bin/program".into(), mode: 0o755 }];
        let facts = Facts { version: "0.1.0".into(), architecture: "x86_64", time: 1_700_000_000 };
        let bytes = build(&facts, &items).unwrap();
        let package = rpm::Package::parse(&mut bytes.as_slice()).unwrap();
        assert_eq!(package.metadata.get_name().unwrap(), NAME);
        let paths = package.metadata.get_file_paths().unwrap();
        assert!(paths.iter().any(|path| path.ends_with("usr/bin/program")), "{paths:?}");
        assert_eq!(bytes, build(&facts, &items).unwrap(), "because the same sources give the same package");
    }
}
