//! Adding people through real windows: the code on one screen read from a picture of it, and links that the desktop opens.

use std::fs;

use landline_tests::{Lab, SOON, Window, until};

use crate::section;
use crate::someone::Someone;

const VERIFIED: &str = "[data-testid=add-outcome][data-outcome=verified]";

/// What the code on somebody's screen says.
fn code(of: &Someone) -> String {
    of.window().see("[data-testid=code]");
    let script = "return document.querySelector('[data-testid=code-link]').value";
    of.window().run(script, vec![]).as_str().unwrap().to_owned()
}

/// How far somebody trusts another, by the node's own word.
fn trust(of: &Someone, other: &str) -> String {
    let page = of.host.cli(&["peers"]).unwrap();
    let user = page["items"].as_array().unwrap().iter().find(|user| user["name"] == other);
    user.map_or_else(String::new, |user| user["trust"].as_str().unwrap().to_owned())
}

fn is_verified(of: &Someone, other: &str) {
    until(&format!("{} has {other} as verified", of.host.name()), SOON, || {
        (trust(of, other) == "verified").then_some(())
    });
}

#[test]
fn a_code_on_a_screen_is_read_from_a_picture_and_verifies_both() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben) = (Someone::start(&mut lab, "Anna"), Someone::start(&mut lab, "Ben"));

    section("Anna shows her code; Ben takes a picture of her screen");
    anna.window().click("[data-testid=code-open]");
    let _link = code(&anna);
    let (there, here) = (anna.home("screen.png"), ben.home("screen.png"));
    anna.screen.photograph(&anna.host, &there);
    fs::copy(&there, &here).unwrap();
    anna.picture("40-code");

    section("He pastes it, and is asked whether to add her");
    let _photos = ben.has(&[("image", here.to_str().unwrap())]);
    ben.window().click("[data-testid=add-open]");
    ben.window().see("[data-testid=add-input]");
    ben.presses("ctrl+v");
    ben.window().see_text("[data-testid=invitation]", "Anna");
    ben.picture("41-invitation");
    assert_ne!(trust(&ben, "Anna"), "verified", "because he has not said so yet");

    section("Both know each other's key");
    ben.window().click("[data-testid=add-submit]");
    ben.window().see(VERIFIED);
    anna.window().see_text("[data-testid=code-used]", "Ben");
    is_verified(&anna, "Ben");
    is_verified(&ben, "Anna");
    anna.picture("42-code-used");

    section("And talk");
    ben.window().click("[data-testid=add-write]");
    ben.window().enter("[data-testid=composer]", "Hello Anna");
    anna.window().click("[data-testid=code-dialog] header button");
    anna.window().see_text("[data-testid=session-item]", "Hello Anna");
    ben.picture("43-verified");
}

#[test]
fn an_invitation_link_asks_from_a_cold_start_and_with_the_window_closed() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, mut ben) = (Someone::start(&mut lab, "Anna"), Someone::start(&mut lab, "Ben"));
    anna.window().click("[data-testid=code-open]");
    let link = code(&anna);

    section("From a cold start; Cancel adds nobody");
    ben.leaves();
    let window = Window::open(&ben.host, &ben.screen, &[&link]);
    window.see_text("[data-testid=invitation]", "Anna");
    ben.picture("44-asked");
    window.click("[data-testid=add-dialog] footer button:first-child");
    until("the question is gone", SOON, || window.texts("[data-testid=add-dialog]").is_empty().then_some(()));
    assert_ne!(trust(&ben, "Anna"), "verified");

    section("While the window is open, one that cannot be read is said to be so");
    ben.screen.open_link(&ben.host, "landline://add/landline1abc");
    window.see_text("[data-testid=add-dialog] [role=alert]", "not whole");
    window.click("[data-testid=add-dialog] footer button:first-child");

    section("With the window closed it comes back, and asks");
    ben.screen.close_window(&ben.host);
    window.click("[data-testid=close-keep]");
    until("the window is gone", SOON, || (ben.screen.windows(&ben.host) == 0).then_some(()));
    ben.screen.open_link(&ben.host, &link);
    until("the window is back", SOON, || (ben.screen.windows(&ben.host) == 1).then_some(()));
    // The driver has lost this page. A page that comes later is told what waits for it as above, from the cold start.
    assert_ne!(trust(&ben, "Anna"), "verified", "because a link alone adds nobody");
}
