//! Files that wait at a relay for a machine that is away.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends with a panic that says why")]

use std::path::PathBuf;

use landline_node::DeleteFor;
use landline_node::view::{Attachment, Message, RelayCopyState, Session, TransferState};
use testkit::files::{Shelf, add, bytes, content, sees, send};
use testkit::{Net, Person, Relay, Setup, is_connected, meet};

const MIB: usize = 1 << 20;

fn at(relay: &Relay) -> Setup {
    Setup { relays: vec![relay.address()], ..Setup::default() }
}

/// Anna and Ben, at home at one relay and with no other way to each other.
async fn apart(net: &Net) -> (Relay, Person, Person, Session) {
    let relay = net.relay().await;
    let (anna, ben) = (net.person("Anna", at(&relay)).await, net.person("Ben", at(&relay)).await);
    let session = meet(&anna, &ben).await;
    (relay, anna, ben, session)
}

async fn sends(person: &Person, session: &Session, shelf: &Shelf, name: &str, data: &[u8]) -> Message {
    let upload = add(person, &shelf.file(name, data)).await;
    send(person, session, name, &[&upload]).await
}

/// Waits until the copy at the relay stands so.
async fn copy_is(person: &Person, message: &Message, state: RelayCopyState) -> Attachment {
    let stands = |attachment: &Attachment| attachment.relay_copy.as_ref().is_some_and(|copy| copy.state == state);
    sees(person, message, &format!("{state:?} at the relay"), stands).await
}

