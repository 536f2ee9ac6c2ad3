//! The desktop around the running node: one value that window, tray, notifications and page share.
//!
//! It owns no chat logic. It passes changes on, shows what the node says is to be shown, and opens what a person asks
//! for.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use api::args::FocusArgs;
use api::door::Caller;
use api::error::ApiError;
use node::view::{Availability, Change, Settings};
use node::{FocusState, Lagged, Node, NodeError, Tasks};
use serde_json::{Value, json};
use tauri::AppHandle;
use tauri::ipc::Channel;
use tauri_plugin_autostart::ManagerExt as _;
use tokio::sync::{mpsc, watch};

use crate::bridge::{PageMessage, ShellInfo};
use crate::desktop::Desktop;
use crate::destination::Destination;
use crate::idle::{self, SystemIdle};
use crate::instance::Wish;
use crate::notify::{Click, Notification, Notifier as _, NotifyError, Response, SystemNotifier};
use crate::texts::Texts;
use crate::tray::{SystemTray, TrayClick, TrayView};
#[cfg(target_os = "linux")]
use crate::web_process;
use crate::window;

/// Name under which the window reports what it shows.
const VIEWER: &str = "window";

/// Closing twice within this time ends the program even when the page was asked what to do.
const ASKED_AGAIN: Duration = Duration::from_secs(10);

/// How many notices may wait for the notification service. More than that are sessions whose newest notice follows.
const NOTICES: usize = 64;

/// The desktop around the node.
pub(crate) struct Shell {
    node: Node,
    api: api::Api,
    tasks: Tasks,
    /// Known as soon as Tauri runs.
    app: OnceLock<AppHandle>,
    texts: RwLock<Arc<Texts>>,
    page: Mutex<Page>,
    view: Mutex<View>,
    notifier: OnceLock<Result<SystemNotifier, NotifyError>>,
    tray: OnceLock<Result<SystemTray, String>>,
    /// After what time without input the person counts as away.
    away_after: watch::Sender<Option<Duration>>,
    links: AtomicU32,
    unread: AtomicU32,
    quitting: AtomicBool,
    ended: tokio::sync::OnceCell<()>,
}

/// The page in the window.
#[derive(Default)]
struct Page {
    channel: Option<Channel<PageMessage>>,
    /// Asked for while no page was there to show it.
    pending: Option<Destination>,
    /// When it was last asked what closing should do.
    asked: Option<Instant>,
}

/// What a person can be looking at.
#[derive(Default)]
struct View {
    session: Option<String>,
    /// The page's own word.
    page_focused: bool,
    /// The system's word. Both have to agree.
    window_focused: bool,
}

/// What a close of the window leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnClose {
    /// The window goes, the node stays.
    Keep,
    /// Everything ends.
    Quit,
    /// The window stays and asks the person.
    Ask,
}

/// Decides what a close leads to.
#[must_use]
pub(crate) fn on_close(tray_present: bool, choice: Option<bool>, page_can_ask: bool) -> OnClose {
    match (tray_present, choice) {
        (true, _) | (false, Some(true)) => OnClose::Keep,
        (false, Some(false)) => OnClose::Quit,
        (false, None) if page_can_ask => OnClose::Ask,
        // Nothing would be left on screen to end it with.
        (false, None) => OnClose::Quit,
    }
}

impl Shell {
    /// Around a running node and its API.
    #[must_use]
    pub(crate) fn new(node: Node, api: api::Api) -> Arc<Self> {
        let settings = node.settings();
        let links = node.network().links;
        Arc::new(Self {
            node,
            api,
            tasks: Tasks::new(),
            app: OnceLock::new(),
            texts: RwLock::new(Arc::new(Texts::for_language(&settings.language))),
            page: Mutex::default(),
            view: Mutex::default(),
            notifier: OnceLock::new(),
            tray: OnceLock::new(),
            away_after: watch::Sender::new(idle::away_after(&settings)),
            links: AtomicU32::new(links),
            unread: AtomicU32::new(0),
            quitting: AtomicBool::new(false),
            ended: tokio::sync::OnceCell::new(),
        })
    }

    /// Carries out one of the node's commands for the person at this machine.
    pub(crate) async fn dispatch(&self, command: &str, args: Value) -> Result<Value, ApiError> {
        api::dispatch(&self.api, &Caller::window(), command, args).await
    }

