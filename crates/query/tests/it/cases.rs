//! Runs `tests/query/*.test`: readable files of queries, rows in and rows out.
//!
//! A file is made of cases, each begun by `=== name`. Sections of a case begin with `--- `: `query`, `input` (JSON
//! objects, one a line) or `raw` (events as lines, a second apart), `knowledge` (files, each begun by `@ path`; see `mmdb` for
//! databases of places), then what is expected: `output` (JSON rows),
//! `messages`, or `error`. An `input` before the first case is for all cases that have none. What is expected is
//! written by `TAFFRAIL_UPDATE_TESTS=1 cargo nextest run -p taffrail-query`; review it as a diff.

use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_base::Vfs;
use taffrail_base::vfs::sim::SimVfs;
use taffrail_event::Timestamp;
use taffrail_pattern::{FieldPlan, FieldResolver, Pattern};
use taffrail_query::engine::{Outcome, over};
use taffrail_query::eval::EvalContext;
use taffrail_query::knowledge::{KeptResults, KeptRows};
use taffrail_query::pipeline::Query;
use taffrail_query::source::{GivenSource, Source, batch_of_json};
use taffrail_query::{Knowledge, QueryError, SearchRequest};

/// 2026-11-21T12:00:00Z, the moment at which all cases run.
pub const NOW: Timestamp = Timestamp(1_795_262_400_000_000_000);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/query")
}

/// A case, or what stands above the first one.
#[derive(Clone, Debug, Default)]
pub struct Case {
    name: String,
    /// Sections in order: title and lines.
    sections: Vec<(String, Vec<String>)>,
}

impl Case {
    pub fn section(&self, title: &str) -> Option<&[String]> {
        self.sections.iter().find(|(known, _)| known == title).map(|(_, lines)| lines.as_slice())
    }
}

/// The comments and shared input at the top, and the cases.
fn parse(text: &str) -> (Case, Vec<Case>) {
    let mut all = vec![Case::default()];
    for line in text.lines() {
        let case = all.last_mut().expect("never empty");
        if let Some(name) = line.strip_prefix("=== ") {
            all.push(Case { name: name.to_owned(), sections: Vec::new() });
        } else if let Some(title) = line.strip_prefix("--- ") {
            case.sections.push((title.trim().to_owned(), Vec::new()));
        } else if let Some((_, lines)) = case.sections.last_mut() {
            if !line.trim().is_empty() {
                lines.push(line.to_owned());
            }
        } else if !line.trim().is_empty() {
            // Comments at the top of the file.
            case.name.push_str(line);
            case.name.push('\n');
        }
    }
    let head = all.remove(0);
    (head, all)
}

fn print(head: &Case, cases: &[Case]) -> String {
    let mut out = head.name.clone();
    let sections = |out: &mut String, case: &Case| {
        for (title, lines) in &case.sections {
            let _ = writeln!(out, "--- {title}");
            lines.iter().for_each(|line| {
                let _ = writeln!(out, "{line}");
            });
        }
    };
    sections(&mut out, head);
    for case in cases {
        let _ = writeln!(out, "\n=== {}", case.name);
        sections(&mut out, case);
    }
    out
}

