//! Files at relays: what this machine laid down, and what others laid down for it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic")]

mod scene;

use landline_store::attachments::{self, AttachmentId, NewAttachment, State};
use landline_store::deposits::{self, OwnDeposit};
use landline_store::removal::{self, Received};
use landline_store::{EventKey, StoreError, Tx, machines, sessions};
use proto::relay::{FilePass, RelayAddress, Token};
use proto::sealed_file::FileKey;
use proto::{Attachment, Blob, Deposit, MachineId};
use scene::{Author, NOW, Scene, machine, pair, write_run};

const NOW_S: u64 = NOW / 1_000;
const HASH: [u8; 32] = [5; 32];
const ID: AttachmentId = AttachmentId([1; 16]);
const OTHER_ID: AttachmentId = AttachmentId([2; 16]);

fn relay(name: &str) -> RelayAddress {
    format!("wss://{name}.example.org").parse().unwrap()
}

fn key(number: u8) -> FileKey {
    FileKey::from_bytes([number; 32])
}

fn pass() -> FilePass {
    FilePass { mailbox: machine(1), token: Token::from_bytes([3; 32]) }
}

/// A session of Alice, whose machine this is, and Bob, with a message for each ID: in it one file, which goes from her to him or
/// the other way.
fn with_file(tx: &Tx<'_>, outgoing: bool, ids: &[AttachmentId]) -> Result<Vec<EventKey>, StoreError> {
    let (mut alice, mut bob) = pair();
    let (session, peer) = (alice.session, bob.id());
    machines::upsert_seen(tx, &alice.id(), NOW)?;
    machines::upsert_seen(tx, &peer, NOW)?;
    let (session, _) = sessions::create_direct(tx, &session, &peer, NOW)?;
    let author: &mut Author = if outgoing { &mut alice } else { &mut bob };
    let run = author.write(&vec!["See this"; ids.len()], &[]);
    let keys = write_run(tx, session, &run, None)?;
    let attachment = Attachment {
        blob: Blob { hash: HASH, size: 1_000 },
        name: "plan.pdf".into(),
        mime: String::new(),
        files: None,
        picture: None,
        thumbnail: None,
    };
    for (id, message) in ids.iter().zip(&keys) {
        let new = NewAttachment {
            id: *id,
            message: *message,
            place: 0,
            peer: &peer,
            outgoing,
            attachment: &attachment,
            state: if outgoing { State::Offered } else { State::Queued },
            path: None,
        };
        attachments::insert(tx, &new)?;
    }
    Ok(keys)
}

fn one(tx: &Tx<'_>) -> Result<OwnDeposit, StoreError> {
    Ok(deposits::of_hash(tx, &HASH)?.into_iter().next().unwrap())
}

#[tokio::test]
async fn a_deposit_is_told_once_when_it_is_whole() {
    let scene = Scene::new();
    let untold = |tx: &Tx<'_>, now_s| deposits::untold(tx, &machine(2), now_s, 9);
    let job = move |tx: &Tx<'_>| {
        with_file(tx, true, &[ID])?;
        let begun = deposits::begin(tx, ID, &relay("one"), &pass(), &key(7), NOW)?.unwrap();
        let own = one(tx)?;
        assert_eq!((own.key, own.relay, own.pass, own.secret), (begun, relay("one"), pass(), Some(key(7))));
        assert_eq!((own.file, own.until_s, own.begun, own.seen_ms), (key(7).id(), 0, false, NOW));
        deposits::is_taken(tx, begun, NOW + 1)?;
        assert_eq!((one(tx)?.begun, one(tx)?.seen_ms), (true, NOW + 1));
        assert_eq!(untold(tx, NOW_S)?, [], "because half a file is nothing to fetch");
        deposits::laid_down(tx, begun, NOW_S + 100_000, NOW + 2)?;
        let waits = untold(tx, NOW_S)?;
        assert_eq!((waits[0].attachment, waits[0].deposit, waits[0].hash), (ID, begun, HASH));
        assert_eq!((&waits[0].secret, waits[0].until_s), (&key(7), NOW_S + 100_000));
        assert_eq!(untold(tx, NOW_S + 100_000)?, [], "because it would not be there any more");
        deposits::told(tx, &waits[0])?;
        assert_eq!(untold(tx, NOW_S)?, []);

        deposits::laid_down(tx, begun, NOW_S + 103_600, NOW)?;
        assert_eq!(one(tx)?.until_s, NOW_S + 100_000, "because an hour is no news");
        assert_eq!(untold(tx, NOW_S)?, []);
        deposits::laid_down(tx, begun, NOW_S + 103_601, NOW)?;
        assert_eq!(untold(tx, NOW_S)?[0].until_s, NOW_S + 103_601, "because it is kept longer");

        deposits::refused(tx, begun, "it is full")?;
        let stored = attachments::get(tx, ID)?.unwrap();
        let shown = stored.deposit.unwrap();
        assert_eq!((shown.refusal.as_deref(), shown.until_s), (Some("it is full"), 0));
        assert_eq!(untold(tx, NOW_S)?, []);
        deposits::is_taken(tx, begun, NOW)?;
        assert_eq!(attachments::get(tx, ID)?.unwrap().deposit.unwrap().refusal, None, "because it is taken now");
        Ok(())
    };
    scene.store.write(job).await.unwrap();
}

