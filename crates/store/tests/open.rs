//! Opening files that are not as they should be: each has its own error, and stays as it was.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "tests may panic, and make damaged databases by hand"
)]

mod scene;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use landline_store::{FILE_NAME, OpenError, Store, messages, sessions};
use rusqlite::Connection;
use scene::{NOW, Scene, pair, write_run};

/// Everything in a folder, byte for byte.
fn contents(folder: &Path) -> BTreeMap<String, Content> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), Content(fs::read(entry.path()).unwrap()))).collect()
}

/// A file's bytes, which a failed assertion does not print.
#[derive(PartialEq)]
struct Content(Vec<u8>);

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A database with a few hundred messages, closed.
async fn filled() -> tempfile::TempDir {
    let scene = Scene::new();
    let (mut alice, bob) = pair();
    let runs: Vec<_> = (0..20).map(|_| alice.write(&["hello"; 20], &[])).collect();
    let (session, peer) = (alice.session, bob.id());
    let written = scene.store.write(move |tx| {
        let (key, _) = sessions::create_direct(tx, &session, &peer, NOW)?;
        runs.iter().try_for_each(|run| write_run(tx, key, run, Some(&peer)).map(drop))
    });
    written.await.unwrap();
    scene.store.close().await.unwrap();
    scene.folder
}

/// Opens, expects an error, and compares the folder before and after.
fn refused(folder: &Path) -> OpenError {
    let before = contents(folder);
    let error = Store::open(&folder.join(FILE_NAME)).expect_err("this file must not be opened");
    assert_eq!(before, contents(folder), "a file that is not understood is left as it is");
    assert!(!error.remedy().is_empty());
    error
}

fn change(folder: &Path, sql: &str) {
    let connection = Connection::open(folder.join(FILE_NAME)).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    connection.close().unwrap();
}

#[tokio::test]
async fn a_new_file_is_private_and_opens_again() {
    let scene = Scene::new();
    #[cfg(unix)]
    for name in [FILE_NAME, "landline.db-wal", "landline.db-shm"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(scene.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name} is its owner's only");
    }
    let scene = scene.reopened().await;
    let names: Vec<_> = contents(scene.folder.path()).into_keys().collect();
    assert!(names.contains(&FILE_NAME.to_owned()));
}

#[tokio::test]
async fn nothing_is_left_beside_a_closed_file() {
    let folder = filled().await;
    assert_eq!(contents(folder.path()).into_keys().collect::<Vec<_>>(), [FILE_NAME]);
}

#[tokio::test]
async fn an_awkward_path_is_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("100% Jürgen? #1 & co").join(FILE_NAME);
    fs::create_dir(path.parent().unwrap()).unwrap();
    Store::open(&path).unwrap().close().await.unwrap();
    Store::open(&path).unwrap().close().await.unwrap();
}

#[tokio::test]
async fn newer_version() {
    let folder = filled().await;
    // Schema 1000, readable by programs of schema 500 on.
    change(folder.path(), "PRAGMA user_version = 32769000");
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::NewerVersion { found: 1000, .. }), "{error:?}");
}

#[tokio::test]
async fn newer_version_with_a_log_beside_it() {
    let folder = filled().await;
    change(folder.path(), "PRAGMA user_version = 32769000");
    fs::write(folder.path().join("landline.db-wal"), [7; 100]).unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::NewerVersion { found: 1000, .. }), "{error:?}");
}

#[tokio::test]
async fn newer_version_that_is_only_in_the_log() {
    let folder = filled().await;
    let connection = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    connection.execute_batch("PRAGMA user_version = 32769000").unwrap();
    // As after a crash: the connection never gets to carry the log over.
    let copy = tempfile::tempdir().unwrap();
    for (name, content) in contents(folder.path()) {
        fs::write(copy.path().join(name), content.0).unwrap();
    }
    let before = contents(copy.path());
    let error = Store::open(&copy.path().join(FILE_NAME)).unwrap_err();
    assert!(matches!(error, OpenError::NewerVersion { found: 1000, .. }), "{error:?}");
    let after = contents(copy.path());
    for name in [FILE_NAME, "landline.db-wal"] {
        assert_eq!(before[name], after[name], "{name} is left as it is");
    }
}

#[tokio::test]
async fn a_newer_version_that_older_programs_may_open() {
    let folder = filled().await;
    // Schema 1000, readable by programs of schema 1 on.
    change(folder.path(), "PRAGMA user_version = 66536; CREATE TABLE of_the_future (key INTEGER)");
    let store = Store::open(&folder.path().join(FILE_NAME)).unwrap();
    assert_eq!(store.read(sessions::totals).await.unwrap().waiting, 400);
    store.close().await.unwrap();
    let connection = Connection::open(folder.path().join(FILE_NAME)).unwrap();
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 66536, "the version mark of the newer program stays");
}

#[tokio::test]
async fn not_a_database() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE_NAME), "Dear diary, this is no database.").unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_of_another_program() {
    let folder = tempfile::tempdir().unwrap();
    change(folder.path(), "PRAGMA application_id = 1234; CREATE TABLE theirs (x)");
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Foreign { application_id: 1234, .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_that_does_not_say_whose_it_is() {
    let folder = tempfile::tempdir().unwrap();
    change(folder.path(), "CREATE TABLE theirs (x)");
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Foreign { application_id: 0, .. }), "{error:?}");
}

