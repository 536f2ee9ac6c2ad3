//! Blobs between two machines: fetched, brought, cut, refused.

use std::{
    io,
    sync::{Arc, Mutex},
};

use proto::attachment::Blob;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::machine::{Machine, Setup, expect, identity};
use crate::{
    DialError, Gate, Path,
    blob::{BlobCall, BlobDesk, BlobError, BlobRefusal, Content, Intake, Sink, Source, stream},
};

pub(super) const GROUP: usize = 65_536;

/// A desk that hands every call to the test.
pub(super) fn desk() -> (BlobDesk, mpsc::UnboundedReceiver<BlobCall>) {
    let (to, calls) = mpsc::unbounded_channel();
    (Arc::new(move |call| to.send(call).unwrap()), calls)
}

pub(super) fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|place| (place * 7 + place / 253) as u8).collect()
}

/// A blob and a way to its content.
fn blob(data: &[u8]) -> (Blob, impl Fn() -> Content + use<>) {
    let mut hashes = Vec::new();
    let hash = stream::hash(data, data.len() as u64, &mut hashes).unwrap();
    let blob = Blob { hash, size: data.len() as u64 };
    let data = data.to_vec();
    let content = move || Content {
        blob,
        data: Box::new(stream::InMemory(data.clone())) as Box<dyn Source>,
        hashes: Box::new(stream::InMemory(hashes.clone())),
    };
    (blob, content)
}

/// Keeps in memory, and may fail or cancel after so many bytes.
#[derive(Clone, Default)]
pub(super) struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    whole: Arc<Mutex<bool>>,
    full_after: Option<usize>,
    cancel_after: Option<(usize, CancellationToken)>,
}

