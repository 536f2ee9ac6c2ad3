//! Wall-clock times as text: RFC 3339, UTC, milliseconds.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The text of a time. Times beyond the year 9999, which only a broken clock makes, show as its end.
pub(crate) fn text(ms: u64) -> String {
    const LAST_MS: u64 = 253_402_300_799_999;
    let nanos = i128::from(ms.min(LAST_MS)) * 1_000_000;
    let Ok(at) = OffsetDateTime::from_unix_timestamp_nanos(nanos) else { return String::new() };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

/// The time that a text says, in milliseconds since 1970; `None` when it is no RFC 3339 time or lies before.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(1_795_228_800_123), "2026-11-21T02:40:00.123Z");
        assert_eq!(parse("2026-11-21T02:40:00.123Z"), Some(1_795_228_800_123));
        assert_eq!(parse("2026-11-21T03:40:00.123+01:00"), Some(1_795_228_800_123));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(text(u64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
