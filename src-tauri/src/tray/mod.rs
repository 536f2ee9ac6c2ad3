//! The icon that stays when the window is closed.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;

#[cfg(target_os = "linux")]
pub(crate) use linux::SystemTray;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::SystemTray;

use crate::texts::Texts;

/// What the tray says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrayView {
    /// Whether messages wait to be read: another icon.
    pub(crate) unread: bool,
    /// What a pointer on the icon shows.
    pub(crate) tooltip: String,
    /// The line in the menu that only informs.
    pub(crate) status: String,
    /// Opens the window.
    pub(crate) open: String,
    /// Ends Landline.
    pub(crate) quit: String,
}

impl TrayView {
    /// Puts the counts into words.
    #[must_use]
    pub(crate) fn new(links: u32, unread: u32, texts: &Texts) -> Self {
        let status = texts.count("tray_linked", links, &[]);
        Self {
            unread: unread > 0,
            tooltip: if unread > 0 { texts.count("tray_unread", unread, &[]) } else { status.clone() },
            status,
            open: texts.get("tray_open", &[]),
            quit: texts.get("tray_quit", &[]),
        }
    }
}

/// What a person did with the tray.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrayClick {
    /// Open the window, with the permission to come to the front if the system gave one.
    Open(Option<String>),
    /// End the program.
    Quit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_messages_are_told_with_their_number() {
        let texts = Texts::for_language("en");
        let quiet = TrayView::new(2, 0, &texts);
        assert!(!quiet.unread && quiet.tooltip.contains('2'), "{quiet:?}");
        let unread = TrayView::new(2, 7, &texts);
        assert!(unread.unread && unread.tooltip.contains('7') && unread.status.contains('2'), "{unread:?}");
    }
}
