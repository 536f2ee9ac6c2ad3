//! Text as it is compared in a search: without case, without diacritics, in one form for characters that look alike.
//!
//! Compatibility decomposition (Unicode Standard Annex 15, NFKD) takes accents off and makes `ﬁ`, `①` and full-width
//! letters plain. Then go the marks that only modify a letter: those of Latin, Greek and Cyrillic, Hebrew points and
//! Arabic vowel signs. Marks that make another letter, as in Thai, Devanagari or Japanese, stay.

use unicode_normalization::char::{canonical_combining_class, decompose_compatible};

/// First of the private characters that the index uses for itself; a text's own become spaces.
pub(super) const RESERVED: char = '\u{e000}';

/// The text as it is compared. Each run of spaces and line breaks is one space, none at the beginning.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        fold_char(c, &mut folded);
    }
    folded
}

/// A folded text that knows where its parts come from.
pub(super) struct Mapped {
    pub(super) folded: String,
    /// For each character of the original that left something: where that begins in the folded text, and where the
    /// character lies in the original, in UTF-16 code units.
    pieces: Vec<Piece>,
}

struct Piece {
    at: usize,
    from: u32,
    to: u32,
}

impl Mapped {
    pub(super) fn of(text: &str) -> Self {
        let mut mapped = Self { folded: String::with_capacity(text.len()), pieces: Vec::with_capacity(text.len()) };
        let mut from = 0;
        for c in text.chars() {
            let to = from + if u32::from(c) > 0xffff { 2 } else { 1 };
            let at = mapped.folded.len();
            fold_char(c, &mut mapped.folded);
            if mapped.folded.len() > at {
                mapped.pieces.push(Piece { at, from, to });
            } else if let Some(last) = mapped.pieces.last_mut() {
                // A mark belongs to the letter before it.
                last.to = to;
            }
            from = to;
        }
        mapped
    }

    /// Where a part of the folded text lies in the original, in UTF-16 code units, widened to whole characters.
    pub(super) fn range(&self, at: usize, end: usize) -> Option<(u32, u32)> {
        let first = self.pieces.partition_point(|piece| piece.at <= at).checked_sub(1)?;
        let last = self.pieces.partition_point(|piece| piece.at < end).checked_sub(1)?;
        Some((self.pieces.get(first)?.from, self.pieces.get(last)?.to))
    }
}

fn fold_char(c: char, to: &mut String) {
    if c.is_ascii_alphanumeric() {
        to.push(c.to_ascii_lowercase());
    } else if c.is_ascii_graphic() {
        to.push(c);
    } else if c.is_whitespace() || c.is_control() || is_private(c) {
        if !to.is_empty() && !to.ends_with(' ') {
            to.push(' ');
        }
    } else {
        decompose_compatible(c, |part| fold_part(part, to));
    }
}

fn fold_part(c: char, to: &mut String) {
    if c.is_ascii() {
        if c == ' ' {
            if !to.is_empty() && !to.ends_with(' ') {
                to.push(' ');
            }
        } else {
            to.push(c.to_ascii_lowercase());
        }
        return;
    }
    if is_ignored(c) {
        return;
    }
    // By way of the upper case, which makes one of `ς` and `σ`, and two letters of `ß`; `ẞ` has to become that first.
    let upper = c.to_lowercase().flat_map(char::to_uppercase);
    for lower in upper.flat_map(char::to_lowercase) {
        match plain(lower) {
            Some(plain) => to.push_str(plain),
            None if is_ignored(lower) => {}
            None => to.push(lower),
        }
    }
}

/// Letters with a stroke, and joined ones, which no decomposition takes apart.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ŧ' => "t",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ı' => "i",
        _ => return None,
    })
}

/// Marks that only modify a letter, and characters that are not seen.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
        || matches!(canonical_combining_class(c), 10..=36 | 200..=240)
}

fn is_private(c: char) -> bool {
    matches!(c, RESERVED..='\u{f8ff}' | '\u{f0000}'..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_take_for_the_same_is_the_same() {
        for (one, other) in [
            ("Crème Brûlée", "creme brulee"),
            ("STRASSE", "straße"),
            ("GROẞ", "groß"),
            ("Łódź", "lodz"),
            ("smørrebrød", "SMORREBROD"),
            ("ΟΔΟΣ", "οδος"),
            ("İstanbul", "istanbul"),
            ("ﬁne", "fine"),
            ("ＡＢＣ１２", "abc12"),
            ("ё", "е"),
            ("שָׁלוֹם", "שלום"),
            ("مُحَمَّد", "محمد"),
            ("❤\u{fe0f}", "❤"),
            ("a\u{a0}\n\t b", "a b"),
            ("co\u{ad}operate", "cooperate"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} and {other}");
        }
    }

    #[test]
    fn letters_that_differ_stay_different() {
        for (one, other) in [("ば", "は"), ("की", "का"), ("กู", "กุ"), ("日本", "日木"), ("한", "하")]
        {
            assert_ne!(fold(one), fold(other), "{one} and {other}");
        }
        assert!(fold("한국").starts_with(&fold("하")), "because a syllable is found while it is being typed");
    }

    #[test]
    fn the_index_keeps_its_own_characters_for_itself() {
        assert_eq!(fold("a\u{e000}b\u{f0001}c\u{10fffd}"), "a b c ");
    }

    #[test]
    fn parts_are_found_again_in_the_original() {
        let mapped = Mapped::of("😀 Crème\u{301}s ﬁn");
        let at = mapped.folded.find("eme").unwrap();
        assert_eq!(mapped.range(at, at + 3), Some((5, 9)), "with the mark that belongs to the last letter");
        let at = mapped.folded.find("in").unwrap();
        assert_eq!(mapped.range(at, at + 2), Some((11, 13)), "a joined letter is taken whole");
        assert_eq!(mapped.range(0, "😀".len()), Some((0, 2)));
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
            prop_assert_eq!(Mapped::of(&text).folded, once);
        }

        #[test]
        fn ranges_lie_in_the_text(text in any::<String>(), at in 0usize..40, length in 1usize..8) {
            let mapped = Mapped::of(&text);
            let units = u32::try_from(text.encode_utf16().count()).unwrap();
            if at + length <= mapped.folded.len() {
                let (from, to) = mapped.range(at, at + length).unwrap();
                prop_assert!(from < to && to <= units);
            }
        }
    }
}
