//! What machines and relays say to each other.

use std::fmt::Write as _;

use bytes::Bytes;
use landline_proto::identity::{Domain, Signature, verify};
use landline_proto::relay::{
    Expected, FileLimits, FromRelay, GrantSecret, Item, Limits, Login, LoginError, RefusalCode, Refused, RelayAddress,
    RelayBye, RelayFrameError, Ticket, ToRelay, Token, TokenEntry, TokenHash,
};
use landline_proto::{DecodeError, MachineId, Prekey, Problem, SignedGrant, SignedPrekey, limits};
use proptest::prelude::*;

use crate::people::{NOW_MS, alice, bob};
use crate::vectors::{annotate, compare, hex, read};

const NONCE: [u8; 32] = [0x4e; 32];
const KEY: [u8; 32] = [0x5e; 32];

fn address() -> RelayAddress {
    "wss://relay.example.org:443".parse().unwrap()
}

fn secret() -> GrantSecret {
    GrantSecret::from_bytes([0x6a; 32])
}

fn token() -> Token {
    secret().at(&address())
}

pub fn prekey() -> SignedPrekey {
    let not_before_s = NOW_MS / 1000;
    let prekey = Prekey {
        machine: bob().machine_id(),
        version: 12,
        suite: 1,
        public: vec![0x9e; 1_216].into(),
        not_before_s,
        not_after_s: not_before_s + 7 * 86_400,
    };
    SignedPrekey::sign(&bob(), prekey).unwrap()
}

pub fn grant() -> SignedGrant {
    SignedGrant::sign(&bob(), alice().machine_id(), 1, secret())
}

fn login() -> Login {
    Login::sign(&alice(), &NONCE, &address(), Some(KEY), Some(b"member of the lab".to_vec()))
}

/// One frame of each type that a client sends.
pub fn to_relay() -> Vec<(&'static str, ToRelay)> {
    let machine = bob().machine_id();
    let add = vec![
        TokenEntry { hash: token().hash(), lifetime_s: None },
        TokenEntry { hash: TokenHash::from_bytes([0x74; 32]), lifetime_s: Some(600) },
    ];
    let remove = vec![TokenHash::from_bytes([0x75; 32])];
    vec![
        ("login", ToRelay::Login(login())),
        ("tokens", ToRelay::Tokens { request: 1, add, remove, replace: false }),
        ("watch", ToRelay::Watch { request: 2, items: vec![(machine, token())], replace: true }),
        ("open", ToRelay::Open { request: 3, machine, token: token() }),
        ("put", ToRelay::Put { request: 4, to: machine, token: Some(token()), envelope: "sealed".into() }),
        ("fetch", ToRelay::Fetch { request: 5, after: 0, limit: 64 }),
        ("ack", ToRelay::Ack { request: 6, cursors: vec![41, 42] }),
        ("publish", ToRelay::Publish { request: 7, prekey: prekey() }),
        ("get-prekey", ToRelay::GetPrekey { request: 8, machine }),
    ]
}

fn limits_of_a_relay() -> Limits {
    Limits {
        items: 1_000,
        bytes: 64 << 20,
        ttl_s: 21 * 86_400,
        envelope_bytes: limits::ENVELOPE_BYTES as u64,
        puts_per_minute: 60,
        puts_burst: 10,
        request_items: 16,
        request_bytes: 17_537,
        request_ttl_s: 7 * 86_400,
        tokens: limits::RELAY_TOKENS as u64,
        watches: 4_096,
        circuits: 64,
        circuit_bytes_per_s: 0,
        files: Some(FileLimits { file_bytes: 500 << 20, ttl_s: 21 * 86_400, bytes: 2 << 30, count: 1_000 }),
    }
}

