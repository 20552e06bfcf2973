//! The logs that are measured: one of an estate and one of a web service, made the same on every machine; what no store can make small; and
//! real ones where `TAFFRAIL_CORPUS` says that there are any.

pub mod access;
pub mod noise;

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use taffrail_synth::{live, syslog};

/// Writes the log of the estate in `benches/estate/` to a file.
pub fn generate(file: &Path, megabytes: u64) -> Result<syslog::Written> {
    let estate = live::estate()?;
    let out = File::create(file).with_context(|| format!("{} cannot be made", file.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let written = syslog::write(&estate, megabytes * 1_000_000, &mut out)?;
    out.flush().with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(written)
}
