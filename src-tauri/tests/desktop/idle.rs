//! Whether the person is there, against a real bus with a desktop's services that say what the test says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use landline_desktop::idle::follow;
use landline_desktop::idle::linux::LinuxIdle;
use node::Tasks;
use node::view::Presence;
use testkit::Net;
use tokio::sync::{mpsc, watch};
use zbus::{Connection, interface};

use crate::bus::{Bus, PATIENCE};

const AFTER: Duration = Duration::from_secs(300);

const MONITOR: &str = "org.gnome.Mutter.IdleMonitor";
const MONITOR_PATH: &str = "/org/gnome/Mutter/IdleMonitor/Core";

/// What a desktop was asked to watch for: this much time without input, or input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watched {
    Idle(u64),
    Active,
    Removed(u32),
}

struct Monitor {
    idle: Arc<Mutex<u64>>,
    last: u32,
    watched: mpsc::UnboundedSender<(u32, Watched)>,
}

impl Monitor {
    fn add(&mut self, watched: Watched) -> u32 {
        self.last += 1;
        self.watched.send((self.last, watched)).unwrap();
        self.last
    }
}

#[interface(name = "org.gnome.Mutter.IdleMonitor")]
impl Monitor {
    fn get_idletime(&self) -> u64 {
        *self.idle.lock().unwrap()
    }

    fn add_idle_watch(&mut self, interval: u64) -> u32 {
        self.add(Watched::Idle(interval))
    }

    fn add_user_active_watch(&mut self) -> u32 {
        self.add(Watched::Active)
    }

    fn remove_watch(&mut self, id: u32) {
        self.watched.send((id, Watched::Removed(id))).unwrap();
    }
}

/// A desktop like GNOME.
struct Gnome {
    connection: Connection,
    idle: Arc<Mutex<u64>>,
    watched: mpsc::UnboundedReceiver<(u32, Watched)>,
}

impl Gnome {
    async fn start(bus: &Bus) -> Self {
        let (sender, watched) = mpsc::unbounded_channel();
        let idle = Arc::new(Mutex::new(0));
        let monitor = Monitor { idle: idle.clone(), last: 0, watched: sender };
        let builder = bus.builder().serve_at(MONITOR_PATH, monitor).unwrap();
        let connection = builder.name(MONITOR).unwrap().build().await.unwrap();
        Self { connection, idle, watched }
    }

    async fn watches(&mut self) -> (u32, Watched) {
        tokio::time::timeout(PATIENCE, self.watched.recv()).await.expect("a watch is asked for").unwrap()
    }

    /// A watch fires, and the idle time is this from then on.
    async fn fires(&self, watch: u32, milliseconds: u64) {
        *self.idle.lock().unwrap() = milliseconds;
        self.connection.emit_signal(None::<&str>, MONITOR_PATH, MONITOR, "WatchFired", &watch).await.unwrap();
    }
}

/// A desktop like KDE.
struct ScreenSaver {
    asked: mpsc::UnboundedSender<()>,
    idle: u32,
}

#[interface(name = "org.freedesktop.ScreenSaver")]
impl ScreenSaver {
    fn get_session_idle_time(&self) -> u32 {
        self.asked.send(()).unwrap();
        self.idle
    }
}

/// Follows a bus. What is told, and the limit.
fn followed(
    tasks: &Tasks,
    bus: Connection,
    after: Option<Duration>,
) -> (mpsc::UnboundedReceiver<bool>, watch::Sender<Option<Duration>>) {
    let (told, heard) = mpsc::unbounded_channel();
    let (limit, limited) = watch::channel(after);
    tasks.spawn("idle time", async move {
        let tell = move |away| {
            // Nobody listens when the test has ended.
            let _ = told.send(away);
        };
        follow(&LinuxIdle::new(Some(bus)), limited, tell).await;
    });
    (heard, limit)
}

async fn told(heard: &mut mpsc::UnboundedReceiver<bool>) -> bool {
    tokio::time::timeout(PATIENCE, heard.recv()).await.expect("a change is told").unwrap()
}

