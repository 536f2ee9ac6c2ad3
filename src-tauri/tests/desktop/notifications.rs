//! The notifier of Linux against a real bus with a notification server that does what the test says.

use landline_desktop::destination::Destination;
use landline_desktop::notify::linux::{Icon, LinuxNotifier};
use landline_desktop::notify::{Answer, Click, Notification, Notifier as _, NotifyError, Response};
use node::Tasks;
use tokio::sync::mpsc;

use crate::bus::{Asked, Bus, Notify, PATIENCE, Server};

const ANNA: &str = "6f2c1a84-0b1d-8f3e-9a77-0123456789ab";
const BEN: &str = "11111111-2222-8333-9444-555555555555";
const ALL: &[&str] = &["body", "body-markup", "actions", "persistence"];

struct World {
    bus: Bus,
    notifier: LinuxNotifier,
    responses: mpsc::Receiver<Response>,
    tasks: Tasks,
}

async fn world(startable: bool) -> World {
    let bus = Bus::start();
    let (sender, responses) = mpsc::channel(16);
    let tasks = Tasks::new();
    let connection = bus.connect().await;
    let icon = Icon::Themed("org.landline.Landline");
    let notifier = LinuxNotifier::start(connection, icon, startable, sender, &tasks.spawner()).await.unwrap();
    World { bus, notifier, responses, tasks }
}

fn message(session: &str, title: &str, body: &str) -> Notification {
    Notification {
        key: session.to_owned(),
        destination: Some(Destination::session(session).unwrap()),
        title: title.to_owned(),
        body: body.to_owned(),
        open_label: "Open".to_owned(),
        answer: Some(Answer { reply: "Reply".to_owned(), send: "Send".to_owned(), read: "Mark as read".to_owned() }),
        sound: true,
    }
}

async fn response(world: &mut World) -> Response {
    tokio::time::timeout(PATIENCE, world.responses.recv()).await.expect("what the person did arrives").unwrap()
}

async fn clicked(world: &mut World) -> Click {
    match response(world).await {
        Response::Opened(click) => click,
        other => panic!("expected a click, got {other:?}"),
    }
}

/// Shows it until it stands as a new one. That the earlier one was closed is read in the background.
async fn shown_afresh(world: &World, server: &mut Server, notification: Notification) -> Notify {
    let fresh = async {
        loop {
            world.notifier.show(notification.clone()).await.unwrap();
            let shown = server.notified().await;
            if shown.replaces == 0 {
                return shown;
            }
        }
    };
    tokio::time::timeout(PATIENCE, fresh).await.expect("the number of one that was closed is given up")
}

#[tokio::test]
async fn it_says_who_what_and_for_which_application() {
    let world = world(false).await;
    let mut server = Server::start(&world.bus, ALL).await;
    world.notifier.show(message(ANNA, "Anna <3", "<b>Tom & Jerry</b>\nLunch?")).await.unwrap();
    let shown = server.notified().await;
    assert_eq!(shown.summary, "Anna <3", "because a title is plain text");
    assert_eq!(shown.body, "&lt;b&gt;Tom &amp; Jerry&lt;/b&gt;\nLunch?", "because a body is markup");
    assert_eq!(shown.actions, ["default", "Open", "mark-read", "Mark as read"]);
    assert!(!shown.hints.contains_key("suppress-sound") && !shown.hints.contains_key("x-kde-reply-placeholder-text"));
    assert_eq!(shown.hints["desktop-entry"], "\"org.landline.Landline\"");
    assert_eq!(shown.hints["category"], "\"im.received\"");
    assert_eq!(shown.icon, "org.landline.Landline");
    world.tasks.shutdown().await;
}

#[tokio::test]
async fn a_second_one_of_a_session_replaces_the_first() {
    let world = world(false).await;
    let mut server = Server::start(&world.bus, ALL).await;
    world.notifier.show(message(ANNA, "Anna", "1")).await.unwrap();
    world.notifier.show(message(BEN, "Ben", "2")).await.unwrap();
    world.notifier.show(message(ANNA, "Anna", "3")).await.unwrap();
    let (first, ben, second) = (server.notified().await, server.notified().await, server.notified().await);
    assert_eq!((first.replaces, ben.replaces), (0, 0), "because each session has its own");
    assert_eq!(second.replaces, first.number, "because there is one for each session, not a stack");
}

