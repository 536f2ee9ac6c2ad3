//! Envelopes: what is sealed opens for its recipient, and for nobody else, and nothing can be changed in it.

use std::fmt::Write as _;

use bytes::Bytes;
use landline_proto::frame::{Frame, FrameError};
use landline_proto::prekey::SUITE;
use landline_proto::relay::GrantSecret;
use landline_proto::sealed::{
    CLASSES, OpenError, Parcel, ParcelError, PrekeySecret, RANDOMNESS_BYTES, SealError, key_id, open, seal,
};
use landline_proto::{
    Body, DecodeError, Identity, Prekey, Problem, ReceiptKind, Run, SessionId, SignedGrant, SignedPrekey,
    SignedReceipt, VersionVector, limits,
};
use proptest::prelude::*;

use crate::files::deposit_of;
use crate::people::{Machine, NOW_MS, alice, bob, mallory, pair, profile_of};
use crate::vectors::{annotate, compare, hex, read};

const NOW_S: u64 = NOW_MS / 1000;

fn secret() -> PrekeySecret {
    PrekeySecret::from_seed([0x5c; 32])
}

fn randomness() -> [u8; RANDOMNESS_BYTES] {
    std::array::from_fn(|place| u8::try_from(place).unwrap())
}

fn prekey_of(identity: &Identity, secret: &PrekeySecret) -> SignedPrekey {
    let prekey = Prekey {
        machine: identity.machine_id(),
        version: 1,
        suite: SUITE,
        public: secret.public(),
        not_before_s: NOW_S - 86_400,
        not_after_s: NOW_S + 7 * 86_400,
    };
    SignedPrekey::sign(identity, prekey).unwrap()
}

/// What Alice leaves for Bob: all that may be left.
fn parcel() -> Parcel {
    let (mut a, b) = pair();
    let runs = vec![a.write(&[Body::Open, Body::message("Good morning, Bob.")])];
    let grant = SignedGrant::sign(&alice(), bob().machine_id(), 1, GrantSecret::from_bytes([0x6a; 32]));
    let receipt = SignedReceipt::sign(&alice(), a.session, ReceiptKind::Delivered, 1, b.vector(), None);
    let frames = vec![
        Frame::Events { session: a.session, runs },
        Frame::Receipts(vec![receipt]),
        Frame::Profile(profile_of(&alice(), "Alice")),
        Frame::Grant(grant),
    ];
    Parcel { from: alice().machine_id(), frames }
}

fn envelope() -> Bytes {
    seal(&parcel(), &prekey_of(&bob(), &secret()), NOW_S, &randomness()).unwrap()
}

fn saying(text: &str) -> Parcel {
    let (mut a, _) = pair();
    let frames = vec![Frame::Events { session: a.session, runs: vec![a.say(text)] }];
    Parcel { from: alice().machine_id(), frames }
}

