//! The notification centre in a real window.

use landline_tests::{Lab, SOON, until};

use crate::section;
use crate::someone::{Someone, two};

/// The records on screen: kind, whether it is read, how many it stands for.
fn records(of: &Someone) -> Vec<String> {
    let script = "return [...document.querySelectorAll('[data-testid=notification]')] \
                  .map(e => [e.dataset.kind, e.dataset.read === 'true' ? 'read' : 'unread', e.querySelector('.mark')?.innerText ?? ''].join(' ').trim())";
    serde_json::from_value(of.window().run(script, vec![])).unwrap()
}

fn shows(who: &Someone, wanted: &[&str]) {
    let mut seen = Vec::new();
    until(&format!("the records are {wanted:?}"), SOON, || {
        let now = records(who);
        if now != seen {
            println!("records: {now:?}");
            seen = now;
        }
        (seen == wanted).then_some(())
    });
}

/// Turns to another page, and waits until it is there: a message that comes before is one that was seen.
fn looks_elsewhere(who: &Someone) {
    who.window().click("[data-testid=nearby-open]");
    who.window().see("[data-testid=nearby]");
}

#[test]
fn what_came_is_kept_opened_and_read() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, mut ben) = two(&mut lab);

    section("Messages that came while Ben looked elsewhere");
    looks_elsewhere(&ben);
    anna.window().enter("[data-testid=composer]", "Are you there?");
    anna.window().enter("[data-testid=composer]", "It is about the cables.");
    ben.window().see("[data-testid=notifications-badge]");
    ben.window().click("[data-testid=notifications-open]");
    ben.window().see("[data-testid=notifications][data-ready=true]");
    ben.window().click("[data-testid=notification-filter][data-filter=unread]");
    shows(&ben, &["message unread 2 messages"]);
    ben.picture("40-unread");

    section("A record opens what it is about");
    ben.window().click("[data-testid=notification] .open");
    ben.window().see_text("[data-testid=message-text]", "It is about the cables.");
    ben.window().click("[data-testid=notifications-open]");
    ben.window().click("[data-testid=notification-filter][data-filter=all]");
    shows(&ben, &["message read 2 messages", "request read"]);
    ben.picture("41-all");

    section("All are read at once");
    looks_elsewhere(&ben);
    anna.window().enter("[data-testid=composer]", "Hello?");
    ben.window().see("[data-testid=notifications-badge]");
    ben.window().click("[data-testid=notifications-open]");
    shows(&ben, &["message unread", "message read 2 messages", "request read"]);
    ben.window().click("[data-testid=notifications-read-all]");
    let all = ["message read", "message read 2 messages", "request read"];
    shows(&ben, &all);
    until("the badge is gone", SOON, || {
        ben.window().texts("[data-testid=notifications-badge]").is_empty().then_some(())
    });

    section("After a restart it is the same");
    ben.leaves();
    ben.returns();
    ben.window().click("[data-testid=notifications-open]");
    shows(&ben, &all);
    assert!(ben.window().texts("[data-testid=notifications-badge]").is_empty(), "because all have been read");
    ben.picture("42-after-restart");
}
