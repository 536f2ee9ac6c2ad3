//! The profile: one program at a time, its key, its settings, and what survives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use std::fs;
use std::path::Path;

use landline_node as node;
use node::view::MessageState;
use node::{KeyStorage, MePatch, NewToken, Node, SessionPatch, StartError};
use serde_json::json;
use testkit::{Net, Setup};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_never_open_one_profile() {
    let net = Net::new();
    let alice = net.alice().await;
    let error = Node::start(alice.config()).await.unwrap_err();
    assert!(matches!(error, StartError::ProfileInUse { .. }), "{error}");
    assert!(error.to_string().contains(&std::process::id().to_string()), "because it names the program: {error}");
    alice.stop().await;
    alice.start_again().await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_key_is_an_error_and_never_a_new_identity() {
    let net = Net::new();
    let alice = net.alice().await;
    let (id, dir) = (alice.id(), alice.node().data_dir().to_owned());
    assert_eq!(alice.node().key_storage(), KeyStorage::File);
    assert_eq!(alice.node().me().key_storage, "file");
    alice.stop().await;
    let key = fs::read(dir.join("identity.key")).unwrap();
    fs::remove_file(dir.join("identity.key")).unwrap();
    let error = Node::start(alice.config()).await.unwrap_err();
    assert!(matches!(&error, StartError::Key(text) if text.contains("is missing")), "{error}");
    assert!(!dir.join("identity.key").exists(), "because nothing is made up");
    fs::write(dir.join("identity.key"), &key[..31]).unwrap();
    let error = Node::start(alice.config()).await.unwrap_err();
    assert!(matches!(&error, StartError::Key(text) if text.contains("is damaged")), "{error}");
    fs::write(dir.join("identity.key"), key).unwrap();
    alice.start_again().await;
    assert_eq!(alice.id(), id);
    net.end().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_may_read_the_profile() {
    use std::os::unix::fs::PermissionsExt as _;
    let net = Net::new();
    let alice = net.alice().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = alice.node().data_dir().to_owned();
    assert_eq!(mode(&dir), 0o700);
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let only_the_owner = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), only_the_owner, "{}", path.display());
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_set_survives() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    let session = alice.open(&bob).await;
    let node = alice.node();
    assert!(!node.me().welcomed);
    let patch =
        MePatch { status_text: Some(" here ".into()), colour: Some(7), welcomed: Some(true), ..MePatch::default() };
    node.update_me(patch).await.unwrap();
    node.update_settings(json!({"theme": "dark", "ofTomorrow": [1, 2]})).await.unwrap();
    let patch = SessionPatch {
        pinned: Some(true),
        draft: Some(Some("unsent".into())),
        muted_until: Some(Some("2999-01-01T00:00:00Z".into())),
        ..SessionPatch::default()
    };
    node.update_session(&session.session_id, patch).await.unwrap();
    let token = NewToken { name: "script".into(), scopes: vec!["read".into(), "send".into()], expires_ms: Some(5) };
    let token = node.create_token_record(token).await.unwrap();
    node.revoke_token(&token.token_id).await.unwrap();
    let secret = node.derived_secret("landline test v1");

    alice.stop().await;
    let error = node.sessions().await.unwrap_err();
    assert_eq!(error.code(), "shutting_down", "because the node has ended");
    let error = node.create_session(&bob.id()).await.unwrap_err();
    assert_eq!(error.code(), "shutting_down");
    alice.start_again().await;

    let node = alice.node();
    let me = node.me();
    assert_eq!((me.name.as_str(), me.status_text.as_str(), me.colour, me.welcomed), ("Alice", "here", 7, true));
    assert_eq!(node.settings().theme, node::view::Theme::Dark);
    node.update_settings(json!({"zoom": 120})).await.unwrap();
    let row = node.session(&session.session_id).await.unwrap();
    assert_eq!((row.pinned, row.draft.as_deref()), (true, Some("unsent")));
    assert_eq!(row.muted_until.as_deref(), Some("2999-01-01T00:00:00.000Z"));
    let tokens = node.tokens().await.unwrap();
    assert_eq!((tokens.len(), tokens[0].scopes.len(), tokens[0].revoked_at.is_some()), (1, 2, true));
    assert_eq!(node.derived_secret("landline test v1"), secret);
    assert_ne!(node.derived_secret("landline test v2"), secret);
    let row = node
        .update_session(
            &session.session_id,
            SessionPatch { muted_until: Some(None), draft: Some(None), ..SessionPatch::default() },
        )
        .await
        .unwrap();
    assert_eq!((row.muted_until, row.draft), (None, None));
    net.end().await;
}

