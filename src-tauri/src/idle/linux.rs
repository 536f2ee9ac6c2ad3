//! The idle time of Linux desktops, from the session bus.
//!
//! GNOME's `org.gnome.Mutter.IdleMonitor` says it and watches it, so this program sleeps until it changes. KDE and others
//! answer `org.freedesktop.ScreenSaver.GetSessionIdleTime`; those are asked. Its specification leaves the unit open and
//! KDE answers in milliseconds: taken for them, a desktop that counts seconds has nobody away, and no desktop has
//! somebody away who is there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::Mutex;
use zbus::proxy::MethodFlags;
use zbus::zvariant::{DynamicDeserialize, DynamicType};
use zbus::{Connection, Proxy};

use super::{IdleTime, ask_again};

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bus name, path and interface of a service.
type Service = (&'static str, &'static str, &'static str);

const MUTTER: Service =
    ("org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core", "org.gnome.Mutter.IdleMonitor");
const SCREEN_SAVER: Service =
    ("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver");

/// The idle time as the session bus tells it.
#[derive(Debug)]
pub struct LinuxIdle {
    /// Absent without a bus: then nothing is known.
    bus: Option<Connection>,
    /// Whether the service that answered last can also watch.
    watches: AtomicBool,
    /// The number of the watch that was last asked for.
    watch: Mutex<Option<u32>>,
}

impl LinuxIdle {
    /// Of a session bus, if there is one.
    #[must_use]
    pub fn new(bus: Option<Connection>) -> Self {
        Self { bus, watches: AtomicBool::new(false), watch: Mutex::new(None) }
    }

    /// Sleeps until the desktop tells that the idle time has come to `after`, or that there was input again. An error when
    /// it cannot, or its service has gone.
    async fn watched(&self, bus: &Connection, away: bool, after: Duration) -> zbus::Result<()> {
        let monitor = proxy(bus, MUTTER).await?;
        let mut fired = monitor.receive_signal("WatchFired").await?;
        let mut owners = monitor.receive_owner_changed().await?;
        let mut standing = self.watch.lock().await;
        if let Some(former) = standing.take() {
            // One that told of input is gone already.
            let _: Result<(), _> = ask(&monitor, "RemoveWatch", &former).await;
        }
        let watch: u32 = match away {
            true => ask(&monitor, "AddUserActiveWatch", &()).await?,
            false => ask(&monitor, "AddIdleWatch", &u64::try_from(after.as_millis()).unwrap_or(u64::MAX)).await?,
        };
        *standing = Some(watch);
        drop(standing);
        loop {
            tokio::select! {
                Some(signal) = fired.next() => {
                    if signal.body().deserialize::<u32>().is_ok_and(|told| told == watch) {
                        return Ok(());
                    }
                }
                Some(_) = owners.next() => return Err(zbus::Error::Failure("the service has gone".to_owned())),
                else => return Err(zbus::Error::Failure("the bus has gone".to_owned())),
            }
        }
    }
}

impl IdleTime for LinuxIdle {
    async fn idle(&self) -> Option<Duration> {
        let bus = self.bus.as_ref()?;
        let monitored: zbus::Result<u64> = question(bus, MUTTER, "GetIdletime").await;
        self.watches.store(monitored.is_ok(), Ordering::Relaxed);
        let milliseconds = match monitored {
            Ok(milliseconds) => milliseconds,
            Err(_) => u64::from(question::<u32>(bus, SCREEN_SAVER, "GetSessionIdleTime").await.ok()?),
        };
        Some(Duration::from_millis(milliseconds))
    }

    async fn turn(&self, idle: Option<Duration>, after: Duration) {
        if let (Some(bus), Some(idle), true) = (&self.bus, idle, self.watches.load(Ordering::Relaxed)) {
            match self.watched(bus, idle >= after, after).await {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "the desktop does not watch the idle time"),
            }
        }
        tokio::time::sleep(ask_again(idle, after)).await;
    }
}

async fn proxy(bus: &Connection, (name, path, interface): Service) -> zbus::Result<Proxy<'static>> {
    Proxy::new(bus, name, path, interface).await
}

async fn question<R>(bus: &Connection, service: Service, method: &str) -> zbus::Result<R>
where
    R: for<'d> DynamicDeserialize<'d>,
{
    ask(&proxy(bus, service).await?, method, &()).await
}

/// Asks a service that runs, and starts none.
async fn ask<B, R>(service: &Proxy<'_>, method: &str, body: &B) -> zbus::Result<R>
where
    B: serde::Serialize + DynamicType + Sync,
    R: for<'d> DynamicDeserialize<'d>,
{
    let answer = service.call_with_flags(method, MethodFlags::NoAutoStart.into(), body);
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer?.ok_or_else(|| zbus::Error::Failure("no answer".to_owned())),
        Err(_) => Err(zbus::Error::Failure(format!("no answer within {} seconds", PATIENCE.as_secs()))),
    }
}
