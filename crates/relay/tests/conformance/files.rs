//! What every store of files must do. A store gets a module that makes one for these rules, as for those of mailboxes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use landline_relay::files::{Begin, FileCounts, FileError, FileQuotas, Files, Upload, Whole};
use landline_relay::mailboxes::Mailboxes;
use proto::FileId;
use proto::id::MachineId;
use proto::sealed_file::sealed_size;

use crate::scene::{KEY, NOW, machine, mailbox};

/// Makes stores of one kind, with the mailboxes that they belong to; and opens them again.
pub(crate) trait FilesMaker {
    type Mailboxes: Mailboxes;
    type Files: Files;

    fn new() -> Self;
    async fn open(&self, quotas: FileQuotas) -> (Arc<Self::Mailboxes>, Self::Files);
}

/// Tests of every rule, over what a [`FilesMaker`] makes.
macro_rules! files_conform {
    ($maker:ty: $($rule:ident)*) => {$(
        #[tokio::test]
        async fn $rule() {
            crate::files::$rule(<$maker as crate::files::FilesMaker>::new()).await;
        }
    )*};
    ($maker:ty) => {
        crate::files::files_conform!($maker:
            a_file_is_whole_when_all_of_it_came
            pieces_follow_each_other
            a_file_belongs_to_its_token
            room_is_counted_exactly
            files_expire_and_are_removed
            files_outlive_the_program
        );
    };
}
pub(crate) use files_conform;

pub(crate) const SIZE: u64 = 20_000;

/// Small quotas, so that they are reached.
pub(crate) fn small() -> FileQuotas {
    let all_bytes = 4 * SIZE + SIZE / 2;
    FileQuotas { file_bytes: SIZE, ttl_s: 1_000, unfinished_s: 100, bytes: 3 * SIZE, count: 3, all_bytes }
}

pub(crate) fn file(number: u8) -> FileId {
    FileId::from_bytes([number; 32])
}

pub(crate) fn bytes(count: u64) -> Bytes {
    (0..count).map(|place| (place * 31) as u8).collect()
}

pub(crate) fn begin(number: u8, mailbox: MachineId, size: u64) -> Begin {
    Begin { id: file(number), mailbox, token: KEY, size, now_s: NOW }
}

pub(crate) async fn put(files: &impl Files, number: u8, mailbox: MachineId) {
    assert_eq!(files.begin(begin(number, mailbox, SIZE)).await.unwrap().received, 0);
    assert_eq!(files.append(file(number), 0, bytes(SIZE), NOW).await.unwrap().received, SIZE);
}

/// Bytes of a file, in as many pieces as the store gives.
pub(crate) async fn read(files: &impl Files, number: u8, at: u64, count: usize) -> Result<Bytes, FileError> {
    let mut read = BytesMut::new();
    while read.len() < count {
        let piece = files.read(file(number), at + read.len() as u64, count - read.len()).await?;
        assert!(!piece.is_empty() && piece.len() <= count - read.len(), "{} of {count} bytes", piece.len());
        read.extend_from_slice(&piece);
    }
    Ok(read.freeze())
}

/// How many files are kept, after a look at their bytes: a store may count more with them than they have.
pub(crate) async fn kept(files: &impl Files, stored: u64) -> u64 {
    let counts = files.count().await.unwrap();
    assert!((stored..=stored + stored / 20).contains(&counts.bytes), "{counts:?} for {stored} bytes");
    counts.files
}

pub(crate) async fn a_file_is_whole_when_all_of_it_came(maker: impl FilesMaker) {
    let (mailboxes, files) = maker.open(small()).await;
    let anna = mailbox(&*mailboxes, 1).await;
    let begun = files.begin(begin(1, anna, SIZE)).await;
    assert_eq!(begun, Ok(Upload { received: 0, size: SIZE, expires_s: NOW + 100 }));
    assert_eq!(files.find(file(1), NOW).await, Ok(None));
    let half = files.append(file(1), 0, bytes(SIZE).slice(..7_000), NOW + 5).await;
    assert_eq!(half, Ok(Upload { received: 7_000, size: SIZE, expires_s: NOW + 105 }));
    assert_eq!(files.find(file(1), NOW).await, Ok(None), "because half a file is none");
    let whole = files.append(file(1), 7_000, bytes(SIZE).slice(7_000..), NOW + 9).await;
    assert_eq!(whole, Ok(Upload { received: SIZE, size: SIZE, expires_s: NOW + 1_009 }));
    assert_eq!(files.find(file(1), NOW).await, Ok(Some(Whole { size: SIZE, expires_s: NOW + 1_009 })));
    assert_eq!(files.begin(begin(1, anna, SIZE)).await, whole, "because it is there already");
    for (at, count) in [(0, SIZE), (1, 10), (7_000, 13_000), (SIZE - 1, 1)] {
        let count = usize::try_from(count).unwrap();
        let expected = bytes(SIZE).slice(usize::try_from(at).unwrap()..).slice(..count);
        assert_eq!(read(&files, 1, at, count).await, Ok(expected), "{count} bytes at {at}");
    }
    assert_eq!(files.read(file(9), 0, 1).await, Err(FileError::NoFile));
}