#[test]
fn vectors() {
    compare("parcel.txt", &annotate("What Alice leaves for Bob, without padding.", b"", &parcel().encode()));
    let about = "parcel.txt, sealed to Bob's prekey with the randomness of sealed-names.txt.";
    compare("envelope.txt", &annotate(about, b"", &envelope()));
    assert_eq!(open(&read("envelope.txt"), &bob().machine_id(), &secret()), Ok(parcel()));

    let prekey = prekey_of(&bob(), &secret());
    let hash = prekey.prekey().hash();
    let mut text =
        String::from("# What the envelope of envelope.txt is made of. The seed is X-Wing's decapsulation key.\n");
    writeln!(text, "seed       = {}", hex(secret().seed())).unwrap();
    writeln!(text, "public     = {}", hex(&secret().public())).unwrap();
    writeln!(text, "hash       = {}", hex(&hash)).unwrap();
    let info = [b"landline/mailbox/1\0", &bob().machine_id().as_bytes()[..], &hash].concat();
    writeln!(text, "info       = {}", hex(&info)).unwrap();
    let aad = [&[0x82, 0x01, 0x48][..], &prekey.prekey().key_id().0].concat();
    writeln!(text, "aad        = {}", hex(&aad)).unwrap();
    writeln!(text, "randomness = {}", hex(&randomness())).unwrap();
    compare("sealed-names.txt", &text);

    // Opened by the library alone, from nothing but what stands in the files.
    use hpke::{Deserializable, Kem, OpModeR, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::XWing, single_shot_open};
    let bytes = read("envelope.txt");
    let (enc, ciphertext) = (&bytes[14..14 + 1_120], &bytes[14 + 1_120 + 3..]);
    let secret = <XWing as Kem>::PrivateKey::from_bytes(secret().seed()).unwrap();
    let enc = <XWing as Kem>::EncappedKey::from_bytes(enc).unwrap();
    let base = OpModeR::Base;
    let plain =
        single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(&base, &secret, &enc, &info, ciphertext, &aad).unwrap();
    let length = parcel().encode().len();
    assert_eq!((plain.len(), &plain[..4]), (1_024, &u32::try_from(length).unwrap().to_be_bytes()[..]));
    assert_eq!(&plain[4..4 + length], parcel().encode());
    assert!(plain[4 + length..].iter().all(|byte| *byte == 0), "because padding says nothing");
}

#[test]
fn it_opens_for_its_recipient_and_nobody_else() {
    assert_eq!(open(&envelope(), &bob().machine_id(), &secret()), Ok(parcel()));
    assert_eq!(key_id(&envelope()).unwrap(), prekey_of(&bob(), &secret()).prekey().key_id());
    let other = PrekeySecret::from_seed([0x5d; 32]);
    assert_eq!(open(&envelope(), &bob().machine_id(), &other), Err(OpenError::OtherKey));

    // Mallory lays down Bob's public key as her own: what is sealed to her does not open as Bob's.
    let hers = Machine::new(alice(), mallory().machine_id(), 1);
    let to_her = Parcel { from: hers.local.machine, frames: vec![Frame::Profile(profile_of(&alice(), "Alice"))] };
    let envelope = seal(&to_her, &prekey_of(&mallory(), &secret()), NOW_S, &randomness()).unwrap();
    assert_eq!(open(&envelope, &bob().machine_id(), &secret()), Err(OpenError::Sealed));
    assert!(
        open(&envelope, &mallory().machine_id(), &secret()).is_ok(),
        "it is the recipient that makes the difference"
    );
}

#[test]
fn any_change_of_a_byte_is_noticed() {
    let envelope = seal(&saying("hello"), &prekey_of(&bob(), &secret()), NOW_S, &randomness()).unwrap();
    for place in 0..envelope.len() {
        let mut changed = envelope.to_vec();
        changed[place] ^= 1 << (place % 8);
        assert!(open(&changed, &bob().machine_id(), &secret()).is_err(), "changed at {place}");
    }
    // The highest bit of the curve's point is one that its arithmetic ignores.
    let mut changed = envelope.to_vec();
    changed[14 + 1_120 - 1] ^= 0x80;
    assert_eq!(open(&changed, &bob().machine_id(), &secret()), Err(OpenError::Sealed));
}

