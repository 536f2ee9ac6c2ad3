//! Those who break the rules of files, or the patience of a relay.

use std::time::Duration;

use proto::relay::{RefusalCode, file_path};
use proto::sealed_file::{FileKey, sealed_size};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::{Answer, Putter, ask, begin, get};
use crate::scene::{Scene, anna, id, key};
use crate::wire::PATIENCE;

async fn putter(scene: &Scene) -> Putter {
    scene.machine(&anna()).await.gives(&key()).await;
    Putter::new(scene.addr(), id(&anna()), &key())
}

#[tokio::test]
async fn sizes_and_places_that_cannot_be_are_refused() {
    let scene = Scene::new().await;
    let putter = putter(&scene).await;
    let file = FileKey::from_bytes([1; 32]).id();
    let good = sealed_size(1).to_string();
    let (least, huge) = ((sealed_size(1) - 1).to_string(), u64::MAX.to_string());
    for (length, offset) in [
        ("0", "0"),
        (&least, "0"),
        ("-1", "0"),
        ("1e6", "0"),
        ("", "0"),
        (&huge, "0"),
        ("99999999999999999999999", "0"),
        (&good, "-1"),
        (&good, ""),
        (&good, "0x1"),
        (&good, &huge),
    ] {
        let mut headers = putter.headers(0, 0, 1);
        headers[1].1 = length.to_owned();
        headers[2].1 = offset.to_owned();
        let mut stream = begin(scene.addr(), "PUT", &file_path(&file), &headers).await;
        stream.write_all(b"x").await.unwrap();
        let code = Answer::read(&mut stream).await.refused().code;
        assert_eq!(code, RefusalCode::Invalid, "{length:?} from {offset:?}");
    }
    for path in ["/relay/1/files/", "/relay/1/files", "/relay/1/files/../relay.db", "/relay/1/files/%2e%2e%2frelay.db"]
    {
        let status = ask(scene.addr(), "GET", path, &[]).await.status;
        assert_eq!(status, 404, "{path}");
    }
    assert_eq!(ask(scene.addr(), "POST", &file_path(&file), &[]).await.status, 405);
    assert_eq!(scene.figure("files").await, 0);

    let size = sealed_size(1);
    let more = vec![7; usize::try_from(size).unwrap() + 1];
    let refused = putter.put(&file, size, 0, &more).await.refused();
    assert_eq!(refused.code, RefusalCode::Invalid, "because it is longer than it was said to be");
    assert_eq!(get(scene.addr(), &file).await.refused().code, RefusalCode::NoFile);
    // A body that has no length of its own is bounded, too.
    let mut headers = putter.headers(size, 0, 0);
    headers[3] = ("transfer-encoding", "chunked".to_owned());
    let mut stream = begin(scene.addr(), "PUT", &file_path(&file), &headers).await;
    let offset = putter.ask(&file, size).await.offset();
    let chunk = [b"fffff\r\n".as_slice(), &vec![7; 0xfffff], b"\r\n0\r\n\r\n"].concat();
    stream.write_all(&chunk).await.ok();
    assert!(Answer::read(&mut stream).await.status >= 400);
    assert!(putter.ask(&file, size).await.offset() <= size && offset <= size);
}

#[tokio::test]
async fn an_upload_that_stands_still_is_cut_and_keeps_what_came() {
    let scene = Scene::with(|config| config.limits.stall = Duration::from_millis(200)).await;
    let putter = putter(&scene).await;
    let file = FileKey::from_bytes([1; 32]).id();
    let size = sealed_size(1_000_000);
    let mut slow = putter.open(&file, size, 0, usize::try_from(size).unwrap()).await;
    slow.write_all(&[7; 1_000]).await.unwrap();
    let mut rest = Vec::new();
    // Ended by the relay, though a byte comes now and then.
    let mut drip = tokio::time::interval(Duration::from_millis(20));
    let dripping = async {
        while slow.write_all(b"x").await.is_ok() {
            drip.tick().await;
        }
    };
    timeout(PATIENCE, dripping).await.expect("it is cut");
    slow.read_to_end(&mut rest).await.ok();
    let there = putter.ask(&file, size).await.offset();
    assert!((1_000..2_000).contains(&there), "because what came is kept: {there}");
}

#[tokio::test]
async fn a_download_that_nobody_reads_is_cut() {
    let scene = Scene::with(|config| config.limits.stall = Duration::from_millis(200)).await;
    let putter = putter(&scene).await;
    let file = FileKey::from_bytes([1; 32]).id();
    let bytes = vec![7; usize::try_from(sealed_size(30_000_000)).unwrap()];
    assert_eq!(putter.put(&file, bytes.len() as u64, 0, &bytes).await.status, 200);
    let before = scene.figure("connections").await;
    let idle = begin(scene.addr(), "GET", &file_path(&file), &[]).await;
    idle.readable().await.unwrap();
    // The one that asks for the figure is one as well.
    while scene.figure("connections").await > before {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.figure("files_given_total").await, 0);
    drop(idle);
}

#[tokio::test]
async fn one_source_does_not_take_all_transfers() {
    let scene = Scene::with(|config| config.limits.transfers_per_source = 2).await;
    let putter = putter(&scene).await;
    let file = |number| FileKey::from_bytes([number; 32]).id();
    let size = sealed_size(1);
    let mut held: Vec<TcpStream> = Vec::new();
    for number in [1, 2] {
        let mut stream = putter.open(&file(number), size, 0, usize::try_from(size).unwrap()).await;
        stream.write_all(b"x").await.unwrap();
        held.push(stream);
    }
    let crowded = loop {
        // Those two may not have come in yet.
        let answer = putter.ask(&file(3), size).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!((crowded.status, crowded.refused().code), (503, RefusalCode::Full));
    assert!(crowded.refused().retry_after_s.is_some());
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
    let mut other = socket.connect(([127, 0, 0, 1], scene.addr().port()).into()).await.unwrap();
    let path = file_path(&file(9));
    other
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    assert_eq!(Answer::read(&mut other).await.refused().code, RefusalCode::NoFile, "because others have their own");
    held.clear();
    while putter.ask(&file(3), size).await.status != 200 {
        tokio::task::yield_now().await;
    }
}
