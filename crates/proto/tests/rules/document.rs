//! `docs/protocol.md` says what the constants say.

use landline_proto::{frame::Frame, identity::Domain, limits};

use crate::people::one_of_each;
use crate::relay::{from_relay, to_relay};

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md");
    std::fs::read_to_string(path).unwrap()
}

/// The part of the document under a heading.
fn part(heading: &str) -> String {
    let document = document();
    let after = document.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("there is no {heading}")).1;
    after.split("\n## ").next().unwrap().to_owned()
}

/// A number as the document writes it.
fn written(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[test]
fn limits_are_those_of_the_code() {
    let limits_part = part("14 Limits");
    let row = |what: &str| {
        let row = limits_part.lines().find(|line| line.starts_with(&format!("| {what}")));
        row.unwrap_or_else(|| panic!("no row for {what}")).to_owned()
    };
    for (what, numbers) in [
        ("frame before", vec![limits::FRAME_BEFORE_HELLO, limits::FRAME_BYTES]),
        ("header, body", vec![limits::HEADER_BYTES, limits::BODY_BYTES]),
        ("run", vec![limits::RUN_EVENTS, limits::RUN_BYTES]),
        ("parents", vec![limits::PARENTS]),
        ("runs, receipts", vec![limits::RUNS_PER_FRAME, limits::RECEIPTS_PER_FRAME, limits::DIGESTS_PER_FRAME]),
        ("version vector", vec![limits::VECTOR_ENTRIES]),
        ("epochs", vec![usize::try_from(limits::EPOCHS_PER_AUTHOR).unwrap()]),
        ("profile, receipt", vec![limits::PROFILE_BYTES, limits::RECEIPT_BYTES]),
        ("name", vec![limits::NAME_BYTES, limits::STATUS_TEXT_BYTES, limits::MESSAGE_BYTES, limits::DETAIL_BYTES]),
        ("mentions, edits", vec![limits::MENTIONS, limits::EDITS, limits::REACTIONS]),
        ("emoji", vec![limits::EMOJI_BYTES]),
        ("attachments", vec![limits::ATTACHMENTS]),
        ("file name", vec![limits::FILE_NAME_BYTES, limits::MIME_BYTES]),
        ("blob", [limits::BLOB_BYTES, limits::BLOB_GROUP_BYTES].map(|bytes| usize::try_from(bytes).unwrap()).to_vec()),
        ("blob", vec![limits::THUMBNAIL_BYTES]),
        ("picture", vec![usize::try_from(limits::PICTURE_SIDE).unwrap()]),
        ("folder", vec![limits::FOLDER_FILES, limits::FOLDER_DEPTH, limits::MANIFEST_BYTES]),
        ("request", vec![limits::REQUEST_BYTES]),
        ("relay: frame, envelope", vec![limits::RELAY_FRAME_BYTES, limits::ENVELOPE_BYTES]),
        ("relay: address, membership", vec![limits::RELAY_ADDRESS_BYTES, limits::MEMBERSHIP_BYTES]),
        ("relay: tokens", vec![limits::RELAY_TOKENS, limits::RELAY_TOKENS_REMOVED]),
        ("relay: machines in", vec![limits::RELAY_WATCHES_PER_FRAME]),
        ("relay: items of", vec![limits::RELAY_ITEMS, limits::RELAY_ACKS]),
        ("prekey", vec![limits::PREKEY_BYTES, limits::PREKEY_PUBLIC_BYTES, limits::GRANT_BYTES, limits::DEPOSIT_BYTES]),
        ("relays", vec![limits::RELAYS]),
        ("invitation", vec![limits::INVITATION_BYTES, limits::INVITATION_ADDRESSES]),
        ("parcel", vec![limits::PARCEL_BYTES, limits::PARCEL_FRAMES]),
        ("beacon", vec![limits::BEACON_BYTES]),
        ("nesting", vec![limits::NESTING]),
    ] {
        for number in numbers {
            let row = row(what);
            assert!(row.contains(&format!(" {} ", written(number)).replace("  ", " ")), "{} in {row}", written(number));
        }
    }
}

#[test]
fn frames_have_the_numbers_of_the_code() {
    let frames = part("5 Frames");
    for (_, frame) in one_of_each() {
        let shown = format!("{frame:?}");
        let name: String = shown.chars().take_while(char::is_ascii_alphabetic).collect();
        let row = format!("| {} | {name} |", frame.number());
        assert!(frames.contains(&row), "no row “{row}”");
    }
    let rows =
        frames.lines().filter(|line| line.split('|').nth(1).is_some_and(|cell| cell.trim().parse::<u16>().is_ok()));
    assert_eq!(rows.count(), one_of_each().len(), "and no row more");
    assert!(matches!(one_of_each()[0].1, Frame::Hello(_)));
}

#[test]
fn relay_frames_have_the_numbers_of_the_code() {
    let relay = part("17 Relay");
    let (to, from) = (to_relay(), from_relay());
    let numbered = to.iter().map(|(_, frame)| (format!("{frame:?}"), frame.number()));
    let numbered = numbered.chain(from.iter().map(|(_, frame)| (format!("{frame:?}"), frame.number())));
    for (shown, number) in numbered {
        let name: String = shown.chars().take_while(char::is_ascii_alphabetic).collect();
        let row = format!("| {number} | {name} |");
        assert!(relay.contains(&row), "no row “{row}”");
    }
    let rows =
        relay.lines().filter(|line| line.split('|').nth(1).is_some_and(|cell| cell.trim().parse::<u16>().is_ok()));
    assert_eq!(rows.count(), to.len() + from.len(), "and no row more");
}

#[test]
fn labels_are_those_of_the_code() {
    let identity = part("2 Identity");
    for domain in [
        Domain::Event,
        Domain::Profile,
        Domain::Receipt,
        Domain::Prekey,
        Domain::Grant,
        Domain::Deposit,
        Domain::RelayAuth,
    ] {
        assert!(identity.contains(&format!("| `{}` |", domain.label())), "{}", domain.label());
    }
}
