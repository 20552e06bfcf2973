//! The catalog of a data folder: one SQLite file.
//!
//! A rollback journal with `synchronous = EXTRA`: a commit is durable when it returns (with FULL, a power cut
//! just after a commit could bring the rollback journal's name back and undo it), and somebody who only reads
//! neither needs nor makes a second file. The connection lives on a thread of its own, so that the catalog can
//! be called from anywhere.

use super::{Archived, Catalog, CatalogChange, CatalogState, Hold, Removal, digest, hot};
use crate::segment::SegmentMeta;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, Ulid};
use taffrail_event::Timestamp;

/// Steps from one layout to the next; `PRAGMA user_version` says how many were taken. Never change one.
pub(super) const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE segments (
        id TEXT PRIMARY KEY, index_name TEXT NOT NULL, events INTEGER NOT NULL, raw_bytes INTEGER NOT NULL,
        stored_bytes INTEGER NOT NULL, patterns INTEGER NOT NULL, min_time INTEGER NOT NULL,
        max_time INTEGER NOT NULL, first_sequence INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE indexes (name TEXT PRIMARY KEY, next_sequence INTEGER NOT NULL) STRICT;
    CREATE TABLE positions (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
    CREATE TABLE journal (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        positions_sequence INTEGER NOT NULL, covered_sequence INTEGER NOT NULL
    ) STRICT;
    INSERT INTO journal VALUES (1, 0, 0);
    PRAGMA user_version = 1;
",
    "
    ALTER TABLE segments ADD COLUMN end_sequence INTEGER NOT NULL DEFAULT 0;
    UPDATE segments SET end_sequence = first_sequence + events;
    ALTER TABLE segments ADD COLUMN summary BLOB NOT NULL DEFAULT x'';
    CREATE TABLE holds (
        name TEXT PRIMARY KEY, index_name TEXT, earliest INTEGER NOT NULL, latest INTEGER NOT NULL,
        reason TEXT NOT NULL, since INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE archived (
        id TEXT PRIMARY KEY, url TEXT NOT NULL, key TEXT NOT NULL, blake3 BLOB NOT NULL, at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE removals (
        id TEXT PRIMARY KEY, index_name TEXT NOT NULL, events INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,
        min_time INTEGER NOT NULL, max_time INTEGER NOT NULL, rule TEXT NOT NULL, at INTEGER NOT NULL, root BLOB
    ) STRICT;
    PRAGMA user_version = 2;
",
];

/// How long another connection (somebody who only reads) may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

enum Request {
    Load(mpsc::SyncSender<Result<CatalogState>>),
    Commit(CatalogChange, mpsc::SyncSender<Result<()>>),
    Removals(mpsc::SyncSender<Result<Vec<Removal>>>),
    Integrity(mpsc::SyncSender<Result<Vec<String>>>),
}

/// The catalog of a data folder.
pub struct SqliteCatalog {
    path: PathBuf,
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteCatalog {
    /// Opens `path`, making it or bringing it to the newest layout where needed.
    pub fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Extra)
            .busy_timeout(BUSY_TIMEOUT);
        Self::start(path, options, true)
    }

    /// Opens an existing `path` for reading; changes nothing.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
        Self::start(path, options, false)
    }

    fn start(path: &Path, options: SqliteConnectOptions, migrate: bool) -> Result<Self> {
        let (requests, inbox) = mpsc::channel();
        let (opened, result) = mpsc::sync_channel(1);
        let owned = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("taffrail-catalog".to_owned())
            .spawn(move || serve(&owned, &options, migrate, &opened, &inbox))
            .map_err(|e| Error::io("the catalog's thread", e))?;
        let catalog = Self { path: path.to_owned(), requests: Some(requests), thread: Some(thread) };
        result.recv().map_err(|_| catalog.gone())??;
        Ok(catalog)
    }

    fn ask<T>(&self, request: impl FnOnce(mpsc::SyncSender<Result<T>>) -> Request) -> Result<T> {
        let (answer, result) = mpsc::sync_channel(1);
        let requests = self.requests.as_ref().ok_or_else(|| self.gone())?;
        requests.send(request(answer)).map_err(|_| self.gone())?;
        result.recv().map_err(|_| self.gone())?
    }

    fn gone(&self) -> Error {
        Error::new(ErrorKind::Bug, format!("{}: the catalog's thread has ended", self.path.display()))
    }
}

impl Catalog for SqliteCatalog {
    fn load(&self) -> Result<CatalogState> {
        self.ask(Request::Load)
    }

    fn commit(&self, change: &CatalogChange) -> Result<()> {
        self.ask(|answer| Request::Commit(change.clone(), answer))
    }

    fn removals(&self) -> Result<Vec<Removal>> {
        self.ask(Request::Removals)
    }

    fn integrity(&self) -> Result<Vec<String>> {
        self.ask(Request::Integrity)
    }
}

impl Drop for SqliteCatalog {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The catalog's thread: one connection, one request at a time, until nobody can ask any more.
fn serve(
    path: &Path,
    options: &SqliteConnectOptions,
    migrate: bool,
    opened: &mpsc::SyncSender<Result<()>>,
    inbox: &mpsc::Receiver<Request>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            let _ = opened.send(Err(Error::io("the catalog's runtime", e)));
            return;
        }
    };
    let failed = |e| told(path, e);
    let connected = runtime.block_on(connect(path, options, migrate));
    let mut connection = match connected {
        Ok(connection) => connection,
        Err(e) => {
            let _ = opened.send(Err(e));
            return;
        }
    };
    let _ = opened.send(Ok(()));
    while let Ok(request) = inbox.recv() {
        // Whoever asked may have gone: the answer is for them alone.
        match request {
            Request::Load(answer) => {
                let _ = answer.send(runtime.block_on(load(&mut connection)).map_err(failed));
            }
            Request::Commit(change, answer) => {
                let _ = answer.send(runtime.block_on(commit(&mut connection, &change)).map_err(failed));
            }
            Request::Removals(answer) => {
                let _ = answer.send(runtime.block_on(removals(&mut connection)).map_err(failed));
            }
            Request::Integrity(answer) => {
                let _ = answer.send(runtime.block_on(integrity(&mut connection)).map_err(failed));
            }
        }
    }
    let _ = runtime.block_on(connection.close());
}

