//! How values of the protocol stand in columns.

use proto::{EventId, MachineId, MessageId, SessionId};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, ValueRef};

use crate::StoreError;

/// Local number of an event: its place in the order of arrival on this machine. Greater is later; never used twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(pub i64);

/// Local number of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub i64);

/// Local number of a log. Big tables name logs by it instead of by session, author and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LogKey(pub(crate) i64);

/// Local number of a machine. Big tables name machines by it instead of by 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MachineKey(pub(crate) i64);

impl EventKey {
    /// Before every event.
    pub const NONE: Self = Self(0);

    /// As an unsigned number, as it goes into a receipt's version.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0.unsigned_abs()
    }
}

macro_rules! key_column {
    ($($key:ty),*) => {$(
        impl ToSql for $key {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.0))
            }
        }
        impl FromSql for $key {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_i64().map(Self)
            }
        }
    )*};
}
key_column!(EventKey, SessionKey, LogKey, MachineKey);

/// A fixed number of bytes read from a BLOB column.
pub(crate) struct Fixed<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> FromSql for Fixed<N> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let blob = value.as_blob()?;
        let bytes =
            blob.try_into().map_err(|_| FromSqlError::InvalidBlobSize { expected_size: N, blob_size: blob.len() })?;
        Ok(Self(bytes))
    }
}

/// A machine ID from its column.
pub(crate) fn machine_id(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<MachineId> {
    row.get::<_, Fixed<32>>(index).map(|bytes| MachineId::from_bytes(bytes.0))
}

/// An event ID from its column.
pub(crate) fn event_id(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<EventId> {
    row.get::<_, Fixed<32>>(index).map(|bytes| EventId::from_bytes(bytes.0))
}

/// A session ID from its column.
pub(crate) fn session_id(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<SessionId> {
    row.get::<_, Fixed<16>>(index).map(|bytes| SessionId::from_bytes(bytes.0))
}

/// A message ID from its column.
pub(crate) fn message_id(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<MessageId> {
    row.get::<_, Fixed<16>>(index).map(|bytes| MessageId::from_bytes(bytes.0))
}

/// An unsigned number from its column; columns never hold negative ones.
pub(crate) fn unsigned(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

/// An unsigned number, perhaps absent, from its column.
pub(crate) fn optional_unsigned(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Option<u64>> {
    match row.get::<_, Option<i64>>(index)? {
        None => Ok(None),
        Some(value) => {
            u64::try_from(value).map(Some).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(index, value))
        }
    }
}

/// A number for a column that decides something (epoch, seq, Lamport time): refused when it has more than 63 bits.
pub(crate) fn exact(value: u64, field: &'static str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::TooLarge(field))
}

/// A wall-clock time for a column. Times are only shown, so one that is absurdly late is stored as the latest.
pub(crate) fn time(wall_ms: u64) -> i64 {
    i64::try_from(wall_ms).unwrap_or(i64::MAX)
}

/// A machine's place among authors with the same Lamport time: the first eight bytes of its ID, as a number that
/// sorts as the bytes do. The same on every machine, unlike the local key, and a quarter as large as the ID. Two keys
/// that agree in 64 bits are not met by chance.
pub(crate) fn rank(machine: &MachineId) -> i64 {
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(machine.as_bytes()) {
        *to = *from;
    }
    i64::from_be_bytes(first) ^ i64::MIN
}

/// An event's local number, alone in its row.
pub(crate) fn event_key_list(row: &rusqlite::Row<'_>) -> rusqlite::Result<EventKey> {
    row.get(0)
}

/// What is said of a column whose bytes are not what this program wrote.
pub(crate) fn damaged(index: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, Box::new(error))
}