async fn is_complete(person: &Person, message: &Message) -> Attachment {
    sees(person, message, "complete", |attachment| attachment.state == TransferState::Complete).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_comes_from_the_relay_while_its_sender_is_away() {
    let net = Net::new();
    let (shelf, data) = (Shelf::new(), bytes(3 * MIB + 17));
    let (relay, anna, ben, session) = apart(&net).await;
    ben.stop().await;
    let message = sends(&anna, &session, &shelf, "plan.pdf", &data).await;
    let held = copy_is(&anna, &message, RelayCopyState::Held).await;
    let copy = held.relay_copy.unwrap();
    assert_eq!((copy.relay.as_str(), copy.failure), (relay.address().as_str(), None));
    assert!(copy.until.is_some(), "because the sender is told how long it is kept");
    assert_eq!(held.state, TransferState::Offered, "because it is not on Ben's disk");
    relay.until_items("what says so to lie there too", |items| items >= 2).await;

    net.section("Anna leaves, and Ben comes");
    anna.stop().await;
    ben.start_again().await;
    let came = is_complete(&ben, &message).await;
    assert_eq!(content(&came), data);

    net.section("both are there: the file is not needed at the relay any more");
    anna.start_again().await;
    let done = is_complete(&anna, &message).await;
    assert_eq!(done.relay_copy, None);
    relay.until_files("the file to be taken away", |files| files == 0).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_lies_where_its_sender_is_at_home_or_else_where_its_receiver_is() {
    let net = Net::new();
    let (shelf, data) = (Shelf::new(), bytes(100_000));
    let (hers, his) = (net.relay_called("hers", |_| {}).await, net.relay_called("his", |_| {}).await);
    let (anna, ben) = (net.person("Anna", at(&hers)).await, net.person("Ben", at(&his)).await);
    let dora = net.person("Dora", Setup::default()).await;
    let (with_anna, with_dora) = (meet(&anna, &ben).await, meet(&ben, &dora).await);
    ben.stop().await;
    for (person, session, relay) in [(&anna, &with_anna, &hers), (&dora, &with_dora, &his)] {
        let message = sends(person, session, &shelf, "notes.txt", &data).await;
        let held = copy_is(person, &message, RelayCopyState::Held).await.relay_copy.unwrap();
        assert_eq!(held.relay, relay.address());
        his.until_items("what says so to lie in his mailbox", |items| items >= 2).await;
        person.stop().await;
        ben.start_again().await;
        assert_eq!(content(&is_complete(&ben, &message).await), data);
        ben.stop().await;
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_for_several_lies_there_once() {
    let net = Net::new();
    let (shelf, data) = (Shelf::new(), bytes(200_000));
    let (relay, anna, ben, with_ben) = apart(&net).await;
    let cleo = net.person("Cleo", at(&relay)).await;
    let with_cleo = meet(&anna, &cleo).await;
    ben.stop().await;
    cleo.stop().await;
    let to_ben = sends(&anna, &with_ben, &shelf, "photo.jpg", &data).await;
    copy_is(&anna, &to_ben, RelayCopyState::Held).await;
    let forwarded = anna
        .node()
        .forward_messages(std::slice::from_ref(&to_ben.id), std::slice::from_ref(&with_cleo.session_id))
        .await
        .unwrap();
    let to_cleo = forwarded.first().unwrap().clone();
    copy_is(&anna, &to_cleo, RelayCopyState::Held).await;
    assert_eq!(relay.files().await, 1);
    relay.until_items("both to be told", |items| items >= 4).await;
    anna.stop().await;

    net.section("each fetches it");
    for (person, message) in [(&ben, &to_ben), (&cleo, &to_cleo)] {
        person.start_again().await;
        assert_eq!(content(&is_complete(person, message).await), data);
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_relay_does_not_take_is_said_and_goes_when_both_are_there() {
    let net = Net::new();
    let (shelf, data) = (Shelf::new(), bytes(MIB + 1));
    let relay = net.relay_called("relay", |limits| limits.file_bytes = 1 << 20).await;
    let (anna, ben) = (net.person("Anna", at(&relay)).await, net.person("Ben", at(&relay)).await);
    let session = meet(&anna, &ben).await;
    ben.stop().await;
    let message = sends(&anna, &session, &shelf, "film.mkv", &data).await;
    let refused = copy_is(&anna, &message, RelayCopyState::Refused).await;
    assert_eq!(refused.relay_copy.unwrap().failure.as_deref(), Some("it takes files of at most 1 MiB"));
    assert_eq!(refused.state, TransferState::Offered, "because it is offered all the same");
    let small = sends(&anna, &session, &shelf, "note.txt", b"Small enough").await;
    copy_is(&anna, &small, RelayCopyState::Held).await;

    net.section("Ben comes");
    ben.start_again().await;
    assert_eq!(content(&is_complete(&ben, &message).await), data);
    assert_eq!(is_complete(&anna, &message).await.relay_copy, None);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_deleted_is_taken_away() {
    let net = Net::new();
    let shelf = Shelf::new();
    let (relay, anna, ben, session) = apart(&net).await;
    ben.stop().await;
    let message = sends(&anna, &session, &shelf, "mistake.txt", b"Not for Ben").await;
    copy_is(&anna, &message, RelayCopyState::Held).await;
    assert_eq!(relay.files().await, 1);
    anna.node().delete_message(&message.id, DeleteFor::All).await.unwrap();
    relay.until_files("the file to be taken away", |files| files == 0).await;

    net.section("the relay is not there when the next one goes");
    let other = sends(&anna, &session, &shelf, "other.txt", b"Nor this").await;
    copy_is(&anna, &other, RelayCopyState::Held).await;
    relay.stop().await;
    anna.node().delete_message(&other.id, DeleteFor::All).await.unwrap();
    relay.start_again().await;
    is_connected(&anna).await;
    relay.until_files("that one to be taken away too", |files| files == 0).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_sender_no_longer_has_comes_from_the_relay_though_a_link_stands() {
    let net = Net::new();
    let (shelf, data) = (Shelf::new(), bytes(300_000));
    let (relay, anna, ben, session) = apart(&net).await;
    ben.stop().await;
    let message = sends(&anna, &session, &shelf, "scan.png", &data).await;
    copy_is(&anna, &message, RelayCopyState::Held).await;
    relay.until_items("what says so to lie there too", |items| items >= 2).await;
    std::fs::remove_file(shelf.path().join("scan.png")).unwrap();
    ben.start_again().await;
    ben.sees_online(&anna).await;
    assert_eq!(content(&is_complete(&ben, &message).await), data);
    is_complete(&anna, &message).await;
    relay.until_files("the file to be taken away", |files| files == 0).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_here_and_held_there_says_both() {
    let net = Net::new();
    let (shelf, data) = (Shelf::new(), bytes(300_000));
    let (relay, anna, ben, session) = apart(&net).await;
    ben.stop().await;
    let message = sends(&anna, &session, &shelf, "scan.png", &data).await;
    let until = copy_is(&anna, &message, RelayCopyState::Held).await.relay_copy.unwrap().until;
    relay.until_items("what says so to lie there too", |items| items >= 2).await;
    std::fs::remove_file(shelf.path().join("scan.png")).unwrap();

    net.section("a cable is laid while the relay is away");
    relay.stop().await;
    ben.start_again().await;
    net.connect(&anna, &ben).await;
    let gone = sees(&anna, &message, "gone", |attachment| attachment.state == TransferState::Gone).await;
    assert_eq!(gone.failure.as_deref(), Some("the file is no longer where it was"));
    let copy = gone.relay_copy.unwrap();
    assert_eq!((copy.state, copy.until), (RelayCopyState::Held, until), "because it can be had there");

    net.section("the relay is back");
    relay.start_again().await;
    assert_eq!(content(&is_complete(&ben, &message).await), data);
    assert_eq!(is_complete(&anna, &message).await.relay_copy, None, "because nobody needs it any more");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_lost_a_file_costs_a_wait_until_both_are_there() {
    let net = Net::new();
    let (shelf, data) = (Shelf::new(), bytes(100_000));
    let (relay, anna, ben, session) = apart(&net).await;
    ben.stop().await;
    let message = sends(&anna, &session, &shelf, "notes.txt", &data).await;
    copy_is(&anna, &message, RelayCopyState::Held).await;
    relay.until_items("what says so to lie there too", |items| items >= 2).await;
    anna.stop().await;
    relay.stop().await;
    relay.forget_files();
    relay.start_again().await;
    ben.start_again().await;
    let wanted =
        |attachment: &Attachment| matches!(attachment.state, TransferState::Queued | TransferState::Transferring);
    sees(&ben, &message, "wanted", wanted).await;
    anna.start_again().await;
    assert_eq!(content(&is_complete(&ben, &message).await), data);
    net.end().await;
}

/// The part of a file that has come so far.
fn part(person: &Person) -> PathBuf {
    let mut folders = vec![person.config().data_dir];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                Some(extension) if extension == "part" => return path,
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    panic!("{} has no part of a file", person.name());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_came_from_a_relay_is_proven_with_the_rest() {
    let net = Net::new();
    let (shelf, data) = (Shelf::new(), bytes(400_000));
    let (relay, anna, ben, session) = apart(&net).await;
    ben.stop().await;
    let message = sends(&anna, &session, &shelf, "scan.png", &data).await;
    copy_is(&anna, &message, RelayCopyState::Held).await;
    relay.until_items("what says so to lie there too", |items| items >= 2).await;
    anna.stop().await;

    net.section("the relay has changed the end of it");
    relay.stop().await;
    relay.spoil_files();
    relay.start_again().await;
    ben.start_again().await;
    let halted = |attachment: &Attachment| attachment.state == TransferState::Queued && attachment.bytes_done > 0;
    let came = sees(&ben, &message, "there in part", halted).await.bytes_done;
    assert!(came < data.len() as u64, "because the rest is not what its sender sealed");

    net.section("and the beginning is changed on Ben's disk");
    ben.stop().await;
    let mut content_so_far = std::fs::read(part(&ben)).unwrap();
    *content_so_far.first_mut().unwrap() ^= 1;
    std::fs::write(part(&ben), content_so_far).unwrap();
    ben.start_again().await;
    anna.start_again().await;
    let whole = content(&is_complete(&ben, &message).await);
    assert!(whole == data, "what was changed on the way must come anew");
    net.end().await;
}
