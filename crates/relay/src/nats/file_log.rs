//! A file as one node knows it, and how it is read from the stream.
//!
//! All that concerns a file goes to one subject: that it begins, its pieces, and that it is gone. Each message counts or does not by
//! what came before it in the stream, and by nothing else: a file begins where there is none, or one that had expired by then; a
//! piece counts that begins where the last one ended that counted; one that has expired is gone when a message says so before
//! another piece has come. So a file has one history, whichever nodes write it, and every reader finds the same, though the
//! condition that the server is told is kept by a cluster only mostly (`shelf.rs` says more of that).
//!
//! A subject is only purged up to a message behind which the file is gone, or another begins. So while the message is there by
//! which a file begins, all of it is.

use async_nats::HeaderMap;
use proto::id::MachineId;

use super::stream::{Logs, Trouble, hex, unhex};
use crate::files::Upload;
use crate::mailboxes::TokenHash;

/// Header of a message by which a file begins.
const BEGIN: &str = "Landline-File";

/// Header of a piece.
const PIECE: &str = "Landline-File-Piece";

/// Header of a message by which a file is gone.
const GONE: &str = "Landline-File-Gone";

/// For a file that goes whether it has expired or not.
pub(super) const NOW_OR_LATER: u64 = u64::MAX;

/// Messages that are read one by one, with what is in them, before others are passed by their headers alone.
const READ: usize = 3;

/// A file that lacks more is read by headers at once: as many pieces may follow as make up a few times this.
const FAR_BYTES: u64 = 1 << 20;

/// Headers that are read in one go.
const WALKED: usize = 512;

/// How often a file is read from its beginning that others change meanwhile.
const READS: usize = 16;

/// Messages that came too late, of which a node knows at most.
const LATE: usize = 1 << 10;

/// Pieces that a file may have beyond one for each [`PIECE_BYTES`]: as often may its upload break.
const CRUMBS: u64 = 16_384;

/// No piece is smaller but the last that comes before a break.
const PIECE_BYTES: u64 = 64 << 10;

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A file begins: whose it is, and which of those that were ever begun under its ID.
    Begin { now_s: u64, expires_s: u64, size: u64, number: u64, mailbox: MachineId, token: TokenHash },
    /// Bytes of the file that begins at a place; or none, and it is still worked on.
    Piece { begun: u64, at: u64, end: u64, expires_s: u64 },
    /// The file that begins at a place is gone, if it had expired by then.
    Gone { begun: u64, by_s: u64 },
}

/// A file's subject at one point of its history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// The last message that was looked at. 0 when there is none.
    pub(super) seen: u64,
    /// The file that there is.
    pub(super) file: Option<File>,
    /// Messages of it that do not count: they came too late, and may be removed when another one follows.
    pub(super) late: Vec<u64>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Where it begins.
    pub(super) begun: u64,
    pub(super) number: u64,
    pub(super) mailbox: MachineId,
    pub(super) token: TokenHash,
    pub(super) upload: Upload,
    pieces: Vec<Piece>,
}

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// The byte at which it begins.
    pub(super) at: u64,
    /// The message that holds it.
    pub(super) place: u64,
}

impl What {
    /// What a message's headers say.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let words = |name| headers.get(name).map(|value| value.as_str().split(' '));
        let number = |word: Option<&str>| word?.parse::<u64>().ok();
        if let Some(mut words) = words(PIECE) {
            let mut next = || number(words.next());
            return Some(Self::Piece { begun: next()?, at: next()?, end: next()?, expires_s: next()? });
        }
        if let Some(mut words) = words(BEGIN) {
            let mut next = || number(words.next());
            let (now_s, expires_s, size, number) = (next()?, next()?, next()?, next()?);
            let (mailbox, token) = (MachineId::from_bytes(unhex(words.next()?)?), unhex(words.next()?)?);
            return Some(Self::Begin { now_s, expires_s, size, number, mailbox, token });
        }
        let mut words = words(GONE)?;
        Some(Self::Gone { begun: number(words.next())?, by_s: number(words.next())? })
    }

    /// Its header.
    pub(super) fn header(&self) -> (&'static str, String) {
        match self {
            Self::Begin { now_s, expires_s, size, number, mailbox, token } => {
                let (mailbox, token) = (hex(mailbox.as_bytes()), hex(token));
                (BEGIN, format!("{now_s} {expires_s} {size} {number} {mailbox} {token}"))
            }
            Self::Piece { begun, at, end, expires_s } => (PIECE, format!("{begun} {at} {end} {expires_s}")),
            Self::Gone { begun, by_s } => (GONE, format!("{begun} {by_s}")),
        }
    }

    /// When its file goes, as far as it knows.
    pub(super) fn expires_s(&self) -> u64 {
        match self {
            Self::Begin { expires_s, .. } | Self::Piece { expires_s, .. } => *expires_s,
            Self::Gone { .. } => 0,
        }
    }
}

