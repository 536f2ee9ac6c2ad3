//! Attachments: what a message says about a file or a folder. The bytes themselves are a *blob*, named by its BLAKE3 hash,
//! and travel on a connection of their own.
//!
//! A folder is one blob too: its [`Manifest`] (a length of four bytes, then the manifest's CBOR), and then the bytes of all
//! its files in the manifest's order. So there is one hash, one transfer and one way to resume for both.

use crate::cbor::{DecodeError, Problem, Reader, Writer, required};
use crate::limits;
use crate::text;

/// Names a blob: the BLAKE3 hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob {
    /// The hash.
    pub hash: [u8; 32],
    /// How many bytes it has.
    pub size: u64,
}

/// A file or a folder that is attached to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its bytes.
    pub blob: Blob,
    /// Its name, without a path, by the rules of [`text::check_file_name`].
    pub name: String,
    /// What its sender takes it for, such as `image/png`; printable ASCII, may be empty.
    pub mime: String,
    /// How many files a folder holds; absent for a file.
    pub files: Option<u32>,
    /// For an image: what its room can be reserved by before it is here.
    pub picture: Option<Picture>,
    /// A small image that stands for it, made by its sender.
    pub thumbnail: Option<Blob>,
}

/// Size of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Whether it moves.
    pub animated: bool,
}

impl Attachment {
    /// The rules that each attachment is held to.
    ///
    /// # Errors
    /// The first that it breaks.
    pub fn check(&self) -> Result<(), DecodeError> {
        text::check_file_name(&self.name).map_err(|error| Problem::Text(error).in_field("attachment name"))?;
        if self.mime.len() > limits::MIME_BYTES {
            return Err(Problem::TooLong { limit: limits::MIME_BYTES, actual: self.mime.len() }.in_field("mime"));
        }
        if !self.mime.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Problem::Unexpected.in_field("mime"));
        }
        let range = |within: bool, field| if within { Ok(()) } else { Err(Problem::Range.in_field(field)) };
        range(self.blob.size <= limits::BLOB_BYTES, "attachment size")?;
        range(self.files.is_none_or(|files| files as usize <= limits::FOLDER_FILES), "files")?;
        if let Some(picture) = &self.picture {
            range((1..=limits::PICTURE_SIDE).contains(&picture.width), "width")?;
            range((1..=limits::PICTURE_SIDE).contains(&picture.height), "height")?;
        }
        let small = |blob: Blob| (1..=limits::THUMBNAIL_BYTES as u64).contains(&blob.size);
        range(self.thumbnail.is_none_or(small), "thumbnail")
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        let optional = [self.files.is_some(), self.picture.is_some(), self.thumbnail.is_some()];
        writer.map(4 + optional.into_iter().filter(|given| *given).count());
        writer.uint(0).bytes(&self.blob.hash);
        writer.uint(1).uint(self.blob.size);
        writer.uint(2).text(&self.name);
        writer.uint(3).text(&self.mime);
        if let Some(files) = self.files {
            writer.uint(4).uint(u64::from(files));
        }
        if let Some(picture) = &self.picture {
            writer.uint(5).array(3).uint(u64::from(picture.width)).uint(u64::from(picture.height));
            writer.bool(picture.animated);
        }
        if let Some(thumbnail) = &self.thumbnail {
            writer.uint(6).array(2).bytes(&thumbnail.hash).uint(thumbnail.size);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (mut hash, mut size, mut name, mut mime) = (None, None, None, None);
        let (mut files, mut picture, mut thumbnail) = (None, None, None);
        for _ in 0..reader.map("attachment")? {
            match reader.key("attachment")? {
                0 => hash = Some(reader.fixed("attachment hash")?),
                1 => size = Some(reader.uint("attachment size", limits::BLOB_BYTES)?),
                2 => name = Some(reader.text("attachment name", limits::FILE_NAME_BYTES)?.to_owned()),
                3 => mime = Some(reader.text("mime", limits::MIME_BYTES)?.to_owned()),
                4 => files = Some(reader.u32("files", limits::FOLDER_FILES as u64)?),
                5 => picture = Some(read_picture(reader)?),
                6 => {
                    reader.tuple("thumbnail", 2)?;
                    let hash = reader.fixed("thumbnail hash")?;
                    thumbnail = Some(Blob { hash, size: reader.uint("thumbnail", limits::THUMBNAIL_BYTES as u64)? });
                }
                _ => reader.skip("attachment")?,
            }
        }
        let blob = Blob { hash: required(hash, "attachment hash")?, size: required(size, "attachment size")? };
        let (name, mime) = (required(name, "attachment name")?, required(mime, "mime")?);
        let attachment = Self { blob, name, mime, files, picture, thumbnail };
        attachment.check()?;
        Ok(attachment)
    }
}

