//! The verdicts on runs that arrive, one by one.

use crate::people::{Machine, NOW_MS, alice, bob, mallory, pair};
use bytes::Bytes;
use landline_proto::event::Header;
use landline_proto::log::{Admission, AppendError, Missing, Parent, Refusal, RunBuilder};
use landline_proto::{Body, Epoch, Event, Identity, Kind, Run, SessionId, limits};

fn text(text: &str) -> Body {
    Body::message(text)
}

/// Signs one event as its author wants it, past all care that `RunBuilder` takes.
fn forge(identity: &Identity, header: Header, body: &[u8]) -> Run {
    let event = Event::new(header, Bytes::copy_from_slice(body)).unwrap();
    Run::sign(identity, vec![event]).unwrap().into_run()
}

fn first_header(identity: &Identity, session: SessionId) -> Header {
    Header {
        session,
        author: identity.machine_id(),
        epoch: Epoch::new(1),
        seq: 1,
        prev: None,
        parents: Vec::new(),
        lamport: 1,
        wall_ms: NOW_MS,
        kind: Kind::OPEN,
        body_hash: [0; 32],
    }
}

#[test]
fn a_run_that_follows_is_appended() {
    let (mut a, mut b) = pair();
    let first = a.write(&[Body::Open, text("one")]);
    let Admission::Append { run, head } = b.judge(&first) else { panic!("it follows nothing") };
    assert_eq!((head.seq, head.lamport, head.id), (2, 2, first.events()[1].id()));
    assert_eq!(*run, first, "nothing is cut");
    b.receive(&first);
    let second = a.say("two");
    assert!(matches!(b.judge(&second), Admission::Append { head, .. } if head.seq == 3));
}

#[test]
fn the_same_run_again_is_a_duplicate() {
    let (mut a, mut b) = pair();
    let first = a.say("one");
    let second = a.say("two");
    b.receive(&first);
    b.receive(&second);
    assert_eq!(b.judge(&first), Admission::Duplicate);
    assert_eq!(b.judge(&second), Admission::Duplicate);
}

#[test]
fn a_gap_waits_for_what_is_missing() {
    let (mut a, mut b) = pair();
    let first = a.say("one");
    let second = a.write(&[text("two"), text("three")]);
    let third = a.say("four");
    b.receive(&first);
    assert!(matches!(b.judge(&third), Admission::Waiting { missing: Missing::From(2), .. }));
    b.receive(&third);
    assert_eq!((b.waiting(), b.vector()), (1, [(a.local.machine, a.local.epoch, 1)].into_iter().collect()));
    b.receive(&second);
    assert_eq!((b.waiting(), b.vector()), (0, a.vector()));
}

#[test]
fn unknown_parents_are_waited_for() {
    let (mut a, mut b) = pair();
    let question = a.say("question");
    b.receive(&question);
    let answer = b.say("answer");
    assert_eq!(answer.events()[0].header().parents, vec![question.events()[0].id()]);
    // A third party to the same session: Alice's machine after it lost its disk, in a new epoch.
    let mut restored = Machine::new(alice(), bob().machine_id(), 9);
    let missing = vec![question.events()[0].id()];
    assert!(
        matches!(restored.judge(&answer), Admission::Waiting { missing: Missing::Parents(of), .. } if of == missing)
    );
    restored.receive(&answer);
    restored.receive(&question);
    assert_eq!(restored.vector(), b.vector(), "own events of an older epoch come back from the peer");
}

#[test]
fn two_events_at_one_place_are_a_fork() {
    let (mut a, mut b) = pair();
    let honest = a.write(&[text("one"), text("two"), text("three")]);
    b.receive(&honest);
    let (mut twin, _) = pair();
    let one = twin.say("one");
    let other = twin.say("another two");
    assert_eq!(b.judge(&one), Admission::Duplicate, "the same bytes under another signature are no contradiction");
    let Admission::Fork { seq, held, other: theirs, .. } = b.judge(&other) else { panic!("seq 2 differs") };
    assert_eq!((seq, held, theirs), (2, honest.events()[1].id(), other.events()[0].id()));

    b.freeze(&honest);
    assert_eq!(b.judge(&other), Admission::Refuse(Refusal::Frozen), "one proof is enough");
    assert_eq!(b.judge(&honest), Admission::Duplicate, "what is held is still acknowledged");
    assert_eq!(b.judge(&a.say("four")), Admission::Refuse(Refusal::Frozen));
}

#[test]
fn a_run_that_continues_another_chain_is_a_fork() {
    let (mut a, mut b) = pair();
    let honest = a.say("one");
    b.receive(&honest);
    let (mut twin, _) = pair();
    let hidden = twin.say("another one");
    let next = twin.say("two");
    let Admission::Fork { seq, held, other, .. } = b.judge(&next) else { panic!("it names another prev") };
    assert_eq!((seq, held, other), (1, honest.events()[0].id(), hidden.events()[0].id()));
}

