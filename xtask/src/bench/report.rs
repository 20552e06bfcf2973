//! The report: tables for people, with the machine and the commands, and without its name or paths. What was to be
//! reached stands beside what was measured, and what was missed is called so.

use super::Outcome;
use super::measure::median;
use super::sizes::Size;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::process::Command;

const MIB: f64 = 1_048_576.0;

/// The report as Markdown. `load` is what the machine did before; `built`, whether the program is of this source.
pub fn text(outcome: &Outcome, load: &str, built: bool) -> Result<String> {
    let mut text = format!("# Benchmark of {}, {}\n\n", date()?, machine_name());
    let of = if built { "built from" } else { "a program that was given; the benchmark is" };
    writeln!(text, "{}, {of} {}.\n\n{}", outcome.version, commit(), machine())?;
    writeln!(
        text,
        "Load of the machine: {load} before, {} after{}.\n",
        self::load(),
        if busy(load) { ": **other work shared it**" } else { "" }
    )?;
    writeln!(
        text,
        "The log: {} bytes, {} lines of 22 applications on 200 hosts in 72 hours, made by `cargo xtask bench --generate`.\n",
        outcome.log.bytes, outcome.log.lines
    )?;
    marks(&mut text, outcome)?;
    questions(&mut text, outcome)?;
    others(&mut text, outcome)?;
    cold(&mut text, outcome)?;
    sizes(&mut text, outcome)?;
    how(&mut text, outcome)?;
    Ok(text)
}

/// Something to reach.
struct Mark {
    what: String,
    reach: String,
    measured: String,
    met: bool,
}

impl Mark {
    fn least(what: &str, least: f64, measured: f64, unit: &str) -> Self {
        Self { what: what.into(), reach: format!(">= {least}{unit}"), measured: format!("{measured:.0}{unit}"), met: measured >= least }
    }

    fn most(what: &str, most: f64, measured: f64, unit: &str, digits: usize) -> Self {
        Self { what: what.into(), reach: format!("<= {most}{unit}"), measured: format!("{measured:.digits$}{unit}"), met: measured <= most }
    }

    /// What is quick and wrong has reached nothing.
    fn if_right(self, right: bool) -> Self {
        let measured = if right { self.measured } else { format!("{}, wrong", self.measured) };
        Self { measured, met: self.met && right, ..self }
    }
}

fn all_marks(outcome: &Outcome) -> Vec<Mark> {
    let megabytes = outcome.log.bytes as f64 / 1e6;
    let most = Mark::most;
    let mut marks = vec![
        Mark::least("ingest, text per CPU-s, all included", 100.0, megabytes / outcome.import.cpu, " MB"),
        Mark::least("ingest, events per second", 1_000_000.0, outcome.log.lines as f64 / outcome.import.wall, ""),
        most("peak memory of the import", 256.0, outcome.import.memory as f64 / MIB, " MiB", 0),
        most("stored, indexes included, per GB", 70.0, outcome.held.folder as f64 / megabytes * 1e-3, " MB", 1),
    ];
    if let Some((zstd, _)) = outcome.zstd {
        marks.push(most("the same, part of zstd -3", 0.42, outcome.held.folder as f64 / zstd as f64, "", 3));
    }
    let read_back = Mark::least("full read-back, text per CPU-s", 400.0, megabytes / outcome.read_back.cost.cpu, " MB");
    marks.push(read_back.if_right(outcome.read_back.same));
    if let Some(opened) = &outcome.opened {
        marks.push(most(&format!("opening a store of {} segments", opened.segments), 1.0, opened.wall, " s", 2));
    }
    if !outcome.noise.is_empty() {
        let sizes = outcome.noise.iter().chain(&outcome.corpus);
        let memory = sizes.map(|size| size.memory).fold(outcome.import.memory, u64::max);
        marks.push(most("peak memory of the import of any input here", 256.0, memory as f64 / MIB, " MiB", 0));
    }
    for size in &outcome.noise {
        marks.push(most(&format!("{}, part of zstd -3", size.name), 1.05, size.ratio(), "", 3));
    }
    if !outcome.corpus.is_empty() {
        let ratios: Vec<f64> = outcome.corpus.iter().map(Size::ratio).collect();
        marks.push(most("logs of the corpus, median part of zstd -3", 0.5, median(&ratios), "", 3));
    }
    for ((question, asked), grep) in outcome.questions.iter().zip(&outcome.asked).zip(&outcome.grep) {
        if let Some(reach) = question.reach {
            let right = grep.as_ref().is_none_or(|(answer, _)| asked.answer.agrees(answer, false));
            marks.push(most(&format!("CPU: {}", question.name), reach, asked.cpu, " ms", 2).if_right(right));
        }
    }
    marks
}

