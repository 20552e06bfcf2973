//! Rows that a table gets, read by a column whose values rise: a number that counts up, or a time. SQLite and PostgreSQL.
//!
//! **What may be believed.** A row is read once: the value of the column that was read last, and which of the rows with this very
//! value were, become durable in the same step as the rows. Several rows may have the same value. What cannot be known from
//! outside: a row that becomes visible only when a larger value has been read (a transaction that takes long), or whose value is
//! set back, is not read; and a row that changes is not read again unless its value rises with it.

use crate::counters::{InputCounters, SourceCounters};
use crate::decode::Envelope;
use crate::delivery::{OnFailure, deliver};
use crate::input::{Context, Input, Running, Stop, checked_index, seconds};
use crate::outgoing::Outgoing;
use crate::records::{Record, Writer, epoch, json};
use crate::zone::{ZoneName, Zones};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Column, ConnectOptions, Connection, Row, TypeInfo, ValueRef};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, Secret};
use taffrail_event::Timestamp;
use taffrail_format::{TimeFinder, Zone};

/// `[[input]] type = "sql"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SqlSettings {
    /// The database: `sqlite:///path/to/file` or `postgres://user:password@host/database`.
    pub url: Option<Secret>,
    /// The table or view.
    pub table: Option<String>,
    /// A statement instead of a table, without an order.
    pub query: Option<String>,
    /// The column whose values rise.
    pub column: String,
    /// The column that tells when a row happened; if not given, whatever of the row looks like a time.
    pub time_column: Option<String>,
    /// Seconds between two looks.
    pub every_seconds: f64,
    /// Rows that are fetched at once.
    pub rows_max: u32,
    /// Index of the events; `main` if not given.
    pub index: Option<String>,
    /// Sourcetype of the events; `json` if not given.
    pub sourcetype: Option<String>,
    /// Host of the events; this machine if not given.
    pub host: Option<String>,
    /// The zone of times that name none, such as `Europe/Berlin`, `+02:00` or `local`; UTC if not given, as
    /// databases keep it.
    pub zone: Option<ZoneName>,
    /// Source of the events; the table, or `sql` for a statement, if not given.
    pub source: Option<String>,
}

impl Default for SqlSettings {
    fn default() -> Self {
        Self {
            url: None,
            table: None,
            query: None,
            column: String::new(),
            time_column: None,
            every_seconds: 60.0,
            rows_max: 1_000,
            index: None,
            sourcetype: None,
            host: None,
            zone: None,
            source: None,
        }
    }
}

/// Rows of one value that can be told apart. With more of them the column is none that rises.
const SAME_MAX: usize = 100_000;

/// How long a statement may take.
const STATEMENT: Duration = Duration::from_secs(120);

/// Where the database is.
#[derive(Clone)]
enum Place {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

/// The table, not yet read.
pub struct SqlInput {
    settings: SqlSettings,
    index: Arc<str>,
    place: Place,
    every: Duration,
    source: Arc<str>,
}

impl SqlInput {
    /// Checks the settings; the database need not be there.
    pub fn new(settings: SqlSettings) -> Result<Self> {
        let invalid = |text: String, hint: &str| Error::new(ErrorKind::Invalid, text).with_hint(hint.to_owned());
        let place = match settings.url.as_ref().map(Secret::reveal) {
            // The text of the error may hold the password.
            Some(url) if url.starts_with("sqlite:") => {
                SqliteConnectOptions::from_str(url).ok().map(|place| Place::Sqlite(place.read_only(true)))
            }
            Some(url) if url.starts_with("postgres:") || url.starts_with("postgresql:") => {
                PgConnectOptions::from_str(url).ok().map(Place::Postgres)
            }
            _ => None,
        };
        let place =
            place.ok_or_else(|| invalid("the url names no database".into(), "sqlite:///path or postgres://user:password@host/database"))?;
        let known = settings
            .table
            .as_deref()
            .filter(|_| settings.query.is_none())
            .or(settings.query.as_deref().filter(|_| settings.table.is_none()));
        if known.is_none_or(str::is_empty) || settings.column.is_empty() {
            return Err(invalid("which rows to read is not said".into(), "give either table or query, and the column whose values rise"));
        }
        if settings.rows_max == 0 {
            return Err(invalid("rows_max = 0 reads nothing".into(), "leave it out: 1000"));
        }
        let source = settings.source.as_deref().or(settings.table.as_deref()).unwrap_or("sql");
        Ok(Self {
            index: checked_index(settings.index.as_deref())?,
            every: seconds("every_seconds", settings.every_seconds)?,
            source: crate::http::checked("source", Some(source))?.unwrap_or("sql").into(),
            place,
            settings,
        })
    }
}

impl Input for SqlInput {
    fn kind(&self) -> &'static str {
        "sql"
    }

    fn name(&self) -> String {
        format!("sql {}", self.source)
    }

