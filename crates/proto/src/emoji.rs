//! What counts as one emoji in a reaction.
//!
//! The rule is a grammar over fixed ranges of code points, not a table of one Unicode version: so that every machine
//! judges a reaction alike, whatever its age. The ranges are those that Unicode sets aside for pictographs, in good part
//! for emoji to come.

use crate::limits;

const JOINER: char = '\u{200D}';
const TEXT_STYLE: char = '\u{FE0E}';
const EMOJI_STYLE: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';
const TAG_END: char = '\u{E007F}';

/// Pictographs, ascending.
const PICTOGRAPHS: [(char, char); 59] = [
    ('\u{A9}', '\u{A9}'),
    ('\u{AE}', '\u{AE}'),
    ('\u{203C}', '\u{203C}'),
    ('\u{2049}', '\u{2049}'),
    ('\u{2122}', '\u{2122}'),
    ('\u{2139}', '\u{2139}'),
    ('\u{2194}', '\u{2199}'),
    ('\u{21A9}', '\u{21AA}'),
    ('\u{231A}', '\u{231B}'),
    ('\u{2328}', '\u{2328}'),
    ('\u{2388}', '\u{2388}'),
    ('\u{23CF}', '\u{23CF}'),
    ('\u{23E9}', '\u{23F3}'),
    ('\u{23F8}', '\u{23FA}'),
    ('\u{24C2}', '\u{24C2}'),
    ('\u{25AA}', '\u{25AB}'),
    ('\u{25B6}', '\u{25B6}'),
    ('\u{25C0}', '\u{25C0}'),
    ('\u{25FB}', '\u{25FE}'),
    ('\u{2600}', '\u{2605}'),
    ('\u{2607}', '\u{2612}'),
    ('\u{2614}', '\u{2685}'),
    ('\u{2690}', '\u{2705}'),
    ('\u{2708}', '\u{2712}'),
    ('\u{2714}', '\u{2714}'),
    ('\u{2716}', '\u{2716}'),
    ('\u{271D}', '\u{271D}'),
    ('\u{2721}', '\u{2721}'),
    ('\u{2728}', '\u{2728}'),
    ('\u{2733}', '\u{2734}'),
    ('\u{2744}', '\u{2744}'),
    ('\u{2747}', '\u{2747}'),
    ('\u{274C}', '\u{274C}'),
    ('\u{274E}', '\u{274E}'),
    ('\u{2753}', '\u{2755}'),
    ('\u{2757}', '\u{2757}'),
    ('\u{2763}', '\u{2767}'),
    ('\u{2795}', '\u{2797}'),
    ('\u{27A1}', '\u{27A1}'),
    ('\u{27B0}', '\u{27B0}'),
    ('\u{27BF}', '\u{27BF}'),
    ('\u{2934}', '\u{2935}'),
    ('\u{2B05}', '\u{2B07}'),
    ('\u{2B1B}', '\u{2B1C}'),
    ('\u{2B50}', '\u{2B50}'),
    ('\u{2B55}', '\u{2B55}'),
    ('\u{3030}', '\u{3030}'),
    ('\u{303D}', '\u{303D}'),
    ('\u{3297}', '\u{3297}'),
    ('\u{3299}', '\u{3299}'),
    ('\u{1F000}', '\u{1F0FF}'),
    ('\u{1F10D}', '\u{1F10F}'),
    ('\u{1F12F}', '\u{1F12F}'),
    ('\u{1F16C}', '\u{1F1E5}'),
    ('\u{1F201}', '\u{1F3FA}'),
    ('\u{1F400}', '\u{1F64F}'),
    ('\u{1F680}', '\u{1F6FF}'),
    ('\u{1F774}', '\u{1F7FF}'),
    ('\u{1F900}', '\u{1FAFF}'),
];

/// Whether a text is exactly one emoji of at most [`limits::EMOJI_BYTES`] bytes: a flag of two regional indicators, a
/// keycap, or pictographs with their variations, joined into one.
pub fn is_emoji(text: &str) -> bool {
    if text.is_empty() || text.len() > limits::EMOJI_BYTES {
        return false;
    }
    let mut rest = text.chars().peekable();
    match rest.peek() {
        Some('0'..='9' | '#' | '*') => {
            rest.next();
            rest.next_if_eq(&EMOJI_STYLE);
            rest.next() == Some(KEYCAP) && rest.next().is_none()
        }
        Some(first) if is_regional(*first) => {
            rest.next();
            rest.next().is_some_and(is_regional) && rest.next().is_none()
        }
        _ => loop {
            if !element(&mut rest) {
                return false;
            }
            match rest.next() {
                None => return true,
                Some(JOINER) => {}
                Some(_) => return false,
            }
        },
    }
}

/// One pictograph with its skin tone, style or tags.
fn element(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    if !rest.next().is_some_and(is_pictograph) {
        return false;
    }
    if rest.next_if(|c| is_skin_tone(*c)).is_none() {
        rest.next_if(|c| matches!(*c, EMOJI_STYLE | TEXT_STYLE));
    }
    let mut tags = false;
    while rest.next_if(|c| matches!(*c, '\u{E0020}'..='\u{E007E}')).is_some() {
        tags = true;
    }
    !tags || rest.next() == Some(TAG_END)
}

fn is_pictograph(c: char) -> bool {
    let after = PICTOGRAPHS.partition_point(|(first, _)| *first <= c);
    after.checked_sub(1).and_then(|place| PICTOGRAPHS.get(place)).is_some_and(|(_, last)| c <= *last)
}

fn is_regional(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

fn is_skin_tone(c: char) -> bool {
    matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_ascend() {
        assert!(PICTOGRAPHS.iter().all(|(first, last)| first <= last));
        assert!(PICTOGRAPHS.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }

    #[test]
    fn one_emoji_of_each_sort() {
        for emoji in ["👍", "👍🏽", "❤", "❤️", "☺︎", "🇩🇪", "1️⃣", "#⃣", "👩‍🚀", "👨‍👩‍👧‍👦", "👩🏾‍❤️‍💋‍👨🏻", "🏳️‍🌈", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🫠", "©️"]
        {
            assert!(is_emoji(emoji), "{emoji}");
        }
    }

    #[test]
    fn nothing_else_is_one() {
        for text in [
            "",
            " ",
            "a",
            "1",
            "#",
            "ok",
            "👍👍",
            "👍 ",
            " 👍",
            "🇩",
            "🇩🇪🇫🇷",
            "\u{FE0F}",
            "\u{200D}",
            "👩\u{200D}",
            "\u{200D}👩",
            "👍\u{202E}",
            "<b>",
            "🏴\u{E0067}",
            "é",
            "1️",
            "\u{1F3FB}",
        ] {
            assert!(!is_emoji(text), "{text:?}");
        }
        assert!(!is_emoji(&"👩\u{200D}".repeat(20)), "because there is a limit");
    }
}
