//! What is measured of Taffrail itself: import, size, full read-back, warm and cold questions.

use super::measure::{self, Cost, median};
use super::questions::{Answer, Question};
use super::server::{Server, Settings};
use crate::workspace;
use anyhow::{Context, Result, ensure};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The program under test.
pub struct Product(pub PathBuf);

/// What a data folder holds.
pub struct Held {
    pub events: u64,
    /// Bytes of segments, with their indexes.
    pub stored: u64,
    pub segments: u64,
    pub patterns: u64,
    /// Bytes of everything in the folder.
    pub folder: u64,
}

/// How a full read-back went.
pub struct ReadBack {
    pub command: String,
    pub cost: Cost,
    /// Whether what came back is the file, byte for byte.
    pub same: bool,
}

/// A question at a running server.
pub struct Asked {
    pub answer: Answer,
    /// Milliseconds of the server's CPU for one question: the median of some batches, and the best.
    pub cpu: f64,
    pub best: f64,
    /// Milliseconds that the client waits.
    pub wall: f64,
    pub cold: Cold,
}

/// The same question as the first after a start.
#[derive(Clone, Copy)]
pub struct Cold {
    /// Stored bytes that the search says it read.
    pub says: u64,
    /// Bytes of all read calls of the process between question and answer.
    pub read: u64,
    pub wall: f64,
}

/// Batches of one question, seconds of CPU in all, and bounds on questions and seconds.
const BATCHES: u64 = 5;
const CPU_SECONDS: f64 = 0.25;
const TIMES: u64 = 500;
const WALL_SECONDS: f64 = 10.0;

impl Product {
    fn run(&self, arguments: &[&str]) -> Result<(Cost, Vec<u8>)> {
        measure::run(text(&self.0)?, arguments)
    }

    /// What the program calls itself.
    pub fn version(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.run(&["--version"])?.1).trim().to_owned())
    }

    /// Reads a file into a new data folder, at default settings.
    pub fn import(&self, data: &Path, file: &Path) -> Result<Cost> {
        if data.exists() {
            std::fs::remove_dir_all(data)?;
        }
        Ok(self.run(&["import", "--data", text(data)?, text(file)?])?.0)
    }

    pub fn held(&self, data: &Path) -> Result<Held> {
        let (_, stat) = self.run(&["stat", "--data", text(data)?, "--output", "json"])?;
        let stat: serde_json::Value = serde_json::from_slice(&stat).context("taffrail stat --output json gives no JSON")?;
        // Indexes of the server's own, such as that of the audit, are not what was imported.
        let own = |index: &&serde_json::Value| index["index"].as_str().is_some_and(|name| name.starts_with('_'));
        let indexes: Vec<_> = stat.as_array().map_or(&[][..], Vec::as_slice).iter().filter(|index| !own(index)).collect();
        let sum = |key: &str| indexes.iter().filter_map(|index| index[key].as_u64()).sum();
        let folder = bytes_below(data)?;
        Ok(Held { events: sum("events"), stored: sum("stored_bytes"), segments: sum("segments"), patterns: sum("patterns"), folder })
    }

    /// Writes everything out again and compares it with the file as it comes.
    pub fn read_back(&self, data: &Path, file: &Path) -> Result<ReadBack> {
        let data = text(data)?;
        let export: &[&str] = &["export", "--data", data, "--index", "main", "--format", "raw"];
        let search: &[&str] = &["search", "--data", data, "* | reverse", "--output", "raw"];
        let arguments = if self.run(&["export", "--help"]).is_ok() { export } else { search };
        let mut same = false;
        let mut file = std::fs::File::open(file)?;
        let cost = measure::run_with(text(&self.0)?, arguments, &[0], |stdout| {
            same = equal(stdout, &mut file)?;
            Ok(())
        })?;
        let command: Vec<&str> = arguments.iter().map(|word| if *word == data { "DATA" } else { word }).collect();
        Ok(ReadBack { command: format!("taffrail {}", command.join(" ")), cost, same })
    }

    /// What a server does of its own over a new data folder, such as merging segments, until it rests: seconds of CPU.
    pub fn left_for_later(&self, data: &Path) -> Result<f64> {
        let server = Server::start(&self.0, data, Settings::Default)?;
        let before = measure::cpu_of(server.pid())?;
        server.rest()?;
        let used = measure::cpu_of(server.pid())? - before;
        server.stop()?;
        Ok(used)
    }

    /// Asks all questions: each as the first of a fresh server, then again and again of one that is warm. With them the
    /// largest memory of the warm server.
    pub fn ask(&self, data: &Path, questions: &[Question]) -> Result<(Vec<Asked>, u64)> {
        let cold: Vec<Cold> = questions.iter().map(|question| self.cold(data, question)).collect::<Result<_>>()?;
        let server = Server::start(&self.0, data, Settings::Default)?;
        server.rest()?;
        let asked = questions.iter().zip(cold).map(|(question, cold)| warm(&server, question, cold)).collect::<Result<_>>()?;
        let memory = measure::proc_number(server.pid(), "status", "VmHWM")? * 1024;
        server.stop()?;
        Ok((asked, memory))
    }

    fn cold(&self, data: &Path, question: &Question) -> Result<Cold> {
        let server = Server::start(&self.0, data, Settings::Default)?;
        server.rest()?;
        let before = measure::proc_number(server.pid(), "io", "rchar")?;
        let found = server.search(&question.taffrail)?;
        // The request itself is read too; it is some hundred bytes.
        let read = measure::proc_number(server.pid(), "io", "rchar")?.saturating_sub(before);
        server.stop()?;
        Ok(Cold { says: found.bytes_read, read, wall: found.wall })
    }
}

