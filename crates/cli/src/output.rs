//! What is printed: text that cannot do anything to a terminal, columns that stay in line, JSON in single lines.

use std::io::{self, Write as _};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

/// Prints a line.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    // A reader at the other end of a pipe waits for whole lines.
    out.flush()
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string(value)?)?)
}

/// Makes text of others harmless: a terminal obeys control characters, and invisible or reordering ones deceive the
/// reader. Each becomes its code point in braces.
pub(crate) fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            safe.push_str(&format!("{{U+{:04X}}}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// As [`plain`], but line breaks stay, with `indent` in front of each further line.
pub(crate) fn paragraphs(text: &str, indent: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| plain(line.strip_suffix('\r').unwrap_or(line))).collect();
    lines.join(&format!("\n{indent}"))
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Line and paragraph separators, and whatever hides or turns the direction of what follows.
            '\u{2028}' | '\u{2029}' | '\u{061C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
            | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Lays out rows in columns, two spaces between; the first row is the head.
pub(crate) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// `2026-11-21 18:53`, in UTC, from RFC 3339.
pub(crate) fn minute(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => plain(rfc3339),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_does_nothing() {
        assert_eq!(plain("\u{1b}[2Jroot"), "{U+001B}[2Jroot");
        assert_eq!(plain("a\nb\rc\0\u{7f}\u{9b}"), "a{U+000A}b{U+000D}c{U+0000}{U+007F}{U+009B}");
        assert_eq!(plain("\u{202e}exe.gpj\u{200b}"), "{U+202E}exe.gpj{U+200B}");
        assert_eq!(plain("Ünïcödé 日本語 👩‍👩‍👧 עברית"), "Ünïcödé 日本語 👩‍👩‍👧 עברית", "because these are ordinary texts");
    }

    #[test]
    fn lines_of_a_message_stay() {
        assert_eq!(paragraphs("a\r\nb\u{1b}c", "  "), "a\n  b{U+001B}c");
    }

    #[test]
    fn columns_stay_in_line() {
        let rows = [["NAME", "STATUS"], ["Anna", "online"], ["日本", "offline"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "NAME  STATUS\nAnna  online\n日本  offline");
    }
}
