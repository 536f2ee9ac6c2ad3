//! Two real windows on two machines: from the first run to a click on a notification, and what is there after a restart.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

#[path = "windows/attachments.rs"]
mod attachments;
#[path = "windows/centre.rs"]
mod centre;
#[path = "windows/invitations.rs"]
mod invitations;
#[path = "windows/relays.rs"]
mod relays;
#[path = "windows/someone.rs"]
mod someone;
#[path = "windows/transfers.rs"]
mod transfers;

use landline_tests::{Host, Lab, SOON, Screen, Window, until};
use serde_json::Value;

/// Says where the test is, for whoever reads its output after it failed.
fn section(title: &str) {
    println!("── {title}");
}

/// Fills in the first-run screen.
fn welcome(window: &Window, name: &str) {
    window.fill("[data-testid=welcome-name]", name);
    window.click("[data-testid=welcome-start]");
}

/// All texts of the only session, oldest first, as the command line shows them.
fn history(host: &Host, with: &str) -> Vec<String> {
    let page = host.cli(&["history", with]).unwrap();
    page["items"].as_array().unwrap().iter().map(text).collect()
}

fn text(message: &Value) -> String {
    message["message"].as_str().unwrap().to_owned()
}

fn arrives(host: &Host, with: &str, text: &str) {
    until(&format!("{text:?} is in {}'s history", host.name()), SOON, || {
        history(host, with).iter().any(|it| it == text).then_some(())
    });
}

#[test]
fn two_people_meet_talk_and_a_click_on_the_notification_opens_the_session() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = (lab.host("anna"), lab.host("ben"));
    let (anna_screen, ben_screen) = (Screen::start(&anna), Screen::start(&ben));

    section("First run");
    let anna_window = Window::open(&anna, &anna_screen, &[]);
    let ben_window = Window::open(&ben, &ben_screen, &[]);
    anna_screen.picture(&anna, "anna-1-first-run");
    welcome(&anna_window, "Anna");
    welcome(&ben_window, "Ben");

    section("Nearby, with nothing configured");
    anna_window.see_text("[data-testid=nearby-item]", "Ben");
    ben_window.see_text("[data-testid=nearby-item]", "Anna");
    anna_screen.picture(&anna, "anna-2-nearby");

    section("A click, a line of text");
    anna_window.click("[data-testid=nearby-item]");
    anna_window.enter("[data-testid=composer]", "Hello Ben, is the lab free?");
    anna_window.see("[data-testid=message][data-state=delivered]");

    section("A request, accepted");
    ben_window.click("[data-testid=session-item]");
    ben_window.see_text("[data-testid=message-text]", "Hello Ben, is the lab free?");
    ben_window.see("[data-testid=request-accept]");
    ben_screen.picture(&ben, "ben-3-request");
    ben_window.click("[data-testid=request-accept]");

    section("A conversation both ways");
    ben_window.enter("[data-testid=composer]", "From three on. Bring the cables?");
    anna_window.see_text("[data-testid=message-text]", "From three on. Bring the cables?");
    anna_window.enter("[data-testid=composer]", "Will do.");
    ben_window.see_text("[data-testid=message-text]", "Will do.");
    anna_screen.picture(&anna, "anna-4-conversation");
    ben_screen.picture(&ben, "ben-4-conversation");
    assert_eq!(ben_screen.notifications(&ben), 0, "because nothing is notified of the session that is on screen");

    section("The window closes; the node goes on");
    ben_screen.close_window(&ben);
    ben_window.click("[data-testid=close-keep]");
    until("Ben's window is gone", SOON, || (ben_screen.windows(&ben) == 0).then_some(()));

    section("A notification, and a click on it");
    anna_window.enter("[data-testid=composer]", "Ben? I am at the door.");
    until("a notification stands on Ben's screen", SOON, || (ben_screen.notifications(&ben) == 1).then_some(()));
    ben_screen.picture(&ben, "ben-5-notification");
    anna_window.enter("[data-testid=composer]", "It is <b>cold</b> & dark.");
    arrives(&ben, "Anna", "It is <b>cold</b> & dark.");
    assert_eq!(ben_screen.notifications(&ben), 1, "because a session has one notification, which is replaced");
    ben_screen.click_notification(&ben);
    until("Ben's window is back", SOON, || (ben_screen.windows(&ben) == 1).then_some(()));

    section("That session is on screen and the composer has the focus: what is typed now goes there");
    until("Ben's node shows the session as read", SOON, || {
        let sessions = ben.cli(&["sessions"]).unwrap();
        (sessions["items"][0]["unreadCount"] == 0).then_some(())
    });
    ben_screen.type_text(&ben, "Coming!");
    ben_screen.press(&ben, "Return");
    anna_window.see_text("[data-testid=message-text]", "Coming!");
    ben_screen.picture(&ben, "ben-6-after-click");
    until("the notification is withdrawn", SOON, || (ben_screen.notifications(&ben) == 0).then_some(()));

    section("Both start again");
    let said = history(&anna, "Ben");
    assert_eq!(said, history(&ben, "Anna"), "because both see the same conversation");
    anna.end_desktop();
    ben.end_desktop();
    drop((anna_window, ben_window));
    let anna_window = Window::open(&anna, &anna_screen, &[]);
    let session = anna.cli(&["sessions"]).unwrap()["items"][0]["sessionId"].as_str().unwrap().to_owned();
    anna_window.click("[data-testid=session-item]");
    for text in &said {
        anna_window.see_text("[data-testid=message-text]", text);
    }
    anna_screen.picture(&anna, "anna-7-after-restart");

    section("From a cold start the link of a notification opens its session");
    let ben_window = Window::open(&ben, &ben_screen, &[&format!("landline://session/{session}")]);
    ben_window.see(&format!("[data-testid=conversation][data-session='{session}']"));
    until("the composer has the focus", SOON, || (ben_window.focused() == "composer").then_some(()));
    ben_window.see_text("[data-testid=message-text]", "Coming!");
    ben_screen.picture(&ben, "ben-8-cold-start");
}

