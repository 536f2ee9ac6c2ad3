//! Steps from one schema to the next.
//!
//! `PRAGMA user_version` holds two numbers: the schema's version in the lower 16 bits, and in the upper 16 the oldest
//! program version that may still open the file. So an older program knows from the header alone whether a newer
//! file is safe for it.

use rusqlite::Connection;

use crate::inspect::APPLICATION_ID;
use crate::{
    addresses, attachments, deposits, drafts, events, invitations, logs, machines, messages, meta, notifications,
    operations, outbox, prekeys, reach, registers, relays, removal, search, sessions, settings, sources, tokens,
    uploads,
};

/// One step. Steps are never changed once released, only added.
struct Migration {
    /// The tables that this step adds or changes, with their SQL.
    adds: &'static [(&'static str, &'static str)],
    /// The oldest program, by its schema version, that may open the file afterwards.
    readable_by: u16,
}

/// The steps; the first makes version 1.
const MIGRATIONS: &[Migration] = &[
    Migration {
        adds: &[
            ("meta", meta::DDL),
            ("settings", settings::DDL),
            ("tokens", tokens::DDL),
            ("machines", machines::DDL),
            ("addresses", addresses::DDL),
            ("typed_peers", addresses::TYPED_DDL),
            ("sessions", sessions::DDL),
            ("logs", logs::DDL),
            ("events", events::DDL),
            ("forks", events::FORKS_DDL),
            ("messages", messages::DDL),
            ("unread", messages::UNREAD_DDL),
            ("outbox", outbox::DDL),
            ("registers", registers::DDL),
        ],
        readable_by: 1,
    },
    Migration { adds: &[("search_queue", search::QUEUE_DDL)], readable_by: 1 },
    Migration { adds: &[("notifications", notifications::DDL)], readable_by: 1 },
    Migration {
        adds: &[
            ("attachments", attachments::DDL),
            ("thumbnails", attachments::THUMBNAILS_DDL),
            ("doomed_files", attachments::DOOMED_DDL),
            ("sources", sources::DDL),
            ("uploads", uploads::DDL),
        ],
        readable_by: 2,
    },
    // Earlier programs know no message that was read or deleted.
    Migration {
        adds: &[
            ("messages", messages::MORE_DDL),
            ("sessions", sessions::MORE_DDL),
            ("edits", operations::EDITS_DDL),
            ("reactions", operations::REACTIONS_DDL),
            ("pins", operations::PINS_DDL),
            ("awaiting", operations::AWAITING_DDL),
            ("removed", removal::DDL),
        ],
        readable_by: 5,
    },
    Migration { adds: &[("draft_attachments", drafts::DDL)], readable_by: 1 },
    Migration { adds: &[("uploads", uploads::MORE_DDL)], readable_by: 1 },
    Migration { adds: &[("notifications", notifications::ABOUT_DDL)], readable_by: 1 },
    Migration {
        adds: &[("invitations", invitations::DDL), ("followed_invitations", invitations::FOLLOWED_DDL)],
        readable_by: 1,
    },
    Migration {
        adds: &[
            ("relays", relays::DDL),
            ("prekeys", prekeys::DDL),
            ("reach", reach::DDL),
            ("outbox", outbox::HELD_DDL),
            ("messages", messages::HELD_DDL),
        ],
        readable_by: 1,
    },
    Migration {
        adds: &[
            ("deposits", deposits::DDL),
            ("told_deposits", deposits::TOLD_DDL),
            ("attachments", attachments::DEPOSIT_DDL),
        ],
        readable_by: 1,
    },
];

/// Version marks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    /// Steps applied.
    pub(crate) schema: u16,
    /// The oldest program that may open it.
    pub(crate) readable_by: u16,
}

impl Version {
    pub(crate) fn from_pragma(value: i32) -> Self {
        let [a, b, c, d] = value.to_be_bytes();
        Self { schema: u16::from_be_bytes([c, d]), readable_by: u16::from_be_bytes([a, b]) }
    }

    fn to_pragma(self) -> i32 {
        let [a, b] = self.readable_by.to_be_bytes();
        let [c, d] = self.schema.to_be_bytes();
        i32::from_be_bytes([a, b, c, d])
    }
}

/// The version that this program makes.
pub(crate) fn latest() -> u16 {
    u16::try_from(MIGRATIONS.len()).unwrap_or(u16::MAX)
}

/// The tables that a file of a schema version has, as far as this program knows them.
pub(crate) fn tables(schema: u16) -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().take(schema.into()).flat_map(|step| step.adds).map(|(name, _)| *name)
}

/// Brings a database to the latest version, each step in a transaction of its own. True when something was done.
pub(crate) fn migrate(connection: &mut Connection) -> rusqlite::Result<bool> {
    run(connection, MIGRATIONS)
}

fn run(connection: &mut Connection, steps: &[Migration]) -> rusqlite::Result<bool> {
    let found = Version::from_pragma(connection.pragma_query_value(None, "user_version", |row| row.get(0))?);
    let mut readable_by = found.readable_by;
    let mut changed = false;
    for (index, step) in steps.iter().enumerate().skip(found.schema.into()) {
        let schema = u16::try_from(index + 1).unwrap_or(u16::MAX);
        readable_by = readable_by.max(step.readable_by);
        let tx = connection.transaction()?;
        for (_, sql) in step.adds {
            tx.execute_batch(sql)?;
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", Version { schema, readable_by }.to_pragma())?;
        tx.commit()?;
        tracing::info!(schema, "database migrated");
        changed = true;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Migration; 3] = [
        Migration { adds: &[("one", "CREATE TABLE one (x)")], readable_by: 1 },
        Migration { adds: &[("two", "CREATE TABLE two (x)")], readable_by: 2 },
        Migration { adds: &[("three", "CREATE TABLE three (x)")], readable_by: 1 },
    ];

    fn version(connection: &Connection) -> Version {
        Version::from_pragma(connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap())
    }

    #[test]
    fn steps_go_on_from_where_the_file_is() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(run(&mut connection, &STEPS[..1]).unwrap());
        assert_eq!(version(&connection), Version { schema: 1, readable_by: 1 });
        assert!(run(&mut connection, &STEPS).unwrap());
        let expected = Version { schema: 3, readable_by: 2 };
        assert_eq!(version(&connection), expected, "the strictest step decides who may still read");
        assert!(!run(&mut connection, &STEPS).unwrap());
        assert!(!run(&mut connection, &STEPS[..1]).unwrap(), "an older program does nothing");
        assert_eq!(version(&connection), expected);
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken = Migration { adds: &[("four", "CREATE TABLE four (x)"), ("bad", "CREATE TABLE")], readable_by: 3 };
        let [one, ..] = STEPS;
        assert!(run(&mut connection, &[one, broken]).is_err());
        assert_eq!(version(&connection), Version { schema: 1, readable_by: 1 });
        let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 1, "nothing of the failed step is there");
    }
}
