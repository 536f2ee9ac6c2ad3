//! Bytes of a peer that means harm, or of a broken one: refused by name, never a panic.

use bytes::Bytes;
use landline_proto::beacon::{Beacon, BeaconError};
use landline_proto::frame::{ByeReason, Frame, FrameError, Phase};
use landline_proto::identity::Signature;
use landline_proto::{DecodeError, Event, Problem, Profile, Run, SignedProfile, SignedReceipt, VersionVector, limits};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::people::{alice, hello_of, one_of_each, pair, profile_of};

/// A change to bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index),
    Remove(Index, Index),
    Repeat(Index, Index),
    Insert(Index, Vec<u8>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<Index>(), 0u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        any::<Index>().prop_map(Mutation::Cut),
        any::<(Index, Index)>().prop_map(|(from, to)| Mutation::Remove(from, to)),
        any::<(Index, Index)>().prop_map(|(from, to)| Mutation::Repeat(from, to)),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..10)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
    ]
}

fn mutate(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        let len = bytes.len();
        if len == 0 {
            break;
        }
        let range = |from: &Index, to: &Index| {
            let (from, to) = (from.index(len), to.index(len));
            from.min(to)..from.max(to)
        };
        match mutation {
            Mutation::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
            Mutation::Set(at, byte) => bytes[at.index(len)] = *byte,
            Mutation::Cut(at) => bytes.truncate(at.index(len)),
            Mutation::Remove(from, to) => drop(bytes.drain(range(from, to))),
            Mutation::Repeat(from, to) => bytes.extend_from_within(range(from, to)),
            Mutation::Insert(at, new) => drop(bytes.splice(at.index(len)..at.index(len), new.iter().copied())),
        }
    }
    bytes
}

fn decode_everything(bytes: &[u8]) {
    let signature = Signature::from_bytes([7; 64]);
    for phase in [Phase::BeforeHello, Phase::AfterHello] {
        if let Ok(frame) = Frame::decode(bytes, phase) {
            let again = frame.encode();
            assert_eq!(Frame::decode(&again, phase).as_ref(), Ok(&frame), "what was read reads back");
        }
    }
    if let Ok(run) = Run::decode(bytes) {
        let _ = run.verify();
    }
    if let Ok(event) = Event::decode(Bytes::copy_from_slice(bytes), None) {
        assert_eq!(event.header_bytes(), bytes, "the exact bytes are kept");
    }
    let _ = SignedProfile::decode(Bytes::copy_from_slice(bytes), signature);
    let _ = SignedReceipt::decode(Bytes::copy_from_slice(bytes), signature);
    if let Ok(vector) = VersionVector::decode(bytes) {
        assert_eq!(vector.encode(), bytes, "one vector has one encoding, so one digest");
    }
    let _ = Beacon::decode(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_to_a_frame_makes_a_panic(which in any::<Index>(), mutations in prop::collection::vec(mutation(), 1..5)) {
        let frames = one_of_each();
        decode_everything(&mutate(which.get(&frames).1.encode(), &mutations));
    }

    #[test]
    fn no_change_to_a_part_makes_a_panic(which in 0usize..5, mutations in prop::collection::vec(mutation(), 1..5)) {
        let (mut a, _) = pair();
        let run = a.say("hello");
        let part = match which {
            0 => run.encode(),
            1 => run.events()[0].header_bytes().to_vec(),
            2 => profile_of(&alice(), "Alice").bytes().to_vec(),
            3 => a.vector().encode(),
            _ => Beacon { version: 1, machine: alice().machine_id(), port: 4281, instance: 5 }.encode(),
        };
        decode_everything(&mutate(part, &mutations));
    }

    #[test]
    fn no_bytes_make_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_everything(&bytes);
    }

    #[test]
    fn no_text_makes_a_panic(text in any::<String>()) {
        let _ = text.parse::<landline_proto::MachineId>();
        let _ = text.parse::<landline_proto::SessionId>();
        let _ = text.parse::<landline_proto::EventId>();
        let _ = landline_proto::text::check_message(&text);
        if let Ok(name) = landline_proto::text::clean_name(&text) {
            prop_assert_eq!(landline_proto::text::clean_name(&name), Ok(name.clone()), "cleaning is done once");
        }
        if let Ok(status) = landline_proto::text::clean_status(&text) {
            prop_assert_eq!(landline_proto::text::clean_status(&status), Ok(status.clone()));
        }
        prop_assert!(landline_proto::text::printable(&text, 20).len() <= 20);
    }
}

fn wrong(field: &'static str, problem: Problem) -> FrameError {
    FrameError::Decode(DecodeError { field, problem })
}

