//! Folders as one stream of bytes: read without copying when they are sent, laid out again when they have arrived.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use link::blob::Source;
use proto::attachment::{Entry, Manifest};
use proto::limits;

use super::names::safe_part;
use super::stamp::stamp_of;

/// The length before a manifest.
const LENGTH_BYTES: usize = 4;

/// A folder as it was found.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) manifest: Manifest,
    /// When each file was last changed, in the manifest's order.
    pub(crate) stamps: Vec<i64>,
}

/// Looks through a folder. Links are not followed, and nothing but files and folders is taken.
pub(crate) fn scan(root: &Path) -> io::Result<Scanned> {
    let mut scanned = Scanned { manifest: Manifest::default(), stamps: Vec::new() };
    scan_into(root, &mut Vec::new(), &mut scanned)?;
    Ok(scanned)
}

fn scan_into(dir: &Path, above: &mut Vec<String>, scanned: &mut Scanned) -> io::Result<()> {
    let mut entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| io::Error::new(io::ErrorKind::InvalidInput, format!("the name {name:?} is not UTF-8")))?;
        above.push(name);
        if scanned.manifest.entries.len() >= limits::FOLDER_FILES || above.len() > limits::FOLDER_DEPTH {
            let (files, depth) = (limits::FOLDER_FILES, limits::FOLDER_DEPTH);
            let words = format!("a folder can hold {files} files, {depth} levels deep");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
        if kind.is_dir() {
            let before = scanned.manifest.entries.len();
            scan_into(&entry.path(), above, scanned)?;
            if scanned.manifest.entries.len() == before {
                scanned.manifest.entries.push(Entry { path: above.clone(), size: None });
            }
        } else if kind.is_file() {
            let metadata = entry.metadata()?;
            scanned.manifest.entries.push(Entry { path: above.clone(), size: Some(metadata.len()) });
            scanned.stamps.push(stamp_of(&metadata));
        }
        above.pop();
    }
    Ok(())
}

/// A folder's content, read from the files where they are.
#[derive(Debug)]
pub(crate) struct FolderSource {
    root: PathBuf,
    head: Vec<u8>,
    /// Where each file begins in the content, in order.
    files: Vec<Part>,
    open: Option<(usize, File)>,
    size: u64,
}

#[derive(Debug)]
struct Part {
    path: Vec<String>,
    begins: u64,
    size: u64,
    stamp: i64,
}

impl FolderSource {
    /// Of a manifest with its length, as [`Manifest::encode`] gives it.
    pub(crate) fn new(root: PathBuf, head: Vec<u8>, stamps: &[i64]) -> io::Result<Self> {
        let manifest = head.get(LENGTH_BYTES..).and_then(|bytes| Manifest::decode(bytes).ok()).ok_or_else(damaged)?;
        let mut begins = head.len() as u64;
        let mut files = Vec::new();
        for entry in manifest.entries {
            let Some(size) = entry.size else { continue };
            let stamp = *stamps.get(files.len()).ok_or_else(damaged)?;
            files.push(Part { path: entry.path, begins, size, stamp });
            begins += size;
        }
        Ok(Self { root, head, files, open: None, size: begins })
    }

    /// Bytes of the whole.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    fn read_part(&mut self, index: usize, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
            let part = self.files.get(index).ok_or_else(damaged)?;
            let path = part.path.iter().fold(self.root.clone(), |path, name| path.join(name));
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.len() != part.size || stamp_of(&metadata) != part.stamp {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a file in the folder was changed"));
            }
            self.open = Some((index, file));
        }
        match &mut self.open {
            Some((_, file)) => file.read_at(offset, into),
            None => Err(damaged()),
        }
    }
}

impl Source for FolderSource {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        let head = self.head.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        let from_head = head.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..from_head), head.get(..from_head)) {
            to.copy_from_slice(from);
            done = from_head;
        }
        let mut index = self.files.partition_point(|part| part.begins + part.size <= offset + done as u64);
        while done < into.len() {
            let place = offset + done as u64;
            let Some(part) = self.files.get(index) else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            let within = place - part.begins;
            let here = usize::try_from(part.size - within).unwrap_or(usize::MAX).min(into.len() - done);
            if here > 0 {
                let Some(to) = into.get_mut(done..done + here) else { return Err(damaged()) };
                self.read_part(index, within, to)?;
            }
            done += here;
            index += 1;
        }
        Ok(())
    }
}

/// Lays a folder out below `to`, which is empty, from its content. Names are made safe; two that become one are kept apart.
pub(crate) fn unpack(content: &Path, to: &Path) -> io::Result<()> {
    let mut content = BufReader::with_capacity(256 * 1024, File::open(content)?);
    let mut length = [0; LENGTH_BYTES];
    content.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length as usize > limits::MANIFEST_BYTES {
        return Err(damaged());
    }
    let mut manifest = vec![0; length as usize];
    content.read_exact(&mut manifest)?;
    let manifest = Manifest::decode(&manifest).map_err(|_| damaged())?;
    for entry in manifest.entries {
        let mut path = to.to_owned();
        let names: Vec<String> = entry.path.iter().map(|name| safe_part(name)).collect();
        let Some((last, above)) = names.split_last() else { continue };
        path.extend(above);
        fs::create_dir_all(&path)?;
        let Some(size) = entry.size else {
            fs::create_dir_all(path.join(last))?;
            continue;
        };
        let path = super::names::reserve(&path, last, false)?;
        let mut file = File::options().write(true).open(path)?;
        let copied = io::copy(&mut content.by_ref().take(size), &mut file)?;
        if copied != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.flush()?;
    }
    Ok(())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the folder's list of files is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_there_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("photos");
        fs::create_dir_all(root.join("sub/deep")).unwrap();
        fs::create_dir(root.join("empty")).unwrap();
        fs::write(root.join("a.txt"), "first").unwrap();
        fs::write(root.join("nothing"), "").unwrap();
        fs::write(root.join("sub/deep/b.bin"), vec![7; 200_000]).unwrap();
        fs::write(root.join("sub/.keep"), "k").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
        let scanned = scan(&root).unwrap();
        assert_eq!(scanned.manifest.files(), 4, "because a link is no file of the folder");
        let head = scanned.manifest.encode().unwrap();
        let mut source = FolderSource::new(root.clone(), head, &scanned.stamps).unwrap();
        let mut whole = vec![0; usize::try_from(source.size()).unwrap()];
        source.read_at(0, &mut whole).unwrap();
        for (from, length) in [(0, 3), (2, 200), (100, 150_000), (whole.len() - 1, 1)] {
            let mut piece = vec![0; length];
            source.read_at(from as u64, &mut piece).unwrap();
            assert_eq!(piece, whole[from..from + length], "from {from}");
        }
        assert!(source.read_at(whole.len() as u64, &mut [0]).is_err(), "because there is no more");

        let (content, back) = (dir.path().join("content"), dir.path().join("back"));
        fs::write(&content, &whole).unwrap();
        fs::create_dir(&back).unwrap();
        unpack(&content, &back).unwrap();
        assert_eq!(fs::read(back.join("a.txt")).unwrap(), b"first");
        assert_eq!(fs::read(back.join("sub/deep/b.bin")).unwrap(), vec![7; 200_000]);
        assert!(back.join("empty").is_dir() && back.join("nothing").is_file() && back.join("sub/.keep").is_file());

        fs::write(root.join("a.txt"), "second, longer").unwrap();
        let mut changed = FolderSource::new(root, scanned.manifest.encode().unwrap(), &scanned.stamps).unwrap();
        let outcome = changed.read_at(0, &mut whole);
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidData, "because it is not what was offered");
    }
}
