//! What the person set, kept as one JSON object. Keys that this version does not know are kept as they are.

use serde_json::{Map, Value};
use store::{Reader, StoreError, Tx};

use crate::NodeError;
use crate::view::Settings;

/// Under which name the object is stored.
const NAME: &str = "settings";

/// Smallest and largest text size in percent.
const ZOOM: std::ops::RangeInclusive<u16> = 80..=160;

/// Longest language tag that is kept; the longest registered ones have 35 characters (RFC 5646, section 4.4.1).
const LANGUAGE_BYTES: usize = 35;

/// After how many minutes without input a person may count as away.
const AWAY_MINUTES: std::ops::RangeInclusive<u16> = 1..=240;

/// For how many days records of the notification centre may be kept.
const NOTIFICATION_DAYS: std::ops::RangeInclusive<u16> = 1..=3_650;

/// The largest size below which files may come without asking: what a JSON number holds exactly.
const AUTO_ACCEPT_BYTES: u64 = (1 << 53) - 1;

/// Longest path of a folder that is kept; no system takes longer ones.
const FOLDER_BYTES: usize = 4_096;

/// The settings with their raw form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    raw: Map<String, Value>,
    /// As this version reads them.
    pub(crate) settings: Settings,
}

impl Kept {
    /// Reads them. A value that this version cannot read counts as not set.
    pub(crate) fn load(reader: &Reader<'_>) -> Result<Self, StoreError> {
        let raw = match store::settings::get(reader, NAME)? {
            Some(Value::Object(raw)) => raw,
            _ => Map::new(),
        };
        let mut kept = Self { raw: Map::new(), settings: Settings::default() };
        for (name, value) in &raw {
            let mut one = kept.raw.clone();
            one.insert(name.clone(), value.clone());
            if let Ok(settings) = read(&one) {
                kept.settings = settings;
                kept.raw = one;
            }
        }
        kept.raw = raw;
        Ok(kept)
    }

    /// These with `patch` merged in. `null` takes a key back to its default.
    pub(crate) fn merged(&self, patch: Value) -> Result<Self, NodeError> {
        let Value::Object(patch) = patch else {
            return Err(invalid("settings", "settings must be an object".to_owned()));
        };
        let mut raw = self.raw.clone();
        for (name, value) in patch {
            if value.is_null() {
                raw.remove(&name);
            } else {
                raw.insert(name, value);
            }
        }
        let settings = read(&raw).map_err(|error| invalid("settings", error.to_string()))?;
        check(&settings)?;
        Ok(Self { raw, settings })
    }

    /// Writes them.
    pub(crate) fn store(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        store::settings::set(tx, NAME, &Value::Object(self.raw.clone()))
    }
}

fn read(raw: &Map<String, Value>) -> Result<Settings, serde_json::Error> {
    serde_json::from_value(Value::Object(raw.clone()))
}

/// The bounds that types do not say.
fn check(settings: &Settings) -> Result<(), NodeError> {
    within("zoom", &ZOOM, settings.zoom)?;
    within("awayAfterMinutes", &AWAY_MINUTES, settings.away_after_minutes)?;
    within("notificationDays", &NOTIFICATION_DAYS, settings.notification_days)?;
    let tag = &settings.language;
    if tag.len() > LANGUAGE_BYTES || !tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(invalid("language", "language must be a language tag such as en or pt-BR".to_owned()));
    }
    for (field, time) in [("quietFrom", &settings.quiet_from), ("quietTo", &settings.quiet_to)] {
        if minute_of_day(time).is_none() {
            return Err(invalid(field, format!("{field} must be a time of day such as 22:00")));
        }
    }
    if settings.auto_accept_bytes > AUTO_ACCEPT_BYTES {
        return Err(invalid("autoAcceptBytes", format!("autoAcceptBytes must be at most {AUTO_ACCEPT_BYTES}")));
    }
    let folder = &settings.download_folder;
    if folder.len() > FOLDER_BYTES || folder.contains('\0') {
        return Err(invalid(
            "downloadFolder",
            format!("downloadFolder must be a path of at most {FOLDER_BYTES} bytes"),
        ));
    }
    Ok(())
}

fn within(field: &'static str, range: &std::ops::RangeInclusive<u16>, value: u16) -> Result<(), NodeError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(invalid(field, format!("{field} must be {} to {}, not {value}", range.start(), range.end())))
}

