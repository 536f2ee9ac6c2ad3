//! Two windows on two LANs, with nothing between them but a relay.

use landline_tests::{Lab, Relay, SOON, until};

use crate::someone::Someone;
use crate::{history, section};

#[test]
fn two_windows_on_two_lans_talk_through_a_relay() {
    let Some(mut lab) = Lab::new() else { return };
    let relay = Relay::start_plain(lab.relay_host("relay"));
    let mut anna = Someone::at(lab.online_host("anna"), "Anna");
    let mut ben = Someone::at(lab.far_host("ben"), "Ben");

    section("Both are at the relay, and Anna invites Ben");
    for host in [&anna.host, &ben.host] {
        let added = host.cli(&["relays", "add", relay.address()]).unwrap();
        assert_eq!(added["state"], "connected");
    }
    let invitation = anna.host.cli(&["invite"]).unwrap();
    let found = ben.host.cli(&["add", invitation["link"].as_str().unwrap()]).unwrap();
    assert_eq!((&found["trust"], &found["path"]), (&"verified".into(), &"relay".into()));
    ben.host.cli(&["send", "Anna", "Hello from the other building"]).unwrap();

    section("They talk as if they were on one network");
    for someone in [&anna, &ben] {
        someone.window().click("[data-testid=session-item]");
        someone.window().see_text("[data-testid=message-text]", "Hello from the other building");
    }
    anna.window().enter("[data-testid=composer]", "Is the telescope free tonight?");
    ben.window().see_text("[data-testid=message-text]", "Is the telescope free tonight?");
    ben.window().enter("[data-testid=composer]", "From nine on, and the sky is clear.");
    anna.window().see_text("[data-testid=message-text]", "From nine on, and the sky is clear.");
    anna.window().see("[data-testid=message][data-state=read]");

    for someone in [&anna, &ben] {
        someone.picture("relay-1-conversation");
    }

    section("The window says which way it goes");
    for someone in [&anna, &ben] {
        someone.window().click("[data-testid=details-open]");
        someone.window().see_text("[data-testid=details] dd", "Through a relay: ");
        let script = "[...document.querySelectorAll('[data-testid=details] dd')] \
                      .find(e => e.innerText.startsWith('Through a relay: ')).scrollIntoView(); \
                      return document.getAnimations().length";
        until("the details lie still", SOON, || (someone.window().run(script, vec![]) == 0).then_some(()));
        someone.picture("relay-2-details");
    }
    until("both see the same conversation", SOON, || {
        (history(&anna.host, "Ben") == history(&ben.host, "Anna")).then_some(())
    });

    section("A file waits at the relay for who is away, and comes while its sender is");
    ben.leaves();
    anna.window().click("[data-testid=details-open]");
    let picture = anna.home("sky.png");
    anna.screen.photograph(&anna.host, &picture);
    anna.host.cli(&["send", "Ben", "For tonight", "--file", picture.to_str().unwrap()]).unwrap();
    anna.window().see_text("[data-testid=picture]", "At relay");
    until("Ben's mailbox says where it lies", SOON, || (relay.figure("items") >= 2).then_some(()));
    anna.picture("relay-3-held");
    anna.leaves();
    ben.returns();
    ben.window().click("[data-testid=session-item]");
    ben.has_file("Anna", "sky.png");
    ben.window().see_text("[data-testid=message-text]", "For tonight");
    let script = "return [...document.querySelectorAll('[data-testid=picture] img')].filter(e => e.complete && e.naturalWidth > 0).length";
    until("the picture is drawn", SOON, || (ben.window().run(script, vec![]) == 1).then_some(()));
    ben.picture("relay-4-came");
}