impl Log {
    /// The newest, as the stream's leader knows it; that something is missing counts only after it knew all that this node knows.
    /// What was known before spares reading it again.
    pub(super) async fn read(logs: &Logs, subject: &str, known: Option<&Self>) -> Result<Self, Trouble> {
        let (mut log, mut knows_all) = (known.cloned().unwrap_or_default(), false);
        for _ in 0..READS {
            log.go_on(logs, subject, None).await?;
            if !log.stands(logs).await? {
                log = Self::default();
            } else if knows_all || log.file.as_ref().is_some_and(|file| file.upload.is_whole()) {
                return Ok(log);
            } else {
                // What it has learned meanwhile is read once more.
                logs.knows_all().await?;
                knows_all = true;
            }
        }
        Err(Trouble::Away("a file changes too fast to be read".to_owned()))
    }

    /// The same behind a message that was just written, and whether that counts: in a cluster only this tells.
    pub(super) async fn beyond(&self, logs: &Logs, subject: &str, place: u64) -> Result<(Self, bool), Trouble> {
        let mut log = self.clone();
        let counts = log.go_on(logs, subject, Some(place)).await?;
        if log.seen < place || !log.stands(logs).await? {
            // A leader that was just chosen does not know all yet; or the file was begun anew, and has to be read so.
            return Err(Trouble::Away("a file changed, or the servers changed their leader".to_owned()));
        }
        Ok((log, counts))
    }

    /// Reads to the end, or to a message: whether that counts.
    async fn go_on(&mut self, logs: &Logs, subject: &str, to: Option<u64>) -> Result<bool, Trouble> {
        let (mut counts, mut read) = (false, 0);
        while to.is_none_or(|to| self.seen < to) {
            let Some(message) = logs.next(subject, self.seen + 1).await? else { break };
            counts |= self.pass(message.sequence, &message.headers)? && to == Some(message.sequence);
            read += 1;
            if to.is_none_or(|to| self.seen < to) && (read >= READ || self.lacks() > FAR_BYTES) {
                for passed in logs.walk(Some(subject), self.seen + 1, WALKED).await? {
                    counts |= self.pass(passed.place, &passed.headers)? && to == Some(passed.place);
                }
            }
        }
        Ok(counts)
    }

    fn pass(&mut self, place: u64, headers: &HeaderMap) -> Result<bool, Trouble> {
        let what = What::read(headers);
        let what = what.ok_or_else(|| Trouble::Failed(format!("message {place} of the stream is no relay's")))?;
        Ok(self.take(place, &what))
    }

    /// Goes on by a message: whether it counts.
    pub(super) fn take(&mut self, place: u64, what: &What) -> bool {
        self.seen = place;
        let counts = self.counts(place, what);
        if !counts && self.file.is_some() && self.late.len() < LATE {
            self.late.push(place);
        }
        counts
    }

    fn counts(&mut self, place: u64, what: &What) -> bool {
        match (*what, &mut self.file) {
            (What::Begin { now_s, expires_s, size, number, mailbox, token }, file)
                if file.as_ref().is_none_or(|file| file.upload.expires_s <= now_s) =>
            {
                let upload = Upload { received: 0, size, expires_s };
                *file = Some(File { begun: place, number, mailbox, token, upload, pieces: Vec::new() });
                self.late.clear();
                true
            }
            (What::Piece { begun, at, end, expires_s }, Some(file)) if file.begun == begun => {
                let upload = &mut file.upload;
                if upload.received != at || end < at || end > upload.size {
                    return false;
                }
                if end > at {
                    file.pieces.push(Piece { at, place });
                }
                *upload = Upload { received: end, size: upload.size, expires_s: upload.expires_s.max(expires_s) };
                true
            }
            (What::Gone { begun, by_s }, file)
                if file.as_ref().is_some_and(|file| file.begun == begun && file.upload.expires_s <= by_s) =>
            {
                *file = None;
                self.late.clear();
                true
            }
            _ => false,
        }
    }

    /// Whether nothing that was read has gone since.
    async fn stands(&self, logs: &Logs) -> Result<bool, Trouble> {
        match &self.file {
            Some(file) => Ok(logs.get(file.begun).await?.is_some()),
            None => Ok(true),
        }
    }

    fn lacks(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.upload.size - file.upload.received)
    }

    /// The memory that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let pieces = self.file.as_ref().map_or(0, |file| file.pieces.capacity() * size_of::<Piece>());
        pieces + self.late.capacity() * size_of::<u64>()
    }
}

impl File {
    /// The piece in which a byte is.
    pub(super) fn piece(&self, at: u64) -> Option<Piece> {
        let behind = self.pieces.partition_point(|piece| piece.at <= at);
        self.pieces.get(behind.checked_sub(1)?).copied().filter(|_| at < self.upload.received)
    }

