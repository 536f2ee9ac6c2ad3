//! One function a decoder.

use bytes::Bytes;
use proto::beacon::Beacon;
use proto::frame::{Frame, Phase};
use proto::identity::Signature;
use proto::relay::{Expected, FilePass, FromRelay, RelayAddress, ToRelay};
use proto::sealed::{self, Parcel};
use proto::sealed_file::{FileId, FileSeal};
use proto::{
    Body, Event, EventId, Invitation, Kind, MachineId, Manifest, MessageId, Run, SessionId, SignedDeposit, SignedGrant,
    SignedPrekey, SignedProfile, SignedReceipt, VersionVector, limits, text,
};

use crate::seeds;

/// A decoder under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in `fuzz/corpus`.
    pub name: &'static str,
    /// Valid inputs to begin from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Decodes any bytes.
    ///
    /// # Panics
    /// When the decoder breaks a promise.
    pub run: fn(&[u8]),
}

/// All decoders of the protocol.
pub const TARGETS: [Target; 23] = [
    Target { name: "frame_before_hello", seeds: seeds::hellos, run: |bytes| frame(bytes, Phase::BeforeHello) },
    Target { name: "frame_after_hello", seeds: seeds::frames, run: |bytes| frame(bytes, Phase::AfterHello) },
    Target { name: "run", seeds: seeds::runs, run },
    Target { name: "event", seeds: seeds::headers, run: event },
    Target { name: "body", seeds: seeds::bodies, run: body },
    Target { name: "manifest", seeds: seeds::manifests, run: manifest },
    Target { name: "profile", seeds: seeds::profiles, run: profile },
    Target { name: "receipt", seeds: seeds::receipts, run: receipt },
    Target { name: "vector", seeds: seeds::vectors, run: vector },
    Target { name: "beacon", seeds: seeds::beacons, run: beacon },
    Target { name: "to_relay", seeds: seeds::to_relay, run: to_relay },
    Target { name: "from_relay", seeds: seeds::from_relay, run: from_relay },
    Target { name: "prekey", seeds: seeds::prekeys, run: prekey },
    Target { name: "grant", seeds: seeds::grants, run: grant },
    Target { name: "deposit", seeds: seeds::deposits, run: deposit },
    Target { name: "sealed_file", seeds: seeds::sealed_files, run: sealed_file },
    Target { name: "file_pass", seeds: seeds::file_passes, run: file_pass },
    Target { name: "envelope", seeds: seeds::envelopes, run: envelope },
    Target { name: "parcel", seeds: seeds::parcels, run: parcel },
    Target { name: "invitation", seeds: seeds::invitations, run: invitation },
    Target { name: "relay_address", seeds: seeds::addresses, run: address },
    Target { name: "id", seeds: seeds::ids, run: id },
    Target { name: "text", seeds: seeds::texts, run: texts },
];

fn frame(bytes: &[u8], phase: Phase) {
    let Ok(frame) = Frame::decode(bytes, phase) else { return };
    let again = Frame::decode(&frame.encode(), phase);
    assert_eq!(again.as_ref(), Ok(&frame), "what was read reads back");
}

fn run(bytes: &[u8]) {
    let Ok(run) = Run::decode(bytes) else { return };
    assert!(run.first_seq() >= 1 && run.first_seq() <= run.last_seq(), "a run has at least one event");
    let again = Run::decode(&run.encode());
    assert_eq!(again.as_ref(), Ok(&run), "what was read reads back");
    assert!(run.encode().len() <= run.wire_size(), "the size that is promised is enough");
    for event in run.events() {
        let _ = event.decode_body();
    }
    let _ = run.verify();
}

fn event(bytes: &[u8]) {
    let Ok(event) = Event::decode(Bytes::copy_from_slice(bytes), None) else { return };
    assert_eq!(event.header_bytes(), bytes, "the exact bytes are kept");
    assert_eq!(event.id(), EventId::of(bytes), "the ID is of the exact bytes");
    let _ = event.message_id();
    // The same fields written by this version: no longer than what came, and readable.
    let rewritten = Event::new(event.header().clone(), Bytes::new());
    assert!(rewritten.is_ok_and(|own| own.header_bytes().len() <= bytes.len()), "what was read can be written");
}