#[tokio::test]
async fn a_click_says_where_to_go_and_brings_the_token() {
    let mut world = world(false).await;
    let mut server = Server::start(&world.bus, ALL).await;
    world.notifier.show(message(ANNA, "Anna", "1")).await.unwrap();
    let number = server.notified().await.number;
    server.click_and_keep(number, Some("token-1")).await;
    let expected =
        Click { destination: Some(Destination::session(ANNA).unwrap()), activation_token: Some("token-1".to_owned()) };
    assert_eq!(clicked(&mut world).await, expected);

    server.click(number, None).await;
    assert_eq!(clicked(&mut world).await.activation_token, None, "because a token serves one click");

    let again = shown_afresh(&world, &mut server, message(ANNA, "Anna", "2")).await;
    server.click(again.number, None).await;
    assert_eq!(clicked(&mut world).await.destination, Some(Destination::session(ANNA).unwrap()));
}

#[tokio::test]
async fn it_can_be_answered_where_the_server_offers_it() {
    let mut world = world(false).await;
    let mut server = Server::start(&world.bus, &["body", "actions", "inline-reply", "sound"]).await;
    world.notifier.show(Notification { sound: false, ..message(ANNA, "Anna", "1") }).await.unwrap();
    let shown = server.notified().await;
    assert_eq!(shown.actions, ["default", "Open", "inline-reply", "Reply", "mark-read", "Mark as read"]);
    assert_eq!(shown.hints["x-kde-reply-placeholder-text"], "\"Reply\"");
    assert_eq!(shown.hints["suppress-sound"], "true");
    assert!(!shown.hints.contains_key("sound-name"));
    server.reply(shown.number, "On my way").await;
    let expected = Response::Replied { session: ANNA.to_owned(), text: "On my way".to_owned() };
    assert_eq!(response(&mut world).await, expected);
    server.act(shown.number, "mark-read").await;
    assert_eq!(response(&mut world).await, Response::Read { session: ANNA.to_owned() });
    server.act(shown.number, "of-the-future").await;
    assert!(matches!(response(&mut world).await, Response::Opened(_)));

    world.notifier.show(Notification { answer: None, ..message(BEN, "Ben", "2") }).await.unwrap();
    let request = server.notified().await;
    assert_eq!(request.actions, ["default", "Open"], "because a request is answered in the window");
    assert_eq!(request.hints["sound-name"], "\"message-new-instant\"");
}

#[tokio::test]
async fn clicks_on_those_of_other_programs_are_not_ours() {
    let mut world = world(false).await;
    let mut server = Server::start(&world.bus, ALL).await;
    world.notifier.show(message(ANNA, "Anna", "1")).await.unwrap();
    let number = server.notified().await.number;
    server.click(number + 1, Some("theirs")).await;
    server.click(number, None).await;
    let click = clicked(&mut world).await;
    assert_eq!(click.destination, Some(Destination::session(ANNA).unwrap()));
    assert_eq!(click.activation_token, None, "because that token was for another notification");
    assert!(world.responses.try_recv().is_err());
}

#[tokio::test]
async fn it_is_withdrawn_once() {
    let world = world(false).await;
    let mut server = Server::start(&world.bus, ALL).await;
    world.notifier.show(message(ANNA, "Anna", "1")).await.unwrap();
    let number = server.notified().await.number;
    world.notifier.withdraw(ANNA).await;
    assert_eq!(server.asked().await, Asked::Close(number));
    world.notifier.withdraw(ANNA).await;
    world.notifier.withdraw(BEN).await;
    assert!(server.is_idle(), "because there is nothing left to close");
}

#[tokio::test]
async fn the_end_withdraws_what_nobody_could_answer_for() {
    let world = world(false).await;
    let mut server = Server::start(&world.bus, ALL).await;
    world.notifier.show(message(ANNA, "Anna", "1")).await.unwrap();
    let number = server.notified().await.number;
    world.notifier.withdraw_unreachable().await;
    assert_eq!(server.asked().await, Asked::Close(number));
}

