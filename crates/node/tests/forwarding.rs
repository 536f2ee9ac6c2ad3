//! Messages sent again, with what they carry, to a third person.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use std::path::Path;

use landline_node::SendRequest;
use landline_node::view::{Attachment, Message, MessageType, Session, TransferState};
use serde_json::json;
use testkit::{Net, Person, Setup};

/// More than one group, so that there are hashes between.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|place| (place * 31 + place / 251) as u8).collect()
}

async fn three(net: &Net) -> (Person, Person, Person, Session, Session) {
    let (alice, bob) = (net.alice().await, net.bob().await);
    let carol = net.person("Carol", Setup::default()).await;
    let from = net.befriend(&alice, &bob).await;
    let to = net.befriend(&bob, &carol).await;
    (alice, bob, carol, from, to)
}

async fn sends(person: &Person, session: &Session, text: &str, files: &[&Path]) -> Message {
    let mut attachments = Vec::new();
    for file in files {
        attachments.push(person.node().add_file(file.to_str().unwrap()).await.unwrap().upload_id);
    }
    let session = session.session_id.clone();
    let request = SendRequest {
        session,
        message: text.to_owned(),
        attachments,
        caller: "test".to_owned(),
        ..SendRequest::default()
    };
    person.node().send_message(request).await.unwrap()
}

/// Waits until all that a message carries is here.
async fn has_all(person: &Person, message: &Message) -> Vec<Attachment> {
    person
        .until("all attachments to be complete", async |node| {
            let attachments = node.message(&message.id).await.ok()?.attachments;
            let whole = |attachment: &Attachment| attachment.state == TransferState::Complete;
            (!attachments.is_empty() && attachments.iter().all(whole)).then_some(attachments)
        })
        .await
}

async fn forwards(person: &Person, message: &Message, to: &Session) -> Result<Message, (String, String)> {
    let sent = person
        .node()
        .forward_messages(std::slice::from_ref(&message.id), std::slice::from_ref(&to.session_id))
        .await
        .map_err(|error| (error.code().to_owned(), error.to_string()))?;
    Ok(sent.into_iter().next().unwrap())
}

