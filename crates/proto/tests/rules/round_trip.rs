//! What was encoded reads back as it was.

use bytes::Bytes;
use landline_proto::beacon::Beacon;
use landline_proto::frame::{BlobState, ByeReason, Frame, Hello, HoldReason, Phase, PresenceStatus, RejectCode};
use landline_proto::prekey::{PUBLIC_BYTES, SUITE};
use landline_proto::relay::{GrantSecret, RelayAddress};
use landline_proto::{
    Attachment, Blob, Body, EditBody, Epoch, FileKey, MachineId, MessageBody, MessageId, Picture, Prekey, Profile,
    ReactionBody, ReceiptKind, Run, SessionId, SignedDeposit, SignedGrant, SignedPrekey, SignedProfile, SignedReceipt,
    VersionVector, limits,
};
use proptest::prelude::*;

use crate::people::{alice, bob, pair};

fn session() -> impl Strategy<Value = SessionId> {
    any::<[u8; 16]>().prop_map(SessionId::from_bytes)
}

fn vector() -> impl Strategy<Value = VersionVector> {
    prop::collection::vec((0u8..4, any::<u64>(), 1..=limits::INTEGER_MAX), 0..12).prop_map(|entries| {
        entries
            .into_iter()
            .map(|(author, epoch, seq)| (MachineId::from_bytes([author; 32]), Epoch::new(epoch), seq))
            .collect()
    })
}

fn text(bytes: usize) -> impl Strategy<Value = String> {
    "[^\u{0}]{0,40}".prop_filter("within the limit", move |text| text.len() <= bytes)
}

fn relays() -> impl Strategy<Value = Vec<RelayAddress>> {
    let address = ("[a-z][a-z0-9]{0,20}", 1u16.., prop::option::of(any::<[u8; 32]>())).prop_map(|(host, port, key)| {
        let address: RelayAddress = format!("wss://{host}:{port}").parse().unwrap();
        key.map_or(address.clone(), |key| address.with_key(key))
    });
    prop::collection::vec(address, 0..=limits::RELAYS)
}

fn grant() -> impl Strategy<Value = SignedGrant> {
    (any::<[u8; 32]>(), any::<u64>(), any::<[u8; 32]>()).prop_map(|(holder, version, secret)| {
        SignedGrant::sign(&alice(), MachineId::from_bytes(holder), version, GrantSecret::from_bytes(secret))
    })
}

fn deposit() -> impl Strategy<Value = SignedDeposit> {
    let relay = relays().prop_filter_map("one", |relays| relays.into_iter().next());
    (any::<[u8; 32]>(), relay, any::<[u8; 32]>(), any::<u64>()).prop_map(|(hash, relay, key, until_s)| {
        SignedDeposit::sign(&alice(), hash, relay, FileKey::from_bytes(key), until_s)
    })
}

fn prekey() -> impl Strategy<Value = SignedPrekey> {
    let key = prop_oneof![
        prop::collection::vec(any::<u8>(), PUBLIC_BYTES..=PUBLIC_BYTES).prop_map(|key| (SUITE, key)),
        (2u16.., prop::collection::vec(any::<u8>(), 0..99)),
    ];
    (0..=limits::INTEGER_MAX, key, 0..1u64 << 40, 1..=limits::PREKEY_LIFE_S).prop_map(
        |(version, (suite, public), not_before_s, life_s)| {
            let (machine, public, not_after_s) = (bob().machine_id(), public.into(), not_before_s + life_s);
            SignedPrekey::sign(&bob(), Prekey { machine, version, suite, public, not_before_s, not_after_s }).unwrap()
        },
    )
}

fn profile() -> impl Strategy<Value = SignedProfile> {
    (any::<u64>(), "[A-Za-zäöü阿Я]{1,10}", "[a-z ]{0,12}", "[a-z …]{0,30}", any::<u8>(), relays()).prop_map(
        |(version, name, device, status_text, colour, relays)| {
            SignedProfile::sign(&alice(), version, &Profile { name, device, status_text, colour, relays }).unwrap()
        },
    )
}

