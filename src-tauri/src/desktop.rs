//! How this program meets the desktop it runs in: tray, notifications, idle time, each by the way of its system.

#[cfg(not(target_os = "linux"))]
use tauri::AppHandle;
use tokio::sync::mpsc;

use crate::idle::SystemIdle;
use crate::notify::{NotifyError, Response, SystemNotifier};
use crate::tray::{SystemTray, TrayClick, TrayView};

/// How this program meets the desktop it runs in.
#[derive(Debug)]
pub(crate) struct Desktop {
    /// The session bus, or why there is none.
    #[cfg(target_os = "linux")]
    pub(crate) bus: Result<zbus::Connection, String>,
    /// Whether the bus can start this program and this profile by name.
    #[cfg(target_os = "linux")]
    pub(crate) startable: bool,
}

#[cfg(target_os = "linux")]
impl Desktop {
    pub(crate) async fn tray(
        &self,
        _app: Option<&tauri::AppHandle>,
        view: TrayView,
        clicks: mpsc::Sender<TrayClick>,
    ) -> Result<SystemTray, String> {
        let bus = self.bus.as_ref().map_err(Clone::clone)?;
        SystemTray::start(bus, view, clicks).await
    }

    /// What the session bus knows of the idle time.
    pub(crate) fn idle(&self) -> SystemIdle {
        SystemIdle::new(self.bus.clone().ok())
    }

    pub(crate) async fn notifier(
        &self,
        responses: mpsc::Sender<Response>,
        tasks: &node::Spawner,
    ) -> Result<SystemNotifier, NotifyError> {
        let no_service = |error: String| NotifyError::NoService(error);
        let bus = self.bus.clone().map_err(no_service)?;
        SystemNotifier::start(bus, crate::icons::for_notifications(), self.startable, responses, tasks)
            .await
            .map_err(|error| no_service(error.to_string()))
    }
}

#[cfg(not(target_os = "linux"))]
impl Desktop {
    #[expect(clippy::unused_async, reason = "Linux asks the bus")]
    pub(crate) async fn tray(
        &self,
        app: Option<&AppHandle>,
        view: TrayView,
        clicks: mpsc::Sender<TrayClick>,
    ) -> Result<SystemTray, String> {
        let app = app.ok_or("the application has not started")?;
        let (made, tray) = tokio::sync::oneshot::channel();
        let handle = app.clone();
        // Both systems want the tray to be made on the main thread.
        app.run_on_main_thread(move || drop(made.send(SystemTray::start(&handle, &view, clicks))))
            .map_err(|error| error.to_string())?;
        tray.await.map_err(|error| error.to_string())?
    }

    #[expect(clippy::unused_self, reason = "Linux has it from the bus")]
    pub(crate) fn idle(&self) -> SystemIdle {
        SystemIdle
    }

    #[cfg(windows)]
    #[expect(clippy::unused_async, reason = "Linux asks the bus")]
    pub(crate) async fn notifier(
        &self,
        responses: mpsc::Sender<Response>,
        _tasks: &node::Spawner,
    ) -> Result<SystemNotifier, NotifyError> {
        Ok(SystemNotifier::new(responses))
    }

    #[cfg(target_os = "macos")]
    #[expect(clippy::unused_async, reason = "Linux asks the bus")]
    pub(crate) async fn notifier(
        &self,
        responses: mpsc::Sender<Response>,
        tasks: &node::Spawner,
    ) -> Result<SystemNotifier, NotifyError> {
        Ok(SystemNotifier::new(responses, tasks.clone()))
    }
}
