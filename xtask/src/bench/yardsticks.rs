//! Other programs over the same lines: DuckDB, and ClickHouse as chdb, from PyPI. `benches/yardsticks.py` works them;
//! here is the environment that it runs in, and its figures.

use super::measure;
use super::product::text;
use super::questions::{Answer, Question};
use crate::workspace::root;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The names that `yardsticks.py` knows, and those of the report.
pub const ALL: [(&str, &str); 3] = [("duckdb", "DuckDB"), ("chdb", "chdb, text index"), ("bloom", "chdb, bloom filters")];

/// What was measured of one.
pub struct Yardstick {
    pub title: &'static str,
    pub version: String,
    /// Of loading: seconds of CPU, seconds, bytes of memory, bytes on disk.
    pub cpu: f64,
    pub wall: f64,
    pub memory: u64,
    pub stored: u64,
    /// For each question the answer and milliseconds of CPU, or why there is none.
    pub answers: Vec<Result<(Answer, f64), String>>,
}

/// The Python that has both; made when it is not there.
pub fn python(folder: &Path) -> Result<PathBuf> {
    let python = crate::python::environment(&folder.join("venv"))?;
    if measure::run(text(&python)?, &["-c", "import duckdb, chdb"]).is_err() {
        println!("installing duckdb and chdb for the yardsticks");
        crate::python::install(&python, &["duckdb", "chdb"])?;
    }
    Ok(python)
}

/// Runs `yardsticks.py`: what it says.
pub fn script(python: &Path, words: &[&str]) -> Result<Value> {
    let script = root().join("benches/yardsticks.py");
    let (_, output) = measure::run(text(python)?, &[&[text(&script)?], words].concat())?;
    // The libraries may print too; the figures are one line.
    let output = String::from_utf8_lossy(&output).into_owned();
    let line = output.lines().rev().find(|line| line.starts_with('{')).context("no figures")?;
    serde_json::from_str(line).with_context(|| line.to_owned())
}

/// Loads the log and asks all questions.
pub fn measure(python: &Path, (kind, title): (&str, &'static str), log: &Path, folder: &Path, questions: &[Question]) -> Result<Yardstick> {
    let data = folder.join(format!("{kind}-data"));
    let load = script(python, &["load", kind, text(log)?, text(&data)?])?;
    let answers = script(python, &["ask", kind, text(&super::questions::path())?, text(&data)?])?;
    std::fs::remove_dir_all(&data)?;
    let answers = answers["answers"].as_array().context("no answers")?;
    ensure!(answers.len() == questions.len(), "{} answers to {} questions", answers.len(), questions.len());
    let answer = |(question, answer): (&Question, &Value)| -> Result<(Answer, f64), String> {
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let found = question.form.of_json(answer).map_err(|error| error.to_string())?;
        Ok((found, answer["cpu"].as_f64().unwrap_or(f64::NAN) * 1e3))
    };
    Ok(Yardstick {
        title,
        version: load["version"].as_str().unwrap_or_default().to_owned(),
        cpu: load["cpu"].as_f64().context("no cpu")?,
        wall: load["wall"].as_f64().context("no wall")?,
        memory: load["memory"].as_u64().context("no memory")?,
        stored: load["bytes"].as_u64().context("no bytes")?,
        answers: questions.iter().zip(answers).map(answer).collect(),
    })
}