fn content(attachment: &Attachment) -> Vec<u8> {
    std::fs::read(attachment.path.as_ref().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_received_goes_on_to_a_third_as_it_was() {
    let net = Net::new();
    let (alice, bob, carol, from, to) = three(&net).await;
    let dir = tempfile::tempdir().unwrap();
    let (film, picture, folder) = (dir.path().join("film.bin"), dir.path().join("sea.png"), dir.path().join("papers"));
    std::fs::write(&film, bytes(300_000)).unwrap();
    image::RgbImage::from_fn(900, 600, |x, y| image::Rgb([x as u8, y as u8, 90])).save(&picture).unwrap();
    std::fs::create_dir_all(folder.join("old")).unwrap();
    std::fs::write(folder.join("old/a.txt"), "A paper.").unwrap();
    let sent = sends(&alice, &from, "", &[&film, &picture, &folder]).await;
    has_all(&bob, &sent).await;
    // Who wrote it first is no longer needed.
    alice.stop().await;
    dir.close().unwrap();

    let again = forwards(&bob, &sent, &to).await.unwrap();
    assert_eq!((again.forwarded, again.message.as_str(), again.attachments.len()), (true, "", 3));
    let came = has_all(&carol, &again).await;
    let names: Vec<_> = came.iter().map(|attachment| attachment.name.as_str()).collect();
    assert_eq!(names, ["film.bin", "sea.png", "papers"]);
    assert!(content(&came[0]) == bytes(300_000), "because the bytes are those that were first sent");
    let papers = Path::new(came[2].path.as_ref().unwrap());
    assert_eq!(std::fs::read(papers.join("old/a.txt")).unwrap(), b"A paper.");
    let sea = carol
        .until("the small image", async |node| {
            let attachment = node.message(&again.id).await.ok()?.attachments.remove(1);
            attachment.thumbnail.then_some(attachment)
        })
        .await;
    let small = carol.node().attachment_thumbnail(&sea.attachment_id).await.unwrap();
    let theirs = bob.node().attachment_thumbnail(&again.attachments[1].attachment_id).await.unwrap();
    assert_eq!(small, theirs, "because small images go along");
    assert_eq!(bob.node().message(&sent.id).await.unwrap().message_type, MessageType::File);

    // Once more, and back to where it is from: nothing is hashed or stored twice.
    let files = |person: &Person| std::fs::read_dir(person.node().data_dir().join("files")).unwrap().count();
    let before = files(&bob);
    let twice = forwards(&bob, &again, &to).await.unwrap();
    has_all(&carol, &twice).await;
    assert_eq!(files(&bob), before, "because it is offered from where it is");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_files_are_forwarded_from_where_they_are() {
    let net = Net::new();
    let (alice, bob, carol, from, to) = three(&net).await;
    drop(alice);
    let dir = tempfile::tempdir().unwrap();
    let note = dir.path().join("note.txt");
    std::fs::write(&note, "Mine.").unwrap();
    let mut uploading = bob.node().begin_upload("pasted.txt", None).await.unwrap();
    uploading.write("Pasted.".into()).await.unwrap();
    let pasted = uploading.finish().await.unwrap().upload_id;
    let note_id = bob.node().add_file(note.to_str().unwrap()).await.unwrap().upload_id;
    let request = SendRequest {
        session: from.session_id.clone(),
        message: "Both".to_owned(),
        attachments: vec![note_id, pasted],
        caller: "test".to_owned(),
        ..SendRequest::default()
    };
    let sent = bob.node().send_message(request).await.unwrap();
    let again = forwards(&bob, &sent, &to).await.unwrap();
    assert_eq!(again.attachments[0].path.as_deref(), note.canonicalize().unwrap().to_str());
    let came = has_all(&carol, &again).await;
    assert_eq!((content(&came[0]), content(&came[1])), (b"Mine.".to_vec(), b"Pasted.".to_vec()));

    std::fs::write(&note, "Changed.").unwrap();
    let (code, words) = forwards(&bob, &sent, &to).await.unwrap_err();
    assert_eq!((code.as_str(), words.as_str()), ("attachment_not_here", "note.txt was changed since"));
    std::fs::remove_file(&note).unwrap();
    let (_, words) = forwards(&bob, &sent, &to).await.unwrap_err();
    assert_eq!(words, "note.txt is no longer where it was");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_here_is_named_and_nothing_is_forwarded() {
    let net = Net::new();
    let (alice, bob, carol, from, to) = three(&net).await;
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (dir.path().join("small.txt"), dir.path().join("large.bin"));
    std::fs::write(&small, "small").unwrap();
    std::fs::write(&large, bytes(200_000)).unwrap();
    bob.node().update_settings(json!({"autoAcceptBytes": 1000})).await.unwrap();
    let text = alice.say(&from, "Only words").await;
    let sent = sends(&alice, &from, "Two files", &[&small, &large]).await;
    bob.until("the small one", async |node| {
        let attachments = node.message(&sent.id).await.ok()?.attachments;
        (attachments.first()?.state == TransferState::Complete).then_some(())
    })
    .await;
    let ids = [text.id.clone(), sent.id.clone()];
    let refused = bob.node().forward_messages(&ids, std::slice::from_ref(&to.session_id)).await.unwrap_err();
    assert_eq!(refused.code(), "attachment_not_here");
    assert_eq!(refused.to_string(), "large.bin is not on this machine; fetch it first");

    let large_id = bob.node().message(&sent.id).await.unwrap().attachments[1].attachment_id.clone();
    bob.node().accept_attachment(&large_id, None).await.unwrap();
    let came = has_all(&bob, &sent).await;
    std::fs::write(came[0].path.as_ref().unwrap(), "other").unwrap();
    let (_, words) = forwards(&bob, &sent, &to).await.unwrap_err();
    assert_eq!(words, "small.txt was changed since");
    std::fs::remove_file(came[0].path.as_ref().unwrap()).unwrap();
    let (_, words) = forwards(&bob, &sent, &to).await.unwrap_err();
    assert_eq!(words, "small.txt is no longer where it was");
    assert_eq!(bob.reads(&to.session_id).await, [], "because nothing of it was sent");

    bob.node().block(&carol.id()).await.unwrap();
    let (code, _) = forwards(&bob, &text, &to).await.unwrap_err();
    assert_eq!(code, "user_blocked");
    net.end().await;
}
