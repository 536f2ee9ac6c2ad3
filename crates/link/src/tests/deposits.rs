//! Files at a relay: the real one in this process, and such that lie.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use proto::{
    attachment::Blob,
    relay::{FilePass, RefusalCode, RelayAddress, file_path},
    sealed_file::{FileKey, FileSeal, sealed_size},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_util::sync::CancellationToken;

use super::{
    blobs::{GROUP, Kept, bytes},
    machine::{Machine, identity},
    relays::{Place, hurried, machine_with, plan, token_of},
};
use crate::{
    RelayError, RelayState, Timings,
    blob::{BlobError, Source, stream::InMemory},
    tasks::Tasks,
};

fn key(number: u8) -> FileKey {
    FileKey::from_bytes([number; 32])
}

fn blob(data: &[u8]) -> Blob {
    Blob { hash: *blake3::hash(data).as_bytes(), size: data.len() as u64 }
}

/// A machine at home at a relay, and its right to lay files down there.
async fn at_home(relay: &RelayAddress) -> (Machine, FilePass) {
    let mut anna = machine_with(identity(), hurried()).await;
    anna.link.set_relays(vec![plan(&anna.id, relay, &[])]);
    while anna.relay().await != RelayState::Connected {}
    let pass = FilePass { mailbox: anna.id, token: token_of(&anna.id, relay) };
    (anna, pass)
}

async fn lay_down(anna: &Machine, relay: &RelayAddress, pass: &FilePass, key: &FileKey, data: &[u8]) -> Duration {
    let (source, cancel) = (Box::new(InMemory(data.to_vec())), CancellationToken::new());
    anna.link.deposit(relay, pass, key, data.len() as u64, source, &cancel).await.unwrap().lifetime
}

/// Fetches what follows `before`.
async fn fetch(
    machine: &Machine,
    relay: &RelayAddress,
    key: &FileKey,
    blob: Blob,
    before: &[u8],
) -> (Kept, Result<(), BlobError>) {
    let kept = Kept::default();
    let (from, sink) = (before.len() as u64, Box::new(kept.clone()));
    let before = Box::new(InMemory(before.to_vec()));
    let outcome = machine.link.collect(relay, key, blob, from, before, sink, &CancellationToken::new()).await;
    (kept, outcome)
}

#[tokio::test]
async fn a_file_waits_at_a_relay_for_whoever_has_its_key() {
    for place in [Place::plain().await, Place::encrypted().await] {
        let (anna, pass) = at_home(&place.address).await;
        let ben = Machine::start(identity()).await;
        for (number, size) in [(1, 1), (2, GROUP), (3, 5 * GROUP + 123), (4, 20_000)] {
            let data = bytes(size);
            let lifetime = lay_down(&anna, &place.address, &pass, &key(number), &data).await;
            assert_eq!(lifetime, Duration::from_secs(21 * 24 * 60 * 60));
            let again = lay_down(&anna, &place.address, &pass, &key(number), &data).await;
            assert_eq!(again, lifetime, "because it lies there");
            let (kept, fetched) = fetch(&ben, &place.address, &key(number), blob(&data), &[]).await;
            fetched.unwrap();
            assert!(kept.is_whole() && kept.bytes() == data, "{size} bytes");
        }
        anna.link.withdraw(&place.address, &pass, &key(1).id()).await.unwrap();
        anna.link.withdraw(&place.address, &pass, &key(1).id()).await.unwrap();
        let (_, gone) = fetch(&ben, &place.address, &key(1), blob(&bytes(1)), &[]).await;
        assert!(matches!(gone, Err(BlobError::RelayRefused(refused)) if refused.code == RefusalCode::NoFile));
    }
}

/// Reads bytes up to a place, and then says so and stands still, or fails.
struct Cut {
    data: InMemory,
    at: u64,
    reached: CancellationToken,
    fails: bool,
}

