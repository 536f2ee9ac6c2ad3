//! The verified stream: hashing, encoding, decoding. All of it blocks, and none of it holds more than a group of bytes.

use std::{
    cell::RefCell,
    io::{self, Read, Write},
};

use bao_tree::{
    BaoTree, BlockSize, ByteRanges, ChunkRanges,
    io::{
        BaoContentItem, DecodeError, EncodeError,
        outboard::PostOrderOutboard,
        round_up_to_chunks,
        sync::{DecodeResponseIter, ReadAt, Size, encode_ranges, outboard_post_order},
    },
};
use proto::{attachment::Blob, limits};

use super::{BlobError, Content, Sink, Source};

/// Groups of 64 chunks of 1 KiB, as [`limits::BLOB_GROUP_BYTES`] says.
const GROUP: BlockSize = BlockSize::from_chunk_log(6);

/// Hashes `size` bytes, and writes the hashes of the tree between them and the root, which `encode` needs, in post-order.
/// Up to one group there are none.
///
/// # Errors
/// When fewer bytes come, or something can't be read or written.
pub fn hash(data: impl Read, size: u64, hashes: impl Write) -> io::Result<[u8; 32]> {
    if size == 0 {
        return Ok(*blake3::hash(&[]).as_bytes());
    }
    Ok(*outboard_post_order(data, BaoTree::new(size, GROUP), hashes)?.as_bytes())
}

/// The whole groups among the first bytes: where a transfer can go on.
#[must_use]
pub fn whole_groups(bytes: u64) -> u64 {
    bytes - bytes % limits::BLOB_GROUP_BYTES
}

/// Whether a stream of the blob may begin there: at a group, and before the end.
#[must_use]
pub fn can_begin(blob: &Blob, from: u64) -> bool {
    blob.size <= limits::BLOB_BYTES && from < blob.size && from == whole_groups(from)
}

fn ranges(from: u64) -> ChunkRanges {
    round_up_to_chunks(&ByteRanges::from(from..))
}

/// Writes the stream of a blob from one of its groups on.
pub(crate) fn encode(content: &mut Content, from: u64, to: impl Write) -> Result<(), BlobError> {
    let tree = BaoTree::new(content.blob.size, GROUP);
    let hashes = At { source: RefCell::new(&mut *content.hashes), size: tree.outboard_size() };
    let outboard = PostOrderOutboard { root: content.blob.hash.into(), tree, data: hashes };
    let data = At { source: RefCell::new(&mut *content.data), size: content.blob.size };
    encode_ranges(data, outboard, &ranges(from), to).map_err(|error| match error {
        EncodeError::Io(error) => BlobError::Source(error),
        EncodeError::ParentWrite(_) | EncodeError::LeafWrite(_) => BlobError::Broken("the other side left".into()),
        error => BlobError::Source(io::Error::other(error.to_string())),
    })
}

/// Reads the stream of a blob from one of its groups on, and hands what has been checked to the sink.
pub(crate) fn decode(from_peer: impl Read, blob: Blob, from: u64, sink: &mut dyn Sink) -> Result<(), BlobError> {
    let ranges = ranges(from);
    let tree = BaoTree::new(blob.size, GROUP);
    for item in DecodeResponseIter::new(blob.hash.into(), tree, from_peer, &ranges) {
        match item {
            Ok(BaoContentItem::Leaf(leaf)) => sink.write(leaf.offset, &leaf.data).map_err(BlobError::Sink)?,
            Ok(BaoContentItem::Parent(_)) => {}
            Err(DecodeError::ParentHashMismatch(_) | DecodeError::LeafHashMismatch(_)) => {
                return Err(BlobError::Mismatch);
            }
            Err(DecodeError::ParentNotFound(_) | DecodeError::LeafNotFound(_)) => {
                return Err(BlobError::Broken("it ended early".into()));
            }
            Err(DecodeError::Io(error)) => return Err(BlobError::Broken(error.to_string())),
        }
    }
    sink.finish().map_err(BlobError::Sink)
}

/// A source as the tree reads it.
struct At<'a> {
    source: RefCell<&'a mut dyn Source>,
    size: u64,
}

impl ReadAt for At<'_> {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.source.borrow_mut().read_at(offset, into)?;
        Ok(into.len())
    }
}

impl Size for At<'_> {
    fn size(&self) -> io::Result<Option<u64>> {
        Ok(Some(self.size))
    }
}

/// Bytes in memory, for what is small.
#[derive(Debug)]
pub struct InMemory(pub Vec<u8>);

