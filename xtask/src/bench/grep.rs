//! ripgrep and zstd on the plain file: the answers that must come out, and what is to be beaten.

use super::measure::{self, Cost};
use super::questions::{Answer, Question};
use crate::workspace::which;
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader};
use std::path::Path;

/// So often each question is asked; the median counts.
const REPEATS: usize = 3;

/// The lines that ripgrep finds, and what it costs; what is done with the lines is not counted. Nothing without ripgrep.
pub fn ask(question: &Question, file: &Path) -> Result<Option<(Answer, Cost)>> {
    if which("rg").is_none() {
        return Ok(None);
    }
    let file = file.to_str().context("not UTF-8")?;
    let arguments: Vec<&str> = ["-j1", "--no-config"].into_iter().chain(question.rg.iter().map(String::as_str)).chain([file]).collect();
    let (mut costs, mut answer) = (Vec::new(), None);
    for _ in 0..REPEATS {
        let cost = measure::run_with("rg", &arguments, &[0, 1], |stdout| {
            let mut failed = None;
            let lines = BufReader::with_capacity(1 << 16, stdout).lines();
            let lines = lines.map_while(|line| line.map_err(|error| failed = Some(error)).ok());
            answer = Some(question.form.of_lines(lines)?);
            failed.map_or(Ok(()), |error| Err(error.into()))
        })?;
        costs.push(cost);
    }
    Ok(answer.map(|answer| (answer, Cost::median(&costs))))
}

/// Bytes that `zstd -3` makes of a file, and its cost; nothing without zstd.
pub fn zstd(file: &Path) -> Result<Option<(u64, Cost)>> {
    if which("zstd").is_none() {
        return Ok(None);
    }
    let out = file.with_extension("zst-3");
    let (from, to) = (file.to_str().context("not UTF-8")?, out.to_str().context("not UTF-8")?);
    let (cost, _) = measure::run("zstd", &["-3", "-q", "-f", "-T1", "-o", to, from])?;
    let bytes = out.metadata()?.len();
    std::fs::remove_file(out)?;
    Ok(Some((bytes, cost)))
}
