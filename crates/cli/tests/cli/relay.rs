//! `landline relay`.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proto::relay::{FromRelay, RelayAddress, RelayBye, ToRelay, Token};
use proto::sealed_file::sealed_size;
use proto::{FileKey, Identity};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

use crate::http::{Putter, get};
use crate::program::{Follower, Node, Ran, landline};
use crate::wire::Wire;

/// A relay without limits that a test could meet.
pub(crate) struct Relay {
    pub(crate) program: Follower,
    ready: Value,
}

impl Relay {
    pub(crate) fn start(dir: &Path, more: &[&str]) -> Self {
        let mut command = landline();
        command.args(["relay", "--json", "--data-dir"]).arg(dir).args(more);
        if !more.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let program = Follower::start(command);
        let ready = program.json();
        assert_eq!(ready["ready"], true);
        Self { program, ready }
    }

    pub(crate) fn address(&self) -> RelayAddress {
        self.ready["address"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        self.ready["listen"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) async fn nobody(&self) -> Wire {
        Wire::connect(self.listen()).await
    }

    pub(crate) async fn machine(&self, identity: &Identity) -> Wire {
        let mut wire = self.nobody().await;
        let answer = wire.log_in(identity, &self.address()).await;
        assert!(matches!(answer, FromRelay::Welcome { .. }), "{answer:?}");
        wire
    }
}

pub(crate) fn anna() -> Identity {
    Identity::from_seed([1; 32])
}

#[tokio::test]
async fn one_command_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let mut relay = Relay::start(dir.path(), &[]);
    let address = relay.address();
    assert!(!address.is_plain() && address.key().is_some(), "{address}");
    assert_eq!(relay.program.signal("TERM"), Some(0));
    let again = Relay::start(dir.path(), &["--host", "relay.example.org"]);
    assert_eq!(again.address().key(), address.key(), "because clients know it by its key");
    assert_eq!(again.address().host(), "relay.example.org");
    let second = Ran::of(landline().args(["relay", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.path())).failed();
    assert!(second.contains("used by another relay"), "{second}");
}

#[tokio::test]
async fn it_says_goodbye_when_it_is_told_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut relay = Relay::start(dir.path(), &["--plain"]);
    let mut annas = relay.machine(&anna()).await;
    let ended = std::thread::spawn(move || relay.program.signal("TERM"));
    assert_eq!(annas.ends().await, Some(RelayBye::ShuttingDown));
    drop(annas);
    assert_eq!(ended.join().unwrap(), Some(0));
}

#[tokio::test]
async fn members_are_invited_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let _relay = Relay::start(dir.path(), &["--plain", "--membership"]);
    let invite = ["relay", "--json", "--data-dir", dir.path().to_str().unwrap(), "invite", "--name", "Anna"];
    let token = Ran::of(landline().args(invite)).json()["token"].as_str().unwrap().to_owned();
    let kept = std::fs::read_to_string(dir.path().join("invitations")).unwrap();
    assert!(kept.ends_with(" Anna\n") && !kept.contains(&token), "{kept}");
}

#[test]
fn what_is_in_the_way_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let mut command = landline();
        command.args(["relay", "--json", "--listen", "0.0.0.0:0", "--data-dir"]).arg(dir.path()).args(more);
        let ran = Ran::of(&mut command);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
        ran.err.lines().last().unwrap().to_owned()
    };
    let plain = run(&["--plain"]);
    assert!(plain.contains("--origin"), "{plain}");
    let files = run(&["--cert", "none.pem", "--key", "none.key"]);
    assert!(files.contains("none.pem"), "{files}");
    let members = run(&["--members", "/nonexistent/members"]);
    assert!(members.contains("/nonexistent/members"), "{members}");
    std::fs::write(dir.path().join("relay.db"), "not a database, but someone's words").unwrap();
    let damaged = run(&[]);
    assert!(damaged.contains("relay.db") && damaged.contains("--start-anew"), "{damaged}");
    let mut anew = Relay::start(dir.path(), &["--start-anew"]);
    assert_eq!(anew.program.signal("INT"), Some(0));
    let aside = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(aside.filter(|name| name.starts_with("relay.db.aside-")).count(), 1);
}

