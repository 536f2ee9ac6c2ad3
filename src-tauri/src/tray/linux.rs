//! The tray of Linux desktops: a StatusNotifierItem on the session bus.
//!
//! Spoken directly, so no tray library has to be there, and a desktop without a tray is known as such: then closing
//! the window asks what to do. The tray may come and go while the program runs.
//!
//! Specification: <https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/>.

use std::time::Duration;

use ksni::menu::StandardItem;
use ksni::{Category, Handle, Icon, MenuItem, OfflineReason, Status, ToolTip, Tray, TrayMethods as _};
use tokio::sync::{mpsc, watch};

use super::{TrayClick, TrayView};
use crate::{APPLICATION_ID, icons};

/// How long an icon may take to come into a panel that is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// The icon in the tray.
pub(crate) struct SystemTray {
    handle: Handle<Item>,
    present: watch::Sender<bool>,
}

struct Item {
    view: TrayView,
    /// Whether the icon theme has our symbolic icons, which the desktop colours to fit its bar.
    themed: bool,
    clicks: mpsc::Sender<TrayClick>,
    present: watch::Sender<bool>,
}

impl SystemTray {
    /// Puts the icon into the tray, now or as soon as there is one.
    ///
    /// # Errors
    /// In words, when the session has no bus on which a tray could ever be.
    pub(crate) async fn start(
        bus: &zbus::Connection,
        view: TrayView,
        clicks: mpsc::Sender<TrayClick>,
    ) -> Result<Self, String> {
        loop {
            let tray = Self::offer(view.clone(), clicks.clone()).await.map_err(|error| error.to_string())?;
            if tray.is_present() || !has_panel(bus).await || tray.appears().await {
                return Ok(tray);
            }
            // The panel came after the icon was offered and before its coming was noticed: it has not heard of it.
            tray.remove().await;
        }
    }

    async fn offer(view: TrayView, clicks: mpsc::Sender<TrayClick>) -> Result<Self, ksni::Error> {
        let present = watch::Sender::new(true);
        let item = Item { view, themed: icons::themed_symbolic(), clicks, present: present.clone() };
        let handle = item.assume_sni_available(true).spawn().await?;
        Ok(Self { handle, present })
    }

    /// Whether a panel that is there takes the icon within a moment.
    async fn appears(&self) -> bool {
        let mut present = self.present.subscribe();
        let appeared = tokio::time::timeout(PATIENCE, present.wait_for(|present| *present)).await;
        matches!(appeared, Ok(Ok(_)))
    }

    /// Says something else from now on.
    pub(crate) async fn update(&self, view: TrayView) {
        self.handle.update(|item| item.view = view).await;
    }

    /// Whether a person can see the icon.
    #[must_use]
    pub(crate) fn is_present(&self) -> bool {
        *self.present.borrow()
    }

    /// Takes the icon away.
    pub(crate) async fn remove(&self) {
        self.handle.shutdown().await;
    }
}

/// Whether there is a panel that takes icons. A bus that does not answer has none.
async fn has_panel(bus: &zbus::Connection) -> bool {
    let (daemon, panel) = ("org.freedesktop.DBus", "org.kde.StatusNotifierWatcher");
    let answer = bus.call_method(Some(daemon), "/org/freedesktop/DBus", Some(daemon), "NameHasOwner", &panel).await;
    answer.is_ok_and(|answer| answer.body().deserialize().unwrap_or(false))
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
        self.present.send_replace(true);
        tracing::info!("the desktop's tray is back");
    }

    fn watcher_offline(&self, _reason: OfflineReason) -> bool {
        self.present.send_replace(false);
        tracing::info!("this desktop shows no tray at present");
        true
    }
}