/// What SQLite says, as one of our errors. Primary result codes are the lowest eight bits.
fn told(path: &Path, error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse::<u32>().ok());
    let damaged = (ErrorKind::Corrupt, Some("restore the catalog from a copy; segments and journal are not touched"));
    let (kind, hint) = match code.map(|code| code & 0xff) {
        Some(5 | 6) => (ErrorKind::Busy, Some("another program holds the catalog; try again when it is done")),
        Some(8) => (ErrorKind::Busy, Some("a program was stopped in the middle of a change; start `taffrail serve` once to undo it")),
        // 1 is an error of logic: our statements have none, so the tables are not those that we made.
        Some(1 | 11 | 26) => damaged,
        Some(13) => (ErrorKind::Full, Some("make room on the disk; nothing that was acknowledged is lost")),
        Some(14) => (ErrorKind::NotFound, Some("name a data folder with --data; `taffrail serve` and `taffrail import` make one")),
        _ if matches!(
            error,
            sqlx::Error::Protocol(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_) | sqlx::Error::RowNotFound
        ) =>
        {
            damaged
        }
        _ => (ErrorKind::Io, None),
    };
    let told = Error::new(kind, format!("{}: {error}", path.display())).with_source(error);
    match hint {
        Some(hint) => told.with_hint(hint),
        None => told,
    }
}

async fn connect(path: &Path, options: &SqliteConnectOptions, migrate: bool) -> Result<SqliteConnection> {
    let failed = |e| told(path, e);
    let mut connection = options.connect().await.map_err(failed)?;
    if !migrate && let Some(image) = hot::rolled_back(&mut connection, path).await? {
        connection = SqliteConnectOptions::new().in_memory(true).connect().await.map_err(failed)?;
        connection.deserialize(None, image.as_slice().try_into().map_err(failed)?, true).await.map_err(failed)?;
    }
    check_layout(path, &mut connection, migrate).await?;
    Ok(connection)
}

async fn check_layout(path: &Path, connection: &mut SqliteConnection, migrate: bool) -> Result<()> {
    let failed = |e| told(path, e);
    let row = sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(failed)?;
    let version = usize::try_from(row.get::<i64, _>(0)).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        let message = format!("{} has layout {version}, and this program knows layouts up to {}", path.display(), MIGRATIONS.len());
        return Err(Error::new(ErrorKind::Invalid, message).with_hint("use the newer program that wrote it"));
    }
    if !migrate {
        // Older layouts are read as they are; what they lack is empty.
        return Ok(());
    }
    if version > 0 {
        digest::check(connection).await.map_err(failed)?;
    }
    for step in &MIGRATIONS[version..] {
        let mut transaction = connection.begin().await.map_err(failed)?;
        sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(failed)?;
        digest::write(&mut transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
    }
    Ok(())
}

