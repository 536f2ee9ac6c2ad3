//! How SQLite goes about the queries that must not slow down as the database grows, and what its schema is.

use rusqlite::Connection;

use crate::{SCHEMA, connection, messages, migrations, notifications, outbox, reading, removal, runs, sessions};

fn migrated() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    std::fs::write(&path, "").unwrap();
    let mut connection = connection::writer(&path).unwrap();
    assert!(migrations::migrate(&mut connection).unwrap());
    assert!(!migrations::migrate(&mut connection).unwrap(), "a second time there is nothing to do");
    (folder, connection)
}

fn plan(sql: &str) -> String {
    let (_folder, connection) = migrated();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for index in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(index, 1).unwrap();
    }
    let mut rows = statement.raw_query();
    let mut plan = String::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push_str(&row.get::<_, String>(3).unwrap());
        plan.push('\n');
    }
    assert!(!plan.contains("TEMP B-TREE"), "nothing is sorted:\n{plan}");
    plan
}

#[test]
fn pages_are_ranges_of_the_order_index() {
    for (sql, range) in [(messages::PAGE_BEFORE, "<"), (messages::PAGE_FROM, ">")] {
        let plan = plan(sql);
        let columns = "(lamport,author_rank,epoch,seq)";
        let expected = format!("SEARCH m USING INDEX messages_order (session=? AND {columns}{range}(?,?,?,?))");
        assert!(plan.starts_with(&expected), "{plan}");
        assert!(!plan.contains("SCAN"), "{plan}");
    }
}

#[test]
fn the_first_unread_is_the_first_entry_of_a_range() {
    let plan = plan(messages::FIRST_UNREAD);
    assert!(plan.starts_with("SEARCH u USING PRIMARY KEY (session=?)"), "{plan}");
    assert!(!plan.contains("SCAN"), "{plan}");
}

#[test]
fn marking_read_deletes_a_range() {
    let plan = plan(messages::MARK_READ);
    assert!(plan.contains("SEARCH unread USING PRIMARY KEY (session=? AND (lamport,author_rank,epoch,seq)<"), "{plan}");
}

#[test]
fn the_session_list_goes_along_its_index() {
    let plan = plan(sessions::LIST);
    assert!(plan.starts_with("SEARCH s USING INDEX sessions_list"), "{plan}");
    assert!(!plan.contains("SCAN"), "{plan}");
}

#[test]
fn notifications_go_along_their_place() {
    let plan = plan(notifications::LIST);
    assert!(plan.starts_with("SEARCH n USING INDEX notifications_place (place<?)"), "{plan}");
}

#[test]
fn records_about_a_message_are_found_by_it() {
    for plan in [plan(notifications::MENTION), plan(notifications::FORGET)] {
        assert!(plan.contains("INDEX notifications_about (message=?)"), "{plan}");
    }
}

#[test]
fn runs_to_send_are_a_range() {
    let plan = plan(runs::EVENTS);
    assert!(plan.starts_with("SEARCH events USING INDEX events_place (log=? AND seq>?)"), "{plan}");
}

#[test]
fn a_receipt_clears_a_range() {
    let plan = plan(outbox::CLEAR);
    assert!(plan.starts_with("SEARCH outbox USING PRIMARY KEY (peer=? AND session=? AND log=? AND seq<?)"), "{plan}");
}

#[test]
fn timers_and_read_marks_are_looked_for_where_they_are() {
    let plan_of_timers = plan(removal::START_TIMERS);
    assert!(plan_of_timers.contains("USING INDEX messages_timed (session=? AND"), "{plan_of_timers}");
    let plan_of_marks = plan(reading::MARK);
    assert!(plan_of_marks.contains("SEARCH messages USING INTEGER PRIMARY KEY"), "{plan_of_marks}");
    assert!(
        plan_of_marks.contains("events USING COVERING INDEX events_place (log=? AND seq>? AND seq<?)"),
        "{plan_of_marks}"
    );
}

#[test]
fn the_schema_is_as_written_down() {
    let (_folder, connection) = migrated();
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut statement = connection.prepare(sql).unwrap();
    let real = statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(|sql| normal(&sql.unwrap()));
    let written_down: String =
        SCHEMA.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code)).collect::<Vec<_>>().join("\n");
    let mut expected: Vec<String> = written_down.split(';').map(normal).filter(|sql| !sql.is_empty()).collect();
    let mut real: Vec<String> = real.collect();
    expected.sort();
    real.sort();
    assert_eq!(real, expected, "schema.sql says what the database is");
}

fn normal(sql: &str) -> String {
    let words = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    // A column that was added later stands behind a line break.
    words.replace("( ", "(").replace(" )", ")").replace(" ,", ",")
}

#[test]
fn a_reader_refuses_to_write() {
    let (folder, writer) = migrated();
    writer.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    let reader = connection::reader(&folder.path().join("test.db")).unwrap();
    let error = reader.execute("INSERT INTO meta (name, value) VALUES ('a', 1)", []).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ReadOnly));
}