impl Kept {
    pub(super) fn with_room(bytes: usize) -> Self {
        Self { full_after: Some(bytes), ..Self::default() }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    pub(super) fn is_whole(&self) -> bool {
        *self.whole.lock().unwrap()
    }
}

impl Sink for Kept {
    fn write(&mut self, _: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.bytes.lock().unwrap();
        if self.full_after.is_some_and(|full| bytes.len() + data.len() > full) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        bytes.extend_from_slice(data);
        if let Some((after, cancel)) = &self.cancel_after
            && bytes.len() >= *after
        {
            cancel.cancel();
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        *self.whole.lock().unwrap() = true;
        Ok(())
    }
}

/// Two machines; the second one's desk is the test's.
async fn two() -> (Machine, Machine, mpsc::UnboundedReceiver<BlobCall>) {
    let (desk, calls) = desk();
    let mut setup = Setup::new(identity());
    setup.blobs = desk;
    (Machine::start(identity()).await, setup.start().await, calls)
}

fn at(machine: &Machine) -> Path {
    machine.link.listen_addr().into()
}

#[tokio::test]
async fn a_blob_is_fetched_and_goes_on_where_it_was_cut() {
    let (anna, ben, calls) = two().await;
    fetch_in_two_parts(&anna, &ben, calls, &at(&ben)).await;
}

/// Fetches a blob from Ben, on any way, in two parts.
pub(super) async fn fetch_in_two_parts(
    anna: &Machine,
    ben: &Machine,
    mut calls: mpsc::UnboundedReceiver<BlobCall>,
    way: &Path,
) {
    let data = bytes(70 * GROUP + 123);
    let (blob, content) = blob(&data);
    let cancel = CancellationToken::new();
    let first = Kept { cancel_after: Some((20 * GROUP, cancel.clone())), ..Kept::default() };
    let answer = async {
        for from in [0, 20 * GROUP as u64] {
            match calls.recv().await.unwrap() {
                BlobCall::Get { peer, hash, from: asked, reply } => {
                    assert_eq!((peer, hash, asked), (anna.id, blob.hash, from));
                    reply.send(Ok(content())).unwrap();
                }
                BlobCall::Put { .. } => panic!("nothing is brought"),
            }
        }
    };
    let fetch = async {
        let cut = anna.link.fetch_blob(ben.id, way, blob, 0, Box::new(first.clone()), &cancel).await;
        assert!(matches!(cut, Err(BlobError::Cancelled)), "{cut:?}");
        // What was on its way may still have been kept; the rest is asked for from whole groups on.
        let mut had = first.bytes();
        assert!(data.starts_with(&had) && had.len() >= 20 * GROUP && !first.is_whole());
        had.truncate(20 * GROUP);
        let second = Kept::default();
        *second.bytes.lock().unwrap() = had;
        let (from, cancel) = (20 * GROUP as u64, CancellationToken::new());
        anna.link.fetch_blob(ben.id, way, blob, from, Box::new(second.clone()), &cancel).await.unwrap();
        assert!(second.is_whole() && second.bytes() == data, "because both parts make the whole");
    };
    expect("both parts", async { tokio::join!(answer, fetch) }).await;
}

#[tokio::test]
async fn a_blob_is_brought() {
    let (anna, ben, calls) = two().await;
    bring(&anna, &ben, calls, &at(&ben)).await;
}

/// Brings Ben a blob, on any way.
pub(super) async fn bring(anna: &Machine, ben: &Machine, mut calls: mpsc::UnboundedReceiver<BlobCall>, way: &Path) {
    let data = bytes(40 * GROUP + 1);
    let (blob, content) = blob(&data);
    let kept = Kept::default();
    *kept.bytes.lock().unwrap() = data[..GROUP].to_vec();
    let (ended, end) = oneshot::channel();
    let answer = async {
        let Some(BlobCall::Put { peer, hash, from, reply }) = calls.recv().await else { panic!("it is brought") };
        assert_eq!((peer, hash, from), (anna.id, blob.hash, GROUP as u64));
        let (sink, cancel) = (Box::new(kept.clone()), CancellationToken::new());
        reply.send(Ok(Intake { blob, sink, cancel, ended })).unwrap();
    };
    let from = GROUP as u64;
    let cancel = CancellationToken::new();
    let bring = anna.link.bring_blob(ben.id, way, content(), from, &cancel);
    let (_, brought) = expect("it arrives", async { tokio::join!(answer, bring) }).await;
    brought.unwrap();
    end.await.unwrap().unwrap();
    assert!(kept.is_whole() && kept.bytes() == data);
}

#[tokio::test]
async fn each_refusal_arrives_as_what_it_is() {
    let (anna, ben, mut calls) = two().await;
    let (blob, content) = blob(&bytes(2 * GROUP));
    let refusals = [
        BlobRefusal::Gone,
        BlobRefusal::Changed,
        BlobRefusal::Unreadable,
        BlobRefusal::Busy,
        BlobRefusal::Unasked,
        BlobRefusal::NoRoom,
    ];
    let answer = async {
        for refusal in refusals.iter().flat_map(|refusal| [refusal, refusal]) {
            match calls.recv().await.unwrap() {
                BlobCall::Get { reply, .. } => drop(reply.send(Err(*refusal))),
                BlobCall::Put { reply, .. } => drop(reply.send(Err(*refusal))),
            }
        }
    };
    let ask = async {
        let cancel = CancellationToken::new();
        for refusal in refusals {
            let sink = Box::new(Kept::default());
            let fetched = anna.link.fetch_blob(ben.id, &at(&ben), blob, 0, sink, &cancel).await;
            assert!(matches!(fetched, Err(BlobError::Refused(found)) if found == refusal), "{fetched:?}");
            let brought = anna.link.bring_blob(ben.id, &at(&ben), content(), 0, &cancel).await;
            assert!(matches!(brought, Err(BlobError::Refused(found)) if found == refusal), "{brought:?}");
        }
    };
    expect("all answers", async { tokio::join!(answer, ask) }).await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_said_to_who_brings_it() {
    let (anna, ben, mut calls) = two().await;
    let (blob, content) = blob(&bytes(60 * GROUP));
    let (ended, end) = oneshot::channel();
    let answer = async {
        let Some(BlobCall::Put { reply, .. }) = calls.recv().await else { panic!("it is brought") };
        let sink = Box::new(Kept::with_room(3 * GROUP));
        reply.send(Ok(Intake { blob, sink, cancel: CancellationToken::new(), ended })).unwrap();
    };
    let cancel = CancellationToken::new();
    let peer = at(&ben);
    let bring = anna.link.bring_blob(ben.id, &peer, content(), 0, &cancel);
    let (_, brought) = expect("an answer", async { tokio::join!(answer, bring) }).await;
    // The refusal may be overtaken by the end of the connection, on which the rest is still coming.
    assert!(matches!(brought, Err(BlobError::Refused(BlobRefusal::NoRoom) | BlobError::Broken(_))), "{brought:?}");
    assert!(matches!(end.await.unwrap(), Err(BlobError::Sink(_))));
}

#[tokio::test]
async fn another_content_than_the_hash_names_is_not_kept() {
    let (anna, ben, mut calls) = two().await;
    let (blob, _) = blob(&bytes(3 * GROUP));
    let (_, other) = self::blob(&bytes(3 * GROUP).into_iter().rev().collect::<Vec<_>>());
    let answer = async {
        let Some(BlobCall::Get { reply, .. }) = calls.recv().await else { panic!("it is fetched") };
        reply.send(Ok(other())).unwrap();
    };
    let kept = Kept::default();
    let cancel = CancellationToken::new();
    let peer = at(&ben);
    let fetch = anna.link.fetch_blob(ben.id, &peer, blob, 0, Box::new(kept.clone()), &cancel);
    let (_, fetched) = expect("an answer", async { tokio::join!(answer, fetch) }).await;
    assert!(matches!(fetched, Err(BlobError::Mismatch)), "{fetched:?}");
    assert!(kept.bytes().is_empty() && !kept.is_whole());
}

#[tokio::test]
async fn only_the_machine_that_is_meant_is_asked_and_the_blocked_get_nothing() {
    let (anna, ben, mut calls) = two().await;
    let (blob, _) = blob(&bytes(GROUP));
    let cancel = CancellationToken::new();
    let elsewhere = anna.link.fetch_blob(anna.id, &at(&ben), blob, 0, Box::new(Kept::default()), &cancel).await;
    assert!(matches!(elsewhere, Err(BlobError::Dial(DialError::OtherKey { .. }))), "{elsewhere:?}");
    ben.gate.set(anna.id, Gate::Refuse);
    let blocked = anna.link.fetch_blob(ben.id, &at(&ben), blob, 0, Box::new(Kept::default()), &cancel).await;
    assert!(blocked.is_err(), "because the door is closed to her");
    assert!(calls.try_recv().is_err(), "because nobody was asked");
}