/// SQLite's integers are signed; ours never come near the difference.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(row: &SqliteRow, column: &str) -> sqlx::Result<u64> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|e| sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(e) })
}

fn id(row: &SqliteRow) -> sqlx::Result<Ulid> {
    let id: &str = row.try_get("id")?;
    id.parse().map_err(|e| sqlx::Error::ColumnDecode { index: "id".to_owned(), source: Box::new(e) })
}

/// 32 bytes.
fn hash(bytes: &[u8], column: &str) -> sqlx::Result<[u8; 32]> {
    bytes.try_into().map_err(|e| sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(e) })
}

/// A segment; `layout` 1 has no arrival numbers with gaps and no summary.
fn segment(row: &SqliteRow, index: Arc<str>, layout: i64) -> sqlx::Result<SegmentMeta> {
    let (first_sequence, events) = (unsigned(row, "first_sequence")?, unsigned(row, "events")?);
    let (end_sequence, summary) = match layout {
        1 => (first_sequence + events, Arc::default()),
        _ => (unsigned(row, "end_sequence")?, row.try_get::<&[u8], _>("summary")?.into()),
    };
    Ok(SegmentMeta {
        id: id(row)?,
        index,
        events,
        raw_bytes: unsigned(row, "raw_bytes")?,
        stored_bytes: unsigned(row, "stored_bytes")?,
        patterns: unsigned(row, "patterns")?,
        min_time: Timestamp(row.try_get("min_time")?),
        max_time: Timestamp(row.try_get("max_time")?),
        first_sequence,
        end_sequence,
        summary,
    })
}

async fn load(connection: &mut SqliteConnection) -> sqlx::Result<CatalogState> {
    // One transaction: what a reader sees is one state, whatever a writer does meanwhile.
    let mut transaction = connection.begin().await?;
    let mut state = CatalogState::default();
    if sqlx::query("SELECT name FROM sqlite_schema").fetch_all(&mut *transaction).await?.is_empty() {
        return Ok(state);
    }
    digest::check(&mut transaction).await?;
    let layout: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut *transaction).await?.try_get(0)?;
    let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
    for row in sqlx::query("SELECT * FROM segments").fetch_all(&mut *transaction).await? {
        let name: &str = row.try_get("index_name")?;
        let index = names.get(name).cloned().unwrap_or_else(|| name.into());
        names.insert(index.clone());
        let meta = segment(&row, index, layout)?;
        state.segments.insert(meta.id, meta);
    }
    if layout > 1 {
        load_records(&mut transaction, &mut state).await?;
    }
    for row in sqlx::query("SELECT name, next_sequence FROM indexes").fetch_all(&mut *transaction).await? {
        state.next_sequences.insert(row.try_get::<&str, _>("name")?.into(), unsigned(&row, "next_sequence")?);
    }
    for row in sqlx::query("SELECT key, value FROM positions").fetch_all(&mut *transaction).await? {
        state.positions.insert(row.try_get("key")?, row.try_get("value")?);
    }
    let row = sqlx::query("SELECT positions_sequence, covered_sequence FROM journal").fetch_one(&mut *transaction).await?;
    state.positions_sequence = unsigned(&row, "positions_sequence")?;
    state.covered_sequence = unsigned(&row, "covered_sequence")?;
    transaction.commit().await?;
    Ok(state)
}

async fn load_records(connection: &mut SqliteConnection, state: &mut CatalogState) -> sqlx::Result<()> {
    for row in sqlx::query("SELECT * FROM holds").fetch_all(&mut *connection).await? {
        let hold = Hold {
            index: row.try_get::<Option<&str>, _>("index_name")?.map(Arc::from),
            earliest: Timestamp(row.try_get("earliest")?),
            latest: Timestamp(row.try_get("latest")?),
            reason: row.try_get("reason")?,
            since: Timestamp(row.try_get("since")?),
        };
        state.holds.insert(row.try_get("name")?, hold);
    }
    for row in sqlx::query("SELECT * FROM archived").fetch_all(&mut *connection).await? {
        let blake3 = hash(row.try_get("blake3")?, "blake3")?;
        let (url, key) = (row.try_get::<&str, _>("url")?.into(), row.try_get::<&str, _>("key")?.into());
        let archived = Archived { url, key, blake3, at: Timestamp(row.try_get("at")?) };
        state.archived.insert(id(&row)?, archived);
    }
    Ok(())
}