/// One frame of each type that a relay sends.
pub fn from_relay() -> Vec<(&'static str, FromRelay)> {
    let refused = Refused {
        request: Some(4),
        code: RefusalCode::MailboxFull,
        detail: "the mailbox holds 1,000 items".to_owned(),
        limit: Some(1_000),
        retry_after_s: Some(3_600),
    };
    let item = |cursor, envelope: &'static str| Item { cursor, put_s: NOW_MS / 1000, envelope: envelope.into() };
    let items = vec![item(41, "sealed"), item(42, "sealed too")];
    vec![
        ("challenge", FromRelay::Challenge { version: 1, nonce: NONCE }),
        ("welcome", FromRelay::Welcome { limits: limits_of_a_relay(), wall_ms: NOW_MS }),
        ("refused", FromRelay::Refused(refused)),
        ("done", FromRelay::Done { request: 1 }),
        ("opened", FromRelay::Opened { request: 3, ticket: Ticket::from_bytes([0x71; 32]) }),
        ("incoming", FromRelay::Incoming { ticket: Ticket::from_bytes([0x72; 32]) }),
        ("presence", FromRelay::Presence { items: vec![(bob().machine_id(), true), (alice().machine_id(), false)] }),
        ("items", FromRelay::Items { request: 5, items, more: false }),
        ("prekey", FromRelay::Prekey { request: 8, prekey: Some(prekey()) }),
        ("bye", FromRelay::Bye { code: RelayBye::ShuttingDown, after_s: 20 }),
        ("arrived", FromRelay::Arrived),
    ]
}

#[test]
fn vectors() {
    for (name, frame) in to_relay() {
        let file = format!("to-relay-{name}.txt");
        let about = format!("Frame {name} to a relay, type {}. People: see names.txt.", frame.number());
        compare(&file, &annotate(&about, b"", &frame.encode()));
        assert_eq!(ToRelay::decode(&read(&file)), Ok(frame), "{file} reads back");
    }
    for (name, frame) in from_relay() {
        let file = format!("from-relay-{name}.txt");
        let about = format!("Frame {name} from a relay, type {}. People: see names.txt.", frame.number());
        compare(&file, &annotate(&about, b"", &frame.encode()));
        assert_eq!(FromRelay::decode(&read(&file)), Ok(frame), "{file} reads back");
    }
}

/// The bytes that a login signs, written by another hand than the one under test.
fn signed_by_login(key: Option<[u8; 32]>) -> Vec<u8> {
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.array(5).unwrap().u16(1).unwrap().bytes(alice().machine_id().as_bytes()).unwrap();
    encoder.bytes(&NONCE).unwrap().str("wss://relay.example.org:443").unwrap();
    match key {
        Some(key) => encoder.bytes(&key).unwrap(),
        None => encoder.null().unwrap(),
    };
    encoder.into_writer()
}

#[test]
fn what_is_derived() {
    let about = "What a login signs, after \"landline/relay-auth/1\" and a zero byte: to-relay-login.txt.";
    compare("relay-login-signed.txt", &annotate(about, b"", &signed_by_login(Some(KEY))));
    assert_eq!(
        verify(&alice().machine_id(), Domain::RelayAuth, &signed_by_login(Some(KEY)), &login().signature),
        Ok(())
    );
    let mut text = String::from("# From a grant's secret to what a relay is shown, and what it keeps.\n");
    writeln!(text, "relay  = {}", address()).unwrap();
    writeln!(text, "origin = {}", address().origin()).unwrap();
    writeln!(text, "secret = {}", hex(secret().as_bytes())).unwrap();
    writeln!(text, "token  = {}", hex(token().as_bytes())).unwrap();
    writeln!(text, "kept   = {}", hex(token().hash().as_bytes())).unwrap();
    writeln!(text, "# Hash of the prekey in to-relay-publish.txt; its first 8 bytes are the key ID.").unwrap();
    writeln!(text, "prekey = {}", hex(&prekey().prekey().hash())).unwrap();
    writeln!(text, "key ID = {}", hex(&prekey().prekey().key_id().0)).unwrap();
    compare("relay-names.txt", &text);
}