/// Puts numbered envelopes from many connections until somebody kills the relay, and gives the numbers of those that
/// were acknowledged.
async fn put_until_it_dies(relay: SocketAddr, token: &Token, enough: &Arc<Notify>) -> Vec<u32> {
    let (next, kept) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (mut wire, next, kept) = (Wire::connect(relay).await, next.clone(), kept.clone());
        let (token, enough, to) = (token.clone(), enough.clone(), anna().machine_id());
        senders.spawn(async move {
            let mut acknowledged = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let mut envelope = number.to_be_bytes().to_vec();
                envelope.resize(1_000, 0);
                let put = ToRelay::Put { request: number, to, token: Some(token.clone()), envelope: envelope.into() };
                if wire.try_send(&put).await.is_err() {
                    return acknowledged;
                }
                match wire.next().await {
                    Some(FromRelay::Done { request }) if request == number => acknowledged.push(number),
                    Some(other) => panic!("neither kept nor dead: {other:?}"),
                    None => return acknowledged,
                }
                if kept.fetch_add(1, Ordering::Relaxed) == 300 {
                    enough.notify_one();
                }
            }
        });
    }
    senders.join_all().await.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let generous = ["--plain", "--items", "1000000", "--puts-per-minute", "10000000", "--puts-burst", "1000000"];
    let more = [&generous[..], &["--frames-per-second", "1000000"]].concat();
    let mut relay = Relay::start(dir.path(), &more);
    let token = Token::from_bytes([7; 32]);
    relay.machine(&anna()).await.gives(&token).await;

    let enough = Arc::new(Notify::new());
    let putting = put_until_it_dies(relay.listen(), &token, &enough);
    let killing = async {
        enough.notified().await;
        relay.program.signal("KILL")
    };
    let (acknowledged, _) = tokio::join!(putting, killing);
    assert!(acknowledged.len() > 300);

    let mut relay = Relay::start(dir.path(), &more);
    let mut annas = relay.machine(&anna()).await;
    let items = annas.fetch(0).await;
    let there: Vec<u32> = items.iter().map(|item| u32::from_be_bytes(item.envelope[..4].try_into().unwrap())).collect();
    let each: HashSet<u32> = there.iter().copied().collect();
    assert_eq!(each.len(), there.len(), "because each lies there once");
    let lost: Vec<_> = acknowledged.iter().filter(|number| !each.contains(number)).collect();
    assert!(lost.is_empty(), "because they were acknowledged: {lost:?}");

    let half: Vec<u64> = items.iter().map(|item| item.cursor).take(items.len() / 2).collect();
    for cursors in half.chunks(1_000) {
        annas.ack(cursors.to_vec()).await;
    }
    relay.program.signal("KILL");
    let relay = Relay::start(dir.path(), &more);
    let mut annas = relay.machine(&anna()).await;
    assert_eq!(annas.fetch(0).await, items[half.len()..], "because half was taken away, and no more");
    let mut sender = relay.nobody().await;
    let put = sender.put(anna().machine_id(), Some(&token), &items[0].envelope);
    sender.done(put).await;
    assert_eq!(annas.fetch(0).await.len(), items.len() - half.len(), "because it is remembered as well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let more = ["--plain", "--uploads-per-minute", "1000000", "--connections-per-minute", "1000000"];
    let mut relay = Relay::start(dir.path(), &more);
    let token = Token::from_bytes([7; 32]);
    relay.machine(&anna()).await.gives(&token).await;
    let (file, size) = (FileKey::from_bytes([1; 32]).id(), sealed_size(20_000_000));
    let bytes: Vec<u8> = (0..size).map(|place| (place * 31 + place / 251) as u8).collect();

    let putter = Putter::new(relay.listen(), anna().machine_id(), &token);
    let mut upload = putter.open(&file, size, 0, bytes.len()).await;
    // All but the end, so that it can't be whole.
    let half = &bytes[..bytes.len() - 1];
    let writing = async { upload.write_all(half).await };
    let killing = async {
        while putter.ask(&file, size).await.offset() < 2_000_000 {}
        relay.program.signal("KILL")
    };
    let (_, _) = tokio::join!(writing, killing);

    let relay = Relay::start(dir.path(), &more);
    let putter = Putter { addr: relay.listen(), ..putter };
    let offset = putter.ask(&file, size).await.offset();
    assert!((2_000_000..size).contains(&offset), "because that was durable: {offset}");
    assert_eq!(get(relay.listen(), &file).await.status, 404, "because it is not whole");
    let rest = &bytes[usize::try_from(offset).unwrap()..];
    assert_eq!(putter.put(&file, size, offset, rest).await.offset(), size);
    assert!(get(relay.listen(), &file).await.body == bytes, "because nothing is counted twice or left out");
    let folder = std::fs::read_dir(dir.path().join("files")).unwrap();
    assert_eq!(folder.count(), 1);
}

#[tokio::test]
async fn machines_meet_at_it_by_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Relay::start(dir.path(), &[]);
    let address = relay.address().to_string();
    let (anna, ben) = (Node::new("Anna"), Node::new("Ben"));
    assert!(anna.run(&["relays"]).ok().starts_with("No relay."));
    let added = anna.run(&["relays", "add", &address]).ok();
    assert!(added.contains("contacts reach this machine there"), "{added}");
    let table = anna.run(&["relays"]).ok();
    assert!(table.contains(&address) && table.contains("connected"), "{table}");
    let allowed = "Keeps up to 1000 items, 64 MiB, for 21 days; files of up to 500 MiB for 21 days, 1000 files, 2048 MiB altogether.";
    assert!(table.contains(allowed), "{table}");
    ben.run(&["relays", "add", &address]).ok();

    let link = anna.run(&["invite"]).ok();
    // As it serves who cannot reach the addresses in it.
    let link: Vec<&str> = link.trim().split('&').filter(|field| !field.starts_with("addr=")).collect();
    let added = ben.run(&["add", &link.join("&")]).ok();
    assert!(added.contains("you are contacts of each other"), "{added}");
    assert!(ben.run(&["peers"]).ok().contains("online, by relay"));

    assert!(anna.run(&["relays", "remove", &address]).ok().contains("Removed"));
    let unknown = anna.run(&["relays", "remove", &address]).failed();
    assert!(unknown.contains("is not one of this machine's"), "{unknown}");
    let wrong = anna.run(&["relays", "add", "http://127.0.0.1"]).failed();
    assert!(wrong.contains("does not begin with wss:// or ws://"), "{wrong}");
}
