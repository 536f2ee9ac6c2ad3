//! Names for received files: what a peer calls a file never leads elsewhere, hides, or takes the place of another file.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use proto::text;

/// Longest name that is made here. Leaves room for a number and for the ending of an unfinished file.
const NAME_BYTES: usize = 200;

/// How many names are tried: `a.txt`, `a (2).txt`, …
const TRIED: u32 = 10_000;

/// Names that Windows keeps for devices, with any ending.
const RESERVED: [&str; 24] = [
    "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8",
    "COM9", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
];

/// The name under which a file is saved: one part of a path, fit for every system, not hidden, never empty. The same on all
/// systems, so that a folder that is synchronised elsewhere stays whole.
pub(crate) fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let name = safe_part(last);
    // A leading dot would hide it.
    let name = if name.starts_with('.') { format!("_{}", name.trim_start_matches('.')) } else { name };
    text::shorten_file_name(&name, NAME_BYTES)
}

/// A name within a received folder: as [`safe_name`], but it may begin with a dot, as `.gitignore` does.
pub(crate) fn safe_part(name: &str) -> String {
    let unfit = |c: char| matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*');
    let name: String = text::clean_file_name(name).chars().map(|c| if unfit(c) { '_' } else { c }).collect();
    // Windows drops dots and blanks at the end, so they would make two names one.
    let name = name.trim().trim_end_matches(['.', ' ']);
    if name.is_empty() {
        return "_".to_owned();
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(stem)) {
        return format!("_{name}");
    }
    text::shorten_file_name(name, NAME_BYTES)
}

/// Reserves a name that is not in use: makes an empty file, or an empty folder, of it. What is there already is never touched.
pub(crate) fn reserve(dir: &Path, name: &str, folder: bool) -> io::Result<PathBuf> {
    let (stem, ending) = match name.rfind('.').filter(|dot| *dot > 0 && !folder) {
        Some(dot) => name.split_at(dot),
        None => (name, ""),
    };
    for number in 1..=TRIED {
        let candidate = if number == 1 { dir.join(name) } else { dir.join(format!("{stem} ({number}){ending}")) };
        let made = if folder {
            fs::create_dir(&candidate)
        } else {
            OpenOptions::new().write(true).create_new(true).open(&candidate).map(drop)
        };
        match made {
            Ok(()) => return Ok(candidate),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_elsewhere_or_hides() {
        for (name, safe) in [
            ("report.pdf", "report.pdf"),
            ("Ünï 文件 🎉.txt", "Ünï 文件 🎉.txt"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\windows\\system32\\x.dll", "x.dll"),
            ("/etc/shadow", "shadow"),
            ("C:\\autoexec.bat", "autoexec.bat"),
            ("C:evil.exe", "C_evil.exe"),
            ("file.txt:stream", "file.txt_stream"),
            ("..", "_"),
            (".", "_"),
            ("...", "_"),
            ("/", "_"),
            (".bashrc", "_bashrc"),
            ("..hidden", "_hidden"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("aux .log", "_aux .log"),
            ("COM1", "_COM1"),
            ("COM10", "COM10"),
            ("trailing. . ", "trailing"),
            ("a\nb", "a_b"),
            ("fdp.\u{202E}exe", "fdp._exe"),
            ("a?b*c|d<e>f\"g", "a_b_c_d_e_f_g"),
            ("", "_"),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
        let long = safe_name(&format!("{}.jpeg", "x".repeat(1000)));
        assert!(long.len() <= NAME_BYTES && long.ends_with("x.jpeg"));
        assert_eq!(safe_part(".gitignore"), ".gitignore");
        assert_eq!(safe_part(".."), "_");
    }

    #[test]
    fn what_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.tar.gz"), "old").unwrap();
        let reserved = reserve(dir.path(), "a.tar.gz", false).unwrap();
        assert_eq!(reserved, dir.path().join("a.tar (2).gz"));
        assert_eq!(reserve(dir.path(), "a.tar.gz", false).unwrap(), dir.path().join("a.tar (3).gz"));
        assert_eq!(reserve(dir.path(), "b", true).unwrap(), dir.path().join("b"));
        assert_eq!(reserve(dir.path(), "b", true).unwrap(), dir.path().join("b (2)"));
        assert_eq!(fs::read(dir.path().join("a.tar.gz")).unwrap(), b"old");
    }
}