#[test]
fn a_token_is_good_at_one_relay() {
    let other: RelayAddress = "wss://relay.example.org:444".parse().unwrap();
    assert_ne!(token(), secret().at(&other), "because the one could use it at the other");
    assert_eq!(token(), secret().at(&address().with_key(KEY)), "the key may change, the relay is the same");
    let shown = format!("{:?} {:?} {:?}", token(), secret(), Ticket::from_bytes([0x71; 32]));
    assert_eq!(shown, "Token { .. } GrantSecret { .. } Ticket { .. }", "because debug output ends in logs");
    assert!(!format!("{:?}", login()).contains("member"), "nor does the membership");
}

#[test]
fn a_login_is_good_for_one_connection_at_one_relay() {
    let keys = [[1; 32], KEY];
    let origins = ["wss://elsewhere:443".to_owned(), address().origin()];
    assert_eq!(login().verify(&NONCE, Expected::Keys(&keys)), Ok(()));
    assert_eq!(login().verify(&NONCE, Expected::Origins(&origins)), Ok(()));
    assert_eq!(login().verify(&[0; 32], Expected::Keys(&keys)), Err(LoginError::Signature), "another connection's");
    assert_eq!(login().verify(&NONCE, Expected::Keys(&keys[..1])), Err(LoginError::OtherRelay));
    assert_eq!(login().verify(&NONCE, Expected::Origins(&origins[..1])), Err(LoginError::OtherRelay));
    assert_eq!(login().verify(&NONCE, Expected::Origins(&[])), Err(LoginError::OtherRelay), "nothing is not anything");

    let plain = Login::sign(&alice(), &NONCE, &address(), None, None);
    assert_eq!(plain.verify(&NONCE, Expected::Keys(&keys)), Err(LoginError::OtherRelay), "somebody took TLS away");
    assert_eq!(plain.verify(&NONCE, Expected::Origins(&origins)), Ok(()));

    // What a relay in between would change to make it fit.
    let forged = [
        Login { key: Some([1; 32]), ..login() },
        Login { key: None, ..login() },
        Login { origin: origins[0].clone(), ..login() },
        Login { machine: bob().machine_id(), ..login() },
        Login { signature: Signature::from_bytes([7; 64]), ..login() },
    ];
    for login in forged {
        let verdict = login.verify(&NONCE, Expected::Origins(&origins));
        assert_eq!(verdict, Err(LoginError::Signature), "{login:?}");
    }
    for version in [0, 2] {
        let verdict = Login { version, ..login() }.verify(&NONCE, Expected::Keys(&keys));
        assert_eq!(verdict, Err(LoginError::Version(version)));
    }
    let elsewhere = alice().sign(Domain::Event, &signed_by_login(Some(KEY)));
    let verdict = Login { signature: elsewhere, ..login() }.verify(&NONCE, Expected::Keys(&keys));
    assert_eq!(verdict, Err(LoginError::Signature), "a signature for another purpose");
}

fn machine() -> impl Strategy<Value = MachineId> {
    any::<[u8; 32]>().prop_map(MachineId::from_bytes)
}

fn any_token() -> impl Strategy<Value = Token> {
    any::<[u8; 32]>().prop_map(Token::from_bytes)
}

fn envelope() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn cursor() -> impl Strategy<Value = u64> {
    0..=limits::INTEGER_MAX
}

