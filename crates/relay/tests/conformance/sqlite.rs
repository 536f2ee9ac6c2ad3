//! The rules over SQLite.

use landline_relay::SqliteMailboxes;
use landline_relay::mailboxes::Quotas;

use crate::rules::conforms;
use crate::scene::{Maker, NOW};

/// A folder for one database.
pub(crate) struct Folder(tempfile::TempDir);

impl Maker for Folder {
    type Store = SqliteMailboxes;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self, quotas: Quotas) -> SqliteMailboxes {
        SqliteMailboxes::open(self.0.path(), quotas, NOW * 1_000).unwrap()
    }
}

conforms!(Folder);
