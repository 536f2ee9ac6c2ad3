//! Files at a relay, as they are asked for over HTTP: where, under which headers, and by what right.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use thiserror::Error;

use crate::id::MachineId;
use crate::relay::Token;
use crate::sealed_file::FileId;

/// Where a relay keeps files; each below its ID.
pub const FILES_PATH: &str = "/relay/1/files";

/// Header in which an upload says at which byte its body begins, and the relay up to which byte all is on its disk.
pub const UPLOAD_OFFSET: &str = "upload-offset";

/// Header in which an upload says how many bytes the sealed file has.
pub const UPLOAD_LENGTH: &str = "upload-length";

/// Header in which the relay says for how many seconds more it keeps a file.
pub const FILE_LIFETIME: &str = "file-lifetime";

/// Scheme of the `Authorization` header that carries a [`FilePass`].
const SCHEME: &str = "Landline ";

/// The path of a file.
pub fn file_path(id: &FileId) -> String {
    format!("{FILES_PATH}/{id}")
}

/// By what right a file is laid down, gone on with, or taken away: a delivery token of a machine with a mailbox at the relay.
/// The file counts against that mailbox. The value of an `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePass {
    /// Whose mailbox.
    pub mailbox: MachineId,
    /// One of that machine's tokens at this relay.
    pub token: Token,
}

/// A header is no pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not \"Landline\" and 103 characters of base32")]
pub struct FilePassError;

impl fmt::Display for FilePass {
    /// As a header has it; shows the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.mailbox.as_bytes().as_slice(), self.token.as_bytes()].concat();
        write!(f, "{SCHEME}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl FromStr for FilePass {
    type Err = FilePassError;

    fn from_str(header: &str) -> Result<Self, FilePassError> {
        let (scheme, text) = header.split_at_checked(SCHEME.len()).ok_or(FilePassError)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) || text.len() != BASE32_NOPAD.encode_len(64) {
            return Err(FilePassError);
        }
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| FilePassError)?;
        let (mailbox, token) = bytes.split_first_chunk::<32>().ok_or(FilePassError)?;
        let token = <[u8; 32]>::try_from(token).map_err(|_| FilePassError)?;
        Ok(Self { mailbox: MachineId::from_bytes(*mailbox), token: Token::from_bytes(token) })
    }
}