fn any_to_relay() -> impl Strategy<Value = ToRelay> {
    let entry = (any::<[u8; 32]>(), prop::option::of(1u32..))
        .prop_map(|(hash, lifetime_s)| TokenEntry { hash: TokenHash::from_bytes(hash), lifetime_s });
    let hash = any::<[u8; 32]>().prop_map(TokenHash::from_bytes);
    let login = (any::<[u8; 32]>(), prop::option::of(any::<[u8; 32]>()), prop::option::of(any::<[u8; 9]>()));
    prop_oneof![
        login.prop_map(|(nonce, key, membership)| {
            ToRelay::Login(Login::sign(&alice(), &nonce, &address(), key, membership.map(|bytes| bytes.to_vec())))
        }),
        (any::<u32>(), prop::collection::vec(entry, 0..4), prop::collection::vec(hash, 0..4), any::<bool>())
            .prop_map(|(request, add, remove, replace)| ToRelay::Tokens { request, add, remove, replace }),
        (any::<u32>(), prop::collection::vec((machine(), any_token()), 0..4), any::<bool>())
            .prop_map(|(request, items, replace)| ToRelay::Watch { request, items, replace }),
        (any::<u32>(), machine(), any_token()).prop_map(|(request, machine, token)| ToRelay::Open {
            request,
            machine,
            token
        }),
        (any::<u32>(), machine(), prop::option::of(any_token()), envelope())
            .prop_map(|(request, to, token, envelope)| ToRelay::Put { request, to, token, envelope }),
        (any::<u32>(), cursor(), 1u16..=64).prop_map(|(request, after, limit)| ToRelay::Fetch {
            request,
            after,
            limit
        }),
        (any::<u32>(), prop::collection::vec(cursor(), 0..9))
            .prop_map(|(request, cursors)| ToRelay::Ack { request, cursors }),
        any::<u32>().prop_map(|request| ToRelay::Publish { request, prekey: prekey() }),
        (any::<u32>(), machine()).prop_map(|(request, machine)| ToRelay::GetPrekey { request, machine }),
        any::<u16>().prop_map(|number| ToRelay::Ignored((number | 1).max(101))),
    ]
}