#[test]
fn an_envelope_has_one_of_five_sizes() {
    let prekey = prekey_of(&bob(), &secret());
    let sizes = CLASSES.map(|class| class + if class < 65_520 { 1_153 } else { 1_155 });
    assert_eq!(sizes, [2_177, 5_249, 17_537, 66_691, 99_459]);
    assert_eq!(sizes[4], limits::ENVELOPE_BYTES);
    let overhead = saying("x").wire_size();
    for (class, size) in CLASSES.into_iter().zip(sizes) {
        if class > limits::MESSAGE_BYTES {
            continue;
        }
        // Around the class's end, where the heads of the texts have one length.
        let most =
            (class - 8 - overhead..class).rev().find(|bytes| saying(&"x".repeat(*bytes)).wire_size() + 4 <= class);
        let most = "x".repeat(most.unwrap());
        let sealed = seal(&saying(&most), &prekey, NOW_S, &randomness()).unwrap();
        assert_eq!(sealed.len(), size, "just fits {class}");
        let larger = seal(&saying(&format!("{most}x")), &prekey, NOW_S, &randomness()).unwrap();
        assert!(larger.len() > size && sizes.contains(&larger.len()), "{} is the next", larger.len());
    }
    let longest = saying(&"x".repeat(limits::MESSAGE_BYTES));
    let sealed = seal(&longest, &prekey, NOW_S, &randomness()).unwrap();
    assert_eq!(sealed.len(), limits::ENVELOPE_BYTES, "the longest message has a class");
    assert_eq!(open(&sealed, &bob().machine_id(), &secret()), Ok(longest));
}

#[test]
fn the_same_words_look_different_each_time() {
    let mut other = randomness();
    other[63] ^= 1;
    let prekey = prekey_of(&bob(), &secret());
    let (one, two) = (seal(&parcel(), &prekey, NOW_S, &randomness()), seal(&parcel(), &prekey, NOW_S, &other));
    assert_eq!(one, Ok(envelope()), "nothing but the given randomness goes in");
    assert_ne!(one, two);
}

#[test]
fn nothing_is_sealed_to_a_key_that_does_not_count() {
    let try_seal = |prekey: &SignedPrekey, now_s| seal(&parcel(), prekey, now_s, &randomness()).map(|_| ());
    let good = prekey_of(&bob(), &secret());
    let (begin, end) = (good.prekey().not_before_s, good.prekey().not_after_s);
    assert_eq!(try_seal(&good, begin), Ok(()));
    assert_eq!(try_seal(&good, end - 1), Ok(()));
    assert_eq!(try_seal(&good, begin - 1), Err(SealError::NotValidNow));
    assert_eq!(try_seal(&good, end), Err(SealError::NotValidNow));

    let swapped = SignedPrekey::decode(good.bytes().clone(), *prekey_of(&mallory(), &secret()).signature()).unwrap();
    assert_eq!(try_seal(&swapped, NOW_S), Err(SealError::Signature), "a relay's own key");
    let later = SignedPrekey::sign(&bob(), Prekey { suite: 2, ..good.prekey().clone() }).unwrap();
    assert_eq!(try_seal(&later, NOW_S), Err(SealError::UnknownSuite(2)));
    // Coefficients beyond the modulus.
    let no_key = Prekey { public: vec![0xff; 1_216].into(), ..good.prekey().clone() };
    let no_key = SignedPrekey::sign(&bob(), no_key).unwrap();
    assert_eq!(try_seal(&no_key, NOW_S), Err(SealError::Key));
}

