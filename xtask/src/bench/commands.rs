//! `cargo xtask bench --commands`: commands over ten million events beside DuckDB and chdb, which get the same fields as
//! typed columns. The questions stand in `benches/commands.toml`.

use super::Folder;
use super::logs::access;
use super::measure;
use super::product::{Product, text};
use super::report;
use super::server::{Server, Settings};
use super::yardsticks;
use crate::workspace::{root, target};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// So many events, where it is not said how many.
pub const EVENTS: u64 = 10_000_000;

/// Each question is asked so often; the best counts.
const TIMES: usize = 4;

/// A regular expression over events is to be so much faster than over each event on its own.
const REX: f64 = 5.0;

struct Question {
    name: String,
    taffrail: String,
    naive: Option<String>,
    rg: Option<String>,
    columns: Vec<String>,
    loose: f64,
    asked_of_others: bool,
}

/// What an answer cost, in milliseconds, and what it says.
struct Timed {
    figures: Vec<f64>,
    cpu: f64,
    wall: f64,
}

type Answers = Vec<Result<Timed, String>>;

/// Everything that was measured.
struct Outcome {
    events: u64,
    bytes: u64,
    import: measure::Cost,
    stored: u64,
    questions: Vec<Question>,
    own: Answers,
    naive: Vec<Option<Result<Timed, String>>>,
    rg: Vec<Option<f64>>,
    others: Vec<(&'static str, String, u64, Answers)>,
    notes: Vec<String>,
}

/// Measures and gives the report.
pub fn run(product: &Product, events: u64, folder: &Folder) -> Result<String> {
    let load = report::load();
    let outcome = measured(product, events, &folder.0)?;
    report(&outcome, &load, &product.version()?)
}

fn measured(product: &Product, events: u64, folder: &Path) -> Result<Outcome> {
    let questions = read(&root().join("benches/commands.toml"))?;
    let (file, data, table) = (folder.join("access.log"), folder.join("taffrail-data"), folder.join("access.tsv"));
    let bytes = access::write(&file, events, false)?;
    println!("{bytes} bytes, {events} events");
    let import = product.import(&data, &file)?;
    println!("imported: {:.1} CPU-s, {:.1} s", import.cpu, import.wall);
    // Without ripgrep the cell stays empty.
    let rg = questions.iter().map(|question| question.rg.as_deref().and_then(|regex| matched_by_rg(regex, &file).ok())).collect();
    std::fs::remove_file(&file)?;
    let (own, naive) = own(product, &data, &questions)?;
    let stored = super::product::bytes_below(&data)?;
    std::fs::remove_dir_all(&data)?;
    let mut notes = Vec::new();
    access::write(&table, events, true)?;
    let mut others = Vec::new();
    for kind in yardsticks::ALL.into_iter().take(2) {
        match other(kind.0, &table, folder, &questions) {
            Ok((version, size, answers)) => others.push((kind.0, version, size, answers)),
            Err(error) => notes.push(format!("{} was left out: {}", kind.0, super::first_line(&error))),
        }
    }
    Ok(Outcome { events, bytes, import, stored, questions, own, naive, rg, others, notes })
}

fn read(path: &Path) -> Result<Vec<Question>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let table: toml::Table = text.parse().with_context(|| format!("{} is no TOML", path.display()))?;
    let questions = table.get("question").and_then(toml::Value::as_array).context("no question")?;
    let question = |question: &toml::Value| -> Result<Question> {
        let get = |key: &str| question.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let columns = question.get("columns").and_then(toml::Value::as_array).context("no columns")?;
        Ok(Question {
            name: get("name").context("no name")?,
            taffrail: get("taffrail").context("no taffrail")?,
            naive: get("naive"),
            rg: get("rg"),
            columns: columns.iter().map(|name| Ok(name.as_str().context("a column is text")?.to_owned())).collect::<Result<_>>()?,
            loose: question.get("loose").and_then(toml::Value::as_float).unwrap_or(1e-6),
            asked_of_others: get("duckdb").is_some() && get("chdb").is_some(),
        })
    };
    questions.iter().map(|one| question(one).with_context(|| format!("commands.toml: {one}"))).collect()
}

type Own = (Answers, Vec<Option<Result<Timed, String>>>);