#[test]
fn a_run_that_overlaps_is_cut_to_what_is_new() {
    let (mut a, mut b) = pair();
    let whole = a.write(&[text("one"), text("two"), text("three")]);
    let short = Run::sign(&alice(), whole.events()[..2].to_vec()).unwrap().into_run();
    b.receive(&short);
    let Admission::Append { run, head } = b.judge(&whole) else { panic!("seq 3 is new") };
    assert_eq!((run.first_seq(), run.last_seq(), head.seq), (3, 3, 3));
    assert!(run.into_run().verify().is_ok(), "the signature covers the rest");
}

#[test]
fn lamport_must_follow() {
    let (_, b) = pair();
    let jump = forge(&alice(), Header { lamport: 1_000_000, ..first_header(&alice(), b.session) }, b"");
    assert_eq!(b.judge(&jump), Admission::Refuse(Refusal::Lamport { seq: 1, expected: 1, actual: 1_000_000 }));

    let (mut a, mut b) = pair();
    let question = a.say("question");
    b.receive(&question);
    let parents = vec![question.events()[0].id()];
    for lamport in [1, 3] {
        let mut header = Header { lamport, parents: parents.clone(), ..first_header(&bob(), b.session) };
        header.epoch = Epoch::new(2);
        let wrong = forge(&bob(), header, b"");
        let verdict = Refusal::Lamport { seq: 1, expected: 2, actual: lamport };
        assert_eq!(a.judge(&wrong), Admission::Refuse(verdict));
    }
}

#[test]
fn only_the_two_members_write_in_a_direct_session() {
    let (mut a, b) = pair();
    let with_alice = SessionId::direct(&mallory().machine_id(), &alice().machine_id());
    let foreign = forge(&mallory(), first_header(&mallory(), b.session), b"");
    assert_eq!(b.judge(&foreign), Admission::Refuse(Refusal::NotAMember), "a stranger in our session");
    let elsewhere = forge(&alice(), first_header(&alice(), with_alice), b"");
    assert_eq!(b.judge(&elsewhere), Admission::Refuse(Refusal::NotAMember), "the peer in a session that is not ours");

    let said = a.say("for Bob");
    let mallorys = Machine::new(mallory(), alice().machine_id(), 1);
    assert_eq!(mallorys.judge(&said), Admission::Refuse(Refusal::NotAMember), "a session of others");
    let own = Machine::new(bob(), mallory().machine_id(), 1);
    assert_eq!(own.judge(&said), Admission::Refuse(Refusal::NotAMember), "another's event over another's link");
}

#[test]
fn own_lost_events_are_noticed() {
    let (mut a, mut b) = pair();
    let (one, two) = (a.say("one"), a.say("two"));
    b.receive(&one);
    b.receive(&two);
    // Alice's disk went back to before "two".
    let (mut restored, _) = pair();
    restored.say("one");
    assert!(matches!(restored.judge(&two), Admission::LostOwn { .. }));
    restored.receive(&two);
    assert_ne!(restored.local.epoch, a.local.epoch, "a new epoch began");
    assert_eq!(restored.vector(), a.vector(), "and the old log is whole again");
    b.receive(&restored.say("three"));
    assert_eq!(b.transcript(), restored.transcript());

    // And to before "two", with something else written there since.
    let (mut forked, _) = pair();
    forked.say("one");
    forked.say("another two");
    assert!(matches!(forked.judge(&two), Admission::LostOwn { .. }));
    forked.local.epoch = Epoch::new(77);
    assert!(matches!(forked.judge(&two), Admission::Fork { seq: 2, .. }));
}

#[test]
fn a_body_that_breaks_the_rules_is_refused() {
    let (_, b) = pair();
    // {0: "a\0b"}, {0: "  "}, {}, no CBOR at all
    for body in [&b"\xa1\x00\x63a\0b"[..], b"\xa1\x00\x62  ", b"\xa0", b"", b"text"] {
        let run = forge(&alice(), Header { kind: Kind::MESSAGE, ..first_header(&alice(), b.session) }, body);
        assert!(matches!(b.judge(&run), Admission::Refuse(Refusal::Body { seq: 1, .. })), "{body:02x?}");
    }
    let opened = forge(&alice(), first_header(&alice(), b.session), b"\0");
    assert!(matches!(b.judge(&opened), Admission::Refuse(Refusal::Body { .. })), "an opening says nothing");
}

#[test]
fn an_unknown_kind_is_kept() {
    let (_, b) = pair();
    let run = forge(&alice(), Header { kind: Kind(40_000), ..first_header(&alice(), b.session) }, b"whatever it says");
    assert!(matches!(b.judge(&run), Admission::Append { .. }));
    assert_eq!(run.events()[0].decode_body().unwrap(), Some(Body::Unknown));
}

#[test]
fn a_deleted_body_leaves_the_chain_whole() {
    let (mut a, b) = pair();
    let said = a.say("soon gone");
    let event = Event::decode(said.events()[0].header_bytes().clone(), None).unwrap();
    let bare = Run::from_parts(vec![event], *said.signature()).unwrap();
    assert!(matches!(b.judge(&bare), Admission::Append { .. }));
}

