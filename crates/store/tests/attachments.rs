//! Attachments, and what becomes of their files.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod scene;

use landline_store::attachments::{self, AttachmentId, NewAttachment, State};
use landline_store::removal::{self, Received};
use landline_store::{EventKey, StoreError, Tx, machines, sessions};
use proto::{Attachment, Blob};
use scene::{NOW, Scene, pair, write_run};

const ID: AttachmentId = AttachmentId([1; 16]);
const PATH: &str = "/downloads/plan.pdf";

/// A message of Bob with a file that is wanted here.
fn wanted(tx: &Tx<'_>) -> Result<EventKey, StoreError> {
    let (alice, mut bob) = pair();
    let (session, peer) = (alice.session, bob.id());
    machines::upsert_seen(tx, &peer, NOW)?;
    let (session, _) = sessions::create_direct(tx, &session, &peer, NOW)?;
    let message = write_run(tx, session, &bob.write(&["See this"], &[]), None)?[0];
    let attachment = Attachment {
        blob: Blob { hash: [5; 32], size: 1_000 },
        name: "plan.pdf".into(),
        mime: String::new(),
        files: None,
        picture: None,
        thumbnail: None,
    };
    let (attachment, peer, state) = (&attachment, &peer, State::Queued);
    let new = NewAttachment { id: ID, message, place: 0, peer, outgoing: false, attachment, state, path: None };
    attachments::insert(tx, &new)?;
    Ok(message)
}

#[tokio::test]
async fn what_is_whole_stays_however_often_that_is_said() {
    let scene = Scene::new();
    let job = |tx: &Tx<'_>| {
        wanted(tx)?;
        assert!(attachments::complete(tx, ID, PATH)?);
        assert!(!attachments::complete(tx, ID, PATH)?, "because it is known");
        assert_eq!(attachments::doomed(tx)?, Vec::<String>::new());
        assert!(!attachments::complete(tx, ID, "/downloads/plan (2).pdf")?);
        assert_eq!(attachments::doomed(tx)?, ["/downloads/plan (2).pdf"], "because nobody asked for another");
        Ok(())
    };
    scene.store.write(job).await.unwrap();
}

#[tokio::test]
async fn what_comes_after_its_message_went_goes_too() {
    let scene = Scene::new();
    let job = |tx: &Tx<'_>| {
        let message = wanted(tx)?;
        removal::remove(tx, &[message], Received::Kept)?;
        assert!(!attachments::complete(tx, ID, PATH)?);
        assert_eq!(attachments::doomed(tx)?, [PATH]);
        Ok(())
    };
    scene.store.write(job).await.unwrap();
}
