//! What a relay, or whoever listens at its wire, can read: every packet of everything that goes through one.

use std::fs;

use landline_tests::{Lab, Person, Relay, SOON, meet_by_relay, until};

use crate::deposits::copy_is;
use crate::files::{LARGE, assert_same, file};

#[test]
fn a_relay_sees_no_text_no_name_no_session_and_nothing_of_a_file() {
    const SIZE: usize = 3_000_000;
    let (anna_is_called, ben_is_called) = ("anna-of-the-observatory", "ben-of-the-lighthouse");
    let in_tunnel = "Meet me where the tunnel ends";
    let in_mailbox = "This waits in a mailbox for you";
    let file_is_called = "plans-for-the-summer.bin";
    let deposit_is_called = "plans-for-the-winter.bin";

    let Some(mut lab) = Lab::new() else { return };
    let relay = Relay::start_plain(lab.relay_host("relay"));
    let capture = relay.host.capture();
    // Machines say who they are to their own network, which the internet is not.
    let args = ["--relay", relay.address(), "--no-mdns", "--no-beacon"];
    let mut anna = Person::start(lab.online_host(anna_is_called), &args);
    let mut ben = Person::start(lab.far_host(ben_is_called), &args);
    meet_by_relay(&anna, &ben);

    anna.says(&ben, in_tunnel);
    ben.hears(&anna, in_tunnel);
    ben.says(&anna, in_tunnel);
    anna.hears(&ben, in_tunnel);
    let path = file(&anna, file_is_called, SIZE);
    let id = anna.sends_file(&ben, &path);
    assert_same(&path, &ben.has_file(&anna, &id, LARGE));
    ben.leaves();
    anna.misses(&ben, SOON);
    anna.says(&ben, in_mailbox);
    anna.has_left_all(&ben, SOON);
    let deposited = file(&anna, deposit_is_called, SIZE);
    let id = anna.sends_file(&ben, &deposited);
    copy_is(&anna, &id, "held");
    until("Ben's mailbox says where it lies", SOON, || (relay.figure("items") >= 3).then_some(()));
    anna.leaves();
    ben.returns();
    ben.hears(&anna, in_mailbox);
    assert_same(&deposited, &ben.has_file(&anna, &id, LARGE));
    anna.returns();
    anna.has_delivered_all(SOON);
    let packets = capture.ends();

    let session = anna.session(&ben)["sessionId"].as_str().unwrap().to_owned();
    let hex = session.replace('-', "");
    let raw: Vec<u8> = hex
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let mut secrets: Vec<(&str, Vec<u8>)> = vec![
        ("a text in the tunnel", in_tunnel.into()),
        ("a text in the mailbox", in_mailbox.into()),
        ("the first text", "Hello, it's me".into()),
        ("Anna's name", anna_is_called.into()),
        ("Ben's name", ben_is_called.into()),
        ("the file's name", file_is_called.into()),
        ("the name of the file at the relay", deposit_is_called.into()),
        ("the session", raw),
        ("the session in hexadecimal", hex.into()),
        ("the session as it is shown", session.into()),
    ];
    for (called, path) in [("a piece of the file", &path), ("a piece of the file at the relay", &deposited)] {
        secrets.extend(fs::read(path).unwrap().chunks(50_000).map(|piece| (called, piece[..32].to_vec())));
    }
    assert_eq!(packets.found(&secrets), Vec::<&str>::new(), "because only the two machines can read it");

    // That nothing was found says something only if what must be there is found.
    assert!(packets.count() > 500, "because all packets are looked at: {}", packets.count());
    assert!(packets.bytes() > 4 * SIZE, "because both files came in and went out: {} bytes", packets.bytes());
    let plain = ("in the clear", b"landline-relay.1".to_vec());
    let masked = ("behind a client's mask", relay.address().as_bytes().to_vec());
    assert_eq!(packets.found(&[plain, masked]), ["behind a client's mask", "in the clear"]);
}