fn body(bytes: &[u8]) {
    let known = [Kind::OPEN, Kind::MESSAGE, Kind::EDIT, Kind::DELETE, Kind::REACTION, Kind::TIMER, Kind::PIN];
    for kind in known.into_iter().chain([Kind(u16::MAX)]) {
        let Ok(body) = Body::decode(kind, bytes) else { continue };
        if let Ok(again) = body.encode() {
            assert_eq!(Body::decode(kind, &again), Ok(body), "what was read reads back");
        }
    }
}

fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::decode(bytes) else { return };
    for entry in &manifest.entries {
        assert!(!entry.path.is_empty() && entry.path.iter().all(|name| name != ".." && !name.contains('/')));
    }
    let again = manifest.encode().ok().and_then(|bytes| Manifest::decode(bytes.get(4..)?).ok());
    assert_eq!(again, Some(manifest), "what was read reads back");
}

fn profile(bytes: &[u8]) {
    let signature = Signature::from_bytes([1; 64]);
    let Ok(profile) = SignedProfile::decode(Bytes::copy_from_slice(bytes), signature) else { return };
    assert_eq!(profile.bytes(), bytes, "the exact bytes are kept");
    assert_eq!(text::clean_name(&profile.profile().name).as_ref(), Ok(&profile.profile().name), "the name is clean");
    assert!(profile.verify().is_err(), "a made-up signature fits nothing");
}

fn receipt(bytes: &[u8]) {
    let signature = Signature::from_bytes([1; 64]);
    let Ok(receipt) = SignedReceipt::decode(Bytes::copy_from_slice(bytes), signature) else { return };
    assert_eq!(receipt.bytes(), bytes, "the exact bytes are kept");
    assert!(receipt.verify().is_err(), "a made-up signature fits nothing");
}

fn vector(bytes: &[u8]) {
    let Ok(vector) = VersionVector::decode(bytes) else { return };
    assert_eq!(vector.encode(), bytes, "one vector has one encoding");
    let mut merged = vector.clone();
    merged.merge(&vector);
    assert!(merged == vector && vector.covers_all(&merged), "a vector covers itself");
}

fn beacon(bytes: &[u8]) {
    let Ok(beacon) = Beacon::decode(bytes) else { return };
    assert_eq!(Beacon::decode(&beacon.encode()), Ok(beacon), "what was read reads back");
}

fn to_relay(bytes: &[u8]) {
    let Ok(frame) = ToRelay::decode(bytes) else { return };
    if let ToRelay::Login(login) = &frame {
        assert!(login.verify(&[0; 32], Expected::Keys(&[])).is_err(), "a made-up login is good nowhere");
    }
    assert_eq!(ToRelay::decode(&frame.encode()), Ok(frame), "what was read reads back");
}

fn from_relay(bytes: &[u8]) {
    let Ok(frame) = FromRelay::decode(bytes) else { return };
    assert_eq!(FromRelay::decode(&frame.encode()), Ok(frame), "what was read reads back");
}

fn prekey(bytes: &[u8]) {
    let signature = Signature::from_bytes([1; 64]);
    let Ok(prekey) = SignedPrekey::decode(Bytes::copy_from_slice(bytes), signature) else { return };
    assert_eq!(prekey.bytes(), bytes, "the exact bytes are kept");
    assert!(prekey.verify().is_err(), "a made-up signature fits nothing");
}

fn grant(bytes: &[u8]) {
    let signature = Signature::from_bytes([1; 64]);
    let Ok(grant) = SignedGrant::decode(Bytes::copy_from_slice(bytes), signature) else { return };
    assert_eq!(grant.bytes(), bytes, "the exact bytes are kept");
    assert!(grant.verify().is_err(), "a made-up signature fits nothing");
}

fn deposit(bytes: &[u8]) {
    let signature = Signature::from_bytes([1; 64]);
    let Ok(deposit) = SignedDeposit::decode(Bytes::copy_from_slice(bytes), signature) else { return };
    assert_eq!(deposit.bytes(), bytes, "the exact bytes are kept");
    assert!(deposit.verify().is_err(), "a made-up signature fits nothing");
}

