#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends with a panic that says why"
)]

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};

use super::*;
use crate::Limits;
use crate::files::{FileCounts, FileQuotas, Files as _};

const NOW_S: u64 = 1_800_000_000;

fn open(folder: &Path) -> Result<SqliteMailboxes, OpenError> {
    SqliteMailboxes::open(folder, Quotas::from(&Limits::default()), NOW_S * 1_000)
}

fn anna() -> MachineId {
    MachineId::from_bytes([1; 32])
}

fn ask(number: u32) -> Put {
    let envelope = Bytes::copy_from_slice(&number.to_be_bytes());
    Put { to: anna(), token: None, envelope, now_s: NOW_S }
}

#[tokio::test]
async fn schema_sql_says_what_the_database_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.close().await.unwrap();
    let database = open::reader(&folder.path().join("relay.db")).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid";
    let real: Vec<String> =
        database.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let all = [SCHEMA, FILES_SCHEMA].concat();
    let statements = real.iter().filter(|sql| all.contains(&format!("{sql};"))).count();
    assert_eq!(statements, real.len(), "because each table is made as it is written: {real:?}");
    assert_eq!(all.matches("CREATE ").count(), real.len());
    let strict: i64 = database
        .query_row(
            "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(strict, 0, "because each table holds what its columns say");
    let mode: String = database.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_database_of_the_first_version_gets_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.enter(anna(), NOW_S).await.unwrap();
    store.put(ask(1)).await.unwrap();
    let before = "DROP TRIGGER files_go; DROP TRIGGER files_come; DROP TABLE file_totals; DROP TABLE files;";
    let before = store.write(0, move |db, _| db.execute_batch(before).map_err(|error| failed(&error)));
    before.await.unwrap();
    let version = store.write(0, |db, _| db.pragma_update(None, "user_version", 1).map_err(|error| failed(&error)));
    version.await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let store = open(folder.path()).unwrap();
    let files = SqliteFiles::open(&store, folder.path(), FileQuotas::from(&Limits::default())).unwrap();
    assert_eq!(files.count().await, Ok(FileCounts::default()));
    assert_eq!(store.fetch(anna(), 0, 9, 100).await.unwrap().items.len(), 1, "because what was there stays");
}

#[tokio::test]
async fn files_are_moved_aside_with_their_database() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let open_files = |store: &SqliteMailboxes| {
        SqliteFiles::open(store, folder.path(), FileQuotas::from(&Limits::default())).unwrap()
    };
    drop(open_files(&store));
    store.close().await.unwrap();
    drop(store);
    let name = proto::FileId::from_bytes([1; 32]).to_string();
    fs::write(folder.path().join("files").join(&name), "sealed").unwrap();
    SqliteMailboxes::move_aside(folder.path(), NOW_S).unwrap().unwrap();
    let store = open(folder.path()).unwrap();
    drop(open_files(&store));
    let aside = folder.path().join(format!("relay.db.aside-{NOW_S}-files")).join(name);
    assert_eq!(fs::read_to_string(aside).unwrap(), "sealed", "because the database that was moved counts it");
}

#[tokio::test]
async fn cursors_begin_where_no_earlier_database_came() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.enter(anna(), NOW_S).await.unwrap();
    store.put(ask(1)).await.unwrap();
    let page = store.fetch(anna(), 0, 1, 100).await.unwrap();
    assert_eq!(page.items[0].cursor, NOW_S * 1_000 + 1, "because a wiped disk must hide nothing from who remembers");
}

#[tokio::test]
async fn a_crowd_shares_its_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.enter(anna(), NOW_S).await.unwrap();
    let synchronous = store.write(0, |db, _| {
        db.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).map_err(|error| failed(&error))
    });
    assert_eq!(synchronous.await, Ok(2), "because FULL is what an acknowledgement promises");
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let held = store.write(0, move |_, _| {
        wait.recv().ok();
        Ok(())
    });
    let changes = |db: &Connection| db.query_row("SELECT total_changes()", [], |row| row.get::<_, i64>(0));
    // The frames of the log that a job finds are those of the groups before its own.
    let frames = |path: PathBuf| fs::metadata(path.with_file_name("relay.db-wal")).unwrap().len();
    let (path, again) = (store.db.path.clone(), store.db.path.clone());
    let first = store.write(0, move |db, _| Ok((frames(path), changes(db).map_err(|error| failed(&error))?)));
    let middle = store.put(ask(2));
    let last = store.write(0, move |db, _| Ok((frames(again), changes(db).map_err(|error| failed(&error))?)));
    let (held, first, middle, last, ()) = tokio::join!(held, first, middle, last, async { go.send(()).unwrap() });
    held.unwrap();
    middle.unwrap();
    let (first, last) = (first.unwrap(), last.unwrap());
    assert!(last.1 > first.1, "because the item was written between them");
    assert_eq!(first.0, last.0, "because all three were one transaction");
}