fn warm(server: &Server, question: &Question, cold: Cold) -> Result<Asked> {
    let first = server.search(&question.taffrail)?;
    let answer = question.form.of_rows(&first.rows).with_context(|| question.taffrail.clone())?;
    let before = measure::cpu_of(server.pid())?;
    let start = std::time::Instant::now();
    server.search(&question.taffrail)?;
    let (once, wall) = ((measure::cpu_of(server.pid())? - before).max(1e-5), start.elapsed().as_secs_f64().max(1e-5));
    let wanted = (CPU_SECONDS / once).min(WALL_SECONDS / wall).min(TIMES as f64);
    let each = (wanted / BATCHES as f64).ceil().max(1.0) as u64;
    let (mut cpu, mut walls) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        let before = measure::cpu_of(server.pid())?;
        for _ in 0..each {
            walls.push(server.search(&question.taffrail)?.wall);
        }
        cpu.push((measure::cpu_of(server.pid())? - before) * 1e3 / each as f64);
    }
    let best = cpu.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(Asked { answer, cpu: median(&cpu), best, wall: median(&walls), cold })
}

/// A path as an argument.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("the path {} is not UTF-8", path.display()))
}

/// Bytes of all files below a folder.
pub fn bytes_below(folder: &Path) -> Result<u64> {
    let files = workspace::files(folder)?;
    Ok(files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum())
}

/// Whether two streams hold the same; the first is read to its end.
fn equal(one: &mut dyn Read, two: &mut dyn Read) -> Result<bool> {
    let (mut left, mut right, mut same) = (vec![0; 1 << 18], vec![0; 1 << 18], true);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            return Ok(same && two.read(&mut right[..1])? == 0);
        }
        same = same && two.read_exact(&mut right[..length]).is_ok() && left[..length] == right[..length];
    }
}

/// A store of many segments is made, and opened again: what a start costs.
pub struct Opened {
    pub segments: u64,
    pub wall: f64,
    pub cpu: f64,
    /// The same of an empty store.
    pub empty_wall: f64,
    pub empty_cpu: f64,
}

/// One segment per index, since segments of one index are merged.
pub fn open_many(product: &Product, folder: &Path, segments: u64) -> Result<Opened> {
    let data = folder.join("many-data");
    let server = Server::start(&product.0, &data, Settings::ManySegments)?;
    for number in 0..segments {
        server.ingest(&format!("many{number:05}"), &format!("Oct  5 00:00:01 host app[{number}]: segment {number} of many\n"))?;
    }
    server.stop()?;
    let held = product.held(&data)?;
    ensure!(held.segments * 10 >= segments * 9, "{segments} segments were asked for, there are {}", held.segments);
    let open = |data: &Path| -> Result<(f64, f64)> {
        let mut starts = Vec::new();
        for _ in 0..3 {
            let server = Server::start(&product.0, data, Settings::Default)?;
            starts.push((server.started, measure::cpu_of(server.pid())?));
            server.stop()?;
        }
        let part = |part: fn(&(f64, f64)) -> f64| median(&starts.iter().map(part).collect::<Vec<_>>());
        Ok((part(|start| start.0), part(|start| start.1)))
    };
    let (wall, cpu) = open(&data)?;
    let (empty_wall, empty_cpu) = open(&folder.join("empty-data"))?;
    std::fs::remove_dir_all(data)?;
    Ok(Opened { segments: held.segments, wall, cpu, empty_wall, empty_cpu })
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn streams_are_compared_to_their_ends() {
        let same = |one: &str, two: &str| equal(&mut one.as_bytes(), &mut two.as_bytes()).unwrap();
        assert!(same("", "") && same("abc", "abc"));
        assert!(!same("abc", "abd") && !same("abc", "ab") && !same("ab", "abc"));
    }
}
