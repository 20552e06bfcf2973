//! `cargo xtask bench`: makes the log of an estate, measures Taffrail on it beside other programs, prints a report and
//! writes it to `benches/runs/`. What is measured, and how, stands in `benches/README.md`.

mod collect;
mod commands;
mod grep;
mod logs;
pub mod measure;
mod product;
mod questions;
mod report;
mod sender;
mod server;
mod sizes;
mod soak;
mod yardsticks;

use crate::Arguments;
use crate::run::{cargo, run as execute};
use crate::workspace::{binary, root, target};
use anyhow::{Context, Result};
use measure::Cost;
use product::{Asked, Held, Opened, Product, ReadBack};
use questions::{Answer, Question};
use sizes::Size;
use std::path::{Path, PathBuf};
use std::time::Instant;
use yardsticks::Yardstick;

/// How much is measured.
struct Scale {
    megabytes: u64,
    noise: u64,
    /// At most so many bytes of each log of the corpus.
    corpus: u64,
    segments: u64,
}

/// The marks are for a gigabyte.
const FULL: Scale = Scale { megabytes: 1_000, noise: 64_000_000, corpus: u64::MAX, segments: 10_000 };
const QUICK: Scale = Scale { megabytes: 100, noise: 16_000_000, corpus: 32_000_000, segments: 1_000 };

/// What is measured beside the generated log.
struct Parts {
    yardsticks: bool,
    /// Noise, the corpus, a store of many segments.
    others: bool,
}

/// So often the log is imported and read back; medians count.
const REPEATS: usize = 3;

/// Everything that was measured.
struct Outcome {
    /// What was typed, but for paths.
    command: String,
    version: String,
    scale: Scale,
    log: taffrail_synth::syslog::Written,
    zstd: Option<(u64, Cost)>,
    import: Cost,
    /// Seconds of CPU that a server uses on the imported folder of its own.
    later: f64,
    held: Held,
    read_back: ReadBack,
    questions: Vec<Question>,
    asked: Vec<Asked>,
    /// Largest memory of the server that answered.
    server_memory: u64,
    grep: Vec<Option<(Answer, Cost)>>,
    yardsticks: Vec<Yardstick>,
    noise: Vec<Size>,
    corpus: Vec<Size>,
    opened: Option<Opened>,
    /// What was left out, and why.
    notes: Vec<String>,
}

/// The command.
pub fn run(mut arguments: Arguments) -> Result<()> {
    let given = arguments.value("--binary")?.map(PathBuf::from);
    let quick = arguments.flag("--quick");
    let mut scale = if quick { QUICK } else { FULL };
    if let Some(text) = arguments.value("--megabytes")? {
        scale.megabytes = text.parse().with_context(|| format!("--megabytes {text:?} is not a number"))?;
    }
    let generate = arguments.value("--generate")?;
    let no_write = arguments.flag("--no-write");
    let log_only = arguments.flag("--log-only");
    let commands = arguments.flag("--commands");
    let collect = arguments.flag("--collect");
    let rate = arguments.value("--rate")?.map_or(Ok(collect::RATE), |text| text.parse()).context("--rate is a number")?;
    let soak = arguments.flag("--soak");
    let usual = if soak { soak::SECONDS } else { collect::SECONDS };
    let seconds = arguments.value("--seconds")?.map_or(Ok(usual), |text| text.parse()).context("--seconds is a number")?;
    let events = match arguments.value("--events")? {
        Some(text) => text.parse().with_context(|| format!("--events {text:?} is not a number"))?,
        None => commands::EVENTS,
    };
    let parts = Parts { yardsticks: !arguments.flag("--no-yardsticks") && !log_only, others: !log_only };
    arguments.finish()?;
    if let (Some(file), true) = (&generate, commands) {
        return logs::access::write(Path::new(file), events, false).map(|_| ());
    }
    if let Some(file) = generate {
        return generated(Path::new(&file), scale.megabytes).map(|_| ());
    }
    let built = given.is_none();
    let program = program(given)?;
    let other = match (soak, collect, commands) {
        (true, ..) => Some(("soak", soak::run(&Product(program.clone()), rate, seconds, &Folder::new()?)?)),
        (_, true, _) => Some(("collect", collect::run(&Product(program.clone()), rate, seconds, &Folder::new()?)?)),
        (.., true) => Some(("commands", commands::run(&Product(program.clone()), events, &Folder::new()?)?)),
        _ => None,
    };
    if let Some((name, text)) = other {
        println!("\n{text}");
        return if no_write { Ok(()) } else { write(&format!("{}-{name}.md", report::stem()?), &text) };
    }
    let mut command = format!("cargo xtask bench{}", if quick { " --quick" } else { "" });
    if log_only {
        command += " --log-only";
    } else if !parts.yardsticks {
        command += " --no-yardsticks";
    }
    if !built {
        command += " --binary TAFFRAIL";
    }
    if scale.megabytes != if quick { QUICK } else { FULL }.megabytes {
        command += &format!(" --megabytes {}", scale.megabytes);
    }
    let load = report::load();
    let outcome = measure_all(&Product(program), scale, parts, command)?;
    let text = report::text(&outcome, &load, built)?;
    println!("\n{text}");
    if !no_write {
        write(&report::file_name(&outcome)?, &text)?;
    }
    Ok(())
}

/// The program that is measured: the one that was given, or the tree's.
fn program(given: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(program) = given {
        return Ok(std::path::absolute(program)?);
    }
    execute(&mut cargo(&["build", "--profile", "demo", "--package", "taffrail"]))?;
    binary("demo")
}

