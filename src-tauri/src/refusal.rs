//! Why Landline did not start, in words for the person: cause, consequence, what to do.

use node::StartError;

use crate::texts::Texts;

/// What the dialog says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// One line.
    pub(crate) title: String,
    /// Cause, what it means for the person's data, and what to do.
    pub(crate) message: String,
}

impl Refusal {
    /// For a profile that did not open.
    #[must_use]
    pub(crate) fn of_start(error: &StartError, texts: &Texts) -> Self {
        let text = match error {
            StartError::ProfileInUse { holder, .. } => texts.get("start_in_use", &[("holder", holder)]),
            StartError::Directory { dir, source } => {
                let folder = dir.display().to_string();
                texts.get("start_directory", &[("folder", &folder), ("cause", &source.to_string())])
            }
            StartError::Database(cause) => texts.get("start_database", &[("cause", open_end(cause))]),
            StartError::Network(cause) => texts.get("start_network", &[("cause", open_end(cause))]),
            error => texts.get("start_other", &[("cause", &sentence(&error.to_string()))]),
        };
        Self::new(&text, texts)
    }

    /// For anything else that stands in the way.
    #[must_use]
    pub(crate) fn of_cause(cause: &str, texts: &Texts) -> Self {
        Self::new(&texts.get("start_other", &[("cause", &sentence(cause))]), texts)
    }

    /// For a start where no window can be opened.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub(crate) fn no_display(texts: &Texts) -> Self {
        Self::new(&texts.get("start_no_display", &[]), texts)
    }

    fn new(text: &str, texts: &Texts) -> Self {
        Self {
            title: texts.get("start_failed_title", &[]),
            message: format!("{text}\n\n{}", texts.get("start_nothing_changed", &[])),
        }
    }

    /// Shows it: on standard error, and in a dialog where there is a screen. Returns when the person has closed it.
    pub(crate) fn show(&self) {
        tracing::error!("{}: {}", self.title, self.message.replace("\n\n", " "));
        self.dialog();
    }

    #[cfg(target_os = "linux")]
    fn dialog(&self) {
        use gtk::prelude::{DialogExt as _, GtkWindowExt as _, MessageDialogExt as _};

        if gtk::init().is_err() {
            return;
        }
        let dialog = gtk::MessageDialog::new(
            gtk::Window::NONE,
            gtk::DialogFlags::MODAL,
            gtk::MessageType::Error,
            gtk::ButtonsType::Close,
            &self.title,
        );
        dialog.set_secondary_text(Some(&self.message));
        dialog.set_title("Landline");
        dialog.set_icon_name(Some(crate::APPLICATION_ID));
        dialog.run();
    }

    #[cfg(not(target_os = "linux"))]
    fn dialog(&self) {
        rfd::MessageDialog::new()
            .set_level(rfd::MessageLevel::Error)
            .set_title(&self.title)
            .set_description(&self.message)
            .set_buttons(rfd::MessageButtons::Ok)
            .show();
    }
}

/// An error's message without the full stop that the text around it has.
fn open_end(message: &str) -> &str {
    message.trim_end_matches('.')
}

/// An error's message as the beginning of a sentence.
fn sentence(message: &str) -> String {
    let mut letters = open_end(message).chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_cause_consequence_and_action() {
        let texts = Texts::for_language("en");
        let consequence = texts.get("start_nothing_changed", &[]);
        for (error, cause) in [
            (StartError::ProfileInUse { dir: "/p".into(), holder: "process 1234".into() }, "process 1234"),
            (StartError::Directory { dir: "/p".into(), source: std::io::Error::other("read-only") }, "read-only"),
            (StartError::Database("it is of version 9. Install the newest.".into()), "version 9"),
            (StartError::Key("the key ring is locked".into()), "locked"),
            (StartError::Network("no port".into()), "no port"),
        ] {
            let refusal = Refusal::of_start(&error, &texts);
            assert!(refusal.message.contains(cause), "{}", refusal.message);
            assert!(refusal.message.contains(&consequence), "{}", refusal.message);
            assert!(!refusal.message.contains(".."), "{}", refusal.message);
        }
    }
}
