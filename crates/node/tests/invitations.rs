//! Invitations: what they are worth fresh, used, old, elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use std::sync::Arc;

use landline_node as node;
use node::view::{Presence, Trust};
use testkit::{Net, Setup, ShiftedClock};

const MINUTE_MS: i64 = 60_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_invitation_verifies_both_and_only_once() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let carol = net.person("Carol", Setup::default()).await;
    let invitation = alice.node().invite().await.unwrap();
    let user = bob.node().follow_invitation(&invitation.link).await.unwrap();
    assert_eq!((user.name.as_str(), user.trust, user.status), ("Alice", Trust::Verified, Presence::Online));
    assert_eq!(
        alice.node().user(&bob.id()).unwrap().trust,
        Trust::Verified,
        "because Bob is told only after it is stored at Alice's"
    );

    net.section("the same link brings another machine no further than a request");
    let user = carol.node().follow_invitation(&invitation.link).await.unwrap();
    assert_eq!(user.trust, Trust::Accepted, "because the invitation was used, and Carol is told so");
    assert_eq!(alice.node().user(&carol.id()).unwrap().trust, Trust::Unknown);
    let session = carol.open(&alice).await;
    carol.say(&session, "May I?").await;
    let request = alice.sees_session(&session.session_id, "as a request", |session| session.request).await;
    assert_eq!(request.peer.unwrap().trust, Trust::Requested);

    net.section("a restart keeps what was proved");
    alice.stop().await;
    alice.start_again().await;
    assert_eq!(alice.node().user(&bob.id()).unwrap().trust, Trust::Verified);
    let session = bob.open(&alice).await;
    bob.say(&session, "Hello").await;
    let sees = alice.sees_session(&session.session_id, "as a session", |session| session.last_message.is_some()).await;
    assert!(!sees.request, "because Bob was invited");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_invitation_is_an_address() {
    let net = Net::new();
    let clock = Arc::new(ShiftedClock::default());
    let alice = net.person("Alice", Setup { clock: Some(clock.clone()), ..Setup::default() }).await;
    let bob = net.bob().await;
    let invitation = alice.node().invite().await.unwrap();
    clock.set_ahead(11 * MINUTE_MS);
    let user = bob.node().follow_invitation(&invitation.link).await.unwrap();
    assert_eq!((user.trust, user.status), (Trust::Accepted, Presence::Online), "because ten minutes are over");
    // Whose end of a link is served first, is open: neither is told when the other's is.
    alice.sees_user(&bob, "as a stranger", |user| user.trust == Trust::Unknown).await;

    net.section("without a token it is an address from the start");
    let (link, _) = invitation.link.split_once("&token=").unwrap();
    let carol = net.person("Carol", Setup::default()).await;
    let user = carol.node().follow_invitation(link).await.unwrap();
    assert_eq!(user.trust, Trust::Accepted);
    alice.sees_user(&carol, "as a stranger", |user| user.trust == Trust::Unknown).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_outlives_restarts_and_waits_for_who_is_away() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let invitation = alice.node().invite().await.unwrap();
    let alices_id = alice.id();
    alice.stop().await;

    net.section("Alice is away when Bob follows");
    let error = bob.node().follow_invitation(&invitation.link).await.unwrap_err();
    assert_eq!(error.code(), "connection_refused");
    assert!(error.to_string().starts_with("Alice was not reached: "), "because Bob is to know whom and why: {error}");
    let user = bob.node().user(&alices_id).unwrap();
    assert_eq!((user.name.as_str(), user.trust), ("Alice", Trust::Accepted), "because Bob wants her all the same");

    net.section("both start again");
    bob.stop().await;
    alice.start_again().await;
    bob.start_again().await;
    bob.sees_user(&alice, "verified", |user| user.trust == Trust::Verified).await;
    assert_eq!(alice.node().user(&bob.id()).unwrap().trust, Trust::Verified, "because both kept the token");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_machine_at_the_address_is_not_taken() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let carol = net.person("Carol", Setup::default()).await;
    let invitation = alice.node().invite().await.unwrap();
    let (_, token) = invitation.link.split_once("&token=").unwrap();
    let link = format!("landline://add/{}?addr={}&token={token}", alice.id(), carol.node().listen_addr());
    let error = bob.node().follow_invitation(&link).await.unwrap_err();
    assert_eq!(error.code(), "other_machine");
    assert!(bob.node().user(&carol.id()).is_err(), "because the link is of Alice");

    net.section("Alice's own link still counts");
    let user = bob.node().follow_invitation(&invitation.link).await.unwrap();
    assert_eq!(user.trust, Trust::Verified, "because Carol has not seen the token");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_count_more_than_invitations() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let theirs = bob.node().invite().await.unwrap();
    let ours = alice.node().invite().await.unwrap();
    alice.node().block(&bob.id()).await.unwrap();
    let error = alice.node().follow_invitation(&theirs.link).await.unwrap_err();
    assert_eq!(error.code(), "user_blocked");
    bob.sees_offline(&alice).await;
    bob.node().follow_invitation(&ours.link).await.unwrap_err();
    assert_eq!(alice.node().user(&bob.id()).unwrap().trust, Trust::Blocked);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_invitation_is_said_to_be_none() {
    let net = Net::new();
    let alice = net.alice().await;
    let own = alice.node().invite().await.unwrap();
    let error = alice.node().follow_invitation(&own.link).await.unwrap_err();
    assert_eq!((error.code(), error.field()), ("own_machine", Some("link")));
    for (link, words) in [
        ("landline://join/x".to_owned(), "begin with landline://add/"),
        ("landline://add/landline2qqq".to_owned(), "machine ID"),
        (format!("landline://add/{}?addr=nowhere", alice.id()), "addr"),
        (format!("landline://add/{}?token=short", alice.id()), "token"),
        (format!("landline://add/{}?name={}", alice.id(), "x".repeat(2_048)), "longer than 2048 bytes"),
    ] {
        let error = alice.node().follow_invitation(&link).await.unwrap_err();
        assert_eq!((error.code(), error.field()), ("invalid_invitation", Some("link")), "{link}");
        assert!(error.to_string().contains(words), "because the person is to see what is wrong: {error}");
    }

    net.section("only so many count at a time");
    let bob = net.bob().await;
    for _ in 0..16 {
        alice.node().invite().await.unwrap();
    }
    let user = bob.node().follow_invitation(&own.link).await.unwrap();
    assert_eq!(user.trust, Trust::Accepted, "because sixteen newer ones took its place");
    net.end().await;
}
