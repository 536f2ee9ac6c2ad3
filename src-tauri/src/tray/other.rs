//! The tray of Windows and macOS, by Tauri.

use std::fmt;

use tauri::menu::{Menu, MenuItem, PredefinedMenuItem};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Wry};
use tokio::sync::mpsc;

use super::{TrayClick, TrayView};
use crate::icons;

const OPEN: &str = "open";
const QUIT: &str = "quit";

/// The icon in the tray.
pub(crate) struct SystemTray {
    icon: TrayIcon<Wry>,
    open: MenuItem<Wry>,
    status: MenuItem<Wry>,
    quit: MenuItem<Wry>,
}

impl fmt::Debug for SystemTray {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SystemTray").finish_non_exhaustive()
    }
}

impl SystemTray {
    /// Puts the icon into the tray.
    ///
    /// # Errors
    /// In words, when the system refuses it.
    pub(crate) fn start(app: &AppHandle, view: &TrayView, clicks: mpsc::Sender<TrayClick>) -> Result<Self, String> {
        Self::build(app, view, clicks).map_err(|error| error.to_string())
    }

    fn build(app: &AppHandle, view: &TrayView, clicks: mpsc::Sender<TrayClick>) -> tauri::Result<Self> {
        let open = MenuItem::with_id(app, OPEN, &view.open, true, None::<&str>)?;
        let status = MenuItem::with_id(app, "status", &view.status, false, None::<&str>)?;
        let quit = MenuItem::with_id(app, QUIT, &view.quit, true, None::<&str>)?;
        let menu = Menu::with_items(app, &[&open, &status, &PredefinedMenuItem::separator(app)?, &quit])?;
        let on_icon = clicks.clone();
        // A full inbox means that the same click already waits.
        let mut builder = TrayIconBuilder::new()
            .menu(&menu)
            .tooltip(&view.tooltip)
            .icon_as_template(true)
            .show_menu_on_left_click(cfg!(target_os = "macos"))
            .on_menu_event(move |_, event| {
                let click = match event.id().as_ref() {
                    OPEN => TrayClick::Open(None),
                    QUIT => TrayClick::Quit,
                    _ => return,
                };
                let _ = clicks.try_send(click);
            })
            .on_tray_icon_event(move |_, event| {
                if cfg!(windows)
                    && let TrayIconEvent::Click {
                        button: MouseButton::Left, button_state: MouseButtonState::Up, ..
                    } = event
                {
                    let _ = on_icon.try_send(TrayClick::Open(None));
                }
            });
        if let Some(image) = icons::tray_image(view.unread) {
            builder = builder.icon(image);
        }
        Ok(Self { icon: builder.build(app)?, open, status, quit })
    }

    /// Says something else from now on.
    pub(crate) fn update(&self, view: &TrayView) {
        let said = self
            .open
            .set_text(&view.open)
            .and_then(|()| self.status.set_text(&view.status))
            .and_then(|()| self.quit.set_text(&view.quit))
            .and_then(|()| self.icon.set_tooltip(Some(&view.tooltip)))
            .and_then(|()| self.icon.set_icon_with_as_template(icons::tray_image(view.unread), true));
        if let Err(error) = said {
            tracing::warn!(%error, "the tray keeps what it showed");
        }
    }

    /// Whether a person can see the icon: these systems always have a tray.
    #[must_use]
    pub(crate) fn is_present(&self) -> bool {
        true
    }

    /// Takes the icon away.
    pub(crate) fn remove(&self) {
        let _ = self.icon.set_visible(false);
    }
}
