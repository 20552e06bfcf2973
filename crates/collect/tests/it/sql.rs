//! Tables that get rows while they are read: SQLite always, PostgreSQL where it is installed.

use crate::sink::{Failure, MemorySink, Stored, until};
use sqlx::{Connection, Executor};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use taffrail_collect::Running;
use taffrail_collect::input::InputSettings;
use tokio::runtime::Runtime;

fn start(runtime: &Runtime, sink: &Arc<MemorySink>, settings: &str) -> Running {
    let settings: InputSettings = toml::from_str(&format!("type = \"sql\"\nevery_seconds = 0.05\n{settings}")).unwrap();
    let _inside = runtime.enter();
    settings.build().unwrap().start(sink.context()).unwrap()
}

fn ids(sink: &MemorySink) -> Vec<i64> {
    sink.events().iter().map(|event| serde_json::from_slice::<serde_json::Value>(&event.raw).unwrap()["id"].as_i64().unwrap()).collect()
}

fn write(runtime: &Runtime, path: &Path, statements: &[String]) {
    runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
        for statement in statements {
            connection.execute(sqlx::AssertSqlSafe(statement.clone())).await.unwrap();
        }
        connection.close().await.unwrap();
    });
}

fn insert(numbers: std::ops::RangeInclusive<i64>, group: i64) -> Vec<String> {
    numbers
        .map(|number| {
            format!(
                "INSERT INTO \"the log\" VALUES ({number}, {group}, '2026-11-21 21:14:{:02}', 1.5, x'00ff', NULL, 'text \"{number}\"')",
                number % 60
            )
        })
        .collect()
}