/// The first bytes are a size and a place, the rest is what a relay gives for that.
fn sealed_file(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first_chunk::<8>() else { return };
    let Some((chunk, sealed)) = rest.split_first_chunk::<8>() else { return };
    let (size, chunk) = (u64::from_be_bytes(*size), u64::from_be_bytes(*chunk));
    let seal = FileSeal::new(&seeds::file_key(), size);
    assert!(seal.sealed_bytes(chunk) == 0 || chunk < seal.chunks(), "only chunks that there are have a size");
    let mut opened = sealed.to_vec();
    if seal.open(chunk, &mut opened).is_ok() {
        assert_eq!(opened.len(), seal.content_bytes(chunk), "padding is left out");
        let mut again = opened;
        assert!(seal.seal(chunk, &mut again).is_ok() && again == sealed, "what opens was sealed");
    }
}

fn file_pass(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(pass) = text.parse::<FilePass>() {
        assert_eq!(pass.to_string().parse(), Ok(pass), "what was read reads back");
    }
    if let Ok(id) = text.parse::<FileId>() {
        assert_eq!(id.to_string(), text, "an ID has one text form");
    }
}

fn envelope(bytes: &[u8]) {
    let _ = sealed::key_id(bytes);
    let Ok(parcel) = sealed::open(bytes, &seeds::reader().machine_id(), &seeds::secret()) else { return };
    let again = Parcel::decode(&parcel.encode(), &seeds::reader().machine_id());
    assert_eq!(again, Ok(parcel), "what was opened is one that could be sealed");
}

fn parcel(bytes: &[u8]) {
    let recipient = seeds::reader().machine_id();
    let Ok(parcel) = Parcel::decode(bytes, &recipient) else { return };
    assert_ne!(parcel.from, recipient, "nobody leaves himself something");
    let again = Parcel::decode(&parcel.encode(), &recipient);
    assert_eq!(again, Ok(parcel), "what was read reads back");
}

fn invitation(bytes: &[u8]) {
    let Ok(invitation) = String::from_utf8_lossy(bytes).parse::<Invitation>() else { return };
    let link = invitation.to_string();
    assert!(link.len() <= limits::INVITATION_BYTES, "what was read can be written");
    assert_eq!(link.parse(), Ok(invitation), "what was read reads back");
}

fn address(bytes: &[u8]) {
    let Ok(address) = String::from_utf8_lossy(bytes).parse::<RelayAddress>() else { return };
    let again: Result<RelayAddress, _> = address.to_string().parse();
    assert_eq!(again.as_ref(), Ok(&address), "what was read reads back");
    let origin = address.origin();
    assert!(origin.len() <= limits::RELAY_ORIGIN_BYTES, "a login has room for it");
    if origin.len() <= limits::RELAY_ADDRESS_BYTES {
        let again = origin.parse::<RelayAddress>().map(|bare| bare.origin());
        assert_eq!(again, Ok(origin), "an origin is an address too");
    }
}

fn id(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(id) = text.parse::<MachineId>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase(), "a machine has one text form");
    }
    if let Ok(id) = text.parse::<SessionId>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase(), "a session has one text form");
    }
    if let Ok(id) = text.parse::<EventId>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase(), "an event has one text form");
    }
    let _ = text.parse::<MessageId>();
}

fn texts(bytes: &[u8]) {
    let arrived = String::from_utf8_lossy(bytes);
    for clean in [text::clean_name, text::clean_device, text::clean_status] {
        if let Ok(cleaned) = clean(&arrived) {
            assert_eq!(clean(&cleaned).as_ref(), Ok(&cleaned), "cleaning is done once");
            assert!(!cleaned.chars().any(char::is_control), "no control character passes");
        }
    }
    if text::check_message(&arrived).is_ok() {
        assert!(Body::message(arrived.as_ref()).encode().is_ok(), "a good text makes a body");
    }
    let printable = text::printable(&arrived, 50);
    assert!(printable.len() <= 50 && !printable.chars().any(char::is_control), "fit for a log");
}
