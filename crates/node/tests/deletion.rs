//! What becomes of files when their message is deleted for everyone, for one, or by the clock.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use landline_node::view::{Change, Message, MessageState, Session, TransferState};
use landline_node::{DeleteFor, SendRequest, SessionPatch};
use testkit::{Net, Person, Setup, ShiftedClock};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Enough to be on its way for a while.
const LARGE_BYTES: u64 = 200 << 20;

async fn sends(person: &Person, session: &Session, uploads: &[String]) -> Message {
    let request = SendRequest {
        session: session.session_id.clone(),
        attachments: uploads.to_vec(),
        caller: "test".to_owned(),
        ..SendRequest::default()
    };
    person.node().send_message(request).await.unwrap()
}

async fn added(person: &Person, path: &Path) -> String {
    person.node().add_file(path.to_str().unwrap()).await.unwrap().upload_id
}

async fn pasted(person: &Person, content: &'static [u8]) -> String {
    let mut uploading = person.node().begin_upload("pasted.txt", None).await.unwrap();
    uploading.write(content.into()).await.unwrap();
    uploading.finish().await.unwrap().upload_id
}

/// Where the files of a message lie, once all have come.
async fn has_all(person: &Person, message: &Message) -> Vec<PathBuf> {
    person
        .until("all attachments to be complete", async |node| {
            let attachments = node.message(&message.id).await.ok()?.attachments;
            let whole = !attachments.is_empty()
                && attachments.iter().all(|attachment| attachment.state == TransferState::Complete);
            whole.then(|| attachments.into_iter().map(|attachment| attachment.path.unwrap().into()).collect())
        })
        .await
}

