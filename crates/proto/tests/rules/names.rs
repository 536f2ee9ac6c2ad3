//! Text forms and derivation of IDs, signatures, safety numbers.

use landline_proto::id::IdError;
use landline_proto::identity::{Domain, verify};
use landline_proto::{Epoch, EventId, MachineId, MessageId, SessionId, limits};

use crate::people::{NOW_MS, alice, bob};

#[test]
fn a_machine_id_reads_back() {
    let id = alice().machine_id();
    let text = id.to_string();
    assert_eq!((text.len(), &text[..9]), (67, "landline1"));
    assert_eq!(text.parse(), Ok(id));
    assert_eq!(text.to_uppercase().parse(), Ok(id), "as QR codes have it");
    assert_eq!((id.short().as_str(), id.tag().as_str()), (&text[9..17], &text[9..13]));
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(json, format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<MachineId>(&json).unwrap(), id);
}

#[test]
fn any_single_typing_error_is_caught() {
    let text = alice().machine_id().to_string();
    for place in 0..text.len() {
        for typed in "qpzry9x8gf2tvdw0s3jn54khce6mua7l1b B".chars() {
            let mut wrong: Vec<char> = text.chars().collect();
            if wrong[place] != typed {
                wrong[place] = typed;
                assert!(wrong.iter().collect::<String>().parse::<MachineId>().is_err(), "{typed} at {place}");
            }
        }
        let swapped: String = text.chars().take(place).chain(text.chars().skip(place + 1)).collect();
        assert!(swapped.parse::<MachineId>().is_err(), "without the character at {place}");
    }
}

#[test]
fn what_is_no_machine_id_is_refused() {
    let parse = |text: &str| text.parse::<MachineId>();
    assert_eq!(parse(""), Err(IdError::Checksum));
    assert_eq!(parse(&"l".repeat(10_000)), Err(IdError::TooLong));
    assert_eq!(parse("Landline1qqq"), Err(IdError::Checksum), "mixed case");
    let other = bech32::encode::<bech32::Bech32m>(bech32::Hrp::parse("age").unwrap(), alice().machine_id().as_bytes());
    assert_eq!(parse(&other.unwrap()), Err(IdError::Prefix));
    let hrp = bech32::Hrp::parse("landline").unwrap();
    assert_eq!(parse(&bech32::encode::<bech32::Bech32m>(hrp, &[7; 31]).unwrap()), Err(IdError::Length));
    let bech32_of_old = bech32::encode::<bech32::Bech32>(hrp, alice().machine_id().as_bytes()).unwrap();
    assert_eq!(parse(&bech32_of_old), Err(IdError::Checksum), "the older checksum");
    // The neutral element is a point, but one of small order: anybody could sign for it.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert_eq!(parse(&MachineId::from_bytes(neutral).to_string()), Err(IdError::NotAKey));
    // y = 2 lies on no point of the curve.
    let mut no_point = [0; 32];
    no_point[0] = 2;
    assert_eq!(parse(&MachineId::from_bytes(no_point).to_string()), Err(IdError::NotAKey));
}

#[test]
fn a_direct_session_is_the_same_from_both_sides() {
    let (a, b) = (alice().machine_id(), bob().machine_id());
    let session = SessionId::direct(&a, &b);
    assert_eq!(session, SessionId::direct(&b, &a));
    let text = session.to_string();
    assert_eq!(&text[14..15], "8", "UUID version 8");
    assert!("89ab".contains(&text[19..20]), "RFC 9562 variant");
    assert_eq!(text.parse(), Ok(session));
    assert_eq!(format!("{{{text}}}").parse::<SessionId>(), Err(IdError::Uuid), "one text form");
    assert_eq!(text.replace('-', "").parse::<SessionId>(), Err(IdError::Uuid));
}

#[test]
fn a_message_id_is_a_uuid_of_version_7() {
    let event = EventId::of(b"some header");
    let id = MessageId::for_event(NOW_MS, &event);
    let text = id.to_string();
    assert_eq!(&text[14..15], "7");
    let stamp: String = text.chars().filter(|c| *c != '-').take(12).collect();
    assert_eq!(u64::from_str_radix(&stamp, 16), Ok(NOW_MS));
    assert_ne!(id, MessageId::for_event(NOW_MS, &EventId::of(b"another header")));
    assert!(id < MessageId::for_event(NOW_MS + 1, &event));
    assert_eq!(&MessageId::for_event(u64::MAX, &event).to_string()[..13], "ffffffff-ffff");
}

#[test]
fn an_event_id_reads_back() {
    let id = EventId::of(b"some header");
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!("xyz".parse::<EventId>(), Err(IdError::Hex));
    assert_eq!("é".repeat(32).parse::<EventId>(), Err(IdError::Hex));
}

#[test]
fn an_epoch_fits_a_signed_integer() {
    assert_eq!(Epoch::new(u64::MAX).get(), limits::INTEGER_MAX);
    assert_eq!(Epoch::new(5).get(), 5);
}

#[test]
fn a_signature_is_good_for_one_purpose() {
    let signature = alice().sign(Domain::Event, b"bytes");
    let check = |domain, bytes: &[u8]| verify(&alice().machine_id(), domain, bytes, &signature).is_ok();
    assert!(check(Domain::Event, b"bytes"));
    assert!(!check(Domain::Profile, b"bytes"));
    assert!(!check(Domain::Event, b"byte"));
    assert!(verify(&bob().machine_id(), Domain::Event, b"bytes", &signature).is_err());
    assert!(verify(&MachineId::from_bytes([0xff; 32]), Domain::Event, b"bytes", &signature).is_err(), "no key at all");
}

#[test]
fn the_seed_makes_the_same_machine() {
    let again = landline_proto::Identity::from_seed(*alice().seed());
    assert_eq!(again.machine_id(), alice().machine_id());
    let shown = format!("{:?}", alice());
    assert!(!shown.contains("161") && !shown.contains("a1a1"), "no key in debug output: {shown}");
}