fn marks(text: &mut String, outcome: &Outcome) -> Result<()> {
    let marks = all_marks(outcome);
    let missed = marks.iter().filter(|mark| !mark.met).count();
    writeln!(text, "## Marks\n\n{} of {} are met, {missed} are missed.\n", marks.len() - missed, marks.len())?;
    if outcome.scale.megabytes != super::FULL.megabytes {
        let megabytes = outcome.scale.megabytes;
        writeln!(
            text,
            "**The marks are for a log of 1,000 MB; this run is of {megabytes} MB and says less.** CPU is as measured, not scaled.\n"
        )?;
    }
    if !outcome.read_back.same {
        text.push_str("**What was read back is not the file that was imported.**\n\n");
    }
    text.push_str("| | to reach | measured | |\n|---|--:|--:|---|\n");
    for mark in marks {
        writeln!(text, "| {} | {} | {} | {} |", cell(&mark.what), mark.reach, mark.measured, if mark.met { "met" } else { "**missed**" })?;
    }
    text.push('\n');
    Ok(())
}

fn questions(text: &mut String, outcome: &Outcome) -> Result<()> {
    text.push_str("## Questions\n\nMilliseconds of CPU per warm question, Taffrail's server as a whole; `best` is its best batch, `waits` what the client waits.\n\n");
    text.push_str("| question | answer | to reach | **Taffrail** | best | waits | rg |");
    for yardstick in &outcome.yardsticks {
        write!(text, " {} |", yardstick.title)?;
    }
    text.push_str("\n|---|--:|--:|--:|--:|--:|--:|");
    text.push_str(&"--:|".repeat(outcome.yardsticks.len()));
    text.push('\n');
    let mut differing = Vec::new();
    for (index, (question, asked)) in outcome.questions.iter().zip(&outcome.asked).enumerate() {
        let reach = question.reach.map_or_else(|| "-".into(), |reach| reach.to_string());
        let grep = outcome.grep[index].as_ref();
        let truth = grep.map_or(&asked.answer, |(answer, _)| answer);
        let differs = |who: &str, answer: &super::Answer, loose| {
            let line = || format!("{}: {who} says {}, ripgrep {}", question.name, answer.brief(), truth.brief());
            (!answer.agrees(truth, loose)).then(line)
        };
        differing.extend(differs("Taffrail", &asked.answer, false));
        write!(
            text,
            "| {} | {} | {reach} | **{:.2}** | {:.2} | {:.2} | {} |",
            cell(&question.name),
            asked.answer.brief(),
            asked.cpu,
            asked.best,
            asked.wall,
            grep.map_or_else(|| "-".into(), |(_, cost)| format!("{:.0}", cost.cpu * 1e3)),
        )?;
        for yardstick in &outcome.yardsticks {
            match &yardstick.answers[index] {
                Ok((answer, cpu)) => {
                    differing.extend(differs(yardstick.title, answer, true));
                    write!(text, " {cpu:.1} |")?;
                }
                Err(error) => {
                    differing.push(format!("{}: {} gives no answer: {error}", question.name, yardstick.title));
                    text.push_str(" - |");
                }
            }
        }
        text.push('\n');
    }
    if differing.is_empty() {
        text.push_str("\nAll programs give the same answers.\n\n");
    } else {
        text.push_str("\n**Answers that differ:**\n\n");
        differing.iter().try_for_each(|line| writeln!(text, "- {line}"))?;
        text.push('\n');
    }
    Ok(())
}

fn others(text: &mut String, outcome: &Outcome) -> Result<()> {
    let megabytes = outcome.log.bytes as f64 / 1e6;
    text.push_str("## Loading\n\n| | MB text per CPU-s | seconds | peak memory MiB | stored MB |\n|---|--:|--:|--:|--:|\n");
    let mut row = |name: &str, cpu: f64, wall: f64, memory: u64, stored: u64| {
        writeln!(text, "| {name} | {:.1} | {wall:.1} | {:.0} | {:.1} |", megabytes / cpu, memory as f64 / MIB, stored as f64 / 1e6)
    };
    row("**Taffrail**", outcome.import.cpu, outcome.import.wall, outcome.import.memory, outcome.held.folder)?;
    for yardstick in &outcome.yardsticks {
        row(yardstick.title, yardstick.cpu, yardstick.wall, yardstick.memory, yardstick.stored)?;
    }
    if let Some((bytes, cost)) = outcome.zstd {
        row("zstd -3", cost.cpu, cost.wall, cost.memory, bytes)?;
    }
    let held = &outcome.held;
    writeln!(
        text,
        "\nTaffrail: {} events of {} lines in {} segments of {:.1} MB with {} patterns; the whole folder is counted. Read back by `{}` in {:.1} s, {}; \
         the server that answered all questions held at most {:.0} MiB.\n",
        held.events,
        outcome.log.lines,
        held.segments,
        held.stored as f64 / 1e6,
        held.patterns,
        outcome.read_back.command,
        outcome.read_back.cost.wall,
        if outcome.read_back.same { "byte for byte the file" } else { "**not the same bytes**" },
        outcome.server_memory as f64 / MIB,
    )?;
    writeln!(
        text,
        "After an import a server used {:.2} s of CPU on the folder before it rested, merging segments; the marks of ingest are without it, what \
         is stored is with it. With it, {:.1} MB of text are taken per CPU second.\n",
        outcome.later,
        outcome.log.bytes as f64 / 1e6 / (outcome.import.cpu + outcome.later),
    )?;
    if let Some(opened) = &outcome.opened {
        writeln!(
            text,
            "A server over {} segments answers {:.3} s after its start, with {:.3} s of CPU; over an empty folder {:.3} s and {:.3} s.\n",
            opened.segments, opened.wall, opened.cpu, opened.empty_wall, opened.empty_cpu
        )?;
    }
    Ok(())
}