/// All questions at a server that is warm.
fn own(product: &Product, data: &Path, questions: &[Question]) -> Result<Own> {
    let server = Server::start(&product.0, data, Settings::LargeCache)?;
    server.rest()?;
    let (mut own, mut naive) = (Vec::new(), Vec::new());
    for question in questions {
        let ask = |search: &str| {
            asked(&server, search, &question.columns).map_err(|error| format!("{error:#}").chars().take(300).collect::<String>())
        };
        own.push(ask(&question.taffrail));
        naive.push(question.naive.as_deref().map(ask));
        match own.last() {
            Some(Ok(timed)) => println!("  {:9.1} ms CPU {:9.1} ms  {}: {:?}", timed.cpu, timed.wall, question.name, timed.figures),
            Some(Err(error)) => println!("  {}: {error}", question.name),
            None => {}
        }
    }
    server.stop()?;
    Ok((own, naive))
}

fn asked(server: &Server, search: &str, columns: &[String]) -> Result<Timed> {
    let found = server.search(search)?;
    ensure!(found.rows.len() == 1, "{search} gives {} rows", found.rows.len());
    let figure = |name: &String| {
        let value = &found.rows[0][name];
        value.as_f64().or_else(|| value.as_str()?.parse().ok()).with_context(|| format!("no {name} in {}", found.rows[0]))
    };
    let figures = columns.iter().map(figure).collect::<Result<_>>()?;
    let (mut cpu, mut wall) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..TIMES {
        let before = measure::cpu_of(server.pid())?;
        let found = server.search(search)?;
        cpu = cpu.min((measure::cpu_of(server.pid())? - before) * 1e3);
        wall = wall.min(found.wall);
    }
    Ok(Timed { figures, cpu, wall })
}

/// Milliseconds of CPU that ripgrep needs to find a regular expression in each line, printing nothing.
fn matched_by_rg(regex: &str, file: &Path) -> Result<f64> {
    let cost = (0..TIMES).map(|_| measure::run("rg", &["-j1", "-c", regex, text(file)?]).map(|(cost, _)| cost.cpu * 1e3));
    cost.collect::<Result<Vec<_>>>().map(|costs| costs.into_iter().fold(f64::INFINITY, f64::min))
}

/// Loads the table into another program and asks it all questions: its version, its bytes on disk, its answers.
fn other(kind: &str, table: &Path, folder: &Path, questions: &[Question]) -> Result<(String, u64, Answers)> {
    let python = yardsticks::python(&target()?.join("bench"))?;
    let data = folder.join(format!("{kind}-data"));
    let load = yardsticks::script(&python, &["table", kind, text(table)?, text(&data)?])?;
    let answers = yardsticks::script(&python, &["ask", kind, text(&root().join("benches/commands.toml"))?, text(&data)?])?;
    std::fs::remove_dir_all(&data)?;
    let mut answers = answers["answers"].as_array().context("no answers")?.iter();
    let timed = |answer: &Value| -> Result<Timed, String> {
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let figures = answer["figures"].as_array().map(|figures| figures.iter().filter_map(Value::as_f64).collect());
        let milliseconds = |key: &str| answer[key].as_f64().unwrap_or(f64::NAN) * 1e3;
        Ok(Timed { figures: figures.unwrap_or_default(), cpu: milliseconds("best_cpu"), wall: milliseconds("best_wall") })
    };
    let mut all = Vec::new();
    for question in questions {
        all.push(match question.asked_of_others.then(|| answers.next()).flatten() {
            Some(answer) => timed(answer),
            None => Err("not asked".to_owned()),
        });
    }
    let version = load["version"].as_str().unwrap_or_default();
    // What is said of an index is of the other table.
    let version = version.split(", ").next().unwrap_or_default().to_owned();
    Ok((version, load["bytes"].as_u64().unwrap_or(0), all))
}

fn agree(one: &[f64], two: &[f64], loose: f64) -> bool {
    let near = |(one, two): (&f64, &f64)| (one - two).abs() <= loose * one.abs().max(two.abs());
    one.len() == two.len() && one.iter().zip(two).all(near)
}