    /// The node itself, for what no command carries.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Tells the page that files are dragged over the window, or no longer.
    pub(crate) fn files_dragged(&self, over: bool) {
        self.tell(PageMessage::FilesDragged { over });
    }

    /// Hands dropped files to the page.
    pub(crate) fn files_dropped(&self, paths: Vec<PathBuf>) {
        self.tell(PageMessage::FilesDropped { paths });
    }

    /// The profile's folder.
    #[must_use]
    pub(crate) fn data_dir(&self) -> &Path {
        self.node.data_dir()
    }

    fn texts(&self) -> Arc<Texts> {
        self.texts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    // --- Start and end ------------------------------------------------------------------------------------------

    /// Begins to follow the node and the person. `wishes` are those of later starts.
    pub(crate) fn run(self: &Arc<Self>, app: AppHandle, wishes: Option<mpsc::Receiver<Wish>>, desktop: Desktop) {
        let _ = self.app.set(app);
        let (notices, waiting) = mpsc::channel(NOTICES);
        self.spawn("changes", self.clone().follow(notices));
        self.spawn("idle time", self.clone().watch_idle(desktop.idle()));
        self.spawn("desktop", self.clone().meet_desktop(desktop, waiting));
        if let Some(wishes) = wishes {
            self.spawn("wishes", self.clone().grant(wishes));
        }
    }

    /// Tells the node when the person goes and comes back.
    async fn watch_idle(self: Arc<Self>, system: SystemIdle) {
        idle::follow(&system, self.away_after.subscribe(), |away| self.node.set_away(away)).await;
    }

    /// Starts a task that has nothing to tidy up: it ends where it stands when the shell ends.
    fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let stop = self.tasks.spawner().stopping();
        self.tasks.spawn(name, async move {
            tokio::select! { () = stop => {} () = future => {} }
        });
    }

    /// Finds tray and notification service, and then speaks to them as the node says.
    async fn meet_desktop(self: Arc<Self>, desktop: Desktop, waiting: mpsc::Receiver<Change>) {
        let (tray_clicks, mut on_tray) = mpsc::channel(4);
        let (responses, mut on_response) = mpsc::channel(16);
        let unread = self.node.unread_count().await.unwrap_or_default();
        self.unread.store(unread, Ordering::Relaxed);
        let app = self.app.get();
        let tray = desktop.tray(app, self.tray_view(), tray_clicks).await;
        if let Err(reason) = &tray {
            tracing::info!(reason, "no tray in this desktop session");
        }
        let _ = self.tray.set(tray);
        let notifier = desktop.notifier(responses, &self.tasks.spawner()).await;
        if let Err(reason) = &notifier {
            tracing::warn!(%reason, "no notifications in this desktop session");
        }
        let _ = self.notifier.set(notifier);
        self.spawn("notices", self.clone().announce(waiting));
        // Counts may have changed while the tray was on its way.
        self.update_tray().await;
        loop {
            tokio::select! {
                Some(click) = on_tray.recv() => match click {
                    TrayClick::Open(token) => self.raise(None, token),
                    TrayClick::Quit => self.quit(),
                },
                Some(response) = on_response.recv() => self.heed_response(response),
                else => return,
            }
        }
    }

    async fn grant(self: Arc<Self>, mut wishes: mpsc::Receiver<Wish>) {
        while let Some(wish) = wishes.recv().await {
            match wish.read {
                Some(Destination::Session(session)) => self.heed_response(Response::Read { session }),
                Some(Destination::Invitation(_)) | None => self.raise(wish.destination, wish.activation_token),
            }
        }
    }

    /// Does what a person chose on a notification.
    fn heed_response(self: &Arc<Self>, response: Response) {
        match response {
            Response::Opened(Click { destination, activation_token }) => self.raise(destination, activation_token),
            Response::Read { session } => self.spawn("mark a session as read", self.clone().mark_read(session)),
            Response::Replied { session, text } => self.spawn("reply", self.clone().reply(session, text)),
        }
    }

