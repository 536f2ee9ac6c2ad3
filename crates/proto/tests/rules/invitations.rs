//! Invitation links, and what their tokens prove.

use std::fmt::Write as _;

use landline_proto::endpoint::EndpointError;
use landline_proto::id::IdError;
use landline_proto::invitation::InvitationError;
use landline_proto::relay::{AddressError, RelayAddress};
use landline_proto::text::TextError;
use landline_proto::{Endpoint, Invitation, InvitationToken, limits};
use proptest::prelude::*;

use crate::people::{alice, bob, mallory};
use crate::vectors::{compare, hex};

fn token() -> InvitationToken {
    InvitationToken::from_bytes([0x17; 16])
}

fn invitation() -> Invitation {
    Invitation {
        machine: alice().machine_id(),
        name: Some("Alice Müller".to_owned()),
        addresses: vec!["10.0.0.7:4281".parse().unwrap(), "[fd00::7]:4281".parse().unwrap()],
        relays: vec![format!("wss://relay.example.org:443/#{}", "a".repeat(52)).parse().unwrap()],
        token: Some(token()),
    }
}

fn bare() -> Invitation {
    Invitation { machine: alice().machine_id(), name: None, addresses: Vec::new(), relays: Vec::new(), token: None }
}

#[test]
fn vectors() {
    let relay: RelayAddress = "wss://relay.example.org:443".parse().unwrap();
    let mut text = String::from("# Alice invites Bob. People: see names.txt.\n");
    writeln!(text, "link   = {}", invitation()).unwrap();
    writeln!(text, "bare   = {}", bare()).unwrap();
    writeln!(text, "token  = {}", hex(token().as_bytes())).unwrap();
    writeln!(text, "secret = {}", hex(token().grant_secret().as_bytes())).unwrap();
    writeln!(text, "shown to {} = {}", relay.origin(), hex(token().grant_secret().at(&relay).as_bytes())).unwrap();
    writeln!(text, "proof  = {}", hex(&token().proof(&alice().machine_id(), &bob().machine_id()))).unwrap();
    compare("invitation.txt", &text);
}

#[test]
fn a_link_reads_back() {
    for invitation in [invitation(), bare()] {
        assert_eq!(invitation.to_string().parse(), Ok(invitation));
    }
    let link = bare().to_string();
    assert_eq!(link, format!("landline://add/{}", alice().machine_id()));
    for written in [
        format!(" {link}\n"),
        link.to_uppercase(),
        format!("{link}/"),
        format!("{link}?"),
        format!("{link}/?&later=1&x"),
    ] {
        assert_eq!(written.parse(), Ok(bare()), "{written}");
    }
    let shown = format!("{:?}", invitation());
    assert!(shown.contains("InvitationToken { .. }"), "because debug output ends in logs: {shown}");
}

#[test]
fn what_escapes_may_say_otherwise() {
    let id = alice().machine_id();
    let link = format!(
        "landline://add/{id}?relay=wss%3A%2F%2FRelay.example.org%3A443&NAME=A+%42&token={}",
        "C4LROFYXC4LROFYXC4LROFYXC4"
    );
    let read: Invitation = link.parse().unwrap();
    assert_eq!(read.name.as_deref(), Some("A+B"), "a plus is a plus");
    assert_eq!(read.relays[0].to_string(), "wss://relay.example.org:443");
    assert_eq!(read.token, Some(token()));
}

#[test]
fn the_longest_invitation_has_room() {
    let host = format!("{}.{}", "a".repeat(50), "b".repeat(43));
    let relay = format!("wss://{host}:65535/#{}", "a".repeat(52));
    assert_eq!(relay.len(), limits::RELAY_ADDRESS_BYTES);
    let address = format!("{}.{}:65535", "a".repeat(63), "b".repeat(63));
    let longest = Invitation {
        name: Some("\u{e4}".repeat(limits::NAME_BYTES / 2)),
        addresses: vec![address.parse().unwrap(); limits::INVITATION_ADDRESSES],
        relays: vec![relay.parse().unwrap(); limits::INVITATION_ADDRESSES],
        ..invitation()
    };
    let link = longest.to_string();
    assert!(link.len() <= limits::INVITATION_BYTES, "{}", link.len());
    assert_eq!(link.parse(), Ok(longest));
}