fn source(head: &Case, case: &Case) -> GivenSource {
    let lines = |title: &str| case.section(title).map(<[String]>::to_vec);
    let given = match (lines("input"), lines("raw")) {
        (Some(input), _) => (input, false),
        (None, Some(raw)) => (raw, true),
        (None, None) => match (head.section("input"), head.section("raw")) {
            (Some(input), _) => (input.to_vec(), false),
            (None, raw) => (raw.unwrap_or_default().to_vec(), true),
        },
    };
    let formats = knowledge(head, case).fields().formats(&Arc::new(taffrail_format::Formats::new()));
    let object = |(number, line): (usize, &String)| -> Map<String, Value> {
        if !given.1 {
            return serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        let mut object = Map::new();
        object.insert("_time".into(), Value::from(1_795_262_000 + number));
        object.insert("_raw".into(), Value::from(line.as_str()));
        for (name, value) in formats.fields_of_event("", line.as_bytes()) {
            object.entry(name).or_insert(Value::from(value));
        }
        named_elsewhere(&formats, case, line, &mut object);
        object
    };
    let objects: Vec<_> = given.0.iter().enumerate().map(object).collect();
    GivenSource::of_json(&objects, EvalContext::new(NOW, jiff::tz::TimeZone::UTC)).expect("the input makes columns")
}

/// Adds the names of other vocabularies that a query asks for: no list of fields has them.
fn named_elsewhere(formats: &taffrail_format::Formats, case: &Case, line: &str, object: &mut Map<String, Value>) {
    let query = case.section("query").unwrap_or_default().join(" ");
    for view in taffrail_format::fields::views::views() {
        let shown = query.contains(&format!("view {}", view.name));
        for name in view.names.keys().filter(|name| shown || query.contains(name.as_str())) {
            let sourcetype = taffrail_format::detect(line.as_bytes());
            if let FieldPlan::PerEvent(function, _) = formats.resolve(sourcetype, &Pattern::raw(), &[], name)
                && let Some(value) = function(line.as_bytes())
            {
                object.entry(name.clone()).or_insert(Value::from(value));
            }
        }
    }
}

/// The definitions of a `knowledge` section: files in a folder, each begun by `@ path`.
pub fn knowledge(head: &Case, case: &Case) -> Knowledge {
    let Some(lines) = case.section("knowledge").or(head.section("knowledge")) else { return Knowledge::none() };
    let disk = SimVfs::new(1);
    let mut jobs = GivenJobs::default();
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("@ "), files.last_mut()) {
            (Some(path), _) => files.push((Path::new("/knowledge").join(path.trim()), String::new())),
            (None, Some((_, text))) => text.extend([line.as_str(), "\n"]),
            (None, None) => panic!("a section `knowledge` begins with `@ path`"),
        }
    }
    for (path, text) in files {
        // The rows of a job; the file's name says what became of it.
        if let Ok(id) = path.strip_prefix("/knowledge/jobs") {
            jobs.0.push((id.to_str().expect("a name").to_owned(), text));
            continue;
        }
        disk.create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        // A database of places is written as its networks and records.
        let is_database = path.extension().is_some_and(|extension| extension == "mmdb");
        let bytes = if is_database { super::mmdb::database(&text.lines().collect::<Vec<_>>()) } else { text.into_bytes() };
        disk.create_new(&path).and_then(|file| file.write_all_at(&bytes, 0)).expect("a file");
    }
    Knowledge::folder(Arc::new(disk), "/knowledge".into()).keeping(Arc::new(jobs))
}

/// Jobs given as text: `@ jobs/ID`, with `.running`, `.short` or `.events` behind the id, then a row a line.
#[derive(Default)]
struct GivenJobs(Vec<(String, String)>);

impl KeptResults for GivenJobs {
    fn rows(&self, id: &str) -> taffrail_base::Result<KeptRows> {
        let found = self.0.iter().find(|(name, _)| name.split('.').next() == Some(id));
        let Some((name, text)) = found else {
            return Err(taffrail_base::Error::new(taffrail_base::ErrorKind::NotFound, format!("there is no job {id:?}")));
        };
        let rows: Vec<Map<String, Value>> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let batch = batch_of_json(&rows, &EvalContext::new(NOW, jiff::tz::TimeZone::UTC)).expect("columns");
        let is = |what: &str| name.split('.').any(|part| part == what);
        Ok(KeptRows {
            columns: vec!["a".to_owned()],
            table: !is("events"),
            running: is("running"),
            warning: is("short").then(|| "not all rows are there".to_owned()),
            // Two rows at a time, so that there are several parts.
            read: Arc::new(move |from| {
                let (from, all) = (from as usize, batch.num_rows());
                Ok((from < all).then(|| batch.slice(from, 2.min(all - from))))
            }),
        })
    }
}

async fn search(source: &GivenSource, knowledge: Knowledge, query: &str) -> Result<Outcome, QueryError> {
    let request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
    let source: Arc<dyn Source> = Arc::new(source.clone());
    over(&source, &request, NOW, Arc::default(), knowledge).await
}

