//! A machine that breaks the rules harms nothing but its own link. It is built on `link` and `proto` directly.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use bytes::Bytes;
use landline_node as node;
use node::view::MessageState;
use proto::event::{Body, Event, Kind};
use proto::frame::{Frame, HoldReason, RejectCode};
use proto::id::{EventId, SessionId};
use proto::identity::{Identity, Signature};
use proto::register::{Profile, ReceiptKind, SignedProfile, SignedReceipt};
use proto::run::Run;
use proto::vector::VersionVector;
use testkit::{History, Net, Person, Stranger};

/// Alice, who talks with Bob all the while, and Mallory, who is linked to her.
async fn besieged() -> (Net, Person, Person, Stranger) {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let mut mallory = Stranger::new(99).await;
    mallory.dial(&alice).await;
    (net, alice, bob, mallory)
}

/// Nothing of it harmed Alice's conversation with Bob.
async fn unharmed(net: Net, alice: &Person, bob: &Person, mallory: Stranger) {
    let session = alice.open(bob).await;
    let sent = alice.say(&session, "all is well").await;
    alice.sees_state(&sent, MessageState::Delivered).await;
    mallory.end().await;
    net.end().await;
}

async fn rejected(mallory: &mut Stranger) -> RejectCode {
    mallory
        .receive("a rejection", |frame| match frame {
            Frame::Reject { code, .. } => Some(*code),
            _ => None,
        })
        .await
}

/// Waits for a receipt that covers this place of Mallory's log.
async fn acknowledged(mallory: &mut Stranger, epoch: u64, seq: u64) {
    let id = mallory.id();
    mallory
        .receive("a receipt", |frame| match frame {
            Frame::Receipts(receipts) => receipts
                .iter()
                .any(|receipt| {
                    receipt.verify().is_ok() && receipt.receipt().vector.covers(&id, proto::id::Epoch::new(epoch), seq)
                })
                .then_some(()),
            _ => None,
        })
        .await;
}