    async fn reply(self: Arc<Self>, session: String, text: String) {
        if text.trim().is_empty() {
            return;
        }
        let message = json!({ "sessionId": session, "message": text });
        match self.dispatch("send_message", message).await {
            Ok(_) => self.mark_read(session).await,
            Err(error) => {
                tracing::warn!(code = error.body.code, "a reply from a notification was not sent");
                // Where it can be written again, with the reason.
                self.raise(Destination::session(&session).ok(), None);
            }
        }
    }

    async fn mark_read(self: Arc<Self>, session: String) {
        if let Err(error) = self.dispatch("mark_session_read", json!({ "sessionId": session })).await {
            tracing::warn!(code = error.body.code, "a session was not marked as read");
        }
    }

    /// Ends the program: window, tray, API and node, in this order. Returns at once.
    pub(crate) fn quit(self: &Arc<Self>) {
        if self.quitting.swap(true, Ordering::SeqCst) {
            return;
        }
        self.close_window();
        let shell = self.clone();
        // Not one of the shell's own tasks: it ends them.
        tauri::async_runtime::spawn(async move {
            shell.shut_down().await;
            if let Some(app) = shell.app.get() {
                app.exit(0);
            }
        });
    }

    /// Ends everything but the event loop. Returns after the node's last commit.
    pub(crate) async fn shut_down(&self) {
        self.quitting.store(true, Ordering::SeqCst);
        self.ended.get_or_init(|| self.end()).await;
    }

    async fn end(&self) {
        #[cfg(target_os = "linux")]
        if let Some(Ok(notifier)) = self.notifier.get() {
            // A click on what is left would reach nobody.
            notifier.withdraw_unreachable().await;
        }
        if let Some(Ok(tray)) = self.tray.get() {
            #[cfg(target_os = "linux")]
            tray.remove().await;
            #[cfg(not(target_os = "linux"))]
            tray.remove();
        }
        self.tasks.shutdown().await;
        self.api.shutdown().await;
        self.node.shutdown().await;
    }

    fn is_quitting(&self) -> bool {
        self.quitting.load(Ordering::SeqCst)
    }

    // --- The window ---------------------------------------------------------------------------------------------

    /// Brings the window to the front and shows what was asked for, building it first when it is closed.
    pub(crate) fn raise(self: &Arc<Self>, destination: Option<Destination>, activation_token: Option<String>) {
        let Some(app) = self.app.get() else { return };
        if self.is_quitting() {
            return;
        }
        if let Some(destination) = destination {
            self.go_to(destination);
        }
        let (shell, handle) = (self.clone(), app.clone());
        let raised = app.run_on_main_thread(move || {
            let settings = shell.node.settings();
            if let Err(error) = window::raise(&handle, shell.data_dir(), &settings, activation_token.as_deref()) {
                tracing::error!(%error, "the window cannot be shown");
            }
        });
        if let Err(error) = raised {
            tracing::error!(%error, "the window cannot be shown");
        }
    }

    fn go_to(&self, destination: Destination) {
        let mut page = self.page();
        let told = page.channel.as_ref().is_some_and(|channel| channel.send(destination.clone().into()).is_ok());
        if !told {
            page.channel = None;
            page.pending = Some(destination);
        }
    }

    /// A page is there and listens.
    pub(crate) fn page_opened(&self, channel: Channel<PageMessage>) {
        tracing::debug!("the page listens");
        let mut page = self.page();
        if let Some(destination) = page.pending.take() {
            let _ = channel.send(destination.into());
        }
        page.channel = Some(channel);
    }

