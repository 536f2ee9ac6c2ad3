//! Files between two nodes: offered, fetched, cut, changed, refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use std::path::PathBuf;

use landline_node::view::{
    Attachment, Change, FilesNotice, FilesOutcome, Message, MessageType, Notification, NotificationKind, Presence,
    Session, TransferState,
};
use landline_node::{DeleteFor, FocusState, NodeError, NotificationsRequest, SendRequest};
use link::blob::{BlobError, BlobRefusal};
use proto::Blob;
use serde_json::json;
use testkit::files::{Shelf, add, bytes, content, sees, send};
use testkit::{Net, Person, Stranger};

async fn sees_state(person: &Person, message: &Message, state: TransferState) -> Attachment {
    sees(person, message, &format!("{state:?}"), |attachment| attachment.state == state).await
}

/// Two people who have accepted each other, and their session.
async fn two(net: &Net) -> (Person, Person, Session) {
    let (anna, ben) = (net.alice().await, net.bob().await);
    net.connect(&anna, &ben).await;
    let session = anna.open(&ben).await;
    anna.say(&session, "Hello.").await;
    ben.hears("Hello.").await;
    ben.node().accept(&anna.id()).await.unwrap();
    let theirs = ben.sees_session(&session.session_id, "accepted", |session| !session.request).await;
    ben.say(&theirs, "Hello, Anna.").await;
    anna.hears("Hello, Anna.").await;
    (anna, ben, session)
}

/// Waits until a machine that was stopped is seen offline.
async fn misses(person: &Person, id: &str) {
    person
        .until("the other to be offline", async |node| {
            node.user(id).is_ok_and(|user| user.status == Presence::Offline).then_some(())
        })
        .await;
}

