//! The words of notifications, tray and dialogs: from the interface's own language files, so there is one translation.
//!
//! A text is a string with `{name}` in it, or, where it depends on a number, a list with one `match` object whose keys
//! are the plural forms, as the interface's message format writes it.

use std::collections::HashMap;

use serde_json::Value;

/// Every language file, by its tag.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/texts.rs"));

/// The language that is complete and stands in where another has a gap.
const BASE: &str = "en";

/// The texts of one language.
#[derive(Debug, Clone)]
pub struct Texts {
    chosen: HashMap<String, Value>,
    base: HashMap<String, Value>,
}

impl Texts {
    /// The texts for a language tag such as `de` or `de-AT`; empty means the system's own language.
    #[must_use]
    pub fn for_language(tag: &str) -> Self {
        let wanted = if tag.is_empty() { system_language() } else { tag.to_owned() };
        let short = wanted.split(['-', '_']).next().unwrap_or_default().to_owned();
        let chosen = file(&wanted).or_else(|| file(&short)).unwrap_or_default();
        Self { chosen, base: file(BASE).unwrap_or_default() }
    }

    /// The text with this key, each `{name}` replaced by the value of that name.
    #[must_use]
    pub fn get(&self, key: &str, values: &[(&str, &str)]) -> String {
        self.find(key, |text| text.as_str().map(str::to_owned), values)
    }

    /// The text with this key for a number of things; `{count}` is the number.
    #[must_use]
    pub fn count(&self, key: &str, count: u32, values: &[(&str, &str)]) -> String {
        let number = count.to_string();
        let mut values = values.to_vec();
        values.push(("count", &number));
        self.find(key, |text| plural(text, count), &values)
    }

    fn find(&self, key: &str, choose: impl Fn(&Value) -> Option<String>, values: &[(&str, &str)]) -> String {
        let text = [&self.chosen, &self.base].into_iter().find_map(|file| file.get(key).and_then(&choose));
        match text {
            Some(text) => fill(&text, values),
            None => {
                tracing::error!(key, "a text is missing");
                key.to_owned()
            }
        }
    }
}

fn file(tag: &str) -> Option<HashMap<String, Value>> {
    let (_, text) = FILES.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag))?;
    match serde_json::from_str(text) {
        Ok(map) => Some(map),
        Err(error) => {
            tracing::error!(tag, %error, "a language file cannot be read");
            None
        }
    }
}

/// The language that the system's locale names, as a tag.
fn system_language() -> String {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .map(|locale| locale.split(['.', '@']).next().unwrap_or_default().replace('_', "-"))
        .unwrap_or_default()
}

/// Picks the form for a number. The languages here know "one" and "other"; a form that is absent falls back to "other".
fn plural(text: &Value, count: u32) -> Option<String> {
    if let Some(text) = text.as_str() {
        return Some(text.to_owned());
    }
    let forms = text.get(0)?.get("match")?.as_object()?;
    let wanted = if count == 1 { "=one" } else { "=other" };
    let form = |ending: &str| forms.iter().find(|(key, _)| key.ends_with(ending)).and_then(|(_, form)| form.as_str());
    form(wanted).or_else(|| form("=other")).or_else(|| form("=*")).map(str::to_owned)
}

/// Replaces each `{name}` once, left to right, so that a value that itself contains braces is never looked at again.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after_name)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => filled.push_str(value),
            None => {
                filled.push('{');
                filled.push_str(name);
                filled.push('}');
            }
        }
        rest = after_name;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_once() {
        assert_eq!(
            fill("{name}: {text}", &[("name", "{text}"), ("text", "hi")]),
            "{text}: hi",
            "because a name is only a name"
        );
        assert_eq!(fill("{unknown} {", &[]), "{unknown} {");
    }

    #[test]
    fn numbers_choose_their_form() {
        let forms = serde_json::json!([{
            "declarations": ["input count", "local countPlural = count: plural"],
            "selectors": ["countPlural"],
            "match": { "countPlural=one": "{count} message", "countPlural=other": "{count} messages" }
        }]);
        assert_eq!(plural(&forms, 1).as_deref(), Some("{count} message"));
        assert_eq!(plural(&forms, 2).as_deref(), Some("{count} messages"));
        assert_eq!(plural(&forms, 0).as_deref(), Some("{count} messages"));
    }

    #[test]
    fn every_text_that_the_shell_uses_is_in_english() {
        let texts = Texts::for_language("en");
        for key in KEYS {
            assert!(texts.base.contains_key(*key), "{key} is missing in ui/messages/en.json");
        }
        let sources = [include_str!("notify/mod.rs"), include_str!("tray/mod.rs"), include_str!("refusal.rs")].concat();
        for key in KEYS {
            assert!(sources.contains(&format!("\"{key}\"")), "{key} is not used by the shell any more");
        }
    }

    #[test]
    fn an_unknown_language_speaks_english() {
        assert!(!Texts::for_language("xx-YY").get("tray_open", &[]).is_empty());
        assert_eq!(Texts::for_language("xx").get("tray_open", &[]), Texts::for_language("en").get("tray_open", &[]));
    }

    const KEYS: &[&str] = &[
        "notice_app",
        "notice_messages",
        "notice_from",
        "notice_request",
        "notice_request_body",
        "notice_request_hidden",
        "notice_open",
        "notice_reply",
        "notice_send",
        "notice_read",
        "notice_file",
        "notice_files",
        "notice_file_waits",
        "notice_files_wait",
        "notice_file_came",
        "notice_files_came",
        "notice_file_not_received",
        "notice_files_not_received",
        "notice_file_not_sent",
        "notice_files_not_sent",
        "notice_test_title",
        "notice_test_body",
        "tray_open",
        "tray_quit",
        "tray_linked",
        "tray_unread",
        "start_failed_title",
        "start_in_use",
        "start_directory",
        "start_database",
        "start_network",
        "start_other",
        "start_nothing_changed",
    ];
}