/// Puts a copy of a profile in the place of another.
fn copy_profile(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_profile(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_gets_back_what_it_lost_and_forks_nothing() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let session = alice.open(&bob).await;
    let first = alice.say(&session, "before the backup").await;
    alice.sees_state(&first, MessageState::Delivered).await;
    bob.node().accept(&alice.id()).await.unwrap();

    net.section("a backup is made");
    let dir = alice.node().data_dir().to_owned();
    let backup = dir.with_extension("backup");
    alice.stop().await;
    copy_profile(&dir, &backup);
    alice.start_again().await;
    net.linked(&alice, &bob).await;
    for number in 0..5 {
        let lost = alice.say(&session, &format!("lost {number}")).await;
        alice.sees_state(&lost, MessageState::Delivered).await;
        bob.say(&session, &format!("answer {number}")).await;
        alice.hears(&format!("answer {number}")).await;
    }

    net.section("the disk is lost, the backup is put in its place");
    alice.stop().await;
    copy_profile(&backup, &dir);
    alice.start_again().await;
    net.linked(&alice, &bob).await;
    alice.has_messages(&session.session_id, 11).await;
    let new = alice.say(&session, "after the restore").await;
    alice.sees_state(&new, MessageState::Delivered).await;
    bob.has_messages(&session.session_id, 12).await;
    let reads = alice.reads(&session.session_id).await;
    assert_eq!(reads, bob.reads(&session.session_id).await);
    assert_eq!(reads.last().unwrap().1, "after the restore");
    alice.sees_session(&session.session_id, "at rest", |session| session.waiting_count == 0).await;
    bob.say(&session, "welcome back").await;
    alice.hears("welcome back").await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_profile_writes_a_log_of_its_own() {
    let net = Net::new();
    let (alice, bob) = (net.alice().await, net.bob().await);
    net.connect(&alice, &bob).await;
    let session = alice.open(&bob).await;
    let first = alice.say(&session, "from the original").await;
    alice.sees_state(&first, MessageState::Delivered).await;
    bob.node().accept(&alice.id()).await.unwrap();
    let dir = alice.node().data_dir().to_owned();
    alice.stop().await;
    let config = net.config("Alices copy", Setup::default());
    copy_profile(&dir, &config.data_dir);
    alice.start_again().await;
    net.linked(&alice, &bob).await;
    let second = alice.say(&session, "again from the original").await;
    alice.sees_state(&second, MessageState::Delivered).await;
    alice.stop().await;

    net.section("the copy starts, offline, and writes at the same place");
    let copy = net.person("Alices copy", Setup::default()).await;
    assert_eq!(copy.id(), session.participants.iter().find(|id| **id != bob.id()).unwrap().clone());
    let third = copy.say(&session, "from the copy").await;
    net.connect(&copy, &bob).await;
    copy.sees_state(&third, MessageState::Delivered).await;
    copy.has_messages(&session.session_id, 3).await;
    bob.has_messages(&session.session_id, 3).await;
    assert_eq!(copy.reads(&session.session_id).await, bob.reads(&session.session_id).await);
    net.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_hold_no_more_make_room() {
    let net = Net::new();
    let alice = net.alice().await;
    let make = async |number: usize| {
        let token = NewToken { name: format!("page {number}"), scopes: vec!["read".to_owned()], expires_ms: None };
        alice.node().create_token_record(token).await
    };
    let mut first = None;
    for number in 0..1_000 {
        let record = make(number).await.unwrap();
        first.get_or_insert(record.token_id);
    }
    let full = make(1_000).await.unwrap_err();
    assert!(full.to_string().contains("revoke one first"), "because all of them hold: {full}");
    let first = first.unwrap();
    alice.node().revoke_token(&first).await.unwrap();
    make(1_001).await.unwrap();
    let kept = alice.node().tokens().await.unwrap();
    assert_eq!(kept.len(), 1_000);
    assert!(kept.iter().all(|token| token.token_id != first), "because the revoked one is forgotten");
    net.end().await;
}