impl Source for Cut {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if offset >= self.at {
            self.reached.cancel();
            if self.fails {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        self.data.read_at(offset, into)
    }
}

#[tokio::test]
async fn both_ways_go_on_where_they_were_cut() {
    let place = Place::encrypted().await;
    let (anna, pass) = at_home(&place.address).await;
    // Chunks of nothing but padding follow.
    let data = bytes(17 * GROUP + 123);
    let size = data.len() as u64;
    let (reached, cancel) = (CancellationToken::new(), CancellationToken::new());
    let source = |fails| Cut { data: InMemory(data.clone()), at: 9 * GROUP as u64, reached: reached.clone(), fails };
    let unreadable = anna.link.deposit(&place.address, &pass, &key(1), size, Box::new(source(true)), &cancel).await;
    assert!(
        matches!(&unreadable, Err(BlobError::Source(error)) if error.kind() == io::ErrorKind::PermissionDenied),
        "{unreadable:?}"
    );
    let cancelled = anna.link.deposit(&place.address, &pass, &key(1), size, Box::new(source(false)), &reached).await;
    assert!(matches!(cancelled, Err(BlobError::Cancelled)), "because it was cancelled before it began");

    // What has come by then stays, so the first half is not read again.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let rest = Seen { data: InMemory(data.clone()), seen: seen.clone() };
    // The relay may still be at bringing the last piece to its disk: then it says where it goes on.
    let rest_of = || Box::new(Seen { data: InMemory(data.clone()), seen: seen.clone() });
    let mut done = anna.link.deposit(&place.address, &pass, &key(1), size, Box::new(rest), &cancel).await;
    while matches!(&done, Err(BlobError::RelayRefused(refused)) if refused.code == RefusalCode::Offset) {
        done = anna.link.deposit(&place.address, &pass, &key(1), size, rest_of(), &cancel).await;
    }
    done.unwrap();
    assert!(!seen.lock().unwrap().is_empty());

    let first = Kept::with_room(6 * GROUP);
    let (none, sink) = (Box::new(InMemory(Vec::new())), Box::new(first.clone()));
    let cut = anna.link.collect(&place.address, &key(1), blob(&data), 0, none, sink, &cancel).await;
    assert!(matches!(cut, Err(BlobError::Sink(_))), "{cut:?}");
    let have = first.bytes();
    assert!(have.len() == 6 * GROUP && data.starts_with(&have), "because what was opened stays");
    let (second, fetched) = fetch(&anna, &place.address, &key(1), blob(&data), &have).await;
    fetched.unwrap();
    assert!(second.is_whole() && [have, second.bytes()].concat() == data);
}

/// Notes where it is read.
struct Seen {
    data: InMemory,
    seen: Arc<Mutex<Vec<u64>>>,
}

impl Source for Seen {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.seen.lock().unwrap().push(offset);
        self.data.read_at(offset, into)
    }
}

#[tokio::test]
async fn an_upload_begins_where_the_relay_says_also_within_a_chunk() {
    let data = bytes(3 * GROUP);
    let seal = FileSeal::new(&key(1), data.len() as u64);
    let mut sealed = Vec::new();
    for (number, group) in data.chunks(GROUP).enumerate() {
        let mut chunk = group.to_vec();
        seal.seal(number as u64, &mut chunk).unwrap();
        sealed.extend(chunk);
    }
    let total = sealed_size(data.len() as u64);
    let offset = GROUP + 16 + 1_000;
    let said = |offset: u64| {
        format!(
            "200 OK\r\nupload-offset: {offset}\r\nupload-length: {total}\r\nfile-lifetime: 60\r\ncontent-length: 0\r\n"
        )
    };
    let answers = vec![said(offset as u64).into_bytes(), said(total).into_bytes()];
    let relay = Liar::answers(answers, total as usize - offset).await;
    let anna = Machine::start(identity()).await;
    let pass = FilePass { mailbox: anna.id, token: token_of(&anna.id, &relay.address) };
    assert_eq!(lay_down(&anna, &relay.address, &pass, &key(1), &data).await, Duration::from_secs(60));
    let requests = relay.requests.lock().unwrap().clone();
    assert!(requests[0].starts_with(format!("PUT {} ", file_path(&seal.id())).as_bytes()));
    assert!(requests[1].ends_with(&sealed[offset..]), "because the relay has the rest");
    let head = String::from_utf8_lossy(&requests[1]).to_lowercase();
    assert!(head.contains(&format!("upload-offset: {offset}")) && head.contains(&pass.to_string().to_lowercase()));
    let hash = blob(&data).hash;
    for told in [hash.as_slice(), &[1; 32], &data[..32]] {
        assert!(requests.iter().all(|request| !request.windows(32).any(|part| part == told)), "{told:?}");
    }
}

