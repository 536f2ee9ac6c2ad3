//! Reference `disk`: what it costs here and now to make one page durable.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::{report, timed};

/// A page of SQLite.
const PAGE_BYTES: usize = 4096;

pub(super) fn run(dir: &Path, count: usize) -> Result<()> {
    let mut file = File::create(dir.join("page"))?;
    let began = Instant::now();
    let each = timed(count, || {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[7; PAGE_BYTES])?;
        file.sync_data()
    })?;
    report(&each, began.elapsed());
    Ok(())
}