pub(crate) async fn pieces_follow_each_other(maker: impl FilesMaker) {
    let (mailboxes, files) = maker.open(small()).await;
    let anna = mailbox(&*mailboxes, 1).await;
    assert_eq!(files.append(file(1), 0, bytes(1), NOW).await, Err(FileError::NoFile), "because it was not begun");
    files.begin(begin(1, anna, SIZE)).await.unwrap();
    files.append(file(1), 0, bytes(100), NOW).await.unwrap();
    for at in [0, 99, 101, SIZE] {
        assert_eq!(files.append(file(1), at, bytes(1), NOW).await, Err(FileError::Offset(100)), "at {at}");
    }
    let long = files.append(file(1), 100, bytes(SIZE), NOW).await;
    assert_eq!(long, Err(FileError::OtherSize), "because it is longer than it was begun");
    assert_eq!(files.begin(begin(1, anna, SIZE + 1)).await, Err(FileError::OtherSize));
    // Of several that go on from one place only one does.
    for at in 100..110 {
        let pieces = (0..8).map(|_| files.append(file(1), at, bytes(1), NOW));
        let outcomes = join_all(pieces).await;
        let went_on = outcomes.iter().filter(|outcome| outcome.as_ref().is_ok_and(|upload| upload.received == at + 1));
        assert_eq!(went_on.count(), 1, "at {at}: {outcomes:?}");
        let told = outcomes.iter().filter(|outcome| **outcome == Err(FileError::Offset(at + 1)));
        assert_eq!(told.count(), 7, "at {at}: {outcomes:?}");
    }
}

pub(crate) async fn a_file_belongs_to_its_token(maker: impl FilesMaker) {
    let (mailboxes, files) = maker.open(small()).await;
    let (anna, bob) = (mailbox(&*mailboxes, 1).await, mailbox(&*mailboxes, 2).await);
    put(&files, 1, anna).await;
    assert_eq!(files.begin(begin(2, machine(9), SIZE)).await, Err(FileError::NoMailbox));
    assert_eq!(files.begin(Begin { token: [9; 32], ..begin(2, anna, SIZE) }).await, Err(FileError::BadToken));
    assert_eq!(files.begin(begin(1, bob, SIZE)).await, Err(FileError::BadToken), "because it is in Anna's mailbox");
    assert_eq!(files.remove(file(1), bob, KEY, NOW).await, Err(FileError::BadToken));
    assert_eq!(files.remove(file(1), anna, [9; 32], NOW).await, Err(FileError::BadToken));
    assert!(files.find(file(1), NOW).await.unwrap().is_some());
    assert_eq!(files.remove(file(1), anna, KEY, NOW).await, Ok(()));
    assert_eq!(files.remove(file(1), anna, KEY, NOW).await, Ok(()), "because it is gone either way");
    assert_eq!(files.find(file(1), NOW).await, Ok(None));
    assert_eq!(files.read(file(1), 0, 1).await, Err(FileError::NoFile));
}

pub(crate) async fn room_is_counted_exactly(maker: impl FilesMaker) {
    let (mailboxes, files) = maker.open(small()).await;
    let (anna, bob) = (mailbox(&*mailboxes, 1).await, mailbox(&*mailboxes, 2).await);
    let largest = sealed_size(SIZE);
    assert_eq!(files.begin(begin(1, anna, largest + 1)).await, Err(FileError::TooLarge(SIZE)));
    for number in 1..=3 {
        put(&files, number, anna).await;
    }
    assert_eq!(files.begin(begin(4, anna, 1)).await, Err(FileError::TooMany(3)));
    files.remove(file(3), anna, KEY, NOW).await.unwrap();
    assert_eq!(files.begin(begin(4, anna, SIZE + 1)).await, Err(FileError::Full(3 * SIZE)));
    // Its room came free, and each mailbox has its own.
    put(&files, 4, anna).await;
    put(&files, 5, bob).await;
    assert_eq!(files.begin(begin(6, bob, SIZE)).await, Err(FileError::Exhausted));
    assert_eq!(kept(&files, 4 * SIZE).await, 4);
}

pub(crate) async fn files_expire_and_are_removed(maker: impl FilesMaker) {
    let (mailboxes, files) = maker.open(small()).await;
    let anna = mailbox(&*mailboxes, 1).await;
    put(&files, 1, anna).await;
    files.begin(begin(2, anna, SIZE)).await.unwrap();
    files.append(file(2), 0, bytes(10), NOW).await.unwrap();
    assert_eq!(files.sweep(NOW + 99).await, Ok(false));
    assert_eq!(files.count().await.unwrap().files, 2);
    assert_eq!(files.sweep(NOW + 100).await, Ok(false));
    assert_eq!(kept(&files, SIZE).await, 1, "because half a file lives less long");
    assert_eq!(files.begin(begin(2, anna, SIZE)).await.unwrap().received, 0, "because it is begun anew");
    assert_eq!(files.find(file(1), NOW + 1_000).await, Ok(None), "whether it was swept or not");
    let anew = files.begin(Begin { now_s: NOW + 1_000, ..begin(1, anna, SIZE) }).await;
    assert_eq!(anew, Ok(Upload { received: 0, size: SIZE, expires_s: NOW + 1_100 }));
    files.sweep(NOW + 2_000).await.unwrap();
    assert_eq!(files.count().await, Ok(FileCounts::default()));
    assert_eq!(files.read(file(1), 0, 1).await, Err(FileError::NoFile));
}

pub(crate) async fn files_outlive_the_program(maker: impl FilesMaker) {
    let (mailboxes, files) = maker.open(small()).await;
    let anna = mailbox(&*mailboxes, 1).await;
    put(&files, 1, anna).await;
    files.begin(begin(2, anna, SIZE)).await.unwrap();
    files.append(file(2), 0, bytes(10), NOW).await.unwrap();
    mailboxes.close().await.unwrap();
    assert_eq!(files.begin(begin(3, anna, SIZE)).await, Err(FileError::Closed));
    drop((mailboxes, files));

    let (_mailboxes, files) = maker.open(small()).await;
    assert_eq!(read(&files, 1, 0, 20_000).await, Ok(bytes(SIZE)));
    assert_eq!(files.begin(begin(2, anna, SIZE)).await.unwrap().received, 10);
    assert_eq!(files.count().await.unwrap().files, 2);
}