/// Whether a text is `00:00` to `23:59`.
/// The minute of the day that a time such as `22:00` says.
fn minute_of_day(text: &str) -> Option<u32> {
    let number = |digits: &str| digits.parse::<u32>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let (hours, minutes) = text.split_once(':').filter(|(hours, _)| text.len() == 5 && hours.len() == 2)?;
    let hours = number(hours).filter(|hours| *hours < 24)?;
    let minutes = number(minutes).filter(|minutes| *minutes < 60)?;
    Some(hours * 60 + minutes)
}

/// Whether notifications are silent at a time, which `ahead_seconds` makes local.
pub(crate) fn is_quiet(settings: &Settings, wall_ms: u64, ahead_seconds: i32) -> bool {
    const DAY: i64 = 24 * 60;
    let (Some(from), Some(to)) = (minute_of_day(&settings.quiet_from), minute_of_day(&settings.quiet_to)) else {
        return false;
    };
    let seconds = i64::try_from(wall_ms / 1000).unwrap_or_default() + i64::from(ahead_seconds);
    let now = u32::try_from(seconds.div_euclid(60).rem_euclid(DAY)).unwrap_or_default();
    // Hours that end when they begin last all day; others may go past midnight.
    let silent = if from < to { (from..to).contains(&now) } else { now >= from || now < to };
    settings.quiet_enabled && silent
}

fn invalid(field: &'static str, message: String) -> NodeError {
    NodeError::Invalid { code: "invalid_settings", field, message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_keys_are_kept() {
        let kept = Kept::default().merged(json!({"theme": "dark", "fromTheFuture": {"a": 1}})).unwrap();
        let kept = kept.merged(json!({"zoom": 120})).unwrap();
        assert_eq!(kept.raw["fromTheFuture"], json!({"a": 1}));
        assert_eq!((kept.settings.zoom, kept.settings.theme), (120, crate::view::Theme::Dark));
        let kept = kept.merged(json!({"theme": null})).unwrap();
        assert_eq!(kept.settings.theme, crate::view::Theme::System);
    }

    #[test]
    fn quiet_hours_go_past_midnight_in_local_time() {
        const HOUR: u64 = 60 * 60 * 1000;
        // Midnight of some day, UTC.
        const DAY: u64 = 1_795_219_200_000;
        let set = |from: &str, to: &str| Settings {
            quiet_enabled: true,
            quiet_from: from.to_owned(),
            quiet_to: to.to_owned(),
            ..Settings::default()
        };
        let hours = |settings: &Settings, ahead: i32| -> Vec<u64> {
            (0..24).filter(|hour| is_quiet(settings, DAY + hour * HOUR, ahead)).collect()
        };
        assert_eq!(hours(&set("22:00", "07:00"), 0), [0, 1, 2, 3, 4, 5, 6, 22, 23]);
        assert_eq!(hours(&set("22:00", "07:00"), 3600), [0, 1, 2, 3, 4, 5, 21, 22, 23], "an hour ahead of UTC");
        assert_eq!(hours(&set("22:00", "07:00"), -5 * 3600), [3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(hours(&set("09:30", "11:00"), 0), [10]);
        assert_eq!(hours(&set("08:00", "08:00"), 0).len(), 24);
        assert!(hours(&Settings { quiet_enabled: false, ..set("08:00", "08:00") }, 0).is_empty());
        assert!(is_quiet(&set("23:59", "00:01"), 0, -1), "also at the beginning of time");
    }

    #[test]
    fn bad_values_change_nothing() {
        for bad in [
            json!([]),
            json!({"theme": "pink"}),
            json!({"zoom": 1000}),
            json!({"zoom": "big"}),
            json!({"language": "x y"}),
            json!({"awayAfterMinutes": 0}),
            json!({"notificationDays": 4_000}),
            json!({"quietFrom": "24:00"}),
            json!({"quietTo": "7:00"}),
            json!({"quietTo": "+7:00"}),
            json!({"sound": "trumpet"}),
            json!({"autoAcceptBytes": u64::MAX}),
            json!({"downloadFolder": "a\0b"}),
        ] {
            assert!(Kept::default().merged(bad.clone()).is_err(), "{bad}");
        }
    }
}
