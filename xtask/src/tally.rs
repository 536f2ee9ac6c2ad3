//! What a stage counted, and how the counts are read from what test programs print.

use std::ops::AddAssign;

/// Checks that passed, failed and could not be made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Passed.
    pub(crate) passed: usize,
    /// Failed.
    pub(crate) failed: usize,
    /// Not made, for a reason that was said.
    pub(crate) skipped: usize,
}

impl Tally {
    /// So many passed.
    pub(crate) fn passed(count: usize) -> Self {
        Self { passed: count, ..Self::default() }
    }

    /// So many failed.
    pub(crate) fn failed(count: usize) -> Self {
        Self { failed: count, ..Self::default() }
    }

    /// So many skipped.
    pub(crate) fn skipped(count: usize) -> Self {
        Self { skipped: count, ..Self::default() }
    }

    /// A test program's own counts. When it failed without counting a failure (it could not be built, it crashed),
    /// that is one failure; when it succeeded without counting anything, that is one pass.
    pub(crate) fn of(lines: &[String], success: bool, read: fn(&str) -> Option<Self>) -> Self {
        let mut tally = Self::default();
        for line in lines {
            if let Some(counted) = read(line) {
                tally += counted;
            }
        }
        if !success && tally.failed == 0 {
            tally.failed = 1;
        }
        if success && tally == Self::default() {
            tally.passed = 1;
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// nextest: `     Summary [   2.5s] 14 tests run: 13 passed (1 slow), 1 failed, 3 skipped`. What it calls skipped is what
/// the filter left to another stage, so it does not count.
pub(crate) fn nextest(line: &str) -> Option<Tally> {
    let (_, counts) = line.trim_start().strip_prefix("Summary [")?.split_once("run: ")?;
    let count = |word| number_before(counts, word);
    let failed = count(" failed").unwrap_or(0) + count(" timed out").unwrap_or(0) + count(" exec failed").unwrap_or(0);
    Some(Tally { passed: count(" passed").unwrap_or(0), failed, skipped: 0 })
}

/// `cargo test`: `test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s`.
pub(crate) fn libtest(line: &str) -> Option<Tally> {
    let counts = line.trim_start().strip_prefix("test result:")?;
    Some(Tally {
        passed: number_before(counts, " passed")?,
        failed: number_before(counts, " failed")?,
        skipped: number_before(counts, " ignored")?,
    })
}

/// vitest: `      Tests  1 failed | 11 passed | 2 skipped (14)`.
pub(crate) fn vitest(line: &str) -> Option<Tally> {
    let counts = line.trim_start().strip_prefix("Tests ")?;
    let count = |word| number_before(counts, word).unwrap_or(0);
    Some(Tally { passed: count(" passed"), failed: count(" failed"), skipped: count(" skipped") + count(" todo") })
}

/// The number that stands directly before this word.
fn number_before(text: &str, word: &str) -> Option<usize> {
    let (before, _) = text.split_once(word)?;
    let start = before.rfind(|char: char| !char.is_ascii_digit()).map_or(0, |at| at + 1);
    before.get(start..)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nextest_is_read() {
        assert_eq!(
            nextest("     Summary [   2.594s] 14 tests run: 13 passed (1 slow), 1 failed, 3 skipped"),
            Some(Tally { passed: 13, failed: 1, skipped: 0 }),
        );
        assert_eq!(
            nextest("     Summary [   9.1s] 2/4 tests run: 1 passed, 1 timed out, 7 skipped"),
            Some(Tally { passed: 1, failed: 1, skipped: 0 }),
        );
        assert_eq!(nextest("        PASS [   0.010s] xtask tally::tests::nextest_is_read"), None);
    }

    #[test]
    fn libtest_is_read() {
        assert_eq!(
            libtest("test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0s"),
            Some(Tally { passed: 3, failed: 2, skipped: 1 }),
        );
        assert_eq!(libtest("test result_is_read ... ok"), None);
    }

    #[test]
    fn vitest_is_read() {
        assert_eq!(
            vitest("      Tests  1 failed | 11 passed | 2 skipped (14)"),
            Some(Tally { passed: 11, failed: 1, skipped: 2 }),
        );
        assert_eq!(vitest("      Tests  12 passed (12)"), Some(Tally::passed(12)));
        assert_eq!(vitest(" Test Files  3 passed (3)"), None);
    }

    #[test]
    fn a_program_that_counts_nothing_is_one_check() {
        let lines = ["error: could not compile".to_owned()];
        assert_eq!(Tally::of(&lines, false, nextest), Tally::failed(1));
        assert_eq!(Tally::of(&lines, true, nextest), Tally::passed(1));
    }
}
