//! The tray against a desktop that the test plays: it reads the menu and clicks.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::Connection;
use zbus::zvariant::{OwnedValue, Structure, Value};

use crate::bus::{Bus, PATIENCE};
use crate::program::{Display, ends, run};

const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

/// Where a desktop's panel learns of icons.
struct Watcher {
    registered: mpsc::UnboundedSender<String>,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, service: &str) {
        self.registered.send(service.to_owned()).unwrap();
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }
}

/// A panel, and the bus name of the icon in it.
struct Panel {
    connection: Connection,
    item: String,
}

impl Panel {
    async fn property(&self, name: &str) -> OwnedValue {
        let interface = Some("org.freedesktop.DBus.Properties");
        let item = Some(self.item.as_str());
        let answer =
            self.connection.call_method(item, "/StatusNotifierItem", interface, "Get", &(ITEM, name)).await.unwrap();
        answer.body().deserialize().unwrap()
    }

    /// The menu's lines with their numbers.
    async fn menu(&self) -> Vec<(i32, String)> {
        let arguments = (0_i32, -1_i32, Vec::<String>::new());
        let item = Some(self.item.as_str());
        let answer = self.connection.call_method(item, "/MenuBar", Some(MENU), "GetLayout", &arguments).await.unwrap();
        type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);
        let body = answer.body();
        let (_, (_, _, lines)): (u32, Layout) = body.deserialize().unwrap();
        let line = |line: OwnedValue| {
            let line = Structure::try_from(line).unwrap();
            let (Value::I32(number), Value::Dict(about)) = (&line.fields()[0], &line.fields()[1]) else {
                panic!("a line has a number and properties: {line:?}")
            };
            (*number, about.get::<_, String>(&"label").unwrap().unwrap_or_default())
        };
        lines.into_iter().map(line).collect()
    }

    async fn click(&self, label: &str) {
        let menu = self.menu().await;
        let number = menu.iter().find(|(_, found)| found == label).unwrap_or_else(|| panic!("{label} in {menu:?}")).0;
        let event = (number, "clicked", Value::from(0_i32), 0_u32);
        let item = Some(self.item.as_str());
        self.connection.call_method(item, "/MenuBar", Some(MENU), "Event", &event).await.unwrap();
    }
}

#[tokio::test]
async fn the_menu_opens_the_window_and_ends_the_program() {
    let display = Display::start();
    let bus = Bus::start();
    let (registered, mut items) = mpsc::unbounded_channel();
    let names = bus.connect().await;
    let names = zbus::fdo::DBusProxy::new(&names).await.unwrap();
    let mut changes = names.receive_name_owner_changed().await.unwrap();
    let program = run(&display, &bus, &["--hidden"]);

    // The panel comes after the icon, as it may when a session starts.
    let icon = async {
        while !changes.next().await.unwrap().args().unwrap().name().starts_with("org.kde.StatusNotifierItem-") {}
    };
    tokio::time::timeout(PATIENCE * 6, icon).await.expect("the program offers its icon");
    let watcher = bus.builder().serve_at("/StatusNotifierWatcher", Watcher { registered }).unwrap();
    let connection = watcher.name("org.kde.StatusNotifierWatcher").unwrap().build().await.unwrap();
    let item = tokio::time::timeout(PATIENCE * 6, items.recv()).await.expect("the icon comes to the panel").unwrap();
    let panel = Panel { connection, item };

    let lines: Vec<String> = panel.menu().await.into_iter().map(|(_, label)| label).collect();
    assert_eq!(lines, ["Open Landline", "Linked with 0 machines", "", "Quit"]);
    assert_eq!(String::try_from(panel.property("Id").await).unwrap(), "org.landline.Landline");
    let pixels = format!("{:?}", panel.property("IconPixmap").await);
    assert!(pixels.len() > 1000, "because the icon is not installed here, so its pixels are sent");
    assert_eq!(display.windows(), 0, "because it was started hidden");

    panel.click("Open Landline").await;
    display.shows_a_window().await;
    panel.click("Quit").await;
    let ended = ends(program).await;
    assert!(ended.success(), "{ended}");
    assert_eq!(display.windows(), 0);
}