#[tokio::test]
async fn a_server_without_bodies_or_actions_gets_neither() {
    let world = world(false).await;
    let mut server = Server::start(&world.bus, &[]).await;
    world.notifier.show(message(ANNA, "Anna", "a & b\nc")).await.unwrap();
    let shown = server.notified().await;
    assert_eq!((shown.summary.as_str(), shown.body.as_str()), ("Anna: a & b c", ""));
    assert!(shown.actions.is_empty());
}

#[tokio::test]
async fn without_a_server_it_says_so_and_goes_on() {
    let world = world(false).await;
    let error = world.notifier.available().await.unwrap_err();
    assert!(matches!(error, NotifyError::NoService(_)), "{error}");
    let error = world.notifier.show(message(ANNA, "Anna", "1")).await.unwrap_err();
    assert!(matches!(error, NotifyError::NoService(_)), "{error}");
    world.notifier.withdraw(ANNA).await;

    let mut server = Server::start(&world.bus, ALL).await;
    world.notifier.available().await.unwrap();
    world.notifier.show(message(ANNA, "Anna", "2")).await.unwrap();
    assert_eq!(server.notified().await.summary, "Anna", "because the next one is tried anew");
}

#[tokio::test]
async fn a_server_that_dies_and_returns_starts_afresh() {
    let mut world = world(false).await;
    let mut server = Server::start(&world.bus, ALL).await;
    world.notifier.show(message(BEN, "Ben", "0")).await.unwrap();
    world.notifier.show(message(ANNA, "Anna", "1")).await.unwrap();
    let (_, old) = (server.notified().await, server.notified().await);
    assert_eq!(old.number, 2);
    server.die().await;
    world.notifier.show(message(ANNA, "Anna", "2")).await.unwrap_err();

    let mut server = Server::start(&world.bus, &["body"]).await;
    world.notifier.show(message(ANNA, "Anna", "3")).await.unwrap();
    let shown = server.notified().await;
    assert_eq!(shown.replaces, 0, "because the new server has never seen the old number");
    assert!(shown.actions.is_empty(), "because the new server was asked anew what it can do");
    server.click(old.number, None).await;
    server.click(shown.number, Some("new")).await;
    assert_eq!(clicked(&mut world).await.activation_token.as_deref(), Some("new"), "because only the new one is known");
}

#[tokio::test]
async fn one_that_expired_is_not_replaced() {
    let world = world(false).await;
    let mut server = Server::start(&world.bus, ALL).await;
    world.notifier.show(message(ANNA, "Anna", "1")).await.unwrap();
    let number = server.notified().await.number;
    server.expire(number).await;
    shown_afresh(&world, &mut server, message(ANNA, "Anna", "2")).await;
}

#[tokio::test]
async fn an_installed_application_leaves_them_with_the_shell() {
    let world = world(true).await;
    let mut plain = Server::start(&world.bus, ALL).await;
    world.notifier.show(message(ANNA, "Anna", "1")).await.unwrap();
    assert_eq!(plain.notified().await.summary, "Anna", "because this desktop has only the usual service");

    let mut shell = Server::start_gtk(&world.bus).await;
    world.notifier.show(message(BEN, "Ben", "a & b")).await.unwrap();
    let Asked::Keep(key, content) = shell.asked().await else { panic!("the shell keeps it") };
    assert_eq!(key, BEN);
    assert_eq!(content["body"], "\"a & b\"", "because this interface takes plain text");
    assert_eq!(content["default-action"], "\"app.open-session\"");
    assert_eq!(content["default-action-target"], format!("\"{BEN}\""));
    let button = &content["buttons"];
    assert!(button.contains("app.mark-read") && button.contains("Mark as read") && button.contains(BEN), "{button}");
    world.notifier.withdraw_unreachable().await;
    assert!(shell.is_idle(), "because a click on it starts the program again");
    world.notifier.withdraw(BEN).await;
    assert_eq!(shell.asked().await, Asked::Forget(BEN.to_owned()));
}
