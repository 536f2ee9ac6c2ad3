//! Golden transcripts: what people saw, as text files that are read by people too.

use std::path::Path;

/// Compares with the file, or writes it when `LANDLINE_GOLDEN=write` is set.
///
/// # Panics
/// When they differ.
pub fn assert_golden(file: impl AsRef<Path>, seen: &str) {
    let file = file.as_ref();
    if std::env::var_os("LANDLINE_GOLDEN").is_some_and(|mode| mode == "write") {
        std::fs::create_dir_all(file.parent().expect("a golden file lies in a directory")).expect("a directory");
        std::fs::write(file, seen).expect("the golden file is written");
        return;
    }
    let golden = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        golden == seen,
        "{} differs from what was seen; if that is right, run again with LANDLINE_GOLDEN=write.\n--- golden\n{golden}--- seen\n{seen}",
        file.display()
    );
}