/// Runs a case; gives the sections that are expected of it.
async fn run(head: &Case, case: &Case) -> Vec<(String, Vec<String>)> {
    let query = case.section("query").unwrap_or_else(|| panic!("{}: no query", case.name)).join("\n");
    let source = source(head, case);
    let defined = || knowledge(head, case);
    match search(&source, defined(), &query).await {
        Err(error) => vec![("error".into(), error.render(&query).lines().map(str::to_owned).collect())],
        Ok(outcome) => {
            let parse = |text: &str| Query::parse_with(text, &defined(), &EvalContext::new(NOW, jiff::tz::TimeZone::UTC));
            let printed = parse(&query).expect("it ran").to_string();
            let again = parse(&printed).unwrap_or_else(|error| panic!("{}: {printed}: {error}", case.name));
            assert_eq!(again.to_string(), printed, "{}: printing is not stable", case.name);
            let second = search(&source, defined(), &printed).await.unwrap_or_else(|error| panic!("{}: {printed}: {error}", case.name));
            assert_eq!(second.rows, outcome.rows, "{}: {printed} gives other rows", case.name);
            let rows = outcome.rows.iter().map(|row| serde_json::to_string(row).expect("rows are JSON"));
            let mut sections = vec![("output".to_owned(), rows.collect::<Vec<_>>())];
            let messages: Vec<String> =
                outcome.messages.iter().map(|message| format!("{:?}: {}", message.severity, message.text).to_lowercase()).collect();
            if !messages.is_empty() {
                sections.push(("messages".into(), messages));
            }
            sections
        }
    }
}

/// What a case gives: the sections that are expected of it.
pub type Runner = fn(&tokio::runtime::Runtime, &Case, &Case) -> Vec<(String, Vec<String>)>;

/// Runs the cases of a text; gives the text as it should be, and what was wrong.
fn checked(text: &str, run: Runner) -> (String, String) {
    let (head, mut cases) = parse(text);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut wrong = String::new();
    for case in &mut cases {
        let expected = case.sections.clone();
        let found = run(&runtime, &head, case);
        case.sections.retain(|(title, _)| !matches!(title.as_str(), "output" | "messages" | "error"));
        case.sections.extend(found);
        if expected != case.sections {
            let _ = writeln!(wrong, "=== {}\nfound:    {:#?}\nexpected: {expected:#?}", case.name, case.sections);
        }
    }
    (print(&head, &cases), wrong)
}

fn finish(path: &Path, text: &str, wrong: &str) {
    if std::env::var_os("TAFFRAIL_UPDATE_TESTS").is_some() {
        std::fs::write(path, text).expect("the file can be written");
    } else {
        assert!(wrong.is_empty(), "{}:\n{wrong}", path.display());
    }
}

/// The search language.
fn searches(runtime: &tokio::runtime::Runtime, head: &Case, case: &Case) -> Vec<(String, Vec<String>)> {
    runtime.block_on(run(head, case))
}

/// Checks a file of cases.
pub fn check(path: &Path, run: Runner) {
    let (text, wrong) = checked(&std::fs::read_to_string(path).expect("the file can be read"), run);
    finish(path, &text, &wrong);
}

/// The examples of a page of the manual: fenced blocks of cases, marked `test`.
pub fn check_page(path: &Path, run: Runner) -> usize {
    let page = std::fs::read_to_string(path).expect("the page can be read");
    let (mut out, mut wrong, mut examples) = (String::new(), String::new(), 0);
    let mut rest = page.as_str();
    while let Some((before, after)) = rest.split_once("```test\n") {
        let (block, after) = after.split_once("```").expect("a fence is closed");
        let (text, problems) = checked(block, run);
        let _ = write!(out, "{before}```test\n{}\n```", text.trim());
        wrong.push_str(&problems);
        rest = after;
        examples += 1;
    }
    out.push_str(rest);
    finish(path, &out, &wrong);
    examples
}

#[test]
fn every_command_has_a_page_whose_examples_are_true() {
    for command in taffrail_query::commands::COMMANDS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/manual/commands/{}.md", command.name));
        assert!(check_page(&path, searches) > 0, "{} has no example", path.display());
    }
}

#[test]
fn every_case_gives_the_rows_beside_it() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).expect("tests/query").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    files.sort();
    files.iter().for_each(|path| check(path, searches));
}

#[test]
fn every_command_has_at_least_eight_cases() {
    for command in taffrail_query::commands::COMMANDS {
        let path = folder().join(format!("{}.test", command.name));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(parse(&text).1.len() >= 8, "{} has too few cases", path.display());
    }
}

#[test]
fn examples_of_commands_parse_and_print() {
    for command in taffrail_query::commands::COMMANDS {
        for example in command.examples {
            let printed = Query::parse(example).unwrap_or_else(|error| panic!("{}", error.render(example))).to_string();
            let again = Query::parse(&printed).unwrap_or_else(|error| panic!("{}", error.render(&printed)));
            assert_eq!(again.to_string(), printed);
        }
    }
}
