//! A file that grows: what has been verified is appended, and from time to time made durable.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use link::blob::Sink;
use tokio::sync::{Notify, oneshot};

use super::rate::Meter;

/// Bytes after which what was written is made durable.
pub(crate) const SYNCED_BYTES: u64 = 16 << 20;

/// A growing file, and what tells how it fares.
pub(crate) struct Part {
    file: File,
    meter: Arc<Meter>,
    grown: Arc<Notify>,
    told: u64,
    /// Dropped with this, so that nobody else opens the file before.
    _left: oneshot::Sender<()>,
}

/// The other end of a [`Part`].
pub(crate) struct Growing {
    /// The same file, to be made durable.
    pub(crate) file: File,
    /// Told every [`SYNCED_BYTES`].
    pub(crate) grown: Arc<Notify>,
    /// Resolves when the part is no longer written.
    pub(crate) left: oneshot::Receiver<()>,
}

impl Part {
    /// Opens or makes the file and cuts it to what is known to be verified. Blocks.
    pub(crate) fn open(path: &Path, verified: u64, meter: Arc<Meter>) -> io::Result<(Self, Growing)> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(path)?;
        if file.metadata()?.len() < verified {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.set_len(verified)?;
        file.seek(SeekFrom::Start(verified))?;
        let (left_in, left) = oneshot::channel();
        let grown = Arc::new(Notify::new());
        let other = Growing { file: file.try_clone()?, grown: grown.clone(), left };
        Ok((Self { file, meter, grown, told: verified, _left: left_in }, other))
    }
}

impl Sink for Part {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data)?;
        let done = offset + data.len() as u64;
        self.meter.set(done);
        if done - self.told >= SYNCED_BYTES {
            self.told = done;
            self.grown.notify_one();
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}
