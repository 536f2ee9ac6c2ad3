//! From start to end.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use proto::relay::{FromRelay, PATH, RelayBye};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::scene::{Scene, anna, id, key};
use crate::wire::{PATIENCE, dial, enter, message};

#[tokio::test]
async fn it_says_goodbye_and_ends() {
    let scene = Scene::new().await;
    let (mut annas, mut nobody) = (scene.machine(&anna()).await, scene.nobody().await);
    annas.gives(&key()).await;
    let near = nobody.open(id(&anna()), &key()).await.unwrap();
    let Some(FromRelay::Incoming { ticket: far }) = annas.next().await else { panic!() };
    let (mut near, mut far) = (enter(scene.addr(), &near).await, enter(scene.addr(), &far).await);
    assert!(message(&mut near).await.is_some() && message(&mut far).await.is_some());
    // One that only connects and says nothing must hold nobody up.
    let silent = TcpStream::connect(scene.addr()).await.unwrap();
    let addr = scene.addr();
    let ending = timeout(PATIENCE, scene.relay.shutdown());
    let (ended, (), ()) = tokio::join!(
        ending,
        async {
            let bye = annas.next().await;
            assert!(
                matches!(bye, Some(FromRelay::Bye { code: RelayBye::ShuttingDown, after_s }) if after_s > 0),
                "{bye:?}"
            );
            assert_eq!(annas.ends().await, None);
            assert_eq!(nobody.ends().await, Some(RelayBye::ShuttingDown));
        },
        async {
            assert_eq!(message(&mut near).await, None);
            assert_eq!(message(&mut far).await, None);
        }
    );
    ended.expect("it ends in time").unwrap();
    drop(silent);
    assert!(TcpStream::connect(addr).await.is_err(), "because nobody listens any more");
}

#[tokio::test]
async fn a_client_that_is_silent_is_asked_and_taken_for_gone() {
    let scene = Scene::with(|config| {
        config.limits.ping = Duration::from_millis(100);
        config.limits.dead = Duration::from_millis(1_000);
    })
    .await;
    let mut watcher = scene.machine(&crate::scene::bob()).await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    assert!(watcher.watch(id(&anna()), &key()).await);
    // Anna's end of the connection stays open and answers nothing, as a machine does whose cable was pulled. The
    // watcher reads, and so answers pings.
    assert!(!watcher.sees(id(&anna())).await, "because she is silent");
    assert_eq!(scene.figure("machines_online").await, 1, "because who answers pings stays");
}

#[tokio::test]
async fn who_only_connects_is_sent_away() {
    let scene = Scene::with(|config| {
        config.limits.ping = Duration::from_millis(100);
        config.limits.dead = Duration::from_millis(500);
        config.limits.handshake = Duration::from_millis(300);
    })
    .await;
    assert_eq!(scene.nobody().await.ends().await, Some(RelayBye::Idle), "because it wants nothing");
    let mut stream = TcpStream::connect(scene.addr()).await.unwrap();
    let mut waste = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut waste);
    timeout(PATIENCE, read).await.expect("a silent connection is ended").ok();
    while scene.figure("connections").await > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_shows_that_it_is_well_and_counts() {
    let scene = Scene::new().await;
    let health = scene.get("/health").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with(r#"{"status":"ok"}"#), "{health}");
    let _annas = scene.machine(&anna()).await;
    let metrics = scene.get("/metrics").await;
    assert!(
        metrics.contains("text/plain; version=0.0.4") && metrics.contains("landline_relay_machines_online 1\n"),
        "{metrics}"
    );
    assert!(!metrics.contains("landline1"), "because who is here is nobody's business");
    assert!(scene.get("/").await.starts_with("HTTP/1.1 404"));
    assert!(scene.get(PATH).await.starts_with("HTTP/1.1 4"), "because that is for WebSockets");
}

#[tokio::test]
async fn a_ping_is_answered() {
    let scene = Scene::new().await;
    let mut socket = dial(TcpStream::connect(scene.addr()).await.unwrap(), PATH).await.unwrap();
    socket.send(Message::Ping("here?".into())).await.unwrap();
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("an answer comes").unwrap().unwrap() {
            Message::Pong(said) => return assert_eq!(said, "here?"),
            _challenge => {}
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_is_taken_away_is_noticed_and_nothing_is_confirmed_to_it() {
    use crate::http::Putter;
    use futures_util::future::join_all;
    use proto::relay::RefusalCode;
    use proto::sealed_file::{FileKey, sealed_size};

    let scene = Scene::new().await;
    scene.machine(&anna()).await.gives(&key()).await;
    let mut sender = scene.nobody().await;
    let put = sender.put(id(&anna()), Some(&key()), b"before");
    sender.done(put).await;
    let putter = Putter::new(scene.addr(), id(&anna()), &key());
    let (file, size) = (FileKey::from_bytes([1; 32]).id(), sealed_size(1));
    let folder = scene.folder.path();
    let aside = folder.with_extension("aside");
    let is_well = async || scene.get("/health").await.starts_with("HTTP/1.1 200");

    std::fs::rename(folder, &aside).unwrap();
    assert!(scene.get("/health").await.starts_with("HTTP/1.1 503"), "because what it has will not last");
    let put = sender.put(id(&anna()), Some(&key()), b"to nowhere");
    assert_eq!(sender.refused(put).await.code, RefusalCode::Storage);
    assert_eq!(putter.ask(&file, size).await.refused().code, RefusalCode::Storage);

    // Even when all looks as it did: these files are others than those that are written.
    std::fs::create_dir(folder).unwrap();
    for name in ["relay.db", "relay.db-wal", "relay.db-shm"] {
        std::fs::copy(aside.join(name), folder.join(name)).unwrap();
    }
    // More at once than have read before.
    assert!(!join_all((0..16).map(|_| is_well())).await.contains(&true));
    let put = sender.put(id(&anna()), Some(&key()), b"to nowhere");
    assert_eq!(sender.refused(put).await.code, RefusalCode::Storage);

    std::fs::remove_dir_all(folder).unwrap();
    std::fs::rename(&aside, folder).unwrap();
    assert!(is_well().await, "because the folder is back");
    let put = sender.put(id(&anna()), Some(&key()), b"after");
    sender.done(put).await;
    assert_eq!(putter.ask(&file, size).await.offset(), 0);
    let items = scene.machine(&anna()).await.fetch(0).await;
    let envelopes: Vec<_> = items.iter().map(|item| item.envelope.clone()).collect();
    assert_eq!(envelopes, ["before", "after"], "because what was refused was not kept");
    let items = join_all((0..16).map(|_| scene.figure("items"))).await;
    assert_eq!(items, [2; 16], "because nothing is read from those other files any more");
    std::fs::remove_file(folder.join("relay.db-wal")).unwrap();
    assert!(!is_well().await, "because what is written goes there first");
}