    fn start(&self, context: Context) -> Result<Running> {
        let counters = Arc::new(InputCounters::new(self.name(), self.kind()));
        let (stopper, stop) = Stop::channel();
        let settings = &self.settings;
        let sourcetype = settings.sourcetype.as_deref().unwrap_or("json");
        let zone = settings.zone.as_ref().map_or(Zone::Utc, |name| name.zone(&context.zone));
        let envelope = Envelope {
            index: Arc::clone(&self.index),
            host: settings.host.as_deref().map(Arc::from),
            default_host: Arc::clone(&context.host),
            source: Arc::clone(&self.source),
            sourcetype: Some(sourcetype.into()),
            transport: "sql".into(),
            peer: "".into(),
            zones: Zones::all(zone.clone()),
        };
        let rows = settings
            .table
            .as_deref()
            .map_or_else(|| settings.query.clone().unwrap_or_default(), |table| format!("SELECT * FROM {}", quoted_path(table)));
        let database = match &self.place {
            Place::Sqlite(place) => place.get_filename().display().to_string(),
            Place::Postgres(place) => format!("{}:{}/{}", place.get_host(), place.get_port(), place.get_database().unwrap_or_default()),
        };
        let identity = [&*database, &rows, &settings.column].join("\0");
        let poller = Poller {
            key: format!("sql/{}/{}", self.index, &blake3::hash(identity.as_bytes()).to_hex()[..32]),
            source: counters.source(&self.source),
            writer: Writer::new(envelope),
            times: TimeFinder::new(zone),
            rows,
            limit: settings.rows_max,
            place: self.place.clone(),
            column: settings.column.clone(),
            time_column: settings.time_column.clone(),
            every: self.every,
            context,
            counters: Arc::clone(&counters),
            stop,
        };
        Ok(Running::new(counters, None, stopper, tokio::spawn(poller.run())))
    }
}

/// How far the table was read: what is kept as the position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    /// The last value, as text, and what the database calls its type.
    value: String,
    r#type: String,
    /// Hashes of the rows with this value that were read.
    rows: Vec<String>,
}

/// A row as an event, and its value in the column that rises.
struct Read {
    json: String,
    value: String,
    r#type: String,
}

enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

struct Poller {
    context: Context,
    counters: Arc<InputCounters>,
    source: Arc<SourceCounters>,
    place: Place,
    /// The statement that gives all rows.
    rows: String,
    column: String,
    time_column: Option<String>,
    limit: u32,
    every: Duration,
    key: String,
    writer: Writer,
    times: TimeFinder,
    stop: Stop,
}

impl Poller {
    async fn run(mut self) {
        let mut stop = self.stop.clone();
        loop {
            let looked = tokio::select! {
                biased;
                () = stop.stopped() => return,
                looked = self.look() => looked,
            };
            if let Err(error) = looked {
                self.counters.problem(error);
            }
            if stop.within(self.every).await {
                return;
            }
        }
    }

    /// Reads what is new. A connection is for one look: nothing holds the database in between.
    async fn look(&mut self) -> Result<(), String> {
        let mut database = match &self.place {
            Place::Sqlite(place) => Database::Sqlite(place.connect().await.map_err(told)?),
            Place::Postgres(place) => Database::Postgres(place.connect().await.map_err(told)?),
        };
        let mut limit = self.limit;
        loop {
            let reached: Option<Reached> = self.context.sink.position(&self.key).and_then(|value| serde_json::from_slice(&value).ok());
            let fetch = database.fetch(&self.rows, &self.column, reached.as_ref(), limit);
            let rows =
                tokio::time::timeout(STATEMENT, fetch).await.map_err(|_| "the statement takes too long".to_owned())?.map_err(told)?;
            let full = rows.len() >= limit as usize;
            let before = reached.clone().unwrap_or_default();
            let (out, after) = self.batch(rows, reached.unwrap_or_default())?;
            // Rows of one value alone fill what is fetched: further ones are found only behind them.
            limit = if full && after.value == before.value { limit.saturating_mul(2) } else { self.limit };
            let new = !out.is_empty();
            if new {
                let sink = Arc::clone(&self.context.sink);
                let sent = deliver(sink, out, self.stop.clone(), OnFailure::Reread).await;
                sent.map_err(|error| format!("rows will be read again: {error}"))?;
            }
            if !full {
                break;
            }
        }
        database.close().await;
        Ok(())
    }