#[tokio::test]
async fn cut_off() {
    let folder = filled().await;
    let path = folder.path().join(FILE_NAME);
    let length = fs::metadata(&path).unwrap().len();
    for keep in [length - 4096, length / 2, 4096, 5000, 90, 20] {
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(keep).unwrap();
        let error = refused(folder.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "cut to {keep}: {error:?}");
    }
}

#[tokio::test]
async fn overwritten_in_the_middle() {
    let folder = filled().await;
    let path = folder.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    // The schema, and the root of a table.
    for page in [0, 1, 2] {
        let mut bytes = whole.clone();
        let header = if page == 0 { 100 } else { 0 };
        bytes[page * 4096 + header..(page + 1) * 4096].fill(0x5a);
        fs::write(&path, &bytes).unwrap();
        let error = refused(folder.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "page {page}: {error:?}");
    }
}

#[tokio::test]
async fn a_table_is_missing() {
    let folder = filled().await;
    change(folder.path(), "DROP TABLE messages");
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn damage_found_later_is_an_error_of_the_job() {
    let folder = filled().await;
    let path = folder.path().join(FILE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 4096;
    for page in pages / 2..pages {
        bytes[page * 4096..(page + 1) * 4096].fill(0x5a);
    }
    fs::write(&path, &bytes).unwrap();
    // A look at every page would take too long at each start, so this may open; then a read says it.
    let Ok(store) = Store::open(&path) else { return };
    let session = pair().0.session;
    let read = store.read(move |reader| {
        let key = sessions::find(reader, &session)?.unwrap();
        messages::page(reader, key, &messages::Cursor::First, 200)
    });
    let error = read.await.unwrap_err();
    assert!(matches!(error, landline_store::StoreError::Damaged(_)), "{error:?}");
    store.close().await.unwrap();
}

#[tokio::test]
async fn no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let error = Store::open(&folder.path().join("missing").join(FILE_NAME)).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
}

/// Set when this test runs inside a mount namespace of its own.
const INSIDE: &str = "LANDLINE_STORE_TEST_MOUNTS";

/// Read-only and full disks, on small file systems of their own. The test starts itself again in a mount namespace, as root or
/// by an unprivileged user namespace.
#[cfg(target_os = "linux")]
#[test]
fn read_only_and_full_disks() {
    if std::env::var_os(INSIDE).is_some() {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            read_only_disk().await;
            full_disk().await;
        });
        return;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--map-root-user"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "read_only_and_full_disks", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare (util-linux) starts");
    assert!(status.success(), "the test inside the namespace passes");
}

#[cfg(target_os = "linux")]
fn mount(folder: &Path, options: &str) {
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).status().unwrap();
    assert!(status.success(), "a small tmpfs can be mounted");
}

#[cfg(target_os = "linux")]
fn remount(folder: &Path, options: &str) {
    assert!(Command::new("mount").args(["-o", options]).arg(folder).status().unwrap().success());
}

#[cfg(target_os = "linux")]
async fn read_only_disk() {
    let filled = filled().await;
    let folder = tempfile::tempdir().unwrap();
    mount(folder.path(), "size=4m");
    fs::copy(filled.path().join(FILE_NAME), folder.path().join(FILE_NAME)).unwrap();
    remount(folder.path(), "remount,ro");
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");

    // Only the file is read-only, its folder is not.
    remount(folder.path(), "remount,rw");
    let file = folder.path().join(FILE_NAME);
    assert!(Command::new("mount").arg("--bind").arg(&file).arg(&file).status().unwrap().success());
    remount(&file, "remount,bind,ro");
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
    assert!(Command::new("umount").arg(&file).status().unwrap().success());

    fs::remove_file(&file).unwrap();
    remount(folder.path(), "remount,ro");
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::ReadOnly { .. }), "no file yet: {error:?}");
}

#[cfg(target_os = "linux")]
async fn full_disk() {
    // Nothing there, no room to make it.
    let folder = tempfile::tempdir().unwrap();
    mount(folder.path(), "size=64k");
    fs::write(folder.path().join("ballast"), vec![1; 40 << 10]).unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Full { .. }), "{error:?}");

    // There, and the disk is full: no room for the files beside it.
    let filled = filled().await;
    let folder = tempfile::tempdir().unwrap();
    mount(folder.path(), "size=1m");
    fs::copy(filled.path().join(FILE_NAME), folder.path().join(FILE_NAME)).unwrap();
    fill_up(folder.path());
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::Full { .. }), "{error:?}");

    // The disk fills while the store is open: the write says so, what was there stays, and room helps.
    fs::remove_file(folder.path().join("ballast")).unwrap();
    let store = Store::open(&folder.path().join(FILE_NAME)).unwrap();
    fill_up(folder.path());
    let long = "long ".repeat(100_000);
    let failed = store.write(move |tx| landline_store::settings::set(tx, "long", &long.into())).await;
    assert_eq!(failed, Err(landline_store::StoreError::Full));
    assert_eq!(store.read(|r| landline_store::settings::get(r, "long")).await.unwrap(), None, "nothing was written");
    assert_eq!(store.read(sessions::totals).await.unwrap().waiting, 400, "what was there is there");
    fs::remove_file(folder.path().join("ballast")).unwrap();
    store.write(|tx| landline_store::settings::set(tx, "short", &true.into())).await.unwrap();
    store.close().await.unwrap();
}

#[cfg(target_os = "linux")]
fn fill_up(folder: &Path) {
    use std::io::Write;
    let mut ballast = fs::File::create(folder.join("ballast")).unwrap();
    while ballast.write_all(&[1; 4096]).is_ok() {}
}
