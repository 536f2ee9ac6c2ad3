//! A blob of this machine, opened to be sent.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;
use std::sync::Arc;

use link::blob::{BlobRefusal, Content, Source, stream::InMemory};
use proto::attachment::Blob;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Running;
use super::folder::FolderSource;
use super::rate::Meter;
use super::stamp::stamp_of;

/// A blob, its bytes and its hashes.
type Opened = (Blob, Box<dyn Source>, Box<dyn Source>);

/// Looks from outside whether a source is still what it was. Blocks.
pub(crate) fn look(dir: &Path, source: &store::sources::Source) -> Result<(), BlobRefusal> {
    let metadata = fs::metadata(dir.join(&source.path)).map_err(|error| refusal(&error))?;
    check(source, &metadata)
}

fn check(source: &store::sources::Source, metadata: &Metadata) -> Result<(), BlobRefusal> {
    let same = if source.manifest.is_some() {
        metadata.is_dir()
    } else {
        metadata.is_file() && metadata.len() == source.blob.size && stamp_of(metadata) == source.stamp
    };
    if same { Ok(()) } else { Err(BlobRefusal::Changed) }
}

/// Opens a source, and checks that it is still what it was. Copies of the program's own lie in `dir`. Blocks.
pub(crate) fn open(dir: &Path, source: &store::sources::Source) -> Result<Opened, BlobRefusal> {
    let path = dir.join(&source.path);
    let data: Box<dyn Source> = match (&source.manifest, &source.stamps) {
        (Some(head), Some(stamps)) => {
            look(dir, source)?;
            let stamps: Vec<i64> =
                stamps.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok().map(i64::from_be_bytes)).collect();
            Box::new(FolderSource::new(path, head.clone(), &stamps).map_err(|error| refusal(&error))?)
        }
        _ => {
            let file = File::open(&path).map_err(|error| refusal(&error))?;
            check(source, &file.metadata().map_err(|error| refusal(&error))?)?;
            Box::new(file)
        }
    };
    let hashes: Box<dyn Source> = match &source.hashes {
        Some(hashes) => Box::new(File::open(dir.join(hashes)).map_err(|_| BlobRefusal::Unreadable)?),
        None => Box::new(InMemory(Vec::new())),
    };
    Ok((source.blob, data, hashes))
}

/// Why a source can't be given.
pub(super) fn refusal(error: &io::Error) -> BlobRefusal {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => BlobRefusal::Gone,
        io::ErrorKind::InvalidData => BlobRefusal::Changed,
        _ => BlobRefusal::Unreadable,
    }
}

/// A content that says how far it was read, ends when it is cancelled, and tells when it is no longer read.
pub(crate) fn metered((blob, data, hashes): Opened, running: &Running) -> (Content, oneshot::Receiver<()>) {
    let (left, ended) = oneshot::channel();
    let data = Metered { data, meter: running.meter.clone(), cancel: running.cancel.clone(), _left: left };
    (Content { blob, data: Box::new(data), hashes }, ended)
}

/// A small blob that is in memory.
pub(crate) fn small(blob: Blob, bytes: Vec<u8>) -> Content {
    Content { blob, data: Box::new(InMemory(bytes)), hashes: Box::new(InMemory(Vec::new())) }
}

struct Metered {
    data: Box<dyn Source>,
    meter: Arc<Meter>,
    cancel: CancellationToken,
    /// Dropped with this.
    _left: oneshot::Sender<()>,
}

impl Source for Metered {
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if self.cancel.is_cancelled() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.data.read_at(offset, into)?;
        self.meter.set(offset + into.len() as u64);
        Ok(())
    }
}