#[test]
fn what_is_no_invitation_is_refused_by_its_field() {
    let id = alice().machine_id();
    let many = |field: &str, value: &str, times: usize| vec![format!("{field}={value}"); times].join("&");
    for (query, error) in [
        ("name=".to_owned(), InvitationError::Name(TextError::Empty)),
        ("name=%E2%80%AEabc".to_owned(), InvitationError::Name(TextError::Direction(0x202E))),
        ("name=%".to_owned(), InvitationError::Escape("name")),
        ("name=%4".to_owned(), InvitationError::Escape("name")),
        ("name=%+1".to_owned(), InvitationError::Escape("name")),
        ("name=%FF".to_owned(), InvitationError::Escape("name")),
        (many("name", "A", 2), InvitationError::TooMany { field: "name", limit: 1 }),
        ("addr=10.0.0.7".to_owned(), InvitationError::Address(EndpointError::Port)),
        ("addr=10.0.0.7:x".to_owned(), InvitationError::Address(EndpointError::Port)),
        ("addr=:4281".to_owned(), InvitationError::Address(EndpointError::Host)),
        (format!("addr={}:1", "a.".repeat(100)), InvitationError::AddressTooLong),
        (many("addr", "a:1", 5), InvitationError::TooMany { field: "addr", limit: 4 }),
        ("relay=https://a".to_owned(), InvitationError::Relay(AddressError::Scheme)),
        ("relay=wss://a/%23abc".to_owned(), InvitationError::Relay(AddressError::Key)),
        ("relay=wss://a/#abc".to_owned(), InvitationError::Fragment),
        (many("relay", "wss://a", 5), InvitationError::TooMany { field: "relay", limit: 4 }),
        ("token=".to_owned(), InvitationError::Token),
        (format!("token={}", "a".repeat(25)), InvitationError::Token),
        (format!("token={}b", "a".repeat(25)), InvitationError::Token),
        (format!("token={}", "1".repeat(26)), InvitationError::Token),
        (many("token", &"a".repeat(26), 2), InvitationError::TooMany { field: "token", limit: 1 }),
    ] {
        assert_eq!(format!("landline://add/{id}?{query}").parse::<Invitation>(), Err(error), "{query}");
    }
    for text in
        ["", "landline", "landline://", "landline://session/x", "https://add/x", "landline:add/x", "löndline://add/"]
    {
        assert_eq!(text.parse::<Invitation>(), Err(InvitationError::NotAnInvitation), "{text}");
    }
    let no_id = InvitationError::Machine(IdError::Checksum);
    for text in ["landline://add/", "landline://add/landline1abc", &format!("landline://add/{id}/x")] {
        assert_eq!(text.parse::<Invitation>().map_err(|error| matches!(error, InvitationError::Machine(_))), Err(true));
    }
    assert_eq!("landline://add/?name=A".parse::<Invitation>(), Err(no_id));
    let long = format!("landline://add/{id}?x={}", "x".repeat(limits::INVITATION_BYTES));
    assert_eq!(long.parse::<Invitation>(), Err(InvitationError::TooLong));
}

#[test]
fn a_proof_is_of_one_token_and_one_pair() {
    let (a, b, m) = (alice().machine_id(), bob().machine_id(), mallory().machine_id());
    let proof = token().proof(&a, &b);
    assert!(token().proves(&a, &b, &proof));
    assert!(!token().proves(&a, &m, &proof), "one who saw it cannot use it under another key");
    assert!(!token().proves(&b, &a, &proof), "nor can it be sent back");
    assert!(!InvitationToken::from_bytes([0x18; 16]).proves(&a, &b, &proof));
    let mut changed = proof;
    changed[31] ^= 1;
    assert!(!token().proves(&a, &b, &changed));
    assert_ne!(token().grant_secret().as_bytes(), &proof, "what relays derive from shows nothing of it");
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let host = prop_oneof!["[a-z][a-z0-9_-]{0,30}", "[0-9]{1,2}\\.0\\.0\\.[1-9]", "\\[fd00::[1-9a-f]{1,4}\\]"];
    let endpoint = (host, 1u16..).prop_map(|(host, port)| format!("{host}:{port}").parse());
    endpoint.prop_filter_map("a host", Result::ok)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_invitation_reads_back(
        seed in any::<[u8; 32]>(), name in prop::option::of("[A-Za-z&=%#?+ ä文]{0,12}x"),
        addresses in prop::collection::vec(endpoint(), 0..=4), relays in prop::collection::vec(endpoint(), 0..=4),
        token in prop::option::of(any::<[u8; 16]>()),
    ) {
        let invitation = Invitation {
            machine: landline_proto::Identity::from_seed(seed).machine_id(),
            name: name.map(|name| name.trim().to_owned()),
            addresses,
            relays: relays.iter().map(|endpoint| format!("wss://{endpoint}").parse().unwrap()).collect(),
            token: token.map(InvitationToken::from_bytes),
        };
        prop_assert_eq!(invitation.to_string().parse(), Ok(invitation));
    }
}
