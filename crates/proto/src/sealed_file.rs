//! Files at a relay: sealed by their sender under a key of their own, so that the relay sees nothing of them but a size
//! that many files share.
//!
//! A file is padded, cut into chunks of [`limits::BLOB_GROUP_BYTES`], and each is sealed with ChaCha20-Poly1305 under a
//! nonce that counts and says which is the last: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015). So
//! each chunk can be opened alone, in its place only, and an end that is missing is noticed. Who has the key can have sealed
//! anything; that it is the file that was meant, its hash says in the end.

use std::fmt;
use std::str::FromStr;

use chacha20poly1305::aead::AeadInOut as _;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};
use data_encoding::HEXLOWER;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::limits;
use crate::secret::secret;

const ID_CONTEXT: &str = "landline/file-id/1";
const CIPHER_CONTEXT: &str = "landline/file-cipher/1";

/// Bytes that sealing adds to each chunk.
pub const TAG_BYTES: u64 = 16;

/// Most bytes of a sealed chunk.
pub const SEALED_CHUNK_BYTES: u64 = limits::BLOB_GROUP_BYTES + TAG_BYTES;

secret! {
    /// Opens one file at a relay, and names it there. Random, and new for each file that is laid down; never shown to a
    /// relay.
    FileKey, 32
}

impl FileKey {
    /// What the relay knows the file by.
    pub fn id(&self) -> FileId {
        FileId(blake3::derive_key(ID_CONTEXT, self.as_bytes()))
    }
}

/// Names a file at a relay. Who knows it may fetch the sealed bytes. It follows from the key and not from the content, so
/// that a relay can't tell which known file it is, or that two people laid down the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId([u8; 32]);

impl FileId {
    /// Takes the 32 bytes of a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "FileId({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}

/// A text is no ID of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not 64 hexadecimal digits in lower case")]
pub struct FileIdError;

impl FromStr for FileId {
    type Err = FileIdError;

    fn from_str(text: &str) -> Result<Self, FileIdError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| FileIdError)?;
        bytes.try_into().map(Self).map_err(|_| FileIdError)
    }
}

/// Why a chunk is not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChunkError {
    /// The file has no such chunk, or it has another length.
    #[error("a chunk that the file does not have")]
    Shape,
    /// It was changed, stands in another place, or is another file's.
    #[error("a chunk that was changed on its way")]
    Sealed,
}

/// Seals and opens the chunks of one file.
pub struct FileSeal {
    id: FileId,
    cipher: ChaCha20Poly1305,
    size: u64,
    padded: u64,
}

impl FileSeal {
    /// For a file of so many bytes, of which at most [`limits::BLOB_BYTES`] count.
    pub fn new(key: &FileKey, size: u64) -> Self {
        let secret = Zeroizing::new(blake3::derive_key(CIPHER_CONTEXT, key.as_bytes()));
        let size = size.min(limits::BLOB_BYTES);
        Self { id: key.id(), cipher: ChaCha20Poly1305::new((&*secret).into()), size, padded: padded_size(size) }
    }

    /// What the relay knows the file by.
    pub const fn id(&self) -> FileId {
        self.id
    }

    /// How many chunks it has.
    pub const fn chunks(&self) -> u64 {
        self.padded.div_ceil(limits::BLOB_GROUP_BYTES)
    }

    /// How many bytes of the file are in a chunk; the rest of it is padding.
    pub fn content_bytes(&self, chunk: u64) -> usize {
        part_of(self.size, chunk)
    }

    /// How many bytes a chunk has when it is sealed; none when there is no such chunk.
    pub fn sealed_bytes(&self, chunk: u64) -> usize {
        match part_of(self.padded, chunk) {
            0 => 0,
            plain => plain + TAG_BYTES as usize,
        }
    }

    /// Pads and seals a chunk's bytes of the file, in place.
    ///
    /// # Errors
    /// [`ChunkError::Shape`] when they are not as many as this chunk has.
    pub fn seal(&self, chunk: u64, bytes: &mut Vec<u8>) -> Result<(), ChunkError> {
        let plain = part_of(self.padded, chunk);
        if plain == 0 || bytes.len() != self.content_bytes(chunk) {
            return Err(ChunkError::Shape);
        }
        bytes.resize(plain, 0);
        self.cipher.encrypt_in_place(&self.nonce(chunk).into(), &self.id.0, bytes).map_err(|_| ChunkError::Shape)
    }

    /// Opens a sealed chunk in place, and leaves the bytes of the file.
    ///
    /// # Errors
    /// [`ChunkError`].
    pub fn open(&self, chunk: u64, bytes: &mut Vec<u8>) -> Result<(), ChunkError> {
        let sealed = self.sealed_bytes(chunk);
        if sealed == 0 || bytes.len() != sealed {
            return Err(ChunkError::Shape);
        }
        self.cipher.decrypt_in_place(&self.nonce(chunk).into(), &self.id.0, bytes).map_err(|_| ChunkError::Sealed)?;
        bytes.truncate(self.content_bytes(chunk));
        Ok(())
    }

    /// Eleven bytes that count, big-endian, and one that is 1 in the last chunk.
    fn nonce(&self, chunk: u64) -> [u8; 12] {
        let mut nonce = [0; 12];
        let last = u8::from(chunk + 1 == self.chunks());
        nonce.iter_mut().skip(3).zip(chunk.to_be_bytes().into_iter().chain([last])).for_each(|(to, from)| *to = from);
        nonce
    }
}

impl fmt::Debug for FileSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSeal").field("id", &self.id).field("size", &self.size).finish_non_exhaustive()
    }
}

fn part_of(size: u64, chunk: u64) -> usize {
    let before = chunk.saturating_mul(limits::BLOB_GROUP_BYTES);
    usize::try_from(size.saturating_sub(before).min(limits::BLOB_GROUP_BYTES)).unwrap_or(usize::MAX)
}

/// What a size is padded to: of its binary digits only the first few may differ from those of other files of about that size
/// (Padmé, from Nikitin et al., PURBs, 2019). It costs at most 12 %, and less the larger the file is.
pub fn padded_size(size: u64) -> u64 {
    let size = size.clamp(limits::FILE_PADDED_MIN, limits::BLOB_BYTES);
    let exponent = size.ilog2();
    let digits = exponent.ilog2() + 1;
    let step = 1u64 << (exponent - digits);
    size.next_multiple_of(step)
}

/// How many bytes a relay keeps for a file of this size.
pub fn sealed_size(size: u64) -> u64 {
    let padded = padded_size(size);
    padded + padded.div_ceil(limits::BLOB_GROUP_BYTES) * TAG_BYTES
}
