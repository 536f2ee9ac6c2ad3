//! What a mailbox is beside its items' envelopes: one message, written anew at each change but that of an item more.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::mailboxes::{Token, TokenChange, TokenHash};

/// Hashes remembered in a mailbox, for each item that it may hold. Beyond, the oldest are forgotten: what is put again so
/// late is kept twice, which its recipient sees through.
pub(super) const REMEMBERED_PER_ITEM: usize = 16;

/// Most bytes of a token, an item, a file, and the rest of a record without its prekey and what was taken.
const TOKEN_BYTES: usize = 44;
const ITEM_BYTES: usize = 55;
const FILE_BYTES: usize = 62;
const REST_BYTES: usize = 96;

/// First bytes of the BLAKE3 of an envelope, by which it is known again. As many as nobody finds two envelopes for.
pub(super) type Mark = [u8; 16];

/// A mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub(super) struct Record {
    /// When its owner was last here, to within a day.
    #[n(0)]
    pub(super) seen_s: u64,
    /// Who may put.
    #[n(1)]
    pub(super) tokens: Vec<TokenRow>,
    /// The prekey register, with its version.
    #[n(2)]
    pub(super) prekey: Option<PrekeyRow>,
    /// What lies in it, oldest first.
    #[n(3)]
    pub(super) items: Vec<ItemRow>,
    /// What was taken out of it and is still remembered, the earliest to be forgotten first.
    #[n(4)]
    pub(super) taken: Vec<TakenRow>,
    /// The record in whose place this one came; 0 for none. Who wrote this may have died before it was removed.
    #[n(5)]
    pub(super) before: u64,
    /// The owner did not come for so long that the mailbox is gone.
    #[n(6)]
    pub(super) is_gone: bool,
    /// Whose room the files take that were begun for its owner.
    #[cbor(n(7), default)]
    pub(super) files: Vec<FileRow>,
}

/// A delivery token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct TokenRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) hash: [u8; 32],
    /// 0: never.
    #[n(1)]
    pub(super) expires_s: u64,
}

/// A prekey register.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct PrekeyRow {
    #[n(0)]
    pub(super) version: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(super) register: Vec<u8>,
}

/// An item, without its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct ItemRow {
    /// Its place in the stream.
    #[n(0)]
    pub(super) place: u64,
    #[n(1)]
    pub(super) put_s: u64,
    #[n(2)]
    pub(super) expires_s: u64,
    /// Bytes of its envelope.
    #[n(3)]
    pub(super) size: u64,
    /// Whether a stranger put it.
    #[n(4)]
    pub(super) is_request: bool,
    #[cbor(n(5), with = "minicbor::bytes")]
    pub(super) mark: Mark,
}

/// An item that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct TakenRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) mark: Mark,
    #[n(1)]
    pub(super) expires_s: u64,
}

/// Room that a file takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct FileRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) id: [u8; 32],
    #[n(1)]
    pub(super) size: u64,
    /// Which it is of those that were ever begun under its ID: drawn when it is begun.
    #[n(2)]
    pub(super) number: u64,
    /// From when on it may be gone without anybody having said so here, and is looked for when room is short.
    #[n(3)]
    pub(super) look_s: u64,
}

impl Record {
    /// What the stream gives.
    pub(super) fn from_message(bytes: &[u8]) -> Option<Self> {
        minicbor::decode(bytes).ok()
    }

    /// What goes into the stream: at most so many bytes, for which the oldest of what was taken is forgotten. None when
    /// it does not fit even then.
    pub(super) fn fit(&mut self, most: usize) -> Option<Bytes> {
        loop {
            let bytes = minicbor::to_vec(&*self).ok()?;
            let excess = bytes.len().saturating_sub(most);
            if excess == 0 {
                return Some(bytes.into());
            }
            // Each takes at least as many bytes as a mark.
            let rows = (excess / size_of::<Mark>()).max(1);
            if self.taken.is_empty() {
                return None;
            }
            self.taken.drain(..rows.min(self.taken.len()));
        }
    }