#[tokio::test]
async fn a_deposit_lives_as_long_as_an_attachment_needs_it() {
    let scene = Scene::new();
    let unneeded = |tx: &Tx<'_>, now_s| {
        let all = deposits::unneeded(tx, now_s, 9)?;
        Ok::<Vec<_>, StoreError>(all.into_iter().map(|own| (own.key, own.secret)).collect())
    };
    let job = move |tx: &Tx<'_>| {
        let messages = with_file(tx, true, &[ID, OTHER_ID])?;
        let first = deposits::begin(tx, ID, &relay("one"), &pass(), &key(7), NOW)?.unwrap();
        deposits::serve(tx, OTHER_ID, first)?;
        deposits::laid_down(tx, first, NOW_S + 9_000, NOW)?;
        attachments::set_state(tx, ID, State::Complete, None)?;
        assert_eq!(unneeded(tx, NOW_S)?, [], "because the other still waits for it");
        // This machine no longer has the file: the copy is all there is.
        attachments::set_state(tx, OTHER_ID, State::Gone, None)?;
        assert_eq!(unneeded(tx, NOW_S)?, []);
        assert_eq!(unneeded(tx, NOW_S + 9_000)?, [(first, Some(key(7)))], "because it is not kept any longer");

        removal::remove(tx, &messages[..1], Received::Kept)?;
        assert_eq!(one(tx)?.secret, Some(key(7)), "because it still serves the other");
        removal::remove(tx, &messages[1..], Received::Kept)?;
        assert_eq!(deposits::of_hash(tx, &HASH)?, [], "because nothing may open it any more");
        assert_eq!(unneeded(tx, NOW_S)?, [(first, None)], "because the relay still has it");
        deposits::forget(tx, first)?;
        assert_eq!(unneeded(tx, NOW_S)?, []);
        Ok(())
    };
    scene.store.write(job).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_gone_on_with_is_given_up() {
    let scene = Scene::new();
    let job = |tx: &Tx<'_>| {
        with_file(tx, true, &[ID])?;
        let first = deposits::begin(tx, ID, &relay("one"), &pass(), &key(7), NOW)?.unwrap();
        deposits::laid_down(tx, first, NOW_S + 9_000, NOW)?;
        deposits::renounce(tx, first, "the file was changed")?;
        assert_eq!(deposits::of_hash(tx, &HASH)?, []);
        assert_eq!(deposits::untold(tx, &machine(2), NOW_S, 9)?, []);
        let shown = attachments::get(tx, ID)?.unwrap().deposit.unwrap();
        assert_eq!(shown.refusal.as_deref(), Some("the file was changed"), "because its sender is to know");
        let second = deposits::begin(tx, ID, &relay("two"), &pass(), &key(8), NOW)?.unwrap();
        assert_eq!(one(tx)?.key, second);
        deposits::laid_down(tx, second, NOW_S + 9_000, NOW)?;
        assert_eq!(deposits::untold(tx, &machine(2), NOW_S, 9)?[0].relay, relay("two"));
        Ok(())
    };
    scene.store.write(job).await.unwrap();
}