#[tokio::test]
async fn a_desktop_that_watches_tells_when_the_person_goes_and_comes() {
    let (bus, tasks) = (Bus::start(), Tasks::new());
    let mut gnome = Gnome::start(&bus).await;
    let (mut heard, limit) = followed(&tasks, bus.connect().await, Some(AFTER));
    let (first, watched) = gnome.watches().await;
    assert_eq!(watched, Watched::Idle(300_000));
    gnome.fires(77, 0).await;
    gnome.fires(first, 300_000).await;
    assert!(told(&mut heard).await, "because there was no input for so long, and another's watch says nothing");
    assert_eq!(gnome.watches().await, (first, Watched::Removed(first)), "because one watch is enough");
    let (second, watched) = gnome.watches().await;
    assert_eq!(watched, Watched::Active, "because nothing else matters now");
    gnome.fires(second, 0).await;
    assert!(!told(&mut heard).await);
    assert_eq!(gnome.watches().await.1, Watched::Removed(second));
    assert_eq!(gnome.watches().await.1, Watched::Idle(300_000));

    // The person wants another time: it holds at once.
    *gnome.idle.lock().unwrap() = 90_000;
    limit.send(Some(Duration::from_secs(60))).unwrap();
    assert!(told(&mut heard).await);
    // Nobody is to hear of it any more.
    limit.send(None).unwrap();
    assert!(!told(&mut heard).await);
}

#[tokio::test]
async fn a_desktop_that_only_answers_is_asked_seldom() {
    let (bus, tasks) = (Bus::start(), Tasks::new());
    let (asked, mut questions) = mpsc::unbounded_channel();
    let server = bus.builder().serve_at("/org/freedesktop/ScreenSaver", ScreenSaver { asked, idle: 301_000 }).unwrap();
    let server = server.name("org.freedesktop.ScreenSaver").unwrap().build().await.unwrap();
    let (mut heard, limit) = followed(&tasks, bus.connect().await, Some(AFTER));
    assert!(told(&mut heard).await);
    questions.recv().await.unwrap();
    limit.send(Some(Duration::from_secs(600))).unwrap();
    assert!(!told(&mut heard).await);
    questions.recv().await.unwrap();
    assert!(questions.try_recv().is_err(), "because the answer can't be another one for five minutes");
    drop(server);
}

#[tokio::test]
async fn where_nothing_is_known_nobody_is_away() {
    let (bus, tasks) = (Bus::start(), Tasks::new());
    let (mut heard, limit) = followed(&tasks, bus.connect().await, Some(Duration::from_millis(1)));
    limit.send(Some(Duration::from_millis(2))).unwrap();
    let mut gnome = Gnome::start(&bus).await;
    *gnome.idle.lock().unwrap() = 5_000;
    assert!(told(&mut heard).await, "because a desktop that comes later is found");
    let (_, watched) = gnome.watches().await;
    assert_eq!(watched, Watched::Active);
    gnome.connection.close().await.unwrap();
    limit.send(Some(Duration::from_millis(3))).unwrap();
    assert!(!told(&mut heard).await, "because nothing is known any more, and nobody guesses");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_side_sees_who_is_away_and_who_is_back() {
    let bus = Bus::start();
    let mut gnome = Gnome::start(&bus).await;
    let net = Net::new();
    let (anna, ben) = (net.alice().await, net.bob().await);
    net.connect(&anna, &ben).await;
    let session = anna.open(&ben).await;
    ben.sees_session(&session.session_id, "opened", |_| true).await;
    ben.node().accept(&anna.id()).await.unwrap();
    let tasks = Tasks::new();
    let (limit, limited) = watch::channel(Some(AFTER));
    let (node, connection) = (anna.node().clone(), bus.connect().await);
    tasks.spawn("idle time", async move {
        follow(&LinuxIdle::new(Some(connection)), limited, |away| node.set_away(away)).await;
    });
    let seen = async |status: Presence| {
        let id = anna.id();
        ben.until("Anna's presence", async |node| node.user(&id).is_ok_and(|user| user.status == status).then_some(()))
            .await;
    };
    seen(Presence::Online).await;
    let (watch, _) = gnome.watches().await;
    gnome.fires(watch, 300_000).await;
    seen(Presence::Away).await;
    gnome.watches().await;
    let (watch, _) = gnome.watches().await;
    gnome.fires(watch, 0).await;
    seen(Presence::Online).await;
    drop(limit);
    tasks.shutdown().await;
    net.end().await;
}
