//! The tray of Linux desktops: a StatusNotifierItem on the session bus.
//!
//! Spoken directly, so no tray library has to be there, and a desktop without a tray is known as such: then closing
//! the window asks what to do. The tray may come and go while the program runs.
//!
//! Specification: <https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/>.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ksni::menu::StandardItem;
use ksni::{Category, Handle, Icon, MenuItem, OfflineReason, Status, ToolTip, Tray, TrayMethods as _};
use tokio::sync::mpsc;

use super::{TrayClick, TrayView};
use crate::{APPLICATION_ID, icons};

/// The icon in the tray.
pub(crate) struct SystemTray {
    handle: Handle<Item>,
    present: Arc<AtomicBool>,
}

struct Item {
    view: TrayView,
    /// Whether the icon theme has our symbolic icons, which the desktop colours to fit its bar.
    themed: bool,
    clicks: mpsc::Sender<TrayClick>,
    present: Arc<AtomicBool>,
}

impl SystemTray {
    /// Puts the icon into the tray, now or as soon as there is one.
    ///
    /// # Errors
    /// In words, when the session has no bus on which a tray could ever be.
    pub(crate) async fn start(view: TrayView, clicks: mpsc::Sender<TrayClick>) -> Result<Self, String> {
        let present = Arc::new(AtomicBool::new(true));
        let item = Item { view, themed: icons::themed_symbolic(), clicks, present: present.clone() };
        let handle = item.assume_sni_available(true).spawn().await.map_err(|error| error.to_string())?;
        Ok(Self { handle, present })
    }

    /// Says something else from now on.
    pub(crate) async fn update(&self, view: TrayView) {
        self.handle.update(|item| item.view = view).await;
    }

    /// Whether a person can see the icon.
    #[must_use]
    pub(crate) fn is_present(&self) -> bool {
        self.present.load(Ordering::Relaxed)
    }

    /// Takes the icon away.
    pub(crate) async fn remove(&self) {
        self.handle.shutdown().await;
    }
}

impl std::fmt::Debug for SystemTray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemTray").field("present", &self.is_present()).finish_non_exhaustive()
    }
}

impl Item {
    fn tell(&self, click: TrayClick) {
        // A full inbox means that the same click already waits.
        let _ = self.clicks.try_send(click);
    }
}

impl Tray for Item {
    fn id(&self) -> String {
        APPLICATION_ID.to_owned()
    }

    fn title(&self) -> String {
        "Landline".to_owned()
    }

    fn category(&self) -> Category {
        Category::Communications
    }

    fn status(&self) -> Status {
        Status::Active
    }

    fn icon_name(&self) -> String {
        match (self.themed, self.view.unread) {
            (false, _) => String::new(),
            (true, false) => format!("{APPLICATION_ID}-symbolic"),
            (true, true) => format!("{APPLICATION_ID}-unread-symbolic"),
        }
    }

    fn icon_pixmap(&self) -> Vec<Icon> {
        let Some((width, height, rgba)) = icons::tray(self.view.unread) else { return Vec::new() };
        // The specification wants ARGB, most significant byte first.
        let data = rgba.as_chunks::<4>().0.iter().flat_map(|[r, g, b, a]| [*a, *r, *g, *b]).collect();
        vec![Icon { width, height, data }]
    }

    fn tool_tip(&self) -> ToolTip {
        ToolTip { title: "Landline".to_owned(), description: self.view.tooltip.clone(), ..ToolTip::default() }
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        self.tell(TrayClick::Open(ksni::current_xdg_activation_token()));
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let open = StandardItem {
            label: self.view.open.clone(),
            activate: Box::new(|item: &mut Self| item.tell(TrayClick::Open(ksni::current_xdg_activation_token()))),
            ..StandardItem::default()
        };
        let status = StandardItem { label: self.view.status.clone(), enabled: false, ..StandardItem::default() };
        let quit = StandardItem {
            label: self.view.quit.clone(),
            activate: Box::new(|item: &mut Self| item.tell(TrayClick::Quit)),
            ..StandardItem::default()
        };
        vec![open.into(), status.into(), MenuItem::Separator, quit.into()]
    }

    fn watcher_online(&self) {
        self.present.store(true, Ordering::Relaxed);
        tracing::info!("the desktop's tray is back");
    }

    fn watcher_offline(&self, _reason: OfflineReason) -> bool {
        self.present.store(false, Ordering::Relaxed);
        tracing::info!("this desktop shows no tray at present");
        true
    }
}
