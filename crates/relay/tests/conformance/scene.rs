//! What the rules are told with.

use bytes::Bytes;
use landline_relay::mailboxes::{Kept, MailboxError, Mailboxes, Put, Quotas, Token, TokenChange, TokenHash};
use proto::id::MachineId;

/// When all of it happens, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;

/// The one token of these scenes.
pub(crate) const KEY: TokenHash = [7; 32];

/// Makes stores of one kind, each empty; and opens one again that was closed or left.
pub(crate) trait Maker {
    type Store: Mailboxes;

    fn new() -> Self;
    async fn open(&self, quotas: Quotas) -> Self::Store;
}

/// Small quotas, so that they are reached.
pub(crate) fn quotas() -> Quotas {
    Quotas {
        ttl_s: 1_000,
        items: 4,
        bytes: 1_000,
        mailboxes: 3,
        forget_after_s: 100_000,
        request_items: 2,
        request_bytes: 50,
        request_ttl_s: 100,
        tokens: 3,
    }
}

pub(crate) fn machine(number: u8) -> MachineId {
    MachineId::from_bytes([number; 32])
}

pub(crate) fn token(number: u8) -> Token {
    Token { hash: [number; 32], expires_s: 0 }
}

/// Lets a machine enter and give out the token.
pub(crate) async fn mailbox(store: &impl Mailboxes, number: u8) -> MachineId {
    store.enter(machine(number), NOW).await.unwrap();
    let change = TokenChange { add: vec![Token { hash: KEY, expires_s: 0 }], ..TokenChange::default() };
    store.change_tokens(machine(number), change, NOW).await.unwrap();
    machine(number)
}

pub(crate) async fn put_at(
    store: &impl Mailboxes,
    to: MachineId,
    envelope: &[u8],
    now_s: u64,
) -> Result<Kept, MailboxError> {
    let envelope = Bytes::copy_from_slice(envelope);
    store.put(Put { to, token: Some(KEY), envelope, now_s }).await
}

pub(crate) async fn put(store: &impl Mailboxes, to: MachineId, envelope: &[u8]) -> Result<Kept, MailboxError> {
    put_at(store, to, envelope, NOW).await
}

pub(crate) async fn ask(store: &impl Mailboxes, to: MachineId, envelope: &[u8]) -> Result<Kept, MailboxError> {
    let envelope = Bytes::copy_from_slice(envelope);
    store.put(Put { to, token: None, envelope, now_s: NOW }).await
}

/// The envelopes of all items, and their cursors.
pub(crate) async fn content(store: &impl Mailboxes, of: MachineId) -> (Vec<Vec<u8>>, Vec<u64>) {
    let page = store.fetch(of, 0, 64, 1 << 20).await.unwrap();
    assert!(!page.more, "because these scenes are small");
    page.items.into_iter().map(|item| (item.envelope.to_vec(), item.cursor)).unzip()
}

/// Mailboxes, items, and bytes of envelopes. A store that counts other bytes with them counts at least those.
pub(crate) async fn kept(store: &impl Mailboxes) -> (u64, u64, u64) {
    let counts = store.count().await.unwrap();
    let mut bytes = 0;
    for number in 1..=9 {
        let page = store.fetch(machine(number), 0, 64, 1 << 20).await.unwrap();
        bytes += page.items.iter().map(|item| item.envelope.len() as u64).sum::<u64>();
    }
    assert!(counts.bytes >= bytes, "{counts:?}");
    (counts.mailboxes, counts.items, bytes)
}
