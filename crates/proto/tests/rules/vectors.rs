//! Golden wire vectors: `tests/vectors/*.txt`, hex with comments, for this and any other implementation.
//!
//! `LANDLINE_WRITE_VECTORS=1 cargo test -p landline-proto --test rules vectors` writes them anew. That is a change of
//! the protocol: a machine of the version before no longer understands this one.

use std::fmt::Write as _;
use std::path::PathBuf;

use landline_proto::beacon::Beacon;
use landline_proto::frame::{Frame, Phase};
use landline_proto::safety::safety_number;
use landline_proto::{
    Attachment, Blob, Body, EditBody, Event, MessageBody, MessageId, Picture, Profile, ReactionBody, ReceiptKind, Run,
    SignedProfile, SignedReceipt, VersionVector,
};

use crate::people::{NOW_MS, alice, bob, one_of_each, pair, profile_of, receipt_of};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn writing() -> bool {
    std::env::var_os("LANDLINE_WRITE_VECTORS").is_some()
}

/// Compares with the file, or writes it.
pub fn compare(name: &str, text: &str) {
    let path = folder().join(name);
    if writing() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(kept, text, "{name} differs from what this version writes");
}

/// The bytes of a vector file: hex digits up to `#` on each line.
pub fn read(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    let digits: String = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hex of one CBOR item, a line for each head or string, indented by depth, with what it is as a comment.
pub fn annotate(about: &str, prefix: &[u8], bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in about.lines() {
        writeln!(out, "# {line}").unwrap();
    }
    if !prefix.is_empty() {
        writeln!(out, "{} # {:?}", hex(prefix), String::from_utf8_lossy(prefix)).unwrap();
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    item(&mut out, bytes, &mut decoder, 0, None);
    assert_eq!(decoder.position(), bytes.len(), "one item");
    out
}

fn item(out: &mut String, bytes: &[u8], decoder: &mut minicbor::Decoder<'_>, depth: usize, key: Option<u64>) {
    use minicbor::data::Type;
    let start = decoder.position();
    let line = |out: &mut String, decoder: &minicbor::Decoder<'_>, what: &str| {
        let label = key.map(|key| format!("key {key}: ")).unwrap_or_default();
        let head = key.map(|key| format!("{key:02x} ")).unwrap_or_default();
        let pad = "  ".repeat(depth);
        writeln!(out, "{pad}{head}{} # {label}{what}", hex(&bytes[start..decoder.position()])).unwrap();
    };
    match decoder.datatype().unwrap() {
        Type::Array => {
            let count = decoder.array().unwrap().unwrap();
            line(out, decoder, &format!("array({count})"));
            for _ in 0..count {
                item(out, bytes, decoder, depth + 1, None);
            }
        }
        Type::Map => {
            let count = decoder.map().unwrap().unwrap();
            line(out, decoder, &format!("map({count})"));
            for _ in 0..count {
                let key = decoder.u64().unwrap();
                assert!(key < 24, "a key of one byte, as it is printed");
                item(out, bytes, decoder, depth + 1, Some(key));
            }
        }
        Type::Bytes => {
            let length = decoder.bytes().unwrap().len();
            line(out, decoder, &format!("bytes({length})"));
        }
        Type::String => {
            let text = decoder.str().unwrap().to_owned();
            line(out, decoder, &format!("{text:?}"));
        }
        Type::Null => {
            decoder.null().unwrap();
            line(out, decoder, "null");
        }
        Type::Bool => {
            let value = decoder.bool().unwrap();
            line(out, decoder, &value.to_string());
        }
        _ => {
            let number = decoder.u64().unwrap();
            line(out, decoder, &number.to_string());
        }
    }
}

#[test]
fn frames() {
    for (name, frame) in one_of_each() {
        let file = format!("frame-{name}.txt");
        let about = format!("Frame {name}, type {}. People: see names.txt.", frame.number());
        compare(&file, &annotate(&about, b"", &frame.encode()));
        let phase = if matches!(frame, Frame::Hello(_)) { Phase::BeforeHello } else { Phase::AfterHello };
        assert_eq!(Frame::decode(&read(&file), phase), Ok(frame), "{file} reads back");
    }
}

#[test]
fn events() {
    let (mut a, mut b) = pair();
    let first = a.write(&[Body::Open, Body::message("Good morning, Bob.")]);
    b.receive(&first);
    let answer = b.say("Morning! ☀️");

    let header = |file: &str, about: &str, event: &Event| {
        let about = format!("{about}\nEvent ID: {}\nMessage ID, if a message: {}", event.id(), event.message_id());
        compare(file, &annotate(&about, b"", event.header_bytes()));
        let again = Event::decode(read(file).into(), event.body().cloned());
        assert_eq!(again.as_ref(), Ok(event), "{file} reads back");
    };
    header("header-open.txt", "Header of Alice's first event: she opens the session.", &first.events()[0]);
    header("header-message.txt", "Header of Alice's second event: a message, after the first.", &first.events()[1]);
    header(
        "header-answer.txt",
        "Header of Bob's first event: a message, whose parent is Alice's second.",
        &answer.events()[0],
    );

    let body = first.events()[1].body().unwrap();
    compare("body-message.txt", &annotate("Body of a message.", b"", body));
    for (name, about, body) in later_bodies(first.events()[1].message_id()) {
        let file = format!("body-{name}.txt");
        let bytes = body.encode().unwrap();
        compare(&file, &annotate(&format!("Body of kind {}: {about}.", body.kind().unwrap().0), b"", &bytes));
        assert_eq!(Body::decode(body.kind().unwrap(), &read(&file)), Ok(body), "{file} reads back");
    }
    compare(
        "run.txt",
        &annotate(
            "Alice's run of two events. Signed: \"landline/event/1\", a zero byte, the last header.",
            b"",
            &first.encode(),
        ),
    );
    let again = Run::decode(&read("run.txt")).unwrap();
    assert_eq!(again, first);
    assert!(again.verify().is_ok(), "the signature in the file fits");

    let vector = b.vector();
    compare(
        "vector.txt",
        &annotate(&format!("Version vector of both logs.\nDigest: {}", hex(&vector.digest())), b"", &vector.encode()),
    );
    assert_eq!(VersionVector::decode(&read("vector.txt")), Ok(vector));
}

/// What may be said about a message, and a message with every field.
fn later_bodies(target: MessageId) -> Vec<(&'static str, &'static str, Body)> {
    let message = MessageBody {
        text: "Yes, @Bob.".to_owned(),
        reply_to: Some(target),
        attachments: vec![
            Attachment {
                blob: Blob { hash: *blake3::hash(b"sea").as_bytes(), size: 3 },
                name: "sea.png".to_owned(),
                mime: "image/png".to_owned(),
                files: None,
                picture: Some(Picture { width: 900, height: 600, animated: false }),
                thumbnail: Some(Blob { hash: *blake3::hash(b"small sea").as_bytes(), size: 9 }),
            },
            Attachment {
                blob: Blob { hash: [0xb1; 32], size: 1 << 33 },
                name: "Holiday".to_owned(),
                mime: String::new(),
                files: Some(412),
                picture: None,
                thumbnail: None,
            },
        ],
        forwarded: true,
        expires_after: Some(3_600),
        mentions: vec![bob().machine_id()],
    };
    let edit = EditBody { target, text: "Good morning, dear @Bob.".to_owned(), mentions: vec![bob().machine_id()] };
    let reaction = ReactionBody { target, emoji: "👍".to_owned(), on: true };
    vec![
        ("message-full", "a message with every field", Body::Message(message)),
        ("edit", "a new text for a message", Body::Edit(edit)),
        ("delete", "a message is taken back", Body::Delete { target }),
        ("reaction", "a reaction", Body::Reaction(reaction)),
        ("timer", "messages disappear after an hour", Body::Timer { seconds: 3_600 }),
        ("pin", "a message is pinned", Body::Pin { target, on: true }),
    ]
}

#[test]
fn registers() {
    let profile = profile_of(&alice(), "Alice");
    let about = format!("Alice's profile, version 3.\nSignature: {}", hex(profile.signature().as_bytes()));
    compare("profile.txt", &annotate(&about, b"", profile.bytes()));
    let again = SignedProfile::decode(read("profile.txt").into(), *profile.signature()).unwrap();
    assert!(again.verify().is_ok());

    let relays = ["wss://relay.example.org:443", "ws://10.0.0.7"].map(|address| address.parse().unwrap()).to_vec();
    let reachable = Profile { relays, ..profile.profile().clone() };
    let profile = SignedProfile::sign(&alice(), 4, &reachable).unwrap();
    let about = format!("Alice's profile with relays.\nSignature: {}", hex(profile.signature().as_bytes()));
    compare("profile-relays.txt", &annotate(&about, b"", profile.bytes()));
    let again = SignedProfile::decode(read("profile-relays.txt").into(), *profile.signature()).unwrap();
    assert_eq!(again.profile(), &reachable);

    let (mut a, b) = pair();
    a.say("hello");
    let receipt = receipt_of(&bob(), b.session, 1, a.vector());
    let about = format!(
        "Bob's receipt: one event of Alice's is on his disk.\nSignature: {}",
        hex(receipt.signature().as_bytes())
    );
    compare("receipt.txt", &annotate(&about, b"", receipt.bytes()));
    let again = SignedReceipt::decode(read("receipt.txt").into(), *receipt.signature()).unwrap();
    assert!(again.verify().is_ok());

    let receipt = SignedReceipt::sign(&bob(), b.session, ReceiptKind::Read, 1, a.vector(), Some(NOW_MS));
    let about =
        format!("Bob's receipt: he has read it, at that time.\nSignature: {}", hex(receipt.signature().as_bytes()));
    compare("receipt-read.txt", &annotate(&about, b"", receipt.bytes()));
    let again = SignedReceipt::decode(read("receipt-read.txt").into(), *receipt.signature()).unwrap();
    assert_eq!(again, receipt);
}

#[test]
fn beacon() {
    let beacon = Beacon { version: 1, machine: alice().machine_id(), port: 4281, instance: 0x0123_4567_89ab_cdef };
    let bytes = beacon.encode();
    let (magic, body) = bytes.split_at(4);
    compare("beacon.txt", &annotate("Discovery datagram: magic, then CBOR.", magic, body));
    assert_eq!(Beacon::decode(&read("beacon.txt")), Ok(beacon));
}

#[test]
fn names() {
    let (a, b) = (alice(), bob());
    let mut text = String::from("# What follows from two seeds. Times are milliseconds since 1970.\n");
    for (name, identity) in [("alice", &a), ("bob", &b)] {
        let id = identity.machine_id();
        writeln!(text, "{name} seed       = {}", hex(&*identity.seed())).unwrap();
        writeln!(text, "{name} public key = {}", hex(id.as_bytes())).unwrap();
        writeln!(text, "{name} machine ID = {id}").unwrap();
        writeln!(text, "{name} short form = {}", id.short()).unwrap();
    }
    let (a, b) = (a.machine_id(), b.machine_id());
    writeln!(text, "direct session   = {}", landline_proto::SessionId::direct(&a, &b)).unwrap();
    writeln!(text, "safety number    = {}", safety_number(&a, &b)).unwrap();
    let event = landline_proto::EventId::of(b"");
    writeln!(text, "event ID of no bytes at all        = {event}").unwrap();
    writeln!(text, "message ID of it at {NOW_MS} = {}", MessageId::for_event(NOW_MS, &event)).unwrap();
    compare("names.txt", &text);
}

#[test]
fn refused() {
    let mut text = String::from("# Frames that every implementation refuses (after Hello), and why this one does.\n");
    let cases: [&[u8]; 14] = [
        &[],
        &[0x82, 0x10],
        &[0x82, 0x10, 0xa1, 0x00, 0x03, 0x00],
        &[0x82, 0x18, 0x10, 0xa1, 0x00, 0x03],
        &[0x9f, 0x10, 0xa1, 0x00, 0x03, 0xff],
        &[0x82, 0x10, 0xbf, 0x00, 0x03, 0xff],
        &[0x82, 0x10, 0xa2, 0x01, 0x00, 0x00, 0x03],
        &[0x82, 0x10, 0xa2, 0x00, 0x03, 0x00, 0x03],
        &[0x82, 0x10, 0xa1, 0x60, 0x03],
        &[0x82, 0x10, 0xa1, 0x00, 0xf9, 0x42, 0x00],
        &[0x82, 0x10, 0xa1, 0x00, 0xc1, 0x03],
        &[0x82, 0x10, 0xa0],
        &[0x82, 0x12, 0xa0],
        &[0x82, 0x00, 0xa0],
    ];
    for bytes in cases {
        let error = Frame::decode(bytes, Phase::AfterHello).unwrap_err();
        writeln!(text, "{:<16} # {error}", hex(bytes)).unwrap();
    }
    compare("refused.txt", &text);
}
