//! Files that wait beside the envelopes.

use std::time::Duration;

use proto::relay::{FILE_LIFETIME, FromRelay, RefusalCode, ToRelay, Token};
use proto::sealed_file::{FileId, FileKey, sealed_size};
use tokio::io::AsyncWriteExt as _;

use crate::http::{Putter, ask, get, get_from};
use crate::scene::{Scene, anna, bob, id, key};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn file(number: u8) -> FileId {
    FileKey::from_bytes([number; 32]).id()
}

/// What a file of so many bytes looks like when it is sealed: any bytes, for a relay.
fn sealed(size: u64) -> Vec<u8> {
    (0..sealed_size(size)).map(|place| (place * 31 + place / 251) as u8).collect()
}

/// Somebody with a token of Anna's.
async fn putter(scene: &Scene) -> Putter {
    scene.machine(&anna()).await.gives(&key()).await;
    Putter::new(scene.addr(), id(&anna()), &key())
}

fn kept(scene: &Scene) -> usize {
    std::fs::read_dir(scene.folder.path().join("files")).unwrap().count()
}

/// Waits until so much of a file is durable.
async fn reaches(putter: &Putter, id: &FileId, size: u64, offset: u64) {
    while putter.ask(id, size).await.offset() != offset {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_put_is_given_to_whoever_knows_its_id_and_taken_away_by_who_put_it() {
    let scene = Scene::new().await;
    let putter = putter(&scene).await;
    let (one, bytes) = (file(1), sealed(1_000_000));
    let size = bytes.len() as u64;
    let asked = putter.ask(&one, size).await;
    assert_eq!((asked.offset(), asked.number("upload-length")), (0, size));
    assert_eq!(asked.number(FILE_LIFETIME), 60 * 60, "because room for what does not come is not kept for long");
    assert_eq!(get(scene.addr(), &one).await.refused().code, RefusalCode::NoFile, "because it is not there yet");
    let begun = putter.put(&one, size, 0, &bytes[..70_000]).await;
    assert_eq!((begun.offset(), begun.number(FILE_LIFETIME)), (70_000, (3 * DAY).as_secs()));
    let put = putter.put(&one, size, 70_000, &bytes[70_000..]).await;
    assert_eq!((put.offset(), put.number(FILE_LIFETIME)), (size, (21 * DAY).as_secs()));
    assert_eq!(putter.ask(&one, size).await.offset(), size, "because it may be asked again");

    let given = get(scene.addr(), &one).await;
    assert_eq!((given.status, given.number("content-length")), (200, size));
    assert_eq!(given.number(FILE_LIFETIME), (21 * DAY).as_secs());
    assert!(given.body == bytes);
    for from in [1, 65_552, size - 1] {
        let part = get_from(scene.addr(), &one, from).await;
        assert_eq!((part.status, part.number("content-length")), (206, size - from));
        assert_eq!(part.headers["content-range"], format!("bytes {from}-{}/{size}", size - 1));
        assert!(part.body == bytes[usize::try_from(from).unwrap()..]);
    }
    assert_eq!(get(scene.addr(), &file(2)).await.refused().code, RefusalCode::NoFile);
    assert_eq!((scene.figure("files").await, scene.figure("file_bytes").await), (1, size));
    assert_eq!((scene.figure("files_put_total").await, scene.figure("file_bytes_in_total").await), (1, size));

    let scene = scene.restart().await;
    let putter = Putter { addr: scene.addr(), ..putter };
    assert!(get(scene.addr(), &one).await.body == bytes, "because it is on the disk");
    assert_eq!(putter.delete(&one).await.status, 204);
    assert_eq!(putter.delete(&one).await.status, 204, "because it is gone either way");
    assert_eq!(get(scene.addr(), &one).await.refused().code, RefusalCode::NoFile);
    assert_eq!((kept(&scene), scene.figure("file_bytes").await), (0, 0));
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_cut_off() {
    let scene = Scene::new().await;
    let putter = putter(&scene).await;
    let (one, bytes) = (file(1), sealed(2_000_000));
    let size = bytes.len() as u64;
    let mut cut = putter.open(&one, size, 0, bytes.len()).await;
    cut.write_all(&bytes[..700_001]).await.unwrap();
    drop(cut);
    reaches(&putter, &one, size, 700_001).await;
    assert_eq!(get(scene.addr(), &one).await.refused().code, RefusalCode::NoFile, "because half a file is none");
    for wrong in [0, 700_000, 700_002, size] {
        let refused = putter.put(&one, size, wrong, b"x").await.refused();
        assert_eq!((refused.code, refused.limit), (RefusalCode::Offset, Some(700_001)), "from {wrong}");
    }
    let other = putter.put(&one, size + 16, 700_001, b"x").await.refused();
    assert_eq!(other.code, RefusalCode::Invalid, "because it was begun with another size");

    let scene = scene.restart().await;
    let putter = Putter { addr: scene.addr(), ..putter };
    assert_eq!(putter.put(&one, size, 700_001, &bytes[700_001..900_000]).await.offset(), 900_000, "a piece of it");
    assert_eq!(putter.put(&one, size, 900_000, &bytes[900_000..]).await.offset(), size);
    assert!(get(scene.addr(), &one).await.body == bytes);
}

#[tokio::test]
async fn two_that_put_one_file_do_not_mix() {
    let scene = Scene::new().await;
    let putter = putter(&scene).await;
    let (one, bytes) = (file(1), sealed(3_000_000));
    let size = bytes.len() as u64;
    let (a, b) = tokio::join!(putter.put(&one, size, 0, &bytes), putter.put(&one, size, 0, &bytes));
    let refused = [&a, &b].into_iter().filter(|answer| answer.status != 200);
    assert!(refused.clone().count() <= 1, "because one of them is first: {a:?} {b:?}");
    refused.for_each(|answer| assert_eq!(answer.refused().code, RefusalCode::Offset));
    assert!(get(scene.addr(), &one).await.body == bytes);
}

#[tokio::test]
async fn only_who_holds_a_token_puts_and_only_who_put_goes_on() {
    let scene = Scene::new().await;
    let mine = putter(&scene).await;
    let another = Token::from_bytes([8; 32]);
    scene.machine(&anna()).await.gives(&another).await;
    let theirs = Putter::new(scene.addr(), id(&anna()), &another);
    let bytes = sealed(1);
    let size = bytes.len() as u64;
    let half = &bytes[..8_000];
    assert_eq!(mine.put(&file(1), size, 0, half).await.offset(), 8_000);
    assert_eq!(theirs.put(&file(1), size, 8_000, &bytes[8_000..]).await.refused().code, RefusalCode::BadToken);
    assert_eq!(theirs.delete(&file(1)).await.refused().code, RefusalCode::BadToken);

    let guess = Putter::new(scene.addr(), id(&anna()), &Token::from_bytes([9; 32]));
    assert_eq!(guess.put(&file(2), size, 0, &bytes).await.refused().code, RefusalCode::BadToken);
    let nowhere = Putter::new(scene.addr(), id(&bob()), &key());
    assert_eq!(nowhere.put(&file(2), size, 0, &bytes).await.refused().code, RefusalCode::Unreachable);
    let path = proto::relay::file_path(&file(2));
    for said in ["", "Bearer abc", "Landline abc"] {
        let mut headers = mine.headers(size, 0, 0);
        headers[0].1 = said.to_owned();
        assert_eq!(ask(scene.addr(), "PUT", &path, &headers).await.refused().code, RefusalCode::BadToken);
    }
    // Who was blocked has no token any more.
    let mut annas = scene.machine(&anna()).await;
    let request = annas.number();
    annas.done(ToRelay::Tokens { request, add: vec![], remove: vec![key().hash()], replace: false }).await;
    assert_eq!(mine.put(&file(1), size, 8_000, &bytes[8_000..]).await.refused().code, RefusalCode::BadToken);
    assert_eq!(mine.delete(&file(1)).await.refused().code, RefusalCode::BadToken);
    assert_eq!(scene.figure("files").await, 1, "because nothing else was begun");
}

#[tokio::test]
async fn refusals_name_what_was_met() {
    let scene = Scene::with(|config| {
        config.limits.file_bytes = 40_000;
        config.limits.files_bytes = 2 * sealed_size(40_000);
        config.limits.files = 3;
        config.limits.all_files_bytes = 3 * sealed_size(40_000);
        config.limits.uploads_per_minute = 12;
    })
    .await;
    let annas = putter(&scene).await;
    scene.machine(&bob()).await.gives(&key()).await;
    let bobs = Putter::new(scene.addr(), id(&bob()), &key());
    let large = sealed_size(40_000);
    let refused = |refused: proto::relay::Refused| (refused.code, refused.limit);
    let too_large = annas.ask(&file(1), large + 1).await;
    assert_eq!((too_large.status, refused(too_large.refused())), (413, (RefusalCode::TooLarge, Some(40_000))));
    assert_eq!(annas.ask(&file(1), large).await.offset(), 0, "because this is the largest");
    assert_eq!(annas.ask(&file(2), large).await.offset(), 0);
    let small = sealed_size(1);
    let full = annas.ask(&file(3), small).await.refused();
    assert_eq!(refused(full), (RefusalCode::MailboxFull, Some(2 * large)), "because room is taken at the begin");
    assert_eq!(bobs.ask(&file(4), large).await.offset(), 0, "because another's mailbox has its own");
    let full = bobs.ask(&file(5), small).await.refused();
    assert_eq!(refused(full), (RefusalCode::Full, None), "because the relay has no more");
    assert_eq!(annas.delete(&file(1)).await.status, 204);
    for number in [6, 7] {
        assert_eq!(annas.ask(&file(number), small).await.offset(), 0, "because there is room again");
    }
    assert_eq!(refused(annas.ask(&file(8), small).await.refused()), (RefusalCode::TooMany, Some(3)));

    let mut hurried = annas.ask(&file(6), small).await;
    while hurried.status == 200 {
        hurried = annas.ask(&file(6), small).await;
    }
    assert_eq!((hurried.status, refused(hurried.refused())), (429, (RefusalCode::RateLimited, Some(12))));
    assert!(hurried.refused().retry_after_s.is_some_and(|seconds| seconds > 0));
    assert!(hurried.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn who_logs_in_is_told_what_is_taken() {
    let scene = Scene::new().await;
    let mut wire = scene.nobody().await;
    let FromRelay::Welcome { limits, .. } = wire.log_in(&anna(), &scene.address()).await else { panic!("no welcome") };
    let files = limits.files.unwrap();
    assert_eq!((files.file_bytes, files.ttl_s), (500 << 20, 21 * 86_400));
    assert_eq!((files.bytes, files.count), (2 << 30, 1_000));

    let scene = Scene::with(|config| config.limits.file_bytes = 0).await;
    let mut wire = scene.nobody().await;
    let FromRelay::Welcome { limits, .. } = wire.log_in(&anna(), &scene.address()).await else { panic!("no welcome") };
    assert_eq!(limits.files, None);
    let refused = putter(&scene).await.ask(&file(1), sealed_size(1)).await.refused();
    assert_eq!((refused.code, refused.limit), (RefusalCode::TooLarge, Some(0)), "because it takes none");
}

#[tokio::test]
async fn what_is_too_old_goes() {
    let scene = Scene::new().await;
    let putter = putter(&scene).await;
    let bytes = sealed(1);
    let size = bytes.len() as u64;
    assert_eq!(putter.put(&file(1), size, 0, &bytes).await.offset(), size);
    assert_eq!(putter.put(&file(2), size, 0, &bytes[..100]).await.offset(), 100);
    scene.clock.advance(2 * DAY);
    assert_eq!(putter.put(&file(2), size, 100, &bytes[100..200]).await.offset(), 200);
    scene.clock.advance(2 * DAY);
    assert_eq!(putter.ask(&file(2), size).await.offset(), 200, "because it was gone on with meanwhile");
    assert_eq!(kept(&scene), 2);
    scene.clock.advance(3 * DAY);
    // The sweeper comes by itself.
    while scene.figure("files").await > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(scene.addr(), &file(1)).await.number(FILE_LIFETIME), (14 * DAY).as_secs());
    scene.clock.advance(14 * DAY);
    assert_eq!(get(scene.addr(), &file(1)).await.refused().code, RefusalCode::NoFile, "whether it is swept or not");
    while scene.figure("files").await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(kept(&scene), 0);
}

#[tokio::test]
async fn files_go_with_a_mailbox_that_is_forgotten() {
    let scene = Scene::with(|config| config.limits.file_ttl = 365 * DAY).await;
    let putter = putter(&scene).await;
    let bytes = sealed(1);
    assert_eq!(putter.put(&file(1), bytes.len() as u64, 0, &bytes).await.offset(), bytes.len() as u64);
    scene.clock.advance(181 * DAY);
    while scene.figure("files").await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((kept(&scene), scene.figure("mailboxes").await), (0, 0));
}

#[tokio::test]
async fn what_nobody_counts_is_removed_at_the_start() {
    let scene = Scene::new().await;
    let putter = putter(&scene).await;
    let bytes = sealed(1);
    let size = bytes.len() as u64;
    putter.put(&file(1), size, 0, &bytes).await;
    let folder = scene.folder.path().join("files");
    std::fs::write(folder.join(file(2).to_string()), "half a piece that a kill left").unwrap();
    std::fs::write(folder.join("notes"), "somebody's").unwrap();
    let scene = scene.restart().await;
    assert!(!folder.join(file(2).to_string()).exists() && folder.join("notes").exists());
    assert!(get(scene.addr(), &file(1)).await.body == bytes);

    // And a file that went away is asked for again.
    std::fs::remove_file(folder.join(file(1).to_string())).unwrap();
    let putter = Putter { addr: scene.addr(), ..putter };
    assert_eq!(get(scene.addr(), &file(1)).await.refused().code, RefusalCode::NoFile);
    assert_eq!(putter.ask(&file(1), size).await.offset(), 0);
    assert_eq!(putter.put(&file(1), size, 0, &bytes).await.offset(), size);
    assert!(get(scene.addr(), &file(1)).await.body == bytes);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_refuses_and_counts_nothing() {
    let scene = Scene::new().await;
    let putter = putter(&scene).await;
    let bytes = sealed(1);
    let size = bytes.len() as u64;
    // What is written there finds no room.
    let path = scene.folder.path().join("files").join(file(1).to_string());
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let full = putter.put(&file(1), size, 0, &bytes).await;
    assert_eq!((full.status, full.refused().code), (507, RefusalCode::Storage));
    assert_eq!(putter.ask(&file(1), size).await.offset(), 0);
    std::fs::remove_file(path).unwrap();
    assert_eq!(putter.put(&file(1), size, 0, &bytes).await.offset(), size, "because there is room again");
}