    /// Whether it fits into so many bytes with an item and a file more, if what was taken is forgotten. A mailbox whose record does
    /// not could not even be emptied.
    pub(super) fn has_room(&self, most: usize) -> bool {
        let prekey = self.prekey.as_ref().map_or(0, |prekey| prekey.register.len());
        let items = (self.items.len() + 1).saturating_mul(ITEM_BYTES);
        let files = (self.files.len() + 1).saturating_mul(FILE_BYTES);
        REST_BYTES + prekey + self.tokens.len() * TOKEN_BYTES + items + files <= most
    }

    /// Gives back the room of a file, and not that of one that was begun under the same ID since: whether it had any.
    pub(super) fn release(&mut self, id: &[u8; 32], number: u64) -> bool {
        let before = self.files.len();
        self.files.retain(|row| row.id != *id || row.number != number);
        self.files.len() < before
    }

    /// All its tokens.
    pub(super) fn tokens(&self) -> Vec<Token> {
        self.tokens.iter().map(|row| Token { hash: row.hash, expires_s: row.expires_s }).collect()
    }

    /// Whether a token allows to put.
    pub(super) fn knows(&self, hash: &[u8; 32], now_s: u64) -> bool {
        let row = self.tokens.iter().find(|row| row.hash == *hash);
        row.is_some_and(|row| Token { hash: row.hash, expires_s: row.expires_s }.is_valid(now_s))
    }

    /// Whether an envelope came before, and would still be kept.
    pub(super) fn remembers(&self, mark: &Mark, now_s: u64) -> bool {
        self.items.iter().any(|row| row.mark == *mark && row.expires_s > now_s)
            || self.taken.iter().any(|row| row.mark == *mark && row.expires_s > now_s)
    }

    /// Changes the tokens, unless there were more than so many then.
    pub(super) fn change(&mut self, change: &TokenChange, most: usize, now_s: u64) -> bool {
        let is_valid = |token: &Token| token.is_valid(now_s);
        let removed: HashSet<&TokenHash> = change.remove.iter().collect();
        self.tokens.retain(|row| {
            let stays = !change.replace && !removed.contains(&row.hash);
            stays && is_valid(&Token { hash: row.hash, expires_s: row.expires_s })
        });
        let added = change.add.iter().filter(|token| is_valid(token));
        let mut new: HashMap<TokenHash, u64> = added.clone().map(|token| (token.hash, token.expires_s)).collect();
        for row in &mut self.tokens {
            if let Some(expires_s) = new.remove(&row.hash) {
                row.expires_s = expires_s;
            }
        }
        // In the order in which they were named.
        self.tokens.extend(added.filter_map(|token| {
            let expires_s = new.remove(&token.hash)?;
            Some(TokenRow { hash: token.hash, expires_s })
        }));
        self.tokens.len() <= most
    }

    /// Takes the items out that are named, and remembers them; gives their places.
    pub(super) fn take(&mut self, is_named: impl Fn(&ItemRow) -> bool) -> Vec<u64> {
        let mut places = Vec::new();
        self.items.retain(|row| {
            let goes = is_named(row);
            if goes {
                places.push(row.place);
                self.taken.push(TakenRow { mark: row.mark, expires_s: row.expires_s });
            }
            !goes
        });
        places
    }

