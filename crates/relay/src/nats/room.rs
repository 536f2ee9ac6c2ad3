//! Room for files in a mailbox: counted in its record, because only a change of that is exact whichever nodes do it.
//!
//! The row comes before the file, and goes after it. A node that dies in between leaves a row without a file, which takes room until
//! somebody is short of it and looks. Each row names the one file that it is for, so that who takes away the row of a file that is gone
//! never takes that of one that was begun under the same ID since.

use std::sync::PoisonError;

use proto::id::MachineId;

use super::mailboxes::{NatsMailboxes, Step};
use super::record::FileRow;
use crate::files::{Begin, FileError, FileQuotas};
use crate::mailboxes::{MailboxError, TokenHash};

/// Whether there is room for a file.
#[derive(Debug)]
pub(super) enum Room {
    /// It is taken.
    Taken,
    /// There is none, but there may be when rows were looked after whose files may be gone.
    Short { no: FileError, due: Vec<FileRow> },
}

impl NatsMailboxes {
    /// Sees whether a token is valid for a machine.
    pub(super) async fn admits(&self, machine: &MachineId, token: &TokenHash, now_s: u64) -> Result<(), FileError> {
        let (_, shelf) = self.look(machine).await?;
        let record = shelf.record.ok_or(FileError::NoMailbox)?;
        if record.knows(token, now_s) { Ok(()) } else { Err(FileError::BadToken) }
    }

    /// Takes room for a file, or finds it taken.
    pub(super) async fn reserve(&self, begin: &Begin, number: u64, quotas: &FileQuotas) -> Result<Room, FileError> {
        let Begin { id, mailbox, token, size, now_s } = begin;
        let reserved = self.change(mailbox, |boxes, shelf, _| {
            let Some(record) = &shelf.record else { return Step::Answer(Err(MailboxError::NoMailbox)) };
            // Revoked since it was looked at, it counts no more.
            if !record.knows(token, *now_s) {
                return Step::Answer(Err(MailboxError::BadToken));
            }
            if record.files.iter().any(|row| row.id == *id.as_bytes() && row.number == number) {
                return Step::Answer(Ok(Room::Taken));
            }
            let mut record = record.clone();
            record.files.retain(|row| row.id != *id.as_bytes());
            let count = record.files.len() as u64;
            let bytes = record.files.iter().fold(*size, |bytes, row| bytes.saturating_add(row.size));
            let no = if count >= u64::from(quotas.count) {
                Some(FileError::TooMany(quotas.count.into()))
            } else if bytes > quotas.bytes {
                Some(FileError::Full(quotas.bytes))
            } else if !record.has_room(boxes.payload_bytes) {
                // The quota is larger than what NATS takes.
                Some(FileError::TooMany(count))
            } else {
                None
            };
            if let Some(no) = no {
                let due = record.files.iter().filter(|row| row.look_s <= *now_s).copied().collect();
                return Step::Answer(Ok(Room::Short { no, due }));
            }
            let look_s = quotas.expires_s(0, *size, *now_s);
            record.files.push(FileRow { id: *id.as_bytes(), size: *size, number, look_s });
            Step::Record(record, Room::Taken)
        });
        Ok(reserved.await?)
    }

    /// Gives back the room of files that are gone, and notes of others when to look again.
    pub(super) async fn settle(
        &self,
        machine: &MachineId,
        looked: &[(FileRow, Option<FileRow>)],
    ) -> Result<(), FileError> {
        let settled = self.change(machine, |_, shelf, _| {
            let Some(record) = &shelf.record else { return Step::Answer(Ok(())) };
            let mut changed = record.clone();
            changed.files = record
                .files
                .iter()
                .filter_map(|row| looked.iter().find(|(before, _)| before == row).map_or(Some(*row), |(_, now)| *now))
                .collect();
            if changed.files == record.files { Step::Answer(Ok(())) } else { Step::Record(changed, ()) }
        });
        Ok(settled.await?)
    }

    /// Gives back the room of a file.
    pub(super) async fn release(&self, machine: &MachineId, id: &[u8; 32], number: u64) -> Result<(), FileError> {
        let released = self.change(machine, |_, shelf, _| {
            let Some(record) = &shelf.record else { return Step::Answer(Ok(())) };
            let mut changed = record.clone();
            if changed.release(id, number) { Step::Record(changed, ()) } else { Step::Answer(Ok(())) }
        });
        Ok(released.await?)
    }

    /// Notes files whose mailbox is gone.
    pub(super) fn forget_files(&self, files: impl IntoIterator<Item = (MachineId, FileRow)>) {
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).extend(files);
    }

    /// Those files, for who takes them away. What a node that dies does not take away goes when it expires.
    pub(super) fn forgotten_files(&self) -> Vec<(MachineId, FileRow)> {
        std::mem::take(&mut *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
