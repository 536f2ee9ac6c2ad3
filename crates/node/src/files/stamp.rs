//! How a file is known to be still the same without reading it.

use std::fs::Metadata;
use std::time::UNIX_EPOCH;

/// When a file was last changed, in nanoseconds since 1970; 0 where the system does not say.
pub(crate) fn stamp_of(metadata: &Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or_default()
}
