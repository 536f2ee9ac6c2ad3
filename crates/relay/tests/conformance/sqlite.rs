//! The rules over SQLite.

use landline_relay::files::FileQuotas;
use landline_relay::mailboxes::Quotas;
use landline_relay::{SqliteFiles, SqliteMailboxes};

use crate::files::{FilesMaker, files_conform};
use crate::rules::conforms;
use crate::scene::{Maker, NOW, quotas};

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

impl FilesMaker for Folder {
    type Mailboxes = SqliteMailboxes;
    type Files = SqliteFiles;

    fn new() -> Self {
        <Self as Maker>::new()
    }

    async fn open(&self, file_quotas: FileQuotas) -> (SqliteMailboxes, SqliteFiles) {
        let mailboxes = Maker::open(self, quotas()).await;
        let files = SqliteFiles::open(&mailboxes, self.0.path(), file_quotas).unwrap();
        (mailboxes, files)
    }
}

conforms!(Folder);
files_conform!(Folder);
