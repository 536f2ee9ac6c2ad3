//! File descriptors: each connection takes one, and systems allow a program 1,024 unless it asks.

/// Raises this program's limit as far as the system lets it; what it is then.
#[cfg(unix)]
pub(crate) fn raise() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        // Some systems say "unlimited" and mean less.
        Err(_) => current,
    }
}

/// Other systems count no descriptors.
#[cfg(not(unix))]
pub(crate) fn raise() -> Option<u64> {
    None
}
