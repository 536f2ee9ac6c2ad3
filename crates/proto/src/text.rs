//! Rules for text that a person reads: names, status lines, messages.
//!
//! Names stand next to other people's names, in notifications and in lists, so nothing in them may reach beyond its
//! place or hide: no control characters, no direction overrides, no characters that only deceive. A message stands in
//! its own isolated box, so it may hold anything but NUL.

use thiserror::Error;

use crate::limits;

/// Which rule a text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    /// Nothing is left after trimming white space.
    #[error("is empty")]
    Empty,
    /// More bytes of UTF-8 than allowed.
    #[error("can hold {limit} bytes and has {actual}")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
        /// The length in bytes.
        actual: usize,
    },
    /// A control character, a line break or NUL.
    #[error("holds the control character U+{0:04X}")]
    Control(u32),
    /// A character that changes the direction of what follows (U+202A–202E, U+2066–2069).
    #[error("holds the direction override U+{0:04X}")]
    Direction(u32),
    /// A character without width that has no use in a name but to deceive.
    #[error("holds the hidden character U+{0:04X}")]
    Hidden(u32),
    /// Characters, but none that can be seen.
    #[error("holds nothing that can be seen")]
    Invisible,
    /// White space at an end where a clean text is due (on the wire).
    #[error("has white space at its ends")]
    Untrimmed,
}

/// Cleans a person's or device's name: trims white space, then demands 1 to [`limits::NAME_BYTES`] bytes, of which
/// something can be seen.
///
/// # Errors
/// The rule that the name breaks.
pub fn clean_name(name: &str) -> Result<String, TextError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(TextError::Empty);
    }
    check_line(name, limits::NAME_BYTES)?;
    if name.chars().all(is_invisible) {
        return Err(TextError::Invisible);
    }
    Ok(name.to_owned())
}

/// Cleans a status text: trims white space; may be empty; at most [`limits::STATUS_TEXT_BYTES`] bytes on one line.
///
/// # Errors
/// The rule that the text breaks.
pub fn clean_status(text: &str) -> Result<String, TextError> {
    let text = text.trim();
    check_line(text, limits::STATUS_TEXT_BYTES)?;
    Ok(text.to_owned())
}

/// Cleans a device name: as [`clean_name`], but may be empty.
///
/// # Errors
/// The rule that the name breaks.
pub fn clean_device(name: &str) -> Result<String, TextError> {
    if name.trim().is_empty() { Ok(String::new()) } else { clean_name(name) }
}

/// Checks the name of a file: 1 to [`limits::FILE_NAME_BYTES`] bytes, nothing in it that reaches beyond its line or hides.
/// It may still be a name that a system does not take, or hold a path: who saves a file makes a name of its own of it.
///
/// # Errors
/// The rule that the name breaks.
pub fn check_file_name(name: &str) -> Result<(), TextError> {
    check_line(name, limits::FILE_NAME_BYTES)?;
    if name.chars().all(is_invisible) { Err(TextError::Empty) } else { Ok(()) }
}

/// Makes a file's name fit for [`check_file_name`]: what must not be in it becomes `_`, what is too long loses its middle
/// and keeps its ending.
#[must_use]
pub fn clean_file_name(name: &str) -> String {
    let allowed = |c: char| !is_control(c) && !is_direction(c) && !is_hidden(c);
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if name.chars().all(is_invisible) { "_".to_owned() } else { shorten_file_name(&name, limits::FILE_NAME_BYTES) }
}

/// A name of at most `limit` bytes that keeps its ending: `very long.txt` becomes `very.txt`.
#[must_use]
pub fn shorten_file_name(name: &str, limit: usize) -> String {
    /// An ending that is worth keeping is no longer than this, its dot included.
    const ENDING_BYTES: usize = 24;
    if name.len() <= limit {
        return name.to_owned();
    }
    let ending = name.rfind('.').and_then(|dot| name.get(dot..));
    let ending = ending.filter(|ending| ending.len() <= ENDING_BYTES.min(limit / 2)).unwrap_or_default();
    let mut short = String::new();
    for c in name.chars() {
        if short.len() + c.len_utf8() + ending.len() > limit {
            break;
        }
        short.push(c);
    }
    short + ending
}

/// Checks the text of a message: 1 to [`limits::MESSAGE_BYTES`] bytes, not only white space, no NUL. It is kept as it
/// is, not trimmed.
///
/// # Errors
/// The rule that the text breaks.
pub fn check_message(text: &str) -> Result<(), TextError> {
    if text.len() > limits::MESSAGE_BYTES {
        return Err(TextError::TooLong { limit: limits::MESSAGE_BYTES, actual: text.len() });
    }
    if text.contains('\0') {
        return Err(TextError::Control(0));
    }
    if text.trim().is_empty() { Err(TextError::Empty) } else { Ok(()) }
}

/// Makes a peer's diagnostic text fit for a log line: control and direction characters become `�`, the rest is cut at
/// `limit` bytes on a character boundary.
pub fn printable(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for c in text.chars() {
        let c = if is_control(c) || is_direction(c) { char::REPLACEMENT_CHARACTER } else { c };
        if out.len() + c.len_utf8() > limit {
            break;
        }
        out.push(c);
    }
    out
}

/// Demands that what arrived is what cleaning would have made of it.
pub(crate) fn already_clean(cleaned: &str, arrived: &str) -> Result<(), TextError> {
    if cleaned == arrived { Ok(()) } else { Err(TextError::Untrimmed) }
}