    /// Something for the page, if there is one.
    fn tell(&self, message: PageMessage) -> bool {
        let mut page = self.page();
        let told = page.channel.as_ref().is_some_and(|channel| channel.send(message).is_ok());
        if !told {
            page.channel = None;
        }
        told
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The person closed the window: what now? `Ask` has been passed on to the page.
    pub(crate) fn close_requested(self: &Arc<Self>) -> OnClose {
        let can_ask = {
            let mut page = self.page();
            let asked = page.asked.replace(Instant::now());
            // A page that was asked just now and shows nothing is broken. Before the first run is through there is
            // nothing to keep running for.
            let broken = asked.is_some_and(|asked| asked.elapsed() < ASKED_AGAIN);
            page.channel.is_some() && !broken && self.node.me().welcomed
        };
        let decision = on_close(self.tray_available().ok, self.node.settings().close_keeps_running, can_ask);
        if decision == OnClose::Ask && !self.tell(PageMessage::CloseRequested) {
            return OnClose::Quit;
        }
        decision
    }

    /// The person's answer, kept for the next time, and carried out.
    pub(crate) async fn close_choice(self: &Arc<Self>, keep_running: bool) -> Result<(), NodeError> {
        self.node.update_settings(serde_json::json!({ "closeKeepsRunning": keep_running })).await?;
        if keep_running {
            self.close_window();
        } else {
            self.quit();
        }
        Ok(())
    }

    /// Takes the window away, and the page with it, without asking.
    fn close_window(&self) {
        let Some(app) = self.app.get() else { return };
        let (handle, data_dir) = (app.clone(), self.data_dir().to_owned());
        let closed = app.run_on_main_thread(move || {
            if let Some(window) = window::find(&handle) {
                remember(&window, &data_dir);
                if let Err(error) = window.destroy() {
                    tracing::warn!(%error, "the window did not close");
                }
            }
        });
        if let Err(error) = closed {
            tracing::debug!(%error, "the event loop has ended before the window closed");
        }
    }

    /// The window is gone, and its page with it.
    pub(crate) fn window_destroyed(self: &Arc<Self>) {
        let mut page = self.page();
        page.channel = None;
        page.asked = None;
        drop(page);
        *self.view() = View::default();
        self.report_view();
        #[cfg(target_os = "linux")]
        self.spawn("web view's rest", self.clone().give_back());
    }

    /// Ends what the web view leaves behind, unless the window has come back.
    #[cfg(target_os = "linux")]
    async fn give_back(self: Arc<Self>) {
        tokio::time::sleep(web_process::GRACE).await;
        let Some(app) = self.app.get() else { return };
        let handle = app.clone();
        // Windows are built on the main thread: asked there, none can come in between.
        let _ = app.run_on_main_thread(move || {
            if window::find(&handle).is_none() {
                web_process::end_network_process();
            }
        });
    }

    /// The system gave the window the focus, or took it.
    pub(crate) fn window_focused(&self, focused: bool) {
        self.view().window_focused = focused;
        self.report_view();
    }

    /// Notes what the page says it shows.
    pub(crate) fn page_shows(&self, focus: &FocusArgs) -> Value {
        {
            let mut view = self.view();
            view.session.clone_from(&focus.session_id);
            view.page_focused = focus.focused;
        }
        self.report_view();
        serde_json::json!({ "ok": true })
    }

    fn report_view(&self) {
        let view = self.view();
        self.node.focus(FocusState {
            viewer: VIEWER.to_owned(),
            session: view.session.clone(),
            focused: view.page_focused && view.window_focused,
        });
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- What the node says -------------------------------------------------------------------------------------

    async fn follow(self: Arc<Self>, notices: mpsc::Sender<Change>) {
        let mut changes = self.node.changes();
        while let Some(change) = changes.next().await {
            match change {
                Ok(change) => {
                    self.heed(&change, &notices).await;
                    self.tell(PageMessage::Change { change: Box::new(change) });
                }
                Err(Lagged(missed)) => {
                    tracing::warn!(missed, "changes came faster than the window took them");
                    self.tell(PageMessage::Lagged);
                    self.unread.store(self.node.unread_count().await.unwrap_or_default(), Ordering::Relaxed);
                    self.links.store(self.node.network().links, Ordering::Relaxed);
                    self.update_tray().await;
                }
            }
        }
        // The node ended by itself only when this program is ending.
        self.quit();
    }

    async fn heed(&self, change: &Change, notices: &mpsc::Sender<Change>) {
        match change {
            Change::NoticeRaised { .. } | Change::NoticeWithdrawn { .. }
                if notices.try_send(change.clone()).is_err() =>
            {
                tracing::warn!("a notice was left out: the notification service does not keep up");
            }
            Change::UnreadChanged { total } => {
                self.unread.store(*total, Ordering::Relaxed);
                self.update_tray().await;
            }
            Change::NetworkChanged { network }
                if self.links.swap(network.links, Ordering::Relaxed) != network.links =>
            {
                self.update_tray().await;
            }
            Change::SettingsChanged { settings } => self.apply(settings).await,
            _ => {}
        }
    }

    async fn apply(&self, settings: &Settings) {
        *self.texts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Texts::for_language(&settings.language));
        self.away_after.send_replace(idle::away_after(settings));
        self.update_tray().await;
        let Some(app) = self.app.get() else { return };
        let (handle, theme) = (app.clone(), settings.theme);
        let _ = app.run_on_main_thread(move || window::set_theme(&handle, theme));
        self.apply_autostart(app, settings.autostart);
    }

    fn apply_autostart(&self, app: &AppHandle, wanted: bool) {
        let launcher = app.autolaunch();
        if launcher.is_enabled().unwrap_or_default() == wanted {
            return;
        }
        let done = if wanted { launcher.enable() } else { launcher.disable() };
        if let Err(error) = done {
            tracing::warn!(%error, wanted, "the start with the system session could not be changed");
        }
    }

    async fn announce(self: Arc<Self>, mut waiting: mpsc::Receiver<Change>) {
        while let Some(change) = waiting.recv().await {
            let Some(Ok(notifier)) = self.notifier.get() else { continue };
            match change {
                Change::NoticeRaised { notice } => {
                    let notification = Notification::of_notice(&notice, &self.texts());
                    if let Err(error) = notifier.show(notification).await {
                        tracing::warn!(%error, "a notification was not shown");
                    }
                }
                Change::NoticeWithdrawn { session_id } => notifier.withdraw(&session_id).await,
                _ => {}
            }
        }
    }

    pub(crate) async fn test_notification(&self) -> Result<(), NotifyError> {
        match self.notifier.get() {
            Some(Ok(notifier)) => notifier.show(Notification::test(&self.texts())).await,
            Some(Err(error)) => Err(error.clone()),
            None => Err(NotifyError::NoService("Landline is still starting".to_owned())),
        }
    }

    // --- The tray -----------------------------------------------------------------------------------------------

    fn tray_view(&self) -> TrayView {
        let texts = self.texts();
        TrayView::new(self.links.load(Ordering::Relaxed), self.unread.load(Ordering::Relaxed), &texts)
    }

    #[cfg_attr(not(target_os = "linux"), expect(clippy::unused_async, reason = "Linux asks the bus"))]
    async fn update_tray(&self) {
        if let Some(Ok(tray)) = self.tray.get() {
            #[cfg(target_os = "linux")]
            tray.update(self.tray_view()).await;
            #[cfg(not(target_os = "linux"))]
            tray.update(&self.tray_view());
        }
    }

    fn tray_available(&self) -> Availability {
        match self.tray.get() {
            Some(Ok(tray)) if tray.is_present() => Availability { ok: true, reason: None },
            Some(Ok(_)) | None => Availability { ok: false, reason: Some("this desktop shows no tray".to_owned()) },
            Some(Err(reason)) => Availability { ok: false, reason: Some(reason.clone()) },
        }
    }

    pub(crate) async fn info(&self) -> ShellInfo {
        let notifications = match self.notifier.get() {
            Some(Ok(notifier)) => notifier.available().await,
            Some(Err(error)) => Err(error.clone()),
            None => Err(NotifyError::NoService("Landline is still starting".to_owned())),
        };
        let reason = notifications.err().map(|error| error.to_string());
        ShellInfo { tray: self.tray_available(), notifications: Availability { ok: reason.is_none(), reason } }
    }
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell").field("node", &self.node).field("tray", &self.tray).finish_non_exhaustive()
    }
}

/// Remembers where a window stood. Call it on the main thread, before the window goes.
pub(crate) fn remember(window: &tauri::WebviewWindow, data_dir: &Path) {
    let kept = window::geometry(window).map_err(std::io::Error::other).and_then(|geometry| geometry.save(data_dir));
    if let Err(error) = kept {
        tracing::warn!(%error, "the window's place is not remembered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_asks_only_where_nothing_would_be_left_on_screen() {
        assert_eq!(on_close(true, None, true), OnClose::Keep);
        assert_eq!(
            on_close(true, Some(false), true),
            OnClose::Keep,
            "because the choice is about desktops without a tray"
        );
        assert_eq!(on_close(false, Some(true), true), OnClose::Keep);
        assert_eq!(on_close(false, Some(false), true), OnClose::Quit);
        assert_eq!(on_close(false, None, true), OnClose::Ask);
        assert_eq!(on_close(false, None, false), OnClose::Quit, "because nobody could answer");
    }
}