async fn removals(connection: &mut SqliteConnection) -> sqlx::Result<Vec<Removal>> {
    if sqlx::query("SELECT name FROM sqlite_schema WHERE name = 'removals'").fetch_all(&mut *connection).await?.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for row in sqlx::query("SELECT * FROM removals ORDER BY rowid").fetch_all(&mut *connection).await? {
        found.push(Removal {
            id: id(&row)?,
            index: row.try_get::<&str, _>("index_name")?.into(),
            events: unsigned(&row, "events")?,
            stored_bytes: unsigned(&row, "stored_bytes")?,
            min_time: Timestamp(row.try_get("min_time")?),
            max_time: Timestamp(row.try_get("max_time")?),
            rule: row.try_get("rule")?,
            at: Timestamp(row.try_get("at")?),
            root: row.try_get::<Option<&[u8]>, _>("root")?.map(|root| hash(root, "root")).transpose()?,
        });
    }
    Ok(found)
}

async fn commit_records(connection: &mut SqliteConnection, change: &CatalogChange) -> sqlx::Result<()> {
    for removal in &change.removed {
        sqlx::query("DELETE FROM segments WHERE id = ?").bind(removal.id.to_string()).execute(&mut *connection).await?;
    }
    for removal in change.archived.iter().map(|(removal, _)| removal).chain(&change.removed) {
        sqlx::query("INSERT OR REPLACE INTO removals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(removal.id.to_string())
            .bind(&*removal.index)
            .bind(signed(removal.events))
            .bind(signed(removal.stored_bytes))
            .bind(removal.min_time.nanos())
            .bind(removal.max_time.nanos())
            .bind(&removal.rule)
            .bind(removal.at.nanos())
            .bind(removal.root.map(|root| root.to_vec()))
            .execute(&mut *connection)
            .await?;
    }
    for (Removal { id, .. }, archived) in &change.archived {
        let query = sqlx::query("INSERT OR REPLACE INTO archived VALUES (?, ?, ?, ?, ?)").bind(id.to_string());
        query
            .bind(&*archived.url)
            .bind(&*archived.key)
            .bind(archived.blake3.to_vec())
            .bind(archived.at.nanos())
            .execute(&mut *connection)
            .await?;
    }
    for id in &change.forgotten {
        sqlx::query("DELETE FROM archived WHERE id = ?").bind(id.to_string()).execute(&mut *connection).await?;
    }
    for (name, hold) in &change.holds {
        let query = match hold {
            Some(hold) => sqlx::query("INSERT OR REPLACE INTO holds VALUES (?, ?, ?, ?, ?, ?)")
                .bind(name)
                .bind(hold.index.as_deref())
                .bind(hold.earliest.nanos())
                .bind(hold.latest.nanos())
                .bind(&hold.reason)
                .bind(hold.since.nanos()),
            None => sqlx::query("DELETE FROM holds WHERE name = ?").bind(name),
        };
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// What SQLite's own check finds, at most a hundred things.
async fn integrity(connection: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query("PRAGMA integrity_check").fetch_all(&mut *connection).await?;
    let found: sqlx::Result<Vec<String>> = rows.iter().map(|row| row.try_get(0)).collect();
    Ok(found?.into_iter().filter(|line| line != "ok").collect())
}

async fn commit(connection: &mut SqliteConnection, change: &CatalogChange) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    commit_records(&mut transaction, change).await?;
    for meta in &change.added {
        sqlx::query("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(meta.id.to_string())
            .bind(&*meta.index)
            .bind(signed(meta.events))
            .bind(signed(meta.raw_bytes))
            .bind(signed(meta.stored_bytes))
            .bind(signed(meta.patterns))
            .bind(meta.min_time.nanos())
            .bind(meta.max_time.nanos())
            .bind(signed(meta.first_sequence))
            .bind(signed(meta.end_sequence))
            .bind(&meta.summary[..])
            .execute(&mut *transaction)
            .await?;
    }
    for (index, next) in &change.next_sequences {
        let query = sqlx::query("INSERT OR REPLACE INTO indexes VALUES (?, ?)").bind(&**index).bind(signed(*next));
        query.execute(&mut *transaction).await?;
    }
    for (key, value) in &change.positions {
        let query = match value {
            Some(value) => sqlx::query("INSERT OR REPLACE INTO positions VALUES (?, ?)").bind(key).bind(value),
            None => sqlx::query("DELETE FROM positions WHERE key = ?").bind(key),
        };
        query.execute(&mut *transaction).await?;
    }
    sqlx::query("UPDATE journal SET positions_sequence = max(positions_sequence, ?), covered_sequence = max(covered_sequence, ?)")
        .bind(signed(change.positions_sequence))
        .bind(signed(change.covered_sequence))
        .execute(&mut *transaction)
        .await?;
    digest::write(&mut transaction).await?;
    transaction.commit().await
}