fn check_line(text: &str, limit: usize) -> Result<(), TextError> {
    if text.len() > limit {
        return Err(TextError::TooLong { limit, actual: text.len() });
    }
    for c in text.chars() {
        if is_control(c) {
            return Err(TextError::Control(c.into()));
        }
        if is_direction(c) {
            return Err(TextError::Direction(c.into()));
        }
        if is_hidden(c) {
            return Err(TextError::Hidden(c.into()));
        }
    }
    Ok(())
}

/// C0, DEL and C1 controls, and Unicode's own line and paragraph separators.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Embeddings, overrides and isolates of UAX #9. The plain marks (U+200E, U+200F, U+061C) change nothing beyond their
/// neighbours and are needed in right-to-left names.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Invisible characters with no use in a name. Joiners (U+200C, U+200D), variation selectors and tags do have one, in
/// Indic scripts, Persian and emoji.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{180E}' | '\u{200B}' | '\u{2060}'..='\u{2065}' | '\u{206A}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// Characters that leave no mark by themselves: white space, Unicode's default-ignorable characters, and blanks that
/// are letters by name.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || is_hidden(c)
        || matches!(
            c,
            '\u{034F}'
                | '\u{061C}'
                | '\u{115F}'..='\u{1160}'
                | '\u{17B4}'..='\u{17B5}'
                | '\u{180B}'..='\u{180F}'
                | '\u{200C}'..='\u{200F}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{FE00}'..='\u{FE0F}'
                | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFF8}'
                | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D173}'..='\u{1D17A}'
                | '\u{E0000}'..='\u{E0FFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_made_fit() {
        for name in ["a.txt", "Ünïcødé 文件.pdf", ".profile", "../../etc/passwd", &"x".repeat(255)] {
            assert_eq!((check_file_name(name), clean_file_name(name).as_str()), (Ok(()), name));
        }
        for (name, clean) in [
            ("", "_"),
            ("  ", "_"),
            ("a\nb", "a_b"),
            ("invoice\u{202E}fdp.exe", "invoice_fdp.exe"),
            ("a\u{200B}b\0", "a_b_"),
        ] {
            assert!(check_file_name(name).is_err(), "{name:?}");
            assert_eq!(clean_file_name(name), clean);
        }
        let long = clean_file_name(&format!("{}.tar.gz", "ä".repeat(300)));
        assert!(check_file_name(&long).is_ok() && long.ends_with("ä.gz"), "because the ending tells what it is");
        assert_eq!(shorten_file_name("abcdef.txt", 8), "abcd.txt");
    }

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(clean_name("  Ada \t").unwrap(), "Ada");
        assert_eq!(clean_name(" \u{3000} "), Err(TextError::Empty));
        assert_eq!(clean_name(&"x".repeat(64)).unwrap().len(), 64);
        assert_eq!(clean_name(&"x".repeat(65)), Err(TextError::TooLong { limit: 64, actual: 65 }));
        assert_eq!(clean_name(&"x".repeat(1 << 20)), Err(TextError::TooLong { limit: 64, actual: 1 << 20 }));
    }

    #[test]
    fn names_hide_nothing() {
        assert_eq!(clean_name("A\0B"), Err(TextError::Control(0)));
        assert_eq!(clean_name("A\nB"), Err(TextError::Control(10)));
        assert_eq!(clean_name("A\u{85}B"), Err(TextError::Control(0x85)));
        assert_eq!(clean_name("A\u{2028}B"), Err(TextError::Control(0x2028)));
        assert_eq!(clean_name("\u{202E}adA"), Err(TextError::Direction(0x202E)));
        assert_eq!(clean_name("\u{2067}adA\u{2069}"), Err(TextError::Direction(0x2067)));
        assert_eq!(clean_name("A\u{200B}da"), Err(TextError::Hidden(0x200B)));
        assert_eq!(clean_name("\u{FEFF}Ada"), Err(TextError::Hidden(0xFEFF)));
        assert_eq!(clean_name("\u{3164}\u{2800}\u{200D}"), Err(TextError::Invisible));
    }

    #[test]
    fn names_of_the_world_pass() {
        for name in
            ["Ада", "阿达", "آدا", "אדה\u{200F}", "นางสาว", "👩\u{200D}🚀", "❤\u{FE0F}", "नी\u{200D}ल", "O’Neill (2)"]
        {
            assert_eq!(clean_name(name).as_deref(), Ok(name));
        }
    }

    #[test]
    fn status_and_device_may_be_empty() {
        assert_eq!(clean_status("  "), Ok(String::new()));
        assert_eq!(clean_device(" "), Ok(String::new()));
        assert_eq!(clean_device("desk\u{202E}"), Err(TextError::Direction(0x202E)));
        assert_eq!(clean_status(&"é".repeat(71)), Err(TextError::TooLong { limit: 140, actual: 142 }));
    }

    #[test]
    fn messages_hold_anything_but_nul_and_nothing() {
        assert_eq!(check_message(""), Err(TextError::Empty));
        assert_eq!(check_message(" \n\t "), Err(TextError::Empty));
        assert_eq!(check_message("a\0"), Err(TextError::Control(0)));
        assert_eq!(check_message("\u{202E}right to left\u{200B}\u{1b}[31m"), Ok(()));
        assert_eq!(check_message(&"x".repeat(65_536)), Ok(()));
        assert_eq!(check_message(&"x".repeat(65_537)), Err(TextError::TooLong { limit: 65_536, actual: 65_537 }));
    }

    #[test]
    fn diagnostic_text_is_made_printable() {
        assert_eq!(printable("a\x1b[2Jb\u{202E}c", 200), "a\u{FFFD}[2Jb\u{FFFD}c");
        assert_eq!(printable("ééé", 5), "éé");
    }
}