fn read_picture(reader: &mut Reader<'_>) -> Result<Picture, DecodeError> {
    let side = u64::from(limits::PICTURE_SIDE);
    reader.tuple("picture", 3)?;
    let (width, height) = (reader.u32("width", side)?, reader.u32("height", side)?);
    Ok(Picture { width, height, animated: reader.bool("animated")? })
}

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Its files and those of its directories that are empty, each once.
    pub entries: Vec<Entry>,
}

/// A file of a folder, or an empty directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The names of the directories above it, and its own; at most [`limits::FOLDER_DEPTH`].
    pub path: Vec<String>,
    /// How many bytes it has; absent for a directory.
    pub size: Option<u64>,
}

impl Manifest {
    /// How many files it names.
    #[must_use]
    pub fn files(&self) -> usize {
        self.entries.iter().filter(|entry| entry.size.is_some()).count()
    }

    /// The blob's first bytes: the length of the manifest and the manifest.
    ///
    /// # Errors
    /// What a receiver would refuse.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        self.check()?;
        let mut writer = Writer::new();
        writer.map(1).uint(0).array(self.entries.len());
        for entry in &self.entries {
            writer.array(2).array(entry.path.len());
            entry.path.iter().for_each(|name| {
                writer.text(name);
            });
            match entry.size {
                Some(size) => writer.uint(size),
                None => writer.null(),
            };
        }
        let encoded = writer.finish();
        if encoded.len() > limits::MANIFEST_BYTES {
            let (limit, actual) = (limits::MANIFEST_BYTES, encoded.len());
            return Err(Problem::TooLong { limit, actual }.in_field("manifest"));
        }
        let length = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
        Ok([length.to_be_bytes().as_slice(), &encoded].concat())
    }

    /// Reads a manifest, without its length.
    ///
    /// # Errors
    /// What is wrong with it. No path in it leads out of the folder.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("manifest", bytes, limits::MANIFEST_BYTES)?;
        let mut entries = None;
        for _ in 0..reader.map("manifest")? {
            match reader.key("manifest")? {
                0 => {
                    let count = reader.array("entries", limits::FOLDER_FILES)?;
                    entries = Some((0..count).map(|_| read_entry(&mut reader)).collect::<Result<Vec<_>, _>>()?);
                }
                _ => reader.skip("manifest")?,
            }
        }
        let manifest = Self { entries: required(entries, "entries")? };
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let problem = |problem: Problem| Err(problem.in_field("path"));
        if self.entries.len() > limits::FOLDER_FILES {
            return problem(Problem::TooLong { limit: limits::FOLDER_FILES, actual: self.entries.len() });
        }
        let mut seen = std::collections::HashSet::new();
        for entry in &self.entries {
            let depth = entry.path.len();
            if depth == 0 || depth > limits::FOLDER_DEPTH {
                return problem(Problem::TooLong { limit: limits::FOLDER_DEPTH, actual: depth });
            }
            for name in &entry.path {
                text::check_file_name(name).map_err(|error| Problem::Text(error).in_field("path"))?;
                if name == "." || name == ".." || name.contains(['/', '\\']) {
                    return problem(Problem::Unexpected);
                }
            }
            if entry.size.is_some_and(|size| size > limits::BLOB_BYTES) {
                return problem(Problem::Range);
            }
            if !seen.insert(&entry.path) {
                return problem(Problem::Order);
            }
        }
        Ok(())
    }
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
    reader.tuple("entry", 2)?;
    let depth = reader.array("path", limits::FOLDER_DEPTH)?;
    let path = (0..depth).map(|_| reader.text("path", limits::FILE_NAME_BYTES).map(str::to_owned));
    let path = path.collect::<Result<Vec<_>, _>>()?;
    Ok(Entry { path, size: reader.uint_or_null("size", limits::BLOB_BYTES)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &[&str], size: Option<u64>) -> Entry {
        Entry { path: path.iter().map(ToString::to_string).collect(), size }
    }

    #[test]
    fn a_manifest_there_and_back() {
        let manifest = Manifest {
            entries: vec![entry(&["a.txt"], Some(7)), entry(&["sub", "ü b.bin"], Some(0)), entry(&["empty"], None)],
        };
        let bytes = manifest.encode().unwrap();
        let (length, rest) = bytes.split_at(4);
        assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, rest.len());
        assert_eq!(Manifest::decode(rest).unwrap(), manifest);
        assert_eq!(manifest.files(), 2);
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in [
            &[".."][..],
            &["a", "..", "b"],
            &["."],
            &[""],
            &["/etc/passwd"],
            &["a/b"],
            &["a\\b"],
            &["a\nb"],
            &["a\u{202E}b"],
            &[],
        ] {
            assert!(Manifest { entries: vec![entry(path, Some(1))] }.encode().is_err(), "{path:?}");
        }
        let twice = Manifest { entries: vec![entry(&["a"], Some(1)), entry(&["a"], Some(2))] };
        assert!(twice.encode().is_err(), "because one would overwrite the other");
        let deep = vec!["d"; limits::FOLDER_DEPTH + 1];
        assert!(Manifest { entries: vec![entry(&deep, Some(1))] }.encode().is_err());
    }
}
