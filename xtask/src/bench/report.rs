//! The report: tables for people, with the machine and the commands, and without its name or paths.

use super::Outcome;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::process::Command;

/// The report as Markdown.
pub fn text(outcomes: &[Outcome]) -> Result<String> {
    let mut text = format!("# Benchmark of {}, {}\n\n", date()?, machine_name());
    writeln!(text, "{}\n", machine())?;
    ingest(&mut text, outcomes)?;
    queries(&mut text, outcomes)?;
    text.push_str("## How\n\nMade by `cargo xtask bench`; times are medians. Commands, for each log:\n\n```\n");
    text.push_str("taffrail import --data DATA LOG          # CPU: user and system of the process, fsync included\n");
    text.push_str("taffrail stat --data DATA --output json\n");
    text.push_str("zstd -3 -q -f -T1 -o OUT LOG\n");
    text.push_str("taffrail search --data DATA QUERY --output json\n");
    text.push_str("POST /api/v1/search {\"query\": QUERY}     # to `taffrail serve --data DATA`\n");
    text.push_str("rg -c -i --no-config PATTERN LOG\n```\n");
    Ok(text)
}

/// Today and the machine, as the name of the report's file.
pub fn file_name() -> Result<String> {
    Ok(format!("{}-{}.md", date()?, machine_name()))
}

fn ingest(text: &mut String, outcomes: &[Outcome]) -> Result<()> {
    text.push_str("## Ingest and size\n\n");
    text.push_str(
        "| log | MB | events | MB per CPU-s | wall s | memory MB | stored MB | folder MB | zstd -3 MB | stored / zstd | patterns |\n",
    );
    text.push_str("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    let mega = |bytes: u64| bytes as f64 / 1e6;
    for outcome in outcomes {
        let Outcome { log, ingest, .. } = outcome;
        let (zstd, ratio) = match outcome.zstd {
            Some((bytes, _)) => (format!("{:.2}", mega(bytes)), format!("{:.2}", outcome.stored_bytes as f64 / bytes as f64)),
            None => ("-".into(), "-".into()),
        };
        writeln!(
            text,
            "| {} | {:.1} | {} | {:.1} | {:.1} | {:.0} | {:.2} | {:.2} | {zstd} | {ratio} | {} |",
            log.name,
            mega(log.bytes),
            outcome.events,
            mega(log.bytes) / ingest.cpu,
            ingest.wall,
            mega(ingest.memory),
            mega(outcome.stored_bytes),
            mega(outcome.folder_bytes),
            outcome.patterns,
        )?;
    }
    text.push('\n');
    for outcome in outcomes {
        writeln!(text, "- {}: {}", outcome.log.name, outcome.log.what)?;
    }
    text.push('\n');
    Ok(())
}

fn queries(text: &mut String, outcomes: &[Outcome]) -> Result<()> {
    text.push_str(
        "## Searches\n\nMilliseconds. *server*: what the running server says and what its client waits; *command*: a process of its own.\n",
    );
    for outcome in outcomes {
        let gigabytes = outcome.log.bytes as f64 / 1e9;
        writeln!(text, "\n### {}, {:.2} GB\n", outcome.log.name, gigabytes)?;
        text.push_str(
            "| kind | query | count | server says | client waits | per GB | command CPU | command wall | rg count | rg CPU | rg wall |\n",
        );
        text.push_str("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
        for query in &outcome.queries {
            let number = |count: Option<u64>| count.map_or_else(|| "-".into(), |count| count.to_string());
            let milliseconds = |seconds: Option<f64>| seconds.map_or_else(|| "-".into(), |seconds| format!("{:.0}", seconds * 1e3));
            writeln!(
                text,
                "| {} | `{}` | {} | {:.1} | {:.1} | {:.1} | {} | {} | {} | {} | {} |",
                query.name,
                query.query.replace('|', "\\|"),
                number(query.count),
                query.server_says,
                query.server_wall,
                query.server_wall / gigabytes,
                milliseconds(Some(query.command.cpu)),
                milliseconds(Some(query.command.wall)),
                number(query.grep.map(|(lines, _)| lines)),
                milliseconds(query.grep.map(|(_, cost)| cost.cpu)),
                milliseconds(query.grep.map(|(_, cost)| cost.wall)),
            )?;
        }
    }
    text.push('\n');
    Ok(())
}

/// The kind of machine, which says nothing about whose it is.
fn machine_name() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}-{cores}core", std::env::consts::OS)
}

fn machine() -> String {
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
    format!("{model}, {cores} cores, {memory} memory, kernel {kernel}; other work may have shared the machine.")
}

fn date() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%F"]).output().context("the command date cannot be started")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
