//! Files at a relay: sealed so that nothing in them can be changed, left out or moved, and named by nothing that they are.

use std::fmt::Write as _;

use landline_proto::frame::{Frame, Phase};
use landline_proto::relay::{FilePass, Token, file_path};
use landline_proto::sealed_file::{ChunkError, FileId, FileKey, FileSeal, TAG_BYTES, padded_size, sealed_size};
use landline_proto::{Identity, SignedDeposit, limits};
use proptest::prelude::*;

use crate::people::{NOW_MS, alice, bob};
use crate::vectors::{annotate, compare, hex, read};

const GROUP: u64 = limits::BLOB_GROUP_BYTES;

fn key() -> FileKey {
    FileKey::from_bytes([0xf1; 32])
}

pub fn deposit_of(identity: &Identity) -> SignedDeposit {
    let relay = "wss://relay.example.org".parse().unwrap();
    SignedDeposit::sign(identity, [0xb1; 32], relay, key(), NOW_MS / 1000 + 1_814_400)
}

pub fn deposit() -> SignedDeposit {
    deposit_of(&alice())
}

fn content(size: u64) -> Vec<u8> {
    (0..size).map(|place| (place * 31 + place / 251) as u8).collect()
}

fn sealed(seal: &FileSeal, content: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = content;
    let chunks = (0..seal.chunks()).map(|chunk| {
        let (now, later) = rest.split_at(seal.content_bytes(chunk));
        rest = later;
        let mut bytes = now.to_vec();
        seal.seal(chunk, &mut bytes).unwrap();
        bytes
    });
    chunks.collect()
}

fn opened(seal: &FileSeal, chunk: u64, bytes: &[u8]) -> Result<Vec<u8>, ChunkError> {
    let mut bytes = bytes.to_vec();
    seal.open(chunk, &mut bytes).map(|()| bytes)
}

#[test]
fn vectors() {
    let mut text =
        String::from("# A file of 65,537 bytes, (place × 31 + place ÷ 251) mod 256 each, sealed for a relay.\n");
    let seal = FileSeal::new(&key(), 65_537);
    let cipher = blake3::derive_key("landline/file-cipher/1", key().as_bytes());
    let chunks = sealed(&seal, &content(65_537));
    let all = chunks.concat();
    writeln!(text, "key            = {}", hex(key().as_bytes())).unwrap();
    writeln!(text, "ID             = {}", key().id()).unwrap();
    writeln!(text, "path           = {}", file_path(&key().id())).unwrap();
    writeln!(text, "cipher's key   = {}", hex(&cipher)).unwrap();
    writeln!(text, "padded size    = {}", padded_size(65_537)).unwrap();
    writeln!(text, "sealed size    = {}", all.len()).unwrap();
    writeln!(text, "nonce 0        = {}", "00".repeat(12)).unwrap();
    writeln!(text, "nonce 1 (last) = {}0101", "00".repeat(10)).unwrap();
    writeln!(text, "begin          = {}", hex(&all[..32])).unwrap();
    writeln!(text, "chunk 1        = {} bytes, begins with {}", chunks[1].len(), hex(&chunks[1][..32])).unwrap();
    writeln!(text, "end            = {}", hex(&all[all.len() - 32..])).unwrap();
    writeln!(text, "BLAKE3 of all  = {}", blake3::hash(&all)).unwrap();
    let pass = FilePass { mailbox: bob().machine_id(), token: Token::from_bytes([0x70; 32]) };
    writeln!(text, "# Authorization of an upload into Bob's mailbox by the token 7070…70.\npass           = {pass}")
        .unwrap();
    compare("sealed-file.txt", &text);
    assert_eq!(pass.to_string().parse(), Ok(pass));

    let about =
        format!("Alice's deposit: a file lies at a relay.\nSignature: {}", hex(deposit().signature().as_bytes()));
    compare("deposit.txt", &annotate(&about, b"", deposit().bytes()));
    let again = SignedDeposit::decode(read("deposit.txt").into(), *deposit().signature()).unwrap();
    assert_eq!(again, deposit());
    assert!(again.verify().is_ok());
}

#[test]
fn many_sizes_look_alike() {
    assert_eq!([0, 1, 9_000, 16_384].map(padded_size), [16_384; 4]);
    for (size, padded) in [(16_385, 17_408), (65_537, 67_584), (1_000_000, 1_015_808), (500 << 20, 528_482_304)] {
        assert_eq!(padded_size(size), padded, "{size}");
    }
    assert_eq!(padded_size(limits::BLOB_BYTES), limits::BLOB_BYTES);
    assert_eq!(padded_size(u64::MAX), limits::BLOB_BYTES, "because no file is larger");
    assert_eq!(sealed_size(1), 16_384 + TAG_BYTES);
    assert_eq!(sealed_size(65_537), 67_584 + 2 * TAG_BYTES);
    let different: std::collections::HashSet<u64> = (1..=1 << 20).map(padded_size).collect();
    assert!(different.len() < 200, "{} sizes for a million files", different.len());
}