impl Source for InMemory {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = self.0.get(start..).and_then(|rest| rest.get(..into.len()));
        into.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Source for std::fs::File {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_exact_at(self, into, offset);
        #[cfg(not(unix))]
        {
            use std::io::{Seek as _, SeekFrom};
            self.seek(SeekFrom::Start(offset))?;
            self.read_exact(into)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept {
        bytes: Vec<u8>,
        whole: bool,
        room: Option<usize>,
    }

    impl Sink for Kept {
        fn write(&mut self, _: u64, data: &[u8]) -> io::Result<()> {
            if self.room.is_some_and(|room| self.bytes.len() + data.len() > room) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.extend_from_slice(data);
            Ok(())
        }

        fn finish(&mut self) -> io::Result<()> {
            self.whole = true;
            Ok(())
        }
    }

    const GROUP_BYTES: usize = 65_536;

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|place| (place * 31 + place / 251) as u8).collect()
    }

    fn content(data: &[u8]) -> Content {
        let mut hashes = Vec::new();
        let hash = hash(data, data.len() as u64, &mut hashes).unwrap();
        assert_eq!(hash, *blake3::hash(data).as_bytes(), "because a blob's name is the plain BLAKE3 of its bytes");
        Content {
            blob: Blob { hash, size: data.len() as u64 },
            data: Box::new(InMemory(data.to_vec())),
            hashes: Box::new(InMemory(hashes)),
        }
    }

    fn encoded(content: &mut Content, from: usize) -> Vec<u8> {
        let mut stream = Vec::new();
        encode(content, from as u64, &mut stream).unwrap();
        stream
    }

    #[test]
    fn what_is_sent_arrives_from_every_group_on() {
        for size in [1, 1024, GROUP_BYTES - 1, GROUP_BYTES, GROUP_BYTES + 1, 5 * GROUP_BYTES + 77, 8 * GROUP_BYTES] {
            let data = bytes(size);
            let mut content = content(&data);
            for from in (0..size).step_by(GROUP_BYTES) {
                let stream = encoded(&mut content, from);
                let overhead = stream.len() - (size - from);
                assert!(overhead <= 64 * (size / GROUP_BYTES + 8), "{overhead} bytes of hashes for {size}");
                let mut kept = Kept::default();
                decode(stream.as_slice(), content.blob, from as u64, &mut kept).unwrap();
                assert!(kept.whole && kept.bytes == data[from..], "{size} from {from}");
            }
        }
    }

    #[test]
    fn a_bit_that_changed_is_noticed_before_its_group_is_kept() {
        let data = bytes(6 * GROUP_BYTES + 500);
        let mut content = content(&data);
        let stream = encoded(&mut content, 0);
        for place in [0, 70, 400, GROUP_BYTES, 3 * GROUP_BYTES + 9, stream.len() - 1] {
            let mut wrong = stream.clone();
            wrong[place] ^= 1;
            let mut kept = Kept::default();
            let outcome = decode(wrong.as_slice(), content.blob, 0, &mut kept);
            assert!(matches!(outcome, Err(BlobError::Mismatch)), "a bit at {place}: {outcome:?}");
            assert!(!kept.whole && data.starts_with(&kept.bytes), "because nothing wrong is kept");
        }
    }

    #[test]
    fn a_wrong_size_or_place_or_end_is_noticed() {
        let data = bytes(3 * GROUP_BYTES);
        let mut content = content(&data);
        let stream = encoded(&mut content, 0);
        let blob = content.blob;
        for size in [1, 2 * GROUP_BYTES as u64, blob.size - 1, blob.size + 1, 1 << 40] {
            let outcome = decode(stream.as_slice(), Blob { size, ..blob }, 0, &mut Kept::default());
            assert!(outcome.is_err(), "a size of {size}");
        }
        let elsewhere = decode(stream.as_slice(), blob, GROUP_BYTES as u64, &mut Kept::default());
        assert!(matches!(elsewhere, Err(BlobError::Mismatch)));
        let short = decode(&stream[..stream.len() - 1], blob, 0, &mut Kept::default());
        assert!(matches!(short, Err(BlobError::Broken(_))), "because the rest can come later");
    }

    #[test]
    fn a_full_disk_ends_it() {
        let data = bytes(3 * GROUP_BYTES);
        let mut content = content(&data);
        let stream = encoded(&mut content, 0);
        let mut kept = Kept { room: Some(2 * GROUP_BYTES), ..Kept::default() };
        let outcome = decode(stream.as_slice(), content.blob, 0, &mut kept);
        assert!(matches!(outcome, Err(BlobError::Sink(error)) if error.kind() == io::ErrorKind::StorageFull));
        assert_eq!(kept.bytes.len(), 2 * GROUP_BYTES);
    }

    #[test]
    fn a_stream_begins_at_groups() {
        let blob = Blob { hash: [0; 32], size: 200_000 };
        assert!(can_begin(&blob, 0) && can_begin(&blob, 65_536) && can_begin(&blob, 131_072 + 65_536));
        assert!(!can_begin(&blob, 1) && !can_begin(&blob, 200_000) && !can_begin(&blob, 262_144));
        assert_eq!(whole_groups(200_000), 196_608);
    }
}