/// Writes a report.
fn write(name: &str, text: &str) -> Result<()> {
    let path = root().join("benches/runs").join(name);
    std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    println!("written: {}", path.strip_prefix(root()).unwrap_or(&path).display());
    Ok(())
}

fn generated(file: &Path, megabytes: u64) -> Result<taffrail_synth::syslog::Written> {
    let start = Instant::now();
    let written = logs::generate(file, megabytes)?;
    println!("{} bytes, {} lines in {:.1} s: {}", written.bytes, written.lines, start.elapsed().as_secs_f64(), file.display());
    Ok(written)
}

/// One thing after the other: never do two programs work at the same time.
fn measure_all(product: &Product, scale: Scale, parts: Parts, command: String) -> Result<Outcome> {
    let folder = Folder::new()?;
    let (file, data) = (folder.0.join("estate.log"), folder.0.join("taffrail-data"));
    let questions = questions::read(&questions::path())?;
    let mut notes = Vec::new();
    let log = generated(&file, scale.megabytes)?;
    let zstd = grep::zstd(&file)?;
    let imports: Vec<Cost> = (0..REPEATS).map(|_| product.import(&data, &file)).collect::<Result<_>>()?;
    let import = Cost::median(&imports);
    println!("imported: {:.1} CPU-s, {:.1} s, {:.0} MiB", import.cpu, import.wall, import.memory as f64 / 1_048_576.0);
    let later = product.left_for_later(&data)?;
    let held = product.held(&data)?;
    let read_back = read_back(product, &data, &file)?;
    println!("read back: {:.1} CPU-s, {:.1} s, the same: {}", read_back.cost.cpu, read_back.cost.wall, read_back.same);
    let grep: Vec<_> = questions.iter().map(|question| grep::ask(question, &file)).collect::<Result<_>>()?;
    let (asked, server_memory) = product.ask(&data, &questions)?;
    for (question, asked) in questions.iter().zip(&asked) {
        println!("  {:9.3} ms CPU {:9.3} ms  {}: {}", asked.cpu, asked.wall, question.name, asked.answer.brief());
    }
    std::fs::remove_dir_all(&data)?;
    let yardsticks = if parts.yardsticks {
        all_yardsticks(&file, &folder.0, &questions, &mut notes)
    } else {
        notes.push("DuckDB and chdb were left out.".into());
        Vec::new()
    };
    std::fs::remove_file(&file)?;
    let (mut noise, mut corpus) = (Vec::new(), Vec::new());
    if zstd.is_none() {
        notes.push("zstd is not here: nothing is compared with it.".into());
    } else if parts.others {
        noise = sizes::noise(product, &folder.0, scale.noise)?;
        corpus = sizes::corpus(product, &folder.0, scale.corpus)?;
        if corpus.is_empty() {
            notes.push("No logs of the corpus: TAFFRAIL_CORPUS names none.".into());
        }
    }
    if grep.iter().all(Option::is_none) {
        notes.push("ripgrep is not here: the answers are not checked against it.".into());
    }
    let opened = parts.others.then(|| product::open_many(product, &folder.0, scale.segments)).transpose()?;
    if opened.is_none() {
        notes.push("Noise, the corpus and opening many segments were left out.".into());
    }
    let version = product.version()?;
    Ok(Outcome {
        command,
        version,
        scale,
        log,
        zstd,
        import,
        later,
        held,
        read_back,
        questions,
        asked,
        server_memory,
        grep,
        yardsticks,
        noise,
        corpus,
        opened,
        notes,
    })
}

fn read_back(product: &Product, data: &Path, file: &Path) -> Result<ReadBack> {
    let mut runs: Vec<ReadBack> = (0..REPEATS).map(|_| product.read_back(data, file)).collect::<Result<_>>()?;
    let cost = Cost::median(&runs.iter().map(|run| run.cost).collect::<Vec<_>>());
    let same = runs.iter().all(|run| run.same);
    let command = runs.swap_remove(0).command;
    Ok(ReadBack { command, cost, same })
}

/// Those that can be had; a yardstick that is missing or fails is a note, and the rest is measured all the same.
fn all_yardsticks(file: &Path, folder: &Path, questions: &[Question], notes: &mut Vec<String>) -> Vec<Yardstick> {
    let python = match target().and_then(|target| yardsticks::python(&target.join("bench"))) {
        Ok(python) => python,
        Err(error) => {
            notes.push(format!("DuckDB and chdb were left out: {}", first_line(&error)));
            return Vec::new();
        }
    };
    let mut measured = Vec::new();
    for kind in yardsticks::ALL {
        match yardsticks::measure(&python, kind, file, folder, questions) {
            Ok(yardstick) => {
                println!("{}: loaded in {:.1} CPU-s, {:.1} MB", yardstick.title, yardstick.cpu, yardstick.stored as f64 / 1e6);
                measured.push(yardstick);
            }
            Err(error) => notes.push(format!("{} was left out: {}", kind.1, first_line(&error))),
        }
    }
    measured
}

/// Without paths and the output of tools, which say too much of a machine.
fn first_line(error: &anyhow::Error) -> String {
    eprintln!("{error:#}");
    let text = error.to_string();
    text.lines().next().unwrap_or_default().split(" ended with ").last().unwrap_or_default().chars().take(120).collect()
}

/// A folder for logs and data below the target folder, on a real disk; removed at the end whatever the end is.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = target()?.join("bench").join(format!("run-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about it here; it lies in the target folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