fn entries(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

/// The folders in which a node keeps files: received ones, and its own copies.
fn folders(person: &Person) -> [PathBuf; 2] {
    ["downloads", "files"].map(|name| person.node().data_dir().join(name))
}

async fn holds_nothing(person: &Person) {
    let folders = folders(person);
    person.until_disk("all files to be gone", || folders.iter().all(|folder| entries(folder) == 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_for_everyone_it_is_gone_on_both_disks() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let session = net.befriend(&alice, &bob).await;
    let dir = tempfile::tempdir().unwrap();
    let (note, picture) = (dir.path().join("note.txt"), dir.path().join("sea.png"));
    fs::write(&note, "A note.").unwrap();
    image::RgbImage::from_fn(400, 300, |x, y| image::Rgb([x as u8, y as u8, 90])).save(&picture).unwrap();
    let uploads = [added(&alice, &note).await, added(&alice, &picture).await, pasted(&alice, b"Pasted.").await];
    let sent = sends(&alice, &session, &uploads).await;
    let came = has_all(&bob, &sent).await;
    assert!(came.iter().all(|path| path.is_file()));
    assert_eq!(entries(&folders(&alice)[1]), 1, "because only what was pasted is a copy of the program's own");

    alice.node().delete_message(&sent.id, DeleteFor::All).await.unwrap();
    bob.until("the deletion", async |node| node.message(&sent.id).await.ok()?.deleted_at).await;
    holds_nothing(&bob).await;
    holds_nothing(&alice).await;
    assert!(note.is_file() && picture.is_file(), "because the person's own files are not the program's to remove");
    for person in [&alice, &bob] {
        let left = person.node().attachment_thumbnail(&sent.attachments[1].attachment_id).await.unwrap_err();
        assert_eq!(left.code(), "attachment_not_found", "because small images go as well");
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_while_it_is_on_its_way() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let session = net.befriend(&alice, &bob).await;
    let dir = tempfile::tempdir().unwrap();
    let film = dir.path().join("film.bin");
    File::create(&film).unwrap().set_len(LARGE_BYTES).unwrap();
    let uploads = [added(&alice, &film).await];
    bob.node().update_settings(serde_json::json!({"autoAcceptBytes": LARGE_BYTES})).await.unwrap();
    let sent = sends(&alice, &session, &uploads).await;
    bob.wait_for("some of it to have come", |change| match change {
        Change::TransferChanged { transfer } if transfer.bytes_done > 0 => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(entries(&folders(&bob)[0]), 1, "because it grows in the downloads");
    alice.node().delete_message(&sent.id, DeleteFor::All).await.unwrap();
    bob.until("the deletion", async |node| node.message(&sent.id).await.ok()?.deleted_at).await;
    holds_nothing(&bob).await;
    holds_nothing(&alice).await;
    assert_eq!(bob.node().transfers().await.unwrap().items, [], "because nothing is fetched any more");
    assert_eq!(film.metadata().unwrap().len(), LARGE_BYTES);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_while_the_other_side_was_offline() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let session = net.befriend(&alice, &bob).await;
    let uploads = [pasted(&alice, b"Pasted.").await];
    let sent = sends(&alice, &session, &uploads).await;
    let came = has_all(&bob, &sent).await;
    bob.stop().await;
    alice.node().delete_message(&sent.id, DeleteFor::All).await.unwrap();
    holds_nothing(&alice).await;
    assert!(came[0].is_file(), "because nobody has told him yet");
    bob.start_again().await;
    bob.until("the deletion", async |node| node.message(&sent.id).await.ok()?.deleted_at).await;
    holds_nothing(&bob).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_received_stays_when_only_the_message_goes() {
    let net = Net::new();
    let clock = Arc::new(ShiftedClock::default());
    let alice = net.alice().await;
    let bob = net.person("Bob", Setup { clock: Some(clock.clone()), ..Setup::default() }).await;
    let session = net.befriend(&alice, &bob).await;
    let one = sends(&alice, &session, &[pasted(&alice, b"One.").await]).await;
    let two = sends(&alice, &session, &[pasted(&alice, b"Two.").await]).await;
    let (one_path, two_path) = (has_all(&bob, &one).await.remove(0), has_all(&bob, &two).await.remove(0));
    bob.node().delete_message(&one.id, DeleteFor::Me).await.unwrap();
    clock.set_ahead(2 * DAY_MS);
    let patch = SessionPatch { retention_days: Some(Some(1)), ..SessionPatch::default() };
    bob.node().update_session(&session.session_id, patch).await.unwrap();
    bob.until("the other message to be gone", async |node| node.message(&two.id).await.is_err().then_some(())).await;
    // What is doomed goes at the next start at the latest.
    bob.stop().await;
    bob.start_again().await;
    bob.sees_online(&alice).await;
    assert_eq!((fs::read(&one_path).unwrap(), fs::read(&two_path).unwrap()), (b"One.".to_vec(), b"Two.".to_vec()));

    // The program's own copy goes with the sender's message.
    alice.sees_state(&one, MessageState::Delivered).await;
    for message in [&one, &two] {
        alice.node().delete_message(&message.id, DeleteFor::Me).await.unwrap();
    }
    holds_nothing(&alice).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_disappears_takes_its_files_along() {
    let net = Net::new();
    let clock = Arc::new(ShiftedClock::default());
    let setup = || Setup { clock: Some(clock.clone()), ..Setup::default() };
    let (alice, bob) = (net.person("Alice", setup()).await, net.person("Bob", setup()).await);
    let session = net.befriend(&alice, &bob).await;
    alice.node().set_timer(&session.session_id, 3_600).await.unwrap();
    let sent = sends(&alice, &session, &[pasted(&alice, b"For an hour.").await]).await;
    has_all(&bob, &sent).await;
    bob.node().mark_session_read(&session.session_id, None).await.unwrap();
    alice.until("the timer to run", async |node| node.message(&sent.id).await.ok()?.expires_at).await;
    clock.set_ahead(2 * 3_600_000);
    for person in [&alice, &bob] {
        person.node().wake();
        holds_nothing(person).await;
    }
    net.end().await;
}
