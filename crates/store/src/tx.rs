//! What a job gets: a view of the database, with or without the right to change it.

use std::cell::Cell;
use std::ops::Deref;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};

use crate::StoreError;

/// Reads of one consistent snapshot.
#[derive(Debug)]
pub struct Reader<'a> {
    connection: &'a Connection,
}

/// Reads and writes of one job. What it changed is undone when the job returns an error or panics.
#[derive(Debug)]
pub struct Tx<'a> {
    reader: Reader<'a>,
    /// Whether something was taken away that must not stay in the log beside the file.
    erased: Cell<bool>,
}

impl<'a> Deref for Tx<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Self::Target {
        &self.reader
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { connection }
    }

    /// The connection, for what has SQL of its own on another file.
    pub(crate) fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// A statement, prepared once a connection.
    pub(crate) fn prepare(&self, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// The first row, if there is one.
    pub(crate) fn one<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.prepare(sql)?.query_row(params, read).optional()?)
    }

    /// All rows. The caller's SQL carries the limit.
    pub(crate) fn all<T, P: Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.prepare(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
    }
}

impl<'a> Tx<'a> {
    pub(crate) fn new(connection: &'a Connection) -> Self {
        Self { reader: Reader::new(connection), erased: Cell::new(false) }
    }

    /// Notes that something is taken away for good: after the commit it is to leave the write-ahead log as well.
    pub(crate) fn erases(&self) {
        self.erased.set(true);
    }

    /// Whether that was noted.
    pub(crate) fn has_erased(&self) -> bool {
        self.erased.get()
    }

    /// Runs a statement that changes rows; how many it changed.
    pub(crate) fn execute<P: Params>(&self, sql: &str, params: P) -> Result<usize, StoreError> {
        Ok(self.prepare(sql)?.execute(params)?)
    }

    /// The row ID of the last insert.
    pub(crate) fn last_insert(&self) -> i64 {
        self.reader.connection.last_insert_rowid()
    }
}