#[test]
fn any_wall_clock_is_admitted() {
    let (_, b) = pair();
    for wall_ms in [0, 1, NOW_MS + 1_000 * 365 * 86_400_000, limits::WALL_MS_MAX] {
        let run = forge(&alice(), Header { wall_ms, ..first_header(&alice(), b.session) }, b"");
        assert!(matches!(b.judge(&run), Admission::Append { .. }), "{wall_ms}");
    }
}

#[test]
fn epochs_are_bounded() {
    let (_, mut b) = pair();
    for epoch in 0..limits::EPOCHS_PER_AUTHOR {
        let header = Header { epoch: Epoch::new(epoch), ..first_header(&alice(), b.session) };
        let run = forge(&alice(), header, b"");
        let Admission::Append { run, head } = b.judge(&run) else { panic!("epoch {epoch} is within the bound") };
        b.store(run.into_run(), head);
    }
    let header = Header { epoch: Epoch::new(1 << 40), ..first_header(&alice(), b.session) };
    assert_eq!(b.judge(&forge(&alice(), header, b"")), Admission::Refuse(Refusal::TooManyEpochs));
    assert!(b.vector().encode().len() < limits::FRAME_BYTES, "the vector still fits a frame");
}

#[test]
fn a_wrong_signature_is_refused() {
    let (mut a, _) = pair();
    let run = a.say("signed");
    let by_bob =
        Run::from_parts(run.events().to_vec(), bob().sign(landline_proto::identity::Domain::Event, b"x")).unwrap();
    assert!(by_bob.verify().is_err());
    let cut = a.write(&[text("one"), text("two")]);
    let shortened = Run::from_parts(cut.events()[..1].to_vec(), *cut.signature()).unwrap();
    assert!(shortened.verify().is_err(), "the signature is over the last event");
    assert!(Run::sign(&bob(), run.events().to_vec()).is_err(), "only the author signs");
}

#[test]
fn a_run_is_one_chain() {
    let (mut a, _) = pair();
    let run = a.write(&[text("one"), text("two"), text("three")]);
    let (events, signature) = (run.events(), *run.signature());
    let parts = |picked: &[usize]| picked.iter().map(|i| events[*i].clone()).collect::<Vec<_>>();
    for picked in [&[][..], &[0, 2], &[1, 0], &[0, 0]] {
        assert!(Run::from_parts(parts(picked), signature).is_err(), "{picked:?}");
    }
}

#[test]
fn a_run_is_bounded() {
    let (a, _) = pair();
    let mut many = RunBuilder::new(a.session, &a.local, None, []).unwrap();
    for _ in 0..limits::RUN_EVENTS {
        many.push(NOW_MS, &Body::Open).unwrap();
    }
    assert_eq!(many.push(NOW_MS, &Body::Open).map(|_| ()), Err(AppendError::Full));
    assert_eq!(many.sign(&alice()).unwrap().0.events().len(), limits::RUN_EVENTS);

    let mut large = RunBuilder::new(a.session, &a.local, None, []).unwrap();
    let longest = text(&"x".repeat(limits::MESSAGE_BYTES));
    while large.push(NOW_MS, &longest).is_ok() {}
    assert_eq!(large.len(), 7, "seven of the longest messages fit");
    let (run, _) = large.sign(&alice()).unwrap();
    assert!(run.encode().len() <= run.wire_size() && run.wire_size() < limits::FRAME_BYTES);
}

#[test]
fn the_newest_parents_are_named() {
    let (a, _) = pair();
    let parents = (1..=40u8).map(|n| Parent { id: landline_proto::EventId::from_bytes([n; 32]), lamport: n.into() });
    let mut builder = RunBuilder::new(a.session, &a.local, None, parents).unwrap();
    let first = builder.push(NOW_MS, &Body::Open).unwrap().header().clone();
    assert_eq!((first.parents.len(), first.lamport), (limits::PARENTS, 41));
    assert_eq!(first.parents[0].as_bytes()[0], 25);
    assert!(builder.push(NOW_MS, &Body::Open).unwrap().header().parents.is_empty(), "prev covers them");
}

#[test]
fn nothing_is_appended_to_a_frozen_log() {
    let (mut a, _) = pair();
    let run = a.say("one");
    a.freeze(&run);
    let refused = RunBuilder::new(a.session, &a.local, a.own_head().as_ref(), []).map(|_| ());
    assert_eq!(refused, Err(AppendError::Frozen));
}

#[test]
fn a_clock_beyond_the_range_is_clamped_when_writing() {
    let (a, _) = pair();
    let mut builder = RunBuilder::new(a.session, &a.local, None, []).unwrap();
    assert_eq!(builder.push(u64::MAX, &Body::Open).unwrap().header().wall_ms, limits::WALL_MS_MAX);
}

#[test]
fn shown_time_lies_between_what_it_follows_and_first_sight() {
    use landline_proto::log::shown_ms;
    assert_eq!(shown_ms(50, Some(40), 60), 50);
    assert_eq!(shown_ms(90, Some(40), 60), 60, "a clock ahead");
    assert_eq!(shown_ms(10, Some(40), 60), 40, "a clock behind");
    assert_eq!(shown_ms(10, None, 60), 10);
    assert_eq!(shown_ms(50, Some(70), 60), 70, "our own clock went back");
}
