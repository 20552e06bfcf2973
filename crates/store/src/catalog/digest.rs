//! A checksum over all that the catalog holds: SQLite notices a damaged page only when its structure is broken, not
//! when a number in it is another one. Knows no table by name, so that new ones are covered as they come.
//!
//! The sum is taken anew with each commit. Commits are rare (one for each segment), and a catalog of ten thousand
//! segments is read in some milliseconds.

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row, TypeInfo, ValueRef};
use xxhash_rust::xxh3::Xxh3;

/// The table of the sum itself.
const TABLE: &str = "digest";

async fn tables(connection: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    let rows =
        sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get("name")).collect()
}

/// The sum of the sums of all rows: their order means nothing.
async fn sum(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    let mut sum = 0u64;
    for table in tables(connection).await?.into_iter().filter(|table| table != TABLE) {
        let query = AssertSqlSafe(format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")));
        // Not kept prepared: a step to the next layout changes what the columns are.
        for row in sqlx::query(query).persistent(false).fetch_all(&mut *connection).await? {
            sum = sum.wrapping_add(sum_of(&table, &row)?);
        }
    }
    Ok(sum as i64)
}

fn sum_of(table: &str, row: &SqliteRow) -> sqlx::Result<u64> {
    let mut hasher = Xxh3::new();
    let mut add = |kind: u8, bytes: &[u8]| {
        hasher.update(&[kind]);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(b't', table.as_bytes());
    for column in 0..row.len() {
        let value = row.try_get_raw(column)?;
        if value.is_null() {
            add(b'n', b"");
            continue;
        }
        match value.type_info().name() {
            "INTEGER" => add(b'i', &row.try_get::<i64, _>(column)?.to_le_bytes()),
            "TEXT" => add(b's', row.try_get::<&str, _>(column)?.as_bytes()),
            _ => add(b'b', row.try_get::<&[u8], _>(column)?),
        }
    }
    Ok(hasher.digest())
}

/// Notes the sum of what is there now; part of the caller's transaction.
pub(super) async fn write(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let sum = sum(connection).await?;
    let make = "CREATE TABLE IF NOT EXISTS digest (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), sum INTEGER NOT NULL) STRICT";
    sqlx::query(make).execute(&mut *connection).await?;
    sqlx::query("INSERT OR REPLACE INTO digest VALUES (1, ?)").bind(sum).execute(connection).await?;
    Ok(())
}

/// Fails when what is there is not what was noted. A catalog that was never changed has no sum yet.
pub(super) async fn check(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    if !tables(connection).await?.iter().any(|table| table == TABLE) {
        return Ok(());
    }
    let noted: i64 = sqlx::query("SELECT sum FROM digest").fetch_one(&mut *connection).await?.try_get("sum")?;
    match sum(connection).await? == noted {
        true => Ok(()),
        false => Err(sqlx::Error::Protocol("the entries of the catalog do not fit their checksum".to_owned())),
    }
}
