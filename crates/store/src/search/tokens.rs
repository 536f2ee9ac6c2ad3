//! What the index holds of a message: each three characters that follow each other, and what a search filters by.
//!
//! The text is followed by two spaces, so that every character begins a token; one or two characters are then found
//! by the beginning of tokens, for which the index has lists of its own.

use time::{Date, Duration, Month, OffsetDateTime};

use super::fold::RESERVED;
use super::terms::Terms;
use super::{Document, Filter};

/// Tokens of one term that are asked of the index. More would not narrow it; what is found is compared anyway.
const TOKENS: usize = 32;

/// Days in which messages are looked for lie between these; others count as the first or the last.
const FIRST_YEAR: i32 = 1970;
const LAST_YEAR: i32 = 2100;

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// What begins a token that is no part of a text.
const SESSION: char = '\u{f0001}';
const AUTHOR: char = '\u{f0002}';
const KIND: char = '\u{f0003}';
const YEAR: char = '\u{f0004}';
const MONTH: char = '\u{f0005}';
const DAY: char = '\u{f0006}';

/// All tokens of a message, as the text that goes to the index.
pub(super) fn of(document: &Document) -> String {
    let mut chars: Vec<char> = document.text.chars().map(safe).collect();
    let space = safe(' ');
    chars.extend([space, space]);
    let mut grams: Vec<[char; 3]> =
        chars.array_windows().copied().filter(|gram| gram.first().is_some_and(|first| *first != space)).collect();
    grams.sort_unstable();
    grams.dedup();
    let mut tokens = String::with_capacity(grams.len() * 5 + 64);
    for gram in grams {
        tokens.extend(gram);
        tokens.push(' ');
    }
    let date = date(document.shown_ms);
    for token in [
        session(document.session.0),
        author(document.author.0),
        kind(document.kind),
        year(date.year()),
        month(date),
        day(date),
    ] {
        tokens.push_str(&token);
        tokens.push(' ');
    }
    tokens
}

/// What to ask of the index, in the language of FTS5; `None` when it may be any message.
pub(super) fn expression(terms: &Terms, filter: &Filter) -> Option<String> {
    let mut all = Vec::new();
    for term in terms.iter() {
        of_term(term, &mut all);
    }
    all.sort_unstable();
    all.dedup();
    all.extend(filter.session.map(|key| quoted(&session(key.0))));
    all.extend(filter.author.map(|key| quoted(&author(key.0))));
    all.extend(filter.kind.map(|wanted| quoted(&kind(wanted))));
    if filter.since_ms.is_some() || filter.until_ms.is_some() {
        all.push(format!("({})", between(filter.since_ms, filter.until_ms).join(" OR ")));
    }
    (!all.is_empty()).then(|| all.join(" AND "))
}

fn of_term(term: &str, all: &mut Vec<String>) {
    let chars: Vec<char> = term.chars().map(safe).collect();
    if chars.len() < 3 {
        all.push(format!("{} *", quoted(&chars.iter().collect::<String>())));
        return;
    }
    let space = safe(' ');
    let grams: Vec<&[char; 3]> =
        chars.array_windows().filter(|gram| gram.first().is_some_and(|first| *first != space)).collect();
    let step = grams.len().div_ceil(TOKENS).max(1);
    all.extend(grams.iter().step_by(step).map(|gram| quoted(&gram.iter().collect::<String>())));
}

/// ASCII characters between which the tokenizer would part tokens become private ones, which it takes for letters.
fn safe(c: char) -> char {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        char::from_u32(u32::from(RESERVED) + u32::from(c)).unwrap_or(RESERVED)
    } else {
        c
    }
}

fn quoted(token: &str) -> String {
    format!("\"{token}\"")
}

fn session(key: i64) -> String {
    format!("{SESSION}{key}")
}

fn author(key: i64) -> String {
    format!("{AUTHOR}{key}")
}

fn kind(kind: i64) -> String {
    format!("{KIND}{kind}")
}

fn year(year: i32) -> String {
    format!("{YEAR}{year}")
}

fn month(date: Date) -> String {
    format!("{MONTH}{}{:02}", date.year(), u8::from(date.month()))
}

fn day(date: Date) -> String {
    format!("{DAY}{}{:02}{:02}", date.year(), u8::from(date.month()), date.day())
}

/// The day of a time, in UTC.
fn date(ms: u64) -> Date {
    let days = i64::try_from(ms / MS_PER_DAY).unwrap_or(i64::MAX);
    let last = last_day();
    let epoch = OffsetDateTime::UNIX_EPOCH.date();
    if days > (last - epoch).whole_days() { last } else { epoch.saturating_add(Duration::days(days)) }
}

fn last_day() -> Date {
    Date::from_calendar_date(LAST_YEAR, Month::December, 31).unwrap_or(Date::MAX)
}

/// The tokens of all days of a span: whole years and months where they lie in it.
fn between(since_ms: Option<u64>, until_ms: Option<u64>) -> Vec<String> {
    let mut next = Some(since_ms.map_or(OffsetDateTime::UNIX_EPOCH.date(), date));
    let last = until_ms.map_or_else(last_day, date);
    let mut tokens = Vec::new();
    while let Some(at) = next.filter(|at| *at <= last && at.year() >= FIRST_YEAR) {
        let year_ends = Date::from_calendar_date(at.year(), Month::December, 31).unwrap_or(at);
        let month_ends = Date::from_calendar_date(at.year(), at.month(), at.month().length(at.year())).unwrap_or(at);
        let (token, ends) = match (at.ordinal(), at.day()) {
            (1, _) if year_ends <= last => (year(at.year()), year_ends),
            (_, 1) if month_ends <= last => (month(at), month_ends),
            _ => (day(at), at),
        };
        tokens.push(quoted(&token));
        next = ends.next_day();
    }
    if tokens.is_empty() {
        // The span is empty: a day that no message has.
        tokens.push(quoted(&format!("{DAY}0")));
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_2026_11_21: u64 = 1_795_219_200_000;

    #[test]
    fn a_span_takes_whole_years_and_months() {
        let until = DAY_2026_11_21 + 3_600_000;
        let tokens = between(Some(1_703_980_800_000), Some(until));
        assert_eq!(tokens.first().unwrap(), "\"\u{f0006}20231231\"");
        assert_eq!(tokens.get(1).unwrap(), "\"\u{f0004}2024\"");
        assert_eq!(tokens.get(3).unwrap(), "\"\u{f0005}202601\"");
        assert_eq!(tokens.last().unwrap(), "\"\u{f0006}20261121\"");
        assert_eq!(tokens.len(), 1 + 2 + 10 + 21);
        assert_eq!(between(Some(until), Some(0)), ["\"\u{f0006}0\""]);
        assert_eq!(between(None, None).len(), 131, "because no time is before 1970 or after 2100");
    }

    #[test]
    fn every_time_has_a_day() {
        assert_eq!(day(date(u64::MAX)), "\u{f0006}21001231");
        assert_eq!(day(date(DAY_2026_11_21)), "\u{f0006}20261121");
    }
}