#[tokio::test]
async fn a_job_that_fails_takes_nobody_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.enter(anna(), NOW_S).await.unwrap();
    let (good, panicked, refused, better) = tokio::join!(
        store.put(ask(1)),
        store.write(0, |db, _| -> Result<(), MailboxError> {
            db.execute("DELETE FROM items", []).unwrap();
            panic!("as a bug would")
        }),
        store.write(0, |db, _| {
            db.execute("DELETE FROM items", []).unwrap();
            Err::<(), _>(MailboxError::BadToken)
        }),
        store.put(ask(2)),
    );
    assert_eq!((good, better), (Ok(Kept::New), Ok(Kept::New)));
    assert_eq!(refused, Err(MailboxError::BadToken));
    assert!(matches!(panicked, Err(MailboxError::Failed(_))));
    assert_eq!(store.fetch(anna(), 0, 9, 100).await.unwrap().items.len(), 2, "because what they changed was undone");
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.enter(anna(), NOW_S).await.unwrap();
    // The database may have no more pages: SQLite reports it as it does a full disk.
    let limit = |pages: i64| {
        store.write(0, move |db, _| db.pragma_update(None, "max_page_count", pages).map_err(|error| failed(&error)))
    };
    limit(1).await.unwrap();
    let quotas = Limits { request_items: 10_000, ..Limits::default() };
    let put = |number: u32| {
        store.write(8_000, {
            let quotas = Quotas::from(&quotas);
            let envelope = Bytes::from([number.to_be_bytes().as_slice(), &[0; 8_000]].concat());
            move |db, _| rows::put(db, &quotas, &Put { envelope, ..ask(0) })
        })
    };
    let mut kept = 0;
    while put(kept).await == Ok(Kept::New) {
        kept += 1;
    }
    assert_eq!(put(kept).await, Err(MailboxError::DiskFull));
    let before = store.fetch(anna(), 0, 10_000, 1 << 30).await.unwrap().items;
    assert_eq!(before.len(), kept as usize, "because what was acknowledged is there");
    limit(1_000_000).await.unwrap();
    assert_eq!(put(kept).await, Ok(Kept::New), "because there is room again");
}

#[tokio::test]
async fn a_file_that_is_no_mailbox_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    fs::write(&path, "my dear diary, this is no database").unwrap();
    let refused = open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("is not a database") && refused.contains("--start-anew"), "{refused}");
    assert!(fs::read_to_string(&path).unwrap().starts_with("my dear diary"));

    fs::remove_file(&path).unwrap();
    #[allow(clippy::disallowed_methods, reason = "another program's database")]
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE diary (day)").unwrap();
    drop(other);
    let refused = open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("another program"), "{refused}");
}

#[tokio::test]
async fn a_damaged_file_is_said_and_moved_aside_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    store.enter(anna(), NOW_S).await.unwrap();
    store.put(ask(1)).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let path = folder.path().join("relay.db");
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(4096)).unwrap();
    file.write_all(&vec![0xaa; usize::try_from(length).unwrap() - 4096]).unwrap();
    drop(file);
    let refused = open(folder.path()).unwrap_err();
    assert!(refused.to_string().contains("is damaged"), "{refused}");
    assert_eq!(fs::metadata(&path).unwrap().len(), length, "because somebody may want to save what is in it");

    let aside = SqliteMailboxes::move_aside(folder.path(), NOW_S).unwrap().unwrap();
    assert_eq!(fs::metadata(aside).unwrap().len(), length);
    let store = open(folder.path()).unwrap();
    assert_eq!(store.count().await, Ok(Counts::default()));
    assert_eq!(SqliteMailboxes::move_aside(tempfile::tempdir().unwrap().path(), NOW_S).unwrap(), None);
}
