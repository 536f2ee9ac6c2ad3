//! Whether the lab itself does what its name says: a cable that is cut carries nothing.

use std::path::Path;

use landline_tests::{Host, Lab, SOON, until};

/// Whether a packet gets there and an answer comes back: a refused connection is an answer, silence is not.
fn answers(from: &Host, address: &str) -> bool {
    let script = format!("exec 3<>/dev/tcp/{address}/9");
    let output = from.command(Path::new("timeout")).args(["0.3", "bash", "-c", &script]).output().unwrap();
    String::from_utf8_lossy(&output.stderr).contains("Connection refused")
}

/// A switch and a neighbour table need a moment, so reaching is waited for; not reaching is so at once.
fn reaches(from: &Host, to: &Host, because: &str) {
    until(because, SOON, || answers(from, &to.address()).then_some(()));
}

#[test]
fn cables_firewalls_and_addresses_work() {
    let Some(mut lab) = Lab::new() else { return };
    let (mut anna, ben) = (lab.host("anna"), lab.host("ben"));
    reaches(&anna, &ben, "both are on the switch");
    reaches(&ben, &anna, "both are on the switch");

    anna.cut();
    assert!(!answers(&ben, &anna.address()), "because the cable is cut");
    anna.heal();
    reaches(&ben, &anna, "the cable is back");

    anna.silence();
    assert!(!answers(&ben, &anna.address()), "because nothing passes");
    anna.speak();
    reaches(&ben, &anna, "everything passes again");

    let old = anna.address();
    anna.change_address();
    reaches(&ben, &anna, "the new address answers");
    assert!(!answers(&ben, &old), "because the old address is gone");

    anna.refuse_dialling();
    assert!(!answers(&ben, &anna.address()), "because the firewall refuses connections from outside");
    reaches(&anna, &ben, "it lets connections out");
}

#[test]
fn a_host_has_its_own_name() {
    let Some(mut lab) = Lab::new() else { return };
    let anna = lab.host("anna");
    let said = anna.command(Path::new("hostname")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "anna");
}

#[test]
fn between_two_lans_only_a_relay_is_reached_until_they_are_one() {
    let Some(mut lab) = Lab::new() else { return };
    let (anna, ben, relay) = (lab.online_host("anna"), lab.far_host("ben"), lab.relay_host("relay"));
    let parted = |because: &str| {
        for (from, to) in [(&anna, &ben), (&ben, &anna)] {
            reaches(from, &relay, "both are on the internet");
            assert!(!answers(from, &to.address()), "because {because}");
            assert!(!answers(from, &to.address().replace("77", "88")), "because the internet lets nothing in");
        }
    };
    parted("they are on two LANs");
    lab.merge();
    reaches(&anna, &ben, "the LANs are one");
    reaches(&ben, &anna, "the LANs are one");
    lab.part();
    parted("they are on two LANs again");
    anna.cut_uplink();
    assert!(!answers(&anna, &relay.address()), "because the cable to the internet is cut");
    anna.heal_uplink();
    reaches(&anna, &relay, "the cable is back");
}