#[tokio::test]
async fn only_own_files_are_laid_down() {
    let scene = Scene::new();
    let job = |tx: &Tx<'_>| {
        with_file(tx, false, &[ID])?;
        assert_eq!(deposits::begin(tx, ID, &relay("one"), &pass(), &key(7), NOW)?, None);
        assert_eq!(deposits::begin(tx, OTHER_ID, &relay("one"), &pass(), &key(7), NOW)?, None);
        assert_eq!(deposits::unneeded(tx, NOW_S, 9)?, []);
        Ok(())
    };
    scene.store.write(job).await.unwrap();
}

fn told(from: MachineId, at: &str, key_number: u8, until_s: u64) -> Deposit {
    Deposit { machine: from, hash: HASH, relay: Some(relay(at)), key: key(key_number), until_s }
}

#[tokio::test]
async fn where_others_laid_a_file_down_is_kept_while_it_is_wanted() {
    let scene = Scene::new();
    let bob = machine(2);
    let found = move |tx: &Tx<'_>| deposits::find_told(tx, &bob, &HASH);
    let job = move |tx: &Tx<'_>| {
        let messages = with_file(tx, false, &[ID, OTHER_ID])?;
        deposits::keep_told(tx, &bob, &[told(bob, "one", 7, 100), told(bob, "two", 8, 200)])?;
        assert_eq!(found(tx)?, [told(bob, "two", 8, 200), told(bob, "one", 7, 100)], "the longest first");
        deposits::keep_told(tx, &bob, &[told(bob, "two", 9, 200), told(bob, "one", 9, 300)])?;
        assert_eq!(found(tx)?, [told(bob, "one", 9, 300), told(bob, "two", 8, 200)], "the later of two counts");
        deposits::keep_told(tx, &machine(9), &[told(machine(9), "one", 7, 100)])?;
        assert_eq!(deposits::find_told(tx, &machine(9), &HASH)?, [], "because nobody knows that machine");
        deposits::drop_told(tx, &told(bob, "one", 9, 300))?;
        assert_eq!(found(tx)?, [told(bob, "two", 8, 200)]);
        deposits::sweep_told(tx, 199)?;
        assert_eq!(found(tx)?.len(), 1);
        deposits::sweep_told(tx, 200)?;
        assert_eq!(found(tx)?, []);

        deposits::keep_told(tx, &bob, &[told(bob, "one", 7, 100)])?;
        attachments::begin(tx, ID, "/tmp/plan.part", 0, true)?;
        attachments::complete(tx, ID, "/tmp/plan.pdf")?;
        assert_eq!(found(tx)?.len(), 1, "because the other is still to come");
        removal::remove(tx, &messages[1..], Received::Kept)?;
        assert_eq!(found(tx)?, []);
        Ok(())
    };
    scene.store.write(job).await.unwrap();
}

#[tokio::test]
async fn a_contact_that_tells_without_end_is_remembered_in_part() {
    let scene = Scene::new();
    let bob = machine(2);
    let job = move |tx: &Tx<'_>| {
        with_file(tx, false, &[ID])?;
        let many: Vec<Deposit> = (1..=5_000_u64)
            .map(|number| {
                let mut hash = [0; 32];
                hash[..8].copy_from_slice(&number.to_be_bytes());
                Deposit { hash, ..told(bob, "one", 7, number) }
            })
            .collect();
        deposits::keep_told(tx, &bob, &many)?;
        let kept = |at: usize| Ok::<_, StoreError>(deposits::find_told(tx, &bob, &many[at].hash)?.len());
        assert_eq!((kept(5_000 - 4_096)?, kept(5_000 - 4_097)?), (1, 0), "because those go that end first");
        Ok(())
    };
    scene.store.write(job).await.unwrap();
}
