//! People, their runs, and stores for the store's tests.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "shared: not every test uses all of it, and tests may panic"
)]

use std::path::PathBuf;

use landline_store as store;
use proto::log::{Head, Local, Parent, RunBuilder};
use proto::{Body, Epoch, Identity, MachineId, SessionId, VerifiedRun};
use store::messages::{MessageKind, NewMessage};
use store::{EventKey, SessionKey, Store, StoreError, Tx};
use tempfile::TempDir;

/// A wall clock for all tests; nothing depends on it.
pub const NOW: u64 = 1_800_000_000_000;

/// A store in a folder of its own, which goes with it.
pub struct Scene {
    pub folder: TempDir,
    pub store: Store,
}

impl Scene {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join(store::FILE_NAME)).unwrap();
        Self { folder, store }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join(store::FILE_NAME)
    }

    pub async fn reopened(self) -> Self {
        self.store.close().await.unwrap();
        let store = Store::open(&self.folder.path().join(store::FILE_NAME)).unwrap();
        Self { folder: self.folder, store }
    }
}

/// Someone who writes into one session.
pub struct Author {
    pub identity: Identity,
    pub local: Local,
    pub session: SessionId,
    pub head: Option<Head>,
}

pub fn identity(number: u8) -> Identity {
    Identity::from_seed([number; 32])
}

pub fn machine(number: u8) -> MachineId {
    identity(number).machine_id()
}

/// The two of a direct session.
pub fn pair() -> (Author, Author) {
    let session = SessionId::direct(&machine(1), &machine(2));
    (Author::new(1, session), Author::new(2, session))
}

impl Author {
    pub fn new(number: u8, session: SessionId) -> Self {
        let identity = identity(number);
        let local = Local { machine: identity.machine_id(), epoch: Epoch::new(u64::from(number) << 50) };
        Self { identity, local, session, head: None }
    }

    pub fn id(&self) -> MachineId {
        self.local.machine
    }

    /// A run of messages.
    pub fn write(&mut self, texts: &[&str], parents: &[Parent]) -> VerifiedRun {
        let bodies: Vec<Body> = texts.iter().map(|text| Body::message(*text)).collect();
        self.run(&bodies, parents)
    }

    pub fn run(&mut self, bodies: &[Body], parents: &[Parent]) -> VerifiedRun {
        let parents = parents.iter().copied();
        let mut builder = RunBuilder::new(self.session, &self.local, self.head.as_ref(), parents).unwrap();
        for body in bodies {
            builder.push(NOW, body).unwrap();
        }
        let (run, head) = builder.sign(&self.identity).unwrap();
        self.head = Some(head);
        run
    }

    pub fn parent(&self) -> Parent {
        let head = self.head.unwrap();
        Parent { id: head.id, lamport: head.lamport }
    }
}

/// Writes a run as the node does: event, message and, for an own run, outbox rows.
pub fn write_run(
    tx: &Tx<'_>,
    session: SessionKey,
    run: &VerifiedRun,
    recipient: Option<&MachineId>,
) -> Result<Vec<EventKey>, StoreError> {
    let keys = store::events::append(tx, session, run, NOW)?;
    let mut messages = Vec::new();
    for (event, key) in run.events().iter().zip(&keys) {
        let Ok(Some(Body::Message(body))) = event.decode_body() else { continue };
        messages.push(NewMessage {
            key: *key,
            id: event.message_id(),
            order: event.header().order(),
            text: body.text,
            wall_ms: event.header().wall_ms,
            shown_ms: NOW,
            arrived_ms: NOW,
            temp_id: None,
            own: recipient.is_some(),
            kind: MessageKind::Text,
            reply_to: body.reply_to,
            forwarded: body.forwarded,
            mentions: body.mentions,
            timer_seconds: body.expires_after,
            deleted: false,
        });
    }
    store::messages::insert(tx, session, &messages)?;
    for (event, key) in run.events().iter().zip(&keys) {
        store::operations::apply(tx, session, *key, event, NOW)?;
    }
    if let Some(recipient) = recipient {
        store::outbox::add(tx, recipient, session, &keys, NOW)?;
    }
    Ok(keys)
}