/// Waits until this much of an attachment has come.
async fn has_bytes(person: &Person, count: u64) -> u64 {
    person
        .wait_for("some of the file to have come", |change| match change {
            Change::TransferChanged { transfer } if transfer.bytes_done >= count => Some(transfer.bytes_done),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_small_file_comes_by_itself_in_either_direction() {
    let net = Net::new();
    let (anna, ben, session) = two(&net).await;
    let shelf = Shelf::new();
    for (from, to, size) in [(&anna, &ben, 300_000), (&ben, &anna, 200_001), (&anna, &ben, 65_536), (&ben, &anna, 0)] {
        let data = bytes(size);
        let upload = add(from, &shelf.file("report.pdf", &data)).await;
        assert_eq!((upload.size, upload.mime.as_str()), (size as u64, "application/pdf"));
        let sent = send(from, &session, "", &[&upload]).await;
        assert_eq!((sent.message_type, sent.message.as_str()), (MessageType::File, ""));
        let came = sees_state(to, &sent, TransferState::Complete).await;
        assert!(content(&came) == data, "because it arrived as it was");
        assert_eq!((came.bytes_done, came.name.as_str()), (size as u64, "report.pdf"));
        let told = sees_state(from, &sent, TransferState::Complete).await;
        assert_eq!(told.bytes_done, size as u64, "because the other side said that all has come");
    }
    let names: Vec<_> = std::fs::read_dir(ben.node().data_dir().join("downloads"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "because nothing took the place of another, and nothing unfinished is left: {names:?}");
    net.end().await;
}

#[tokio::test]
async fn a_large_file_waits_until_it_is_accepted() {
    let net = Net::new();
    let (anna, ben, session) = two(&net).await;
    ben.node().update_settings(json!({"autoAcceptBytes": 1000})).await.unwrap();
    let shelf = Shelf::new();
    let data = bytes(2_000_000);
    let upload = add(&anna, &shelf.file("film.mkv", &data)).await;
    let sent = send(&anna, &session, "Have a look.", &[&upload]).await;
    ben.hears("Have a look.").await;
    let offered = sees_state(&ben, &sent, TransferState::Offered).await;
    assert_eq!((offered.bytes_done, offered.path), (0, None));
    let elsewhere = shelf.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let id = offered.attachment_id;
    let refused = ben.node().accept_attachment(&id, Some("relative")).await.unwrap_err();
    assert_eq!(refused.field(), Some("saveTo"));
    ben.node().accept_attachment(&id, elsewhere.to_str()).await.unwrap();
    let came = sees_state(&ben, &sent, TransferState::Complete).await;
    assert_eq!(came.path.as_deref(), elsewhere.canonicalize().unwrap().join("film.mkv").to_str());
    assert!(content(&came) == data);
    sees_state(&anna, &sent, TransferState::Complete).await;
    let refused = anna.node().accept_attachment(&id, None).await.unwrap_err();
    assert_eq!(refused.code(), "own_attachment");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_is_not_sent_again_after_cuts_and_restarts() {
    let net = Net::new();
    let (anna, ben, session) = two(&net).await;
    let shelf = Shelf::new();
    let data = bytes(150_000_000);
    let upload = add(&anna, &shelf.file("disk.img", &data)).await;
    ben.node().update_settings(json!({"autoAcceptBytes": 1})).await.unwrap();
    let sent = send(&anna, &session, "", &[&upload]).await;
    let offered = sees_state(&ben, &sent, TransferState::Offered).await;
    let id = offered.attachment_id.clone();

    // Accepted while the sender is away: it waits.
    let anna_id = anna.id();
    anna.stop().await;
    misses(&ben, &anna_id).await;
    ben.node().accept_attachment(&id, None).await.unwrap();
    sees_state(&ben, &sent, TransferState::Queued).await;
    anna.start_again().await;

    let before_cut = has_bytes(&ben, 1).await;
    net.cut(&anna, &ben).await;
    let kept = sees_state(&ben, &sent, TransferState::Queued).await.bytes_done;
    assert!(kept >= before_cut / 65_536 * 65_536, "because what has arrived is kept");
    net.heal(&anna, &ben).await;
    let again = has_bytes(&ben, 1).await;
    assert!(again >= kept, "because it goes on where it was: {again} after {kept}");

    ben.stop().await;
    ben.start_again().await;
    let came = sees_state(&ben, &sent, TransferState::Complete).await;
    assert!(content(&came) == data);
    sees_state(&anna, &sent, TransferState::Complete).await;
    net.end().await;
}

#[tokio::test]
async fn pause_resume_and_cancel() {
    let net = Net::new();
    let (anna, ben, session) = two(&net).await;
    ben.node().update_settings(json!({"autoAcceptBytes": 1})).await.unwrap();
    let shelf = Shelf::new();
    let data = bytes(500_000);
    let upload = add(&anna, &shelf.file("a.bin", &data)).await;
    let sent = send(&anna, &session, "", &[&upload]).await;
    let id = sees_state(&ben, &sent, TransferState::Offered).await.attachment_id;
    let refused = ben.node().pause_transfer(&id).await.unwrap_err();
    assert_eq!(refused.code(), "transfer_not_running");

    let anna_id = anna.id();
    anna.stop().await;
    misses(&ben, &anna_id).await;
    ben.node().accept_attachment(&id, None).await.unwrap();
    assert_eq!(ben.node().pause_transfer(&id).await.unwrap().state, TransferState::Paused);
    anna.start_again().await;
    ben.sees_online(&anna).await;
    sees_state(&anna, &sent, TransferState::Paused).await;
    assert_eq!(ben.node().transfers().await.unwrap().items[0].state, TransferState::Paused);
    ben.node().resume_transfer(&id).await.unwrap();
    let came = sees_state(&ben, &sent, TransferState::Complete).await;
    assert!(content(&came) == data);
    sees_state(&anna, &sent, TransferState::Complete).await;

    let again = send(&anna, &session, "again", &[&upload]).await;
    let id = sees_state(&ben, &again, TransferState::Offered).await.attachment_id;
    ben.node().cancel_transfer(&id).await.unwrap();
    sees_state(&anna, &again, TransferState::Cancelled).await;
    let third = send(&anna, &session, "and again", &[&upload]).await;
    let id = sees_state(&ben, &third, TransferState::Offered).await.attachment_id;
    anna.node().cancel_transfer(&id).await.unwrap();
    // The blob itself is still shared by the first message; only this offer ended.
    sees_state(&anna, &third, TransferState::Cancelled).await;
    net.end().await;
}

#[tokio::test]
async fn a_file_that_vanished_or_changed_is_said_on_both_sides() {
    let net = Net::new();
    let (anna, ben, session) = two(&net).await;
    ben.node().update_settings(json!({"autoAcceptBytes": 1})).await.unwrap();
    let shelf = Shelf::new();
    let (gone, changed) = (shelf.file("gone.txt", b"I was here."), shelf.file("changed.txt", b"As it was."));
    let (first, second) = (add(&anna, &gone).await, add(&anna, &changed).await);
    let first = send(&anna, &session, "", &[&first]).await;
    let second = send(&anna, &session, "", &[&second]).await;
    std::fs::remove_file(&gone).unwrap();
    std::fs::write(&changed, b"As it is now, which is longer.").unwrap();
    for (message, words) in [(&first, "no longer"), (&second, "changed")] {
        let id = sees_state(&ben, message, TransferState::Offered).await.attachment_id;
        ben.node().accept_attachment(&id, None).await.unwrap();
        let here = sees_state(&ben, message, TransferState::Gone).await;
        assert!(here.failure.as_ref().unwrap().contains(words), "{here:?}");
        let there = sees_state(&anna, message, TransferState::Gone).await;
        assert!(there.failure.as_ref().unwrap().contains(words), "{there:?}");
    }
    // It comes back, and can be fetched after all.
    let _same = shelf.file("gone.txt", b"I was here.");
    let back = add(&anna, &gone).await;
    let again = send(&anna, &session, "", &[&back]).await;
    let id = sees_state(&ben, &again, TransferState::Offered).await.attachment_id;
    ben.node().accept_attachment(&id, None).await.unwrap();
    sees_state(&ben, &again, TransferState::Complete).await;
    net.end().await;
}

/// Waits for the record of a transfer that says so.
async fn noted(person: &Person, words: &str) -> Notification {
    person
        .until(&format!("a record that says {words:?}"), async |node| {
            let kind = Some(NotificationKind::Transfer);
            let request = NotificationsRequest { kind, ..NotificationsRequest::default() };
            let rows = node.notifications(request).await.unwrap().items;
            rows.into_iter().find(|row| row.body.contains(words))
        })
        .await
}

#[tokio::test]
async fn what_waits_comes_or_fails_is_noted_once_for_a_message() {
    let net = Net::new();
    let (anna, ben, session) = two(&net).await;
    ben.node().update_settings(json!({"autoAcceptBytes": 100})).await.unwrap();
    ben.node().mark_session_read(&session.session_id, None).await.unwrap();
    let shelf = Shelf::new();
    let mut uploads = Vec::new();
    for number in 0..3 {
        uploads.push(add(&anna, &shelf.file(&format!("part {number}.bin"), &bytes(50_000 + number))).await);
    }
    let sent = send(&anna, &session, "Three.", &uploads.iter().collect::<Vec<_>>()).await;
    let waiting = noted(&ben, "part 0.bin and 2 other files wait to be accepted.").await;
    assert_eq!((waiting.title.as_str(), waiting.count, waiting.read), ("Alice", 3, false));
    assert_eq!((&waiting.session_id, &waiting.message_id), (&Some(session.session_id.clone()), &Some(sent.id.clone())));
    let notice = ben
        .until("the notice of it", async |node| node.notices().into_iter().find(|notice| notice.files.is_some()))
        .await;
    assert_eq!(notice.body, "Three.", "because they came with a message");
    let files = notice.files.unwrap();
    assert_eq!((files.outcome, files.name.as_str(), files.files), (FilesOutcome::Waiting, "part 0.bin", 3));
    ben.node().mark_session_read(&session.session_id, None).await.unwrap();

    for file in &ben.node().message(&sent.id).await.unwrap().attachments {
        ben.node().accept_attachment(&file.attachment_id, None).await.unwrap();
    }
    let came = noted(&ben, "part 0.bin and 2 other files have arrived.").await;
    assert_eq!(came.count, 3);
    let all_came = |files: &FilesNotice| files.outcome == FilesOutcome::Came && files.files == 3;
    ben.until("the notice of it", async |node| {
        node.notices().into_iter().find(|notice| notice.files.as_ref().is_some_and(all_came))
    })
    .await;
    let session_id = Some(session.session_id.clone());
    let window = |session, focused| FocusState { viewer: "window".to_owned(), session, focused };
    ben.node().focus(window(session_id, true));
    assert!(ben.node().notices().is_empty(), "because somebody looks");

    net.section("nothing of it is said on screen, and what is small comes with its message");
    let small = add(&anna, &shelf.file("small.txt", b"Small.")).await;
    let on_screen = send(&anna, &session, "", &[&small]).await;
    sees_state(&ben, &on_screen, TransferState::Complete).await;
    ben.node().focus(window(None, false));
    let unseen = send(&anna, &session, "", &[&small]).await;
    sees_state(&ben, &unseen, TransferState::Complete).await;

    net.section("a message without words is told by what it brings");
    let brings = |files: &FilesNotice| (files.outcome, files.name.as_str()) == (FilesOutcome::Attached, "small.txt");
    ben.until("the notice of it", async |node| {
        node.notices().into_iter().find(|notice| notice.files.as_ref().is_some_and(brings))
    })
    .await;
    let newest = ben.node().notifications(NotificationsRequest::default()).await.unwrap().items.remove(0);
    assert_eq!((newest.kind, newest.body.as_str()), (NotificationKind::Message, "small.txt"));

    net.section("what fails is said on both sides, and goes with its message");
    let path = shelf.file("gone.bin", &bytes(5_000));
    let gone = add(&anna, &path).await;
    let lost = send(&anna, &session, "", &[&gone]).await;
    noted(&ben, "gone.bin waits to be accepted.").await;
    std::fs::remove_file(&path).unwrap();
    let id = sees_state(&ben, &lost, TransferState::Offered).await.attachment_id;
    ben.node().accept_attachment(&id, None).await.unwrap();
    let failed = noted(&ben, "gone.bin could not be received: the file is no longer on the other machine.").await;
    assert_eq!((failed.read, failed.message_id), (false, Some(lost.id.clone())));
    let there = noted(&anna, "gone.bin could not be sent: the file is no longer where it was.").await;
    assert_eq!((there.title.as_str(), there.message_id), ("Bob", Some(lost.id.clone())));
    anna.node().delete_message(&lost.id, DeleteFor::All).await.unwrap();
    for (person, left) in [(&anna, 0), (&ben, 2)] {
        person
            .until("the records of it to go", async |node| {
                let kind = Some(NotificationKind::Transfer);
                let request = NotificationsRequest { kind, ..NotificationsRequest::default() };
                (node.notifications(request).await.unwrap().items.len() == left).then_some(())
            })
            .await;
    }
    net.end().await;
}

#[tokio::test]
async fn folders_and_images() {
    let net = Net::new();
    let (anna, ben, session) = two(&net).await;
    let shelf = Shelf::new();
    let root = shelf.path().join("holiday");
    std::fs::create_dir_all(root.join("day 1")).unwrap();
    std::fs::create_dir(root.join("nothing")).unwrap();
    std::fs::write(root.join("day 1/a.bin"), bytes(150_000)).unwrap();
    std::fs::write(root.join("list.txt"), "one\n").unwrap();
    let folder = add(&anna, &root).await;
    assert_eq!(folder.files, Some(2));
    let sent = send(&anna, &session, "", &[&folder]).await;
    let came = sees_state(&ben, &sent, TransferState::Complete).await;
    let path = PathBuf::from(came.path.unwrap());
    assert_eq!(path.file_name().unwrap(), "holiday");
    assert!(std::fs::read(path.join("day 1/a.bin")).unwrap() == bytes(150_000));
    assert_eq!(std::fs::read(path.join("list.txt")).unwrap(), b"one\n");
    assert!(path.join("nothing").is_dir());

    let picture = shelf.path().join("sea.png");
    image::RgbImage::from_fn(900, 600, |x, y| image::Rgb([x as u8, y as u8, 90])).save(&picture).unwrap();
    ben.node().update_settings(json!({"autoAcceptBytes": 1})).await.unwrap();
    let upload = add(&anna, &picture).await;
    assert_eq!((upload.width, upload.height, upload.thumbnail), (Some(900), Some(600), true));
    let sent = send(&anna, &session, "", &[&upload]).await;
    assert_eq!(sent.message_type, MessageType::Image);
    let seen = sees(&ben, &sent, "seen in small", |attachment| attachment.thumbnail).await;
    assert_eq!((seen.state, seen.width), (TransferState::Offered, Some(900)), "because only the small image came");
    let (small, kind) = ben.node().attachment_thumbnail(&seen.attachment_id).await.unwrap();
    assert_eq!(kind, "image/jpeg");
    assert_eq!(small, anna.node().attachment_thumbnail(&seen.attachment_id).await.unwrap().0);
    net.end().await;
}

#[tokio::test]
async fn uploads_come_in_pieces_and_are_kept() {
    let net = Net::new();
    let (anna, ben, session) = two(&net).await;
    let data = bytes(400_000);
    let mut uploading = anna.node().begin_upload("pasted \u{202E}.png", None).await.unwrap();
    for piece in data.chunks(7_777) {
        uploading.write(piece.to_vec().into()).await.unwrap();
    }
    let upload = uploading.finish().await.unwrap();
    assert_eq!((upload.name.as_str(), upload.size), ("pasted _.png", 400_000));
    let sent = send(&anna, &session, "", &[&upload]).await;
    let came = sees_state(&ben, &sent, TransferState::Complete).await;
    assert!(content(&came) == data);
    assert!(sent.attachments[0].path.is_none(), "because the copy is the program's own");
    let own = anna.node().attachment_content(&came.attachment_id).await.unwrap();
    assert_eq!(own.size, 400_000);

    let begun = anna.node().begin_upload("never", None).await.unwrap();
    drop(begun);
    let left = std::fs::read_dir(anna.node().data_dir().join("files")).unwrap().count();
    assert_eq!(left, 2, "because only the copy and its hashes are kept");
    let unknown = SendRequest {
        session: session.session_id.clone(),
        message: String::new(),
        attachments: vec!["00000000-0000-4000-8000-000000000000".to_owned()],
        temp_id: None,
        caller: "test".to_owned(),
        ..SendRequest::default()
    };
    let refused = anna.node().send_message(unknown).await.unwrap_err();
    assert_eq!((refused.code(), refused.field()), ("upload_not_found", Some("attachments")));
    let missing = anna.node().add_file("/nonexistent/file").await.unwrap_err();
    assert!(matches!(missing, NodeError::NotFound { .. }), "{missing:?}");
    net.end().await;
}

#[tokio::test]
async fn nothing_is_fetched_from_a_stranger() {
    let net = Net::new();
    let (anna, ben) = (net.alice().await, net.bob().await);
    net.connect(&anna, &ben).await;
    let session = anna.open(&ben).await;
    let shelf = Shelf::new();
    let upload = add(&anna, &shelf.file("hello.txt", b"hello")).await;
    let sent = send(&anna, &session, "Take this.", &[&upload]).await;
    ben.hears("Take this.").await;
    let offered = sees_state(&ben, &sent, TransferState::Offered).await;
    let refused = ben.node().accept_attachment(&offered.attachment_id, None).await.unwrap_err();
    assert_eq!(refused.code(), "user_not_accepted");
    ben.node().accept(&anna.id()).await.unwrap();
    ben.node().accept_attachment(&offered.attachment_id, None).await.unwrap();
    let came = sees_state(&ben, &sent, TransferState::Complete).await;
    assert_eq!(content(&came), b"hello");
    net.end().await;
}

#[tokio::test]
async fn a_blob_is_given_only_to_whom_it_was_sent_and_taken_only_when_asked_for() {
    let net = Net::new();
    let (anna, ben, session) = two(&net).await;
    let shelf = Shelf::new();
    let upload = add(&anna, &shelf.file("private.txt", b"Between us.")).await;
    let sent = send(&anna, &session, "", &[&upload]).await;
    sees_state(&ben, &sent, TransferState::Complete).await;

    let mut mallory = Stranger::new(66).await;
    mallory.dial(&anna).await;
    let hash = *blake3::hash(b"Between us.").as_bytes();
    let blob = Blob { hash, size: 11 };
    let got = mallory.fetches(&anna, blob).await;
    assert!(
        matches!(got, Err(BlobError::Refused(BlobRefusal::Gone))),
        "who knows the hash gets nothing by it: {got:?}"
    );
    let brought = mallory.brings(&anna, blob, b"Between us.".to_vec()).await;
    assert!(matches!(brought, Err(BlobError::Refused(BlobRefusal::Unasked))), "{brought:?}");
    net.end().await;
}
