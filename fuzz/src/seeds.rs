//! Valid inputs, from which mutation begins.

use proto::attachment::Entry;
use proto::beacon::Beacon;
use proto::frame::{BlobState, ByeReason, Frame, Hello, HoldReason, PresenceStatus, RejectCode};
use proto::log::{Local, Parent, RunBuilder};
use proto::relay::{
    FileLimits, FilePass, FromRelay, GrantSecret, Item, Limits, Login, RefusalCode, Refused, RelayBye, Ticket, ToRelay,
    Token, TokenEntry, TokenHash,
};
use proto::sealed::{self, Parcel, PrekeySecret};
use proto::sealed_file::FileSeal;
use proto::{
    Attachment, Blob, Body, EditBody, Epoch, EventId, FileKey, Identity, MachineId, Manifest, MessageBody, MessageId,
    Picture, Prekey, Profile, ReactionBody, ReceiptKind, Run, SessionId, SignedDeposit, SignedGrant, SignedPrekey,
    SignedProfile, SignedReceipt, VersionVector,
};

const WALL_MS: u64 = 1_795_219_200_000;

fn alice() -> Identity {
    Identity::from_seed([0xa1; 32])
}

fn other() -> MachineId {
    MachineId::from_bytes([0x0b; 32])
}

fn session() -> SessionId {
    SessionId::direct(&alice().machine_id(), &other())
}

fn signed_run(bodies: &[Body], parents: u8) -> Option<Run> {
    let local = Local { machine: alice().machine_id(), epoch: Epoch::new(7) };
    let parents = (0..parents).map(|n| Parent { id: EventId::from_bytes([n; 32]), lamport: n.into() });
    let mut builder = RunBuilder::new(session(), &local, None, parents).ok()?;
    for body in bodies {
        builder.push(WALL_MS, body).ok()?;
    }
    builder.sign(&alice()).ok().map(|(run, _)| run.into_run())
}

/// A message with every field, and what may be said about it.
fn later_bodies() -> Vec<Body> {
    let target = MessageId::for_event(WALL_MS, &EventId::of(b""));
    let mentions = vec![alice().machine_id(), other()];
    let message = MessageBody {
        text: "Yes, @Bob.".to_owned(),
        reply_to: Some(target),
        attachments: vec![Attachment {
            blob: Blob { hash: [7; 32], size: 1 << 33 },
            name: "Ünï 文件.tar.gz".to_owned(),
            mime: "application/gzip".to_owned(),
            files: Some(3),
            picture: Some(Picture { width: 640, height: 480, animated: true }),
            thumbnail: Some(Blob { hash: [8; 32], size: 9_000 }),
        }],
        forwarded: true,
        expires_after: Some(3_600),
        mentions: mentions.clone(),
    };
    vec![
        Body::Message(message),
        Body::Edit(EditBody { target, text: "another text".to_owned(), mentions }),
        Body::Reaction(ReactionBody { target, emoji: "👩\u{200D}🚀".to_owned(), on: true }),
        Body::Timer { seconds: 3_600 },
        Body::Pin { target, on: true },
        Body::Delete { target },
    ]
}