    /// Whether it came in more pieces than anybody needs whose line breaks: to know them takes memory.
    pub(super) fn is_crumbled(&self) -> bool {
        self.pieces.len() as u64 > CRUMBS + self.upload.size / PIECE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(now_s: u64, number: u64) -> What {
        let (mailbox, token) = (MachineId::from_bytes([3; 32]), [4; 32]);
        What::Begin { now_s, expires_s: now_s + 10, size: 100, number, mailbox, token }
    }

    fn piece(begun: u64, at: u64, end: u64) -> What {
        What::Piece { begun, at, end, expires_s: 50 }
    }

    /// What there is after some messages: the file's number, how far it is, and when it goes.
    fn read(messages: &[(u64, What)]) -> Option<(u64, u64, u64)> {
        let mut log = Log::default();
        for (place, what) in messages {
            log.take(*place, what);
        }
        assert_eq!(log.seen, messages.last().unwrap().0);
        log.file.map(|file| (file.number, file.upload.received, file.upload.expires_s))
    }

    #[test]
    fn headers_say_all() {
        for what in [begin(1, u64::MAX), piece(1, 2, 3), What::Gone { begun: 1, by_s: NOW_OR_LATER }] {
            let mut headers = HeaderMap::new();
            let (name, value) = what.header();
            headers.insert(name, value.as_str());
            assert_eq!(What::read(&headers), Some(what));
            for wrong in ["", "1", "1 x", "-1 2 3 4"] {
                headers.insert(name, wrong);
                assert_eq!(What::read(&headers), None, "{name}: {wrong:?}");
            }
        }
        let mut headers = HeaderMap::new();
        assert_eq!(What::read(&headers), None);
        headers.insert(BEGIN, "1 2 3 4 00 xyz");
        assert_eq!(What::read(&headers), None, "because those are no IDs");
    }

    #[test]
    fn of_two_pieces_that_begin_at_one_byte_the_first_counts() {
        let log = [(1, begin(0, 7)), (2, piece(1, 0, 10)), (3, piece(1, 0, 20)), (4, piece(1, 10, 30))];
        assert_eq!(read(&log), Some((7, 30, 50)));
        let mut both = Log::default();
        log.iter().for_each(|(place, what)| _ = both.take(*place, what));
        assert_eq!(both.late, [3]);
        let file = both.file.unwrap();
        let there = |at, place| Some(Piece { at, place });
        assert_eq!((file.piece(0), file.piece(9), file.piece(10)), (there(0, 2), there(0, 2), there(10, 4)));
        assert_eq!((file.piece(29), file.piece(30)), (there(10, 4), None));
        assert_eq!(read(&[(1, begin(0, 7)), (2, piece(1, 0, 101))]), Some((7, 0, 10)), "because it is longer");
        assert_eq!(read(&[(1, begin(0, 7)), (2, piece(1, 5, 10))]), Some((7, 0, 10)), "because bytes are missing");
        assert_eq!(read(&[(1, begin(0, 7)), (2, piece(1, 0, 10)), (3, piece(1, 10, 5))]), Some((7, 10, 50)));
        assert_eq!(read(&[(1, begin(0, 7)), (2, piece(1, 0, 0))]), Some((7, 0, 50)), "because it is worked on");
    }

    #[test]
    fn a_file_begins_anew_only_where_it_has_expired() {
        assert_eq!(read(&[(1, begin(0, 7)), (2, begin(9, 8))]), Some((7, 0, 10)));
        assert_eq!(read(&[(1, begin(0, 7)), (2, begin(10, 8))]), Some((8, 0, 20)));
        let late = [(1, begin(0, 7)), (2, begin(10, 8)), (3, piece(1, 0, 10))];
        assert_eq!(read(&late), Some((8, 0, 20)), "because that piece is of the file before");
    }

    #[test]
    fn a_file_that_was_gone_on_with_is_not_swept() {
        let gone = |by_s| What::Gone { begun: 1, by_s };
        assert_eq!(read(&[(1, begin(0, 7)), (2, gone(9))]), Some((7, 0, 10)));
        assert_eq!(read(&[(1, begin(0, 7)), (2, gone(10))]), None);
        assert_eq!(read(&[(1, begin(0, 7)), (2, piece(1, 0, 10)), (3, gone(10))]), Some((7, 10, 50)));
        let removed = [(1, begin(0, 7)), (2, piece(1, 0, 10)), (3, gone(NOW_OR_LATER))];
        assert_eq!(read(&removed), None, "because its owner removes what has not expired");
        assert_eq!(read(&[&removed[..], &[(4, piece(1, 10, 20))]].concat()), None);
        let again = [&removed[..], &[(5, begin(2, 8)), (6, gone(NOW_OR_LATER))]].concat();
        assert_eq!(read(&again), Some((8, 0, 12)), "because the one that is gone is another");
        // What came before the end may be gone or not: it is the same.
        assert_eq!(read(&again[2..]), Some((8, 0, 12)));
    }
}