#[test]
fn no_bit_can_be_changed_and_no_chunk_moved_or_left_out() {
    let seal = FileSeal::new(&key(), 3 * GROUP);
    let chunks = sealed(&seal, &content(3 * GROUP));
    assert_eq!(chunks.len(), 3);
    for place in [0, 1, 65_535, 65_536, 65_551] {
        let mut changed = chunks[1].clone();
        changed[place] ^= 1;
        assert_eq!(opened(&seal, 1, &changed), Err(ChunkError::Sealed), "a bit at {place}");
    }
    assert_eq!(opened(&seal, 0, &chunks[1]), Err(ChunkError::Sealed), "because it stands elsewhere");
    assert_eq!(opened(&seal, 3, &chunks[1]), Err(ChunkError::Shape), "because there is no fourth");
    assert_eq!(opened(&seal, 1, &chunks[1][1..]), Err(ChunkError::Shape));
    assert_eq!(opened(&seal, 1, &[]), Err(ChunkError::Shape));
    // Whoever says that a file is shorter finds that what is last then does not say so.
    let shorter = FileSeal::new(&key(), 2 * GROUP);
    assert!(opened(&shorter, 0, &chunks[0]).is_ok());
    assert_eq!(opened(&shorter, 1, &chunks[1]), Err(ChunkError::Sealed), "because it is not the last");
    let longer = FileSeal::new(&key(), 4 * GROUP);
    assert_eq!(opened(&longer, 2, &chunks[2]), Err(ChunkError::Sealed), "because it is the last");
    let other = FileSeal::new(&FileKey::from_bytes([0xf2; 32]), 3 * GROUP);
    assert_eq!(opened(&other, 1, &chunks[1]), Err(ChunkError::Sealed), "because it is another file's");
    assert_ne!(other.id(), seal.id());
    let mut short = content(10);
    assert_eq!(seal.seal(0, &mut short), Err(ChunkError::Shape), "because a chunk has its bytes or is none");
    assert_eq!(seal.seal(3, &mut Vec::new()), Err(ChunkError::Shape));
}

#[test]
fn a_relay_is_not_told_what_a_file_is() {
    assert_eq!(format!("{:?}", key()), "FileKey { .. }");
    let shown = format!("{:?}", deposit());
    assert!(!shown.contains("f1f1") && !shown.contains("241"), "{shown}");
    let id = key().id();
    assert_ne!(id.as_bytes(), key().as_bytes());
    assert_eq!(id.to_string().parse(), Ok(id));
    for wrong in ["", "f1", &"F1".repeat(32), &"g1".repeat(32), &"f1".repeat(33)] {
        assert!(wrong.parse::<FileId>().is_err(), "{wrong}");
    }
    let pass = FilePass { mailbox: bob().machine_id(), token: Token::from_bytes([7; 32]) };
    let header = pass.to_string();
    assert_eq!(header.to_ascii_uppercase().parse(), Ok(pass.clone()));
    for wrong in
        ["", "Landline", "Landline ", &header[1..], &format!("{header}a"), &header.replace('a', "1"), "Bearer abc"]
    {
        assert!(wrong.parse::<FilePass>().is_err(), "{wrong}");
    }
    assert!(!format!("{pass:?}").contains("0707"), "because a token does not show in a log");
}

#[test]
fn a_deposit_at_a_later_kind_of_relay_is_no_reason_to_hang_up() {
    let mut bytes = deposit().bytes().to_vec();
    let at = bytes.windows(3).position(|bytes| bytes == b"wss").unwrap();
    bytes[at] = b'q';
    let mut frame = vec![0x82, 15, 0xa1, 0, 0x82, 0x58, u8::try_from(bytes.len()).unwrap()];
    frame.extend_from_slice(&bytes);
    frame.extend_from_slice(&[0x58, 64]);
    frame.extend_from_slice(deposit().signature().as_bytes());
    let Ok(Frame::Deposit(read)) = Frame::decode(&frame, Phase::AfterHello) else { panic!("no deposit") };
    assert_eq!(read.deposit().relay, None);
    assert!(read.verify().is_err(), "because it was changed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_file_comes_back_from_any_chunk_on(size in 1u64..300_000, seed in any::<[u8; 32]>(), from in 0u64..5) {
        let seal = FileSeal::new(&FileKey::from_bytes(seed), size);
        let content = content(size);
        let chunks = sealed(&seal, &content);
        let lengths: Vec<usize> = (0..seal.chunks()).map(|chunk| seal.sealed_bytes(chunk)).collect();
        prop_assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        prop_assert_eq!(chunks.iter().map(Vec::len).sum::<usize>() as u64, sealed_size(size));
        let from = from.min(seal.chunks() - 1);
        let mut back = Vec::new();
        for chunk in from..seal.chunks() {
            back.extend(opened(&seal, chunk, &chunks[chunk as usize]).unwrap());
        }
        prop_assert_eq!(&back, &content[(from * GROUP).min(size) as usize..]);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn padding_costs_little_and_depends_on_the_size_alone(size in limits::FILE_PADDED_MIN..=limits::BLOB_BYTES) {
        let padded = padded_size(size);
        prop_assert!(padded >= size && padded - size <= size / 8, "{} for {}", padded, size);
        prop_assert_eq!(padded_size(padded), padded, "a padded size stays");
        prop_assert!(padded_size(size - 1) <= padded, "larger files are not smaller");
    }
}