#[test]
fn every_cut_of_every_frame_is_refused() {
    for (name, frame) in one_of_each() {
        let bytes = frame.encode();
        let phase = if matches!(frame, Frame::Hello(_)) { Phase::BeforeHello } else { Phase::AfterHello };
        for end in 0..bytes.len() {
            assert_eq!(
                Frame::decode(&bytes[..end], phase),
                Err(wrong("frame", Problem::Truncated)),
                "{name} cut at {end}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Frame::decode(&longer, phase), Err(wrong("frame", Problem::TrailingBytes)), "{name}");
    }
}

#[test]
fn only_hello_and_bye_are_due_first() {
    for (name, frame) in one_of_each() {
        let bytes = frame.encode();
        let due = matches!(frame, Frame::Hello(_) | Frame::Bye { .. });
        assert_eq!(Frame::decode(&bytes, Phase::BeforeHello).is_ok(), due, "{name}");
        let due = !matches!(frame, Frame::Hello(_));
        assert_eq!(Frame::decode(&bytes, Phase::AfterHello).is_ok(), due, "{name}");
    }
    assert_eq!(Frame::decode(&[0x82, 0x01, 0xa0], Phase::BeforeHello), Err(FrameError::NotDue(1)));
}

#[test]
fn frames_beyond_their_size_are_refused_unread() {
    let refused = |bytes: &[u8], phase| match Frame::decode(bytes, phase) {
        Err(FrameError::Decode(DecodeError { field: "frame", problem: Problem::TooLong { limit, .. } })) => limit,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&[0; 4_097], Phase::BeforeHello), limits::FRAME_BEFORE_HELLO);
    assert_eq!(refused(&vec![0; (1 << 20) + 1], Phase::AfterHello), limits::FRAME_BYTES);
}

#[test]
fn odd_types_are_ignored_and_even_ones_refused() {
    // [101, {}], [65535, {0: [1, 2, 3]}]
    assert_eq!(Frame::decode(&[0x82, 0x18, 101, 0xa0], Phase::AfterHello), Ok(Frame::Ignored(101)));
    let far = [0x82, 0x19, 0xff, 0xff, 0xa1, 0x00, 0x83, 1, 2, 3];
    assert_eq!(Frame::decode(&far, Phase::AfterHello), Ok(Frame::Ignored(65_535)));
    assert_eq!(Frame::decode(&[0x82, 0x18, 100, 0xa0], Phase::AfterHello), Err(FrameError::UnknownType(100)));
    let too_far = [0x82, 0x1a, 0, 1, 0, 1, 0xa0];
    assert_eq!(Frame::decode(&too_far, Phase::AfterHello), Err(wrong("frame type", Problem::Range)));
}

#[test]
fn unknown_keys_are_ignored() {
    // [16, {0: 3, 9: "later"}]
    let bytes = [&[0x82, 0x10, 0xa2, 0x00, 0x03, 0x09, 0x65][..], b"later"].concat();
    assert_eq!(Frame::decode(&bytes, Phase::AfterHello), Ok(Frame::Bye { reason: ByeReason::ShuttingDown }));
    // A Hello with the key that is reserved for prekeys.
    let mut hello = Frame::Hello(hello_of(&alice(), "Alice")).encode();
    hello[2] = 0xa7;
    hello.extend([0x06, 0x41, 0xff]);
    assert_eq!(Frame::decode(&hello, Phase::BeforeHello), Ok(Frame::Hello(hello_of(&alice(), "Alice"))));
}

#[test]
fn missing_and_mistyped_fields_are_named() {
    for (bytes, field, problem) in [
        (&[0x82, 0x10, 0xa0][..], "reason", Problem::Missing),
        (&[0x82, 0x10, 0xa1, 0x00, 0x20], "reason", Problem::Type),
        (&[0x82, 0x10, 0xa1, 0x00, 0x60], "reason", Problem::Type),
        (&[0x82, 0x10, 0xa1, 0x00, 0x1a, 0, 1, 0, 0], "reason", Problem::Range),
        (&[0x82, 0x10, 0x80], "frame body", Problem::Type),
        (&[0x82, 0x0c, 0xa1, 0x01, 0x01], "session", Problem::Missing),
        (&[0x82, 0x0c, 0xa1, 0x00, 0x41, 0x00], "session", Problem::Length { expected: 16, actual: 1 }),
        (&[0x83, 0x10, 0xa0, 0x00], "frame", Problem::Length { expected: 2, actual: 3 }),
        (&[0xa0], "frame", Problem::Type),
        (&[0x82, 0x60, 0xa0], "frame type", Problem::Type),
    ] {
        assert_eq!(Frame::decode(bytes, Phase::AfterHello), Err(wrong(field, problem)), "{bytes:02x?}");
    }
}

#[test]
fn lists_beyond_their_limit_are_refused_by_their_count() {
    // [2, {0: [0, 0, …]}] with one entry more than allowed, each a single byte.
    let mut bytes = vec![0x82, 0x02, 0xa1, 0x00, 0x99, 0x10, 0x01];
    bytes.extend(std::iter::repeat_n(0, limits::DIGESTS_PER_FRAME + 1));
    let problem = Problem::TooLong { limit: limits::DIGESTS_PER_FRAME, actual: limits::DIGESTS_PER_FRAME + 1 };
    assert_eq!(Frame::decode(&bytes, Phase::AfterHello), Err(wrong("digests", problem)));
}

#[test]
fn a_run_under_another_session_is_refused() {
    let (mut a, _) = pair();
    let run = a.say("hello");
    let frame = Frame::Events { session: landline_proto::SessionId::from_bytes([1; 16]), runs: vec![run] };
    assert_eq!(Frame::decode(&frame.encode(), Phase::AfterHello), Err(FrameError::OtherSession));
}

#[test]
fn a_vector_has_one_form() {
    let entry = |author: u8, epoch: u8, seq: u8| [&[0x83, 0x58, 32][..], &[author; 32], &[epoch, seq]].concat();
    let vector = |entries: &[Vec<u8>]| [&[0x80 | u8::try_from(entries.len()).unwrap()][..], &entries.concat()].concat();
    let problem = |entries: &[Vec<u8>]| VersionVector::decode(&vector(entries)).map(|_| ()).map_err(|e| e.problem);
    assert_eq!(problem(&[entry(1, 1, 1), entry(1, 2, 1), entry(2, 0, 1)]), Ok(()));
    assert_eq!(problem(&[entry(1, 2, 1), entry(1, 1, 1)]), Err(Problem::Order));
    assert_eq!(problem(&[entry(1, 1, 1), entry(1, 1, 2)]), Err(Problem::Order), "the same log twice");
    assert_eq!(problem(&[entry(1, 1, 0)]), Err(Problem::Range), "zero is what is not named");
}

#[test]
fn a_header_keeps_keys_of_later_versions() {
    let (mut a, _) = pair();
    let run = a.say("hello");
    let mut bytes = run.events()[0].header_bytes().to_vec();
    assert_eq!(bytes[0], 0xa9, "nine fields");
    bytes[0] = 0xaa;
    bytes.extend([0x18, 40, 0x63, b'n', b'e', b'w']);
    let event = Event::decode(Bytes::from(bytes.clone()), None).unwrap();
    assert_eq!(event.header(), run.events()[0].header());
    assert_eq!(event.header_bytes(), &bytes, "they count into the ID and are passed on");
    assert_ne!(event.id(), run.events()[0].id());
}

#[test]
fn a_body_must_fit_its_hash() {
    let (mut a, _) = pair();
    let run = a.say("hello");
    let event = &run.events()[0];
    let swapped = Event::decode(event.header_bytes().clone(), Some(Bytes::from_static(b"\xa1\x00\x65jello")));
    assert_eq!(swapped, Err(DecodeError { field: "body", problem: Problem::Hash }));
}

#[test]
fn a_foreign_datagram_is_no_beacon() {
    assert_eq!(Beacon::decode(b""), Err(BeaconError::Magic));
    assert_eq!(Beacon::decode(b"M-SEARCH * HTTP/1.1\r\n"), Err(BeaconError::Magic));
    assert!(Beacon::decode(&[b'L'; 257]).is_err());
    let beacon = Beacon { version: 1, machine: alice().machine_id(), port: 0, instance: 5 };
    assert!(Beacon::decode(&beacon.encode()).is_err(), "nobody listens on port 0");
}

#[test]
fn a_profile_with_a_deceiving_name_is_refused() {
    // The name of a profile that was signed, replaced by one of the same length.
    let bytes = profile_of(&alice(), "Alice").bytes().to_vec();
    let place = bytes.windows(5).position(|window| window == b"Alice").unwrap();
    for name in [b"\xe2\x80\xaeab", b"A\0lic", b"Alic ", b"A\xe2\x80\x8bc", b"     "] {
        let mut other = bytes.clone();
        other[place..place + 5].copy_from_slice(name);
        let refused = SignedProfile::decode(Bytes::from(other), Signature::from_bytes([0; 64]));
        assert!(matches!(refused, Err(DecodeError { field: "name", problem: Problem::Text(_) })), "{refused:?}");
    }
}

#[test]
fn relays_of_a_later_kind_are_left_out() {
    let relays = vec!["wss://relay.example.org".parse().unwrap(), "wss://b".parse().unwrap()];
    let profile = Profile { relays, ..profile_of(&alice(), "Alice").profile().clone() };
    let signed = SignedProfile::sign(&alice(), 3, &profile).unwrap();
    let mut bytes = signed.bytes().to_vec();
    let place = bytes.windows(3).position(|window| window == b"wss").unwrap();
    bytes[place..place + 3].copy_from_slice(b"abc");
    let read = SignedProfile::decode(Bytes::from(bytes.clone()), *signed.signature()).unwrap();
    assert_eq!(read.profile().relays, profile.relays[1..], "because the rest is of use");
    assert_eq!(read.bytes(), &bytes, "and all of it is passed on");
}