fn any_from_relay() -> impl Strategy<Value = FromRelay> {
    let refused = (prop::option::of(any::<u32>()), any::<u16>(), "[a-z ä]{0,60}", prop::option::of(cursor()));
    let item = (cursor(), cursor(), envelope()).prop_map(|(cursor, put_s, envelope)| Item { cursor, put_s, envelope });
    let ticket = || any::<[u8; 32]>().prop_map(Ticket::from_bytes);
    prop_oneof![
        (any::<u16>(), any::<[u8; 32]>()).prop_map(|(version, nonce)| FromRelay::Challenge { version, nonce }),
        (cursor(), any::<u64>(), any::<bool>()).prop_map(|(number, wall_ms, files)| FromRelay::Welcome {
            limits: Limits {
                circuit_bytes_per_s: number,
                items: number / 2,
                files: files.then_some(FileLimits { file_bytes: number, ttl_s: 1, bytes: 2, count: number }),
                ..limits_of_a_relay()
            },
            wall_ms,
        }),
        (refused, prop::option::of(any::<u32>())).prop_map(|((request, code, detail, limit), retry_after_s)| {
            let code = RefusalCode::from_number(code);
            FromRelay::Refused(Refused { request, code, detail, limit, retry_after_s })
        }),
        any::<u32>().prop_map(|request| FromRelay::Done { request }),
        (any::<u32>(), ticket()).prop_map(|(request, ticket)| FromRelay::Opened { request, ticket }),
        ticket().prop_map(|ticket| FromRelay::Incoming { ticket }),
        prop::collection::vec((machine(), any::<bool>()), 0..5).prop_map(|items| FromRelay::Presence { items }),
        (any::<u32>(), prop::collection::vec(item, 0..5), any::<bool>())
            .prop_map(|(request, items, more)| FromRelay::Items { request, items, more }),
        (any::<u32>(), any::<bool>())
            .prop_map(|(request, there)| FromRelay::Prekey { request, prekey: there.then(prekey) }),
        (any::<u16>(), any::<u32>())
            .prop_map(|(code, after_s)| FromRelay::Bye { code: RelayBye::from_number(code), after_s }),
        Just(FromRelay::Arrived),
        any::<u16>().prop_map(|number| FromRelay::Ignored((number | 1).max(101))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_client_sends_reads_back(frame in any_to_relay()) {
        let bytes = frame.encode();
        prop_assert_eq!(ToRelay::decode(&bytes), Ok(frame.clone()));
        prop_assert_eq!(frame.encode(), bytes, "one value has one encoding");
    }

    #[test]
    fn what_a_relay_sends_reads_back(frame in any_from_relay()) {
        let bytes = frame.encode();
        prop_assert_eq!(FromRelay::decode(&bytes), Ok(frame.clone()));
        prop_assert_eq!(frame.encode(), bytes, "one value has one encoding");
    }
}

#[test]
fn lists_at_their_limits_fit_a_frame() {
    let machine = bob().machine_id();
    let entry = TokenEntry { hash: token().hash(), lifetime_s: Some(u32::MAX) };
    let to = [
        ToRelay::Tokens {
            request: u32::MAX,
            add: vec![entry; limits::RELAY_TOKENS],
            remove: vec![token().hash(); limits::RELAY_TOKENS_REMOVED],
            replace: true,
        },
        ToRelay::Watch {
            request: u32::MAX,
            items: vec![(machine, token()); limits::RELAY_WATCHES_PER_FRAME],
            replace: true,
        },
        ToRelay::Put {
            request: u32::MAX,
            to: machine,
            token: Some(token()),
            envelope: vec![7; limits::ENVELOPE_BYTES].into(),
        },
        ToRelay::Ack { request: u32::MAX, cursors: vec![limits::INTEGER_MAX; limits::RELAY_ACKS] },
    ];
    for frame in to {
        assert_eq!(ToRelay::decode(&frame.encode()), Ok(frame));
    }
    let item =
        |bytes| Item { cursor: limits::INTEGER_MAX, put_s: limits::INTEGER_MAX, envelope: vec![7; bytes].into() };
    let from = [
        FromRelay::Presence { items: vec![(machine, true); limits::RELAY_WATCHES_PER_FRAME] },
        FromRelay::Items { request: u32::MAX, items: vec![item(limits::ENVELOPE_BYTES); 2], more: true },
        FromRelay::Items { request: u32::MAX, items: vec![item(2_177); limits::RELAY_ITEMS], more: true },
    ];
    for frame in from {
        let bytes = frame.encode();
        if let FromRelay::Items { items, .. } = &frame {
            assert!(
                bytes.len() <= 32 + items.iter().map(Item::wire_size).sum::<usize>(),
                "the promised size is enough"
            );
        }
        assert_eq!(FromRelay::decode(&bytes), Ok(frame));
    }
}

fn wrong(field: &'static str, problem: Problem) -> RelayFrameError {
    RelayFrameError::Decode(DecodeError { field, problem })
}

#[test]
fn every_cut_of_every_frame_is_refused() {
    let cuts = |bytes: Vec<u8>, decode: &dyn Fn(&[u8]) -> Result<(), RelayFrameError>| {
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), Err(wrong("frame", Problem::Truncated)), "cut at {end}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode(&longer), Err(wrong("frame", Problem::TrailingBytes)));
    };
    to_relay().iter().for_each(|(_, frame)| cuts(frame.encode(), &|bytes| ToRelay::decode(bytes).map(|_| ())));
    from_relay().iter().for_each(|(_, frame)| cuts(frame.encode(), &|bytes| FromRelay::decode(bytes).map(|_| ())));
}

/// `[type, {…}]` of a type below 24, with the body's map written by hand.
fn frame(number: u8, body: &[u8]) -> Vec<u8> {
    [&[0x82, number], body].concat()
}

#[test]
fn what_a_client_gets_wrong_is_named() {
    let id = [&[0x58, 32][..], &[7; 32]].concat();
    let with = |head: &[u8], tail: &[u8]| [head, &id, tail].concat();
    let many = |count: usize, each: &[u8]| {
        let count = u16::try_from(count).unwrap().to_be_bytes();
        [&[0x99, count[0], count[1]][..], &each.repeat(usize::from(u16::from_be_bytes(count)))].concat()
    };
    let too_long = |limit| Problem::TooLong { limit, actual: limit + 1 };
    let cases: Vec<(Vec<u8>, &str, Problem)> = vec![
        (frame(0, &[0xa0]), "version", Problem::Missing),
        (frame(0, &[0xa1, 0, 0x60]), "version", Problem::Type),
        (frame(0, &[0xa1, 1, 0x41, 0]), "machine", Problem::Length { expected: 32, actual: 1 }),
        (frame(0, &[0xa1, 2, 0x61, b' ']), "origin", Problem::Unexpected),
        (frame(0, &[0xa1, 3, 0x40]), "key", Problem::Length { expected: 32, actual: 0 }),
        (frame(0, &[0xa1, 4, 0x40]), "signature", Problem::Length { expected: 64, actual: 0 }),
        (frame(0, &[&[0xa1, 5, 0x58, 65][..], &[0; 65]].concat()), "membership", too_long(64)),
        (frame(2, &[0xa1, 0, 0x20]), "request", Problem::Type),
        (frame(2, &[0xa1, 0, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0]), "request", Problem::Range),
        (frame(2, &[0xa1, 0, 1]), "add", Problem::Missing),
        (frame(2, &[&[0xa1, 1][..], &many(limits::RELAY_TOKENS + 1, &[0])].concat()), "add", too_long(4_096)),
        (frame(2, &with(&[0xa1, 1, 0x81, 0x82], &[0])), "lifetime", Problem::Range),
        (
            frame(2, &[&[0xa1, 2][..], &many(limits::RELAY_TOKENS_REMOVED + 1, &[0])].concat()),
            "remove",
            too_long(1_024),
        ),
        (frame(2, &[0xa1, 2, 0x81, 0x41, 0]), "token hash", Problem::Length { expected: 32, actual: 1 }),
        (frame(2, &[0xa1, 3, 0]), "replace", Problem::Type),
        (
            frame(4, &[&[0xa1, 1][..], &many(limits::RELAY_WATCHES_PER_FRAME + 1, &[0])].concat()),
            "items",
            too_long(2_048),
        ),
        (frame(4, &with(&[0xa1, 1, 0x81, 0x82], &[0x40])), "token", Problem::Length { expected: 32, actual: 0 }),
        (frame(6, &with(&[0xa2, 0, 1, 1], &[])), "token", Problem::Missing),
        (frame(8, &with(&[0xa2, 0, 1, 1], &[])), "envelope", Problem::Missing),
        (frame(8, &[0xa2, 0, 1, 3, 0x40]), "to", Problem::Missing),
        (
            frame(8, &[&[0xa1, 3, 0x5a, 0, 1, 0x84, 0x84][..], &vec![0; limits::ENVELOPE_BYTES + 1]].concat()),
            "envelope",
            too_long(limits::ENVELOPE_BYTES),
        ),
        (frame(10, &[0xa3, 0, 1, 1, 0, 2, 0]), "limit", Problem::Range),
        (frame(10, &[0xa3, 0, 1, 1, 0, 2, 0x18, 65]), "limit", Problem::Range),
        (frame(10, &[0xa1, 1, 0x1b, 0xff, 0, 0, 0, 0, 0, 0, 0]), "after", Problem::Range),
        (frame(12, &[&[0xa1, 1][..], &many(limits::RELAY_ACKS + 1, &[0])].concat()), "cursors", too_long(1_024)),
        (frame(12, &[0xa1, 1, 0x81, 0x20]), "cursor", Problem::Type),
        (frame(14, &[0xa1, 1, 0x80]), "prekey", Problem::Length { expected: 2, actual: 0 }),
        (frame(14, &[0xa1, 1, 0x82, 0x41, 0xa0, 0x40]), "signature", Problem::Length { expected: 64, actual: 0 }),
        (frame(16, &[0xa1, 0, 1]), "machine", Problem::Missing),
    ];
    for (bytes, field, problem) in cases {
        assert_eq!(ToRelay::decode(&bytes), Err(wrong(field, problem)), "{}", hex(&bytes[..bytes.len().min(20)]));
    }
    let too_long = vec![0; limits::RELAY_FRAME_BYTES + 1];
    let problem = Problem::TooLong { limit: limits::RELAY_FRAME_BYTES, actual: too_long.len() };
    assert_eq!(ToRelay::decode(&too_long), Err(wrong("frame", problem)));
}

#[test]
fn what_a_relay_gets_wrong_is_named() {
    let cases: Vec<(Vec<u8>, &str, Problem)> = vec![
        (frame(0, &[0xa1, 0, 1]), "nonce", Problem::Missing),
        (frame(2, &[0xa1, 0, 0xa0]), "limits", Problem::Missing),
        (frame(2, &[0xa1, 0, 0xa1, 0, 0x60]), "limits", Problem::Type),
        (frame(4, &[0xa0]), "code", Problem::Missing),
        (
            frame(4, &[&[0xa1, 2, 0x78, 201][..], &[b'x'; 201]].concat()),
            "detail",
            Problem::TooLong { limit: 200, actual: 201 },
        ),
        (frame(4, &[0xa2, 1, 1, 4, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0]), "retry_after", Problem::Range),
        (frame(6, &[0xa0]), "request", Problem::Missing),
        (frame(8, &[0xa1, 0, 1]), "ticket", Problem::Missing),
        (frame(10, &[0xa1, 0, 0x40]), "ticket", Problem::Length { expected: 32, actual: 0 }),
        (frame(12, &[0xa1, 0, 0x81, 0x80]), "item", Problem::Length { expected: 2, actual: 0 }),
        (frame(14, &[0xa1, 1, 0x98, 65]), "frame", Problem::Truncated),
        (
            frame(14, &[&[0xa1, 1, 0x98, 65][..], &[0; 65]].concat()),
            "items",
            Problem::TooLong { limit: 64, actual: 65 },
        ),
        (frame(14, &[0xa2, 0, 1, 1, 0x80]), "more", Problem::Missing),
        (frame(16, &[0xa1, 0, 1]), "prekey", Problem::Missing),
        (frame(18, &[0xa1, 0, 1]), "after", Problem::Missing),
    ];
    for (bytes, field, problem) in cases {
        assert_eq!(FromRelay::decode(&bytes), Err(wrong(field, problem)), "{}", hex(&bytes[..bytes.len().min(20)]));
    }
}

#[test]
fn odd_types_are_ignored_and_even_ones_refused() {
    assert_eq!(ToRelay::decode(&[0x82, 0x18, 101, 0xa0]), Ok(ToRelay::Ignored(101)));
    assert_eq!(FromRelay::decode(&[0x82, 0x18, 101, 0xa1, 0, 0x60]), Ok(FromRelay::Ignored(101)));
    assert_eq!(ToRelay::decode(&[0x82, 0x18, 100, 0xa0]), Err(RelayFrameError::UnknownType(100)));
    assert_eq!(FromRelay::decode(&[0x82, 0x18, 100, 0xa0]), Err(RelayFrameError::UnknownType(100)));
}

#[test]
fn a_prekey_of_a_later_suite_is_passed_on() {
    let later = Prekey { suite: 2, public: vec![7; 1_600].into(), ..prekey().prekey().clone() };
    let frame = ToRelay::Publish { request: 1, prekey: SignedPrekey::sign(&bob(), later.clone()).unwrap() };
    assert_eq!(ToRelay::decode(&frame.encode()), Ok(frame), "because a relay need not know how it is used");
    assert_ne!(later.key_id(), Prekey { suite: 3, ..later.clone() }.key_id(), "the suite is part of what a key is");
    for (prekey, field) in [
        (Prekey { suite: 1, ..later.clone() }, "public"),
        (Prekey { public: vec![7; 1_793].into(), ..later.clone() }, "public"),
        (Prekey { version: u64::MAX, ..later.clone() }, "version"),
        (Prekey { not_after_s: later.not_before_s, ..later.clone() }, "not_after"),
        (Prekey { not_after_s: later.not_before_s + limits::PREKEY_LIFE_S + 1, ..later.clone() }, "not_after"),
        (Prekey { not_before_s: u64::MAX - 1, not_after_s: u64::MAX, ..later }, "not_after"),
    ] {
        assert_eq!(SignedPrekey::sign(&bob(), prekey).map(|_| ()).map_err(|error| error.field), Err(field));
    }
}

#[test]
fn a_grant_shows_no_secret() {
    let shown = format!("{:?}", grant());
    assert!(
        shown.contains("secret: GrantSecret { .. }") && !shown.contains("6a6a") && !shown.contains("106"),
        "{shown}"
    );
}