async fn texts(person: &Person, session: SessionId) -> Vec<String> {
    person.reads(&session.to_string()).await.into_iter().map(|(_, text)| text).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_signature_ends_the_link() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    let run = History::new(session, 1).say(&mallory.identity, "signed");
    let forged = Run::from_parts(run.events().to_vec(), Signature::from_bytes([7; 64])).unwrap();
    mallory.send_runs(session, vec![forged]).await;
    mallory.down().await;
    assert!(alice.node().session(&session.to_string()).await.is_err(), "because nothing of it was taken");
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_session_ends_the_link() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let foreign = SessionId::direct(&alice.node().machine_id(), &bob.node().machine_id());
    let run = History::new(foreign, 1).say(&mallory.identity, "listen to me");
    mallory.send_runs(foreign, vec![run]).await;
    mallory.down().await;
    mallory.up().await;
    net.section("asking for another's session gets nothing either");
    let session = alice.open(&bob).await;
    let sent = alice.say(&session, "between us").await;
    alice.sees_state(&sent, MessageState::Delivered).await;
    mallory.send(Frame::Digests(vec![(foreign, [0; 32])])).await;
    mallory.send(Frame::Vector { session: foreign, vector: VersionVector::new() }).await;
    mallory.down().await;
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_ones_words_are_refused() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    let third = Identity::from_seed([5; 32]);
    let run = History::new(session, 1).say(&third, "I am somebody else");
    mallory.send_runs(session, vec![run]).await;
    assert_eq!(rejected(&mut mallory).await, RejectCode::Invalid);
    assert!(alice.node().session(&session.to_string()).await.is_err(), "because refused events make no session");
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replayed_and_reordered_runs_stand_once_and_in_order() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    let mut log = History::new(session, 1);
    let runs: Vec<Run> = ["one", "two", "three"].iter().map(|text| log.say(&mallory.identity, text)).collect();
    mallory.send_runs(session, vec![runs[2].clone()]).await;
    mallory
        .receive("a vector that asks for what is before", |frame| match frame {
            Frame::Vector { vector, .. } => vector.is_empty().then_some(()),
            _ => None,
        })
        .await;
    mallory.send_runs(session, vec![runs[1].clone(), runs[2].clone()]).await;
    mallory.send_runs(session, vec![runs[0].clone()]).await;
    acknowledged(&mut mallory, 1, 3).await;
    mallory.send_runs(session, runs.clone()).await;
    acknowledged(&mut mallory, 1, 3).await;
    assert_eq!(texts(&alice, session).await, ["one", "two", "three"]);
    assert_eq!(alice.node().session(&session.to_string()).await.unwrap().unread_count, 3);
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_is_kept_as_proof_and_ends_the_log() {
    let (net, alice, bob, mut mallory) = besieged().await;
    net.expect_log("its log is frozen");
    let session = mallory.session(&alice);
    let mut log = History::new(session, 1);
    let first = log.say(&mallory.identity, "one");
    let mut other = log.clone();
    let second = log.say(&mallory.identity, "two");
    let forked = other.say(&mallory.identity, "another two");
    mallory.send_runs(session, vec![first, second]).await;
    acknowledged(&mut mallory, 1, 2).await;
    mallory.send_runs(session, vec![forked]).await;
    assert_eq!(rejected(&mut mallory).await, RejectCode::Frozen);
    mallory.send_runs(session, vec![log.say(&mallory.identity, "three")]).await;
    assert_eq!(rejected(&mut mallory).await, RejectCode::Frozen);
    assert_eq!(texts(&alice, session).await, ["one", "two"]);
    assert!(net.was_logged("its log is frozen"));
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lamport_jump_is_refused() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    let mut log = History::new(session, 1);
    let first = log.say(&mallory.identity, "one");
    let body = Body::message("first of all, for ever");
    let mut header = log.next(mallory.id(), &body);
    header.lamport = 1 << 40;
    let jump = log.sign(&mallory.identity, header, &body);
    mallory.send_runs(session, vec![first, jump]).await;
    assert_eq!(rejected(&mut mallory).await, RejectCode::Invalid);
    assert_eq!(texts(&alice, session).await, ["one"], "because what came before it was right");
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_refused_and_what_is_new_is_kept() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    let event = |kind: Kind, body: &'static [u8]| {
        let mut header = History::new(session, u64::from(kind.0) + 1).next(mallory.id(), &Body::Open);
        header.kind = kind;
        Event::new(header, Bytes::from_static(body)).unwrap()
    };
    let sign = |event: Event| Run::sign(&mallory.identity, vec![event]).unwrap().into_run();
    // A map with the text "a", NUL, "b".
    let bad = sign(event(Kind::MESSAGE, b"\xa1\x00\x63a\x00b"));
    let later = sign(event(Kind(4_711), b"of a later version"));
    mallory.send_runs(session, vec![bad]).await;
    assert_eq!(rejected(&mut mallory).await, RejectCode::Invalid);
    mallory.send_runs(session, vec![later]).await;
    acknowledged(&mut mallory, 4_712, 1).await;
    assert!(texts(&alice, session).await.is_empty());
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_wait_for_ever_fill_no_memory() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    for epoch in 0..400 {
        let body = Body::message("x".repeat(8_000));
        let mut header = History::new(session, epoch).next(mallory.id(), &body);
        header.parents = vec![EventId::from_bytes([1; 32])];
        let run = History::new(session, epoch).sign(&mallory.identity, header, &body);
        mallory.send_runs(session, vec![run]).await;
    }
    let good = History::new(session, 1_000).say(&mallory.identity, "still served");
    mallory.send_runs(session, vec![good]).await;
    acknowledged(&mut mallory, 1_000, 1).await;
    assert_eq!(texts(&alice, session).await, ["still served"]);
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_gets_a_hold_beyond_its_budget() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    let mut log = History::new(session, 1);
    let small = log.say(&mallory.identity, "May I?");
    let large = log.say(&mallory.identity, &"x".repeat(5_000));
    mallory.send_runs(session, vec![small, large]).await;
    let reason = mallory
        .receive("a hold", |frame| match frame {
            Frame::Hold { reason, .. } => Some(*reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, HoldReason::NotAccepted);
    assert_eq!(texts(&alice, session).await, ["May I?"]);
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_ones_registers_end_the_link() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    let third = Identity::from_seed([5; 32]);
    let receipt = SignedReceipt::sign(&third, session, ReceiptKind::Delivered, 9, VersionVector::new(), None);
    mallory.send(Frame::Receipts(vec![receipt])).await;
    mallory.down().await;
    mallory.up().await;
    let profile = Profile { name: "Alice".into(), ..Profile::default() };
    mallory.send(Frame::Profile(SignedProfile::sign(&third, 9, &profile).unwrap())).await;
    mallory.down().await;
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_shown_and_can_be_retried() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    let (row, made) = alice.node().create_session(&mallory.id().to_string()).await.unwrap();
    assert!(made);
    let sent = alice.say(&row, "take this").await;
    asked_to(&mut mallory, session).await;
    mallory.send(Frame::Reject { session, code: RejectCode::StorageFull, detail: "no room".into() }).await;
    let failed = alice.sees_state(&sent, MessageState::Failed).await;
    assert_eq!(failed.failure.as_deref(), Some("the other machine's disk is full"));
    assert_eq!(
        alice.node().session(&row.session_id).await.unwrap().waiting_count,
        0,
        "because it does not go by itself now"
    );

    net.section("Alice tries again");
    let again = alice.node().retry_message(&sent.id).await.unwrap();
    assert_eq!((again.state, again.failure), (MessageState::Queued, None));
    let error = alice.node().retry_message(&sent.id).await.unwrap_err();
    assert_eq!(error.code(), "message_not_failed");
    let runs = asked_to(&mut mallory, session).await;
    let vector = runs.iter().map(|run| (run.author(), run.epoch(), run.last_seq())).collect();
    let receipt = SignedReceipt::sign(&mallory.identity, session, ReceiptKind::Delivered, 1, vector, None);
    mallory.send(Frame::Receipts(vec![receipt])).await;
    let delivered = alice.sees_state(&sent, MessageState::Delivered).await;
    assert!(delivered.delivered_at.is_some());
    unharmed(net, &alice, &bob, mallory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_goes_by_itself_when_it_is_asked_for() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    let (row, _) = alice.node().create_session(&mallory.id().to_string()).await.unwrap();
    let sent = alice.say(&row, "take this").await;
    asked_to(&mut mallory, session).await;
    mallory.send(Frame::Reject { session, code: RejectCode::StorageFull, detail: String::new() }).await;
    alice.sees_state(&sent, MessageState::Failed).await;
    net.section("Mallory has room again");
    mallory.send(Frame::Vector { session, vector: VersionVector::new() }).await;
    let runs = events(&mut mallory).await;
    let vector = runs.iter().map(|run| (run.author(), run.epoch(), run.last_seq())).collect();
    let receipt = SignedReceipt::sign(&mallory.identity, session, ReceiptKind::Delivered, 1, vector, None);
    mallory.send(Frame::Receipts(vec![receipt])).await;
    alice.sees_state(&sent, MessageState::Delivered).await;
    unharmed(net, &alice, &bob, mallory).await;
}

/// Waits for the digest, asks for everything, and gives what comes.
async fn asked_to(mallory: &mut Stranger, session: SessionId) -> Vec<Run> {
    mallory
        .receive("a digest", |frame| match frame {
            Frame::Digests(digests) => digests.iter().any(|(id, _)| *id == session).then_some(()),
            _ => None,
        })
        .await;
    mallory.send(Frame::Vector { session, vector: VersionVector::new() }).await;
    events(mallory).await
}

/// The next events that hold a message.
async fn events(mallory: &mut Stranger) -> Vec<Run> {
    let message = |run: &Run| run.events().iter().any(|event| event.header().kind == Kind::MESSAGE);
    mallory
        .receive("events", |frame| match frame {
            Frame::Events { runs, .. } => runs.iter().any(message).then(|| runs.clone()),
            _ => None,
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_ends_only_its_own_link() {
    let (net, alice, bob, mut mallory) = besieged().await;
    let session = mallory.session(&alice);
    mallory.flood(Frame::Digests(vec![(session, [1; 32])]), 5_000).await;
    mallory.down().await;
    unharmed(net, &alice, &bob, mallory).await;
}