    /// Forgets what was taken and would have expired, and the oldest beyond a bound.
    pub(super) fn forget(&mut self, most: usize, now_s: u64) {
        self.taken.retain(|row| row.expires_s > now_s);
        self.taken.sort_unstable_by_key(|row| row.expires_s);
        self.taken.drain(..self.taken.len().saturating_sub(most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(place: u64) -> ItemRow {
        ItemRow { place, put_s: 1, expires_s: 100, size: 5, is_request: false, mark: [place.to_le_bytes()[0]; 16] }
    }

    #[test]
    fn it_survives_the_stream() {
        let mut record = Record {
            seen_s: 7,
            tokens: vec![TokenRow { hash: [1; 32], expires_s: 9 }],
            prekey: Some(PrekeyRow { version: 3, register: vec![5; 90] }),
            items: vec![item(11)],
            taken: vec![TakenRow { mark: [2; 16], expires_s: 40 }],
            before: 10,
            is_gone: false,
            files: vec![FileRow { id: [8; 32], size: 1, number: 2, look_s: 3 }],
        };
        let bytes = record.fit(1 << 20).unwrap();
        assert_eq!(Record::from_message(&bytes), Some(record));
        assert_eq!(Record::from_message(&bytes[1..]), None);
    }

    #[test]
    fn what_does_not_fit_is_forgotten_oldest_first() {
        let taken = |number: u8| TakenRow { mark: [number; 16], expires_s: number.into() };
        let mut record = Record { taken: (0..100).map(taken).collect(), ..Record::default() };
        let bytes = record.fit(1_000).unwrap();
        assert!(bytes.len() <= 1_000 && record.taken.len() > 30, "{}", record.taken.len());
        assert_eq!(record.taken.last(), Some(&taken(99)));
        record.tokens = (0..100).map(|number| TokenRow { hash: [number; 32], expires_s: 0 }).collect();
        assert_eq!(record.fit(1_000), None, "because tokens are never forgotten");
    }

    #[test]
    fn what_has_room_fits() {
        let most = u64::MAX;
        let item = ItemRow { place: most, put_s: most, expires_s: most, size: most, is_request: true, mark: [9; 16] };
        let mut record = Record {
            seen_s: most,
            tokens: vec![TokenRow { hash: [1; 32], expires_s: most }; 300],
            prekey: Some(PrekeyRow { version: most, register: vec![5; 2_000] }),
            before: most,
            ..Record::default()
        };
        let file = FileRow { id: [8; 32], size: most, number: most, look_s: most };
        while record.has_room(60_000) {
            record.items.push(item);
            record.files.push(file);
        }
        assert!(record.items.len() > 300 && record.fit(60_000).is_some(), "{}", record.items.len());
    }

    #[test]
    fn room_is_given_back_of_the_very_file_that_is_gone() {
        let file = |id: u8, number| FileRow { id: [id; 32], size: 1, number, look_s: 3 };
        let mut record = Record { files: vec![file(1, 7), file(2, 8)], ..Record::default() };
        assert!(!record.release(&[1; 32], 8), "because it was begun anew");
        assert!(record.release(&[1; 32], 7) && !record.release(&[1; 32], 7));
        assert_eq!(record.files, [file(2, 8)]);
    }

    #[test]
    fn tokens_are_changed_in_the_order_in_which_they_are_named() {
        let token = |number: u8, expires_s| Token { hash: [number; 32], expires_s };
        let change =
            TokenChange { add: vec![token(3, 0), token(1, 0), token(3, 9), token(2, 5)], ..TokenChange::default() };
        let mut record = Record::default();
        assert!(!record.change(&change, 1, 5), "because they are two");
        assert_eq!(
            record.tokens(),
            [token(3, 9), token(1, 0)],
            "because the last word of one counts, and one has expired"
        );
        let change =
            TokenChange { remove: vec![[3; 32]], add: vec![token(1, 7), token(3, 8)], ..TokenChange::default() };
        assert!(record.change(&change, 2, 5));
        assert_eq!(record.tokens(), [token(1, 7), token(3, 8)]);
    }

    #[test]
    fn taken_is_not_forgotten() {
        let mut record = Record { items: vec![item(1), item(2)], ..Record::default() };
        assert_eq!(record.take(|row| row.place == 1), [1]);
        assert_eq!(record.items, [item(2)]);
        assert!(record.remembers(&[1; 16], 99) && record.remembers(&[2; 16], 99));
        assert!(!record.remembers(&[1; 16], 100), "because it would have expired");
        record.forget(10, 99);
        assert_eq!(record.taken.len(), 1);
        record.forget(10, 100);
        assert!(record.taken.is_empty());
    }
}
