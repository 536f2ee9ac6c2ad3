//! What a relay keeps, whatever keeps it.
//!
//! [`crate::SqliteMailboxes`] keeps it in a file of its own, [`crate::NatsMailboxes`] where many relay nodes share it;
//! `tests/conformance` says what any of them must do.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use proto::id::MachineId;

use crate::config::Limits;

/// What a mailbox answers, later: when it is a promise, after the commit.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, MailboxError>>;

/// Hash of a delivery token. The relay never keeps the token itself.
pub type TokenHash = [u8; 32];

/// Mailboxes of machines: what waits for each, who may put there, and its prekey. Wall-clock times are seconds since 1970.
pub trait Mailboxes: fmt::Debug + Send + Sync + 'static {
    /// Notes that a machine is here, makes its mailbox when it has none, and gives its delivery tokens.
    fn enter(&self, machine: MachineId, now_s: u64) -> Answer<'_, Vec<Token>>;

    /// Keeps an item for a machine. The same envelope for the same machine is kept once, also after it was taken away,
    /// until it would have expired.
    fn put(&self, put: Put) -> Answer<'_, Kept>;

    /// Items behind a cursor, oldest first: at most `count`, and of at most `bytes` unless the first alone is larger.
    fn fetch(&self, machine: MachineId, after: u64, count: usize, bytes: usize) -> Answer<'_, Page>;

    /// Takes items away. Cursors that are not the machine's, or no longer, are passed over.
    fn acknowledge(&self, machine: MachineId, cursors: Vec<u64>) -> Answer<'_, ()>;

    /// Changes the delivery tokens of a machine, and gives those that are valid then.
    fn change_tokens(&self, machine: MachineId, change: TokenChange, now_s: u64) -> Answer<'_, Vec<Token>>;

    /// Keeps a machine's prekey register, in the place of an older one: whether it lies there now.
    fn publish(&self, machine: MachineId, version: u64, register: Bytes) -> Answer<'_, bool>;

    /// A machine's prekey register.
    fn prekey(&self, machine: MachineId) -> Answer<'_, Option<Bytes>>;

    /// Removes what has expired, some at a time: whether there is more.
    fn sweep(&self, now_s: u64) -> Answer<'_, bool>;

    /// How much is kept. Also shows that the store answers.
    fn count(&self) -> Answer<'_, Counts>;

    /// Ends after all that was begun.
    fn close(&self) -> Answer<'_, ()>;
}

/// An item to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// For whom.
    pub to: MachineId,
    /// By which token; without one it goes to the request slot.
    pub token: Option<TokenHash>,
    /// The sealed bytes.
    pub envelope: Bytes,
    /// When.
    pub now_s: u64,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It lies in the mailbox.
    New,
    /// It had come before.
    Known,
}

/// An item in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place: later items have greater ones, and none is given twice.
    pub cursor: u64,
    /// When it came.
    pub put_s: u64,
    /// The sealed bytes.
    pub envelope: Bytes,
}

/// Some items of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Oldest first.
    pub items: Vec<Item>,
    /// Whether others follow.
    pub more: bool,
}

/// A delivery token of a machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Its hash.
    pub hash: TokenHash,
    /// From when on it is not valid; 0 for always.
    pub expires_s: u64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expires_s", &self.expires_s).finish_non_exhaustive()
    }
}

impl Token {
    /// Whether it is valid at a time.
    #[must_use]
    pub fn is_valid(&self, now_s: u64) -> bool {
        self.expires_s == 0 || now_s < self.expires_s
    }
}

/// A change of delivery tokens. What is in both lists is there afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenChange {
    /// Takes all away first.
    pub replace: bool,
    /// Those to take away.
    pub remove: Vec<TokenHash>,
    /// Those to add, or to give another expiry.
    pub add: Vec<Token>,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Mailboxes.
    pub mailboxes: u64,
    /// Items in them.
    pub items: u64,
    /// Bytes of their envelopes, or, where the store does not count those alone, of all that it keeps.
    pub bytes: u64,
}

/// Why a mailbox does not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// The machine has no mailbox here.
    #[error("the machine has no mailbox here")]
    NoMailbox,
    /// The token is not valid for that machine.
    #[error("the token is not valid")]
    BadToken,
    /// The mailbox has as much as it may have; names which limit, and the limit.
    #[error("the mailbox is full ({what}: {limit})")]
    Full {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// The envelope is too large for where it should go.
    #[error("the envelope may have {limit} bytes")]
    TooLarge {
        /// Most bytes.
        limit: u64,
    },
    /// No more mailboxes, or no more tokens in one.
    #[error("no more {what} than {limit}")]
    Exhausted {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// The store can't be reached at the moment. What was asked may have been done; asking again does no harm.
    #[error("the store can't be reached: {0}")]
    Away(String),
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The store can't, for a reason that only its operator can do something about.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Those limits that a store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotas {
    /// Seconds for which an item is kept.
    pub ttl_s: u64,
    /// Items of a mailbox.
    pub items: u32,
    /// Bytes of a mailbox.
    pub bytes: u64,
    /// Mailboxes.
    pub mailboxes: u32,
    /// Seconds after which a mailbox is forgotten whose owner does not come.
    pub forget_after_s: u64,
    /// Items of strangers.
    pub request_items: u32,
    /// Bytes of a stranger's item.
    pub request_bytes: u32,
    /// Seconds for which a stranger's item is kept.
    pub request_ttl_s: u64,
    /// Delivery tokens of a machine.
    pub tokens: u32,
}

impl From<&Limits> for Quotas {
    fn from(limits: &Limits) -> Self {
        Self {
            ttl_s: limits.ttl.as_secs(),
            items: limits.items,
            bytes: limits.bytes,
            mailboxes: limits.mailboxes,
            forget_after_s: limits.forget_after.as_secs(),
            request_items: limits.request_items,
            request_bytes: limits.request_bytes,
            request_ttl_s: limits.request_ttl.as_secs(),
            tokens: limits.tokens,
        }
    }
}