#[test]
fn each_row_once_whatever_happens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let runtime = Runtime::new().unwrap();
    let sink = MemorySink::new();
    let create = "CREATE TABLE \"the log\" (id INTEGER, grp INTEGER, at TEXT, num REAL, bytes BLOB, empty TEXT, msg TEXT)";
    write(&runtime, &path, &[create.to_owned()]);
    write(&runtime, &path, &insert(1..=25, 1));
    let url = format!("url = \"sqlite://{}\"\nrows_max = 10", path.display());
    let by_id = format!("{url}\ntable = \"the log\"\ncolumn = \"id\"\ntime_column = \"at\"");
    let running = start(&runtime, &sink, &by_id);
    until("all rows are stored", || sink.count() >= 25);
    write(&runtime, &path, &insert(26..=40, 2));
    until("new rows are stored", || sink.count() >= 40);
    // The sink fails, the row is read again; and again after a restart nothing is there twice.
    *sink.failure.lock() = Failure::Io(0);
    write(&runtime, &path, &insert(41..=43, 3));
    until("it fails", || running.counters.snapshot().problems_total > 0);
    *sink.failure.lock() = Failure::None;
    until("all are stored", || sink.count() >= 43);
    runtime.block_on(running.stop());
    write(&runtime, &path, &insert(44..=50, 3));
    let running = start(&runtime, &sink, &by_id);
    until("all are stored", || sink.count() >= 50);
    std::thread::sleep(std::time::Duration::from_millis(200));
    runtime.block_on(running.stop());
    assert_eq!(ids(&sink), (1..=50).collect::<Vec<_>>());
    let Stored { time, origin, raw, .. } = &sink.events()[0];
    assert_eq!(
        String::from_utf8_lossy(raw),
        r#"{"id":1,"grp":1,"at":"2026-11-21 21:14:01","num":1.5,"bytes":"0x00ff","empty":null,"msg":"text \"1\""}"#
    );
    assert_eq!((time.to_string().as_str(), &*origin.source, &*origin.sourcetype), ("2026-11-21T21:14:01Z", "the log", "json"));

    // A column whose values are shared by more rows than are fetched at once, through a statement.
    let sink = MemorySink::new();
    let by_group = format!("{url}\nquery = \"SELECT * FROM \\\"the log\\\" WHERE id < 1000\"\ncolumn = \"grp\"");
    let running = start(&runtime, &sink, &by_group);
    until("all rows are stored", || sink.count() >= 50);
    write(&runtime, &path, &insert(51..=60, 3));
    until("rows of the same value are stored", || sink.count() >= 60);
    write(&runtime, &path, &insert(61..=61, 4));
    until("the next value is stored", || sink.count() >= 61);
    runtime.block_on(running.stop());
    let mut all = ids(&sink);
    all.sort_unstable();
    assert_eq!(all, (1..=61).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_read_is_said_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.db");
    let runtime = Runtime::new().unwrap();
    let sink = MemorySink::new();
    let running = start(&runtime, &sink, &format!("url = \"sqlite://{}\"\ntable = \"t\"\ncolumn = \"id\"", path.display()));
    until("it says so", || running.counters.snapshot().problems_total > 0);
    write(&runtime, &path, &["CREATE TABLE t (id TEXT)".into(), "INSERT INTO t VALUES ('b'), ('a'), (NULL)".into()]);
    until("rows are stored", || sink.count() >= 2);
    runtime.block_on(running.stop());
    assert_eq!(sink.texts(), [r#"{"id":"a"}"#, r#"{"id":"b"}"#]);
    for wrong in [
        "table = \"t\"\ncolumn = \"id\"",
        "url = \"mysql://x/y\"\ntable = \"t\"\ncolumn = \"id\"",
        "url = \"sqlite:///x\"\ncolumn = \"id\"",
        "url = \"sqlite:///x\"\ntable = \"t\"",
        "url = \"sqlite:///x\"\ntable = \"t\"\nquery = \"SELECT 1\"\ncolumn = \"id\"",
        "url = \"sqlite:///x\"\ntable = \"t\"\ncolumn = \"id\"\nevery_seconds = 0",
    ] {
        let settings: InputSettings = toml::from_str(&format!("type = \"sql\"\n{wrong}")).unwrap();
        assert!(settings.build().is_err(), "{wrong}");
    }
    let settings: InputSettings = toml::from_str("type = \"sql\"\nurl = \"postgres://u:swordfish@h/d\"").unwrap();
    assert!(!format!("{settings:?}").contains("swordfish"));
}

/// A PostgreSQL of our own in a folder, where its programs are installed.
#[test]
fn postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let programs = ["/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin"];
    let Some(bin) = programs.into_iter().find(|bin| Path::new(bin).join("initdb").exists()) else {
        println!("skipped: no PostgreSQL");
        return;
    };
    // It will not run for root.
    let run = |program: &str, arguments: &[&str]| {
        let root = std::env::var("USER").is_ok_and(|user| user == "root")
            || std::fs::metadata("/root/.")
                .is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0 && std::fs::read_dir("/root").is_ok());
        let path = format!("{bin}/{program}");
        let mut command = if root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", &path]);
            command
        } else {
            Command::new(path)
        };
        command.args(arguments).current_dir(folder.path()).output().unwrap()
    };
    let own = Command::new("chown").arg("postgres").arg(folder.path()).status();
    println!("chown: {own:?}");
    let data = data.to_str().unwrap();
    let made = run("initdb", &["-D", data, "-U", "taffrail", "-A", "trust", "--no-sync"]);
    if !made.status.success() {
        println!("skipped: {}", String::from_utf8_lossy(&made.stderr));
        return;
    }
    let socket = folder.path().to_str().unwrap().to_owned();
    let options = format!("-c listen_addresses= -k {socket} -F");
    let log = folder.path().join("server.log");
    let started = run("pg_ctl", &["-D", data, "-o", &options, "-l", log.to_str().unwrap(), "-w", "start"]);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let runtime = Runtime::new().unwrap();
    let url = format!("postgres://taffrail@localhost/postgres?host={}", socket.replace('/', "%2F"));
    let execute = |text: &str| {
        runtime.block_on(async {
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            connection.execute(sqlx::AssertSqlSafe(text.to_owned())).await.unwrap();
        });
    };
    execute("CREATE SCHEMA s; CREATE TABLE s.log (id BIGSERIAL, at TIMESTAMPTZ, ip INET, tags TEXT[], doc JSONB)");
    let rows = "INSERT INTO s.log (at, ip, tags, doc) SELECT '2026-11-21T21:14:03Z'::timestamptz + n / 2 * interval '1 second', '10.0.0.1', '{a,b}', '{\"k\": 1}' FROM generate_series(1, 25) n";
    execute(rows);
    let (by_id, by_time) = (MemorySink::new(), MemorySink::new());
    let common = format!("url = {url:?}\ntable = \"s.log\"\nrows_max = 7\ntime_column = \"at\"");
    let first = start(&runtime, &by_id, &format!("{common}\ncolumn = \"id\""));
    let second = start(&runtime, &by_time, &format!("{common}\ncolumn = \"at\""));
    until("all rows are stored", || by_id.count() >= 25 && by_time.count() >= 25);
    execute(&rows.replace("21:14:03Z", "22:14:03Z"));
    until("new rows are stored", || by_id.count() >= 50 && by_time.count() >= 50);
    std::thread::sleep(std::time::Duration::from_millis(200));
    runtime.block_on(async { futures::future::join(first.stop(), second.stop()).await });
    run("pg_ctl", &["-D", data, "-m", "immediate", "stop"]);
    assert_eq!(ids(&by_id), (1..=50).collect::<Vec<_>>());
    let mut all = ids(&by_time);
    all.sort_unstable();
    assert_eq!(all, (1..=50).collect::<Vec<_>>());
    let event = &by_id.events()[0];
    let said: serde_json::Value = serde_json::from_slice(&event.raw).unwrap();
    assert_eq!((&said["ip"], &said["tags"][1], &said["doc"]["k"]), (&"10.0.0.1".into(), &"b".into(), &1.into()));
    assert_eq!(event.time.to_string(), "2026-11-21T21:14:03Z");
}
