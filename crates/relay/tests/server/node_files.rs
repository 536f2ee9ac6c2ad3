//! Files at several nodes that are one relay.

use proto::relay::RefusalCode;
use proto::sealed_file::{FileId, FileKey, sealed_size};
use tokio::io::AsyncWriteExt as _;

use crate::http::{Putter, get, get_from};
use crate::nats_server::NatsServer;
use crate::scene::{Scene, anna, id, key};

fn file(number: u8) -> FileId {
    FileKey::from_bytes([number; 32]).id()
}

/// What a file of so many bytes looks like when it is sealed: any bytes, for a relay.
fn sealed(size: u64) -> Vec<u8> {
    (0..sealed_size(size)).map(|place| (place * 31 + place / 251) as u8).collect()
}

async fn two(nats: &NatsServer) -> [(Scene, Putter); 2] {
    let (one, two) = tokio::join!(Scene::node(nats), Scene::node(nats));
    one.machine(&anna()).await.gives(&key()).await;
    [one, two].map(|scene| {
        let putter = Putter::new(scene.addr(), id(&anna()), &key());
        (scene, putter)
    })
}

#[tokio::test]
async fn each_request_may_go_to_another_node() {
    let nats = NatsServer::start();
    let [(one, at_one), (two, at_two)] = two(&nats).await;
    let (file, bytes) = (file(1), sealed(3_000_000));
    let size = bytes.len() as u64;
    assert_eq!(at_one.ask(&file, size).await.offset(), 0);
    assert_eq!(at_two.ask(&file, size).await.offset(), 0);
    let mut at = 0;
    for putter in [&at_one, &at_two].into_iter().cycle() {
        let end = bytes.len().min(at + 700_001);
        let other = if std::ptr::eq(putter, &at_one) { &two } else { &one };
        assert_eq!(get(other.addr(), &file).await.refused().code, RefusalCode::NoFile, "because half a file is none");
        let put = putter.put(&file, size, at as u64, &bytes[at..end]).await;
        assert_eq!(put.offset(), end as u64);
        at = end;
        if at == bytes.len() {
            break;
        }
        let behind = putter.put(&file, size, 1, b"x").await.refused();
        assert_eq!((behind.code, behind.limit), (RefusalCode::Offset, Some(at as u64)));
    }
    for node in [&one, &two] {
        assert!(get(node.addr(), &file).await.body == bytes);
        let part = get_from(node.addr(), &file, 1_234_567).await;
        assert_eq!((part.status, part.number("content-length")), (206, size - 1_234_567));
        assert!(part.body == bytes[1_234_567..]);
        assert_eq!(node.figure("files").await, 1);
        assert!(node.figure("file_bytes").await >= size, "because all nodes together keep it");
        assert_eq!(node.figure("file_bytes_out_total").await, 2 * size - 1_234_567);
    }
    assert_eq!(at_two.delete(&file).await.status, 204);
    assert_eq!(get(one.addr(), &file).await.refused().code, RefusalCode::NoFile);
    assert_eq!(at_one.delete(&file).await.status, 204, "because it is gone either way");
    assert_eq!((one.figure("files").await, one.figure("file_bytes").await), (0, 0));
}

#[tokio::test]
async fn an_upload_goes_on_at_another_node_where_the_first_died() {
    let nats = NatsServer::start();
    let [(one, at_one), (two, at_two)] = two(&nats).await;
    let (file, bytes) = (file(1), sealed(3_000_000));
    let size = bytes.len() as u64;
    let mut cut = at_one.open(&file, size, 0, bytes.len()).await;
    cut.write_all(&bytes[..2_000_000]).await.unwrap();
    while at_two.ask(&file, size).await.offset() < 1_000_000 {
        tokio::task::yield_now().await;
    }
    // Dropped, it says nothing to anybody, as if it had been killed.
    drop(one);
    let mut there = at_two.ask(&file, size).await.offset();
    while there < size {
        let rest = &bytes[usize::try_from(there).unwrap()..];
        let put = at_two.put(&file, size, there, rest).await;
        // What the first had sent may have come since it was asked.
        there = if put.status == 200 { put.offset() } else { put.refused().limit.unwrap() };
    }
    assert!(get(two.addr(), &file).await.body == bytes);
}

#[tokio::test]
async fn while_nats_is_away_files_are_refused_with_the_word_that_it_passes() {
    let mut nats = NatsServer::start();
    let [(one, at_one), (_two, at_two)] = two(&nats).await;
    let (file, bytes) = (file(1), sealed(1));
    let size = bytes.len() as u64;
    assert_eq!(at_one.put(&file, size, 0, &bytes[..1_000]).await.offset(), 1_000);
    nats.kill();
    for refused in [at_one.put(&file, size, 1_000, &bytes[1_000..]).await, get(one.addr(), &file).await] {
        assert_eq!((refused.status, refused.refused().code), (503, RefusalCode::Storage));
        assert!(refused.refused().retry_after_s.is_some() && refused.headers.contains_key("retry-after"));
    }
    nats.run();
    while !one.get("/health").await.starts_with("HTTP/1.1 200") {}
    assert_eq!(at_two.put(&file, size, 1_000, &bytes[1_000..]).await.offset(), size);
    assert!(get(one.addr(), &file).await.body == bytes);
}
