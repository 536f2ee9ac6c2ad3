//! Two people talk: online, offline, both at once, and through restarts and cuts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use landline_node as node;
use node::view::{Change, Message, MessageState, Trust};
use node::{PageRequest, SendRequest};
use testkit::{Net, Person, assert_golden};

/// Callers that send at once in the test of convergence.
const CALLERS: usize = 40;

async fn connected() -> (Net, Person, Person) {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    (net, alice, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways() {
    let (net, alice, bob) = connected().await;
    let session = alice.open(&bob).await;
    let sent = alice.say(&session, "Hello Bob").await;
    assert_eq!(sent.state, MessageState::Queued, "because it is on one disk only");
    let heard = bob.hears("Hello Bob").await;
    assert_eq!((&heard.id, &heard.order), (&sent.id, &sent.order), "because both machines name and place it alike");
    assert_eq!(heard.sender_user_id, alice.id());
    alice.sees_state(&sent, MessageState::Delivered).await;

    let back = bob.open(&alice).await;
    assert_eq!(back.session_id, session.session_id, "because a direct session has one ID");
    bob.say(&back, "Hello Alice").await;
    alice.hears("Hello Alice").await;
    assert_eq!(alice.reads(&session.session_id).await, bob.reads(&session.session_id).await);
    assert_eq!(alice.node().session(&session.session_id).await.unwrap().waiting_count, 0);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_people_see() {
    let (net, alice, bob) = connected().await;
    let mut seen = String::new();
    let mut tell = async |title: &str| {
        seen.push_str(&format!("# {title}\n"));
        for person in [&alice, &bob] {
            for line in person.lines().await {
                seen.push_str(&format!("{}: {line}\n", person.name()));
            }
        }
    };
    let session = alice.open(&bob).await;
    bob.sees_session(&session.session_id, "opened", |_| true).await;
    bob.until("the opening to be shown", async |_| Some(())).await;
    let first = alice.say(&session, "Hello").await;
    alice.sees_state(&first, MessageState::Delivered).await;
    bob.until("a notice", async |node| (!node.notices().is_empty()).then_some(())).await;
    alice.until("rest", async |node| (node.status().await.ok()?.waiting == 0).then_some(())).await;
    tell("Alice writes to Bob, who does not know her").await;

    bob.node().accept(&alice.id()).await.unwrap();
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    alice.sees_state(&first, MessageState::Read).await;
    let answer = bob.say(&session, "Hi Alice").await;
    bob.sees_state(&answer, MessageState::Delivered).await;
    alice.until("a notice", async |node| (!node.notices().is_empty()).then_some(())).await;
    tell("Bob accepts, reads and answers").await;
    assert_golden(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/first-contact.txt"), &seen);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offline_messages_come_later_once_and_in_order() {
    let (net, alice, bob) = connected().await;
    let session = alice.open(&bob).await;
    let first = alice.say(&session, "before").await;
    alice.sees_state(&first, MessageState::Delivered).await;
    bob.node().accept(&alice.id()).await.unwrap();
    net.cut(&alice, &bob).await;
    let mut last = None;
    for number in 0..50 {
        last = Some(alice.say(&session, &format!("offline {number}")).await);
    }
    let waiting = alice.node().session(&session.session_id).await.unwrap().waiting_count;
    assert_eq!(waiting, 50, "because all wait for Bob");
    net.heal(&alice, &bob).await;
    alice.sees_state(&last.unwrap(), MessageState::Delivered).await;
    let texts: Vec<String> = bob.reads(&session.session_id).await.into_iter().map(|(_, text)| text).collect();
    let mut expected = vec!["before".to_owned()];
    expected.extend((0..50).map(|number| format!("offline {number}")));
    assert_eq!(texts, expected);
    alice.sees_session(&session.session_id, "empty of waiting", |session| session.waiting_count == 0).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_open_at_once() {
    let (net, alice, bob) = connected().await;
    let (alices, bobs) = tokio::join!(alice.open(&bob), bob.open(&alice));
    assert_eq!(alices.session_id, bobs.session_id);
    let (one, two) = tokio::join!(alice.say(&alices, "from Alice"), bob.say(&bobs, "from Bob"));
    alice.sees_state(&one, MessageState::Delivered).await;
    bob.sees_state(&two, MessageState::Delivered).await;
    alice.has_messages(&alices.session_id, 2).await;
    bob.has_messages(&alices.session_id, 2).await;
    for person in [&alice, &bob] {
        let sessions = person.node().sessions().await.unwrap();
        assert_eq!(sessions.len(), 1, "because both made the same session");
        assert!(!sessions[0].request, "because both wrote");
    }
    assert_eq!(alice.reads(&alices.session_id).await, bob.reads(&alices.session_id).await);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_each_way_converge() {
    const EACH: usize = 2_000 / CALLERS;
    let (net, alice, bob) = connected().await;
    let session = alice.open(&bob).await;
    bob.sees_session(&session.session_id, "opened", |_| true).await;
    bob.node().accept(&alice.id()).await.unwrap();
    tokio::join!(talk(&alice, &session.session_id, EACH), talk(&bob, &session.session_id, EACH));
    for person in [&alice, &bob] {
        person.has_messages(&session.session_id, 2 * CALLERS * EACH).await;
        person.sees_session(&session.session_id, "all delivered", |session| session.waiting_count == 0).await;
    }
    let (alices, bobs) = (alice.reads(&session.session_id).await, bob.reads(&session.session_id).await);
    assert_eq!(alices.len(), 2 * CALLERS * EACH, "because each message is there once");
    assert!(alices == bobs, "because both show the same order");
    for person in [&alice, &bob] {
        for caller in 0..CALLERS {
            let start = format!("{} {caller} ", person.name());
            let own = alices.iter().filter_map(|(_, text)| text.strip_prefix(&start));
            let expected: Vec<String> = (0..EACH).map(|number| number.to_string()).collect();
            assert!(own.eq(expected.iter().map(String::as_str)), "because what one caller says stays in order");
        }
    }
    net.end().await;
}

/// Says `CALLERS * each` things, many callers at once, each in order. Gives the last of each caller.
async fn talk(person: &Person, session: &str, each: usize) -> Vec<Message> {
    let caller = async |caller: usize| {
        let mut last = None;
        for number in 0..each {
            let text = format!("{} {caller} {number}", person.name());
            last = Some(person.try_say(session, &text).await.unwrap());
        }
        last.unwrap()
    };
    futures_util::future::join_all((0..CALLERS).map(caller)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_either_in_the_middle() {
    let (net, alice, bob) = connected().await;
    let session = alice.open(&bob).await;
    bob.sees_session(&session.session_id, "opened", |_| true).await;
    bob.node().accept(&alice.id()).await.unwrap();
    for round in 0..3 {
        net.section(&format!("round {round}"));
        for number in 0..40 {
            alice.say(&session, &format!("a{round}.{number}")).await;
            if number == 20 {
                bob.stop().await;
                bob.start_again().await;
            }
        }
        for number in 0..40 {
            bob.say(&session, &format!("b{round}.{number}")).await;
            if number == 20 {
                alice.stop().await;
                alice.start_again().await;
            }
        }
        net.linked(&alice, &bob).await;
    }
    for person in [&alice, &bob] {
        person.has_messages(&session.session_id, 240).await;
        person.sees_session(&session.session_id, "all delivered", |session| session.waiting_count == 0).await;
    }
    let (alices, bobs) = (alice.reads(&session.session_id).await, bob.reads(&session.session_id).await);
    assert_eq!(alices.len(), 240, "because each message is there once");
    assert_eq!(alices, bobs);
    assert_eq!(alice.node().user(&bob.id()).unwrap().trust, Trust::Accepted, "because trust is kept");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_and_healed_while_both_write() {
    let (net, alice, bob) = connected().await;
    let session = alice.open(&bob).await;
    bob.sees_session(&session.session_id, "opened", |_| true).await;
    bob.node().accept(&alice.id()).await.unwrap();
    for round in 0..4 {
        net.cut(&alice, &bob).await;
        for number in 0..20 {
            alice.say(&session, &format!("a{round}.{number}")).await;
            bob.say(&session, &format!("b{round}.{number}")).await;
        }
        net.mend(&alice, &bob);
        // They go on writing while the link comes back.
        for number in 20..30 {
            alice.say(&session, &format!("a{round}.{number}")).await;
            bob.say(&session, &format!("b{round}.{number}")).await;
        }
        net.linked(&alice, &bob).await;
    }
    for person in [&alice, &bob] {
        person.has_messages(&session.session_id, 240).await;
        person.sees_session(&session.session_id, "all delivered", |session| session.waiting_count == 0).await;
    }
    assert_eq!(alice.reads(&session.session_id).await, bob.reads(&session.session_id).await);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_handle_is_the_same_message() {
    let (net, alice, bob) = connected().await;
    let session = alice.open(&bob).await;
    let request = |caller: &str| SendRequest {
        session: session.session_id.clone(),
        message: "once".to_owned(),
        attachments: Vec::new(),
        temp_id: Some("t1".to_owned()),
        caller: caller.to_owned(),
        ..SendRequest::default()
    };
    let node = alice.node();
    let (first, second) = tokio::join!(node.send_message(request("window")), node.send_message(request("window")));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.id, second.id, "because both came at once");
    assert_eq!(first.temp_id.as_deref(), Some("t1"));
    alice.stop().await;
    alice.start_again().await;
    let third = alice.node().send_message(request("window")).await.unwrap();
    assert_eq!(first.id, third.id, "because the handle is kept over a restart");
    let other = alice.node().send_message(request("script")).await.unwrap();
    assert_ne!(first.id, other.id, "because handles of two callers do not mix");
    bob.has_messages(&session.session_id, 2).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_at_once_keep_their_order() {
    let (net, alice, bob) = connected().await;
    let session = alice.open(&bob).await;
    bob.sees_session(&session.session_id, "opened", |_| true).await;
    bob.node().accept(&alice.id()).await.unwrap();
    let caller = async |name: &str| {
        for number in 0..60 {
            alice.say(&session, &format!("{name}{number}")).await;
        }
    };
    tokio::join!(caller("x"), caller("y"), caller("z"), caller("w"));
    bob.has_messages(&session.session_id, 240).await;
    let texts: Vec<String> = bob.reads(&session.session_id).await.into_iter().map(|(_, text)| text).collect();
    for name in ["x", "y", "z", "w"] {
        let own: Vec<_> = texts.iter().filter(|text| text.starts_with(name)).cloned().collect();
        let expected: Vec<_> = (0..60).map(|number| format!("{name}{number}")).collect();
        assert_eq!(own, expected);
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_lead_through_a_session() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let session = alice.open(&bob).await;
    for number in 0..25 {
        alice.say(&session, &format!("{number}")).await;
    }
    let node = alice.node();
    let page = async |request: PageRequest| node.messages(&session.session_id, request).await.unwrap();
    let texts =
        |page: &node::view::Page<Message>| page.items.iter().map(|message| message.message.clone()).collect::<Vec<_>>();
    let newest = page(PageRequest { limit: Some(10), ..PageRequest::default() }).await;
    assert_eq!(texts(&newest), (15..25).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(newest.next_after, None);
    let middle = page(PageRequest { before: newest.next_before, limit: Some(10), ..PageRequest::default() }).await;
    assert_eq!(texts(&middle), (5..15).map(|number| number.to_string()).collect::<Vec<_>>());
    let oldest =
        page(PageRequest { before: middle.next_before.clone(), limit: Some(10), ..PageRequest::default() }).await;
    assert_eq!((texts(&oldest).len(), oldest.next_before.as_deref()), (5, None));
    let onwards = page(PageRequest { after: oldest.next_after, limit: Some(200), ..PageRequest::default() }).await;
    assert_eq!(onwards.items.len(), 20);
    let seventh = onwards.items[2].id.clone();
    let around = page(PageRequest { around: Some(seventh), limit: Some(4), ..PageRequest::default() }).await;
    assert_eq!(texts(&around), ["5", "6", "7", "8"]);
    for bad in ["", "nonsense", "ä"] {
        let request = PageRequest { before: Some(bad.to_owned()), ..PageRequest::default() };
        let error = node.messages(&session.session_id, request).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("invalid_cursor", Some("before")));
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_hours_off_misdate_but_never_misorder() {
    let net = Net::new();
    let alice = net.alice().await;
    let hours = 5 * 3_600_000;
    let clock = std::sync::Arc::new(testkit::ShiftedClock::ahead(-hours));
    let setup = testkit::Setup { clock: Some(clock.clone()), ..testkit::Setup::default() };
    let bob = net.person("Bob", setup).await;
    net.connect(&alice, &bob).await;
    let skew = alice.sees_user(&bob, "with a wrong clock", |user| user.clock_skew_seconds.is_some()).await;
    assert!((-18_002..=-17_998).contains(&skew.clock_skew_seconds.unwrap()), "{skew:?}");
    let session = alice.open(&bob).await;
    bob.sees_session(&session.session_id, "opened", |_| true).await;
    for round in 0..4 {
        alice.say(&session, &format!("question {round}")).await;
        bob.hears(&format!("question {round}")).await;
        if round == 2 {
            // Bob's clock is set right, then far into the future.
            clock.set_ahead(hours);
        }
        bob.say(&session, &format!("answer {round}")).await;
        alice.hears(&format!("answer {round}")).await;
    }
    let expected: Vec<String> = (0..4).flat_map(|n| [format!("question {n}"), format!("answer {n}")]).collect();
    for person in [&alice, &bob] {
        let texts: Vec<String> = person.reads(&session.session_id).await.into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, expected);
        let page = person.node().messages(&session.session_id, PageRequest::default()).await.unwrap();
        let times: Vec<_> = page.items.iter().map(|message| message.timestamp.clone()).collect();
        assert!(times.is_sorted(), "because an answer is never shown before its question: {times:?}");
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_in_order_stands_in_order() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let session = alice.open(&bob).await;
    for round in 0..10 {
        // None of them waits for another: they are queued together, and go into one run.
        let texts: Vec<String> = (0..16).map(|number| format!("{round}.{number}")).collect();
        let sends = texts.iter().map(|text| alice.say(&session, text));
        futures_util::future::join_all(sends).await;
    }
    let expected: Vec<String> =
        (0..10).flat_map(|round| (0..16).map(move |number| format!("{round}.{number}"))).collect();
    let texts: Vec<String> = alice.reads(&session.session_id).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, expected);

    net.section("Bob, whom Alice knew by his ID only, appears");
    net.connect(&alice, &bob).await;
    bob.node().accept(&alice.id()).await.unwrap();
    bob.has_messages(&session.session_id, 160).await;
    assert_eq!(bob.reads(&session.session_id).await, alice.reads(&session.session_id).await);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_delivered_before_it_was_queued() {
    let (net, alice, bob) = connected().await;
    let session = alice.open(&bob).await;
    bob.sees_session(&session.session_id, "opened", |_| true).await;
    bob.node().accept(&alice.id()).await.unwrap();
    talk(&alice, &session.session_id, 10).await;
    let mut queued = std::collections::HashSet::new();
    let mut delivered = 0;
    let every_delivery = |change: &Change| {
        let Change::MessageChanged { message, .. } = change else { return None };
        match message.state {
            MessageState::Queued => drop(queued.insert(message.id.clone())),
            MessageState::Delivered | MessageState::Read => {
                assert!(queued.contains(&message.id), "because a row must not go back");
                delivered += 1;
            }
            MessageState::Failed => panic!("nothing failed"),
        }
        (delivered == 10 * CALLERS).then_some(())
    };
    alice.wait_for("every delivery", every_delivery).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_moved_finds_its_contacts_again() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    bob.node().add_address(&alice.node().listen_addr().to_string()).await.unwrap();
    net.linked(&alice, &bob).await;
    let session = alice.open(&bob).await;
    let sent = alice.say(&session, "I will move").await;
    alice.sees_state(&sent, MessageState::Delivered).await;
    alice.stop().await;
    alice.start_elsewhere().await;
    net.linked(&alice, &bob).await;
    bob.say(&session, "There you are").await;
    alice.hears("There you are").await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_leads_nowhere_says_why() {
    let net = Net::new();
    let alice = net.alice().await;
    let own = alice.node().listen_addr().to_string();
    // Bound and closed again: nothing listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (address, code) in [
        (own.as_str(), "own_machine"),
        (free.as_str(), "connection_refused"),
        ("two words", "invalid_address"),
        ("", "invalid_address"),
    ] {
        let error = alice.node().add_address(address).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    net.end().await;
}