#[tokio::test]
async fn refusals_come_with_their_limit() {
    let place = Place::plain().await;
    let (anna, pass) = at_home(&place.address).await;
    let cancel = CancellationToken::new();
    let refused = |outcome: Result<_, BlobError>| match outcome {
        Err(BlobError::RelayRefused(refused)) => (refused.code, refused.limit),
        other => panic!("{other:?}"),
    };
    let source = || Box::new(InMemory(Vec::new()));
    let large = anna.link.deposit(&place.address, &pass, &key(2), 600 << 20, source(), &cancel).await;
    assert_eq!(refused(large), (RefusalCode::TooLarge, Some(500 << 20)));
    let guess = FilePass { token: proto::relay::Token::from_bytes([9; 32]), ..pass };
    assert_eq!(
        refused(anna.link.deposit(&place.address, &guess, &key(3), 1, source(), &cancel).await).0,
        RefusalCode::BadToken
    );
    let elsewhere: RelayAddress = "ws://127.0.0.1:1".parse().unwrap();
    let gone = anna.link.deposit(&elsewhere, &guess, &key(3), 1, source(), &cancel).await;
    assert!(matches!(gone, Err(BlobError::Relay(RelayError::Unreachable(_)))), "{gone:?}");
}

#[tokio::test]
async fn a_relay_that_gives_something_else_is_noticed_before_it_is_kept() {
    let data = bytes(3 * GROUP + 5);
    let seal = FileSeal::new(&key(1), data.len() as u64);
    let mut chunks = Vec::new();
    for number in 0..seal.chunks() {
        let start = (number as usize * GROUP).min(data.len());
        let mut chunk = data[start..start + seal.content_bytes(number)].to_vec();
        seal.seal(number, &mut chunk).unwrap();
        chunks.push(chunk);
    }
    let good = chunks.concat();
    let given = |head: String, body: &[u8]| [head.as_bytes(), b"\r\n", body].concat();
    let ok = |body: &[u8]| given(format!("200 OK\r\ncontent-length: {}\r\n", body.len()), body);
    let mut changed = good.clone();
    changed[GROUP + 16 + 7] ^= 1;
    let swapped = [&chunks[1], &chunks[0], &chunks[2], &chunks[3]].map(Vec::as_slice).concat();
    let cut = given(format!("200 OK\r\ncontent-length: {}\r\n", good.len()), &good[..2 * GROUP + 100]);
    let endless = given("200 OK\r\n".into(), &good);
    let redirected = given("302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n".into(), &[]);
    let long = given(format!("404 Not Found\r\ncontent-length: {}\r\n", 1 << 30), &vec![0; 100_000]);
    for (what, answer, kept_groups) in [
        ("as it was laid down", ok(&good), 4),
        ("a bit changed", ok(&changed), 1),
        ("two chunks swapped", ok(&swapped), 0),
        ("cut off", cut, 2),
        ("shorter than it must be", ok(&good[..good.len() - 1]), 0),
        ("longer than it must be", ok(&[good.clone(), vec![0; 16]].concat()), 0),
        ("without a length", endless, 0),
        ("another file", ok(&vec![7; good.len()]), 0),
        ("somewhere else", redirected, 0),
        ("a refusal without end", long, 0),
        ("nothing", Vec::new(), 0),
    ] {
        let relay = Liar::answers(vec![answer], 0).await;
        let ben = machine_with(identity(), Timings { write_stall: Duration::from_secs(2), ..hurried() }).await;
        let (kept, fetched) = fetch(&ben, &relay.address, &key(1), blob(&data), &[]).await;
        let have = kept.bytes();
        assert!(data.starts_with(&have) && have.len() <= kept_groups * GROUP, "{what}: {} bytes", have.len());
        assert_eq!(fetched.is_ok(), kept_groups == 4, "{what}: {fetched:?}");
        assert_eq!(kept.is_whole(), kept_groups == 4, "{what}");
    }

    // Who has the key may have sealed something else.
    let relay = Liar::answers(vec![ok(&good)], 0).await;
    let ben = Machine::start(identity()).await;
    let meant = Blob { hash: *blake3::hash(b"what was meant").as_bytes(), size: data.len() as u64 };
    let (kept, fetched) = fetch(&ben, &relay.address, &key(1), meant, &[]).await;
    assert!(matches!(fetched, Err(BlobError::Mismatch)) && !kept.is_whole(), "{fetched:?}");
}

