//! Unsent messages: what they carry is kept, in its order, over restarts and for as long as it stands there.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use std::sync::Arc;

use landline_node::view::{Session, Upload, UploadState};
use landline_node::{SendRequest, SessionPatch};
use testkit::{Net, Person, Setup, ShiftedClock};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

async fn uploaded(person: &Person, name: &str, content: &'static [u8]) -> Upload {
    let mut uploading = person.node().begin_upload(name, None).await.unwrap();
    uploading.write(content.into()).await.unwrap();
    uploading.finish().await.unwrap()
}

async fn drafts(person: &Person, session: &Session, uploads: &[&Upload]) -> Session {
    let ids = uploads.iter().map(|upload| upload.upload_id.clone()).collect();
    let patch = SessionPatch { draft_attachments: Some(Some(ids)), ..SessionPatch::default() };
    person.node().update_session(&session.session_id, patch).await.unwrap()
}

async fn drafted(person: &Person, session: &Session) -> Vec<(String, UploadState)> {
    let row = person.node().session(&session.session_id).await.unwrap();
    row.draft_attachments.into_iter().map(|upload| (upload.name, upload.state)).collect()
}

#[tokio::test]
async fn what_a_draft_carries_is_there_after_a_restart() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let session = alice.open(&bob).await;
    let answered = alice.say(&session, "Which plan?").await;
    let dir = tempfile::tempdir().unwrap();
    let (plan, list) = (dir.path().join("plan.pdf"), dir.path().join("list.txt"));
    std::fs::write(&plan, b"A plan.").unwrap();
    std::fs::write(&list, b"A list.").unwrap();
    let plan_upload = alice.node().add_file(plan.to_str().unwrap()).await.unwrap();
    let list_upload = alice.node().add_file(list.to_str().unwrap()).await.unwrap();
    let pasted = uploaded(&alice, "pasted.txt", b"Pasted.").await;
    drafts(&alice, &session, &[&pasted, &plan_upload, &list_upload]).await;
    let patch = SessionPatch { draft_reply_to: Some(Some(answered.id.clone())), ..SessionPatch::default() };
    let row = alice.node().update_session(&session.session_id, patch).await.unwrap();
    assert_eq!(row.draft_attachments.len(), 3, "because what is not given stays");

    alice.stop().await;
    std::fs::remove_file(&plan).unwrap();
    std::fs::write(&list, b"A longer list.").unwrap();
    alice.start_again().await;
    let row = alice.node().session(&session.session_id).await.unwrap();
    assert_eq!((row.draft, row.draft_reply_to), (None, Some(answered.id)));
    let states: Vec<_> = row.draft_attachments.iter().map(|upload| (upload.name.as_str(), upload.state)).collect();
    let expected =
        [("pasted.txt", UploadState::Ready), ("plan.pdf", UploadState::Gone), ("list.txt", UploadState::Changed)];
    assert_eq!(states, expected, "because what vanished is said, not left out");
    let listed = alice.node().sessions().await.unwrap().remove(0);
    assert_eq!(listed.draft_attachments, row.draft_attachments, "because the list shows the same");
    let content = alice.node().attachment_content(&pasted.upload_id).await.unwrap();
    assert_eq!(content.size, 7, "because what is not sent yet can be looked at");
    net.end().await;
}

#[tokio::test]
async fn what_is_sent_leaves_the_draft() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let session = alice.open(&bob).await;
    let (one, two) = (uploaded(&alice, "one", b"1").await, uploaded(&alice, "two", b"2").await);
    drafts(&alice, &session, &[&one, &two]).await;
    let request = SendRequest {
        session: session.session_id.clone(),
        attachments: vec![one.upload_id.clone()],
        caller: "test".to_owned(),
        ..SendRequest::default()
    };
    alice.node().send_message(request).await.unwrap();
    assert_eq!(drafted(&alice, &session).await, [("two".to_owned(), UploadState::Ready)]);
    let row = alice
        .sees_session(&session.session_id, "without what was sent", |session| session.draft_attachments.len() == 1)
        .await;
    assert_eq!(row.draft_attachments[0].upload_id, two.upload_id);
    let patch = SessionPatch { draft_attachments: Some(None), ..SessionPatch::default() };
    let row = alice.node().update_session(&session.session_id, patch).await.unwrap();
    assert_eq!(row.draft_attachments, []);

    let unknown = || Some(Some(vec!["00000000-0000-4000-8000-000000000000".to_owned()]));
    for (uploads, code) in [
        (unknown(), "upload_not_found"),
        (Some(Some(vec!["x".to_owned()])), "invalid_id"),
        (Some(Some(vec![one.upload_id.clone(); 33])), "too_many_attachments"),
    ] {
        let patch = SessionPatch { pinned: Some(true), draft_attachments: uploads, ..SessionPatch::default() };
        let refused = alice.node().update_session(&session.session_id, patch).await.unwrap_err();
        assert_eq!((refused.code(), refused.field()), (code, Some("draftAttachments")));
    }
    let row = alice.node().session(&session.session_id).await.unwrap();
    assert!(!row.pinned, "because what is refused changes nothing");
    net.end().await;
}

#[tokio::test]
async fn what_a_draft_carries_outlives_the_day() {
    let net = Net::new();
    let clock = Arc::new(ShiftedClock::default());
    let alice = net.person("Alice", Setup { clock: Some(clock.clone()), ..Setup::default() }).await;
    let bob = net.bob().await;
    let session = alice.open(&bob).await;
    let (kept, dropped) = (uploaded(&alice, "kept", b"kept").await, uploaded(&alice, "dropped", b"dropped").await);
    drafts(&alice, &session, &[&kept]).await;
    clock.set_ahead(DAY_MS + 60_000);
    // Adding looks for what is left over.
    uploaded(&alice, "new", b"new").await;
    assert_eq!(drafted(&alice, &session).await, [("kept".to_owned(), UploadState::Ready)]);
    let gone = alice.node().attachment_content(&dropped.upload_id).await.unwrap_err();
    assert_eq!(gone.code(), "attachment_not_found", "because nothing has it");
    drafts(&alice, &session, &[]).await;
    uploaded(&alice, "newer", b"newer").await;
    let gone = alice.node().attachment_content(&kept.upload_id).await.unwrap_err();
    assert_eq!(gone.code(), "attachment_not_found", "because the draft was the last that had it");
    net.end().await;
}
