//! The rules over SQLite.

use std::sync::Arc;

use landline_relay::files::{FileCounts, FileError, FileQuotas, Files as _};
use landline_relay::mailboxes::Quotas;
use landline_relay::{SqliteFiles, SqliteMailboxes};

use crate::files::{FilesMaker, SIZE, begin, files_conform, small};
use crate::rules::conforms;
use crate::scene::{Maker, NOW, mailbox, quotas};

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

    async fn open(&self, file_quotas: FileQuotas) -> (Arc<SqliteMailboxes>, SqliteFiles) {
        let mailboxes = Maker::open(self, quotas()).await;
        let files = SqliteFiles::open(&mailboxes, self.0.path(), file_quotas).unwrap();
        (Arc::new(mailboxes), files)
    }
}

conforms!(Folder);
files_conform!(Folder);

#[tokio::test]
async fn room_is_kept_for_what_is_begun() {
    let folder = <Folder as Maker>::new();
    let (mailboxes, files) = FilesMaker::open(&folder, small()).await;
    let (anna, bob) = (mailbox(&*mailboxes, 1).await, mailbox(&*mailboxes, 2).await);
    for (number, of) in [(1, anna), (2, anna), (3, anna), (4, bob)] {
        files.begin(begin(number, of, SIZE)).await.unwrap();
    }
    assert_eq!(files.begin(begin(5, bob, SIZE)).await, Err(FileError::Exhausted), "though nothing has come yet");
    assert_eq!(files.count().await, Ok(FileCounts { files: 4, bytes: 4 * SIZE }));
}