fn receipt() -> impl Strategy<Value = SignedReceipt> {
    let wall_ms = prop::option::of(any::<u64>());
    (session(), any::<bool>(), any::<u64>(), vector(), wall_ms).prop_map(|(session, read, version, vector, wall_ms)| {
        let kind = if read { ReceiptKind::Read } else { ReceiptKind::Delivered };
        SignedReceipt::sign(&bob(), session, kind, version, vector, wall_ms)
    })
}

fn runs() -> impl Strategy<Value = (SessionId, Vec<Run>)> {
    let texts = prop::collection::vec("[^\u{0}]{0,30}x", 1..4);
    prop::collection::vec((any::<bool>(), texts), 0..6).prop_map(|turns| {
        let (mut a, mut b) = pair();
        let runs = turns
            .into_iter()
            .map(|(of_alice, texts)| {
                let bodies: Vec<Body> = texts.into_iter().map(Body::message).collect();
                let (from, to) = if of_alice { (&mut a, &mut b) } else { (&mut b, &mut a) };
                let run = from.write(&bodies);
                to.receive(&run);
                run
            })
            .collect();
        (a.session, runs)
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        prop::collection::vec((session(), any::<[u8; 32]>()), 0..5).prop_map(Frame::Digests),
        (session(), vector()).prop_map(|(session, vector)| Frame::Vector { session, vector }),
        runs().prop_map(|(session, runs)| Frame::Events { session, runs }),
        prop::collection::vec(receipt(), 0..3).prop_map(Frame::Receipts),
        profile().prop_map(Frame::Profile),
        (session(), any::<u16>()).prop_map(|(session, n)| Frame::Hold { session, reason: HoldReason::from_number(n) }),
        (session(), any::<u16>(), text(limits::DETAIL_BYTES)).prop_map(|(session, n, detail)| Frame::Reject {
            session,
            code: RejectCode::from_number(n),
            detail: landline_proto::text::printable(&detail, limits::DETAIL_BYTES),
        }),
        any::<u16>().prop_map(|n| Frame::Bye { reason: ByeReason::from_number(n) }),
        (session(), any::<bool>()).prop_map(|(session, on)| Frame::Typing { session, on }),
        any::<u16>().prop_map(|n| Frame::Presence { status: PresenceStatus::from_number(n) }),
        (any::<[u8; 32]>(), 0..=limits::BLOB_BYTES).prop_map(|(hash, from)| Frame::BlobWant { hash, from }),
        (any::<[u8; 32]>(), any::<u16>())
            .prop_map(|(hash, n)| Frame::BlobState { hash, state: BlobState::from_number(n) }),
        prekey().prop_map(Frame::Prekey),
        grant().prop_map(Frame::Grant),
        any::<[u8; 32]>().prop_map(|proof| Frame::Invited { proof }),
        deposit().prop_map(Frame::Deposit),
        any::<u16>().prop_map(|n| Frame::Ignored((n | 1).max(101))),
    ]
}

fn message_id() -> impl Strategy<Value = MessageId> {
    any::<[u8; 16]>().prop_map(MessageId::from_bytes)
}

fn mentions() -> impl Strategy<Value = Vec<MachineId>> {
    prop::collection::vec(any::<[u8; 32]>().prop_map(MachineId::from_bytes), 0..=limits::MENTIONS)
}

fn attachments() -> impl Strategy<Value = Vec<Attachment>> {
    let blob = |max| (any::<[u8; 32]>(), 1..=max).prop_map(|(hash, size)| Blob { hash, size });
    let side = || 1..=limits::PICTURE_SIDE;
    let picture = (side(), side(), any::<bool>());
    let attachment = (
        blob(limits::BLOB_BYTES),
        "[a-z/\\\\ .ä文]{0,40}x",
        "[a-z]{0,9}/[a-z+.-]{0,20}",
        prop::option::of(0..=20_000_u32),
        prop::option::of(picture),
        prop::option::of(blob(limits::THUMBNAIL_BYTES as u64)),
    );
    let attachment = attachment.prop_map(|(blob, name, mime, files, picture, thumbnail)| {
        let picture = picture.map(|(width, height, animated)| Picture { width, height, animated });
        Attachment { blob, name, mime, files, picture, thumbnail }
    });
    prop::collection::vec(attachment, 0..=limits::ATTACHMENTS)
}

fn any_body() -> impl Strategy<Value = Body> {
    let timer = || limits::TIMER_SECONDS_MIN..=limits::TIMER_SECONDS_MAX;
    let words = || "[^\u{0}]{0,30}x";
    let emoji = prop::sample::select(vec!["👍", "❤️", "👩‍🚀", "🇩🇪", "1️⃣"]);
    prop_oneof![
        (words(), prop::option::of(message_id()), attachments(), any::<bool>(), prop::option::of(timer()), mentions())
            .prop_map(|(text, reply_to, attachments, forwarded, expires_after, mentions)| {
                let text = if attachments.is_empty() || forwarded { text } else { String::new() };
                Body::Message(MessageBody { text, reply_to, attachments, forwarded, expires_after, mentions })
            }),
        (message_id(), words(), mentions()).prop_map(|(target, text, mentions)| Body::Edit(EditBody {
            target,
            text,
            mentions
        })),
        message_id().prop_map(|target| Body::Delete { target }),
        (message_id(), emoji, any::<bool>())
            .prop_map(|(target, emoji, on)| { Body::Reaction(ReactionBody { target, emoji: emoji.to_owned(), on }) }),
        prop::option::of(timer()).prop_map(|seconds| Body::Timer { seconds: seconds.unwrap_or(0) }),
        (message_id(), any::<bool>()).prop_map(|(target, on)| Body::Pin { target, on }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames(frame in frame()) {
        let bytes = frame.encode();
        prop_assert_eq!(Frame::decode(&bytes, Phase::AfterHello), Ok(frame.clone()));
        prop_assert_eq!(frame.encode(), bytes, "one value has one encoding");
    }

    #[test]
    fn hellos(
        version in any::<u16>(), features in any::<u64>(), listen_port in any::<u16>(),
        wall_ms in any::<u64>(), instance in any::<u64>(), profile in profile(),
    ) {
        let frame = Frame::Hello(Hello { version, features, listen_port, wall_ms, instance, profile });
        prop_assert_eq!(Frame::decode(&frame.encode(), Phase::BeforeHello), Ok(frame));
    }

    #[test]
    fn registers(profile in profile(), receipt in receipt(), prekey in prekey(), grant in grant()) {
        let again = SignedPrekey::decode(prekey.bytes().clone(), *prekey.signature()).unwrap();
        prop_assert!(again.verify().is_ok());
        prop_assert_eq!(again, prekey);
        let again = SignedGrant::decode(grant.bytes().clone(), *grant.signature()).unwrap();
        prop_assert!(again.verify().is_ok());
        prop_assert_eq!(again, grant);
        let again = SignedProfile::decode(profile.bytes().clone(), *profile.signature()).unwrap();
        prop_assert!(again.verify().is_ok());
        prop_assert_eq!(again, profile);
        let again = SignedReceipt::decode(receipt.bytes().clone(), *receipt.signature()).unwrap();
        prop_assert!(again.verify().is_ok());
        prop_assert_eq!(again, receipt);
    }

    #[test]
    fn signed_runs((_, runs) in runs()) {
        for run in runs {
            let bytes = run.encode();
            prop_assert!(bytes.len() <= run.wire_size());
            let again = Run::decode(&bytes).unwrap();
            prop_assert_eq!(&again, &run);
            prop_assert!(again.verify().is_ok());
        }
    }

    #[test]
    fn bodies(text in "[^\u{0}]{0,200}") {
        let body = Body::message(text.as_str());
        if let Ok(bytes) = body.encode() {
            prop_assert_eq!(Body::decode(body.kind().unwrap(), &bytes), Ok(body));
        } else {
            prop_assert!(text.trim().is_empty());
        }
    }

    #[test]
    fn bodies_of_every_kind(body in any_body()) {
        let bytes = body.encode().unwrap();
        prop_assert_eq!(Body::decode(body.kind().unwrap(), &bytes), Ok(body.clone()));
        prop_assert_eq!(body.encode().unwrap(), bytes, "one value has one encoding");
    }

    #[test]
    fn beacons(version in any::<u16>(), key in any::<[u8; 32]>(), port in 1u16.., instance in any::<u64>()) {
        let beacon = Beacon { version, machine: MachineId::from_bytes(key), port, instance };
        let bytes = beacon.encode();
        prop_assert!(bytes.len() <= 64);
        prop_assert_eq!(Beacon::decode(&bytes), Ok(beacon));
    }

    #[test]
    fn vectors(one in vector(), other in vector()) {
        prop_assert_eq!(VersionVector::decode(&one.encode()), Ok(one.clone()));
        prop_assert_eq!(one == other, one.digest() == other.digest());
        let (mut merged, mut reversed) = (one.clone(), other.clone());
        merged.merge(&other);
        reversed.merge(&one);
        prop_assert_eq!(&merged, &reversed);
        prop_assert!(merged.covers_all(&one) && merged.covers_all(&other));
        merged.merge(&one);
        prop_assert_eq!(merged, reversed);
    }

    #[test]
    fn machine_ids(seed in any::<[u8; 32]>()) {
        let id = landline_proto::Identity::from_seed(seed).machine_id();
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }
}

#[test]
fn the_longest_message_fits_a_frame() {
    let (mut a, _) = pair();
    let run = a.say(&"\u{1F600}".repeat(limits::MESSAGE_BYTES / 4));
    let frame = Frame::Events { session: a.session, runs: vec![run] };
    assert_eq!(Frame::decode(&frame.encode(), Phase::AfterHello), Ok(frame));
}

#[test]
fn lists_at_their_limits_fit_a_frame() {
    let digests = Frame::Digests(vec![(SessionId::from_bytes([9; 16]), [9; 32]); limits::DIGESTS_PER_FRAME]);
    let vector: VersionVector = (0..limits::VECTOR_ENTRIES as u64)
        .map(|n| (alice().machine_id(), Epoch::new(limits::INTEGER_MAX - n), limits::INTEGER_MAX))
        .collect();
    let session = SessionId::from_bytes([8; 16]);
    let receipt =
        SignedReceipt::sign(&alice(), session, ReceiptKind::Delivered, u64::MAX, vector.clone(), Some(u64::MAX));
    for frame in [digests, Frame::Vector { session, vector }, Frame::Receipts(vec![receipt])] {
        assert_eq!(Frame::decode(&frame.encode(), Phase::AfterHello), Ok(frame));
    }
}

#[test]
fn a_profile_is_cleaned_when_signed() {
    let messy = Profile {
        name: "  Ada ".to_owned(),
        device: " ".to_owned(),
        status_text: " away\t".to_owned(),
        colour: 14,
        relays: Vec::new(),
    };
    let signed = SignedProfile::sign(&alice(), u64::MAX, &messy).unwrap();
    let clean = Profile {
        name: "Ada".to_owned(),
        device: String::new(),
        status_text: "away".to_owned(),
        colour: 2,
        relays: Vec::new(),
    };
    assert_eq!((signed.profile(), signed.version()), (&clean, limits::INTEGER_MAX));
    assert_eq!(SignedProfile::decode(Bytes::clone(signed.bytes()), *signed.signature()), Ok(signed));
}

#[test]
fn the_longest_profile_is_one_that_older_machines_take() {
    let key = "a".repeat(52);
    let host = "a".repeat(50);
    let address = format!("wss://{host}.{}:65535/#{key}", "b".repeat(limits::RELAY_ADDRESS_BYTES - 117));
    assert_eq!(address.len(), limits::RELAY_ADDRESS_BYTES);
    let mut longest = Profile {
        name: "x".repeat(limits::NAME_BYTES),
        device: "x".repeat(limits::NAME_BYTES),
        status_text: "x".repeat(limits::STATUS_TEXT_BYTES),
        colour: 11,
        relays: vec![address.parse().unwrap(); limits::RELAYS],
    };
    let signed = SignedProfile::sign(&alice(), u64::MAX, &longest).unwrap();
    assert!(signed.bytes().len() <= 1_024, "{}", signed.bytes().len());
    assert_eq!(SignedProfile::decode(signed.bytes().clone(), *signed.signature()), Ok(signed));
    longest.relays.push(address.parse().unwrap());
    let refused = SignedProfile::sign(&alice(), 1, &longest).unwrap_err();
    assert_eq!(refused.field, "relays", "a fifth");
}
