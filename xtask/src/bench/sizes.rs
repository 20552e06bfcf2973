//! Size beside zstd: of noise, and of the logs of the corpus where there is one.

use super::grep;
use super::logs::noise::Noise;
use super::product::Product;
use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The size of one file in the store.
pub struct Size {
    pub name: String,
    pub bytes: u64,
    pub events: u64,
    pub stored: u64,
    pub zstd: u64,
    /// MB of text per second of CPU.
    pub speed: f64,
    pub memory: u64,
}

impl Size {
    pub fn ratio(&self) -> f64 {
        self.stored as f64 / self.zstd as f64
    }
}

/// Logs below this say more of headers than of compression.
const LEAST: u64 = 1_000_000;

/// Noise of so many bytes of each kind.
pub fn noise(product: &Product, folder: &Path, bytes: u64) -> Result<Vec<Size>> {
    let size = |noise: Noise| {
        let file = folder.join("noise.txt");
        let mut out = BufWriter::new(File::create(&file)?);
        noise.write(bytes, &mut out)?;
        out.flush()?;
        size(product, folder, &file, noise.name().to_owned())
    };
    Noise::ALL.into_iter().map(size).collect()
}

/// The logs of the corpus, at most so many bytes of each.
pub fn corpus(product: &Product, folder: &Path, most: u64) -> Result<Vec<Size>> {
    let Some(corpus) = std::env::var_os("TAFFRAIL_CORPUS").map(PathBuf::from) else { return Ok(Vec::new()) };
    let mut sizes = Vec::new();
    for part in ["real", "web", "zeek"] {
        let part = corpus.join(part);
        if !part.is_dir() {
            continue;
        }
        for packed in crate::workspace::files(&part)? {
            let unpacker = match packed.extension().and_then(|extension| extension.to_str()) {
                Some("zst") => "zstd",
                Some("gz") => "gzip",
                _ => continue,
            };
            let file = folder.join("corpus.log");
            if unpack(unpacker, &packed, &file, most)? >= LEAST {
                let name = packed.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                sizes.push(size(product, folder, &file, name)?);
            }
            std::fs::remove_file(file)?;
        }
    }
    Ok(sizes)
}

fn size(product: &Product, folder: &Path, file: &Path, name: String) -> Result<Size> {
    let data = folder.join("size-data");
    let bytes = file.metadata()?.len();
    let (zstd, _) = grep::zstd(file)?.context("zstd is not here")?;
    let cost = product.import(&data, file)?;
    let held = product.held(&data)?;
    std::fs::remove_dir_all(data)?;
    let size =
        Size { name, bytes, events: held.events, stored: held.stored, zstd, speed: bytes as f64 / 1e6 / cost.cpu, memory: cost.memory };
    println!("  {}: {:.1} MB, stored {:.2} MB, {:.2} of zstd -3", size.name, bytes as f64 / 1e6, size.stored as f64 / 1e6, size.ratio());
    Ok(size)
}

/// Unpacks whole lines; gives back how many bytes.
fn unpack(program: &str, packed: &Path, file: &Path, most: u64) -> Result<u64> {
    let mut child = Command::new(program).args(["-dcq"]).arg(packed).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut from = BufReader::new(child.stdout.take().context("standard output is piped")?);
    let mut out = BufWriter::new(File::create(file)?);
    let (mut bytes, mut line) = (0, Vec::new());
    while bytes < most && from.read_until(b'\n', &mut line)? > 0 {
        bytes += line.len() as u64;
        out.write_all(&line)?;
        line.clear();
    }
    out.flush()?;
    drop(from);
    let status = child.wait()?;
    ensure!(status.success() || bytes >= most, "{program} cannot unpack {}", packed.display());
    Ok(bytes)
}
