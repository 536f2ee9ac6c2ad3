//! What is looked for: words that all must occur, anywhere in a text, in any order.

use super::fold::{Mapped, fold};

/// Most words of a search; further ones are not looked at.
const TERMS: usize = 16;

/// Most places that are told of one text. A row shows a few.
const RANGES: usize = 64;

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms(Vec<String>);

impl Terms {
    /// The words of a text that a person typed. What stands between quotation marks is one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut terms: Vec<String> = Vec::new();
        for (place, part) in text.split(['"', '“', '”', '„', '«', '»']).enumerate() {
            let folded = fold(part);
            if place % 2 == 1 {
                terms.push(folded.trim().to_owned());
            } else {
                terms.extend(folded.split(' ').map(str::to_owned));
            }
        }
        let mut seen = Vec::new();
        for term in terms {
            if !term.is_empty() && !seen.contains(&term) && seen.len() < TERMS {
                seen.push(term);
            }
        }
        Self(seen)
    }

    /// Whether nothing is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each, folded.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether all occur in a text.
    #[must_use]
    pub fn occur_in(&self, text: &str) -> bool {
        self.are_in(&fold(text))
    }

    /// Whether all occur in a folded text.
    pub(super) fn are_in(&self, folded: &str) -> bool {
        self.0.iter().all(|term| folded.contains(term.as_str()))
    }

    /// Where they occur in a text, in UTF-16 code units, in order and without overlap.
    #[must_use]
    pub fn ranges(&self, text: &str) -> Vec<(u32, u32)> {
        let mapped = Mapped::of(text);
        let mut found = Vec::new();
        for term in &self.0 {
            let places = mapped.folded.match_indices(term.as_str()).take(RANGES);
            found.extend(places.filter_map(|(at, part)| mapped.range(at, at + part.len())));
        }
        found.sort_unstable();
        let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(found.len());
        for (from, to) in found {
            match ranges.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => ranges.push((from, to)),
            }
        }
        ranges.truncate(RANGES);
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where they occur, when all do.
    fn ranges(query: &str, text: &str) -> Option<Vec<(u32, u32)>> {
        let terms = Terms::parse(query);
        terms.are_in(&fold(text)).then(|| terms.ranges(text))
    }

    #[test]
    fn all_words_must_occur_in_any_order() {
        assert_eq!(ranges("lunch anna", "Anna: Lunch?"), Some(vec![(0, 4), (6, 11)]));
        assert_eq!(ranges("lunch bob", "Anna: Lunch?"), None);
        assert_eq!(ranges("NCH", "Lunch"), Some(vec![(2, 5)]), "because a part of a word is enough");
    }

    #[test]
    fn quoted_words_stand_together() {
        assert_eq!(ranges("\"two words\"", "words, two"), None);
        assert_eq!(ranges("\"Two  words\"", "these two\nwords"), Some(vec![(6, 15)]));
        assert_eq!(ranges("„zwei Worte“ x", "x: zwei Worte"), Some(vec![(0, 1), (3, 13)]));
        assert_eq!(ranges("\"left open", "it was left open"), Some(vec![(7, 16)]));
    }

    #[test]
    fn places_that_touch_are_one() {
        assert_eq!(ranges("ab bc", "xabcx"), Some(vec![(1, 4)]));
        assert_eq!(ranges("a", &"a".repeat(500)), Some(vec![(0, 64)]), "because they are bounded and touch");
    }

    #[test]
    fn nothing_is_nothing() {
        for empty in ["", "  ", "\"\"", "\u{301}", "\u{200b} \""] {
            assert!(Terms::parse(empty).is_empty(), "{empty:?}");
        }
    }
}