#[tokio::test]
async fn an_upload_to_a_relay_that_talks_nonsense_ends() {
    let said = |text: &str| format!("200 OK\r\n{text}content-length: 0\r\n\r\n").into_bytes();
    let total = sealed_size(10);
    for answer in [
        said(""),
        said(&format!("upload-offset: {}\r\nupload-length: {total}\r\nfile-lifetime: 1\r\n", total + 1)),
        said(&format!("upload-offset: 0\r\nupload-length: {}\r\nfile-lifetime: 1\r\n", total + 1)),
        said(&format!("upload-offset: -1\r\nupload-length: {total}\r\nfile-lifetime: 1\r\n")),
        said(&format!("upload-offset: 0\r\nupload-length: {total}\r\nfile-lifetime: {}\r\n", u64::MAX)),
        b"500 Oops\r\ncontent-length: 3\r\n\r\nabc".to_vec(),
    ] {
        let relay = Liar::answers(vec![answer.clone()], 0).await;
        let anna = Machine::start(identity()).await;
        let pass = FilePass { mailbox: anna.id, token: token_of(&anna.id, &relay.address) };
        let (source, cancel) = (Box::new(InMemory(vec![7; 10])), CancellationToken::new());
        let outcome = anna.link.deposit(&relay.address, &pass, &key(1), 10, source, &cancel).await;
        let shown = String::from_utf8_lossy(&answer).into_owned();
        assert!(matches!(outcome, Err(BlobError::Relay(_))), "{shown}: {outcome:?}");
    }
}

/// A relay that gives each connection the next of its answers, whatever was asked, and reads so many bytes of its last body.
struct Liar {
    address: RelayAddress,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
    _tasks: Tasks,
}

impl Liar {
    async fn answers(answers: Vec<Vec<u8>>, body: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (tasks, requests) = (Tasks::new(), Arc::new(Mutex::new(Vec::new())));
        let heard = requests.clone();
        tasks.spawn("liar", async move {
            let last = answers.len() - 1;
            for (number, answer) in answers.into_iter().enumerate() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let body = if number == last { body } else { 0 };
                let mut request = Vec::new();
                let mut whole = None;
                while whole.is_none_or(|whole| request.len() < whole) {
                    assert!(stream.read_buf(&mut request).await.unwrap() > 0, "a whole request comes");
                    let head = || request.windows(4).position(|four| four == b"\r\n\r\n");
                    whole = whole.or_else(|| Some(head()? + 4 + body));
                }
                heard.lock().unwrap().push(request);
                if !answer.is_empty() {
                    let mut whole = [b"HTTP/1.1 ".as_slice(), &answer].concat();
                    if !whole.windows(4).any(|four| four == b"\r\n\r\n") {
                        whole.extend_from_slice(b"\r\n");
                    }
                    // The other side may have had enough.
                    stream.write_all(&whole).await.ok();
                }
            }
        });
        Self { address, requests, _tasks: tasks }
    }
}