fn cold(text: &mut String, outcome: &Outcome) -> Result<()> {
    text.push_str("## Cold questions\n\nEach the first of a fresh server: bytes of the store that the search says it read, what the process read in all, and how long the client waits.\n\n");
    text.push_str("| question | MB by the search | part of stored | MB by the process | waits ms |\n|---|--:|--:|--:|--:|\n");
    for (question, asked) in outcome.questions.iter().zip(&outcome.asked) {
        let cold = asked.cold;
        writeln!(
            text,
            "| {} | {:.3} | {:.2} % | {:.3} | {:.1} |",
            cell(&question.name),
            cold.says as f64 / 1e6,
            100.0 * cold.says as f64 / outcome.held.stored as f64,
            cold.read as f64 / 1e6,
            cold.wall
        )?;
    }
    text.push('\n');
    Ok(())
}

fn sizes(text: &mut String, outcome: &Outcome) -> Result<()> {
    if outcome.noise.is_empty() {
        return Ok(());
    }
    text.push_str("## Size beside zstd -3\n\nSegments with their indexes, without catalog and seals, which weigh in small logs only.\n\n");
    text.push_str("| log | MB | events | stored MB | zstd -3 MB | part | MB per CPU-s | memory MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for size in outcome.noise.iter().chain(&outcome.corpus) {
        writeln!(
            text,
            "| {} | {:.1} | {} | {:.2} | {:.2} | {:.3} | {:.1} | {:.0} |",
            size.name,
            size.bytes as f64 / 1e6,
            size.events,
            size.stored as f64 / 1e6,
            size.zstd as f64 / 1e6,
            size.ratio(),
            size.speed,
            size.memory as f64 / MIB
        )?;
    }
    text.push('\n');
    Ok(())
}

fn how(text: &mut String, outcome: &Outcome) -> Result<()> {
    writeln!(
        text,
        "## How\n\n`{}`; [benches/README.md](../README.md) says what each row means. One program at a time.\n",
        outcome.command
    )?;
    for yardstick in &outcome.yardsticks {
        writeln!(text, "- {}", yardstick.version)?;
    }
    for (program, arguments) in [("rg", "--version"), ("zstd", "--version")] {
        if let Ok(output) = Command::new(program).arg(arguments).output() {
            let output = String::from_utf8_lossy(&output.stdout).into_owned();
            writeln!(text, "- {}", output.lines().next().unwrap_or_default().trim_matches(['*', ' ']))?;
        }
    }
    outcome.notes.iter().try_for_each(|note| writeln!(text, "- {note}"))?;
    Ok(())
}

/// A bar would begin the next cell.
pub fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Today and the machine, as the name of the report's file, and the size where it is not the one that counts.
pub fn file_name(outcome: &Outcome) -> Result<String> {
    let megabytes = outcome.scale.megabytes;
    let size = if megabytes == super::FULL.megabytes { String::new() } else { format!("-{megabytes}MB") };
    Ok(format!("{}{size}.md", stem()?))
}

/// Day and machine, with which names of reports begin.
pub fn stem() -> Result<String> {
    Ok(format!("{}-{}", date()?, machine_name()))
}

/// The kind of machine, which says nothing about whose it is.
fn machine_name() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}-{cores}core", std::env::consts::OS)
}

pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let memory = memory.map_or_else(|| "unknown".into(), |kilobytes| format!("{:.0} GB", kilobytes as f64 / 1e6));
    // What stands behind the numbers is the name that a vendor or an owner gave.
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores, {memory} memory, kernel {kernel}.")
}

/// How many processes wanted to run in the last minute.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Whether there was other work before; what comes after is our own.
fn busy(load: &str) -> bool {
    load.parse::<f64>().is_ok_and(|load| load > 0.5)
}

/// Which source this is, as far as git knows.
pub fn commit() -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).current_dir(crate::workspace::root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(commit) => format!("source {commit}{}", if changed { " with changes" } else { "" }),
        None => "source unknown".into(),
    }
}

pub fn date() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%F"]).output().context("the command date cannot be started")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::Mark;

    #[test]
    fn marks_are_met_or_missed() {
        assert!(Mark::least("x", 100.0, 100.0, " MB").met && !Mark::least("x", 100.0, 99.9, " MB").met);
        assert!(Mark::most("x", 1.05, 1.05, "", 3).met && !Mark::most("x", 1.05, 1.051, "", 3).met);
        let wrong = Mark::most("x", 3.0, 1.0, " ms", 2).if_right(false);
        assert!(!wrong.met && wrong.measured == "1.00 ms, wrong");
    }
}