/// The selector of the message whose text contains this, once it is on screen.
fn message(window: &Window, text: &str) -> String {
    let script = "return [...document.querySelectorAll('[data-testid=message]')] \
                  .find(e => e.querySelector('[data-testid=message-text]')?.innerText.includes(arguments[0]))?.dataset.id";
    let id = until(&format!("{text:?} is on screen"), SOON, || {
        window.run(script, vec![text.into()]).as_str().map(str::to_owned)
    });
    format!("[data-testid=message][data-id='{id}']")
}

/// Clicks on a button that a message shows under the mouse.
fn act(window: &Window, message: &str, button: &str) {
    window.hover(message);
    window.click(&format!("{message} [data-testid={button}]"));
}

#[test]
fn two_people_answer_react_change_take_back_and_find() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = (lab.host("anna"), lab.host("ben"));
    let (anna_screen, ben_screen) = (Screen::start(&anna), Screen::start(&ben));
    let anna_window = Window::open(&anna, &anna_screen, &[]);
    let ben_window = Window::open(&ben, &ben_screen, &[]);
    welcome(&anna_window, "Anna");
    welcome(&ben_window, "Ben");
    anna_window.see_text("[data-testid=nearby-item]", "Ben");
    anna_window.click("[data-testid=nearby-item]");
    anna_window.enter("[data-testid=composer]", "Where is the **blue** cable?");
    ben_window.click("[data-testid=session-item]");
    ben_window.click("[data-testid=request-accept]");

    section("An answer quotes what it answers");
    let question = message(&ben_window, "blue");
    act(&ben_window, &question, "message-reply");
    ben_window.see("[data-testid=composer-context][data-kind=reply]");
    ben_window.enter("[data-testid=composer]", "In the lef drawer");
    anna_window.see_text("[data-testid=quote]", "blue");
    anna_window.see(&format!("{}[data-state=read]", message(&anna_window, "blue")));

    section("A reaction");
    let answer = message(&anna_window, "drawer");
    act(&anna_window, &answer, "message-react");
    anna_window.click("[data-testid=quick-reactions] button");
    ben_window.see("[data-testid=reaction]");
    ben_screen.picture(&ben, "ben-9-reaction");

    section("A change, marked as one");
    let answer = message(&ben_window, "drawer");
    act(&ben_window, &answer, "message-menu");
    ben_window.click("[data-testid=menu-edit]");
    ben_window.see("[data-testid=composer-context][data-kind=edit]");
    ben_window.fill("[data-testid=composer]", "In the left");
    ben_window.enter("[data-testid=composer]", " drawer");
    anna_window.see_text("[data-testid=message-text]", "In the left drawer");
    anna_window.see("[data-testid=edited]");
    anna_screen.picture(&anna, "anna-10-changed");

    section("Taken back: nothing of it is left on the other machine");
    ben_window.enter("[data-testid=composer]", "The code is 4711");
    anna_window.see_text("[data-testid=message-text]", "4711");
    let secret = message(&ben_window, "4711");
    act(&ben_window, &secret, "message-menu");
    ben_window.click("[data-testid=menu-delete]");
    ben_window.click("[data-testid=delete-everywhere]");
    anna_window.see("[data-testid=tombstone]");
    assert!(!history(&anna, "Ben").iter().any(|text| text.contains("4711")));

    section("Found again");
    anna_window.click("[data-testid=search-open]");
    anna_window.fill("[data-testid=search-input]", "LEFT draw");
    anna_window.see_text("[data-testid=search-hit]", "In the left drawer");
    anna_screen.picture(&anna, "anna-11-search");
    anna_window.click("[data-testid=search-hit]");
    anna_window.see_text("[data-testid=message-text]", "In the left drawer");

    section("The notification centre knows what came");
    anna_window.click("[data-testid=notifications-open]");
    anna_window.see("[data-testid=notifications]");
    anna_screen.picture(&anna, "anna-12-notifications");

    section("All of it is there after a restart");
    let said = history(&anna, "Ben");
    assert_eq!(said, history(&ben, "Anna"), "because both see the same conversation");
    anna.end_desktop();
    drop(anna_window);
    let anna_window = Window::open(&anna, &anna_screen, &[]);
    anna_window.click("[data-testid=session-item]");
    for part in ["[data-testid=quote]", "[data-testid=reaction]", "[data-testid=edited]", "[data-testid=tombstone]"] {
        anna_window.see(part);
    }
    anna_screen.picture(&anna, "anna-13-after-restart");
}
