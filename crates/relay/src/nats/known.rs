//! What a node knows of files, to spare reading it again: those used last, in bounded memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::FileId;
use tokio::sync::Mutex as AsyncMutex;

use super::file_log::Log;
use super::stream::Logs;

/// Memory for all that is known: some sixteen thousand small files, or a thousand of 500 MiB.
const MOST_BYTES: usize = 16 << 20;

/// What a file takes beside its pieces, about.
const SLOT_BYTES: usize = 1 << 10;

/// What is known of a file. Who works on it holds it, so that one node's work does not get in its own way.
pub(super) type Slot = Arc<AsyncMutex<Option<Known>>>;

/// A file as it was known over one connection. After another connection it is read again: the stream may have lost some of
/// it, or be another one.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) logs: Arc<Logs>,
    pub(super) log: Log,
}

/// The slots of files.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    entries: HashMap<FileId, Entry>,
    /// By when they were used last.
    order: BTreeMap<u64, FileId>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    slot: Slot,
    used: u64,
    bytes: usize,
}

impl Slots {
    /// The slot of a file.
    pub(super) fn slot(&self, id: &FileId) -> Slot {
        let mut entries = self.entries();
        let known = entries.entries.get(id).map_or(0, |entry| entry.bytes);
        entries.touch(id, known.max(SLOT_BYTES))
    }

    /// Notes what a file's pieces take, and forgets what was not used for longest when all take too much. Who works on what is
    /// forgotten goes on, as a node of its own.
    pub(super) fn weigh(&self, id: &FileId, bytes: usize) {
        let mut entries = self.entries();
        if entries.entries.contains_key(id) {
            entries.touch(id, SLOT_BYTES.saturating_add(bytes));
        }
        while entries.bytes > MOST_BYTES
            && let Some((_, oldest)) = entries.order.pop_first()
        {
            let forgotten = entries.entries.remove(&oldest);
            entries.bytes -= forgotten.map_or(0, |entry| entry.bytes);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Each change leaves the sums right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn touch(&mut self, id: &FileId, bytes: usize) -> Slot {
        self.uses += 1;
        let used = self.uses;
        self.order.insert(used, *id);
        let entry = self.entries.entry(*id).or_insert_with(|| Entry { slot: Slot::default(), used, bytes: 0 });
        if entry.used != used {
            self.order.remove(&entry.used);
        }
        self.bytes = self.bytes - entry.bytes + bytes;
        (entry.used, entry.bytes) = (used, bytes);
        entry.slot.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: u32) -> FileId {
        FileId::from_bytes(*blake3::hash(&number.to_be_bytes()).as_bytes())
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let slots = Slots::default();
        let first = slots.slot(&file(0));
        for number in 1..1_000 {
            slots.slot(&file(number));
        }
        slots.weigh(&file(1), 0);
        assert!(Arc::ptr_eq(&first, &slots.slot(&file(0))), "because there is room");
        for number in 1_000..1_100 {
            slots.slot(&file(number));
            slots.weigh(&file(number), MOST_BYTES / 50);
        }
        let entries = slots.entries();
        assert!(!entries.entries.contains_key(&file(0)) && entries.entries.contains_key(&file(1_099)));
        assert!(entries.bytes <= MOST_BYTES && entries.bytes > MOST_BYTES / 2, "{}", entries.bytes);
        assert_eq!(entries.bytes, entries.entries.values().map(|entry| entry.bytes).sum::<usize>());
        assert_eq!(entries.order.len(), entries.entries.len());
    }
}
