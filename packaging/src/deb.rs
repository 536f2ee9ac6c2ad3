//! The package of Debian, Ubuntu and their kin: an `ar` archive of two `tar` archives (deb(5)).

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;

use anyhow::{Context as _, ensure};
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;

use crate::contents::{DESCRIPTION, Item, NAME, SUMMARY};
use crate::needs;

/// `LZMA_PRESET_EXTREME` of liblzma: slower, a little smaller.
const PRESET_EXTREME: u32 = 1 << 31;

/// What is said of the package besides its files.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Version of Landline.
    pub version: String,
    /// Debian's name of the processor architecture.
    pub architecture: &'static str,
    /// Unix time of every entry, so that the same sources give the same package.
    pub time: u64,
}

/// Builds the package in memory.
///
/// # Errors
/// When a file cannot be read.
pub fn build(facts: &Facts, items: &[Item]) -> anyhow::Result<Vec<u8>> {
    let mut data = Archive::new(facts.time, facts.architecture)?;
    let mut sums = String::new();
    let mut installed = 0;
    let mut libc = (2, 17);
    for item in items {
        let bytes = fs::read(&item.source).with_context(|| format!("read {}", item.source.display()))?;
        let path = item.target.trim_start_matches('/');
        data.file(path, &bytes, item.mode)?;
        sums.push_str(&format!("{:x}  {path}\n", md5::compute(&bytes)));
        installed += bytes.len().div_ceil(1024);
        if item.mode & 0o111 != 0 {
            libc = libc.max(needs::libc_version(&bytes).unwrap_or(libc));
        }
    }
    let mut control = Archive::new(facts.time, facts.architecture)?;
    control.file("control", control_text(facts, installed, libc).as_bytes(), 0o644)?;
    control.file("md5sums", sums.as_bytes(), 0o644)?;

    let mut package = b"!<arch>\n".to_vec();
    member(&mut package, facts.time, "debian-binary", b"2.0\n")?;
    member(&mut package, facts.time, "control.tar.xz", &control.finish()?)?;
    member(&mut package, facts.time, "data.tar.xz", &data.finish()?)?;
    Ok(package)
}

/// The file name that the archive's tools expect.
#[must_use]
pub fn file_name(facts: &Facts) -> String {
    format!("{NAME}_{}_{}.deb", facts.version, facts.architecture)
}

/// The control file. `desktop-file-utils` has to be there: its trigger registers `landline://` with the desktop.
fn control_text(facts: &Facts, installed_kib: usize, (major, minor): (u32, u32)) -> String {
    format!(
        "Package: {NAME}\n\
         Version: {}\n\
         Architecture: {}\n\
         Maintainer: The Landline contributors <landline@localhost>\n\
         Installed-Size: {installed_kib}\n\
         Depends: libc6 (>= {major}.{minor}), libgcc-s1, libdbus-1-3, libgtk-3-0 | libgtk-3-0t64, libwebkit2gtk-4.1-0, \
         desktop-file-utils\n\
         Recommends: dbus-user-session | dbus-x11, hicolor-icon-theme, notification-daemon, xdg-utils\n\
         Section: net\n\
         Priority: optional\n\
         Description: {SUMMARY}\n{}",
        facts.version,
        facts.architecture,
        folded(DESCRIPTION),
    )
}

/// Lines of a control file's long description: each begins with a space.
fn folded(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > 76 {
            lines.push_str(&format!("{line}\n"));
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

/// A `tar.xz` whose folders are made as needed.
struct Archive {
    tar: tar::Builder<XzEncoder<Vec<u8>>>,
    folders: BTreeSet<String>,
    time: u64,
}

impl Archive {
    fn new(time: u64, architecture: &str) -> anyhow::Result<Self> {
        let mut tar = tar::Builder::new(XzEncoder::new_stream(Vec::new(), compressor(architecture)?));
        tar.mode(tar::HeaderMode::Deterministic);
        Ok(Self { tar, folders: BTreeSet::new(), time })
    }

    fn file(&mut self, path: &str, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
        let parents: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        for at in parents {
            let folder = path.get(..=at).unwrap_or_default().to_owned();
            if self.folders.insert(folder.clone()) {
                self.append(&folder, &[], 0o755, tar::EntryType::Directory)?;
            }
        }
        self.append(path, bytes, mode, tar::EntryType::Regular)
    }

    fn append(&mut self, path: &str, bytes: &[u8], mode: u32, kind: tar::EntryType) -> anyhow::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        header.set_mtime(self.time);
        header.set_size(u64::try_from(bytes.len())?);
        self.tar.append_data(&mut header, path, bytes).with_context(|| format!("pack {path}"))
    }

    fn finish(self) -> anyhow::Result<Vec<u8>> {
        Ok(self.tar.into_inner()?.finish()?)
    }
}

/// The strongest setting, and the filter that makes jumps of a program's code alike: a tenth less for two programs of
/// which each holds most of the other.
fn compressor(architecture: &str) -> anyhow::Result<Stream> {
    let options = LzmaOptions::new_preset(9 | PRESET_EXTREME)?;
    let mut filters = Filters::new();
    // The filter for ARM is younger than the dpkg of some supported systems.
    if architecture == "amd64" {
        filters.x86();
    }
    filters.lzma2(&options);
    Ok(Stream::new_stream_encoder(&filters, Check::Crc32)?)
}

/// Adds a member to an `ar` archive.
fn member(archive: &mut Vec<u8>, time: u64, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    ensure!(name.len() <= 16, "an ar archive holds names of at most 16 characters");
    writeln!(archive, "{name:<16}{time:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, "100644", bytes.len())?;
    archive.extend_from_slice(bytes);
    if bytes.len() % 2 == 1 {
        archive.push(b'\n');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Facts, Vec<Item>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, b"\x7fELF GLIBC_2.36\0").unwrap();
        let items = vec![
            Item { source: program.clone(), target: "/usr/bin/program".into(), mode: 0o755 },
            Item { source: program, target: "/usr/share/doc/landline/odd".into(), mode: 0o644 },
        ];
        (Facts { version: "0.1.0".into(), architecture: "amd64", time: 1_700_000_000 }, items, folder)
    }

    #[test]
    fn dpkg_reads_it() {
        let (facts, items, folder) = sample();
        let file = folder.path().join("package.deb");
        fs::write(&file, build(&facts, &items).unwrap()).unwrap();
        let Ok(shown) = std::process::Command::new("dpkg-deb").arg("--info").arg(&file).output() else {
            // Not a Debian system: the next test reads the package without its tools.
            return;
        };
        let text = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        assert!(text.contains("libc6 (>= 2.36)"), "{text}");
        let listed = std::process::Command::new("dpkg-deb").arg("--contents").arg(&file).output().unwrap();
        let text = String::from_utf8(listed.stdout).unwrap();
        assert!(text.contains("-rwxr-xr-x root/root") && text.contains(" usr/bin/program"), "{text}");
    }

    #[test]
    fn the_same_sources_give_the_same_package() {
        let (facts, items, _folder) = sample();
        let package = build(&facts, &items).unwrap();
        assert!(package.starts_with(b"!<arch>\ndebian-binary   1700000000"));
        assert_eq!(package, build(&facts, &items).unwrap());
    }
}