    /// The rows that are new, and how far they reach.
    fn batch(&mut self, rows: Vec<Read>, mut reached: Reached) -> Result<(Outgoing, Reached), String> {
        let mut out = Outgoing::new(Timestamp(self.context.clock.now_nanos()));
        let mut known: rustc_hash::FxHashSet<String> = reached.rows.drain(..).collect();
        for row in rows {
            let hash = blake3::hash(row.json.as_bytes()).to_hex()[..16].to_owned();
            if row.value != reached.value {
                known.clear();
                (reached.value, reached.r#type) = (row.value.clone(), row.r#type.clone());
            } else if known.contains(&hash) {
                continue;
            }
            known.insert(hash);
            if known.len() > SAME_MAX {
                return Err(format!(
                    "more than {SAME_MAX} rows have the same value in {}: another column has to tell what is new",
                    self.column
                ));
            }
            let time = self.time_column.as_deref().and_then(|column| json::scalar(json::member(&row.json, column)?));
            let time = time.and_then(|text| epoch(&text).or_else(|| Some(self.times.find(text.as_bytes(), out.batch.received)?.time)));
            let record = Record { time, ..Record::of(row.json.into_bytes()) };
            let writer = &mut self.writer;
            out.add(&self.source, |batch| writer.push(&record, batch));
        }
        reached.rows = known.into_iter().collect();
        reached.rows.sort_unstable();
        if !out.is_empty() {
            let value = serde_json::to_vec(&reached).map_err(|error| error.to_string())?;
            out.batch.set_position(&self.key, value);
        }
        Ok((out, reached))
    }
}

/// An error of the database, without what it was asked.
fn told(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => format!("the database says: {}", error.message()),
        error => format!("the database cannot be read: {error}"),
    }
}

impl Database {
    /// The rows from where it was read on, in order.
    async fn fetch(&mut self, rows: &str, column: &str, reached: Option<&Reached>, limit: u32) -> sqlx::Result<Vec<Read>> {
        let column = quoted(column);
        match self {
            Self::Sqlite(connection) => {
                let from = if reached.is_some() { format!("WHERE t.{column} >= ?1") } else { format!("WHERE t.{column} IS NOT NULL") };
                let text =
                    format!("SELECT t.{column} AS \"taffrail rising\", t.* FROM ({rows}) AS t {from} ORDER BY t.{column} LIMIT {limit}");
                let query = sqlx::query(AssertSqlSafe(text));
                let query = match reached {
                    None => query,
                    Some(Reached { value, r#type, .. }) => match (r#type.as_str(), value.parse::<i64>(), value.parse::<f64>()) {
                        ("INTEGER", Ok(number), _) => query.bind(number),
                        ("REAL", _, Ok(number)) => query.bind(number),
                        _ => query.bind(value.clone()),
                    },
                };
                query.fetch_all(connection).await?.iter().map(sqlite_row).collect()
            }
            Self::Postgres(connection) => {
                // The type is a name that the database gave itself.
                let from = match reached {
                    Some(reached) => format!("WHERE t.{column} >= $1::text::{}", checked_type(&reached.r#type)?),
                    None => format!("WHERE t.{column} IS NOT NULL"),
                };
                let text = format!(
                    "SELECT row_to_json(t)::text, t.{column}::text, pg_typeof(t.{column})::text FROM ({rows}) AS t {from} ORDER BY t.{column} LIMIT {limit}"
                );
                let query = sqlx::query(AssertSqlSafe(text));
                let query = if let Some(reached) = reached { query.bind(reached.value.clone()) } else { query };
                query.fetch_all(connection).await?.iter().map(postgres_row).collect()
            }
        }
    }

    async fn close(self) {
        // Nothing was written: whether the goodbye arrives makes no difference.
        let _ = match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }
}

fn checked_type(name: &str) -> sqlx::Result<&str> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '"' | '.'));
    if plain { Ok(name) } else { Err(sqlx::Error::TypeNotFound { type_name: name.to_owned() }) }
}

fn postgres_row(row: &PgRow) -> sqlx::Result<Read> {
    Ok(Read { json: row.try_get(0)?, value: row.try_get(1)?, r#type: row.try_get(2)? })
}

fn sqlite_row(row: &SqliteRow) -> sqlx::Result<Read> {
    let mut object = serde_json::Map::new();
    let mut rising = (String::new(), String::new());
    for (at, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(at)?;
        let kind = raw.type_info().name().to_owned();
        let value: serde_json::Value = match kind.as_str() {
            _ if raw.is_null() => serde_json::Value::Null,
            "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(at)?.into(),
            "REAL" => row.try_get_unchecked::<f64, _>(at)?.into(),
            "BLOB" => hex(&row.try_get_unchecked::<Vec<u8>, _>(at)?).into(),
            // Text need not be UTF-8 there.
            _ => String::from_utf8_lossy(&row.try_get_unchecked::<Vec<u8>, _>(at)?).into_owned().into(),
        };
        if at == 0 {
            rising = (value.as_str().map_or_else(|| value.to_string(), str::to_owned), kind);
        } else {
            object.insert(column.name().to_owned(), value);
        }
    }
    Ok(Read { json: serde_json::Value::Object(object).to_string(), value: rising.0, r#type: rising.1 })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A name as SQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The name of a table, maybe with that of its schema.
fn quoted_path(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}