/// Seals and opens what has the form of a parcel but breaks its rules, as a sender would that does not check.
fn refused(parcel: &Parcel) -> ParcelError {
    let refused = seal(parcel, &prekey_of(&bob(), &secret()), NOW_S, &randomness());
    match refused {
        Err(SealError::Parcel(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_parcel_speaks_of_its_sender_to_its_recipient() {
    let with = |frame: Frame| Parcel { from: alice().machine_id(), frames: vec![frame] };
    let (mut a, b) = pair();
    let run = a.say("hello");
    let elsewhere = SessionId::direct(&alice().machine_id(), &mallory().machine_id());
    let mut hers = Machine::new(alice(), mallory().machine_id(), 1);
    let receipt = |identity: &Identity, session| {
        let vector = VersionVector::new();
        Frame::Receipts(vec![SignedReceipt::sign(identity, session, ReceiptKind::Read, 1, vector, None)])
    };
    let grant = |holder: &Identity, by: &Identity| {
        Frame::Grant(SignedGrant::sign(by, holder.machine_id(), 1, GrantSecret::from_bytes([1; 32])))
    };
    for (frame, why) in [
        (Frame::Events { session: hers.session, runs: vec![hers.say("for Mallory")] }, "resealed by who got it"),
        (receipt(&alice(), elsewhere), "a receipt of another session"),
        (receipt(&bob(), b.session), "the recipient's own receipt"),
        (Frame::Profile(profile_of(&mallory(), "Alice")), "another's profile"),
        (Frame::Prekey(prekey_of(&mallory(), &secret())), "another's prekey"),
        (grant(&bob(), &mallory()), "another's grant"),
        (grant(&mallory(), &alice()), "a grant for another"),
        (Frame::Deposit(deposit_of(&mallory())), "another's deposit"),
    ] {
        let number = frame.number();
        assert_eq!(refused(&with(frame)), ParcelError::Foreign(number), "{why}");
    }
    for frame in [
        Frame::Typing { session: a.session, on: true },
        Frame::Vector { session: a.session, vector: a.vector() },
        Frame::Invited { proof: [0; 32] },
        Frame::Ignored(101),
    ] {
        let number = frame.number();
        assert_eq!(refused(&with(frame)), ParcelError::NotForMailboxes(number));
    }
    let own = Parcel { from: bob().machine_id(), frames: Vec::new() };
    let unexpected = DecodeError { field: "from", problem: Problem::Unexpected };
    assert_eq!(refused(&own), ParcelError::Decode(unexpected), "nobody leaves himself something");
    let many = Parcel { from: alice().machine_id(), frames: vec![Frame::Ignored(101); limits::PARCEL_FRAMES + 1] };
    assert!(matches!(refused(&many), ParcelError::Decode(DecodeError { field: "frames", .. })));

    let deposit = with(Frame::Deposit(deposit_of(&alice())));
    let sealed = seal(&deposit, &prekey_of(&bob(), &secret()), NOW_S, &randomness()).unwrap();
    assert_eq!(open(&sealed, &bob().machine_id(), &secret()), Ok(deposit));

    // What its own author could not have in time comes back to it.
    let mut back = Machine::new(bob(), alice().machine_id(), 2);
    back.receive(&run);
    let answer = back.say("answer");
    let returned = with(Frame::Events { session: a.session, runs: vec![run, answer] });
    let sealed = seal(&returned, &prekey_of(&bob(), &secret()), NOW_S, &randomness()).unwrap();
    assert_eq!(open(&sealed, &bob().machine_id(), &secret()), Ok(returned));
}

#[test]
fn what_is_too_large_is_cut_by_its_author() {
    let (mut a, mut b) = pair();
    let run = a.write(&["x".repeat(60_000), "y".repeat(60_000), "z".to_owned()].map(Body::message));
    let whole = |run: Run| Parcel {
        from: alice().machine_id(),
        frames: vec![Frame::Events { session: run.session(), runs: vec![run] }],
    };
    let size = whole(run.clone()).wire_size();
    let too_large = ParcelError::TooLarge { limit: limits::PARCEL_BYTES, actual: size };
    assert_eq!(refused(&whole(run.clone())), too_large);
    let runs = run.cut(&alice(), 90_000).unwrap();
    assert_eq!(runs.iter().map(|run| run.events().len()).collect::<Vec<_>>(), [1, 2]);
    for run in runs {
        let parcel = whole(run.into_run());
        let sealed = seal(&parcel, &prekey_of(&bob(), &secret()), NOW_S, &randomness()).unwrap();
        let opened = open(&sealed, &bob().machine_id(), &secret()).unwrap();
        let [Frame::Events { runs, .. }] = &opened.frames[..] else { panic!("one frame") };
        runs.iter().for_each(|run| b.receive(run));
    }
    assert_eq!(b.vector(), a.vector(), "because the pieces are the whole");
    b.receive(&run);
    assert_eq!((b.transcript(), b.waiting()), (a.transcript(), 0), "and the whole is a duplicate of them");
    assert_eq!(run.cut(&alice(), 0).unwrap().len(), 3, "an event is not cut");
    assert!(run.cut(&bob(), 90_000).is_err(), "only its author can");
}

#[test]
fn what_is_no_envelope_is_refused_by_its_part() {
    let envelope = envelope().to_vec();
    let change = |place: usize, bytes: &[u8]| {
        let mut changed = envelope.clone();
        changed[place..place + bytes.len()].copy_from_slice(bytes);
        open(&changed, &bob().machine_id(), &secret()).unwrap_err()
    };
    let wrong = |field, problem| OpenError::Decode(DecodeError { field, problem });
    assert_eq!(change(1, &[2]), OpenError::UnknownSuite(2));
    assert_eq!(change(1, &[0x20]), wrong("suite", Problem::Type));
    assert_eq!(change(3, &[9]), OpenError::OtherKey);
    assert_eq!(change(0, &[0x83]), wrong("envelope", Problem::TrailingBytes));
    let shape = |bytes: &[u8]| key_id(bytes).unwrap_err();
    assert_eq!(shape(&[0x81, 0x01]), wrong("envelope", Problem::Length { expected: 4, actual: 1 }));
    assert_eq!(shape(&[0x83, 0x07, 0x00, 0x00]), OpenError::UnknownSuite(7), "a later suite may have other parts");
    assert_eq!(shape(&[0x84, 0x01, 0x40, 0x40, 0x40]), wrong("key_id", Problem::Length { expected: 8, actual: 0 }));
    let id = [&[0x84, 0x01, 0x48][..], &[0; 8]].concat();
    let short = [&id[..], &[0x40, 0x40]].concat();
    assert_eq!(shape(&short), wrong("enc", Problem::Length { expected: 1_120, actual: 0 }));
    let sizeless = [&id[..], &[0x59, 0x04, 0x60], &[0; 1_120], &[0x41, 0]].concat();
    assert_eq!(shape(&sizeless), wrong("ciphertext", Problem::Range), "no class of size");
    let limit = limits::ENVELOPE_BYTES;
    assert_eq!(shape(&vec![0; limit + 1]), wrong("envelope", Problem::TooLong { limit, actual: limit + 1 }));
    for end in 0..envelope.len().min(1_200) {
        assert_eq!(shape(&envelope[..end]), wrong("envelope", Problem::Truncated));
    }
}

/// Seals any plaintext to Bob, as a sender could that has a program of its own.
fn seal_raw(plaintext: &[u8]) -> Vec<u8> {
    use hpke::{Deserializable, Kem, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::XWing};
    let prekey = prekey_of(&bob(), &secret());
    let (hash, key_id) = (prekey.prekey().hash(), prekey.prekey().key_id().0);
    let key = <XWing as Kem>::PublicKey::from_bytes(&prekey.prekey().public).unwrap();
    let info = [b"landline/mailbox/1\0", &bob().machine_id().as_bytes()[..], &hash].concat();
    let aad = [&[0x82, 0x01, 0x48][..], &key_id].concat();
    let mut random = Counting::new();
    let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &key,
        &info,
        plaintext,
        &aad,
        &mut random,
    )
    .unwrap();
    let mut encoder = minicbor::Encoder::new(Vec::new());
    encoder.array(4).unwrap().u8(1).unwrap().bytes(&key_id).unwrap().bytes(&enc.to_bytes()).unwrap();
    encoder.bytes(&ciphertext).unwrap();
    encoder.into_writer()
}

/// Numbers that count up: enough where nothing is secret.
struct Counting(u8);

impl Counting {
    fn new() -> Self {
        Self(0)
    }
}

impl hpke::rand_core::TryRng for Counting {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(7)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(7)
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> {
        to.fill(self.0);
        self.0 += 1;
        Ok(())
    }
}

impl hpke::rand_core::TryCryptoRng for Counting {}

#[test]
fn what_opens_can_still_be_wrong() {
    let opened = |plaintext: &[u8]| {
        let mut padded = plaintext.to_vec();
        padded.resize(1_024, 0);
        match open(&seal_raw(&padded), &bob().machine_id(), &secret()) {
            Err(OpenError::Parcel(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let with_length = |parcel: &[u8]| [&u32::try_from(parcel.len()).unwrap().to_be_bytes()[..], parcel].concat();
    let good = parcel().encode();
    let mut full = with_length(&good);
    full.resize(1_024, 0);
    assert_eq!(open(&seal_raw(&full), &bob().machine_id(), &secret()), Ok(parcel()), "this way works");
    full[1_023] = 1;
    assert_eq!(opened(&full), ParcelError::Padding, "something hidden in the padding");
    assert_eq!(opened(&1_021u32.to_be_bytes()), ParcelError::Padding, "longer than the plaintext");
    assert_eq!(opened(&u32::MAX.to_be_bytes()), ParcelError::Padding);
    let decode = |field, problem| ParcelError::Decode(DecodeError { field, problem });
    assert_eq!(opened(&[]), decode("parcel", Problem::Truncated));
    assert_eq!(opened(&with_length(&[0xa0])), decode("frames", Problem::Missing));
    assert_eq!(opened(&with_length(&[0xa1, 1, 0x80])), decode("from", Problem::Missing));
    assert_eq!(opened(&with_length(&[0xa1, 0, 0x40])), decode("from", Problem::Length { expected: 32, actual: 0 }));
    let from = [&[0xa2, 0, 0x58, 32][..], alice().machine_id().as_bytes(), &[1]].concat();
    let frames = |frames: &[u8]| with_length(&[&from[..], frames].concat());
    assert_eq!(opened(&frames(&[0x81, 0x00])), decode("frame", Problem::Type));
    let unknown = ParcelError::Frame(FrameError::UnknownType(18));
    assert_eq!(opened(&frames(&[0x81, 0x43, 0x82, 0x12, 0xa0])), unknown);
    let hello = ParcelError::Frame(FrameError::NotDue(0));
    assert_eq!(opened(&frames(&[0x81, 0x43, 0x82, 0x00, 0xa0])), hello);
    let typing =
        opened(&frames(&[&[0x81, 0x58, 23, 0x82, 0x01, 0xa2, 0, 0x50][..], &[7; 16], &[1, 0xf5]].concat()[..]));
    assert!(matches!(typing, ParcelError::Decode(_) | ParcelError::NotForMailboxes(1)), "{typing:?}");

    // An odd frame of a later version is left out, the rest counts.
    let mut later = frames(&[0x81, 0x44, 0x82, 0x18, 101, 0xa0]);
    later.resize(1_024, 0);
    let empty = Parcel { from: alice().machine_id(), frames: Vec::new() };
    assert_eq!(open(&seal_raw(&later), &bob().machine_id(), &secret()), Ok(empty));
}

#[test]
fn no_secret_shows() {
    assert_eq!(format!("{:?}", secret()), "PrekeySecret { .. }");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_arrives_in_a_class_of_size(
        text in "[^\u{0}]{0,400}x", seed in any::<[u8; 32]>(), random in any::<[u8; 32]>(), again in 1usize..30,
    ) {
        let secret = PrekeySecret::from_seed(seed);
        let randomness: [u8; RANDOMNESS_BYTES] = std::array::from_fn(|place| random[place % 32]);
        let parcel = saying(&text.repeat(again));
        let sealed = seal(&parcel, &prekey_of(&bob(), &secret), NOW_S, &randomness).unwrap();
        prop_assert!([2_177, 5_249, 17_537, 66_691, 99_459].contains(&sealed.len()));
        prop_assert_eq!(open(&sealed, &bob().machine_id(), &secret), Ok(parcel));
    }
}