fn some_runs() -> Vec<Run> {
    let long = "a longer text, with ümläuts and ☀️ ".repeat(9);
    [
        signed_run(&[Body::Open], 0),
        signed_run(&[Body::Open, Body::message("hello"), Body::message(long)], 1),
        signed_run(&[Body::message("x")], 16),
        signed_run(&later_bodies(), 1),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn some_vector() -> VersionVector {
    [
        (alice().machine_id(), Epoch::new(7), 3),
        (alice().machine_id(), Epoch::new(u64::MAX), 70_000),
        (other(), Epoch::new(0), 1),
    ]
    .into_iter()
    .collect()
}

fn some_profile() -> Option<SignedProfile> {
    let profile = Profile {
        name: "Alice".to_owned(),
        device: "desk".to_owned(),
        status_text: "back at three".to_owned(),
        colour: 7,
        relays: ADDRESSES.iter().filter_map(|address| address.parse().ok()).take(4).collect(),
    };
    SignedProfile::sign(&alice(), 3, &profile).ok()
}

fn some_receipt(kind: ReceiptKind) -> SignedReceipt {
    let wall_ms = (kind == ReceiptKind::Read).then_some(WALL_MS);
    SignedReceipt::sign(&alice(), session(), kind, 9, some_vector(), wall_ms)
}

pub(crate) fn hellos() -> Vec<Vec<u8>> {
    let hello = some_profile().map(|profile| {
        Frame::Hello(Hello { version: 1, features: 0, listen_port: 4281, wall_ms: WALL_MS, instance: 1 << 60, profile })
    });
    let bye = Frame::Bye { reason: ByeReason::Duplicate };
    hello.into_iter().chain([bye]).map(|frame| frame.encode()).collect()
}

pub(crate) fn frames() -> Vec<Vec<u8>> {
    let session = session();
    let mut frames = vec![
        Frame::Digests(vec![(session, some_vector().digest()), (SessionId::from_bytes([1; 16]), [2; 32])]),
        Frame::Vector { session, vector: some_vector() },
        Frame::Events { session, runs: some_runs() },
        Frame::Receipts(vec![some_receipt(ReceiptKind::Delivered), some_receipt(ReceiptKind::Read)]),
        Frame::Hold { session, reason: HoldReason::NotAccepted },
        Frame::Reject { session, code: RejectCode::Invalid, detail: "lamport at seq 3".to_owned() },
        Frame::Bye { reason: ByeReason::ShuttingDown },
        Frame::Typing { session, on: true },
        Frame::Presence { status: PresenceStatus::Away },
        Frame::BlobWant { hash: [3; 32], from: 65_536 },
        Frame::BlobState { hash: [3; 32], state: BlobState::NoRoom },
        Frame::Ignored(101),
    ];
    frames.extend(some_profile().map(Frame::Profile));
    frames.extend(some_prekey().map(Frame::Prekey));
    frames.extend([Frame::Grant(some_grant()), Frame::Invited { proof: [5; 32] }]);
    frames.extend(some_deposits().into_iter().take(1).map(Frame::Deposit));
    frames.iter().map(Frame::encode).collect()
}

pub(crate) fn runs() -> Vec<Vec<u8>> {
    some_runs().iter().map(Run::encode).collect()
}

pub(crate) fn headers() -> Vec<Vec<u8>> {
    some_runs().iter().flat_map(Run::events).map(|event| event.header_bytes().to_vec()).collect()
}

pub(crate) fn bodies() -> Vec<Vec<u8>> {
    some_runs().iter().flat_map(Run::events).filter_map(|event| event.body().map(|body| body.to_vec())).collect()
}

pub(crate) fn manifests() -> Vec<Vec<u8>> {
    let entry = |path: &[&str], size| Entry { path: path.iter().map(ToString::to_string).collect(), size };
    let entries = vec![entry(&["a.txt"], Some(70_000)), entry(&["sub", "ü.bin"], Some(0)), entry(&["empty"], None)];
    let encoded = Manifest { entries }.encode();
    encoded.iter().filter_map(|bytes| bytes.get(4..)).map(<[u8]>::to_vec).collect()
}

pub(crate) fn profiles() -> Vec<Vec<u8>> {
    some_profile().iter().map(|profile| profile.bytes().to_vec()).collect()
}

pub(crate) fn receipts() -> Vec<Vec<u8>> {
    [ReceiptKind::Delivered, ReceiptKind::Read].map(|kind| some_receipt(kind).bytes().to_vec()).to_vec()
}

pub(crate) fn vectors() -> Vec<Vec<u8>> {
    vec![VersionVector::new().encode(), some_vector().encode()]
}

pub(crate) fn beacons() -> Vec<Vec<u8>> {
    vec![Beacon { version: 1, machine: alice().machine_id(), port: 4281, instance: 1 << 60 }.encode()]
}

fn some_prekey() -> Option<SignedPrekey> {
    let prekey = Prekey {
        machine: alice().machine_id(),
        version: 12,
        suite: 1,
        public: vec![7; 1_216].into(),
        not_before_s: WALL_MS / 1000,
        not_after_s: WALL_MS / 1000 + 604_800,
    };
    SignedPrekey::sign(&alice(), prekey).ok()
}

fn some_grant() -> SignedGrant {
    SignedGrant::sign(&alice(), other(), 2, GrantSecret::from_bytes([6; 32]))
}

pub(crate) fn grants() -> Vec<Vec<u8>> {
    vec![some_grant().bytes().to_vec()]
}

pub(crate) fn file_key() -> FileKey {
    FileKey::from_bytes([0xf1; 32])
}

fn some_deposits() -> Vec<SignedDeposit> {
    let relays = ADDRESSES.iter().filter_map(|address| address.parse().ok());
    relays.map(|relay| SignedDeposit::sign(&alice(), [7; 32], relay, file_key(), WALL_MS / 1000)).collect()
}

pub(crate) fn deposits() -> Vec<Vec<u8>> {
    some_deposits().iter().map(|deposit| deposit.bytes().to_vec()).collect()
}

/// Sealed chunks behind the file's size and their place.
pub(crate) fn sealed_files() -> Vec<Vec<u8>> {
    let of = |(size, chunk): (u64, u64)| {
        let seal = FileSeal::new(&file_key(), size);
        let mut bytes = vec![7; seal.content_bytes(chunk)];
        let sealed = seal.seal(chunk, &mut bytes);
        sealed.ok().map(|()| [&size.to_be_bytes(), &chunk.to_be_bytes(), bytes.as_slice()].concat())
    };
    [(100, 0), (65_537, 1), (70_000, 1)].into_iter().filter_map(of).collect()
}

pub(crate) fn file_passes() -> Vec<Vec<u8>> {
    let pass = FilePass { mailbox: other(), token: Token::from_bytes([3; 32]) };
    [pass.to_string(), file_key().id().to_string()].map(String::into_bytes).to_vec()
}

/// Who opens what others sealed.
pub(crate) fn reader() -> Identity {
    Identity::from_seed([0xb0; 32])
}

pub(crate) fn secret() -> PrekeySecret {
    PrekeySecret::from_seed([0x5c; 32])
}

fn some_parcels() -> Vec<Parcel> {
    let (from, session) = (alice().machine_id(), SessionId::direct(&alice().machine_id(), &reader().machine_id()));
    let local = Local { machine: from, epoch: Epoch::new(7) };
    let run = || {
        let mut builder = RunBuilder::new(session, &local, None, []).ok()?;
        builder.push(WALL_MS, &Body::message("hello")).ok()?;
        builder.sign(&alice()).ok().map(|(run, _)| run.into_run())
    };
    let receipt = SignedReceipt::sign(&alice(), session, ReceiptKind::Delivered, 9, some_vector(), None);
    let grant = SignedGrant::sign(&alice(), reader().machine_id(), 2, GrantSecret::from_bytes([6; 32]));
    let mut frames = vec![
        Frame::Events { session, runs: run().into_iter().collect() },
        Frame::Receipts(vec![receipt]),
        Frame::Grant(grant),
    ];
    frames.extend(some_profile().map(Frame::Profile));
    frames.extend(some_deposits().into_iter().take(1).map(Frame::Deposit));
    let short = Parcel { from, frames: frames.clone() };
    frames.extend(some_prekey().map(Frame::Prekey));
    vec![short, Parcel { from, frames }]
}

pub(crate) fn parcels() -> Vec<Vec<u8>> {
    some_parcels().iter().map(Parcel::encode).collect()
}

pub(crate) fn envelopes() -> Vec<Vec<u8>> {
    let (not_before_s, not_after_s) = (WALL_MS / 1000, WALL_MS / 1000 + 604_800);
    let (machine, public) = (reader().machine_id(), secret().public());
    let prekey = Prekey { machine, version: 1, suite: 1, public, not_before_s, not_after_s };
    let Ok(prekey) = SignedPrekey::sign(&reader(), prekey) else { return Vec::new() };
    let sealed = some_parcels().into_iter().map(|parcel| sealed::seal(&parcel, &prekey, not_before_s, &[9; 64]));
    sealed.filter_map(Result::ok).map(|envelope| envelope.to_vec()).collect()
}

pub(crate) fn prekeys() -> Vec<Vec<u8>> {
    some_prekey().iter().map(|prekey| prekey.bytes().to_vec()).collect()
}

const ADDRESSES: [&str; 5] = [
    "wss://relay.example.org",
    "WSS://Relay.Example.ORG:4282/",
    "ws://127.0.0.1:80/",
    "wss://[2001:DB8:0::1]:7",
    "wss://a:9/#aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

pub(crate) fn addresses() -> Vec<Vec<u8>> {
    ADDRESSES.iter().map(|address| address.as_bytes().to_vec()).collect()
}

pub(crate) fn invitations() -> Vec<Vec<u8>> {
    let machine = alice().machine_id();
    let links = [
        format!("landline://add/{machine}"),
        format!("LANDLINE://ADD/{machine}/?name=Alice%20M%C3%BCller&token=c4lrofyxc4lrofyxc4lrofyxc4"),
        format!(
            "landline://add/{machine}?addr=10.0.0.7:4281&addr=%5Bfd00::7%5D:4281&relay=wss://a/%23{}",
            "a".repeat(52)
        ),
    ];
    links.into_iter().map(String::into_bytes).collect()
}

pub(crate) fn to_relay() -> Vec<Vec<u8>> {
    let (request, token, hash) = (7, Token::from_bytes([3; 32]), TokenHash::from_bytes([4; 32]));
    let entries = [None, Some(600)].map(|lifetime_s| TokenEntry { hash, lifetime_s });
    let mut frames = vec![
        ToRelay::Tokens { request, add: entries.to_vec(), remove: vec![hash], replace: true },
        ToRelay::Watch { request, items: vec![(other(), token.clone())], replace: false },
        ToRelay::Open { request, machine: other(), token: token.clone() },
        ToRelay::Put { request, to: other(), token: Some(token), envelope: vec![9; 90].into() },
        ToRelay::Put { request, to: other(), token: None, envelope: vec![9; 9].into() },
        ToRelay::Fetch { request, after: 1 << 40, limit: 64 },
        ToRelay::Ack { request, cursors: vec![1, 500, 1 << 40] },
        ToRelay::GetPrekey { request, machine: other() },
        ToRelay::Ignored(101),
    ];
    frames.extend(some_prekey().map(|prekey| ToRelay::Publish { request, prekey }));
    frames.extend(
        ADDRESSES
            .iter()
            .filter_map(|address| address.parse().ok())
            .map(|address| ToRelay::Login(Login::sign(&alice(), &[5; 32], &address, Some([6; 32]), Some(vec![8; 16])))),
    );
    frames.iter().map(ToRelay::encode).collect()
}

pub(crate) fn from_relay() -> Vec<Vec<u8>> {
    let (request, ticket) = (7, Ticket::from_bytes([3; 32]));
    let (detail, limit) = ("the mailbox holds 1,000 items".to_owned(), Some(1_000));
    let refused =
        Refused { request: Some(request), code: RefusalCode::MailboxFull, detail, limit, retry_after_s: Some(9) };
    let item = |cursor| Item { cursor, put_s: WALL_MS / 1000, envelope: vec![9; 90].into() };
    let limits = Limits {
        items: 1_000,
        bytes: 64 << 20,
        ttl_s: 1_814_400,
        envelope_bytes: 99_459,
        puts_per_minute: 60,
        puts_burst: 10,
        request_items: 16,
        request_bytes: 17_537,
        request_ttl_s: 604_800,
        tokens: 4_096,
        watches: 4_096,
        circuits: 64,
        circuit_bytes_per_s: 0,
        files: Some(FileLimits { file_bytes: 500 << 20, ttl_s: 1_814_400, bytes: 2 << 30, count: 1_000 }),
    };
    let frames = [
        FromRelay::Challenge { version: 1, nonce: [5; 32] },
        FromRelay::Welcome { limits, wall_ms: WALL_MS },
        FromRelay::Welcome { limits: Limits { files: None, ..limits }, wall_ms: WALL_MS },
        FromRelay::Refused(refused),
        FromRelay::Done { request },
        FromRelay::Opened { request, ticket: ticket.clone() },
        FromRelay::Incoming { ticket },
        FromRelay::Presence { items: vec![(other(), true), (alice().machine_id(), false)] },
        FromRelay::Items { request, items: vec![item(1), item(500)], more: true },
        FromRelay::Prekey { request, prekey: some_prekey() },
        FromRelay::Prekey { request, prekey: None },
        FromRelay::Bye { code: RelayBye::Replaced, after_s: 20 },
        FromRelay::Arrived,
        FromRelay::Ignored(101),
    ];
    frames.iter().map(FromRelay::encode).collect()
}

pub(crate) fn ids() -> Vec<Vec<u8>> {
    let event = EventId::of(b"");
    let texts = [alice().machine_id().to_string(), session().to_string(), event.to_string()];
    texts.into_iter().map(String::into_bytes).collect()
}

pub(crate) fn texts() -> Vec<Vec<u8>> {
    ["Alice", " Ада ", "👩\u{200D}🚀", "\u{202E}abc\u{202C}", "a\0b", "\u{3164}\u{200B}", "two\nlines"]
        .into_iter()
        .map(|text| text.as_bytes().to_vec())
        .collect()
}