fn report(outcome: &Outcome, load: &str, version: &str) -> Result<String> {
    let mut text = format!("# Commands over {} events, {}\n\n", outcome.events, report::date()?);
    writeln!(
        text,
        "{version}, {}. {}\n\nLoad of the machine: {load} before, {} after.\n",
        report::commit(),
        report::machine(),
        report::load()
    )?;
    let (bytes, import) = (outcome.bytes as f64 / 1e6, &outcome.import);
    writeln!(
        text,
        "Requests to a web service, {bytes:.0} MB of `key=value` lines, imported with {:.1} s of CPU into {:.0} MB. The other programs got \
         the ten fields as typed columns; reading them out of the lines is not counted for them, and is for Taffrail. What was \
         unpacked stays in memory, as the others keep it (`store.memory_cache_size = \"2GiB\"`).\n",
        import.cpu,
        outcome.stored as f64 / 1e6
    )?;
    outcome.others.iter().try_for_each(|(_, version, size, _)| writeln!(text, "- {version}: {:.0} MB", *size as f64 / 1e6))?;
    outcome.notes.iter().try_for_each(|note| writeln!(text, "- {note}"))?;
    text.push_str(
        "\nMilliseconds, warm, the best of several; *ratio*: the faster of the others by Taffrail, so that 1 and more is as fast.\n\n",
    );
    text.push_str("| command | CPU | waits |");
    for (name, ..) in &outcome.others {
        write!(text, " {name} CPU | waits |")?;
    }
    text.push_str(" ratio of CPU | of waiting |\n|---|--:|--:|");
    text.push_str(&"--:|--:|".repeat(outcome.others.len() + 1));
    text.push('\n');
    let mut differing = Vec::new();
    for (at, (question, own)) in
        outcome.questions.iter().zip(&outcome.own).enumerate().filter(|(_, (question, _))| question.asked_of_others)
    {
        row(&mut text, outcome, at, question, own, &mut differing)?;
    }
    expressions(&mut text, outcome, &mut differing)?;
    if differing.is_empty() {
        text.push_str("\nAll programs give the same answers.\n");
    } else {
        text.push_str("\n**Answers that differ:**\n\n");
        differing.iter().try_for_each(|line| writeln!(text, "- {line}"))?;
    }
    Ok(text)
}

fn row(
    text: &mut String,
    outcome: &Outcome,
    at: usize,
    question: &Question,
    own: &Result<Timed, String>,
    differing: &mut Vec<String>,
) -> Result<()> {
    write!(text, "| {} |", report::cell(&question.name))?;
    let cells = |text: &mut String, timed: &Result<Timed, String>| match timed {
        Ok(timed) => write!(text, " {:.1} | {:.1} |", timed.cpu, timed.wall),
        Err(_) => write!(text, " - | - |"),
    };
    cells(text, own)?;
    let (mut cpu, mut wall) = (f64::INFINITY, f64::INFINITY);
    for (name, .., answers) in &outcome.others {
        cells(text, &answers[at])?;
        match (&answers[at], own) {
            (Ok(other), Ok(own)) => {
                (cpu, wall) = (cpu.min(other.cpu), wall.min(other.wall));
                if !agree(&own.figures, &other.figures, question.loose) {
                    differing.push(format!("{}: Taffrail {:?}, {name} {:?}", question.name, own.figures, other.figures));
                }
            }
            (Err(error), _) => differing.push(format!("{}: {name} gives no answer: {error}", question.name)),
            _ => {}
        }
    }
    match own {
        Ok(own) => writeln!(text, " {:.2} | {:.2} |", cpu / own.cpu, wall / own.wall)?,
        Err(error) => {
            differing.push(format!("{}: Taffrail gives no answer: {error}", question.name));
            text.push_str(" - | - |\n");
        }
    }
    Ok(())
}

/// The rows about regular expressions: beside running them on each event.
fn expressions(text: &mut String, outcome: &Outcome, differing: &mut Vec<String>) -> Result<()> {
    text.push_str("\n| command | CPU | of each event on its own | ratio | ripgrep, matching only |\n|---|--:|--:|--:|--:|\n");
    for (at, question) in outcome.questions.iter().enumerate() {
        let (Ok(own), Some(Ok(naive))) = (&outcome.own[at], &outcome.naive[at]) else { continue };
        if !agree(&own.figures, &naive.figures, 0.0) {
            differing.push(format!("{}: {:?}, each event on its own {:?}", question.name, own.figures, naive.figures));
        }
        let ratio = naive.cpu / own.cpu;
        let rg = outcome.rg[at].map_or_else(|| "-".to_owned(), |rg| format!("{rg:.0}"));
        let missed = if ratio < REX { " (missed)" } else { "" };
        writeln!(text, "| {} | {:.1} | {:.1} | {ratio:.1}{missed} | {rg} |", report::cell(&question.name), own.cpu, naive.cpu)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_questions_can_be_read() {
        let questions = read(&root().join("benches/commands.toml")).unwrap();
        assert!(questions.len() > 8 && questions.iter().any(|question| question.naive.is_some() && !question.asked_of_others));
    }

    #[test]
    fn figures_agree_within_bounds() {
        assert!(agree(&[1.0, 100.0], &[1.0, 101.0], 0.02) && !agree(&[1.0, 100.0], &[1.0, 103.0], 0.02));
        assert!(!agree(&[1.0], &[1.0, 2.0], 1.0) && agree(&[0.0], &[0.0], 0.0));
    }
}
